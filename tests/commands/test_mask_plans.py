"""Runs under curricula and under one's own strategies: how each step is masked, stopping and going on."""

import dataclasses
import json
import logging
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from quick_settings import QUICK
from safetensors.torch import load_file

from genomask.cli import app as cli
from genomask.commands.compare.arms import Comparison, folder_name, run_arm
from genomask.commands.compare.comparison import compare
from genomask.commands.pretrain import build_run, pretrain
from genomask.commands.run_folder.folder import read_config
from genomask.data.opening import Inputs
from genomask.errors import SettingsError, Stopped
from genomask.fewshot.protocol import FewShotSettings
from genomask.recipe import load_recipe
from genomask.training import loop
from genomask.training.batches import AHEAD
from genomask.training.metrics_log import OF_THE_MOMENT, read_metrics

MY_MASKS = Path(__file__).parents[2] / "examples" / "my_masks.py"


@pytest.fixture(scope="module")
def masked_by(quick_recipe):
    """The quick recipe with another strategy and an evaluation every second step."""

    def change(strategy, match="none"):
        masking = dataclasses.replace(quick_recipe.masking, strategy=strategy, match=match)
        evaluation = dataclasses.replace(quick_recipe.evaluation, every=2)
        training = dataclasses.replace(quick_recipe.training, checkpoint_every=3)
        return dataclasses.replace(quick_recipe, masking=masking, evaluation=evaluation, training=training)

    return change


def rows_of(folder):
    return [row for row in read_metrics(folder / "metrics.jsonl") if "loss_nats_per_masked_token" in row]


def without_clock(folder):
    return [{key: x for key, x in row.items() if key not in OF_THE_MOMENT}
            for row in read_metrics(folder / "metrics.jsonl")]  # fmt: skip


def scores_fall_until(step, monkeypatch):
    """Evaluations whose bits per hidden base fall until `step` and then stay level."""
    real = loop.evaluate
    calls = []

    def evaluate(*arguments):
        calls.append(2 * len(calls) + 2)
        return real(*arguments) | {"eval_bits_per_hidden_base": 2 - 0.01 * min(calls[-1], step)}

    monkeypatch.setattr(loop, "evaluate", evaluate)
    return calls


def test_cm_gems_switches_when_the_score_under_fixed_masks_stops_falling(
    masked_by, inputs, run_folder, monkeypatch, caplog
):
    scores_fall_until(6, monkeypatch)
    with caplog.at_level(logging.INFO, logger="genomask"):
        pretrain(masked_by("cm-gems:first=contiguous:second=fixed-span"), inputs, run_folder)
    # best at 6, no better at 8 and 10: decided after 10 steps, when the batch of the 11th was already made
    fractions = [row["masked_by_second_fraction"] for row in rows_of(run_folder)]
    assert fractions == [0.0] * (10 + AHEAD) + [1.0] * (10 - AHEAD)
    assert "after step 10 the bits per hidden base have stopped falling (1.9400, 1.9400, 1.9400)" in caplog.text
    state = json.loads((run_folder / "checkpoints" / "step-20" / "state.json").read_text())
    assert state["switched_at"] == 10 + AHEAD
    assert state["fixed_mask_scores"] == pytest.approx([1.98, 1.96, 1.94, 1.94, 1.94])


def test_a_step_is_masked_by_its_phase_and_nothing_else(masked_by, inputs, tmp_path):
    run = build_run(masked_by("cm-gems:first=contiguous:second=fixed-span"), inputs, tmp_path)
    first, second = (
        build_run(masked_by(name), inputs, tmp_path).batches.of(5).microbatches for name in ("contiguous", "fixed-span")
    )
    for switched_at, expected in ((None, first), (6, first), (5, second), (1, second)):
        got = run.batches.of(5, switched_at).microbatches
        assert all(
            a.input_ids.equal(b.input_ids) and a.labels.equal(b.labels) for a, b in zip(got, expected, strict=True)
        )
    assert not first[0].labels.equal(second[0].labels)


def test_the_stream_asks_for_the_switch_one_batch_ahead(masked_by, inputs, tmp_path):
    run = build_run(masked_by("cm-gems:first=contiguous:second=fixed-span"), inputs, tmp_path)
    decided = [None]
    fractions = []
    for batch in run.batches.stream(0, 8, lambda: decided[-1]):
        fractions.append(batch.phase.fraction)
        if batch.step + 1 == 4:  # decided when four steps are done
            decided.append(4 + AHEAD)
    assert fractions == [0, 0, 0, 0, 0, 1, 1, 1]
    resumed = [batch.phase.fraction for batch in run.batches.stream(4, 8, lambda: 4 + AHEAD)]
    assert resumed == fractions[4:]


SWITCHING = "cm-gems:first=contiguous:second=fixed-span"


@pytest.fixture(scope="module")
def whole(masked_by, inputs, tmp_path_factory):
    """A run that switches and is not stopped."""
    folder = tmp_path_factory.mktemp("switching") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        scores_fall_until(6, patch)
        pretrain(masked_by(SWITCHING), inputs, folder)
    return folder


@pytest.mark.parametrize("stopped_after", [5, 10, 11, 14])
def test_a_run_that_switches_is_the_same_when_it_is_stopped_on_the_way(
    masked_by, inputs, whole, tmp_path, monkeypatch, stopped_after
):
    recipe, parts = masked_by(SWITCHING), tmp_path / "parts"
    with monkeypatch.context() as patch:
        calls = scores_fall_until(6, patch)
        train_one = loop.one_step

        def one_step(run, state, batch):
            train_one(run, state, batch)
            if state.done == stopped_after:
                os.kill(os.getpid(), signal.SIGTERM)

        patch.setattr(loop, "one_step", one_step)
        with pytest.raises(Stopped):
            pretrain(recipe, inputs, parts)
        patch.setattr(loop, "one_step", train_one)
        assert calls[-1] == stopped_after // 2 * 2
        pretrain(recipe, inputs, parts, resume=True)
    assert without_clock(parts) == without_clock(whole)
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (whole, parts))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_cm_step_linear_mix_and_rate_step_run_and_say_what_they_do(masked_by, inputs, tmp_path):
    for name, expected in {
        "cm-step:first=contiguous:second=fixed-span:at=12": [0.0] * 12 + [1.0] * 8,
        "linear-mix:first=contiguous:second=fixed-span": [step / 19 for step in range(20)],
    }.items():
        out = tmp_path / name.partition(":")[0]
        pretrain(masked_by(name), inputs, out)
        assert [row["masked_by_second_fraction"] for row in rows_of(out)] == pytest.approx(expected)
    out = tmp_path / "rate"
    pretrain(masked_by("rate-step:strategy=uniform:then=0.6:at=10", match="tokens"), inputs, out)
    rows = rows_of(out)
    assert [row["mask_rate_asked"] for row in rows] == [0.15] * 10 + [0.6] * 10
    assert all(row["tokens_masked_fraction"] == pytest.approx(row["mask_rate_asked"], abs=0.12) for row in rows)


def test_npmi_global_is_matched_on_the_windows_of_the_run(masked_by, inputs, tmp_path):
    run = build_run(masked_by("npmi-global", match="tokens"), inputs, tmp_path)
    masks = [run.batches.of(step).masks for step in range(60)]
    total = sum(masks[1:], masks[0])
    assert total.tokens_masked_fraction == pytest.approx(0.15, rel=0.1)


def test_plain_strategies_log_no_phase(masked_by, inputs, run_folder):
    pretrain(masked_by("span"), inputs, run_folder)
    assert not {"masked_by_second_fraction", "mask_rate_asked"} & set(rows_of(run_folder)[0])


def test_a_strategy_of_ones_own_goes_from_the_command_line_to_a_model(simulated, tmp_path, monkeypatch):
    shutil.copy(MY_MASKS, tmp_path / "my_masks.py")
    changes = [word for change in (*QUICK, "training.steps=5") for word in ("--set", change)]
    command = ["genomask", "pretrain", "--recipe", "genome-demo", "--out", "run", *changes]
    command += ["--genome", str(simulated.genome), "--masking", "my_masks.py:cpg:flank=1"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert read_config(tmp_path / "run")[0].masking.strategy == "my_masks.py:cpg:flank=1"  # as it was given
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


def test_a_run_under_a_strategy_of_ones_own_is_resumed_while_its_file_is_there(masked_by, inputs, tmp_path):
    file = tmp_path / "my_masks.py"
    shutil.copy(MY_MASKS, file)
    recipe = masked_by(f"{file}:cpg:flank=1", match="tokens")
    pretrain(recipe, inputs, tmp_path / "run")
    before = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for broken in ("model", "checkpoints/step-20"):
        shutil.rmtree(tmp_path / "run" / broken)
    pretrain(*read_config(tmp_path / "run"), tmp_path / "run", resume=True)
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    shutil.rmtree(tmp_path / "run" / "model")
    file.unlink()
    with pytest.raises(SettingsError, match=r"there is no file .*my_masks\.py with masking strategies"):
        pretrain(recipe, inputs, tmp_path / "run", resume=True)


@pytest.fixture
def comparison_of(quick_recipe, inputs, simulated, tmp_path):
    """A quick comparison of the strategies named, with the published rates."""

    def build(*strategies):
        return Comparison(
            recipe=dataclasses.replace(quick_recipe, masking=dataclasses.replace(quick_recipe.masking, match="none")),
            inputs=inputs,
            strategies=strategies,
            seeds=1,
            pool=simulated.pool,
            test=simulated.test,
            fewshot=FewShotSettings(shots=(5,), draws=2, methods=("probe",)),
            out=tmp_path / "compare",
        )

    return build


def test_two_arms_may_be_one_strategy_with_other_parameters(comparison_of, forked_arms):
    narrow, wide = f"{MY_MASKS}:cpg:flank=0", f"{MY_MASKS}:cpg:flank=5"
    outcome = compare(comparison_of(narrow, wide))
    assert outcome.verdict("probe")["strategy"].tolist() == [wide]
    hidden = outcome.arm_means("probe").set_index("strategy")["bases_hidden_fraction"]
    assert hidden[wide] > hidden[narrow] > 0


def test_an_arm_may_be_a_curriculum_of_strategies_with_parameters_and_goes_on(comparison_of, forked_arms, monkeypatch):
    curriculum = f"cm-step:first=(span:p=0.1):second=({MY_MASKS}:cpg:flank=1):at=10"
    comparison = comparison_of("span", curriculum)
    outcome = compare(comparison)
    assert outcome.verdict("probe")["strategy"].tolist() == [curriculum]
    folder = comparison.arms()[1].folder
    assert read_config(folder)[0].masking.strategy == curriculum
    assert [row["masked_by_second_fraction"] for row in rows_of(folder)] == [0.0] * 10 + [1.0] * 10
    before = load_file(folder / "model" / "model.safetensors")
    for done in ("model", "checkpoints/step-20", "fewshot"):
        shutil.rmtree(folder / done)
    run_arm(comparison.arms()[1])  # goes on from step 10
    after = load_file(folder / "model" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", None)  # everything is finished
    assert compare(comparison).results.equals(outcome.results)


def test_a_strategy_that_is_not_there_is_refused_before_any_arm_runs(quick_recipe, inputs, simulated, tmp_path):
    comparison = Comparison(
        recipe=quick_recipe,
        inputs=inputs,
        strategies=("span", f"{MY_MASKS}:gpc"),
        seeds=1,
        pool=simulated.pool,
        test=simulated.test,
        fewshot=FewShotSettings(shots=(5,), draws=2, methods=("probe",)),
        out=tmp_path / "compare",
    )
    with pytest.raises(SettingsError, match="registers no masking strategy 'gpc'"):
        compare(comparison)
    assert not comparison.out.exists()


def test_arms_have_folders_of_their_own_with_safe_names():
    assert folder_name("random-span") == "random-span"
    assert folder_name("span:p=0.1") == "span_p=0.1"
    names = ["a/my_masks.py:mine", "b/my_masks.py:mine", "a-my_masks.py:mine", "span:p=0.1", "span:p=0.2"]
    names += ["cm-step:first=(a/b.py:mine,x):second=span", "cm-step:first=(a/b.py:mine):second=span"]
    names += [f"{'long/' * 80}a.py:mine", f"{'long/' * 80}b.py:mine"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert max(map(len, folders)) < 200
    assert all(re.fullmatch(r"[\w=.-]+", folder) for folder in folders)


def test_text_takes_curricula_too(tmp_path):
    words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "while", "seven", "cats", "sleep", "near"]
    lines = [{"text": " ".join(words[(i * 7 + j * (1 + i % 5)) % 13] for j in range(40))} for i in range(100)]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(line) + "\n" for line in lines))
    changes = [change for change in QUICK if not change.startswith(("tokens", "windows"))]
    changes += ["tokens.vocab_size=256", "masking.strategy=cm-step:first=whole-word:second=span:at=10"]
    pretrain(load_recipe("c4-tiny", changes), Inputs(corpus=(str(corpus),)), tmp_path / "run")
    assert [row["masked_by_second_fraction"] for row in rows_of(tmp_path / "run")] == [0.0] * 10 + [1.0] * 10
