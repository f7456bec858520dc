"""How each window policy treats soft-masked repeats."""

import numpy as np
import pytest
from in_memory import covered, genome_of, random_sequence
from scipy.stats import chisquare

from genomask.data import windows
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import GenomeWindows, WindowSettings
from genomask.errors import SettingsError


def masked_fraction(genome, batch):
    lower = covered(genome.repeats[:, 0], np.diff(genome.repeats)[:, 0], genome.codes.size)
    return np.array([lower[a : a + n].mean() for a, n in zip(batch.starts, batch.lengths, strict=True)])


def repeat_genome():
    """Half soft-masked, in stretches of 30 to 90."""
    rng = np.random.default_rng(0)
    stretches = [random_sequence(int(n), i) for i, n in enumerate(rng.integers(30, 90, 60))]
    return genome_of("".join(s.lower() if i % 2 else s for i, s in enumerate(stretches)))


def test_skipping_repeats_leaves_windows_below_the_fraction_equally_likely():
    genome = repeat_genome()
    chosen = WindowSettings(max_tokens=40, repeats="skip", repeat_fraction=0.3, full_fraction=1, validation_windows=0)
    batch = GenomeWindows(genome, chosen, KmerTokenizer(1), seed=2).train(0, 60_000)
    assert masked_fraction(genome, batch).max() <= 0.3
    every = np.arange(genome.codes.size - 39)
    lower = covered(genome.repeats[:, 0], np.diff(genome.repeats)[:, 0], genome.codes.size)
    passing = [a for a in every if lower[a : a + 40].mean() <= 0.3]
    values, counts = np.unique(batch.starts, return_counts=True)
    assert values.tolist() == passing
    assert chisquare(counts).pvalue > 1e-4
    assert set(batch.weights.tolist()) == {1}


def test_weighting_repeats_keeps_the_windows_and_lowers_their_weight():
    genome = repeat_genome()
    keep, weight = (
        GenomeWindows(
            genome, WindowSettings(max_tokens=40, repeats=policy, repeat_weight=0.25), KmerTokenizer(6), seed=2
        )
        for policy in ("keep", "weight")
    )
    batch = weight.train(0, 2000)
    assert batch.starts.tolist() == keep.train(0, 2000).starts.tolist()
    assert batch.weights.tolist() == np.where(masked_fraction(genome, batch) > 0.5, 0.25, 1).tolist()
    assert batch.weights.dtype == np.float32
    assert 0.3 < (batch.weights < 1).mean() < 0.7


def test_skipping_where_everything_is_a_repeat_is_refused():
    genome = genome_of(random_sequence(5000, 1).lower())
    with pytest.raises(SettingsError, match=r'windows.repeats = "skip": only 0.0% of the windows of 55 bases pass'):
        GenomeWindows(genome, WindowSettings(max_tokens=50, repeats="skip"), KmerTokenizer(6), seed=0)


def test_skipping_gives_up_with_a_clear_error_after_its_last_attempt(monkeypatch):
    genome = repeat_genome()
    drawn = GenomeWindows(genome, WindowSettings(max_tokens=20, repeats="skip"), KmerTokenizer(1), seed=0)
    monkeypatch.setattr(windows, "MAX_ATTEMPTS", 2)
    with pytest.raises(SettingsError, match=r"not one of 2 windows of \d+ bases passes; the others are more than 50%"):
        drawn.train(0, 500)
