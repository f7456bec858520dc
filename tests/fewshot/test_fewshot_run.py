import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from genomask.errors import DataError, SettingsError, UserError
from genomask.fewshot import run
from genomask.fewshot.correct import CorrectFile
from genomask.fewshot.finetune import FineTuneSettings
from genomask.fewshot.metrics import METRICS, score
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import COLUMNS, Cell, ResultsFile, read_results, task_digest
from genomask.fewshot.run import run_fewshot
from genomask.fewshot.summary import OVERLAP_CAPTION, captions
from genomask.inference.pooling import VectorSettings

SETTINGS = FewShotSettings(
    shots=(3, 12),
    draws=2,
    finetune=FineTuneSettings(epochs=1),
    methods=("kmer-logreg", "probe", "finetune", "random-init"),
)
QUICK = FewShotSettings(shots=(3, 12), draws=3, methods=("kmer-logreg", "probe"))


def quiet(done: int, total: int, text: str) -> None:
    """No progress bar."""


@pytest.fixture
def measure(model_folder, pool, test_task, tmp_path):
    def measured(
        settings: FewShotSettings = QUICK, folder=model_folder, test_task=test_task, **changes
    ) -> pd.DataFrame:
        arguments = {"strategy": "genemask", "pretraining_seed": 7, "out": tmp_path, "progress": quiet, "pool": pool}
        return run_fewshot(folder, test=test_task, settings=settings, **(arguments | changes))

    return measured


def test_every_method_shot_and_draw_becomes_a_row(measure, model_folder, tmp_path):
    table = measure(SETTINGS)
    assert list(table.columns) == COLUMNS == list(pd.read_csv(tmp_path / "results.csv").columns)
    assert len(table) == 5 * (2 + 1)  # 12 shots are the whole pool: one draw
    assert set(table["method"]) == {"kmer-logreg", "probe", "random-init/probe", "finetune", "random-init/finetune"}
    floor = table[table["method"] == "kmer-logreg"]
    assert floor[["model", "strategy", "pretraining_seed"]].drop_duplicates().values.tolist() == [["none", "none", -1]]
    own = table[table["method"] != "kmer-logreg"]
    assert own[["model", "strategy"]].drop_duplicates().values.tolist() == [[str(model_folder), "genemask"]]
    assert (table["n_train"] == 2 * table["shot"]).all()
    assert (table["n_test"] == 60).all()
    assert table["accuracy"].between(0, 1).all()
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert summary.groupby("shot")["n_draws"].unique().explode().to_dict() == {3: 2, 12: 1}


def test_draws_of_the_whole_pool_share_one_training_set_and_do_not_overlap(measure, pool, tmp_path):
    uneven = replace(pool, sequences=pool.sequences[5:], labels=pool.labels[5:])  # 7 of one class, 12 of the other
    table = measure(replace(QUICK, whole=True, draws=2), pool=uneven)
    assert set(table["n_train"]) == {19}
    assert table["method"].tolist() == ["kmer-logreg", "probe"]  # nothing is drawn in these: one row each
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert set(summary["shot"]) == {10}  # more than the rarest class has
    assert not summary["draws_overlap"].any()
    assert OVERLAP_CAPTION not in captions(summary, {})


def test_a_repeated_run_is_bit_equal_and_measures_nothing(measure, tmp_path, monkeypatch):
    first = measure()
    content = (tmp_path / "results.csv").read_bytes()
    monkeypatch.setattr(run, "score", lambda *_: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(measure(), first)
    assert (tmp_path / "results.csv").read_bytes() == content


def test_a_killed_run_goes_on_where_it_stopped(measure, tmp_path):
    whole = measure()
    path = tmp_path / "results.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20])  # killed in the middle of a line
    pd.testing.assert_frame_equal(measure(), whole)
    assert sorted(path.read_text().splitlines()) == sorted("".join(lines).splitlines())


def test_more_shots_and_draws_are_added_to_a_folder(measure):
    few = measure(replace(QUICK, shots=(3,), draws=2))
    more = measure()
    shared = more.merge(few, how="inner")
    assert len(shared) == len(few) == 4
    assert len(more) == 8
    pd.testing.assert_frame_equal(measure(replace(QUICK, shots=(3,), draws=2)), few)  # and no row that is not asked for


def test_two_models_share_a_folder_and_its_floor(measure, tmp_path):
    measure()
    measure(strategy="uniform")
    table = pd.read_csv(tmp_path / "results.csv")
    assert table.groupby(["strategy", "method"]).size().to_dict() == {
        ("none", "kmer-logreg"): 4,
        ("genemask", "probe"): 4,
        ("uniform", "probe"): 4,
    }


def test_other_settings_or_data_are_refused(measure, pool, tmp_path):
    measure()
    before = (tmp_path / "results.csv").read_bytes()
    with pytest.raises(SettingsError, match=r"already holds results with another setting 'pooling' \(mean, now cls\)"):
        measure(replace(QUICK, vectors=VectorSettings(pooling="cls")))
    with pytest.raises(SettingsError, match="another task 'toy'"):
        measure(pool=replace(pool, sequences=pool.sequences[::-1], labels=pool.labels[::-1]))
    assert (tmp_path / "results.csv").read_bytes() == before


KMERS = replace(QUICK, shots=(12,), methods=("kmer-logreg",))
ONE_PROBE = replace(QUICK, shots=(12,), methods=("probe",))


def test_another_test_or_validation_set_is_refused(measure, pool, test_task):
    measure(KMERS, valid=pool)
    for other in ({"test_task": replace(test_task, labels=1 - test_task.labels), "valid": pool}, {"valid": test_task}):
        with pytest.raises(SettingsError, match="another task 'toy'"):
            measure(KMERS, **other)
    measure(KMERS, valid=pool)


def test_other_weights_and_another_precision_are_refused(measure, model_folder, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    measure(ONE_PROBE, folder=folder)
    weights = load_file(folder / "model.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(run, "scoring_precision", lambda _: "bf16")
        with pytest.raises(SettingsError, match=r"another inference 'precision' \(fp32, now bf16\)"):
            measure(ONE_PROBE, folder=folder)
    save_file({name: x + 1e-3 for name, x in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(SettingsError, match="another model"):
        measure(ONE_PROBE, folder=folder)


def test_labels_of_the_test_may_be_numbered_differently(measure, test_task, tmp_path):
    turned = replace(test_task, classes=test_task.classes[::-1], labels=1 - test_task.labels)
    pd.testing.assert_frame_equal(measure(KMERS, test_task=turned, out=tmp_path / "turned"), measure(KMERS))


def test_correct_csv_holds_what_was_right_for_each_score(measure, tmp_path):
    table = measure(KMERS)
    cells = [Cell(*row) for row in table[list(Cell._fields)].itertuples(index=False, name=None)]
    correct = CorrectFile(tmp_path).of(cells, 60)
    assert [correct[cell].mean() for cell in cells] == pytest.approx(table["accuracy"].tolist())
    assert table["accuracy"].min() > 0.6


def test_the_untrained_twin_is_drawn_by_the_pretraining_seed(measure, tmp_path):
    asked = replace(QUICK, shots=(12,), methods=("probe", "random-init"))
    scores = {}
    for name, seed in (("a", 7), ("b", 8), ("again", 7)):
        table = measure(asked, pretraining_seed=seed, out=tmp_path / name).set_index("method")
        scores[name] = table.loc["random-init/probe", list(METRICS)].tolist()
    assert scores["a"] == scores["again"] != scores["b"]


def test_the_digest_of_a_task_changes_with_its_sequences_labels_and_names_of_classes(pool):
    labels = pool.labels.copy()
    labels[[0, -1]] = labels[[-1, 0]]
    others = [
        replace(pool, sequences=[pool.sequences[0] + "A", *pool.sequences[1:]]),
        replace(pool, labels=labels),
        replace(pool, classes=pool.classes[::-1]),
    ]
    assert len({task_digest(task) for task in (pool, *others)}) == 4
    assert task_digest(replace(pool, name="other", path=pool.path.with_name("b.tsv"))) == task_digest(pool)


def test_rows_of_a_version_that_knew_fewer_settings_are_not_added_to(measure, tmp_path):
    measure(replace(QUICK, shots=(12,), methods=("kmer-logreg",)))
    path = tmp_path / "protocol.json"
    protocol = json.loads(path.read_text())
    del protocol["settings"]["schedule"]
    path.write_text(json.dumps(protocol))
    with pytest.raises(SettingsError, match="a version without the setting 'schedule'; give another --out"):
        measure(replace(QUICK, shots=(12,)))


@pytest.mark.slow
def test_results_do_not_depend_on_what_else_is_asked(measure, tmp_path):
    together = measure()
    alone = measure(replace(QUICK, shots=(12,), methods=("probe",)), out=tmp_path / "alone")
    pd.testing.assert_frame_equal(
        alone, together[together["method"].eq("probe") & together["shot"].eq(12)].reset_index(drop=True)
    )


def test_progress_counts_every_measurement(measure):
    seen = []
    measure(progress=lambda done, total, text: seen.append((done, total)))
    assert seen[0] == (0, 8)
    assert seen[-1] == (8, 8)
    assert np.diff([done for done, _ in seen]).min() >= 0


def test_a_pool_too_small_and_a_folder_without_a_model_are_reported(measure, pool, test_task, tmp_path):
    arguments = {"strategy": "genemask", "pretraining_seed": 7, "out": tmp_path / "new", "progress": quiet}
    with pytest.raises(DataError, match="13-shot needs 13 of each"):
        measure(replace(QUICK, shots=(13,)), out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UserError, match="no model here"):
        run_fewshot(tmp_path, pool, test_task, QUICK, **arguments)
    assert not (tmp_path / "new").exists()


def test_a_row_that_does_not_fit_on_the_disk_is_reported_and_measured_again(tmp_path):
    file = ResultsFile(tmp_path, {"tasks": {"t": {"smallest_class": 10}}})
    cells = [Cell("m", "s", 0, "t", 10, draw, "probe") for draw in range(2)]
    scores = dict.fromkeys(METRICS, 0.5)
    file.append(cells[0], 20, 30, scores)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.path.stat().st_size + 5, before[1]))
    try:
        with pytest.raises(OSError, match=r"results\.csv"):
            file.append(cells[1], 20, 30, scores)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    again = ResultsFile(tmp_path, {"tasks": {"t": {"smallest_class": 10}}})
    assert again.done == {tuple(cells[0])}
    again.append(cells[1], 20, 30, scores)
    assert len(read_results(tmp_path)) == 2


def test_scores_come_back_to_the_last_bit(tmp_path):
    scores = np.random.default_rng(0).random((40, 5))
    file = ResultsFile(tmp_path, {"tasks": {"t": {"smallest_class": 10}}})
    for draw, row in enumerate(scores):
        file.append(Cell("m", "s", 0, "t", 10, draw, "probe"), 20, 30, dict(zip(METRICS, row, strict=True)))
    assert read_results(tmp_path)[list(METRICS)].to_numpy().tolist() == scores.tolist()


ROW = "m,s,1,toy,3,0,probe,6,60,0.5,0.5,0.1,0.5,0.5\n"


def test_names_that_look_like_numbers_are_read_as_they_were_written(tmp_path):
    (tmp_path / "results.csv").write_text(",".join(COLUMNS) + "\n" + ROW.replace("m,s,1,toy", "1e3,NA,1,007"))
    assert read_results(tmp_path)[["model", "strategy", "task"]].to_numpy().tolist() == [["1e3", "NA", "007"]]


def test_a_perfect_ranking_is_read_where_rounding_puts_its_auprc_above_one(tmp_path):
    labels = np.repeat([0, 1], 43)
    likely = np.where(labels == 1, 0.9, 0.1) + np.arange(86) / 1000  # no two alike
    scores = score(labels, np.column_stack([1 - likely, likely]))
    file = ResultsFile(tmp_path, {"tasks": {"t": {"smallest_class": 10}}})
    file.append(Cell("m", "s", 0, "t", 10, 0, "probe"), 20, 86, scores)
    assert read_results(tmp_path)["auprc"].tolist() == [scores["auprc"]] != [1.0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("results.csv", b"\x89PNG\r\n\x1a\n and no line end"),
        ("results.csv", b"name,age\nx,1\ny,2"),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("0.5", "0.1.0", 1)).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("60", "", 1)).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("0.5", "55", 1)).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("60", "1e300", 1)).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("60", "9" * 19, 1) + ROW.replace("60", "-1")).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("60", "9" * 30, 1)).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW + ROW).encode()),
        *[
            ("results.csv", f"{','.join(COLUMNS)}\nm,s,1,toy,{figures}\n".encode())
            for figures in (
                "0,0,probe,6,60,0.5,0.5,0.1,0.5,0.5",
                "3,-1,probe,6,60,0.5,0.5,0.1,0.5,0.5",
                "3,0,probe,6,0,0.5,0.5,0.1,0.5,0.5",
                "3,0,probe,0,60,0.5,0.5,0.1,0.5,0.5",
                "3,0,probe,6,60,-0.5,0.5,0.1,0.5,0.5",
                "3,0,probe,6,60,,0.5,0.1,0.5,0.5",
                "3,0,probe,6,60,0.5,0.5,nan,0.5,0.5",
            )
        ],
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("toy", "other")).encode()),
        ("results.csv", (",".join(COLUMNS) + "\n" + ROW.replace("probe", "[]")).encode()),
        ("protocol.json", b""),
        ("protocol.json", b"null"),
        ("protocol.json", b'{"settings": null, "tasks": {}}'),
        ("protocol.json", b'{"tasks": {"toy": {"smallest_class": "many"}}}'),
        ("protocol.json", b'{"settings": {}}'),
        ("protocol.json", b"[" * 99_999),
        ("protocol.json", b"\xff"),
        ("protocol.json", None),
    ],
)
def test_damaged_results_are_refused_by_name_and_left_as_they_are(name, content, measure, tmp_path):
    measure(replace(QUICK, methods=("kmer-logreg",)))
    path = tmp_path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match=r"(results\.csv|protocol\.json) is missing or damaged; restore it"):
        measure(replace(QUICK, methods=("kmer-logreg",)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_where_results_should_be_is_refused(measure, tmp_path):
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(DataError, match=r"results\.csv is missing or damaged"):
        measure(replace(QUICK, methods=("kmer-logreg",)))
