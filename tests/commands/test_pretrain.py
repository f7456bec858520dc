import dataclasses
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from launcher import launch
from quick_settings import QUICK
from safetensors.torch import load_file

from genomask.commands.fewshot import provenance
from genomask.commands.pretrain import build_run, count_npmi, pretrain
from genomask.commands.run_folder.folder import is_finished, read_config
from genomask.commands.run_folder.leaks import seen_by_model
from genomask.commands.run_folder.report import report_run
from genomask.data.corpus_formats import Shard
from genomask.data.hub_corpus import HubCorpus
from genomask.data.opening import Inputs
from genomask.data.tasks import read_task
from genomask.data.tokenizers.kmer import SPECIAL_TOKENS
from genomask.data.tokenizers.wordpiece import train_wordpiece
from genomask.errors import DataError, SettingsError, Stopped, TrainingError
from genomask.files.locking import locked
from genomask.inference.hub import open_model
from genomask.machine import process
from genomask.masking.npmi.segmentation import reverse_complemented
from genomask.recipe import load_recipe
from genomask.settings.ranges import LARGE
from genomask.training import loop
from genomask.training.metrics_log import OF_THE_MOMENT, read_metrics


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


@pytest.mark.processor
@pytest.mark.parametrize(("has_units", "precision"), [(False, "fp32"), (True, "bf16")])
def test_a_run_logs_and_records_the_precision_of_this_processor(
    quick_recipe, inputs, run_folder, caplog, bf16_units, has_units, precision
):
    bf16_units(has_units)
    recipe = dataclasses.replace(quick_recipe, training=dataclasses.replace(quick_recipe.training, steps=1))
    with caplog.at_level("INFO", logger="genomask"):
        pretrain(recipe, inputs, run_folder)
    assert f"training on cpu in {precision}; attention by sdpa" in caplog.text
    assert json.loads((run_folder / "environment.json").read_text())["precision"] == precision


def test_the_run_folder_holds_what_the_design_lists(quick_recipe, inputs, run_folder, caplog, monkeypatch):
    monkeypatch.setattr(process, "state", {"kept": True})
    with caplog.at_level("INFO", logger="genomask"):
        pretrain(quick_recipe, inputs, str(run_folder))  # as a notebook may name it
    assert is_finished(run_folder)
    assert read_config(run_folder) == (quick_recipe, inputs)  # which are absolute
    assert re.search(r"[\d,]+ bases to train on, 4 windows of 510 bases held out", caplog.text)
    assert "attention by sdpa; memory: glibc, keeping freed memory" in caplog.text
    assert "opens only in genomask" not in caplog.text  # plain ALiBi with a GLU can be exported
    environment = json.loads((run_folder / "environment.json").read_text())
    assert (environment["attention_backend"], environment["allocator"]) == ("sdpa", "glibc, keeping freed memory")
    assert environment["tokens_per_microbatch"] == 300
    trained, scored = {}, {}
    for row in read_metrics(run_folder / "metrics.jsonl"):
        (scored if "eval_loss_nats_per_masked_token" in row else trained).update(row)
    assert trained.keys() >= {
        "step", "tokens", "loss_nats_per_masked_token", "tokens_masked_fraction", "bases_hidden_fraction",
        "tokens_per_second", "learning_rate", "masked_tokens_per_second", "gradient_norm", "data_wait_fraction",
        "peak_memory_bytes", "skipped_steps", "matmul_flops_per_second", "model_flops_utilization",
    }  # fmt: skip
    assert scored.keys() >= {
        "step", "eval_loss_nats_per_masked_token", "eval_bits_per_hidden_base", "eval_bits_per_hidden_base_single",
        "eval_bits_per_hidden_base_six",
    }  # fmt: skip
    assert {path.name for path in (run_folder / "checkpoints").iterdir()} == {"step-10", "step-20"}
    model, tokenizer = open_model(run_folder / "model")
    assert len(tokenizer) == model.config.vocab_size == 4**3 + 5
    assert f"| data | {Path(inputs.genome[0]).name} (" in (run_folder / "model" / "README.md").read_text()
    table, words = report_run(run_folder)
    text = "".join(str(cell) for column in table.columns for cell in column.cells)
    assert "order-5" in text
    assert "mean of the 2 evaluations" in str(table.caption)
    assert "has not learned to copy the bases beside a mask yet" in words
    assert (run_folder / "curves.png").stat().st_size > 10_000


@pytest.mark.processor
def test_a_run_that_was_stopped_goes_on_with_the_same_losses_and_ends_with_the_same_weights(
    quick_recipe, inputs, tmp_path, monkeypatch
):
    encoder = dataclasses.replace(quick_recipe.encoder, hidden_dropout_prob=0.1)
    recipe = with_training(dataclasses.replace(quick_recipe, encoder=encoder), steps=12)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(recipe, inputs, whole)
    with monkeypatch.context() as patch:
        stop_after(7, patch)
        with pytest.raises(Stopped) as stopped:
            pretrain(recipe, inputs, parts)
    assert stopped.value.signal_number == signal.SIGTERM
    assert not is_finished(parts)
    torch.manual_seed(12345)  # nothing in the run may depend on the process's own random state
    pretrain(recipe, inputs, parts, resume=True)
    assert losses(parts, first=7) == losses(whole, first=7)
    assert losses(parts) == losses(whole)
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (whole, parts))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.processor
def test_microbatches_do_not_change_the_run(quick_recipe, inputs, tmp_path):
    for budget in (80, 4096):
        pretrain(with_training(quick_recipe, steps=8, tokens_per_microbatch=budget), inputs, tmp_path / str(budget))
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


def test_inputs_are_noted_by_absolute_paths_and_may_be_named_from_anywhere(
    quick_recipe, simulated, run_folder, monkeypatch
):
    with monkeypatch.context() as patch:
        stop_after(7, patch)
        with pytest.raises(Stopped):
            pretrain(quick_recipe, Inputs(genome=(os.path.relpath(simulated.genome),)), run_folder)
    assert read_config(run_folder)[1].genome == (str(simulated.genome),)
    config = run_folder / "config.toml"
    config.write_text(config.read_text().replace(f"{simulated.genome.parent}/", ""))  # as earlier versions noted it
    assert (
        "is relative to the folder where the run was started" in seen_by_model(run_folder / "model", ["ACGT"]).sentence
    )
    pretrain(quick_recipe, Inputs(genome=(str(simulated.genome),)), run_folder, resume=True)
    assert is_finished(run_folder)


def test_a_run_that_did_not_note_its_data_says_how_it_can_go_on(quick_recipe, inputs, run_folder):
    pretrain(quick_recipe, inputs, run_folder)
    config = run_folder / "config.toml"
    *before, noted = config.read_text().splitlines(keepends=True)
    config.write_text("".join(before))
    with pytest.raises(SettingsError, match=re.escape(f"'{noted.strip()}' under [inputs] in {config}")):
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


def test_a_step_that_is_not_finite_is_skipped_and_the_run_goes_on(quick_recipe, inputs, run_folder, monkeypatch):
    train_step, steps = loop.train_step, iter(range(1, 21))

    def with_one_bad(model, optimizer, microbatches, **how):
        if next(steps) != 7:
            return train_step(model, optimizer, microbatches, **how)
        bad = [batch._replace(loss_weights=batch.loss_weights * float("inf")) for batch in microbatches]
        return train_step(model, optimizer, bad, **how)

    monkeypatch.setattr(loop, "train_step", with_one_bad)
    pretrain(quick_recipe, inputs, run_folder)
    assert [row["step"] for row in read_metrics(run_folder / "metrics.jsonl") if row.get("skipped_steps")] == [7]
    assert is_finished(run_folder)


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_checkpoint(quick_recipe, inputs, run_folder):
    wild = dataclasses.replace(
        with_training(quick_recipe, checkpoint_every=1),
        optimizer=dataclasses.replace(quick_recipe.optimizer, learning_rate=LARGE),
        evaluation=dataclasses.replace(quick_recipe.evaluation, every=20),
    )
    with pytest.raises(TrainingError, match=r"not finite at step 11 .*nor at the 9 steps before it"):
        pretrain(wild, inputs, run_folder)
    assert not is_finished(run_folder)
    assert {path.name for path in (run_folder / "checkpoints").iterdir()} == {"step-9", "step-10"}


def test_a_genome_whose_words_are_rare_is_warned_about(quick_recipe, inputs, run_folder, caplog):
    masking = dataclasses.replace(quick_recipe.masking, strategy="genemask")
    tokens = dataclasses.replace(quick_recipe.tokens, k=6)
    pretrain(dataclasses.replace(quick_recipe, tokens=tokens, masking=masking), inputs, run_folder)
    assert "masking.npmi_min_count" in caplog.text


@pytest.mark.parametrize("strand", ["forward", "both"])
def test_windows_of_both_strands_are_scored_by_counts_of_both_strands(quick_recipe, inputs, tmp_path, strand):
    recipe = dataclasses.replace(quick_recipe, windows=dataclasses.replace(quick_recipe.windows, strand=strand))
    table = count_npmi(recipe.open_source(inputs, tmp_path), recipe)
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
    table, words = report_run(tmp_path / "run")
    cells = " ".join(str(cell) for column in table.columns for cell in column.cells)
    for text in (cells, str(table.caption), words):
        assert not any(word in text for word in ("base", "flank", "order-"))
    assert "held out" in recipe.open_source(Inputs(corpus=(str(corpus),)), tmp_path / "run").description


@pytest.mark.parametrize("strategy", ["random-span", "rate-step:strategy=random-span:at=10"])
def test_batches_of_a_fixed_shape_have_room_for_what_is_really_masked(inputs, tmp_path, monkeypatch, strategy):
    changes = [f"masking.strategy={strategy}", "masking.match=bases", "tokens.k=6"]
    sizes = ["training.tokens_per_microbatch=8192", "training.sequences_per_step=600"]
    recipe = load_recipe("genome-demo", [*QUICK, *changes, *sizes])
    made = []
    for compiled in (False, True):
        monkeypatch.setattr("genomask.commands.pretrain.device_of", lambda _, on=compiled: (torch.device("cuda"), on))
        batches = build_run(recipe, inputs, tmp_path).batches
        made.append(batches.of(19))
    free, filled = made
    assert len(filled.microbatches) == len(free.microbatches)
    assert batches.shape.masked < 1.3 * 8192 * free.masks.tokens_masked_fraction
    real, computed = (sum(len(x.input_ids) for x in each) for each in (filled.unfilled, filled.microbatches))
    assert real == sum(len(x.input_ids) for x in free.microbatches) <= computed <= 1.1 * real


@pytest.mark.parametrize("sequences", [4, 25, 100])
def test_a_step_smaller_than_a_microbatch_is_not_filled_up_to_one(
    quick_recipe, inputs, tmp_path, monkeypatch, sequences
):
    monkeypatch.setattr("genomask.commands.pretrain.device_of", lambda _: (torch.device("cuda"), True))
    recipe = with_training(quick_recipe, tokens_per_microbatch=65_536, sequences_per_step=sequences)
    batches = build_run(recipe, inputs, tmp_path).batches
    for step in range(3):
        [filled], [real] = (getattr(batches.of(step), name) for name in ("microbatches", "unfilled"))
        assert len(real.input_ids) <= len(filled.input_ids) == batches.shape.tokens
        assert batches.shape.tokens <= 128 + 1.5 * sequences * recipe.longest


def test_a_recipe_may_leave_the_microbatch_to_the_machine(quick_recipe, inputs, tmp_path, monkeypatch):
    recipe, tried = with_training(quick_recipe, tokens_per_microbatch=0), []
    assert build_run(recipe, inputs, tmp_path).batches.tokens_per_microbatch == 16_384
    monkeypatch.setattr("genomask.commands.pretrain.device_of", lambda _: (torch.device("cuda"), True))
    monkeypatch.setattr("genomask.commands.pretrain.tokens_at_once", lambda *asked: tried.append(asked) or 700)
    run = build_run(recipe, inputs, tmp_path)
    assert run.batches.tokens_per_microbatch == 700 >= run.batches.shape.tokens
    [(_, trial, out)] = tried
    assert (trial.model, trial.precision, trial.longest, out) == (run.model, run.precision, recipe.longest, tmp_path)
    assert trial.fraction == pytest.approx(0.15, abs=0.05)


def test_long_streamed_documents_are_split_if_the_recipe_says_so(tmp_path, monkeypatch):
    documents = [" ".join(f"cat {i} sat on mat {j}" for j in range(30)) for i in range(60)]
    shard = tmp_path / "c4.jsonl"
    shard.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    vocabulary = train_wordpiece(documents, 256, tmp_path / "vocab.txt")
    shards = [Shard(str(shard), lambda: shard.open("rb"))]
    monkeypatch.setattr(HubCorpus, "shards", lambda _: {"train": shards, "validation": shards})
    changes = [change for change in QUICK if not change.startswith(("tokens", "windows"))]
    changes += [f"tokens.vocabulary={vocabulary}", "masking.strategy=uniform"]
    recipe, streamed = load_recipe("c4-tiny", changes), Inputs(corpus=("c4",))
    pretrain(recipe, streamed, tmp_path / "run")
    assert is_finished(tmp_path / "run")
    source = recipe.open_source(streamed, tmp_path)
    first = source.train(0, 2).input_ids
    assert first[first >= len(SPECIAL_TOKENS)].tolist() == source.tokenizer(documents[0])["input_ids"][1:-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_command_leaves_a_checkpoint_and_its_exit_code(simulated, tmp_path, number, code):
    changes = [word for change in (*QUICK, "training.steps=100000") for word in ("--set", change)]
    command = ["pretrain", "--recipe", "genome-demo", "--out", str(tmp_path / "run"), *changes]
    launched = launch([*command, "--genome", str(simulated.genome)], tmp_path, 1)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.time() + 60
    while time.time() < deadline and not (metrics.exists() and metrics.read_text()):
        time.sleep(0.1)
    os.kill(launched.processes[0].pid, number)
    assert launched.wait() == [code]
    assert "--resume" in launched.said()[0]
    assert list((tmp_path / "run" / "checkpoints").glob("step-*/state.json"))


def numbers(folder):
    """The rows of a run without its speed."""
    rows = read_metrics(folder / "metrics.jsonl")
    return [{key: value for key, value in row.items() if key not in OF_THE_MOMENT} for row in rows]


def pretrain_until(step, monkeypatch, *run, **how):
    with monkeypatch.context() as patch:
        stop_after(step, patch)
        with pytest.raises(Stopped):
            pretrain(*run, **how)


def with_training(recipe, **changes):
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **changes))


def test_a_run_stopped_between_two_logged_rows_ends_with_the_rows_of_an_unbroken_one(
    quick_recipe, inputs, tmp_path, monkeypatch
):
    recipe = with_training(quick_recipe, log_every=5, steps=12)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(recipe, inputs, whole)
    for step in (3, 7, 11):
        pretrain_until(step, monkeypatch, recipe, inputs, parts, resume=step > 3)
    pretrain(recipe, inputs, parts, resume=True)
    assert numbers(parts) == numbers(whole)
    assert [row["step"] for row in numbers(parts)] == [5, 10, 10, 12, 12]
    assert all(row["tokens_per_second"] > 0 for row in read_metrics(parts / "metrics.jsonl") if "learning_rate" in row)
    assert len((parts / "resumed.jsonl").read_text().splitlines()) == 3
    assert not (whole / "resumed.jsonl").exists()
    assert {path.name for path in (whole / "model").iterdir()} >= {"model.safetensors", "model.safetensors.sha256"}
    modes = {path.stat().st_mode & 0o777 for path in (whole / "model").iterdir()}
    assert len(modes) == 1


def test_a_run_in_use_is_left_to_the_process_that_has_it(quick_recipe, inputs, run_folder):
    with locked(run_folder), pytest.raises(SettingsError, match=f"in use by process {os.getpid()} on"):
        pretrain(quick_recipe, inputs, run_folder)
    assert not run_folder.exists()


def test_a_finished_run_goes_on_with_more_steps_and_keeps_its_first_model(quick_recipe, inputs, run_folder, caplog):
    pretrain(with_training(quick_recipe, steps=10), inputs, run_folder)
    before, first = losses(run_folder), (run_folder / "model" / "model.safetensors").read_bytes()
    longer = with_training(quick_recipe, steps=12, tokens_per_microbatch=600)
    pretrain(longer, inputs, run_folder, resume=True)
    assert "training.steps was 10 and is 12 from here on" in caplog.text
    assert "training.tokens_per_microbatch was 300 and is 600 from here on" in caplog.text
    assert read_config(run_folder)[0] == longer
    assert (run_folder / "model-step-10" / "model.safetensors").read_bytes() == first
    assert (run_folder / "model" / "model.safetensors").read_bytes() != first
    assert (len(losses(run_folder)), losses(run_folder)[:10]) == (12, before)
    with pytest.raises(SettingsError, match="12 steps done and saved; ask for more"):
        pretrain(with_training(longer, steps=11), inputs, run_folder, resume=True)


def test_a_mistake_in_the_input_leaves_no_folder(quick_recipe, tmp_path):
    with pytest.raises(DataError):
        pretrain(quick_recipe, Inputs(genome=(str(tmp_path / "none.fa"),)), tmp_path / "runs" / "a")
    assert list(tmp_path.iterdir()) == []


def test_out_may_be_a_link_to_a_folder(quick_recipe, inputs, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    pretrain(with_training(quick_recipe, steps=1), inputs, tmp_path / "link")
    assert is_finished(tmp_path / "real")


MASKS = """
from genomask.masking import strategy

@strategy("mine")
def mine(sequence):
    sequence.masked[{residue}::7] = True
"""


@pytest.mark.parametrize("strategy", ["{}:mine", "cm-step:first=uniform:second=({}:mine):at=10"])
def test_a_mask_file_edited_since_the_run_began_is_refused(quick_recipe, inputs, tmp_path, monkeypatch, strategy):
    file, out = tmp_path / "my_masks.py", tmp_path / "run"
    file.write_text(MASKS.format(residue=0))
    masking = dataclasses.replace(quick_recipe.masking, strategy=strategy.format(file), match="none")
    recipe = dataclasses.replace(quick_recipe, masking=masking)
    pretrain_until(7, monkeypatch, recipe, inputs, out)
    file.write_text(MASKS.format(residue=1))
    with pytest.raises(SettingsError, match=r"my_masks\.py has changed since it began"):
        pretrain(recipe, inputs, out, resume=True)
    file.write_text(MASKS.format(residue=0))
    pretrain(recipe, inputs, out, resume=True)
    assert is_finished(out)
    file.write_text(MASKS.format(residue=1))
    with pytest.raises(SettingsError, match=r"my_masks\.py has changed since it began"):
        pretrain(recipe, inputs, out, resume=True)


def test_a_resumed_run_keeps_its_precision_even_if_auto_would_now_differ(
    quick_recipe, inputs, run_folder, monkeypatch, bf16_units, caplog
):
    recipe = with_training(quick_recipe, precision="auto")
    bf16_units(True)
    pretrain_until(7, monkeypatch, recipe, inputs, run_folder)
    bf16_units(False)
    with caplog.at_level("INFO", logger="genomask"):
        pretrain(recipe, inputs, run_folder, resume=True)
    assert "precision bf16, as at the start of this run" in caplog.text
    environments = [(run_folder / "environment.json").read_text(), (run_folder / "resumed.jsonl").read_text()]
    assert [json.loads(text)["precision"] for text in environments] == ["bf16", "bf16"]
    assert read_config(run_folder)[0].training.precision == "auto"


def test_weights_that_are_not_finite_are_not_saved_and_the_advice_works(quick_recipe, inputs, tmp_path):
    optimizer = dataclasses.replace(quick_recipe.optimizer, learning_rate=LARGE)
    wild, out = dataclasses.replace(with_training(quick_recipe, steps=1), optimizer=optimizer), tmp_path / "wild"
    with pytest.raises(
        TrainingError, match=r"not finite.*another --out and a lower learning rate \(--set optimizer.learning_rate"
    ):
        pretrain(wild, inputs, out)
    assert not is_finished(out)
    assert not list((out).glob("checkpoints/*"))
    assert read_metrics(out / "metrics.jsonl")[-1].keys() & {"eval_loss_nats_per_masked_token"} == set()
    lower = dataclasses.replace(wild, optimizer=dataclasses.replace(optimizer, learning_rate=1e-3))
    pretrain(lower, inputs, tmp_path / "other")
    assert is_finished(tmp_path / "other")


def test_a_model_folder_that_a_crash_left_with_its_config_alone_is_made_again(quick_recipe, inputs, run_folder):
    recipe = with_training(quick_recipe, steps=2)
    pretrain(recipe, inputs, run_folder)
    weights = run_folder / "model" / "model.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    (run_folder / ".model.0a1b2c3d").mkdir()
    pretrain(recipe, inputs, run_folder, resume=True)
    assert weights.read_bytes() == before
    assert not (run_folder / ".model.0a1b2c3d").exists()
    open_model(run_folder / "model")
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.raises(DataError, match=r"model\.safetensors: differs from what was written"):
        open_model(run_folder / "model")


def test_the_report_of_a_run_whose_records_are_damaged_says_so(quick_recipe, inputs, run_folder):
    pretrain(with_training(quick_recipe, steps=1), inputs, run_folder)
    (run_folder / "baselines.json").write_text("null")
    with pytest.raises(DataError, match=r"baselines\.json: not a JSON object"):
        list(report_run(run_folder))
    (run_folder / "baselines.json").unlink()
    shutil.rmtree(run_folder / "model")
    pretrain(with_training(quick_recipe, steps=1), inputs, run_folder, resume=True)  # as the message advises
    list(report_run(run_folder))
    (run_folder / "metrics.jsonl").write_text("")
    with pytest.raises(DataError, match=r"metrics\.jsonl holds no row"):
        list(report_run(run_folder))


def test_an_encoder_that_the_memory_cannot_hold_is_refused_before_any_is_taken(quick_recipe, inputs, run_folder):
    vast = dataclasses.replace(quick_recipe.encoder, hidden_size=2**16, intermediate_size=2**18, num_hidden_layers=90)
    before = torch.get_rng_state()
    with pytest.raises(SettingsError, match=r"parameters needs [\d.]+ GiB to be trained.*reduce sizes in \[encoder\]"):
        pretrain(dataclasses.replace(quick_recipe, encoder=vast), inputs, run_folder)
    assert torch.get_rng_state().equal(before)
    assert not (run_folder / "config.toml").exists()


def test_held_out_windows_beyond_learned_positions_are_refused_before_the_first_step(inputs, run_folder):
    places = ("encoder.positions=learned", "encoder.max_position_embeddings=70")
    recipe = load_recipe("genome-demo", [*QUICK, *places])
    with pytest.raises(SettingsError, match=r"max_position_embeddings = 70 is less .*\(510 tokens\); set it to 510"):
        pretrain(recipe, inputs, run_folder)
    assert not run_folder.exists()


def test_a_run_in_which_the_rate_never_falls_is_warned_about(quick_recipe, inputs, run_folder, caplog):
    for warmup, warned in ((19, False), (20, True)):
        caplog.clear()
        recipe = dataclasses.replace(
            quick_recipe, optimizer=dataclasses.replace(quick_recipe.optimizer, warmup_steps=warmup)
        )
        build_run(recipe, inputs, run_folder)
        assert ("only rises: optimizer.warmup_steps = 20 in a run of training.steps = 20" in caplog.text) is warned


def test_a_rate_at_which_held_out_sequences_cannot_be_masked_is_named(inputs, run_folder):
    masking = ("masking.strategy=uniform", "masking.match=bases", "masking.mask_rate=0.02")
    with pytest.raises(SettingsError, match=r"evaluation\.mask_rate = 0\.15, which masks held-out sequences: hiding"):
        build_run(load_recipe("genome-demo", [*QUICK, *masking]), inputs, run_folder)


def test_held_out_sequences_without_a_masked_token_are_refused(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": f"a fox {n}"}) + "\n" for n in range(30)))
    changes = [change for change in QUICK if not change.startswith(("tokens", "windows"))]
    recipe = load_recipe("c4-tiny", [*changes, "tokens.vocab_size=256", "evaluation.mask_rate=0.0001"])
    with pytest.raises(SettingsError, match=r"no token is masked in the \d+ held-out sequences?, so there is nothing"):
        build_run(recipe, Inputs(corpus=(str(corpus),)), tmp_path / "run")


def test_a_checkpoint_is_a_model_that_opens_and_knows_its_run(quick_recipe, inputs, simulated, run_folder):
    pretrain(quick_recipe, inputs, run_folder)
    last, earlier = (run_folder / "checkpoints" / f"step-{step}" for step in (20, 10))
    opened = [open_model(folder) for folder in (run_folder / "model", last, earlier)]
    of_model, of_last, of_earlier = (model.state_dict() for model, _ in opened)
    assert all(torch.equal(tensor, of_last[name]) for name, tensor in of_model.items())
    assert not all(torch.equal(tensor, of_earlier[name]) for name, tensor in of_model.items())
    read, read_earlier = (tokenizer("ACGTAC")["input_ids"] for _, tokenizer in (opened[0], opened[2]))
    assert read == read_earlier
    assert provenance(earlier) == ("random-span", 0)
    sequences = read_task(simulated.test).sequences
    assert seen_by_model(earlier, sequences).sentence == seen_by_model(run_folder / "model", sequences).sentence
