import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from quick_settings import QUICK
from safetensors.torch import load_file

from genomask import allocator
from genomask.data.kmer import SPECIAL_TOKENS
from genomask.data.streamed import StreamedText
from genomask.data.wordpiece import train_wordpiece
from genomask.errors import SettingsError, Stopped, TrainingError
from genomask.experiments.pretrain import Inputs, build_run, count_npmi, is_finished, open_source, pretrain, read_config
from genomask.experiments.run_report import report_run
from genomask.hub import open_model
from genomask.masking.npmi.segmentation import reverse_complemented
from genomask.recipe import load_recipe
from genomask.training import loop
from genomask.training.metrics_log import read_metrics


def losses(folder, first=0):
    rows = [row for row in read_metrics(folder / "metrics.jsonl") if "loss_nats_per_masked_token" in row]
    return [row["loss_nats_per_masked_token"] for row in rows if row["step"] > first]


def stop_after(step, monkeypatch):
    """Ask the run to stop once `step` steps are done, as SIGTERM would."""
    train_one = loop.one_step

    def one_step(run, state, batch):
        train_one(run, state, batch)
        if state.done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "one_step", one_step)


def test_the_run_folder_holds_what_the_design_lists(quick_recipe, inputs, run_folder, caplog, monkeypatch):
    monkeypatch.setattr(allocator, "_state", {"kept": True})
    with caplog.at_level("INFO", logger="genomask"):
        pretrain(quick_recipe, inputs, run_folder)
    assert is_finished(run_folder)
    assert read_config(run_folder) == (quick_recipe, inputs)
    assert "training on cpu in fp32; attention by sdpa; memory: glibc, keeping freed memory" in caplog.text
    environment = json.loads((run_folder / "environment.json").read_text())
    assert (environment["attention_backend"], environment["allocator"]) == ("sdpa", "glibc, keeping freed memory")
    trained, scored = {}, {}
    for row in read_metrics(run_folder / "metrics.jsonl"):
        (scored if "eval_loss_nats_per_masked_token" in row else trained).update(row)
    assert trained.keys() >= {
        "step", "tokens", "loss_nats_per_masked_token", "tokens_masked_fraction", "bases_hidden_fraction",
        "tokens_per_second", "learning_rate",
    }  # fmt: skip
    assert scored.keys() >= {
        "step", "eval_loss_nats_per_masked_token", "eval_bits_per_hidden_base", "eval_bits_per_hidden_base_single",
        "eval_bits_per_hidden_base_six",
    }  # fmt: skip
    assert {path.name for path in (run_folder / "checkpoints").iterdir()} == {"step-10", "step-20"}
    model, tokenizer = open_model(run_folder / "model")
    assert len(tokenizer) == model.config.vocab_size == 4**3 + 5
    text = "".join(str(cell) for column in report_run(run_folder).columns for cell in column.cells)
    assert "order-5" in text
    assert (run_folder / "curves.png").stat().st_size > 10_000


def test_a_run_that_was_stopped_goes_on_with_the_same_losses_and_ends_with_the_same_weights(
    quick_recipe, inputs, tmp_path, monkeypatch
):
    recipe = dataclasses.replace(
        quick_recipe, encoder=dataclasses.replace(quick_recipe.encoder, hidden_dropout_prob=0.1)
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(recipe, inputs, whole)
    with monkeypatch.context() as patch:
        stop_after(7, patch)
        with pytest.raises(Stopped) as stopped:
            pretrain(recipe, inputs, parts)
    assert stopped.value.signal_number == signal.SIGTERM
    assert not is_finished(parts)
    torch.manual_seed(12345)  # nothing of the run may hang on the process's own random state
    pretrain(recipe, inputs, parts, resume=True)
    assert losses(parts, first=7)[:10] == losses(whole, first=7)[:10]
    assert losses(parts) == losses(whole)
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (whole, parts))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_microbatches_do_not_change_the_run(quick_recipe, inputs, tmp_path):
    for budget in (80, 4096):
        training = dataclasses.replace(quick_recipe.training, tokens_per_microbatch=budget)
        pretrain(dataclasses.replace(quick_recipe, training=training), inputs, tmp_path / str(budget))
    small, large = losses(tmp_path / "80"), losses(tmp_path / "4096")
    assert small == pytest.approx(large, abs=1e-3)


def test_a_folder_that_holds_a_run_needs_resume_and_the_same_settings(quick_recipe, inputs, run_folder):
    pretrain(quick_recipe, inputs, run_folder)
    before = (run_folder / "model" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(SettingsError, match=r"already holds a run.*--resume"):
        pretrain(quick_recipe, inputs, run_folder)
    other = dataclasses.replace(quick_recipe, masking=dataclasses.replace(quick_recipe.masking, mask_rate=0.3))
    with pytest.raises(SettingsError, match=r"mask_rate = 0.15.*mask_rate = 0.3"):
        pretrain(other, inputs, run_folder, resume=True)
    pretrain(quick_recipe, inputs, run_folder, resume=True)
    assert (run_folder / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_a_run_goes_on_only_with_the_data_it_began_with(quick_recipe, simulated, run_folder, tmp_path, monkeypatch):
    genome = Path(shutil.copy(simulated.genome, tmp_path))
    asked = quick_recipe, Inputs(genome=(str(genome),)), run_folder
    kept = genome.read_text()
    other = kept[: kept.rstrip().rindex("\n") + 1]  # without its last line
    with monkeypatch.context() as patch:
        stop_after(7, patch)
        with pytest.raises(Stopped):
            pretrain(*asked)
    genome.write_text(other)
    with pytest.raises(SettingsError, match=r"other data.*has changed since it began"):
        pretrain(*asked, resume=True)
    genome.write_text(kept)
    pretrain(*asked, resume=True)
    assert is_finished(run_folder)
    genome.write_text(other)
    with pytest.raises(SettingsError, match="other data"):
        pretrain(*asked, resume=True)


def test_a_run_that_did_not_note_its_data_says_how_it_can_go_on(quick_recipe, inputs, run_folder):
    pretrain(quick_recipe, inputs, run_folder)
    config = run_folder / "config.toml"
    *before, noted = config.read_text().splitlines(keepends=True)
    config.write_text("".join(before))
    with pytest.raises(SettingsError, match=re.escape(f"'{noted.strip()}' at the end of {config}")):
        pretrain(quick_recipe, inputs, run_folder, resume=True)
    config.write_text("".join([*before, noted]))
    pretrain(quick_recipe, inputs, run_folder, resume=True)


def test_resume_without_a_run_and_a_folder_of_something_else_are_refused(quick_recipe, inputs, tmp_path):
    with pytest.raises(SettingsError, match="no run to resume"):
        pretrain(quick_recipe, inputs, tmp_path / "none", resume=True)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("hello")
    with pytest.raises(SettingsError, match="not empty"):
        pretrain(quick_recipe, inputs, tmp_path / "letters")
    assert (tmp_path / "letters" / "dear.txt").read_text() == "hello"


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_checkpoint(quick_recipe, inputs, run_folder):
    wild = dataclasses.replace(quick_recipe, optimizer=dataclasses.replace(quick_recipe.optimizer, learning_rate=1e38))
    with pytest.raises(TrainingError, match=r"not finite at step \d+"):
        pretrain(wild, inputs, run_folder)
    assert not is_finished(run_folder)


def test_a_genome_whose_words_are_rare_is_warned_about(quick_recipe, inputs, run_folder, caplog):
    rare = dataclasses.replace(quick_recipe, tokens=dataclasses.replace(quick_recipe.tokens, k=6))
    pretrain(rare, inputs, run_folder)
    assert "masking.npmi_min_count" in caplog.text


@pytest.mark.parametrize("strand", ["forward", "both"])
def test_windows_of_both_strands_are_scored_by_counts_of_both_strands(quick_recipe, inputs, strand):
    recipe = dataclasses.replace(quick_recipe, windows=dataclasses.replace(quick_recipe.windows, strand=strand))
    table = count_npmi(open_source(recipe, inputs), recipe)
    assert table.strand == strand
    counts = table.counts(3)
    assert np.array_equal(counts, reverse_complemented(counts)) == (strand == "both")


def test_text_goes_through_the_same_loop(tmp_path):
    words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "while", "seven", "cats", "sleep", "near"]
    corpus = tmp_path / "corpus.jsonl"
    lines = [{"text": " ".join(words[(i * 7 + j * (1 + i % 5)) % len(words)] for j in range(40))} for i in range(200)]
    corpus.write_text("".join(json.dumps(line) + "\n" for line in lines))
    changes = [change for change in QUICK if not change.startswith(("tokens", "windows"))]
    recipe = load_recipe("c4-tiny", [*changes, "tokens.vocab_size=256", "masking.strategy=whole-word"])
    pretrain(recipe, Inputs(corpus=(str(corpus),)), tmp_path / "run")
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert rows[-1]["eval_loss_nats_per_masked_token"] < rows[0]["loss_nats_per_masked_token"]
    masked = [row["tokens_masked_fraction"] for row in rows if "tokens_masked_fraction" in row]
    assert sum(masked) / len(masked) == pytest.approx(0.30, abs=0.05)
    assert "eval_bits_per_hidden_base" not in rows[-1]
    report_run(tmp_path / "run")


@pytest.mark.parametrize("strategy", ["random-span", "rate-step:strategy=random-span:at=10"])
def test_batches_of_a_fixed_shape_have_room_for_what_is_really_masked(inputs, tmp_path, monkeypatch, strategy):
    changes = [f"masking.strategy={strategy}", "masking.match=bases", "tokens.k=6"]
    sizes = ["training.tokens_per_microbatch=8192", "training.sequences_per_step=600"]
    recipe = load_recipe("genome-demo", [*QUICK, *changes, *sizes])
    made = []
    for compiled in (False, True):
        monkeypatch.setattr("genomask.experiments.pretrain._where", lambda _, on=compiled: (torch.device("cuda"), on))
        batches = build_run(recipe, inputs, tmp_path).batches
        made.append(batches.of(19))
    free, filled = made
    assert len(filled.microbatches) == len(free.microbatches)
    assert batches.shape.masked < 1.3 * 8192 * free.masks.tokens_masked_fraction


def test_streamed_text_is_split_where_the_recipe_says_so(tmp_path, monkeypatch):
    documents = [" ".join(f"cat {i} sat on mat {j}" for j in range(30)) for i in range(60)]
    shard = tmp_path / "c4.jsonl"
    shard.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    vocabulary = train_wordpiece(documents, 256, tmp_path / "vocab.txt")
    origin = {"path": "json", "data_files": {"train": [str(shard)], "validation": [str(shard)]}}
    monkeypatch.setattr("genomask.experiments.pretrain.StreamedText", partial(StreamedText, origin=origin))
    changes = [change for change in QUICK if not change.startswith(("tokens", "windows"))]
    changes += [f"tokens.vocabulary={vocabulary}", "masking.strategy=uniform"]
    recipe, streamed = load_recipe("c4-tiny", changes), Inputs(corpus=("c4",))
    pretrain(recipe, streamed, tmp_path / "run")
    assert is_finished(tmp_path / "run")
    source = open_source(recipe, streamed)
    first = source.train(0, 2).input_ids
    assert first[first >= len(SPECIAL_TOKENS)].tolist() == source.tokenizer(documents[0])["input_ids"][1:-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_command_leaves_a_checkpoint_and_its_exit_code(simulated, tmp_path, number, code):
    changes = [word for change in (*QUICK, "training.steps=100000") for word in ("--set", change)]
    command = [sys.executable, "-m", "genomask", "pretrain", "--recipe", "genome-demo", "--out", str(tmp_path / "run")]
    process = subprocess.Popen([*command, "--genome", str(simulated.genome), *changes], stderr=subprocess.PIPE)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.time() + 60
    while time.time() < deadline and not (metrics.exists() and metrics.read_text()):
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"--resume" in said
    assert list((tmp_path / "run" / "checkpoints").glob("step-*/state.json"))
