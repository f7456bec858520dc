import numpy as np
import pytest
import torch

from genomask.data import KmerTokenizer
from genomask.inference.forward import TOKENS_AT_ONCE, batches, forward, logits
from genomask.inference.models import load
from genomask.inference.tokens import tokenise

SEQUENCES = ["ACGTACGTAC", "GGGCCCAAATTTACGT", "TTTACG"]
"""Sorting them by length and sorting them back are two different permutations."""


@pytest.mark.parametrize("at_once", [16, 1])  # the longest, if longer than that, goes alone
def test_batches_hold_every_sequence_once_in_order_of_length(at_once, model_folder, monkeypatch):
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", at_once)
    tokens = tokenise(KmerTokenizer(k=3), SEQUENCES, "file").tokens
    found = batches(load(model_folder).model, tokens)
    assert [(numbers.tolist(), part.lengths.tolist()) for numbers, part in found] == [([2, 0], [6, 10]), ([1], [16])]


@pytest.mark.processor
@pytest.mark.parametrize("ours", [True, False])
def test_vectors_do_not_depend_on_the_batch(ours, model_folder, bert_folder):
    model, tokenizer = load(model_folder if ours else bert_folder)
    together = forward(model.eval(), tokenise(tokenizer, SEQUENCES, "file").tokens)
    alone = [forward(model, tokenise(tokenizer, [sequence], "file").tokens) for sequence in SEQUENCES]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.processor
@pytest.mark.parametrize("ours", [True, False])
def test_vectors_on_a_cpu_are_bit_equal_with_and_without_bf16_units(ours, model_folder, bert_folder, bf16_units):
    model, tokenizer = load(model_folder if ours else bert_folder)
    tokens = tokenise(tokenizer, SEQUENCES, "file").tokens
    found = []
    for has_units in (False, True):
        bf16_units(has_units)
        found.append(forward(model.eval(), tokens))
    assert torch.equal(*found)
    assert not torch.equal(found[0], found[0].bfloat16().float())


@pytest.mark.parametrize("ours", [True, False])
def test_a_classifier_gives_one_row_of_logits_a_sequence(ours, model_folder, bert_folder):
    folder = model_folder if ours else bert_folder
    model, tokenizer = load(folder, "classification", num_labels=3)
    assert forward(model, tokenise(tokenizer, SEQUENCES, "file").tokens).shape == (3, 3)


def test_logits_come_in_the_sequences_order_and_do_not_depend_on_the_batch(model_folder, monkeypatch):
    model, tokenizer = load(model_folder, "classification", num_labels=2)
    tokens = tokenise(tokenizer, SEQUENCES, "file").tokens
    alone = [logits(model, tokenise(tokenizer, [sequence], "file").tokens) for sequence in SEQUENCES]
    for at_once in (1, 18, 10_000):
        monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", at_once)
        np.testing.assert_allclose(logits(model, tokens), torch.cat(alone), atol=1e-6)
