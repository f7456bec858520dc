"""span, fixed-span, npmi-global and genemask-released against their definitions, one base at a time."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from masking_tables import bpe_tokens, encode, kmer_tokens, made_up_npmi, random_batch, runs_of, scores_of, sequences_of

from genomask.errors import SettingsError
from genomask.hashing import Purpose, hash64, uniform
from genomask.masking import NpmiTable, build_strategy
from genomask.masking.strategies.span import probabilities_to_be_longer


def draw(key, stream, position):
    return float(uniform(torch.tensor([key]), stream, torch.tensor([position])))


def tie_break(key, stream, position):
    """The lowest of several wins."""
    return int(hash64(np.array([key]), stream, np.array([position]))[0])


def masked_over(hidden, ids, tokens):
    """Tokens of one sequence without specials that cover one of the hidden bases."""
    starts = np.cumsum([0, *tokens.n_bases[ids][:-1].tolist()]) - (tokens.k - tokens.stride) * np.arange(len(ids))
    return [any(x in hidden for x in range(at, at + n))
            for at, n in zip(starts.tolist(), tokens.n_bases[ids].tolist(), strict=True)]  # fmt: skip


def select_one(name, tokens, ids, key, rate, **more):
    strategy = build_strategy(name, tokens=tokens, mask_rate=rate, match="none", **more)
    spans = strategy.select(ids, torch.tensor([0, len(ids)]), torch.tensor([key]))
    return (spans > 0).tolist(), strategy.probabilities.item()


def a_sequence(tokens, rng, n_bases=60):
    if tokens.of_kmers:
        return encode(rng.integers(0, 4, n_bases), tokens, specials=False)
    return torch.from_numpy(rng.integers(5, len(tokens.maskable), n_bases // 2))


@pytest.mark.parametrize("tokens", [kmer_tokens(4), kmer_tokens(3, 3), kmer_tokens(1), bpe_tokens()])
def test_span_hides_runs_of_geometric_length_around_centres(tokens):
    rng = np.random.default_rng(1)
    for key in range(30):
        ids = a_sequence(tokens, rng)
        n_bases = int((tokens.n_bases[ids] - (tokens.k - tokens.stride)).sum()) + tokens.k - tokens.stride
        masked, probability = select_one("span:p=0.3:longest=5", tokens, ids, key, 0.3)
        weights = [0.3 * 0.7 ** (n - 1) for n in range(1, 6)]
        assert probability == pytest.approx(0.3 / (np.dot(weights, range(1, 6)) / sum(weights) + tokens.k - 1))
        below = np.cumsum(weights) / sum(weights)
        hidden = set()
        for x in range(n_bases):
            if draw(key, Purpose.CENTRE, x) < probability:
                length = 1 + int((draw(key, Purpose.SPAN_LENGTH, x) < 1 - below[:-1]).sum())
                first = x - (length - 1) // 2
                hidden |= set(range(max(0, first), min(n_bases, first + length)))
        assert masked == masked_over(hidden, ids, tokens)


def test_spans_have_the_published_lengths():
    tokens = kmer_tokens(1)
    ids, cu_seqlens, keys = random_batch(tokens, 200, 5000, specials=False)
    spans = build_strategy("span", tokens=tokens, mask_rate=0.01, match="none").select(ids, cu_seqlens, keys)
    sizes = [last - first + 1 for numbers in sequences_of(spans, cu_seqlens) for first, last in runs_of(numbers)]
    assert np.mean(sizes) == pytest.approx(3.8, abs=0.15)  # of SpanBERT; now and then two of them meet
    assert max(sizes) < 21


def test_the_published_lengths_have_the_probabilities_they_always_had():
    most = 1 - (1 - 0.2) ** 10
    assert probabilities_to_be_longer(0.2, 10).tolist() == [
        1 - (1 - (1 - 0.2) ** n) / most for n in range(1, 10)
    ]  # bit by bit


@given(
    p=st.one_of(st.floats(0, 1, exclude_min=True, exclude_max=True), st.floats(-30, -1e-9).map(lambda x: 10**x)),
    longest=st.integers(1, 30),
)
@example(p=0.01, longest=10)
@example(p=math.nextafter(0.01, 1), longest=30)
def test_lengths_are_geometric_for_every_p(p, longest):
    """Each weight against the definition, in rational numbers."""
    visible = 1 - Fraction(p)
    most = 1 - visible**longest
    for n in {1, longest // 2, longest - 1} & set(range(1, longest)):
        expected = float(1 - (1 - visible**n) / most)
        assert probabilities_to_be_longer(p, longest)[n - 1] == pytest.approx(expected, abs=3e-14)


def test_where_p_is_next_to_nothing_every_length_is_as_likely():
    for p in (1e-20, 1e-300):
        assert probabilities_to_be_longer(p, 5) == pytest.approx([0.8, 0.6, 0.4, 0.2])
        build_strategy(f"span:p={p}", tokens=kmer_tokens(3), mask_rate=0.15)


@pytest.mark.parametrize(("k", "stride"), [(6, 1), (5, 1), (4, 4), (1, 1)])
def test_fixed_span_hides_the_middle_token_over_each_centre(k, stride):
    tokens = kmer_tokens(k, stride)
    rng = np.random.default_rng(2)
    for key in range(30):
        ids = a_sequence(tokens, rng)
        masked, probability = select_one("fixed-span", tokens, ids, key, 0.3)
        hidden = set()
        for x in range((len(ids) - 1) * stride + k):
            if draw(key, Purpose.CENTRE, x) < probability:
                over = [t for t in range(len(ids)) if t * stride <= x < t * stride + k]
                wanted = (x if stride == 1 else x // stride) - (k // stride - 1) // 2  # DNABERT's offsets
                token = min(over, key=lambda t: abs(t - wanted))
                hidden |= set(range(token * stride, token * stride + k))
        assert masked == masked_over(hidden, ids, tokens)


def test_lone_fixed_spans_are_2k_minus_1_tokens():
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 100, 3000, specials=False)
    spans = build_strategy("fixed-span", tokens=tokens, mask_rate=0.01, match="none").select(ids, cu_seqlens, keys)
    sizes = [last - first + 1 for numbers in sequences_of(spans, cu_seqlens) for first, last in runs_of(numbers)]
    assert sizes.count(11) > 0.9 * len(sizes)


def test_npmi_global_hides_the_best_tokens_of_the_whole_sequence():
    tokens, table = kmer_tokens(4), made_up_npmi(4)
    scores = scores_of(tokens, table)
    rng = np.random.default_rng(3)
    counts = []
    for key in range(60):
        ids = a_sequence(tokens, rng)
        masked, probability = select_one("npmi-global", tokens, ids, key, 0.3, npmi=table)
        assert probability == pytest.approx(0.3 / 7)
        n = sum(draw(key, Purpose.TOKEN, t) < probability for t in range(len(ids)))
        best = sorted(range(len(ids)), key=lambda t: (-float(scores[ids[t]]), tie_break(key, Purpose.GLOBAL_TIE, t)))[
            :n
        ]
        assert masked == masked_over({t + i for t in best for i in range(4)}, ids, tokens)
        counts.append(n)
    assert np.mean(counts) == pytest.approx(57 * 0.3 / 7, abs=0.8)
    assert len(set(counts)) > 3


def test_npmi_global_counts_and_ranks_maskable_tokens_alone():
    """With [CLS], N and so many words that are too rare to have an NPMI that some of these are taken."""
    tokens = kmer_tokens(3)
    made_up = made_up_npmi(3)
    table = NpmiTable.from_counts({n: made_up.counts(n) for n in (1, 2, 3)}, min_count=4500)
    scores = scores_of(tokens, table)
    assert 40 < scores[tokens.kmer_ids].isinf().sum() < 60
    rng = np.random.default_rng(5)
    rare_taken = 0
    for key in range(40):
        ids = encode(rng.choice(5, 60, p=[0.22] * 4 + [0.12]), tokens)
        masked, probability = select_one("npmi-global", tokens, ids, key, 0.95, npmi=table)
        maskable = tokens.maskable[ids].nonzero().squeeze(1).tolist()
        n = sum(draw(key, Purpose.TOKEN, t) < probability for t in maskable)
        ranked = sorted((-float(scores[ids[t]]), tie_break(key, Purpose.GLOBAL_TIE, t), t) for t in maskable)
        rare_taken += bool(n) and ranked[n - 1][0] == torch.inf
        hidden = {t - 1 + i for *_, t in ranked[:n] for i in range(3)}  # bases are counted after [CLS]
        expected = [t in maskable and bool({t - 1, t, t + 1} & hidden) for t in range(len(ids))]
        assert masked == expected
    assert rare_taken > 5


def test_equally_good_tokens_of_a_sequence_are_chosen_by_lot():
    tokens, table = kmer_tokens(3), made_up_npmi(3)
    poly_a = encode(np.zeros(40), tokens, specials=False)
    masks = {tuple(select_one("npmi-global", tokens, poly_a, key, 0.2, npmi=table)[0]) for key in range(30)}
    assert len(masks) > 20


def test_genemask_released_ranks_places_as_if_they_were_tokens():
    tokens, table = kmer_tokens(4), made_up_npmi(4)
    scores = scores_of(tokens, table)
    score_of_place = [torch.inf if n <= 4 else float(scores[n]) for n in range(200)]
    rng = np.random.default_rng(4)
    halved, whole, nine = 0, 0, 0
    for key in range(150):
        n_bases = (40, 80, 150)[key % 3]
        ids = encode(rng.integers(0, 4, n_bases), tokens, specials=False)
        masked, probability = select_one("genemask-released", tokens, ids, key, 0.6, npmi=table)
        centres = []
        for x in range(n_bases):
            if draw(key, Purpose.CENTRE, x) < probability:
                over = [t for t in range(x, x - 4, -1) if 0 <= t < len(ids)]
                centres.append((max((score_of_place[t + 1], t) for t in over), x))  # [CLS] would be number 0
        if len({score for (score, _), _ in centres}) < len(centres):
            continue  # equals are told apart by a draw
        centres.sort(reverse=True)
        n_good = len(centres) if len(centres) < 9 else -(-len(centres) // 2)
        halved, whole = halved + (n_good < len(centres)), whole + (n_good == len(centres))
        nine += len(centres) == 9
        hidden = {x for _, x in centres[n_good:]}
        hidden |= {t + i for (_, t), _ in centres[:n_good] for i in range(4)}
        assert masked == masked_over(hidden, ids, tokens)
    assert halved > 5
    assert whole > 5
    assert nine > 1


def test_genemask_released_always_takes_the_first_four_tokens_when_it_can():
    """A centre on one of the first four k-mers hides one of these four whole, whatever the sequence says there."""
    tokens, table = kmer_tokens(6), made_up_npmi(6)
    ids, cu_seqlens, keys = random_batch(tokens, 2000, 510)
    strategy = build_strategy("genemask-released", tokens=tokens, mask_rate=0.15, npmi=table, match="none")
    first = uniform(keys, Purpose.CENTRE, torch.zeros_like(keys)) < strategy.probabilities.item()
    masked = (strategy.select(ids, cu_seqlens, keys) > 0).view(2000, -1)
    assert 20 < first.sum() < 60
    assert masked[first, 1:7].all()  # all six tokens over the bases of the first: it is 'better' than any other


def test_shuffled_scores_are_the_same_ones_dealt_out_anew():
    tokens, table = kmer_tokens(5), made_up_npmi(5)
    plain, shuffled, again = (
        build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=table, match="none").scores[tokens.kmer_ids]
        for name in ("genemask", "genemask:npmi=shuffled", "genemask:npmi=shuffled")
    )
    assert shuffled.equal(again)
    assert shuffled.sort().values.equal(plain.sort().values)
    finite = plain.isfinite() & shuffled.isfinite()
    assert abs(np.corrcoef(plain[finite], shuffled[finite])[0, 1]) < 0.1
    assert (
        build_strategy("genemask:npmi=table", tokens=tokens, mask_rate=0.15, npmi=table, match="none")
        .scores[tokens.kmer_ids]
        .equal(plain)
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("span:p=0", "p must lie between 0 and 1"),
        ("span:p=1.5", "got 1.5"),
        ("span:longest=0", "longest must lie between 1 and 1,000, got 0"),
        ("span:longest=1001", "longest must lie between 1 and 1,000, got 1001"),
        ("span:longest=300000000", "longest must lie between 1 and 1,000, got 300000000"),
    ],
)
def test_parameters_out_of_range_are_refused(name, message):
    for match in ("tokens", "none"):
        with pytest.raises(SettingsError, match=message):
            build_strategy(name, tokens=kmer_tokens(3), mask_rate=0.15, match=match)


def test_npmi_global_needs_windows_to_meet_a_rate():
    tokens = kmer_tokens(3)
    flat = NpmiTable.from_counts({n: np.full(4**n, 4 ** (8 - n)) for n in range(1, 4)}, min_count=2)
    for match in ("tokens", "bases"):
        with pytest.raises(SettingsError, match="pass sample="):
            build_strategy("npmi-global", tokens=tokens, mask_rate=0.15, npmi=flat, match=match)
