"""`genomask bench` on a small suite: several models, one table, one page."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genomask.commands.bench.bench import BenchRequest, bench
from genomask.commands.bench.seen import in_pretraining, without_seen
from genomask.commands.run_folder.leaks import Lookup
from genomask.errors import DataError, SettingsError
from genomask.fewshot.leaks import Leaks
from genomask.fewshot.protocol import FewShotSettings
from genomask.report.bench_frames import floor_counts


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Two tasks in GUE's layout; one test sequence of the second is in its training set."""
    folder, rng = tmp_path_factory.mktemp("gue"), np.random.default_rng(0)
    shares = [0.1, 0.4, 0.4, 0.1], [0.4, 0.1, 0.1, 0.4]
    for task in ("easy", "leaky"):
        (folder / task).mkdir()
        for split, n in (("train", 12), ("dev", 2), ("test", 10)):
            rows = ["".join(rng.choice(list("ACGT"), 20, p=shares[i % 2])) for i in range(n)]
            if (task, split) == ("leaky", "train"):
                first = rows[0]
            if (task, split) == ("leaky", "test"):
                rows[0] = first
            lines = [f"{row},{i % 2}" for i, row in enumerate(rows)]
            (folder / task / f"{split}.csv").write_text("\n".join(["sequence,label", *lines, ""]))
    return folder


@pytest.fixture(scope="module")
def measured(suite, model_folder, tmp_path_factory):
    """The request for two models, and what was printed."""
    out = tmp_path_factory.mktemp("bench")
    models = [shutil.copytree(model_folder, out / name / "model") for name in ("first", "second")]
    settings = FewShotSettings(whole=True, draws=2, methods=("probe", "cnn", "gc", "random-init"))
    request = BenchRequest(suite=suite, models=tuple(models), genome=(), settings=settings, out=out / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genomask.fewshot.cnn.MIN_STEPS", 5)
        patch.setattr("genomask.fewshot.cnn.EPOCHS", 5)
        return request, list(bench(request))


def test_a_method_with_a_seed_is_repeated_and_a_floor_without_a_model_is_measured_once(measured):
    request, _ = measured
    rows = pd.read_csv(request.out / "results.csv", keep_default_na=False)
    assert set(rows["n_train"]) == {12}
    assert rows.groupby(["task", "method"]).size().to_dict() == {
        (task, method): n
        for task in ("easy", "leaky")
        for method, n in (("probe", 2), ("random-init/probe", 2), ("cnn", 2), ("gc", 1))
    }


def test_the_table_has_a_row_for_each_task_and_model_and_the_suites_metric(measured):
    _, (table, *sentences) = measured
    cells = {str(column.header).replace("\n", ""): [str(cell) for cell in column.cells] for column in table.columns}
    assert list(cells) == ["task", "metric", "train", "model", "gc", "probe", "random-init/probe", "cnn"]
    assert cells["task"] == ["easy", "easy", "leaky", "leaky"]
    assert cells["model"] == ["first", "second"] * 2
    assert set(cells["metric"]) == {"mcc"}
    assert all("±" in cell for cell in cells["cnn"])
    assert any(x.startswith("leaky: 1 of 10 test sequences is in the training set") for x in sentences)
    assert not any(x.startswith("easy: ") for x in sentences)
    assert any("keeps the epoch with the lowest loss on dev" in x for x in sentences)
    said = [x for x in sentences if "is above every floor on" in x]
    assert [x.split()[0] for x in said] == ["first", "second"]
    assert all(" of 2 tasks with probe." in x for x in said)


def test_the_protocol_records_the_dev_set_that_epochs_are_chosen_by(measured):
    request, _ = measured
    tasks = json.loads((request.out / "protocol.json").read_text())["tasks"]
    assert all(len({task[split] for split in ("pool", "test", "valid")}) == 3 for task in tasks.values())


def test_the_page_shows_the_same_and_a_second_call_measures_nothing_new(measured, monkeypatch):
    request, printed = measured
    page = (request.out / "report.html").read_text()
    assert "random-init/probe" in page
    assert "leaky: 1 of 10" in page
    assert "What may have been seen" in page
    assert [f">{name}<" in page for name in ("seeds", "shots", "draws")] == [True, False, False]
    monkeypatch.setattr("genomask.fewshot.methods.Method.scorer", None)
    again = list(bench(request))
    assert again[1:] == printed[1:]


def test_accuracies_are_shown_without_what_training_or_pretraining_saw(measured, monkeypatch):
    request, printed = measured
    assert any(x.startswith("second: This model's pretraining data are unknown here") for x in printed[1:])
    rows = pd.read_csv(request.out / "results.csv", keep_default_na=False)
    tests = {"easy": ["AC", "GT"], "leaky": ["AC"]}
    looked_up = Leaks(*(np.array([True, False, False]) for _ in range(5)))
    monkeypatch.setattr("genomask.commands.bench.seen.seen_by_model", lambda _, test: Lookup(" ".join(test), looked_up))
    [(said, found)] = in_pretraining(request.models[:1], tests)
    assert said == "first: AC GT AC"
    assert {task: x.tolist() for task, x in found.items()} == {"easy": [True, False], "leaky": [False]}
    nothing, one = np.zeros(10, dtype=bool), np.arange(10) == 3
    in_training = {
        task: Leaks(nothing, nothing, one if task == "leaky" else nothing, nothing, nothing)
        for task in ("easy", "leaky")
    }
    seen = without_seen(rows, request.out, in_training, {str(request.models[0]): {"easy": nothing, "leaky": nothing}})
    assert set(seen["task"]) == {"leaky"}
    assert set(seen["found"]) == {"1 of 10"}
    assert sorted(seen["method"]) == ["cnn", "gc", "probe", "random-init/probe"]
    gc = seen[seen["method"] == "gc"].iloc[0]
    whole, rest, alone = (float(gc[name]) for name in ("all", "without these", "these alone"))
    assert 10 * whole == pytest.approx(9 * rest + alone, abs=0.5)
    two = np.arange(10) < 2
    both = without_seen(rows, request.out, in_training, {str(request.models[0]): {"easy": two, "leaky": two}})
    assert both.groupby("task")["found"].first().to_dict() == {"easy": "2 of 10", "leaky": "3 of 10"}


def test_a_task_that_cannot_be_read_is_named_after_the_others_are_measured(measured, suite, tmp_path):
    request, _ = measured
    mixed = shutil.copytree(suite, tmp_path / "mixed")
    (mixed / "easy" / "test.csv").write_text("sequence,label\n,1\n")
    few = replace(request, suite=mixed, settings=replace(request.settings, methods=("gc",)), out=tmp_path / "out")
    printed = bench(few)
    table = next(printed)
    assert [str(cell) for cell in table.columns[0].cells] == ["leaky"]
    with pytest.raises(DataError, match=r"^not measured: easy: .*easy/test\.csv"):
        list(printed)
    shutil.rmtree(mixed / "leaky")
    with pytest.raises(DataError, match=f"^no task of {mixed} could be measured: easy: "):
        list(bench(few))


def test_results_name_the_mask_and_the_seed_that_a_model_was_pretrained_with(measured, tmp_path, monkeypatch):
    request, _ = measured
    monkeypatch.setattr("genomask.commands.bench.bench.provenance", lambda model: (f"of {model.parent.name}", 7))
    list(bench(replace(request, settings=replace(request.settings, methods=("probe",), draws=1), out=tmp_path / "out")))
    rows = pd.read_csv(tmp_path / "out" / "results.csv")
    assert set(rows["strategy"]) == {"of first", "of second"}
    assert set(rows["pretraining_seed"]) == {7}


def test_the_folder_of_another_verbs_run_is_refused(measured, tmp_path):
    request, _ = measured
    (tmp_path / "config.toml").touch()
    with pytest.raises(SettingsError, match=r"holds a run of pretrain \(config.toml\); give another --out"):
        next(bench(replace(request, out=tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_method_is_counted_where_it_is_above_every_floor_by_the_tasks_own_metric():
    rows = [
        ("none", "a", "gc", 0.5, 0.9),
        ("none", "b", "gc", 0.5, 0.5),
        ("m/model", "a", "random-init/probe", 0.2, 0.0),
        ("m/model", "a", "probe", 0.6, 0.8),
        ("m/model", "b", "probe", 0.9, 0.5),
        ("x/model", "a", "knn", 0.4, 1.0),
    ]
    results = pd.DataFrame(rows, columns=["model", "task", "method", "mcc", "accuracy"])
    assert list(floor_counts(results, {"a": "mcc", "b": "accuracy"})) == [
        "m is above every floor on 1 of 2 tasks with probe.",
        "x is above every floor on 0 of 1 task with knn.",
    ]
    seeds = [("m/model", "a", "finetune", score, 0.5) for score in (0.56, 0.57)]
    seeds += [("m/model", "b", "finetune", score, score) for score in (0.2, 0.9)]
    several = pd.DataFrame([*rows[:2], *seeds], columns=results.columns)
    assert list(floor_counts(several, {"a": "mcc", "b": "accuracy"})) == [
        "m is above every floor on 2 of 2 tasks with finetune (on 1 with its whole interval)."
    ]
    [alone] = floor_counts(results[results["method"] == "knn"], {"a": "mcc"})
    assert alone.startswith("x: No floor was measured")
