"""What defines span, fixed-span, npmi-global and genemask-released, besides agreement with their twins by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from masking_tables import encode, kmer_tokens, made_up_npmi, random_batch, runs_of, sequences_of

from genomask.errors import SettingsError
from genomask.hashing import Purpose, uniform
from genomask.masking import NpmiTable, build_strategy
from genomask.masking.strategies.span import probabilities_to_be_longer


def select_one(name, tokens, ids, key, rate, **more):
    strategy = build_strategy(name, tokens=tokens, mask_rate=rate, match="none", **more)
    spans = strategy.select(ids, torch.tensor([0, len(ids)]), torch.tensor([key]))
    return (spans > 0).tolist(), strategy.probabilities.item()


def test_spans_have_the_published_lengths():
    tokens = kmer_tokens(1)
    ids, cu_seqlens, keys = random_batch(tokens, 200, 5000, specials=False)
    spans = build_strategy("span", tokens=tokens, mask_rate=0.01, match="none").select(ids, cu_seqlens, keys)
    sizes = [last - first + 1 for numbers in sequences_of(spans, cu_seqlens) for first, last in runs_of(numbers)]
    assert np.mean(sizes) == pytest.approx(3.8, abs=0.15)  # SpanBERT's mean; now and then two spans meet
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


def test_with_p_near_zero_every_length_is_equally_likely():
    for p in (1e-20, 1e-300):
        assert probabilities_to_be_longer(p, 5) == pytest.approx([0.8, 0.6, 0.4, 0.2])
        build_strategy(f"span:p={p}", tokens=kmer_tokens(3), mask_rate=0.15)


def test_lone_fixed_spans_are_2k_minus_1_tokens():
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 100, 3000, specials=False)
    spans = build_strategy("fixed-span", tokens=tokens, mask_rate=0.01, match="none").select(ids, cu_seqlens, keys)
    sizes = [last - first + 1 for numbers in sequences_of(spans, cu_seqlens) for first, last in runs_of(numbers)]
    assert sizes.count(11) > 0.9 * len(sizes)


def test_equally_good_tokens_of_a_sequence_are_chosen_at_random():
    tokens, table = kmer_tokens(3), made_up_npmi(3)
    poly_a = encode(np.zeros(40), tokens, specials=False)
    masks = {tuple(select_one("npmi-global", tokens, poly_a, key, 0.2, npmi=table)[0]) for key in range(30)}
    assert len(masks) > 20


def test_a_centre_on_the_first_base_hides_the_first_token_whole_in_genemask_released():
    """A centre on one of the first four k-mers hides one of these four whole, whatever the bases are."""
    tokens, table = kmer_tokens(6), made_up_npmi(6)
    ids, cu_seqlens, keys = random_batch(tokens, 2000, 510)
    strategy = build_strategy("genemask-released", tokens=tokens, mask_rate=0.15, npmi=table, match="none")
    first = uniform(keys, Purpose.CENTRE, torch.zeros_like(keys)) < strategy.probabilities.item()
    masked = (strategy.select(ids, cu_seqlens, keys) > 0).view(2000, -1)
    assert 20 < first.sum() < 60
    assert masked[first, 1:7].all()  # all six tokens over the bases of the first: it is 'better' than any other


def test_shuffled_scores_are_a_permutation_of_the_scores():
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
