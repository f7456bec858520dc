"""Models of text embed as in transformers, are fine-tuned and label; each text of a pair has its own segment."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from genomask.commands.embed import embed
from genomask.commands.finetune.finetune import finetune
from genomask.commands.finetune.job import Request
from genomask.commands.predict import predict
from genomask.data.examples import ExampleColumns
from genomask.data.sequences import SequenceFile
from genomask.errors import SettingsError
from genomask.fewshot.finetune import FineTuneSettings
from genomask.inference.models import load
from genomask.inference.pooling import VectorSettings, token_vectors, vectors

TEXTS = ["the film was very good", "a bad day", "was it so ?\tthey say it is not", "the film [SEP] was it good ?"]


def theirs(folder, texts):
    """The vectors of [CLS] as transformers computes them."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    pairs = [tuple(text.split("\t")) for text in texts]
    found = []
    for pair in pairs:
        with torch.no_grad():
            found.append(model(**tokenizer(*pair, return_tensors="pt")).last_hidden_state[0, 0].numpy())
    return np.stack(found)


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory, text_model_folder):
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = AutoTokenizer.from_pretrained(text_model_folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("whose", ["text_model_folder", "bert_folder"])
def test_lines_are_embedded_as_by_transformers_and_only_pairs_have_segments(request, whose, tmp_path):
    folder = request.getfixturevalue(whose)
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS))
    embed(folder, SequenceFile(path=tmp_path / "lines.txt"), "cls", tmp_path / "v.npy")
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), theirs(folder, TEXTS), atol=1e-5)
    assert (tmp_path / "v.names.txt").read_text().split() == ["1", "2", "3", "4"]


def test_token_vectors_know_which_letters_they_cover_in_both_texts_of_a_pair(text_model_folder):
    loaded = load(text_model_folder)
    found = token_vectors(loaded, ["so good\tnot bad"], VectorSettings(), "x")
    covered = ["so good\tnot bad"[start:stop] for start, stop in zip(found.start, found.stop, strict=True)]
    assert "".join(covered) == "sogoodnotbad"


def test_a_long_text_is_cut_to_what_the_model_takes_and_the_cut_is_reported(text_model_folder, caplog):
    loaded = load(text_model_folder)
    long = " ".join(["good film"] * 100)
    for _ in range(2):  # as for the second chunk of a file
        assert np.isfinite(vectors(loaded, [long, "bad"], VectorSettings(), "long.txt")).all()
    said = "long.txt: 1 of 2 texts read together reach the limit of 64 tokens and may have been cut"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_both_strands_are_only_for_dna(text_model_folder, tmp_path):
    (tmp_path / "lines.txt").write_text("good\n")
    with pytest.raises(SettingsError, match="--both-strands is for DNA"):
        embed(
            text_model_folder, SequenceFile(path=tmp_path / "lines.txt"), "mean", tmp_path / "v.npy", both_strands=True
        )


@pytest.mark.slow
def test_a_classifier_of_pairs_is_fine_tuned_and_labels_a_table(text_model_folder, tmp_path):
    rows = [f"the {x} was {how}\tso what\t{'yes' if how == 'good' else 'no'}" for x in ("film", "book", "day")
            for how in ("good", "bad")] * 4  # fmt: skip
    table = tmp_path / "t.tsv"
    table.write_text("one\ttwo\tlabel\n" + "\n".join(rows))
    request = Request(
        model=text_model_folder, train=table, valid=None, columns=ExampleColumns(sequence="one,two"),
        settings=FineTuneSettings(learning_rate=1e-2, epochs=8, batch_size=8), seed=0, out=tmp_path / "run",
    )  # fmt: skip
    list(finetune(request))
    model = tmp_path / "run" / "model"
    card = (model / "README.md").read_text()
    assert all(
        words in card for words in ("classifier of pairs of texts", '"text_pair": ', "--sequence-column FIRST,S")
    )
    predict(model, SequenceFile(path=table, column="one,two"), tmp_path / "out.tsv")
    lines = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
    assert lines[0] == ["name", "label", "no", "yes"]
    assert [line[1] for line in lines[1:]] == [row.split("\t")[2] for row in rows]
