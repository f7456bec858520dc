import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from browser import open_in_browser
from fork_server import fork_server

from genomask.commands.compare.arms import Comparison, arm_process
from genomask.commands.compare.comparison import compare
from genomask.commands.compare.page import write_comparison_page
from genomask.commands.compare.words import headline, result
from genomask.commands.compare.workers import ArmBars, places
from genomask.commands.demo.demo import gain_of, run_demo
from genomask.commands.dry_run import compare_estimate
from genomask.commands.run_folder.folder import facts_of, write_config
from genomask.data.opening import Inputs
from genomask.errors import DataError, SettingsError, Stopped, TrainingError
from genomask.fewshot.draws import smallest_class
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import COLUMNS, task_digest
from genomask.files.locking import locked
from genomask.machine import process
from genomask.settings.ranges import LARGE
from genomask.terminal.console import show


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


def test_from_two_genomes_to_the_verdict_and_its_page(comparison, forked_arms, monkeypatch, chromium, tmp_path):
    (tmp_path / "mouse.fa").write_text(">m\n" + "GATTACAGCCGTACCTTAGG" * 500 + "\n")
    mixed = Inputs(genome=(*comparison.inputs.genome, str(tmp_path / "mouse.fa")), weights=(2.0, 1.0))
    comparison = dataclasses.replace(comparison, inputs=mixed)
    outcome = compare(comparison)
    counts = outcome.results.groupby(["strategy", "method"]).size().to_dict()
    assert counts == {
        ("none", "kmer-logreg"): 6,  # once, however many arms
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
    assert [arm["allocator"] != "as the system has it" for arm in arms] == [process.is_glibc()] * len(arms)

    dom, console, hosts = open_in_browser(chromium, write_comparison_page(outcome))
    assert console == []
    assert hosts == set()
    for words in (
        "not tested: 2 seeds",
        "tokens masked",
        "bases hidden",
        "test sequences are in the training pool",
        "By genome",
    ):
        assert words in dom
    assert dom.count("<td>mouse</td>") == 2  # once for each strategy
    assert "genome.fa:2, mouse.fa:1" in dom
    assert pd.read_csv(comparison.out / "verdict.csv")["note"].tolist() == ["not tested: 2 seeds"]

    def must_not_run(*_args):
        raise AssertionError("a finished arm was run again")

    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", must_not_run)
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
        ({"fewshot": FewShotSettings(methods=("kmer-logreg",))}, "finetune, probe, probe-layers or knn: the floors"),
    ],
)
def test_a_comparison_that_cannot_answer_is_refused_before_anything_runs(comparison, change, message):
    with pytest.raises(SettingsError, match=message):
        compare(dataclasses.replace(comparison, **change))
    assert not comparison.out.exists()


def test_the_message_of_a_failed_arm_reaches_the_user(comparison, forked_arms):
    optimizer = dataclasses.replace(comparison.recipe.optimizer, learning_rate=LARGE)
    wild = dataclasses.replace(comparison, recipe=dataclasses.replace(comparison.recipe, optimizer=optimizer), seeds=1)
    with pytest.raises(TrainingError, match=r"arm .*/seed 0 failed: the evaluation after step \d+ is not finite"):
        compare(wild)


def finished(arm, _threads, _gpu, _words):
    """Stands in for an arm's process: writes few-shot rows of invented scores and, last, done.txt."""
    run = arm.folder / "fewshot"
    run.mkdir(parents=True, exist_ok=True)
    (pool, test), results = arm.comparison.read_tasks(), run / "results.csv"
    kept = results.read_text().splitlines(keepends=True) if results.exists() else [",".join(COLUMNS) + "\n"]
    rows = [
        f"{f'model,{arm.strategy},{arm.seed}' if method.needs_model else 'none,none,-1'},{pool.name},{shot},{draw},"
        f"{method.name},{shot},100,0.{shot + draw + arm.seed:02},0,0,0,0\n"
        for method in arm.fewshot.measured
        for shot in arm.fewshot.shots
        for draw in range(arm.fewshot.draws)
    ]
    results.write_text(
        "".join([*(row for row in kept if row.endswith("\n")), *(row for row in rows if row not in kept)])
    )
    task = {"pool": task_digest(pool), "test": task_digest(test), "smallest_class": smallest_class(pool)}
    (run / "protocol.json").write_text(json.dumps({"tasks": {pool.name: task}}))
    (arm.folder / "metrics.jsonl").write_text(
        '{"step": 1, "tokens_masked_fraction": 0.15, "bases_hidden_fraction": 0.1, "loss_nats_per_masked_token": 3.0}\n'
        '{"step": 1, "eval_loss_nats_per_masked_token": 3.0, "eval_bits_per_hidden_base": 1.9,'
        ' "eval_bits_per_hidden_base_single": 1.9, "eval_bits_per_hidden_base_six": 1.9}\n'
    )
    (arm.folder / "baselines.json").write_text(
        '{"ln_vocabulary_nats": 4.0, "unigram_entropy_nats": 4.0, "flank_floor_nats": 2.0}'
    )
    (arm.folder / "environment.json").write_text('{"precision": "fp32"}')
    (run / "done.txt").write_text(arm.asked)


def arms_that(monkeypatch, fail):
    """Run arms in this process; those named in `fail` fail with its message."""

    class InProcess:
        def __init__(self, target, args):
            self.args, self.exitcode = args, 0

        def start(self):
            arm, _, _, words = self.args
            if arm.name in fail:
                words.send(fail[arm.name])
                self.exitcode = 2
            else:
                finished(*self.args)

        is_alive = terminate = join = lambda _self: False

    spawn = SimpleNamespace(Process=InProcess, Pipe=multiprocessing.Pipe)
    monkeypatch.setattr("genomask.commands.compare.workers.POLL_SECONDS", 0)
    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", lambda _kind: spawn)


def begun(comparison):
    """Make the arms' folders those of finished runs and finished arms."""
    fingerprint = comparison.recipe.open_source(comparison.inputs, comparison.out).fingerprint
    for arm in comparison.arms():
        write_config(arm.folder, arm.recipe, comparison.inputs, facts_of(arm.recipe, fingerprint))
        finished(arm, 1, None, None)


def with_steps(comparison, steps):
    training = dataclasses.replace(comparison.recipe.training, steps=steps)
    return dataclasses.replace(comparison, recipe=dataclasses.replace(comparison.recipe, training=training))


def no_arm_runs(monkeypatch):
    def must_not_run(_kind):
        raise AssertionError("an arm was started")

    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", must_not_run)


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_comparison_begun_with_other_settings_is_refused_before_any_arm_runs(comparison, monkeypatch):
    begun(comparison)
    before = files_in(comparison.out)
    no_arm_runs(monkeypatch)
    with pytest.raises(
        SettingsError, match=r"uniform-seed0 holds a run with other settings \('training.steps = 20' there"
    ):
        compare(with_steps(comparison, 21))
    with pytest.raises(
        SettingsError, match=r"uniform-seed0 holds a run with other settings \('training.steps = 20' there"
    ):
        next(compare_estimate(with_steps(comparison, 21)))
    assert files_in(comparison.out) == before
    compare(comparison)  # with the earlier settings: every arm is finished


def test_a_comparison_begun_on_another_genome_is_refused_before_any_arm_runs(
    comparison, simulated, monkeypatch, tmp_path
):
    genome = Path(shutil.copy(simulated.genome, tmp_path))
    begun(dataclasses.replace(comparison, inputs=Inputs(genome=(str(genome),))))
    genome.write_text(genome.read_text().replace("A", "C", 1))
    no_arm_runs(monkeypatch)
    with pytest.raises(SettingsError, match="uniform-seed0 holds a run on other data"):
        compare(dataclasses.replace(comparison, inputs=Inputs(genome=(str(genome),))))


def test_an_arm_measured_on_another_task_is_refused_before_any_arm_runs(comparison, model_folder, monkeypatch):
    begun(comparison)
    arm = comparison.arms()[1]
    shutil.copytree(model_folder, arm.folder / "model")
    (arm.folder / "fewshot" / "done.txt").unlink()
    task = comparison.read_tasks()[0].name
    protocol = {"tasks": {task: {"pool": "of another digest", "smallest_class": 100}}}
    (arm.folder / "fewshot" / "protocol.json").write_text(json.dumps(protocol))
    no_arm_runs(monkeypatch)
    with pytest.raises(
        SettingsError, match=f"random-span-seed0/fewshot already holds results with another task '{task}'"
    ):
        compare(comparison)


def test_arms_that_agree_go_on(comparison, monkeypatch):
    begun(comparison)
    for arm in comparison.arms()[1:]:
        (arm.folder / "fewshot" / "done.txt").unlink()
    arms_that(monkeypatch, {})
    assert compare(comparison).failed == {}


@pytest.mark.parametrize(("record", "verb"), [("config.toml", "pretrain"), ("finetune.json", "finetune")])
def test_the_folder_of_another_verbs_run_is_refused(comparison, monkeypatch, record, verb):
    no_arm_runs(monkeypatch)
    comparison.out.mkdir()
    (comparison.out / record).write_text("")
    for ask in (lambda: compare(comparison), lambda: next(run_demo(comparison.out, 0))):
        with pytest.raises(SettingsError, match=rf"compare holds a run of {verb} \({record}\); give another --out"):
            ask()
    assert [path.name for path in comparison.out.iterdir()] == [record]


def test_a_demo_and_a_comparison_refuse_each_others_folders(comparison, monkeypatch):
    no_arm_runs(monkeypatch)
    (comparison.out / "arms").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"holds a run of compare \(arms\)"):
        next(run_demo(comparison.out, 0))
    (comparison.out / "simulated-0").mkdir()
    with pytest.raises(SettingsError, match="holds a run of demo"):
        compare(comparison)
    with pytest.raises(AssertionError, match="an arm was started"):
        compare(dataclasses.replace(comparison, verb="demo"))


def test_a_failed_arm_is_named_as_missing_and_the_others_finish(comparison, monkeypatch, caplog):
    arms_that(monkeypatch, {"uniform/seed 1": "the disk is on fire"})
    outcome = compare(comparison)
    assert outcome.failures == "arm uniform/seed 1 failed: the disk is on fire"
    assert "arm uniform/seed 1 failed, the others continue: the disk is on fire" in caplog.text
    assert [arm.name for arm in outcome.arms] == ["uniform/seed 0", "random-span/seed 0", "random-span/seed 1"]
    assert outcome.verdict("probe")["note"].tolist() == ["not tested: 1 seed; left out: seed 1"]
    page = write_comparison_page(outcome).read_text()
    assert "Missing here: arm uniform/seed 1 failed: the disk is on fire" in page
    arms_that(monkeypatch, {})
    again = compare(comparison)
    assert (again.failed, again.failures) == ({}, "")
    assert "Missing here" not in write_comparison_page(again).read_text()


def test_the_progress_of_each_arm_is_logged_in_steps(comparison, caplog, monkeypatch):
    caplog.set_level("INFO", logger="genomask")
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    first = comparison.arms()[0]
    with ArmBars([first]) as bars:
        bars.update([first])
        now[0] += 31
        bars.update([first])
    steps = first.recipe.training.steps
    assert [record.getMessage().partition(", 0:00")[0] for record in caplog.records] == [
        f"{first.name}: 0/{steps} steps, starting"
    ]


@pytest.mark.parametrize("lost", ["tokens_masked_fraction", "bases_hidden_fraction", "eval_loss_nats_per_masked_token"])
def test_an_arm_whose_records_lost_what_the_verdict_shows_is_named(comparison, monkeypatch, lost):
    arms_that(monkeypatch, {})
    compare(comparison)
    metrics = comparison.arms()[1].folder / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace(lost, "x"))
    with pytest.raises(DataError, match=f"{metrics} holds no row with {lost}; restore it from a backup, or delete"):
        compare(comparison)


def test_an_arm_whose_results_were_cut_short_is_named_and_a_summary_is_made_again(comparison, monkeypatch):
    arms_that(monkeypatch, {})
    whole = compare(comparison)
    fewshot = comparison.arms()[1].folder / "fewshot"
    (fewshot / "summary.csv").write_text("model,draws\n1\n")
    pd.testing.assert_frame_equal(compare(comparison).summary, whole.summary)
    results = fewshot / "results.csv"
    results.write_bytes(results.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"results\.csv lacks 1 of \d+ measurements; .* remove done\.txt"):
        compare(comparison)
    (fewshot / "done.txt").unlink()
    pd.testing.assert_frame_equal(compare(comparison).results, whole.results)


def test_draws_and_tasks_that_an_earlier_call_asked_for_are_left_out(comparison, simulated, monkeypatch):
    arms_that(monkeypatch, {})
    first = dataclasses.replace(comparison, seeds=1, fewshot=dataclasses.replace(comparison.fewshot, draws=6))
    compare(dataclasses.replace(first, pool=simulated.test, test=simulated.pool))
    compare(first)
    outcome = compare(comparison)
    assert set(outcome.results["draw"]) == {0, 1, 2}
    assert set(outcome.results["task"]) == {comparison.read_tasks()[0].name}
    assert set(outcome.summary["n_draws"]) == {3}
    assert outcome.verdict("probe")["n"].tolist() == [2]


def test_the_verdict_keeps_the_method_of_the_first_run(comparison, monkeypatch):
    arms_that(monkeypatch, {})
    methods = ("probe", "knn")
    first = dataclasses.replace(comparison, fewshot=dataclasses.replace(comparison.fewshot, methods=methods))
    assert "folder" not in headline(compare(first))
    assert set(pd.read_csv(comparison.out / "verdict.csv")["method"]) == {"probe"}
    turned = dataclasses.replace(first, fewshot=dataclasses.replace(first.fewshot, methods=methods[::-1]))
    outcome = compare(turned)
    words = headline(outcome)
    assert "By probe, no difference from random-span was tested" in words
    assert "still uses probe, as in the first run of this folder, though --methods names knn first." in words
    page = write_comparison_page(outcome).read_text()
    assert page.index("Verdict by probe<") < page.index("Verdict by knn (secondary)<")
    without = dataclasses.replace(first, fewshot=dataclasses.replace(first.fewshot, methods=("knn",)))
    with pytest.raises(SettingsError, match="has used probe for its verdict since its first run, but"):
        compare(without)
    (comparison.out / "verdict.csv").write_text("strategy,difference\nuniform,0.1\n")  # of an earlier version
    assert dataclasses.replace(turned).primary_method == "knn"


def test_a_strategy_that_lacks_a_seed_is_compared_on_the_seeds_it_shares(comparison, monkeypatch):
    arms_that(monkeypatch, {"uniform/seed 0": "no"})
    means = compare(dataclasses.replace(comparison, seeds=3)).arm_means("probe").set_index("strategy")
    assert means.loc["uniform", "accuracy"] == pytest.approx(means.loc["uniform", "control_accuracy"])
    assert means.loc["random-span", "accuracy"] == pytest.approx(means.loc["uniform", "control_accuracy"] - 0.005)


def test_floors_without_a_model_are_measured_with_another_arm_if_theirs_failed(comparison, monkeypatch):
    arms_that(monkeypatch, {"random-span/seed 0": "no"})
    results = compare(comparison).results
    assert (results["method"] == "kmer-logreg").sum() == 6
    arms_that(monkeypatch, {})
    results = compare(comparison).results
    assert (results["method"] == "kmer-logreg").sum() == 6
    assert not results.duplicated(["strategy", "pretraining_seed", "method", "shot", "draw"]).any()


@pytest.mark.parametrize("content", [b"", b"\xff", b"a,b\n1,2,3\n"])
def test_the_bar_of_an_arm_survives_damaged_results(comparison, content):
    arm = comparison.arms()[0]
    (arm.folder / "model").mkdir(parents=True)
    (arm.folder / "fewshot").mkdir()
    (arm.folder / "fewshot" / "results.csv").write_bytes(content)
    with ArmBars([arm]) as bars:
        bars.update([arm])


def test_a_strategy_without_any_arm_is_left_out_of_the_verdict(comparison, monkeypatch):
    three = dataclasses.replace(comparison, strategies=("uniform", "random-span", "contiguous"), seeds=1)
    arms_that(monkeypatch, {"contiguous/seed 0": "no"})
    outcome = compare(three)
    assert outcome.verdict("probe")["strategy"].tolist() == ["uniform"]
    assert outcome.seed_differences("probe").keys() == {"uniform"}
    assert "Missing here: arm contiguous/seed 0" in write_comparison_page(outcome).read_text()


@pytest.mark.parametrize("lost", ["random-span", "uniform"])
def test_where_too_few_arms_are_left_nothing_is_compared(comparison, monkeypatch, lost):
    arms_that(monkeypatch, {f"{lost}/seed {seed}": "no" for seed in range(2)})
    with pytest.raises(TrainingError, match=f"nothing is left to compare: arm {lost}/seed 0 failed: no; arm"):
        compare(comparison)
    assert not (comparison.out / "results.csv").exists()


def test_without_the_control_nothing_is_compared_however_many_others_there_are(comparison, monkeypatch):
    three = dataclasses.replace(comparison, strategies=("uniform", "random-span", "contiguous"), seeds=1)
    arms_that(monkeypatch, {"random-span/seed 0": "no"})
    with pytest.raises(TrainingError, match="nothing is left to compare: arm random-span/seed 0 failed"):
        compare(three)


def test_draws_that_must_share_examples_are_marked_in_the_summary(comparison, monkeypatch):
    arms_that(monkeypatch, {})
    wide = FewShotSettings(shots=(1, 10), draws=30, methods=("kmer-logreg", "probe"))
    summary = compare(dataclasses.replace(comparison, fewshot=wide, seeds=1)).summary
    assert summary.groupby("shot")["draws_overlap"].unique().explode().to_dict() == {1: False, 10: True}


def test_the_command_fails_if_an_arm_failed_but_still_writes_the_report(comparison, monkeypatch, capsys):
    arms_that(monkeypatch, {"uniform/seed 1": "the disk is on fire"})
    outcome = compare(comparison)
    with pytest.raises(TrainingError, match="arm uniform/seed 1 failed: the disk is on fire"):
        show(result(outcome, write_comparison_page(outcome)))
    assert "report.html" in capsys.readouterr().out


def test_two_comparisons_do_not_share_a_folder(comparison):
    with locked(comparison.out), pytest.raises(SettingsError, match="compare is in use by process"):
        compare(comparison)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None])
def test_an_arm_whose_done_file_cannot_be_read_is_not_finished(comparison, content):
    done = comparison.arms()[0].folder / "fewshot" / "done.txt"
    done.parent.mkdir(parents=True)
    done.mkdir() if content is None else done.write_bytes(content)
    assert not comparison.arms()[0].is_finished


class Ended:
    """A process that fails as soon as it is started."""

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
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    spawn = SimpleNamespace(Process=process, Pipe=multiprocessing.Pipe)
    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", lambda _kind: spawn)
    with pytest.raises(TrainingError, match="its process ended by exit 1"):
        compare(comparison)
    assert threads == [1, 1, 1, 1]


def test_arms_run_side_by_side_one_on_each_gpu(comparison, monkeypatch):
    gpus = []

    def process(target, args):
        gpus.append(args[2])
        return Ended()

    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")  # as a job queue sets it
    monkeypatch.setattr("genomask.commands.compare.workers.POLL_SECONDS", 0)
    spawn = SimpleNamespace(Process=process, Pipe=multiprocessing.Pipe)
    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", lambda _kind: spawn)
    with pytest.raises(TrainingError, match="its process ended by exit 1"):
        compare(comparison)
    assert gpus == ["4", "6", "4", "6"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert places(5, "auto") == ["0", "1"]
    assert places(1, "cuda") == ["0"]
    monkeypatch.setattr("genomask.commands.compare.workers.usable_cores", lambda: 3)
    assert places(5, "cpu") == [""] * 3  # the GPUs are hidden from few-shot too
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert places(5, "auto") == [None] * 3


@pytest.mark.parametrize(
    ("kept", "words"),
    [("", "no arm had a checkpoint yet"), ("checkpoints/step-10", "continues from the checkpoints")],
)
def test_a_ctrl_c_while_an_arm_starts_ends_the_comparison_and_says_what_is_kept(comparison, monkeypatch, kept, words):
    class Starting(Ended):
        def start(self):
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())  # what a new process inherits

        def join(self):
            (comparison.arms()[0].folder / kept).mkdir(parents=True, exist_ok=True)  # as an arm does when asked to stop

    monkeypatch.setattr("genomask.commands.compare.workers.POLL_SECONDS", 0)
    monkeypatch.setattr("genomask.commands.compare.workers.usable_cores", lambda: 1)  # a second Ctrl-C ends at once
    spawn = SimpleNamespace(Process=lambda **_: Starting(), Pipe=multiprocessing.Pipe)
    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", lambda _kind: spawn)
    with pytest.raises(Stopped, match=words) as stopped:
        compare(comparison)
    assert stopped.value.signal_number == signal.SIGINT


def interrupted_before_it_could_listen(words):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background processes ignore it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.kill(os.getpid(), signal.SIGINT)
    arm_process(NamesItsGpus(), 1, None, words)


def test_an_arm_interrupted_while_it_starts_ends_without_a_traceback(capfd):
    context = fork_server()
    words, speak = context.Pipe(duplex=False)
    process = context.Process(target=interrupted_before_it_could_listen, args=(speak,))
    process.start()
    speak.close()
    process.join()
    assert process.exitcode == 128
    with pytest.raises(EOFError):
        words.recv()
    assert "Traceback" not in capfd.readouterr().err


class NamesItsGpus:
    """An arm that fails at once; its message names the GPUs that its process sees."""

    @property
    def folder(self):
        raise DataError(f"GPUs: {os.environ.get('CUDA_VISIBLE_DEVICES')!r}")


@pytest.mark.parametrize("place", ["", "6"])
def test_an_arms_process_sees_the_gpus_of_its_place_and_no_others(place):
    context = fork_server()
    words, speak = context.Pipe(duplex=False)
    process = context.Process(target=arm_process, args=(NamesItsGpus(), 1, place, speak))
    process.start()
    speak.close()
    assert words.recv() == f"GPUs: {place!r}"
    process.join()


def test_an_unusable_task_is_refused_before_anything_runs(comparison, tmp_path):
    task = tmp_path / "broken.tsv"
    task.write_text("sequence\tlabel\nACGT\t0\n")
    with pytest.raises(DataError, match=r"broken\.tsv"):
        compare(dataclasses.replace(comparison, pool=task))
    task.write_text(comparison.test.read_text().rstrip() + "\nACGTACGT\tunheard-of\n")
    with pytest.raises(DataError, match="label 'unheard-of' is not in the training file"):
        compare(dataclasses.replace(comparison, test=task))
    with pytest.raises(DataError, match="500-shot needs 500"):
        compare(dataclasses.replace(comparison, fewshot=FewShotSettings(shots=(500,), methods=("probe",))))
    assert not comparison.out.exists()


def test_the_gain_of_a_strategy_is_paired_by_draw():
    rows = [
        {"shot": 10, "draw": draw, "method": method, "strategy": strategy, "accuracy": accuracy + 0.01 * draw}
        for method, strategy, accuracy in (
            ("random-init/probe", "a", 0.7), ("probe", "a", 0.75), ("probe", "b", 0.8), ("kmer-logreg", "none", 0.9),
        )
        for draw in range(3)
    ]  # fmt: skip
    rows.append({"shot": 50, "draw": 0, "method": "probe", "strategy": "a", "accuracy": 1.0})
    for strategy, expected in (("a", 0.05), ("b", 0.1)):
        gain = gain_of(pd.DataFrame(rows), strategy)
        assert (gain.difference, gain.n) == (pytest.approx(expected), 3)
        assert gain.note == "not tested: the same difference for all 3 draws"
