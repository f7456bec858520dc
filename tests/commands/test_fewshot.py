import shutil

import pandas as pd
from safetensors.torch import load_file, save_file

from genomask.commands.fewshot import measure, provenance
from genomask.commands.pretrain import pretrain
from genomask.commands.run_folder.leaks import seen_by_model
from genomask.fewshot.protocol import FewShotSettings


def test_from_a_pretrained_folder_to_a_table_files_and_a_picture(quick_recipe, inputs, simulated, tmp_path):
    pretrain(quick_recipe, inputs, tmp_path / "run")
    model, out = tmp_path / "run" / "model", tmp_path / "fewshot"
    assert provenance(model) == ("random-span", 0)
    settings = FewShotSettings(shots=(5, 10), draws=2)
    table, floors, sentence, leaks, seen, files = measure(model, simulated.pool, simulated.test, settings, out)
    assert "0 of 100 test sequences are in the training pool" in leaks
    assert "0 of 100 test sequences are in the bases that pretraining could see" in seen
    assert str(out / "results.csv") in files
    results = pd.read_csv(out / "results.csv")
    assert results.groupby("method").size().to_dict() == {
        "finetune": 4, "kmer-logreg": 4, "probe": 4, "probe-layers": 4,
        "random-init/finetune": 4, "random-init/probe": 4, "random-init/probe-layers": 4,
    }  # fmt: skip
    assert set(results.columns) >= {
        "model", "strategy", "pretraining_seed", "task", "shot", "draw", "method", "n_train", "n_test",
        "accuracy", "f1_macro", "mcc", "auroc", "auprc",
    }  # fmt: skip
    assert (out / "summary.csv").exists()
    assert (out / "fewshot.png").stat().st_size > 10_000
    cells = [str(cell) for column in table.columns for cell in column.cells]
    assert "kmer-logreg" in cells
    assert any("±" in cell for cell in cells)
    assert "kmer-logreg" in " ".join(str(cell) for column in floors.columns for cell in column.cells)
    assert "floor" in sentence


def test_a_test_sequence_that_pretraining_saw_is_counted(quick_recipe, inputs, simulated, tmp_path):
    pretrain(quick_recipe, inputs, tmp_path / "run")
    genome = "".join(simulated.genome.read_text().split("\n")[1:])
    windows = [genome[at : at + 60] for at in range(0, len(genome) - 60, 60)]
    found = seen_by_model(tmp_path / "run" / "model", windows).sentence
    seen = int(found.split(" ")[0])
    assert 0.8 * len(windows) < seen < len(windows)  # the validation windows were held out
    assert "data are unknown here" in seen_by_model(tmp_path / "elsewhere" / "model", windows).sentence


def test_another_models_measurements_in_the_folder_are_not_taken_for_this_ones(model_folder, simulated, tmp_path):
    other = tmp_path / "other" / "model"
    shutil.copytree(model_folder, other)
    weights = load_file(other / "model.safetensors")
    save_file({name: x.flip(0) for name, x in weights.items()}, other / "model.safetensors", {"format": "pt"})
    settings = FewShotSettings(shots=(10,), draws=3, methods=("probe", "kmer-logreg"))

    def probed(model, out):
        table, *_ = measure(model, simulated.pool, simulated.test, settings, tmp_path / out)
        rows = zip(*(column.cells for column in table.columns), strict=True)
        return [str(row[-1]) for row in rows if "probe" in map(str, row)]

    alone = probed(other, "alone")
    first = probed(model_folder, "both")
    assert first != alone
    again = probed(other, "both")
    assert again == alone
    *_, said, _ = measure(other, simulated.pool, simulated.test, settings, tmp_path / "both")
    assert said == f"not shown: 1 other model measured in this folder; see {tmp_path / 'both' / 'summary.csv'}."


def test_a_model_from_elsewhere_has_no_strategy_and_no_seed(tmp_path):
    assert provenance(tmp_path / "model") == ("unknown", -1)


def test_scores_are_shown_with_and_without_the_test_sequences_in_the_pool(simulated, tmp_path):
    rows = simulated.test.read_text().splitlines()
    taken = simulated.pool.read_text().splitlines()[1:8]
    (tmp_path / "test.tsv").write_text("\n".join([*rows, *taken]) + "\n")
    settings = FewShotSettings(shots=(5,), draws=3, methods=("kmer-logreg",))
    said = list(measure(tmp_path / "model", simulated.pool, tmp_path / "test.tsv", settings, tmp_path / "out"))
    assert "7 of 107 test sequences are in the training pool" in said[1]
    assert "7 share 32 bases" in said[1]
    header = [str(column.header) for column in said[3].columns]
    assert header[2:5] == ["all 107", "without the 7 found", "these alone"]
    row = [next(iter(column.cells)) for column in said[3].columns]
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    everything, without, alone = (float(str(x)) / 100 for x in row[2:5])
    assert abs(everything - results["accuracy"].mean()) < 0.001
    assert abs(107 * everything - 100 * without - 7 * alone) < 0.2
