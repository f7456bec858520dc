"""What a corrupted sequence reveals of its hidden bases: searched for, and measured where it must reveal some."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_tables import MASK, encode, kmer_tokens, made_up_npmi, pack, random_batch, runs_of, sequences_of
from masks_by_hand import grid_of

from genomask.masking import account, build_strategy, corrupt
from genomask.masking.accounting import hidden_bases

STRATEGIES = [
    "uniform", "contiguous", "span", "fixed-span", "random-span", "genemask", "genemask:npmi=shuffled",
    "genemask-released", "npmi-global", "tilted-span:beta=1.0:single=0.4",
]  # fmt: skip

masked_sequences = st.fixed_dictionaries(
    {
        "name": st.sampled_from(STRATEGIES),
        "k": st.integers(2, 6),
        "overlap": st.sampled_from(["all", "half", "none"]),
        "seed": st.integers(0, 2**31),
        "rate": st.sampled_from([0.1, 0.3, 0.7]),
        "n_rate": st.sampled_from([0, 0.02, 0.1]),
        "lengths": st.lists(st.integers(1, 90), min_size=1, max_size=4),
    }
)


class Masked:
    """Sequences with an occasional N, their spans, and which spans were replaced."""

    def __init__(self, name, k, overlap, seed, rate, n_rate, lengths):
        rng = np.random.default_rng(seed)
        self.tokens = kmer_tokens(k, {"all": 1, "half": k // 2 if k % 2 == 0 else 1, "none": k}[overlap])
        self.codes = [rng.choice(5, k * -(-max(n, k) // k), p=[(1 - n_rate) / 4] * 4 + [n_rate]) for n in lengths]
        self.keys = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))
        strategy = build_strategy(name, tokens=self.tokens, mask_rate=rate, npmi=made_up_npmi(k), match="none")
        self.ids, self.cu_seqlens = self.pack(self.codes)
        self.spans = strategy.select(self.ids, self.cu_seqlens, self.keys)
        self.grid = grid_of(self.ids, self.cu_seqlens, self.tokens)
        self.out = self.corrupt(self.ids)
        changed = zip(*(sequences_of(x, self.cu_seqlens) for x in (self.spans, self.out != self.ids)), strict=True)
        self.replaced = torch.cat([torch.isin(spans, spans[differs]) & (spans > 0) for spans, differs in changed])
        self.hidden = hidden_bases(self.ids, self.replaced.int(), self.cu_seqlens, self.tokens)
        self.rng = rng

    def pack(self, codes):
        return pack([encode(c, self.tokens) for c in codes])

    def corrupt(self, ids):
        return corrupt(ids, self.spans, self.cu_seqlens, self.keys, tokens=self.tokens)[0]


@settings(deadline=None, max_examples=150)
@given(how=masked_sequences)
def test_other_bases_under_the_replaced_spans_give_the_very_same_corrupted_sequence(how):
    """So nothing can be learnt of them: not from visible tokens, kept spans, or the random tokens there."""
    masked = Masked(**how)
    flat = np.concatenate(masked.codes)
    assert len(flat) == int(masked.grid.offsets[-1])
    other = flat.copy()
    hidden = masked.hidden.numpy()
    assert (flat[hidden] < 4).all()
    other[hidden] = (flat[hidden] + masked.rng.integers(1, 4, hidden.sum())) % 4
    ids, _ = masked.pack(np.split(other, masked.grid.offsets[1:-1].numpy()))
    assert (ids != masked.ids).any() == hidden.any()
    assert masked.corrupt(ids).equal(masked.out)


@settings(deadline=None, max_examples=100)
@given(how=masked_sequences)
def test_no_shown_token_reveals_a_hidden_base(how):
    """The same search by reading: every visible token and every token of a kept span spells its bases."""
    masked = Masked(**how)
    told = torch.zeros(int(masked.grid.offsets[-1]), dtype=torch.bool)
    for i in (~masked.replaced & (masked.grid.n_bases > 0)).nonzero().squeeze(1).tolist():
        start, n_bases = int(masked.grid.start[i]), int(masked.grid.n_bases[i])
        told[start : start + n_bases] |= masked.tokens.letters[masked.out[i]] < 4
    assert not (told & masked.hidden).any()


@settings(deadline=None, max_examples=100)
@given(how=masked_sequences)
def test_spans_replaced_at_random_are_legal_k_mer_sequences(how):
    masked = Masked(**how)
    spelt = [set() for _ in range(int(masked.grid.offsets[-1]))]
    for token, start, n_bases in zip(
        masked.out.tolist(), masked.grid.start.tolist(), masked.grid.n_bases.tolist(), strict=True
    ):
        for place in range(n_bases):
            spelt[start + place].add(int(masked.tokens.letters[token, place]))
    assert all(len(letters - {4}) <= 1 for letters in spelt)  # overlapping tokens agree
    is_random = masked.replaced & (masked.out != MASK)
    assert masked.tokens.maskable[masked.out[is_random]].all()


@pytest.mark.parametrize(("name", "size", "shown"), [("contiguous", 6, 1 - 0.9**6), ("fixed-span", 11, 1 - 0.9**11)])
def test_corruption_per_token_shows_half_of_the_short_spans_and_two_thirds_of_the_long(name, size, shown):
    """47 % of 6-token and 69 % of 11-token spans; with one draw a span, only the 10 % that are kept."""
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 400, 2000, specials=False)
    spans = build_strategy(name, tokens=tokens, mask_rate=0.03, match="none").select(ids, cu_seqlens, keys)
    rates = {}
    for per in ("token", "span"):
        out, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per)
        kept = [bool(same[first : last + 1].any())
                for numbers, same in zip(*(sequences_of(x, cu_seqlens) for x in (spans, out == ids)), strict=True)
                for first, last in runs_of(numbers) if last - first + 1 == size]  # fmt: skip
        assert len(kept) > 1500
        rates[per] = np.mean(kept)
    assert rates["token"] == pytest.approx(shown, abs=0.03)
    redrawn_alike = 0.1 / 4 if size == 6 else 0.1 * (1 - 0.75**2) / 2  # a token of a redrawn span may stay as it was
    assert 0.08 < rates["span"] < 0.13 + redrawn_alike


@pytest.mark.parametrize("name", ["contiguous", "genemask", "random-span"])
def test_the_fraction_of_hidden_bases_that_kept_spans_show_is_reported(name):
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 600, 510)
    strategy = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=made_up_npmi(6), match="none")
    spans = strategy.select(ids, cu_seqlens, keys)
    out, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens)
    seen = account(ids, out, spans, cu_seqlens, tokens)
    assert 0.085 < seen.bases_hidden_kept_fraction < 0.135
    assert account(ids, ids, spans, cu_seqlens, tokens).bases_hidden_kept_fraction == 1
