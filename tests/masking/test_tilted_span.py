"""tilted-span: where its spans start, what they weigh, and that the truth minimises its loss."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from known_masks import npmi_with_ties
from masking_tables import kmer_tokens, made_up_npmi, random_batch

from genomask.errors import SettingsError
from genomask.masking import NpmiTable, account, build_strategy
from genomask.masking.accounting import hidden_bases
from genomask.masking.strategies.tilted_span import tilt_of

WINDOWS, LENGTH, STEPS = 5_000, 100, 5


def test_the_tilt_is_the_odds_over_their_mean():
    npmi = np.array([-np.inf, 0.5, 1.0, 1.5, 9.0])
    counts = np.array([1, 4, 4, 4, 1])
    mean = (4 * (0.5 + 1.0 + 1.5) + 9.0) / 13
    deviation = ((4 * ((0.5 - mean) ** 2 + (1 - mean) ** 2 + (1.5 - mean) ** 2) + (9 - mean) ** 2) / 13) ** 0.5
    z = [-2, *((x - mean) / deviation for x in npmi[1:4]), 2]
    odds = np.exp(0.7 * np.array(z))
    assert tilt_of(npmi, counts, 0.7) == pytest.approx(odds / (odds @ counts / counts.sum()))


@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 2.0])
def test_tilts_are_one_on_average_and_at_most_exp_of_four_beta_apart(beta):
    table = npmi_with_ties(4)
    tilts = tilt_of(table.npmi(4), table.counts(4), beta)
    assert np.average(tilts, weights=table.counts(4)) == pytest.approx(1)
    assert tilts.max() / tilts.min() <= np.exp(4 * abs(beta)) * (1 + 1e-12)
    assert tilt_of(np.ones(16), np.ones(16), beta) == pytest.approx(1)  # no word is better than another


def test_the_rate_is_met_on_the_windows_it_is_solved_on():
    tokens = kmer_tokens(3)
    ids, cu_seqlens, keys = random_batch(tokens, 300, 200, specials=False)
    strategy = build_strategy("tilted-span:beta=1.0:single=0.3", tokens=tokens, mask_rate=0.15, npmi=made_up_npmi(3),
                              sample=(ids, cu_seqlens))  # fmt: skip
    seen = account(ids, ids, strategy.select(ids, cu_seqlens, keys), cu_seqlens, tokens)
    assert seen.tokens_masked_fraction == pytest.approx(0.15, rel=0.04)


@pytest.mark.parametrize(
    ("parameters", "message"), [("beta=9", "beta must lie between -5 and 5"), ("beta=1e300", "beta must lie between"),
                                ("single=1.5", "single must lie between 0 and 1")],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(parameters, message):
    with warnings.catch_warnings(action="error"), pytest.raises(SettingsError, match=message):
        build_strategy(f"tilted-span:{parameters}", tokens=kmer_tokens(2), mask_rate=0.15, npmi=made_up_npmi(2))


@pytest.fixture(scope="module")
def markov():
    """Windows of an order-1 Markov chain: bases (WINDOWS, LENGTH), its composition, its transitions, their 2-mers."""
    rng = np.random.default_rng(0)
    transitions = 0.85 * rng.dirichlet([0.5] * 4, 4) + 0.15 / 4
    composition = np.linalg.matrix_power(transitions, 200)[0]
    codes = np.empty((WINDOWS, LENGTH), dtype=np.uint8)
    codes[:, 0] = rng.choice(4, WINDOWS, p=composition)
    for at in range(1, LENGTH):
        beyond = rng.random(WINDOWS)[:, None] > transitions.cumsum(1)[codes[:, at - 1]]
        codes[:, at] = beyond.sum(1).clip(max=3)
    runs = np.arange(0, WINDOWS * LENGTH, LENGTH)[:, None] + [0, LENGTH]
    return codes, composition, transitions, NpmiTable.from_intervals(codes.ravel(), runs, max_n=2)


def bits_above_the_truth(markov, name, n_hidden, weighted=True):
    """Bits per base, above the least possible, that `n_hidden` bases between visible ones cost under even masks.

    The reader has learnt all that a strategy's masks can teach: how often which bases were hidden between which flanks.
    """
    codes, composition, transitions, table = markov
    tokens = kmer_tokens(2)
    ids = tokens.kmer_ids[4 * codes[:, :-1].astype(np.int64) + codes[:, 1:]].flatten()
    cu_seqlens = torch.arange(WINDOWS + 1) * (LENGTH - 1)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.1, npmi=table, match="none")
    learnt = np.full(4 ** (n_hidden + 2), 1e-3)
    for step in range(STEPS):
        spans, weights = strategy.select_weighted(ids, cu_seqlens, torch.arange(WINDOWS) + step * WINDOWS)
        if weights is None or not weighted:
            weights = torch.ones(len(ids))
        assert float(weights[spans > 0].mean()) == pytest.approx(1, abs=0.1)
        hidden = hidden_bases(ids, spans, cu_seqlens, tokens).numpy().reshape(WINDOWS, LENGTH)
        pattern = np.lib.stride_tricks.sliding_window_view(hidden, n_hidden + 2, axis=1)
        row, left = np.nonzero((pattern == [False, *[True] * n_hidden, False]).all(2))
        places = np.ravel_multi_index([codes[row, left + i] for i in range(n_hidden + 2)], [4] * (n_hidden + 2))
        learnt += np.bincount(places, weights.view(WINDOWS, -1)[row, left + 1], len(learnt))
    steps = itertools.product(range(4), repeat=n_hidden + 2)
    truth = np.array(
        [composition[w[0]] * np.prod([transitions[a, b] for a, b in itertools.pairwise(w)]) for w in steps]
    )

    def given_flanks(joint):
        joint = joint.reshape(4, -1, 4)
        return (joint / joint.sum(1, keepdims=True)).ravel()

    return float(truth @ np.log2(given_flanks(truth) / given_flanks(learnt))) / n_hidden


@pytest.mark.parametrize("n_hidden", [1, 2])
def test_the_truth_minimises_the_weighted_loss_but_not_that_of_genemask(markov, n_hidden):
    tilted = "tilted-span:beta=0.7:single=0.5"
    assert bits_above_the_truth(markov, tilted, n_hidden) < 0.02
    assert bits_above_the_truth(markov, tilted, n_hidden, weighted=False) > 0.08
    assert bits_above_the_truth(markov, "random-span", n_hidden) < 0.01
    assert bits_above_the_truth(markov, "genemask", n_hidden) > 0.3
