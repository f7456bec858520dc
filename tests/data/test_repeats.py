"""The weights of tokens with soft-masked bases, compared with a walk over each token's letters."""

import numpy as np
import pytest
import torch
from in_memory import genome_of, random_sequence

from genomask.data.intervals import RunningCount
from genomask.data.repeats import soft_masked
from genomask.data.sources import GenomeSource
from genomask.data.tokenizers.bpe import BpeTokenizer
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import WindowSettings


@pytest.fixture(scope="module")
def genome():
    """Two records with a fifth soft-masked, in stretches of 1 to 60, one of which ends the first record."""
    rng = np.random.default_rng(0)
    text = [random_sequence(int(n), i) for i, n in enumerate(rng.integers(1, 60, 160))]
    text = [s.lower() if i % 5 == 4 else s for i, s in enumerate(text)]
    return genome_of("".join(text[:80]), "".join(text[80:]))


def lower_case(genome):
    lower = np.zeros(genome.codes.size, dtype=bool)
    for start, stop in genome.repeats.tolist():
        lower[start:stop] = True
    return lower


def weights_by_letters(source, ids, lower, stride, weight):
    """The weights of a window's tokens; lower: (bases,) of the window as it is read."""
    weights, at = [], 0
    for token in source.tokenizer.convert_ids_to_tokens(ids.tolist()):
        if token in ("[CLS]", "[SEP]"):
            weights.append(1.0)
            continue
        bases = [1.0 if is_lower else 0.0 for is_lower in lower[at : at + len(token)]]
        assert len(bases) == len(token)
        weights.append(1 - (1 - weight) * sum(bases) / len(bases))
        at += stride or len(token)
    return weights


def source_of(genome, tokenizer, **settings):
    chosen = WindowSettings(max_tokens=40, min_tokens=5, strand="both", validation_windows=3, **settings)
    return GenomeSource(genome, chosen, tokenizer, seed=3)


@pytest.mark.parametrize(("kind", "stride"), [((6, 1), 1), ((3, 3), 3), ((1, 1), 1), ("bpe", None)])
def test_a_token_weighs_less_by_the_fraction_of_its_bases_that_is_soft_masked(genome, kind, stride):
    tokenizer = BpeTokenizer.learn(genome, 40) if kind == "bpe" else KmerTokenizer(*kind)
    source = source_of(genome, tokenizer, repeats="weight_bases", repeat_weight=0.1)
    tokens, drawn, lower = source.train(7, 60), source.windows.train(7, 60), lower_case(genome)
    assert {True, False} == set(drawn.reverse.tolist())
    wanted = []
    for number, ids in enumerate(tokens.input_ids.split(tokens.lengths.tolist())):
        start, length = int(drawn.starts[number]), int(drawn.lengths[number])
        window = lower[start : start + length]
        window = window[::-1] if drawn.reverse[number] else window
        wanted += weights_by_letters(source, ids, window.tolist(), stride, 0.1)
    assert tokens.token_weights.dtype == torch.float32
    np.testing.assert_allclose(tokens.token_weights.numpy(), wanted, atol=1e-7)
    assert min(wanted) == pytest.approx(0.1)
    assert max(wanted) == 1


def test_weighing_bases_changes_neither_the_windows_nor_their_own_weights(genome):
    plain, weighed = (source_of(genome, KmerTokenizer(6), repeats=how).train(0, 50) for how in ("keep", "weight_bases"))
    assert plain.token_weights is None
    for one, other in zip(plain[:3], weighed[:3], strict=True):
        assert torch.equal(one, other)


def test_soft_masked_bases_of_windows_are_those_in_lower_case(genome):
    starts = np.array([0, 5, 1000, genome.codes.size - 90])
    found = soft_masked(RunningCount.of(genome.repeats), starts, 90)
    assert found.tolist() == [lower_case(genome)[start : start + 90].tolist() for start in starts]
    assert found.any()
    assert not soft_masked(RunningCount.of(genome.repeats[:0]), starts, 90).any()
