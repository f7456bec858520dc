"""Every strategy, corruption and the accounting agree with their plain twins, which take one sequence at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_masks import npmi_with_ties
from masking_tables import bpe_tokens, encode, kmer_tokens, pack, scores_of, sequences_of, text_tokens
from masks_by_hand import BY_HAND, Laid, accounted, corrupted, hidden_bases, numbered

from genomask.masking import MaskAccount, account, build_strategy, corrupt
from genomask.masking.accounting import hidden_bases as hidden_bases_fast
from genomask.masking.registry import STRATEGIES

NAMES = {
    "kmers": [name for name, spec in STRATEGIES.items() if spec.units != "text"],
    "text": [name for name, spec in STRATEGIES.items() if spec.units != "dna"],
    "pieces": [name for name, spec in STRATEGIES.items() if spec.units != "text" and "npmi" not in spec.needs],
}


@st.composite
def batches(draw, kind):
    """A vocabulary, packed ids with unknown tokens and empty sequences among them, bounds and keys."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    lengths = draw(st.lists(st.integers(0, 60), min_size=1, max_size=4))
    if kind == "kmers":
        k = draw(st.integers(2, 6))
        tokens, specials = kmer_tokens(k, draw(st.sampled_from(sorted({1, k // 2, k})))), draw(st.booleans())
        letters = [rng.choice(5, k + n, p=[0.24] * 4 + [0.04]) for n in lengths]
        sequences = [
            encode(x, tokens, specials) if n else torch.zeros(0).long() for x, n in zip(letters, lengths, strict=True)
        ]
    else:
        tokens = text_tokens() if kind == "text" else bpe_tokens()
        sequences = [torch.from_numpy(rng.integers(0, len(tokens.maskable), n)) for n in lengths]
    ids, cu_seqlens = pack(sequences)
    return tokens, ids, cu_seqlens.long(), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))


def each(ids, bounds, keys, tokens):
    return [(Laid(x.tolist(), tokens), key) for x, key in zip(sequences_of(ids, bounds), keys.tolist(), strict=True)]


def test_every_strategy_of_ours_has_a_twin():
    assert set(BY_HAND) == set(STRATEGIES)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
@settings(deadline=None, max_examples=15)
@given(data=st.data(), probability=st.sampled_from([0.01, 0.05, 0.3, 0.8]))
def test_a_strategy_masks_what_its_twin_masks(kind, name, data, probability):
    tokens, ids, bounds, keys = data.draw(batches(kind))
    npmi = npmi_with_ties(tokens.k) if kind == "kmers" else None
    built = build_strategy(name, tokens=tokens, mask_rate=0.15, npmi=npmi, match="none")
    built = replace(built, probabilities=torch.tensor([probability], dtype=torch.float64))
    spans = sequences_of(built.select(ids, bounds, keys), bounds)
    scores = scores_of(tokens, npmi) if npmi and built.scores.numel() else None
    scores = built.scores if name == "tilted-span" else scores  # another test checks its tilt
    for (laid, key), its_spans in zip(each(ids, bounds, keys, tokens), spans, strict=True):
        assert its_spans.tolist() == numbered(BY_HAND[name](laid, key, probability, scores), len(laid.ids))


def test_the_probability_depends_on_the_length_of_the_sequence():
    tokens, rng = kmer_tokens(4), np.random.default_rng(0)
    ids, cu_seqlens = pack([encode(rng.integers(0, 4, n), tokens) for n in range(4, 90)])
    keys, falling = torch.arange(86), torch.linspace(0.9, 0.001, 60, dtype=torch.float64)
    built = replace(build_strategy("contiguous", tokens=tokens, mask_rate=0.15), probabilities=falling)
    spans = sequences_of(built.select(ids, cu_seqlens, keys), cu_seqlens)
    for (laid, key), its_spans in zip(each(ids, cu_seqlens, keys, tokens), spans, strict=True):
        probability = float(falling[min(laid.length, 59)])
        assert its_spans.tolist() == numbered(BY_HAND["contiguous"](laid, key, probability, None), len(laid.ids))


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(), kind=st.sampled_from(["kmers", "text", "pieces"]), rate=st.sampled_from([0.1, 0.5, 0.9]),
    per=st.sampled_from(["span", "token"]),
)  # fmt: skip
def test_corruption_and_accounts_agree_with_their_twins(data, kind, rate, per):
    tokens, ids, bounds, keys = data.draw(batches(kind))
    spans = build_strategy("uniform", tokens=tokens, mask_rate=rate).select(ids, bounds, keys)
    out, labels = corrupt(ids, spans, bounds, keys, tokens=tokens, per=per)
    expected, sums, hidden = [], MaskAccount(0, 0, 0, 0, 0), []
    for (laid, key), its_spans in zip(each(ids, bounds, keys, tokens), sequences_of(spans, bounds), strict=True):
        expected.append(corrupted(laid, its_spans.tolist(), key, per))
        sums += MaskAccount(*accounted(laid, expected[-1][0], its_spans.tolist()))
        under = hidden_bases(laid, {t for t, n in enumerate(its_spans.tolist()) if n})
        hidden += [base in under for base in range(laid.length)]
    assert out.tolist() == [i for its_ids, _ in expected for i in its_ids]
    assert labels.tolist() == [i for _, its_labels in expected for i in its_labels]
    assert account(ids, out, spans, bounds, tokens) == sums
    assert hidden_bases_fast(ids, spans, bounds, tokens).tolist() == hidden
