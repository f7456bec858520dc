import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_tables import MASK, UNK, encode, kmer_tokens, pack, random_batch, sequences_of, text_tokens
from masks_by_hand import grid_of, tokens_over

from genomask.errors import SettingsError
from genomask.masking import account, build_strategy, corrupt, corruption
from genomask.masking.accounting import hidden_bases
from genomask.types import IGNORE


def only(monkeypatch, action):
    """Make every span undergo one action."""
    monkeypatch.setattr(corruption, "MASK_FRACTION", float(action == "mask"))
    monkeypatch.setattr(corruption, "RANDOM_FRACTION", float(action == "random"))


def masked_batch(tokens, seed, rate=0.2, lengths=(60, 7, 30), n_fraction=0.0):
    """Sequences with some N, and spans of contiguous masking or of single tokens."""
    rng = np.random.default_rng(seed)
    p = [(1 - n_fraction) / 4] * 4 + [n_fraction]
    ids, cu_seqlens = pack([encode(rng.choice(5, n, p=p), tokens) for n in lengths])
    keys = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))
    name = "contiguous" if seed % 2 else "uniform"
    strategy = build_strategy(name, tokens=tokens, mask_rate=rate, match="none")
    return ids, strategy.select(ids, cu_seqlens, keys), cu_seqlens, keys


def bases_told(ids, grid, tokens):
    """For each base, the set of letters that the tokens covering it give it."""
    told = [set() for _ in range(int(grid.offsets[-1]))]
    for i, token in enumerate(ids.tolist()):
        for j in range(int(grid.n_bases[i])):
            letter = int(tokens.letters[token, j])
            if letter < 4:
                told[int(grid.start[i]) + j].add(letter)
    return told


@pytest.mark.parametrize("per", ["span", "token"])
def test_one_action_for_all_spans_masks_them_all_or_keeps_them_all(monkeypatch, per):
    tokens = kmer_tokens(4)
    ids, spans, cu_seqlens, keys = masked_batch(tokens, 1)
    only(monkeypatch, "mask")
    out, labels = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per)
    assert out.equal(torch.where(spans > 0, MASK, ids))
    assert labels.equal(torch.where(spans > 0, ids, IGNORE))
    only(monkeypatch, "keep")
    assert corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per)[0].equal(ids)


def test_spans_are_replaced_in_the_asked_fractions_and_whole():
    tokens = kmer_tokens(6)
    ids, cu_seqlens, keys = random_batch(tokens, 600, 510)
    strategy = build_strategy("contiguous", tokens=tokens, mask_rate=0.15, match="none")
    spans = strategy.select(ids, cu_seqlens, keys)
    out, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens)
    fates = []
    for before, after, numbers in zip(*(sequences_of(x, cu_seqlens) for x in (ids, out, spans)), strict=True):
        for n in range(1, int(numbers.max()) + 1):
            is_mask, is_kept = ((after == x)[numbers == n] for x in (MASK, before))
            assert is_mask.all() or not is_mask.any()
            fates.append((bool(is_mask.all()), bool(is_kept.all())))
    masked, kept = np.mean(fates, axis=0)
    assert masked == pytest.approx(0.8, abs=0.015)
    assert kept == pytest.approx(0.1 + 0.1 / 4, abs=0.015)  # a quarter of redrawn bases come out as before


def test_per_token_draws_are_independent_and_give_k_mers_only():
    tokens = kmer_tokens(3)
    ids, cu_seqlens, keys = random_batch(tokens, 300, 510)
    spans = build_strategy("uniform", tokens=tokens, mask_rate=0.9).select(ids, cu_seqlens, keys)
    out, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per="token")
    masked = spans > 0
    assert (out[masked] == MASK).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (out == ids)[masked].float().mean() == pytest.approx(0.1 + 0.1 / 64, abs=0.01)
    assert tokens.maskable[out[masked & (out != MASK)]].all()
    drawn = out[masked & (out != MASK) & (out != ids)]
    assert len(drawn.unique()) == 64


@settings(deadline=None, max_examples=40)
@given(k=st.integers(1, 5), strided=st.booleans(), seed=st.integers(0, 2**31), n_fraction=st.sampled_from([0, 0.03]))
def test_randomly_replaced_spans_leave_legal_sequences_and_change_hidden_bases_only(k, strided, seed, n_fraction):
    tokens = kmer_tokens(k, k if strided else 1)
    ids, spans, cu_seqlens, keys = masked_batch(tokens, seed, 0.5, n_fraction=n_fraction)
    grid = grid_of(ids, cu_seqlens, tokens)
    with pytest.MonkeyPatch.context() as monkeypatch:
        only(monkeypatch, "random")
        out, _ = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens)
    assert (out == ids)[spans == 0].all()
    assert tokens.maskable[out[spans > 0]].all()
    before, after = bases_told(ids, grid, tokens), bases_told(out, grid, tokens)
    hidden = hidden_bases(ids, spans, cu_seqlens, tokens).tolist()
    assert all(len(letters) <= 1 for letters in after)  # overlapping tokens agree: a sequence of bases
    assert all(a == b for a, b, is_hidden in zip(before, after, hidden, strict=True) if not is_hidden)


def test_redrawn_bases_are_uniform(monkeypatch):
    only(monkeypatch, "random")
    tokens = kmer_tokens(3)
    ids, cu_seqlens = pack([encode(np.zeros(60), tokens)] * 300)  # poly-A
    spans = tokens.maskable[ids].int()
    out, _ = corrupt(ids, spans, cu_seqlens, torch.arange(300), tokens=tokens)
    grid = grid_of(ids, cu_seqlens, tokens)
    letters = [next(iter(told)) for told in bases_told(out, grid, tokens)]
    assert np.bincount(letters) / len(letters) == pytest.approx([0.25] * 4, abs=0.015)


@settings(deadline=None, max_examples=40)
@given(k=st.integers(1, 5), strided=st.booleans(), seed=st.integers(0, 2**31), n_fraction=st.sampled_from([0, 0.03]))
def test_no_hidden_base_can_be_computed_from_tokens_outside_its_span(k, strided, seed, n_fraction):
    """Two sequences that differ only in the hidden bases of one span look alike outside that span."""
    tokens = kmer_tokens(k, k if strided else 1)
    ids, spans, cu_seqlens, _ = masked_batch(tokens, seed, 0.4, n_fraction=n_fraction)
    grid = grid_of(ids, cu_seqlens, tokens)
    hidden = hidden_bases(ids, spans, cu_seqlens, tokens)
    for i, token in enumerate(ids.tolist()):
        for j in range(int(grid.n_bases[i])):
            base = int(grid.start[i]) + j
            if hidden[base] and int(tokens.letters[token, j]) < 4:
                over = ((grid.start <= base) & (base < grid.start + grid.n_bases)).nonzero().squeeze(1)
                over = over[grid.maskable[over]]
                assert len(set(spans[over].tolist())) == 1  # all of one span, none visible, none of another
                assert spans[over[0]] > 0


@settings(deadline=None, max_examples=50)
@given(k=st.integers(1, 6), n=st.integers(0, 20), start=st.integers(0, 60))
def test_n_masked_tokens_in_a_row_hide_n_minus_k_plus_1_bases_inside(k, n, start):
    tokens = kmer_tokens(k)
    ids, cu_seqlens, _ = random_batch(tokens, 2, 100)
    masked = torch.zeros(len(ids), dtype=torch.bool)
    first = int(cu_seqlens[1]) + 1 + k + start % (100 - 3 * k - 20)
    masked[first : first + n] = True
    grid = grid_of(ids, cu_seqlens, tokens)
    hidden = hidden_bases(ids, masked.int(), cu_seqlens, tokens)
    assert hidden.sum() == max(0, n - k + 1)
    assert not (tokens_over(hidden, grid) & ~masked).any()
    if n >= k:
        assert tokens_over(hidden, grid).equal(masked)


def test_unknown_tokens_are_never_masked_and_never_reveal_a_base():
    tokens = kmer_tokens(3)
    ids, cu_seqlens = pack([encode([0, 1, 2, 4, 3, 2, 1, 0], tokens)])
    assert ids.tolist()[2:5] == [UNK] * 3
    strategy = build_strategy("contiguous", tokens=tokens, mask_rate=1)
    spans = strategy.select(ids, cu_seqlens, torch.tensor([1]))
    assert spans.tolist() == [0, 1, 0, 0, 0, 2, 2, 0]
    out, labels = corrupt(ids, spans, cu_seqlens, torch.tensor([1]), tokens=tokens)
    assert (labels[spans == 0] == IGNORE).all()
    assert hidden_bases(ids, spans, cu_seqlens, tokens).tolist() == [True] * 3 + [False] + [True] * 4
    seen = account(ids, out, spans, cu_seqlens, tokens)
    assert (seen.tokens, seen.tokens_masked, seen.bases, seen.bases_hidden) == (3, 3, 7, 7)


@pytest.mark.parametrize("per", ["span", "token"])
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31), order=st.permutations(range(3)), text=st.booleans())
def test_corruption_is_the_same_alone_in_any_batch_and_any_packing(per, seed, order, text):
    tokens = text_tokens() if text else kmer_tokens(4)
    rng = np.random.default_rng(seed)
    sequences = [torch.from_numpy(rng.integers(0, 55, n)) if text else encode(rng.integers(0, 4, n), tokens)
                 for n in (40, 9, 25)]  # fmt: skip
    keys = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, 3))
    strategy = build_strategy("uniform", tokens=tokens, mask_rate=0.6)

    def run(which):
        ids, cu_seqlens = pack([sequences[i] for i in which])
        spans = strategy.select(ids, cu_seqlens, keys[torch.tensor(which)])
        both = corrupt(ids, spans, cu_seqlens, keys[torch.tensor(which)], tokens=tokens, per=per)
        return list(zip(*(sequences_of(x, cu_seqlens) for x in both), strict=True))

    together = run(list(order))
    for place, i in enumerate(order):
        for alone, in_batch in zip(run([i])[0], together[place], strict=True):
            assert alone.equal(in_batch)


@pytest.mark.parametrize("per", ["span", "token"])
def test_text_draws_ordinary_tokens_only(monkeypatch, per):
    only(monkeypatch, "random")
    tokens = text_tokens()
    ids = torch.randint(5, 55, (4000,), generator=torch.Generator().manual_seed(0))
    cu_seqlens = torch.arange(0, 4001, 50)
    spans = build_strategy("whole-word", tokens=tokens, mask_rate=0.5).select(ids, cu_seqlens, torch.arange(80))
    out, _ = corrupt(ids, spans, cu_seqlens, torch.arange(80), tokens=tokens, per=per)
    assert (out == ids)[spans == 0].all()
    assert set(out[spans > 0].tolist()) == set(range(5, 55))


def test_an_unknown_kind_of_corruption_is_refused():
    tokens = kmer_tokens(2)
    with pytest.raises(SettingsError, match="'span' or 'token'"):
        corrupt(*masked_batch(tokens, 1), tokens=tokens, per="word")


def test_touching_tokens_are_one_span_but_not_across_sequences():
    tokens = kmer_tokens(2)
    ids, cu_seqlens, _ = random_batch(tokens, 2, 4, specials=False)  # three tokens each
    strategy = build_strategy("uniform", tokens=tokens, mask_rate=0.5)
    for seed in range(30):
        spans = strategy.select(ids, cu_seqlens, torch.tensor([seed, seed + 100])).view(2, 3)
        for numbers in spans.tolist():
            starts = [n for before, n in zip([0, *numbers], numbers, strict=False) if n and not before]
            assert starts == list(range(1, len(starts) + 1))
            assert all(a == b for a, b in itertools.pairwise(numbers) if a and b)
