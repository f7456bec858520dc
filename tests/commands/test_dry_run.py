"""What a run would take: the figures that can be counted are those of the run itself, and nothing is written."""

import dataclasses

import pytest

from genomask.commands import dry_run
from genomask.commands.compare.arms import Comparison
from genomask.commands.dry_run import Estimate, compare_estimate, duration, estimate, pretrain_estimate
from genomask.commands.pretrain import pretrain
from genomask.commands.run_folder.folder import facts_of, write_config
from genomask.data.opening import Inputs
from genomask.errors import SettingsError
from genomask.fewshot.protocol import FewShotSettings
from genomask.files.digests import WEIGHTS
from genomask.inference.hub import open_model
from genomask.training import distributed
from genomask.training.distributed import World
from genomask.training.metrics_log import read_metrics


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(dry_run, "PROBE_SECONDS", 0.05)


def cells(table):
    return [str(cell) for column in table.columns for cell in column.cells]


def bytes_in(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_figures_that_can_be_counted_are_those_of_the_run_itself(quick_recipe, inputs, run_folder):
    found = estimate(quick_recipe, inputs, run_folder)
    assert not run_folder.exists()
    pretrain(quick_recipe, inputs, run_folder)
    model, _ = open_model(run_folder / "model")
    assert found.parameters == model.num_parameters()
    rows = read_metrics(run_folder / "metrics.jsonl")
    assert found.evaluations == sum("eval_loss_nats_per_masked_token" in row for row in rows) == 2
    assert found.tokens_per_step == rows[0]["tokens"]
    one = bytes_in(run_folder / "checkpoints" / "step-20")
    assert found.disk_bytes == pytest.approx(4 * one + bytes_in(run_folder / "model"), rel=0.2)
    assert found.seconds == pytest.approx(found.start_seconds + 20 * found.step_seconds + 2 * found.evaluation_seconds)
    assert min(found.start_seconds, found.step_seconds, found.evaluation_seconds) > 0
    assert found.memory_bytes > 2**20


def test_pretrain_says_what_it_would_take_and_what_would_stop_it(quick_recipe, inputs, run_folder, monkeypatch):
    [table] = pretrain_estimate(quick_recipe, inputs, run_folder, None, resume=False)
    assert {"parameters", "tokens a step", "memory", "time", "disk"} < set(cells(table))
    assert not run_folder.exists()
    pretrain(quick_recipe, inputs, run_folder)
    with pytest.raises(SettingsError, match="already holds a run"):
        next(pretrain_estimate(quick_recipe, inputs, run_folder, None, resume=False))
    assert list(pretrain_estimate(quick_recipe, inputs, run_folder, None, resume=True)) == [
        f"{run_folder} is finished; nothing to do"
    ]
    longer = with_training(quick_recipe, steps=31)
    [table] = pretrain_estimate(longer, inputs, run_folder, None, resume=True)
    assert any(cell.endswith(" in 11 steps") for cell in cells(table))
    with distributed.being(World(0, 2)), pytest.raises(SettingsError, match="start it without torchrun"):
        estimate(quick_recipe, inputs, run_folder)


def with_training(recipe, **changes):
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **changes))


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_refuses_what_a_resumed_run_would_and_writes_nothing(quick_recipe, simulated, run_folder, tmp_path):
    genome = tmp_path / "genome.fa"
    genome.write_bytes(simulated.genome.read_bytes())
    inputs = Inputs(genome=(str(genome),))

    def dry(recipe):
        return list(pretrain_estimate(recipe, inputs, run_folder, None, resume=True))

    with pytest.raises(SettingsError, match="holds no run to resume"):
        dry(quick_recipe)
    source = quick_recipe.open_source(inputs, run_folder)
    write_config(run_folder, quick_recipe, inputs, facts_of(quick_recipe, source.fingerprint))
    (run_folder / "checkpoints" / "step-12").mkdir(parents=True)
    before = files_in(run_folder)
    with pytest.raises(SettingsError, match=r"other settings \('training.seed = 0' there"):
        dry(with_training(quick_recipe, seed=1))
    with pytest.raises(SettingsError, match="12 steps done and saved; ask for more"):
        dry(with_training(quick_recipe, steps=12))
    [table] = dry(with_training(quick_recipe, steps=21))
    assert "12 steps of 21 are done" in str(table.caption)
    assert any(cell.endswith(" in 9 steps") for cell in cells(table))
    assert any("2 evaluations" in cell for cell in cells(table))  # after steps 20 and 21
    genome.write_text(genome.read_text().replace("A", "C", 1))
    with pytest.raises(SettingsError, match="holds a run on other data"):
        dry(quick_recipe)
    assert files_in(run_folder) == before
    (run_folder / "curves.png").mkdir()
    with pytest.raises(SettingsError, match=r"curves.png is a folder where the run writes a file"):
        dry(quick_recipe)


@pytest.fixture
def comparison(quick_recipe, inputs, simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(dry_run, "places", lambda arms, device: [None] * min(arms, 2))
    return Comparison(
        recipe=quick_recipe, inputs=inputs, strategies=("uniform", "random-span"), seeds=3,
        pool=simulated.pool, test=simulated.test, fewshot=FewShotSettings(shots=(2,), draws=2, methods=("probe",)),
        out=tmp_path / "compare",
    )  # fmt: skip


def test_compare_counts_the_arms_that_are_not_finished(comparison):
    [table] = compare_estimate(comparison)
    assert "6, 2 side by side" in cells(table)
    assert "few-shot measurements are extra" in str(table.caption)
    assert not comparison.out.exists()


def test_compare_counts_no_step_that_is_done(comparison, monkeypatch):
    of_one = Estimate(
        parameters=1, steps=20, done=0, tokens_per_step=1, start_seconds=2.0, step_seconds=1.0,
        evaluation_seconds=0.0, evaluate_every=10, memory_bytes=2**20, disk_bytes=2**20,
    )  # fmt: skip
    monkeypatch.setattr(dry_run, "estimate", lambda *_: of_one)
    source = comparison.recipe.open_source(comparison.inputs, comparison.out)
    arms = comparison.arms()
    for arm in arms:
        write_config(arm.folder, arm.recipe, comparison.inputs, facts_of(arm.recipe, source.fingerprint))

    def end(*arms):
        for arm in arms:
            (arm.folder / "model").mkdir()
            for name in ("config.json", WEIGHTS):
                (arm.folder / "model" / name).write_text("{}")

    end(*arms[:3])
    (arms[3].folder / "checkpoints" / "step-15").mkdir(parents=True)
    [table] = compare_estimate(comparison)
    shown = dict(zip(*(map(str, column.cells) for column in table.columns), strict=True))
    assert shown["arms"] == "3, 2 side by side"
    assert shown["time of all arms"] == "29.0 s"  # an arm of 2 + 5, then one of 2 + 20, beside one of 2 + 20
    assert shown["disk of all arms"] == "3.1 MB"
    assert "3 arms are trained, and will only be measured. 15 steps of stopped arms are done" in str(table.caption)
    end(*arms[3:])
    [said] = compare_estimate(comparison)
    assert "6 arms are trained, and will only be measured" in said


def test_durations_are_read_at_a_glance():
    assert (duration(3.44), duration(600), duration(18_720)) == ("3.4 s", "10 min", "5.2 h")
