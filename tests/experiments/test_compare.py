import dataclasses
import json
import multiprocessing
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from browser import open_in_browser

from genomask import allocator
from genomask.errors import DataError, SettingsError, TrainingError
from genomask.experiments.arms import Comparison
from genomask.experiments.compare import compare
from genomask.experiments.compare_page import write_comparison_page
from genomask.experiments.demo import best_gain
from genomask.experiments.run_folder import Inputs
from genomask.fewshot.protocol import FewShotSettings


@pytest.fixture
def comparison(quick_recipe, inputs, simulated, tmp_path):
    return Comparison(
        recipe=quick_recipe,
        inputs=inputs,
        strategies=("uniform", "random-span"),
        seeds=2,
        pool=simulated.pool,
        test=simulated.test,
        fewshot=FewShotSettings(shots=(5, 10), draws=3, methods=("probe", "kmer-logreg", "random-init")),
        out=tmp_path / "compare",
    )


def test_from_a_fasta_file_to_the_verdict_and_its_page(comparison, monkeypatch, chromium):
    outcome = compare(comparison)
    counts = outcome.results.groupby(["strategy", "method"]).size().to_dict()
    assert counts == {
        ("none", "kmer-logreg"): 6,  # once, whatever the arms
        ("random-span", "probe"): 12,
        ("random-span", "random-init/probe"): 12,  # for each seed, in the control's folder
        ("uniform", "probe"): 12,
    }
    verdict = outcome.verdict("probe")
    assert verdict["strategy"].tolist() == ["uniform"]
    assert verdict["note"].tolist() == ["not tested: 2 seeds"]
    assert verdict["half_width"].isna().all()
    scores = outcome.results[outcome.results["method"] == "probe"].groupby("strategy")["accuracy"].mean()
    assert verdict["difference"][0] == pytest.approx(scores["uniform"] - scores["random-span"])

    arms = [json.loads((arm.folder / "environment.json").read_text()) for arm in comparison.arms()]
    assert [arm["allocator"] != "as the system has it" for arm in arms] == [allocator._is_glibc()] * len(arms)

    dom, console, hosts = open_in_browser(chromium, write_comparison_page(outcome))
    assert console == []
    assert hosts == set()
    for words in ("not tested: 2 seeds", "tokens masked", "bases hidden", "test sequences are in the training pool"):
        assert words in dom
    assert pd.read_csv(comparison.out / "verdict.csv")["note"].tolist() == ["not tested: 2 seeds"]

    def must_not_run(*_args):
        raise AssertionError("a finished arm was run again")

    monkeypatch.setattr("genomask.experiments.side_by_side.multiprocessing.get_context", must_not_run)
    again = compare(comparison)
    pd.testing.assert_frame_equal(again.results, outcome.results)


def test_an_arm_is_finished_only_for_what_it_was_asked(comparison):
    arm = comparison.arms()[0]
    assert not arm.is_finished
    (arm.folder / "fewshot").mkdir(parents=True)
    (arm.folder / "fewshot" / "done.txt").write_text(arm.asked)
    assert arm.is_finished
    training = dataclasses.replace(comparison.recipe.training, steps=21)
    for change in (
        {"recipe": dataclasses.replace(comparison.recipe, training=training)},
        {"fewshot": dataclasses.replace(comparison.fewshot, shots=(5, 10, 20))},
        {"test": comparison.pool},
    ):
        assert not dataclasses.replace(comparison, **change).arms()[0].is_finished


def test_an_arm_is_not_finished_for_files_that_have_changed_since(comparison, simulated, tmp_path):
    genome, pool, test = (
        Path(shutil.copy(path, tmp_path)) for path in (simulated.genome, simulated.pool, simulated.test)
    )
    here = dataclasses.replace(comparison, inputs=Inputs(genome=(str(genome),)), pool=pool, test=test)
    arm = here.arms()[0]
    (arm.folder / "fewshot").mkdir(parents=True)
    (arm.folder / "fewshot" / "done.txt").write_text(arm.asked)
    for path in (genome, pool, test):
        kept = path.read_text()
        path.write_text(kept[: kept.rstrip().rindex("\n") + 1])  # without its last line
        assert not dataclasses.replace(here).arms()[0].is_finished
        path.write_text(kept)
        assert dataclasses.replace(here).arms()[0].is_finished


def test_arms_differ_in_strategy_and_seed_alone(comparison):
    arms = comparison.arms()
    assert [(arm.strategy, arm.seed) for arm in arms] == [
        ("uniform", 0), ("random-span", 0), ("uniform", 1), ("random-span", 1),
    ]  # fmt: skip
    for arm in arms:
        recipe = arm.recipe
        assert recipe.masking.strategy == arm.strategy
        assert recipe.training.seed == arm.seed
        same = dataclasses.replace(recipe, masking=comparison.recipe.masking, training=comparison.recipe.training)
        assert same == comparison.recipe


def test_the_control_is_random_span_where_it_takes_part_and_otherwise_the_first(comparison):
    assert comparison.control == "random-span"
    assert dataclasses.replace(comparison, strategies=("uniform", "genemask")).control == "uniform"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategies": ("uniform",)}, "at least two"),
        ({"strategies": ("uniform", "uniform", "genemask")}, "twice"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"fewshot": FewShotSettings(methods=("kmer-logreg",))}, "finetune or probe"),
    ],
)
def test_a_comparison_that_cannot_answer_is_refused_before_anything_runs(comparison, change, message):
    with pytest.raises(SettingsError, match=message):
        compare(dataclasses.replace(comparison, **change))
    assert not comparison.out.exists()


def test_an_arm_that_fails_gives_its_message_to_the_person(comparison):
    optimizer = dataclasses.replace(comparison.recipe.optimizer, learning_rate=1e38)
    wild = dataclasses.replace(comparison, recipe=dataclasses.replace(comparison.recipe, optimizer=optimizer), seeds=1)
    with pytest.raises(TrainingError, match=r"arm .*/seed 0 failed: the loss is not finite at step"):
        compare(wild)


class Ended:
    """A process that ended badly as soon as it was started."""

    exitcode = 1
    start = terminate = join = lambda self: None

    def is_alive(self):
        return False


def test_arms_share_the_cores_that_the_process_may_use(comparison, monkeypatch):
    threads = []

    def process(target, args):
        threads.append(args[1])
        return Ended()

    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {3, 5, 7}, raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    spawn = SimpleNamespace(Process=process, Pipe=multiprocessing.Pipe)
    monkeypatch.setattr("genomask.experiments.side_by_side.multiprocessing.get_context", lambda _kind: spawn)
    with pytest.raises(TrainingError, match="its process ended by exit 1"):
        compare(comparison)
    assert threads == [1, 1, 1, 1]


def test_a_task_that_does_not_serve_is_refused_before_anything_runs(comparison, tmp_path):
    task = tmp_path / "broken.tsv"
    task.write_text("sequence\tlabel\nACGT\t0\n")
    with pytest.raises(DataError, match=r"broken\.tsv"):
        compare(dataclasses.replace(comparison, pool=task))
    with pytest.raises(DataError, match="500-shot needs 500"):
        compare(dataclasses.replace(comparison, fewshot=FewShotSettings(shots=(500,), methods=("probe",))))
    assert not comparison.out.exists()


def test_the_best_gain_is_paired_by_draw():
    rows = [
        {"shot": 10, "draw": draw, "method": method, "strategy": strategy, "accuracy": accuracy + 0.01 * draw}
        for method, strategy, accuracy in (
            ("random-init/probe", "a", 0.7), ("probe", "a", 0.75), ("probe", "b", 0.8), ("kmer-logreg", "none", 0.9),
        )
        for draw in range(3)
    ]  # fmt: skip
    rows.append({"shot": 50, "draw": 0, "method": "probe", "strategy": "a", "accuracy": 1.0})
    strategy, gain = best_gain(pd.DataFrame(rows))
    assert strategy == "b"
    assert gain.difference == pytest.approx(0.1)
