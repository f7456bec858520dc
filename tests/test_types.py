import numpy as np
import torch

from genomask.data import KmerTokenizer
from genomask.data.bases import base_codes
from genomask.types import TokenSequences


def test_a_token_covers_the_bases_that_its_letters_spell():
    for k, stride in ((3, 1), (3, 3), (1, 1)):
        tokenizer = KmerTokenizer(k=k, stride=stride)
        codes = base_codes("ACGTTGCAACGT")
        tokens = tokenizer.token_bases
        ids = torch.from_numpy(tokenizer.encode_windows([codes], np.ones(1)).input_ids.numpy())
        start, stop = tokens.places(ids)
        for token, first, last in zip(ids.tolist(), start.tolist(), stop.tolist(), strict=True):
            spelt = tokens.letters[token][: last - first].tolist()
            assert spelt == codes[first:last].tolist()
        assert (tokens.of_bases, tokens.of_kmers, tokens.overlapping) == (True, True, stride < k)
        assert tokens.equally_long
        assert tokens.tokens_over_a_base == k / stride
        assert set(tokens.maskable_ids.tolist()) == set(range(5, 4**k + 5))


def test_lengths_are_the_steps_between_bounds():
    bounds = torch.tensor([0, 3, 3, 8]).int()
    assert TokenSequences(torch.zeros(8).long(), bounds, torch.ones(3)).lengths.tolist() == [3, 0, 5]
