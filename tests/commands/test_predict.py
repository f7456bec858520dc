"""`genomask predict`: rows in the file's order, as many as came in, with the probabilities that transformers gives."""

import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from genomask.cli import app as cli
from genomask.commands.predict import predict
from genomask.data import KmerTokenizer
from genomask.data.bases import reverse_complement
from genomask.data.sequences import SequenceFile
from genomask.encoders import MosaicBertConfig, MosaicBertForSequenceClassification
from genomask.errors import DataError, UserError
from genomask.inference import stream

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SEQUENCES = ["ACGTACGTAC", "TTTACG", "GGGCCCAAATTTACGT", "NNNNNN"]


def classifier(folder, **settings):
    tokenizer = KmerTokenizer(k=3)
    torch.manual_seed(0)
    config = MosaicBertConfig(vocab_size=tokenizer.vocab_size, **SIZES, **settings)
    MosaicBertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("name\tsequence\n" + "".join(f"s{n}\t{bases}\n" for n, bases in enumerate(SEQUENCES)))
    return path


def rows_of(out):
    header, *rows = [line.split("\t") for line in out.read_text().splitlines()]
    return header, rows


def theirs(folder, sequences):
    """Logits as transformers computes them on padded rows."""
    batch = AutoTokenizer.from_pretrained(folder)(sequences, return_tensors="pt", padding=True)
    with torch.no_grad():
        return AutoModelForSequenceClassification.from_pretrained(folder).eval()(**batch).logits.double()


@pytest.mark.parametrize("both_strands", [False, True])
def test_probabilities_are_those_of_transformers(tmp_path, table, both_strands):
    names = {0: "promoter", 1: "other thing", 2: "2"}
    folder, out = classifier(tmp_path / "model", id2label=names), tmp_path / "out.tsv"
    said = predict(folder, SequenceFile(path=table), out, both_strands=both_strands)
    assert said == f"{out}: 4 sequences"
    header, rows = rows_of(out)
    assert header == ["name", "label", "promoter", "other thing", "2"]
    assert [row[0] for row in rows] == ["s0", "s1", "s2", "s3"]
    expected = theirs(folder, SEQUENCES).softmax(dim=1)
    if both_strands:
        other = theirs(folder, [reverse_complement(bases) for bases in SEQUENCES]).softmax(dim=1)
        expected = (expected + other) / 2
    np.testing.assert_allclose(np.array([row[2:] for row in rows], float), expected, atol=1e-5)
    assert [row[1] for row in rows] == [names[int(x)] for x in expected.argmax(dim=1)]


def test_a_file_read_in_several_parts_gives_the_same_table(tmp_path, table, monkeypatch):
    folder, whole, parts = classifier(tmp_path / "model"), tmp_path / "whole.tsv", tmp_path / "parts.tsv"
    predict(folder, SequenceFile(path=table), whole)
    monkeypatch.setattr(stream, "CHUNK_BASES", 1)
    assert predict(folder, SequenceFile(path=table), parts) == f"{parts}: 4 sequences"
    (header, rows), (header_of_parts, rows_of_parts) = rows_of(whole), rows_of(parts)
    assert header_of_parts == header
    assert [row[:2] for row in rows_of_parts] == [row[:2] for row in rows]
    np.testing.assert_allclose(*(np.array([x[2:] for x in found], float) for found in (rows_of_parts, rows)), atol=1e-5)


def test_a_classifier_of_several_labels_names_all_that_are_likely(tmp_path, table):
    settings = {"problem_type": "multi_label_classification", "id2label": {0: "a", 1: "b", 2: "c"}}
    folder, out = classifier(tmp_path / "model", **settings), tmp_path / "out.tsv"
    predict(folder, SequenceFile(path=table), out)
    _, rows = rows_of(out)
    expected = theirs(folder, SEQUENCES).sigmoid()
    np.testing.assert_allclose(np.array([row[2:] for row in rows], float), expected, atol=1e-5)
    likely = [";".join(name for name, x in zip("abc", row, strict=True) if x >= 0.5) for row in expected]
    assert [row[1] for row in rows] == likely


def test_a_regression_gives_its_value(tmp_path, table):
    folder, out = classifier(tmp_path / "model", num_labels=1), tmp_path / "out.tsv"
    predict(folder, SequenceFile(path=table), out)
    header, rows = rows_of(out)
    assert header == ["name", "label"]
    np.testing.assert_allclose([float(row[1]) for row in rows], theirs(folder, SEQUENCES)[:, 0], atol=1e-5)


def test_a_model_that_was_never_trained_to_classify_is_refused(model_folder, table):
    out = table.with_name("out.tsv")
    with pytest.raises(UserError, match=r"this model was not fine-tuned, .* genomask finetune"):
        predict(model_folder, SequenceFile(path=table), out)
    assert not out.exists()


def test_a_sequence_that_gives_no_token_is_named(tmp_path):
    (tmp_path / "short.fa").write_text(">long\nACGTACGT\n>short one\nGA\n")
    with pytest.raises(DataError, match=r"short\.fa: sequence short is 'GA', which gives no token"):
        predict(classifier(tmp_path / "model"), SequenceFile(path=tmp_path / "short.fa"), tmp_path / "out.tsv")


def test_on_the_command_line(tmp_path, table, monkeypatch, capsys):
    folder = classifier(tmp_path / "model", num_labels=2)
    monkeypatch.setattr(sys, "argv", ["genomask", "predict", str(table), "--model", str(folder)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    lines = capsys.readouterr().out.splitlines()
    assert (end.value.code, len(lines), lines[0]) == (0, 5, "name\tlabel\tLABEL_0\tLABEL_1")
    monkeypatch.setattr(sys, "argv", ["genomask", "predict", str(table), "--model", str(folder), "--out", "x.csv"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "give a name that ends in .tsv" in capsys.readouterr().err
