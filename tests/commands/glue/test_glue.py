"""`genomask glue` on files made here: MNLI first, other tasks from its model; floors, metrics and the table."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from genomask.commands.finetune import finetune
from genomask.commands.glue import glue as verb
from genomask.commands.glue.glue import GlueRequest, answers_of_seed, glue
from genomask.commands.glue.scores import FLOORS, METRICS
from genomask.data.examples import NUMBER, ONE, Examples
from genomask.data.glue import TASKS, chosen
from genomask.errors import DataError, SettingsError, UserError
from genomask.inference.models import fingerprint
from genomask.report.glue import glue_frame, glue_words

WORDS = ("film", "book", "day")


@pytest.fixture
def data(tmp_path):
    """MNLI and RTE, in which `good` entails and `bad` does not."""
    for name, label, ends, splits in (
        ("MNLI", "gold_label", ("entailment", "contradiction"), ("train", "dev_matched", "dev_mismatched")),
        ("RTE", "label", ("entailment", "not_entailment"), ("train", "dev")),
    ):
        for split in splits:
            rows = [f"{word}\tit was {how}\t{end}" for word in WORDS
                    for how, end in zip(("good", "bad"), ends, strict=True)]  # fmt: skip
            lines = [f"sentence1\tsentence2\t{label}", *rows * (2 if split == "train" else 1)]
            (tmp_path / f"{name}.{split}.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def request(model, data, **other):
    tasks = tuple(chosen([], data))
    asked = {"tasks": tasks, "seeds": 1, "mnli": None, "learning_rate": 1e-2, "epochs": 4, "out": data / "out"}
    return GlueRequest(model=model, data=data, **(asked | other))


@pytest.mark.slow
def test_tasks_start_from_mnli_and_a_second_call_runs_only_what_is_missing(text_model_folder, data, monkeypatch):
    monkeypatch.setattr(finetune, "loss_curves", lambda *_: None)
    monkeypatch.setattr(finetune, "answers", lambda *_, **__: None)
    asked = request(text_model_folder, data)
    said = [str(line) for line in glue(asked)]
    assert said[-1].startswith(f"results: {data / 'out' / 'results.csv'}")
    results = pd.read_csv(data / "out" / "results.csv")
    assert set(results["split"]) == {"dev_matched", "dev_mismatched", "dev"}
    assert set(results["method"]) == {"majority", "bag-of-words", "seed 0"}
    of_rte = json.loads((data / "out" / "RTE" / "seed-0" / "finetune.json").read_text())["run"]
    assert of_rte["model"] == fingerprint(data / "out" / "MNLI" / "seed-0" / "model")
    assert (of_rte["batch_size"], of_rte["warmup"], of_rte["epochs"]) == (16, 0.06, 4)
    with pytest.raises(SettingsError, match="already holds a run"):
        list(glue(asked))
    stamp = (data / "out" / "MNLI" / "seed-0" / "model" / "config.json").stat().st_mtime_ns
    list(glue(asked, resume=True))
    assert (data / "out" / "MNLI" / "seed-0" / "model" / "config.json").stat().st_mtime_ns == stamp
    pd.testing.assert_frame_equal(pd.read_csv(data / "out" / "results.csv"), results)


@pytest.fixture
def fitted(monkeypatch):
    """The floors that were fitted; nothing is trained, and a seed answers with its own number."""
    found = []

    def fit(name, floor, train, dev):
        found.append((train.path.name, name))
        return floor(train, dev)

    monkeypatch.setattr(verb, "FLOORS", {name: partial(fit, name, floor) for name, floor in FLOORS.items()})
    monkeypatch.setattr(
        verb, "answers_of_seed", lambda _request, _task, seed, _train, dev: [np.full(len(x.targets), seed) for x in dev]
    )
    monkeypatch.setattr(verb, "glue_picture", lambda *_: None)
    return found


def test_a_call_for_fewer_tasks_or_seeds_keeps_the_rows_of_others_and_shows_its_own(text_model_folder, data, fitted):
    whole = request(text_model_folder, data, seeds=2)
    list(glue(whole))
    results = data / "out" / "results.csv"
    text = results.read_text()
    assert len(fitted) == 4
    assert {"seed 0", "seed 1"} < set(pd.read_csv(results)["method"])
    results.write_text(text.replace(text.splitlines()[-1], "RTE,dev,accuracy,seed 1,6,0.125"))
    list(glue(whole, resume=True))
    assert results.read_text() == text  # a seed's rows are measured again
    table, *_ = glue(request(text_model_folder, data, tasks=(TASKS["RTE"],)), resume=True)
    assert results.read_text() == text
    assert [str(cell) for cell in table.columns[0].cells] == ["RTE", "mean of tasks"]
    assert str(next(table.columns[-1].cells)) == "one seed"
    assert len(fitted) == 4  # and a floor's are not
    results.write_text(text.replace("seed 1,6,", "seed 1,6,x"))
    with pytest.raises(DataError, match=r"results\.csv is missing or damaged"):
        list(glue(whole, resume=True))


def test_floors_of_another_dev_set_are_not_kept(text_model_folder, data, fitted):
    asked = request(text_model_folder, data, tasks=(TASKS["RTE"],))
    list(glue(asked))
    dev = data / "RTE.dev.tsv"
    dev.write_text("\n".join(dev.read_text().splitlines()[:-1]) + "\n")
    list(glue(asked, resume=True))
    assert len(fitted) == 4
    assert pd.read_csv(data / "out" / "results.csv")["n"].nunique() == 1


@pytest.fixture
def trained_with(tmp_path, monkeypatch):
    """The job that a task and seed would be trained by; nothing is trained."""
    examples = Examples(tmp_path / "train.tsv", ["good", "bad"], ONE, ["no", "yes"], np.array([1, 0]))

    def ask(job, *_, **__):
        raise KeyboardInterrupt(job)

    def found(request, task, seed=0):
        monkeypatch.setattr(verb, "run_job", ask)
        with pytest.raises(KeyboardInterrupt) as said:
            answers_of_seed(request, TASKS[task], seed, examples, [examples])
        return said.value.args[0]

    return found


def test_a_seed_is_trained_by_its_tasks_schedule_unless_another_is_asked_for(data, trained_with):
    published = request("model", data, learning_rate=None, epochs=None)
    for name, task in TASKS.items():
        job = trained_with(published, name, seed=3)
        assert (job.seed, job.max_tokens, job.out) == (3, 256, data / "out" / name / "seed-3")
        schedule = (job.settings.learning_rate, job.settings.epochs, job.settings.batch_size, job.settings.warmup)
        assert schedule == (task.learning_rate, task.epochs, task.batch_size, 0.06)
    settings = trained_with(request("model", data, learning_rate=0.5, epochs=7), "RTE").settings
    assert (settings.learning_rate, settings.epochs) == (0.5, 7)


def test_a_task_begins_with_the_nearest_model_of_mnli(data, trained_with, caplog):
    alone = request("model", data, tasks=(TASKS["RTE"], TASKS["CoLA"]))
    given = replace(alone, mnli="of mnli")
    assert trained_with(given, "RTE").model == "of mnli"
    assert caplog.text.count("no MNLI model") == 0
    assert trained_with(alone, "RTE").model == "model"
    assert caplog.text.count("no MNLI model") == 1
    assert trained_with(given, "CoLA").model == "model"
    model = data / "out" / "MNLI" / "seed-1" / "model"
    assert trained_with(replace(given, tasks=(TASKS["MNLI"], TASKS["RTE"])), "RTE", seed=1).model == model
    model.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (model / name).touch()
    assert trained_with(given, "RTE", seed=1).model == model  # of an earlier call
    assert trained_with(given, "RTE", seed=0).model == "of mnli"


def test_a_folder_of_another_model_is_refused(text_model_folder, data, fitted, monkeypatch):
    list(glue(request(text_model_folder, data)))
    monkeypatch.setattr(verb, "fingerprint", lambda _: "other")
    with pytest.raises(SettingsError, match="out holds a run with another model"):
        list(glue(request(text_model_folder, data), resume=True))


def test_any_error_before_the_first_run_leaves_nothing_that_blocks_the_next_call(
    text_model_folder, data, fitted, monkeypatch
):
    def fail(*_):
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(verb, "FLOORS", {"majority": fail})
    with pytest.raises(RuntimeError):
        list(glue(request(text_model_folder, data)))
    assert not (data / "out").exists()


def test_an_error_in_a_resumed_call_leaves_a_folder_that_can_be_resumed(text_model_folder, data, fitted, monkeypatch):
    asked = request(text_model_folder, data)
    list(glue(asked))
    (data / "out" / "results.csv").unlink()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(verb, "FLOORS", {"majority": interrupt})
        with pytest.raises(KeyboardInterrupt):
            list(glue(asked, resume=True))
    list(glue(asked, resume=True))


def test_a_model_of_dna_is_refused(model_folder, data):
    with pytest.raises(UserError, match="this is a model of DNA"):
        list(glue(request(model_folder, data)))
    assert not (data / "out").exists()


def test_training_examples_of_one_label_are_refused(text_model_folder, data):
    (data / "RTE.train.tsv").write_text("sentence1\tsentence2\tlabel\na\tb\tentailment\nc\td\tentailment\n")
    with pytest.raises(DataError, match=r"RTE\.train\.tsv: 2 examples with one label"):
        list(glue(request(text_model_folder, data)))
    assert not (data / "out").exists()


def test_texts_the_model_cannot_read_leave_nothing_that_blocks_the_next_call(text_model_folder, data):
    good = (data / "RTE.train.tsv").read_text()
    (data / "RTE.train.tsv").write_text(good.replace("film", "0 1 2 3 4 5 6 7 8 9 " * 9))
    alone = request(text_model_folder, data, tasks=(TASKS["RTE"],))
    for _ in range(2):  # a second call finds no run in the folder
        with pytest.raises(DataError, match=r"RTE\.train\.tsv: .* of the tokens are .* knows the words of these texts"):
            list(glue(alone))
        assert not (data / "out").exists()


def test_metrics_are_those_of_glue():
    truth, said = np.array([1, 1, 0, 0, 1]), np.array([1, 0, 0, 1, 1])
    assert METRICS["accuracy"](truth, said) == pytest.approx(3 / 5)
    assert METRICS["f1"](truth, said) == pytest.approx(2 / 3)  # of class 1: precision 2/3, recall 2/3
    assert METRICS["mcc"](truth, said) == pytest.approx((2 * 1 - 1 * 1) / 6)
    assert METRICS["pearson"](np.arange(4.0), np.array([0, 1, 4, 9.0])) == pytest.approx(0.9583, abs=1e-4)
    assert METRICS["spearman"](np.arange(4.0), np.array([0, 1, 4, 9.0])) == 1
    assert METRICS["pearson"](np.arange(4.0), np.ones(4)) == 0
    assert {metric for task in TASKS.values() for metric in task.metrics} <= METRICS.keys()


def test_floors_learn_words_and_commonest_answers(tmp_path):
    texts = [f"{a} {how} thing" for a in "xyz" for how in ("good", "bad", "good")]
    labels = np.array(["good" in text for text in texts], dtype=np.int64)
    pairs = [f"{text}\t{text}" for text in texts]
    for sequences in (texts, pairs):
        examples = Examples(tmp_path, sequences, ONE, ["no", "yes"], labels)
        assert FLOORS["majority"](examples, [examples])[0].tolist() == [1] * 9
        assert FLOORS["bag-of-words"](examples, [examples])[0].tolist() == labels.tolist()
    numbers = Examples(tmp_path, pairs, NUMBER, ["score"], labels[:, None] * 5.0)
    assert METRICS["pearson"](labels, FLOORS["bag-of-words"](numbers, [numbers])[0]) > 0.9
    assert FLOORS["majority"](numbers, [numbers])[0].tolist() == pytest.approx([10 / 3] * 9)


def test_where_no_two_texts_share_a_word_the_bag_of_words_gives_the_commonest_answer(tmp_path):
    for texts in (["red fox", "blue cow", "grey hen"], ["a b", "b c", "c d"]):  # one letter is no word
        examples = Examples(tmp_path, texts, ONE, ["no", "yes"], np.array([1, 0, 1]))
        assert FLOORS["bag-of-words"](examples, [examples])[0].tolist() == [1, 1, 1]


def test_the_mean_of_tasks_counts_each_task_once_whatever_its_splits():
    scores = {"MNLI": {("m", "accuracy"): 0.8, ("mm", "accuracy"): 0.6}, "CoLA": {("dev", "mcc"): 0.1}}
    rows = [
        {"task": task, "split": split, "metric": metric, "method": method, "n": 10, "score": score + shift}
        for task, found in scores.items() for (split, metric), score in found.items()
        for method, shift in (("majority", 0), ("bag-of-words", 0), ("seed 0", 0.1), ("seed 1", 0.2))
    ]  # fmt: skip
    frame = glue_frame(pd.DataFrame(rows))
    assert frame["model"].tolist() == ["95.0", "75.0", "25.0", "55.0"]
    assert frame["majority"].tolist()[-1] == "40.0"
    assert frame["over seeds"].tolist()[0] == "90.0 to 100.0"
    one = glue_frame(pd.DataFrame([row for row in rows if row["method"] != "seed 1"]))
    assert one["over seeds"].tolist()[0] == "one seed"


def test_a_floor_that_the_model_does_not_beat_is_reported():
    scores = {"CoLA": (0.0, 0.11, 0.06), "SST-2": (0.5, 0.8, 0.9)}
    methods = ("majority", "bag-of-words", "seed 0")
    rows = [
        {"task": task, "split": "dev", "metric": "m", "method": method, "n": 10, "score": score}
        for task, found in scores.items() for method, score in zip(methods, found, strict=True)
    ]  # fmt: skip
    assert glue_words(pd.DataFrame(rows)) == (
        "The model is above both floors on 1 of 2 tasks. A floor that needs no pretraining is as good or better on "
        "CoLA (bag-of-words 11.0, model 6.0)."
    )
    assert glue_words(pd.DataFrame(rows[3:])) == "The model is above both floors on 1 of 1 task."
