import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from masking_tables import bpe_tokens, encode, kmer_tokens, pack, random_batch, sequences_of, text_tokens

from genomask.errors import SettingsError
from genomask.masking import (
    STRATEGIES,
    NpmiTable,
    account,
    build_strategy,
    rates,
    strategy,
    tokens_drawn,
)
from genomask.masking.rates import simulation
from genomask.masking.rates.simulation import Simulation, Windows, of_even_bases
from genomask.masking.strategies.fixed_span import visible

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_masks.py"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing remembered from before, nothing left behind."""
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(rates, "in_memory", {})
    return tmp_path / "rates"


@pytest.fixture
def rough(monkeypatch):
    """A calibration of few sequences, for tests that do not look at its figures."""
    monkeypatch.setattr(simulation, "TOKENS_PER_LENGTH", 20_000)
    monkeypatch.setattr(simulation, "LENGTHS", (1, 20, 500))
    monkeypatch.setattr(simulation, "EVERY_SHORT_LENGTH", (1, 20, 500))


@pytest.fixture
def few_lengths(monkeypatch):
    """A calibration at the longest length and two more, for tests that look at the longest."""
    monkeypatch.setattr(simulation, "LENGTHS", (1, 20))


def npmi_of(k, seed=0):
    counts = {k: np.random.default_rng(seed).integers(200, 5000, 4**k)}
    for n in range(k - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return NpmiTable.from_counts(counts)


def error(strategy, tokens, n_bases, n, rate, fraction="tokens_masked_fraction"):
    """Relative error of the realised fraction over n sequences, and its standard error."""
    ids, cu_seqlens, keys = random_batch(tokens, n, n_bases, seed=5, specials=False)
    spans = strategy.select(ids, cu_seqlens, keys)
    spread = (spans > 0).view(n, -1).double().mean(1).std() / rate / n**0.5
    return getattr(account(ids, ids, spans, cu_seqlens, tokens), fraction) / rate - 1, float(spread)


@pytest.mark.parametrize(
    "name", ["uniform", "contiguous", "span", "fixed-span", "random-span", "genemask", "genemask-released"]
)
def test_the_asked_fraction_of_tokens_is_met_at_every_length(name):
    tokens = kmer_tokens(4)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi_of(4))
    for n_bases, n in {8: 10_000, 20: 5000, 64: 2000, 510: 400}.items():
        off, se = error(strategy, tokens, n_bases, n, 0.15)
        assert abs(off) < 0.02 + 2.5 * se


def probability_to_stay_visible(name, probability, n_tokens, k, stride, p=0.2, longest=10):
    """(n_tokens,) the slow way: for every token and centre the probability that the centre's run reaches the token."""
    n_bases = (n_tokens - 1) * stride + k
    of_length = [p * (1 - p) ** (n - 1) / (1 - (1 - p) ** longest) for n in range(1, longest + 1)]
    n_over = -(-k // stride)  # tokens over a base

    def runs(x):
        """First and last base hidden around centre x, with the probability of each."""
        if name == "span":
            return [(x - (n - 1) // 2, x + n // 2, c) for n, c in enumerate(of_length, 1)]
        middle = (
            x // stride - (n_over - 1) // 2
        )  # the middle one of the tokens over x, or near an end the one nearest to it
        over = [t for t in range(n_tokens) if t * stride <= x < t * stride + k]
        token = min(over, key=lambda t: abs(t - middle))
        return [(token * stride, token * stride + k - 1, 1.0)]

    visible = np.ones(n_tokens)
    for t in range(n_tokens):
        for x in range(n_bases):
            reached = sum(c for first, last, c in runs(x) if first < t * stride + k and last >= t * stride)
            visible[t] *= 1 - probability * reached
    return visible


@pytest.mark.parametrize("name", ["span", "fixed-span"])
@pytest.mark.parametrize(("k", "stride"), [(6, 1), (3, 1), (1, 1), (4, 4)])
def test_formulas_give_the_asked_fraction_at_every_length_and_rate(name, k, stride):
    tokens = kmer_tokens(k, stride)
    for rate in (0.15, 0.01, 1e-5):
        table = build_strategy(name, tokens=tokens, mask_rate=rate).probabilities
        for n_tokens in (1, 2, 5, 19, 64, 90):
            probability = float(table[(n_tokens - 1) * stride + k])
            fraction = 1 - probability_to_stay_visible(name, probability, n_tokens, k, stride).mean()
            assert fraction == pytest.approx(rate, rel=1e-3)


@pytest.mark.usefixtures("rough")
def test_rates_known_only_roughly_because_too_little_was_simulated_are_reported(caplog):
    build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.3)
    assert caplog.text == ""
    build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=1e-4)
    assert re.search(
        r"the rate of 'random-span' is known only to within \d+% of it: 0\.01 % of the tokens", caplog.text
    )


@pytest.mark.usefixtures("few_lengths")
def test_a_single_window_of_a_small_genome_is_enough_for_npmi_global():
    tokens = kmer_tokens(3)
    ids = encode(np.random.default_rng(1).integers(0, 4, 1000), tokens)[1:-1]  # without [CLS] and [SEP]
    sample = ids, torch.tensor([0, len(ids)])
    strategy = build_strategy("npmi-global", tokens=tokens, mask_rate=0.15, npmi=npmi_of(3), sample=sample)
    spans = strategy.select(ids.repeat(2000), torch.arange(2001) * len(ids), torch.arange(2000) + 5)
    assert (spans > 0).double().mean() == pytest.approx(0.15, rel=0.01)


def test_tokens_that_do_not_overlap_meet_the_rate_too():
    tokens = kmer_tokens(4, stride=4)
    strategy = build_strategy("random-span", tokens=tokens, mask_rate=0.15)
    off, se = error(strategy, tokens, 400, 3000, 0.15)
    assert abs(off) < 0.02 + 2.5 * se


def test_the_asked_fraction_of_bases_is_met_or_refused():
    tokens = kmer_tokens(3)
    strategy = build_strategy("contiguous", tokens=tokens, mask_rate=0.15, match="bases")
    off, se = error(strategy, tokens, 200, 4000, 0.15, "bases_hidden_fraction")
    assert abs(off) < 0.02 + 2.5 * se
    for name, k, stride, rate in (("uniform", 6, 1, 0.15), ("uniform", 1, 1, 0.6), ("contiguous", 4, 4, 0.6)):
        with pytest.raises(SettingsError, match="would mask more than 50% of the tokens"):
            build_strategy(name, tokens=kmer_tokens(k, stride), mask_rate=rate, match="bases")


def test_published_rates_are_constants():
    """The rate over the tokens that a draw masks: draws are of bases, but of tokens in uniform and npmi-global."""
    at_k_6 = {"uniform": 0.15, "contiguous": 0.025, "genemask": 0.15 / 8.5, "random-span": 0.15 / 8.5,
              "fixed-span": 0.15 / 11, "npmi-global": 0.15 / 11}  # fmt: skip
    of_neighbours = {"uniform": 0.15, "contiguous": 0.05, "genemask": 0.05, "fixed-span": 0.05, "npmi-global": 0.15}
    at_stride_2 = {"fixed-span": 0.15 / 6, "npmi-global": 0.15 / 3}
    mean = np.average(range(1, 6), weights=[0.7**n for n in range(5)])
    spans = {"span:p=0.3:longest=5": 0.15 / (mean + 3)}
    for k, stride, expected in ((6, 1, at_k_6), (3, 3, of_neighbours), (4, 2, at_stride_2), (4, 1, spans)):
        settings = {"tokens": kmer_tokens(k, stride), "mask_rate": 0.15, "npmi": npmi_of(k), "match": "none"}
        for name, probability in expected.items():
            assert build_strategy(name, **settings).probabilities.tolist() == pytest.approx([probability]), name


def test_a_strategy_of_ones_own_is_calibrated_on_dna_and_on_text():
    @strategy("pairs")
    def pairs(sequence):
        drawn = tokens_drawn(sequence)
        for t in range(len(drawn)):
            sequence.masked[t] = drawn[t] or (t > 0 and drawn[t - 1])

    try:
        for tokens in (kmer_tokens(2), text_tokens()):
            built = build_strategy("pairs", tokens=tokens, mask_rate=0.2)
            ids = tokens.maskable.nonzero().squeeze(1)[torch.arange(200_000) % 16]
            spans = built.select(ids, torch.arange(0, 200_001, 100), torch.arange(2000))
            assert (spans > 0).double().mean() == pytest.approx(0.2, rel=0.02)
    finally:
        del STRATEGIES["pairs"]


@pytest.mark.usefixtures("rough")
def test_a_solution_is_kept_and_found_again(own_cache, monkeypatch):
    first = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    (file,) = own_cache.iterdir()
    assert json.loads(file.read_text())["content"]["request"]["strategy"] == "random-span"
    monkeypatch.setattr(rates, "calibrate", lambda *_: pytest.fail("solved again"))
    again = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    rates.in_memory.clear()
    from_disk = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    assert first.probabilities.equal(again.probabilities)
    assert first.probabilities.equal(from_disk.probabilities)


@pytest.mark.usefixtures("rough")
@pytest.mark.parametrize("damage", [lambda text: text[:50], lambda text: text.replace("0.0", "0.9")])
def test_a_damaged_solution_is_solved_again(own_cache, damage):
    first = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    (file,) = own_cache.iterdir()
    whole = file.read_text()
    assert damage(whole) != whole
    file.write_text(damage(whole))
    rates.in_memory.clear()
    again = build_strategy("random-span", tokens=kmer_tokens(3), mask_rate=0.2)
    assert first.probabilities.equal(again.probabilities)


@pytest.mark.usefixtures("rough")
def test_each_setting_and_table_has_its_own_solution(own_cache):
    for k, rate, match, seed in [(3, 0.2, "tokens", 0), (2, 0.2, "tokens", 0), (3, 0.1, "tokens", 0),
                                 (3, 0.1, "bases", 0), (3, 0.2, "tokens", 1)]:  # fmt: skip
        build_strategy("genemask", tokens=kmer_tokens(k), mask_rate=rate, npmi=npmi_of(k, seed), match=match)
    assert len(list(own_cache.iterdir())) == 5


@pytest.mark.usefixtures("rough")
def test_each_vocabulary_has_its_own_solution():
    """The strategy masks the tokens that begin a word: two in three of one vocabulary, all of the other."""

    @strategy("first-pieces", units="text")
    def first_pieces(sequence):
        sequence.masked[:] = tokens_drawn(sequence) & sequence.vocabulary.word_start[sequence.input_ids]

    try:
        pieces = text_tokens(60)
        words = replace(pieces, word_start=torch.ones_like(pieces.word_start))
        for tokens, probability in ((pieces, 0.3), (words, 0.2)):
            built = build_strategy("first-pieces", tokens=tokens, mask_rate=0.2)
            assert built.probabilities[-1] == pytest.approx(probability, rel=0.03)
    finally:
        del STRATEGIES["first-pieces"]


@pytest.mark.usefixtures("rough")
def test_sequences_longer_than_the_table_take_its_last_probability():
    tokens = kmer_tokens(3)
    strategy = build_strategy("random-span", tokens=tokens, mask_rate=0.15)
    table = strategy.probabilities
    assert ((table > 0) & (table < 1)).all()
    first, last = (replace(strategy, probabilities=table[[at]]) for at in (0, -1))
    for n_bases in (len(table) - 1, len(table) + 50, len(table) + 5000):
        batch = random_batch(tokens, 20, n_bases, specials=False)
        assert strategy.select(*batch).equal(last.select(*batch))
        assert not strategy.select(*batch).equal(first.select(*batch))


@pytest.mark.usefixtures("rough")
def test_calibration_leaves_torch_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build_strategy("random-span", tokens=kmer_tokens(2), mask_rate=0.3)
    assert torch.rand(1).equal(expected)


def windows_of(tokens, n=400, n_bases=510):
    """Sequences as skewed and repetitive as those of genomes: ids and cu_seqlens."""
    rng = np.random.default_rng(3)
    repeats = [np.tile(rng.integers(0, 4, rng.integers(1, 12)), 60)[:40] for _ in range(30)]
    codes = [np.concatenate([rng.choice(4, n_bases, p=[0.35, 0.15, 0.15, 0.35]), repeats[i % 30]]) for i in range(n)]
    return pack([encode(c[rng.integers(0, 41) :][:n_bases], tokens) for c in codes])


@pytest.mark.parametrize("match", ["tokens", "bases"])
def test_npmi_global_meets_the_rate_on_windows_like_those_it_was_given(match):
    tokens = kmer_tokens(4)
    ids, cu_seqlens = windows_of(tokens)
    strategy = build_strategy(
        "npmi-global", tokens=tokens, mask_rate=0.15, npmi=npmi_of(4), match=match, sample=(ids, cu_seqlens)
    )
    fraction = "tokens_masked_fraction" if match == "tokens" else "bases_hidden_fraction"
    for n_bases in (20, 60, 509):
        pieces = [s[1 : n_bases - 2] for s in sequences_of(ids, cu_seqlens)]
        ids_cut, cu_cut = pack(pieces * 5)
        keys = torch.arange(len(pieces) * 5) + 99
        masked = strategy.select(ids_cut, cu_cut, keys) > 0
        spread = masked.view(len(keys), -1).double().mean(1).std() / 0.15 / len(keys) ** 0.5
        off = getattr(account(ids_cut, ids_cut, masked.int(), cu_cut, tokens), fraction) / 0.15 - 1
        assert abs(off) < 0.02 + 2.5 * spread
    others = build_strategy(
        "npmi-global", tokens=tokens, mask_rate=0.15, npmi=npmi_of(4), match=match, sample=(ids[:9000], cu_seqlens[:18])
    )
    assert not others.probabilities[300:].equal(strategy.probabilities[300 : len(others.probabilities)])


@pytest.mark.parametrize("name", ["contiguous", "span", "fixed-span"])
def test_tokens_of_unequal_length_are_matched_on_windows(name):
    tokens = bpe_tokens()
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, len(tokens.maskable), 60_000))
    sample = ids, torch.arange(0, 60_001, 100)
    with pytest.raises(SettingsError, match="masks, with tokens of unequal length, a fraction that depends"):
        build_strategy(name, tokens=tokens, mask_rate=0.15)
    for match, fraction in (("tokens", "tokens_masked_fraction"), ("bases", "bases_hidden_fraction")):
        strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, match=match, sample=sample)
        spans = strategy.select(*sample, torch.arange(600) + 7)
        assert getattr(account(ids, ids, spans, sample[1], tokens), fraction) == pytest.approx(0.15, rel=0.03)
    assert build_strategy("uniform", tokens=tokens, mask_rate=0.15).probabilities.tolist() == [0.15]


@pytest.mark.usefixtures("few_lengths")
def test_the_cpg_example_meets_its_rate_where_cpg_is_rare():
    tokens, name = kmer_tokens(4), f"{EXAMPLE}:cpg:flank=8"
    codes = np.random.default_rng(0).choice(4, (400, 200), p=[0.4, 0.1, 0.1, 0.4])
    sample = pack([encode(row, tokens, specials=False) for row in codes])
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, sample=sample)
    spans = strategy.select(*sample, torch.arange(400) + 7)
    assert (spans > 0).double().mean() == pytest.approx(0.15, rel=0.03)
    with pytest.raises(SettingsError, match="pass sample="):
        build_strategy(name, tokens=tokens, mask_rate=0.15)


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.parametrize("name", ["uniform", "contiguous"])
def test_the_draws_that_explain_the_noise_are_those_that_a_strategy_makes(name, k, stride):
    """A strategy that masks just the tokens drawn, or those over a centre, leaves nothing unexplained."""
    tokens = kmer_tokens(k, stride)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.1, match="none")
    for simulated in of_even_bases(tokens, (5, 40), rate=0.1, effort=0.01):
        (fraction, error), _ = simulated.fractions(strategy, 0.1)
        assert fraction == pytest.approx(0.1 if name == "uniform" else 1 - 0.9**k, rel=1e-6)
        assert error < 1e-12


def test_the_error_of_a_fraction_is_not_understated_where_sequences_are_few():
    """Against fixed-span's formula; of 20 sequences, the fit leaves 13 degrees of freedom."""
    tokens = kmer_tokens(3)
    strategy = build_strategy("fixed-span", tokens=tokens, mask_rate=0.15, match="none")
    inside = []
    for n_tokens in range(100, 300):
        ids, _, _ = random_batch(tokens, 20, n_tokens + 2, specials=False)
        (fraction, error), _ = Simulation(tokens, ids.view(20, -1)).fractions(strategy, 0.03)
        inside.append(abs(fraction - (1 - visible(0.03, n_tokens, tokens).mean())) < 2.57 * error)
    assert np.mean(inside) > 0.85


def test_an_interpreted_strategy_is_simulated_less_but_never_in_fewer_than_fifty_sequences():
    tokens = kmer_tokens(3)
    windows = Windows(tokens, *windows_of(tokens, 1000, 100))
    for simulations in (partial(of_even_bases, tokens, (4000, 100)), windows.simulations):
        for simulated in simulations(rate=0.15, effort=0.1):
            n, n_tokens = len(simulated.keys), simulated.n_tokens
            assert 50 <= n <= max(50, simulation.TOKENS_PER_LENGTH / n_tokens / 10 + 1, 5000), n_tokens


def test_a_rate_that_a_strategy_cannot_give_is_refused():
    @strategy("thirds")
    def thirds(sequence):
        sequence.masked[::3] = True

    try:
        with pytest.raises(
            SettingsError, match=r"'thirds' cannot give 15 % of the tokens in sequences of 4000 .* 33\.3 %"
        ):
            build_strategy("thirds", tokens=kmer_tokens(3), mask_rate=0.15)
        build_strategy("thirds", tokens=kmer_tokens(3), mask_rate=0.15, match="none")
    finally:
        del STRATEGIES["thirds"]


def test_a_formula_that_no_probability_brings_to_the_rate_is_refused():
    @strategy("tenths", visible=lambda p, n, tokens: 1 - p * (np.arange(n) % 10 == 0))
    def tenths(sequence):
        drawn = tokens_drawn(sequence)
        for t in range(0, len(drawn), 10):
            sequence.masked[t] = drawn[t]

    try:
        with pytest.raises(SettingsError, match=r"'tenths' cannot give 15 % of the tokens in .* 4000 .* is 10 %"):
            build_strategy("tenths", tokens=kmer_tokens(3), mask_rate=0.15)
        build_strategy("tenths", tokens=kmer_tokens(3), mask_rate=0.05)
    finally:
        del STRATEGIES["tenths"]


@pytest.mark.parametrize("name", ["span", "fixed-span"])
def test_a_rate_next_to_one_is_met_as_closely_as_floats_allow(name):
    assert build_strategy(name, tokens=kmer_tokens(1), mask_rate=1 - 1e-13).probabilities.min() >= 1 - 1e-12


def test_a_sample_without_tokens_is_refused():
    tokens = kmer_tokens(3)
    with pytest.raises(SettingsError, match="holds no tokens"):
        build_strategy("npmi-global", tokens=tokens, mask_rate=0.15, npmi=npmi_of(3),
                       sample=(torch.tensor([2, 3]), torch.tensor([0, 2])))  # fmt: skip


def test_formulas_are_given_the_parameters_they_name():
    @strategy("pairs-of", published=lambda rate, tokens, n: rate / n, exact=lambda rate, tokens: rate)
    def pairs_of(sequence, n: int = 2, word: str = "x"):
        sequence.masked[:] = tokens_drawn(sequence)

    try:
        for match, probability in (("none", 0.05), ("tokens", 0.15)):
            built = build_strategy("pairs-of:n=3", tokens=kmer_tokens(3), mask_rate=0.15, match=match)
            assert built.probabilities.tolist() == pytest.approx([probability])
    finally:
        del STRATEGIES["pairs-of"]
