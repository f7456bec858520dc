"""`genomask finetune`: what its folder holds, killed anywhere and resumed, and opened by transformers."""

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, pipeline

from genomask.cli import app as cli
from genomask.commands.finetune.finetune import finetune
from genomask.commands.finetune.job import Request
from genomask.commands.predict import predict
from genomask.data.examples import ExampleColumns
from genomask.data.sequences import SequenceFile
from genomask.errors import DataError, SettingsError, Stopped, TrainingError, UserError
from genomask.fewshot.finetune import FineTuneSettings
from genomask.fewshot.fitting import Fitting
from genomask.fewshot.metrics import METRICS
from genomask.files.digests import WEIGHTS_DIGEST, check_digests

COLUMNS = {
    "one": ExampleColumns(),
    "several": ExampleColumns(labels=("many",)),
    "number": ExampleColumns(target="gc"),
}


def table(path, n, seed):
    """Sequences of varied GC content, which each column expresses in another way."""
    rng = np.random.default_rng(seed)
    lines = ["name\tsequence\tlabel\tmany\tgc"]
    for row in range(n):
        gc = rng.uniform(0.1, 0.9)
        bases = "".join(rng.choice(list("ACGT"), 30, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]))
        content = sum(x in "GC" for x in bases)
        many = ";".join(name for name, has in (("rich one", content > 12), ("very rich", content > 18)) if has)
        lines.append(f"r{row}\t{bases}\t{['poor', 'middling', 'rich'][content // 11]}\t{many}\t{1000 + 10 * content}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    return table(folder / "train.tsv", 48, seed=0), table(folder / "valid.tsv", 20, seed=1)


def asked(out, model, tables, columns="one", valid=True, **settings):
    return Request(
        model=model,
        train=tables[0],
        valid=tables[1] if valid else None,
        columns=COLUMNS[columns],
        settings=FineTuneSettings(**{"epochs": 2, "batch_size": 8, "learning_rate": 3e-3} | settings),
        seed=1,
        out=out,
    )


@pytest.fixture
def request_for(tmp_path, model_folder, tables):
    return lambda out="out", **settings: asked(tmp_path / out, model_folder, tables, **settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model_folder, tables):
    """The folder of a run that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(asked(out, model_folder, tables))
    return out


def run(request, **resume):
    return list(finetune(request, **resume))


def rows_of(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def predicted(request, tmp_path):
    predict(request.out / "model", SequenceFile(path=request.valid), tmp_path / "p.tsv")
    header, *rows = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()]
    return header, rows


@pytest.mark.parametrize(
    ("columns", "problem", "names", "metric"),
    [
        ("one", "single_label_classification", ["middling", "poor", "rich"], "valid_accuracy"),
        ("several", "multi_label_classification", ["rich one", "very rich"], "valid_mcc"),
        ("number", "regression", ["gc"], "valid_pearson"),
    ],
)
def test_a_classifier_is_saved_with_its_names_and_used_by_predict_and_transformers(
    request_for, tmp_path, columns, problem, names, metric
):
    request = request_for(columns=columns, epochs=12)
    first, scores, *_, said = run(request)
    assert [str(column.header) for column in scores.columns] == ["score", "model", "constant guess"]
    assert first.startswith("scores on 20 sequences of --valid; kept: epoch ")
    picture = "scatter" if columns == "number" else "confusion"
    files = {f"{name}.{suffix}" for name in ("curves", picture) for suffix in ("svg", "png")}
    notes = {"finetune.json", "environment.json", "metrics.jsonl", "model"}
    assert {path.name for path in request.out.iterdir()} == files | notes
    assert f"{picture}.png" in said
    check_digests(request.out / "model" / WEIGHTS_DIGEST)
    config = json.loads((request.out / "model" / "config.json").read_text())
    assert (config["problem_type"], list(config["id2label"].values())) == (problem, names)
    assert config["label2id"] == {name: at for at, name in enumerate(names)}
    scored = [row for row in rows_of(request.out) if metric in row]
    assert max(row[metric] for row in scored) > 0.6
    header, rows = predicted(request, tmp_path)
    assert header == ["name", "label", *([] if columns == "number" else names)]
    classify = pipeline("text-classification", model=str(request.out / "model"))
    found = classify([line.split("\t")[1] for line in request.valid.read_text().splitlines()[1:]])
    if columns == "one":
        assert [row["label"] for row in found] == [row[1] for row in rows]
    figures = [float(row[1]) if columns == "number" else max(map(float, row[2:])) for row in rows]
    np.testing.assert_allclose([row["score"] for row in found], figures, rtol=1e-4)
    if columns == "number":  # 1000 to 1300: in the target's own unit
        truth = [float(line.split("\t")[4]) for line in request.valid.read_text().splitlines()[1:]]
        assert np.mean(np.abs(np.array(figures) - truth)) < 40
    card = (request.out / "model" / "README.md").read_text()
    assert all(words in card for words in ("pipeline_tag: text-classification", "| score | model | constant guess |"))
    assert all(name in card for name in names)
    assert f"| from | `{request.model.name}`, " in card


def test_the_card_names_the_run_whose_model_was_taken(request_for, whole):
    request = replace(request_for(epochs=1), model=whole / "model")
    run(request)
    card = (request.out / "model" / "README.md").read_text()
    assert f"| from | `{whole.parent.name}/{whole.name}`, " in card


def test_a_loss_no_lower_than_a_constant_guess_is_reported(request_for, monkeypatch):
    monkeypatch.setattr(f"{COMMAND}.finetune.constant_guess", lambda job: (0.001, dict.fromkeys(METRICS, 0.5)))
    *_, sentence, _ = run(request_for(epochs=1))
    assert re.match(r"The loss, [\d.]+ nats, is no lower than that of the constant guess, 0.001: the model", sentence)


def test_half_of_the_epochs_without_a_lower_loss_on_valid_end_training_and_the_best_is_kept(
    request_for, tables, tmp_path
):
    swap = {"poor": "rich", "rich": "poor"}  # the loss on valid rises as the model learns, on every processor
    valid = tmp_path / "swapped.tsv"
    valid.write_text(re.sub(r"\t(poor|rich)\t", lambda found: f"\t{swap[found[1]]}\t", tables[1].read_text()))
    request = replace(request_for(epochs=16), valid=valid)
    run(request)
    scored = [row for row in rows_of(request.out) if "valid_loss_nats" in row]
    losses = [row["valid_loss_nats"] for row in scored]
    best = int(np.argmin(losses))
    assert len(scored) == min(16, best + 1 + 8)
    assert best < len(scored) - 1
    header, rows = predicted(request, tmp_path)
    truth = [line.split("\t")[2] for line in valid.read_text().splitlines()[1:]]
    loss = -np.mean([np.log(float(row[header.index(label)])) for row, label in zip(rows, truth, strict=True)])
    np.testing.assert_allclose(loss, losses[best], rtol=1e-3)
    assert losses[-1] > 1.01 * losses[best]
    again = request_for(out="again", learning_rate=0.02, epochs=16, valid=False)
    run(again)
    assert "valid_loss_nats" not in rows_of(again.out)[-1]
    assert len(rows_of(again.out)) == 16 * 6


class Killed(BaseException):
    """Nothing catches it."""


def dies_at(monkeypatch, place, count=0):
    """Make the next run die after `count` calls of the function that `place` names."""
    owner, _, name = place.rpartition(".")
    module = sys.modules.get(owner) or Fitting
    whole, calls = getattr(module, name), []

    def dying(*arguments, **settings):
        calls.append(1)
        if len(calls) > count:
            raise Killed
        return whole(*arguments, **settings)

    monkeypatch.setattr(module, name, dying)


COMMAND = "genomask.commands.finetune"


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ("step", 1),
        ("step", 6),
        ("step", 9),
        (f"{COMMAND}.epochs.save_checkpoint", 1),
        (f"{COMMAND}.epochs.load_weights", 0),
        (f"{COMMAND}.finetune.answers", 1),
        (f"{COMMAND}.finetune.classifier_card", 0),
    ],
)
def test_a_run_that_was_killed_ends_with_the_same_bits(request_for, whole, monkeypatch, place, count):
    killed = request_for()
    with monkeypatch.context() as patch:
        dies_at(patch, place, count)
        with pytest.raises(Killed):
            run(killed)
    assert not (killed.out / "model").exists()
    with pytest.raises(SettingsError, match="already holds a run; continue it with --resume"):
        run(killed)
    run(killed, resume=True)
    for name in ("model/model.safetensors", "model/config.json", "model/README.md", "metrics.jsonl", "confusion.png"):
        assert (killed.out / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_run_that_is_asked_to_stop_saves_a_checkpoint_first(request_for, whole, monkeypatch):
    stopped = request_for()
    step = Fitting.step

    def interrupted(self, number):
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Fitting, "step", interrupted)
        with pytest.raises(Stopped, match="after step 4"):
            run(stopped)
    assert [path.name for path in (stopped.out / "checkpoints").iterdir()] == ["step-4"]
    metrics = stopped.out / "metrics.jsonl"
    rows = metrics.read_text().splitlines(keepends=True)
    for damaged in ("", "".join(rows[1:])):
        metrics.write_text(damaged)
        with pytest.raises(DataError, match=r"metrics\.jsonl lacks rows of the 4 steps that are done; restore it"):
            run(stopped, resume=True)
        assert metrics.read_text() == damaged
    metrics.write_text("".join(rows))
    run(stopped, resume=True)
    model = "model/model.safetensors"
    assert (stopped.out / model).read_bytes() == (whole / model).read_bytes()


def other_weights(model, folder):
    """A copy of the model's folder with one token's embedding changed."""
    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][7] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_a_finished_run_is_left_as_it_is_and_another_is_refused(request_for, tmp_path, tables):
    request = request_for(epochs=1)
    with pytest.raises(SettingsError, match="holds no run to resume"):
        run(request, resume=True)
    run(request)
    before = (request.out / "model" / "model.safetensors").stat()
    assert run(request, resume=True) == []
    assert (request.out / "model" / "model.safetensors").stat() == before
    with pytest.raises(SettingsError, match=r"another epochs \(1 there, 2 now\)"):
        run(request_for(epochs=2), resume=True)
    with pytest.raises(SettingsError, match="another valid"):
        run(request_for(epochs=1, valid=False), resume=True)
    relabelled = tmp_path / "train.tsv"
    relabelled.write_text(tables[0].read_text().replace("poor", "rich", 1))
    with pytest.raises(SettingsError, match="another train"):
        run(replace(request, train=relabelled), resume=True)
    with pytest.raises(SettingsError, match="another model"):
        run(replace(request, model=other_weights(request.model, tmp_path / "other")), resume=True)
    (request.out / "finetune.json").write_text("{")
    with pytest.raises(SettingsError, match="does not record what the run began with"):
        run(request, resume=True)


def test_bad_input_is_reported_before_the_folder_is_made(request_for, tables, tmp_path):
    request = request_for()
    with pytest.raises(UserError, match="config"):
        run(Request(**{**vars(request), "model": tmp_path}))
    bad = tmp_path / "bad.tsv"
    for text, said in (
        ("sequence\tlabel\nACGT\tnovel\n", "row 2: label 'novel' is not in the training file"),
        ("sequence\tlabel\nA\tpoor\n", r"bad\.tsv: row 2 is 'A', which gives no token"),
    ):
        bad.write_text(text)
        with pytest.raises(DataError, match=said):
            run(Request(**{**vars(request), "valid": bad}))
    assert not request.out.exists()


@pytest.mark.parametrize("settings", [{"learning_rate": 2e6}, {"epochs": 10**9, "warmup": 1.0}])
def test_settings_that_training_refuses_leave_no_folder(request_for, settings):
    with pytest.raises(SettingsError, match=" at most "):
        run(request_for(**settings))
    assert not request_for().out.exists()


def test_a_run_that_could_not_begin_leaves_no_folder_and_can_be_started_again(request_for, monkeypatch):
    def refuses(*_given):
        raise DataError("no")

    request = request_for(epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(f"{COMMAND}.epochs.start_linear", refuses)
        with pytest.raises(DataError, match="no"):
            run(request)
    assert not request.out.exists()
    run(request)


def test_validation_examples_that_are_trained_on_are_reported(request_for, tables, caplog):
    request = request_for(epochs=1)
    run(Request(**{**vars(request), "valid": request.train}))
    assert "48 of the 48 sequences of --valid are also in --train" in caplog.text


def test_on_the_command_line(model_folder, tables, tmp_path, monkeypatch, capsys):
    words = ["genomask", "finetune", "--model", model_folder, "--train", "-", "--out", tmp_path / "o"]
    monkeypatch.setattr(sys, "argv", [*map(str, words), "--epochs", "1", "--batch-size", "16"])
    with tables[0].open() as given:
        monkeypatch.setattr(sys, "stdin", given)
        with pytest.raises(SystemExit) as end:
            cli.main()
    said = capsys.readouterr()
    assert end.value.code == 0, said.err
    assert "--train, which it has seen" in said.out
    assert isinstance(AutoModelForSequenceClassification.from_pretrained(tmp_path / "o" / "model"), torch.nn.Module)
    monkeypatch.setattr(sys, "argv", ["genomask", "predict", str(tables[1]), "--model", str(tmp_path / "o")])
    with pytest.raises(SystemExit) as end:  # a run's folder stands for the model in it
        cli.main()
    assert (end.value.code, len(capsys.readouterr().out.splitlines())) == (0, 21)


def test_the_script_of_the_page_trains_under_trainer_and_predict_reads_what_it_saved(
    model_folder, tables, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("accelerate", reason="the extra 'trainer' is not installed")
    page = (Path(__file__).parents[3] / "docs" / "using.md").read_text(encoding="utf-8")
    [script] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "runs" / "human").mkdir(parents=True)
    (tmp_path / "runs" / "human" / "model").symlink_to(model_folder)
    (tmp_path / "train.tsv").write_text(tables[0].read_text())
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "using.md", "exec"), {})
    said = predict(tmp_path / "runs/trainer/model", SequenceFile(path=tables[1]), tmp_path / "p.tsv")
    assert said.endswith("20 sequences")
    header, *rows = (tmp_path / "p.tsv").read_text().splitlines()
    assert header.split("\t")[2:] == ["middling", "poor", "rich"]
    found = {row.split("\t")[1] for row in rows}
    assert found <= {"middling", "poor", "rich"}


def test_weights_that_are_not_finite_are_not_saved(request_for, monkeypatch):
    def spoil(job):
        embeddings = job.loaded.model.get_input_embeddings().weight.data
        embeddings[job.loaded.tokenizer.mask_token_id] = torch.inf  # which no sequence reads
        return 5.0, dict.fromkeys(METRICS, 0.5)

    monkeypatch.setattr(f"{COMMAND}.finetune.constant_guess", spoil)
    request = request_for()
    with pytest.raises(TrainingError, match="not finite after step 12, so it was not saved"):
        run(request)
    assert not (request.out / "model").exists()
