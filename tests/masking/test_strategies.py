import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_tables import (
    bpe_tokens,
    encode,
    kmer_tokens,
    made_up_npmi,
    pack,
    random_batch,
    runs_of,
    scores_of,
    sequences_of,
    text_tokens,
)

from genomask.errors import SettingsError
from genomask.hashing import Purpose, uniform
from genomask.masking import account, build_strategy, mask_token, strategy
from genomask.masking.registry import STRATEGIES

BLIND = ["uniform", "contiguous", "span", "fixed-span", "random-span", "genemask-released"]
SEEING = ["genemask", "genemask:npmi=shuffled", "npmi-global", "tilted-span:beta=2.0:single=0.3"]
DNA = BLIND + SEEING


def dna_strategy(name, k=6, rate=0.15, match="none", stride=1):
    return build_strategy(name, tokens=kmer_tokens(k, stride), mask_rate=rate, npmi=made_up_npmi(k), match=match)


def starts_of_spans(spans):
    return [sorted(set(s[s > 0].tolist())) for s in spans]


@pytest.mark.parametrize("name", DNA)
@pytest.mark.parametrize("match", ["tokens", "bases", "none"])
def test_rate_0_masks_nothing_and_rate_1_every_maskable_token(name, match):
    tokens = kmer_tokens(3)
    ids, cu_seqlens, keys = random_batch(tokens, 4, 20)
    for rate in (0, 1):
        spans = dna_strategy(name, 3, rate, match).select(ids, cu_seqlens, keys)
        assert (spans > 0).equal(tokens.maskable[ids] & (rate == 1))


@pytest.mark.parametrize("name", ["uniform", "contiguous", "span", "fixed-span", "whole-word"])
def test_rate_0_masks_nothing_in_text_and_rate_1_every_maskable_token(name):
    tokens = text_tokens()
    ids = torch.arange(30)
    for rate in (0, 1):
        strategy = build_strategy(name, tokens=tokens, mask_rate=rate)
        spans = strategy.select(ids, torch.tensor([0, 30]), torch.tensor([5]))
        assert (spans > 0).equal(tokens.maskable[ids] & (rate == 1))


@pytest.mark.parametrize("name", DNA)
@settings(deadline=None, max_examples=15)
@given(data=st.data(), k=st.integers(2, 6), seed=st.integers(0, 2**31), n_fraction=st.sampled_from([0, 0.04, 0.3]))
def test_a_mask_is_the_same_alone_in_any_batch_and_any_packing(name, data, k, seed, n_fraction):
    tokens = kmer_tokens(k, data.draw(st.sampled_from(sorted({1, max(1, k // 2), k}))))
    rng = np.random.default_rng(seed)
    lengths = data.draw(st.lists(st.one_of(st.just(0), st.integers(k, 90)), min_size=1, max_size=6))
    p = [(1 - n_fraction) / 4] * 4 + [n_fraction]
    sequences = [encode(rng.choice(5, n, p=p), tokens, specials=bool(i % 2)) if n else torch.zeros(0).long()
                 for i, n in enumerate(lengths)]  # fmt: skip
    keys = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))
    strategy = dna_strategy(name, k, 0.3, "none", tokens.stride)
    together = sequences_of(strategy.select(*pack(sequences), keys), pack(sequences)[1])
    order = data.draw(st.permutations(range(len(sequences))))
    shuffled = pack([sequences[i] for i in order])
    elsewhere = sequences_of(strategy.select(*shuffled, keys[torch.tensor(order)]), shuffled[1])
    for place, i in enumerate(order):
        alone = strategy.select(*pack([sequences[i]]), keys[i : i + 1])
        assert alone.equal(together[i])
        assert alone.equal(elsewhere[place])
        assert not (alone[~tokens.maskable[sequences[i]]]).any()


@pytest.mark.parametrize("name", DNA)
def test_spans_are_maximal_runs_numbered_from_1_in_each_sequence(name):
    tokens = kmer_tokens(4)
    ids, cu_seqlens, keys = random_batch(tokens, 20, 100)
    for spans in sequences_of(dna_strategy(name, 4).select(ids, cu_seqlens, keys), cu_seqlens):
        values, counts = spans.unique_consecutive(return_counts=True)
        assert values[values > 0].tolist() == list(range(1, int(spans.max()) + 1))
        assert not ((values[1:] > 0) & (values[:-1] > 0)).any()
        assert counts.sum() == len(spans)


@pytest.mark.parametrize("name", DNA)
def test_the_mask_depends_on_the_sequence_only_if_the_strategy_looks_at_it(name):
    tokens = kmer_tokens(6)
    ids, cu_seqlens, _ = random_batch(tokens, 30, 100)
    spans = dna_strategy(name).select(ids, cu_seqlens, torch.zeros(30, dtype=torch.int64))
    masks = {tuple(s.tolist()) for s in sequences_of(spans, cu_seqlens)}
    assert len(masks) == 1 if name in BLIND else len(masks) > 5


def test_every_strategy_depends_on_the_key():
    tokens = kmer_tokens(6)
    sequence = encode(np.random.default_rng(0).integers(0, 4, 200), tokens)
    ids, cu_seqlens = pack([sequence] * 20)
    for name in DNA:
        spans = dna_strategy(name).select(ids, cu_seqlens, torch.arange(20))
        masks = {tuple(s.tolist()) for s in sequences_of(spans, cu_seqlens)}
        assert len(masks) > (3 if name == "npmi-global" else 15)  # there only the number of tokens is drawn


def test_random_span_is_genemask_with_other_scores():
    """Both hide the same centres, and in each sequence a whole token at equally many of them."""
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 400, 510, specials=False)
    strategies = [dna_strategy(name, rate=0.04) for name in ("genemask", "random-span")]
    assert strategies[0].probabilities.equal(strategies[1].probabilities)
    is_centre = uniform(keys[:, None], Purpose.CENTRE, torch.arange(510)) < strategies[0].probabilities
    of_both = (sequences_of(s.select(ids, cu_seqlens, keys), cu_seqlens) for s in strategies)
    several = differ = 0
    for drawn, *both in zip(is_centre, *of_both, strict=True):
        centres = drawn.nonzero().flatten().tolist()
        assert all((spans[max(0, x - 5) : x + 1] > 0).all() for spans in both for x in centres)
        if all(b - a >= 22 for a, b in itertools.pairwise([-11, *centres, 521])):  # so that no spans meet
            sizes = [sorted(last - first + 1 for first, last in runs_of(spans)) for spans in both]
            assert sizes[0] == sizes[1] == [6] * (len(centres) // 2) + [11] * ((len(centres) + 1) // 2)
            several += len(centres) > 1
            differ += not both[0].equal(both[1])
    assert several > 50
    assert differ > 50


@pytest.mark.parametrize("name", ["genemask", "random-span"])
def test_lone_centres_make_spans_of_k_and_of_2k_minus_1_tokens_in_equal_numbers(name):
    tokens = kmer_tokens(5)
    ids, cu_seqlens, keys = random_batch(tokens, 300, 3000, specials=False)
    spans = dna_strategy(name, 5, 0.004).select(ids, cu_seqlens, keys)
    sizes = [last - first + 1 for seq in sequences_of(spans, cu_seqlens) for first, last in runs_of(seq)]
    assert sizes.count(5) + sizes.count(9) > 0.9 * len(sizes)
    assert sizes.count(5) <= sizes.count(9)  # ceil(m / 2) long ones


def test_the_better_half_of_the_centres_has_the_higher_npmi():
    """Read from the mask alone: 11 tokens hide their middle token, six the one base that they all cover."""
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 400, 510, specials=False)
    spans = dna_strategy("genemask", rate=0.06).select(ids, cu_seqlens, keys)
    scores = scores_of(tokens, made_up_npmi(6))
    halves_seen = 0
    for sequence, numbers in zip(sequences_of(ids, cu_seqlens), sequences_of(spans, cu_seqlens), strict=True):
        runs = runs_of(numbers)
        if not all(last - first in (5, 10) and first >= 6 and last < len(numbers) - 6 for first, last in runs):
            continue  # spans that met, or that lie at an end
        long = [float(scores[sequence[first + 5]]) for first, last in runs if last - first == 10]
        short = [float(scores[sequence[first : last + 1]].max()) for first, last in runs if last - first == 5]
        if len(long) - len(short) not in (0, 1):
            continue  # two short spans that met, five bases apart
        halves_seen += bool(short)
        assert min(long, default=0) >= max(short, default=-torch.inf)
    assert halves_seen > 50


@pytest.mark.parametrize(
    ("name", "tokens_masked", "bases_hidden"),
    [
        ("uniform", 0.15, 0.0007),
        ("contiguous", 0.141, 0.034),
        ("fixed-span", 0.140, 0.082),
        ("genemask", 0.141, 0.066),
        ("random-span", 0.141, 0.066),
    ],
)
def test_published_rates_mask_and_hide_what_the_design_says(name, tokens_masked, bases_hidden):
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 2000, 510)
    spans = dna_strategy(name).select(ids, cu_seqlens, keys)
    seen = account(ids, ids, spans, cu_seqlens, tokens)
    assert seen.tokens_masked_fraction == pytest.approx(tokens_masked, abs=0.003)
    assert seen.bases_hidden_fraction == pytest.approx(bases_hidden, abs=0.003 if bases_hidden > 0.01 else 0.0001)


@settings(deadline=None, max_examples=25)
@given(data=st.data(), seed=st.integers(0, 2**31), name=st.sampled_from(["uniform", *BLIND[1:4], "random-span"]))
def test_tokens_of_unequal_length_are_masked_alike_alone_and_packed(data, seed, name):
    tokens = bpe_tokens()
    rng = np.random.default_rng(seed)
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    sequences = [torch.from_numpy(rng.integers(1, len(tokens.maskable), n)) for n in lengths]  # specials anywhere
    keys = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.3, match="none")
    together = sequences_of(strategy.select(*pack(sequences), keys), pack(sequences)[1])
    for i, sequence in enumerate(sequences):
        assert strategy.select(*pack([sequence]), keys[i : i + 1]).equal(together[i])
        assert not together[i][~tokens.maskable[sequence]].any()


def test_a_hidden_base_hides_the_token_that_covers_it_however_long():
    tokens = bpe_tokens()
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, len(tokens.maskable), 300))
    spans = build_strategy("contiguous", tokens=tokens, mask_rate=0.1, match="none").select(
        ids, torch.tensor([0, 300]), torch.tensor([7])
    )
    n_bases = tokens.n_bases[ids].tolist()
    is_centre = uniform(torch.tensor([7]), Purpose.CENTRE, torch.arange(sum(n_bases))) < 0.1
    starts = np.cumsum([0, *n_bases[:-1]]).tolist()
    expected = [bool(is_centre[at : at + n].any()) for at, n in zip(starts, n_bases, strict=True)]
    assert (spans > 0).tolist() == expected
    assert 20 < sum(expected) < 280


def test_whole_words_are_masked_whole_at_the_asked_rate():
    tokens = text_tokens()
    ids = torch.randint(5, 55, (20_000,), generator=torch.Generator().manual_seed(0))
    cu_seqlens = torch.arange(0, 20_001, 100)
    strategy = build_strategy("whole-word", tokens=tokens, mask_rate=0.3)
    masked = strategy.select(ids, cu_seqlens, torch.arange(200)) > 0
    assert masked.float().mean() == pytest.approx(0.3, abs=0.02)
    for sequence, mask in zip(sequences_of(ids, cu_seqlens), sequences_of(masked, cu_seqlens), strict=True):
        inside = ~tokens.word_start[sequence[1:]]
        assert mask[1:][inside].equal(mask[:-1][inside])


def test_mistakes_are_named():
    tokens, text = kmer_tokens(3), text_tokens()
    for message, arguments in {
        "unknown masking strategy 'nothing'; use one of: cm-gems, cm-step, contiguous": ("nothing", tokens, {}),
        "has no parameter 'width'; its parameters: none": ("uniform", tokens, {"width": 3}),
        "needs an NPMI table": ("genemask", tokens, {}),
        "does not work on text": ("genemask", text, {"npmi": made_up_npmi(3)}),
        "does not work on dna.* contiguous, fixed-span, genemask, ": ("whole-word", tokens, {}),
        "does not work on dna.* contiguous, fixed-span, random-span, span, u": ("whole-word", bpe_tokens(), {}),
        "k of at least 2.* contiguous, fixed-span, random-span": (
            "genemask",
            kmer_tokens(1),
            {"npmi": made_up_npmi(3)},
        ),
        "match must be": ("uniform", tokens, {"match": "letters"}),
        "n-grams up to 3, not 4": ("genemask", kmer_tokens(4), {"npmi": made_up_npmi(3)}),
    }.items():
        name, vocabulary, more = arguments
        with pytest.raises(SettingsError, match=message):
            build_strategy(name, tokens=vocabulary, mask_rate=0.15, **more)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        build_strategy("uniform", tokens=tokens, mask_rate=1.5)


def test_a_strategy_of_ones_own_is_one_decorated_function():
    @strategy("every-nth", exact=lambda rate, tokens: rate)
    def every_nth(sequence, n: int = 2):
        for t in range(0, len(sequence.masked), n):
            mask_token(sequence, t)

    try:
        built = build_strategy("every-nth", tokens=kmer_tokens(2), mask_rate=0.15, n=3)
        ids, cu_seqlens, keys = random_batch(kmer_tokens(2), 1, 7, specials=False)
        assert built.select(ids, cu_seqlens, keys).tolist() == [1, 0, 0, 2, 0, 0]
        with pytest.raises(SettingsError, match="its parameters: n"):
            build_strategy("every-nth", tokens=kmer_tokens(2), mask_rate=0.15, m=3)
    finally:
        del STRATEGIES["every-nth"]
