"""Digests of what every strategy, both corruptions and the accounting gave when last known to be right.

Cases cross vocabularies (overlapping and stride-k k-mers, text, pieces of unequal width), rates, ways to match the rate
and sequences with N, with and without special tokens, some of them empty. `known_masks.json` holds a digest for each;
a change of any bit of any mask shows in `test_known_masks.py`. To rewrite the file after an intended change:
`python tests/masking/known_masks.py`.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from masking_tables import MASK, bpe_tokens, encode, kmer_tokens, pack, text_tokens

from genomask.masking import NpmiTable, account, build_strategy, corrupt

FILE = Path(__file__).with_name("known_masks.json")
KMER_STRATEGIES = (
    "uniform", "contiguous", "fixed-span", "random-span", "genemask", "genemask:npmi=shuffled", "genemask-released",
    "npmi-global", "span", "span:p=0.05:longest=25",
)  # fmt: skip
TEXT_STRATEGIES = ("uniform", "whole-word", "span", "contiguous")
PIECE_STRATEGIES = ("uniform", "contiguous", "fixed-span", "random-span", "span")
KMERS = ((3, 1), (4, 1), (6, 1), (4, 2), (3, 3))
RATES = (0.05, 0.15, 0.5)


def npmi_with_ties(k):
    """A table in which many words are equally frequent and some too rare to have an NPMI."""
    counts = {k: np.random.default_rng(k).choice([50, 1000, 1500, 2000], 4**k)}
    for n in range(k - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return NpmiTable.from_counts(counts)


def kmer_batch(tokens):
    """Sequences of 0 to 600 bases, one in 50 of them N, with and without [CLS] and [SEP]."""
    rng = np.random.default_rng(tokens.k * 10 + tokens.stride)
    lengths = [*rng.integers(tokens.k, 140, 24), 600, 513, 0, 0]
    sequences = [
        encode(rng.choice(5, n, p=[0.245] * 4 + [0.02]), tokens, specials=i % 3 > 0) if n else torch.zeros(0).long()
        for i, n in enumerate(lengths)
    ]
    return *_bounds(sequences), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))


def other_batch(tokens):
    """Sequences of 0 to 300 ids, special ones among them."""
    rng = np.random.default_rng(7)
    lengths = [*rng.integers(1, 100, 24), 300, 0]
    sequences = [torch.from_numpy(rng.integers(0, len(tokens.maskable), n)) for n in lengths]
    return *_bounds(sequences), torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, len(lengths)))


def _bounds(sequences):
    ids, cu_seqlens = pack(sequences)
    return ids, cu_seqlens.long()


def cases() -> Iterator[tuple[str, dict]]:
    """The name of each case, and the arguments of build_strategy."""
    for k, stride in KMERS:
        tokens, table = kmer_tokens(k, stride), npmi_with_ties(k)
        batch = kmer_batch(tokens)
        for name in KMER_STRATEGIES:
            for rate in RATES:
                for match in ("none", "tokens") if (k, stride, rate) == (3, 1, 0.15) else ("none",):
                    settings = {"tokens": tokens, "mask_rate": rate, "npmi": table, "match": match}
                    yield (
                        f"{k}-mers, stride {stride}: {name} {rate} {match}",
                        {"name": name, **settings, "batch": batch},
                    )
    for kind, tokens, names in (("text", text_tokens(), TEXT_STRATEGIES), ("pieces", bpe_tokens(), PIECE_STRATEGIES)):
        batch = other_batch(tokens)
        for name in names:
            for rate in RATES:
                settings = {"tokens": tokens, "mask_rate": rate, "match": "none"}
                yield f"{kind}: {name} {rate}", {"name": name, **settings, "batch": batch}


def digest(case: dict) -> str:
    """The digest of the spans, of ids and labels under both corruptions, and of the accounts."""
    settings = dict(case)
    ids, cu_seqlens, keys = settings.pop("batch")
    tokens, name = settings["tokens"], settings.pop("name")
    sample = {"sample": (ids[ids != MASK], cu_seqlens)} if name == "npmi-global" else {}
    spans = build_strategy(name, **settings, **sample).select(ids, cu_seqlens, keys)
    content = hashlib.sha256(spans.numpy().tobytes())
    for per in ("span", "token"):
        out, labels = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=per)
        for x in (out, labels):
            content.update(x.numpy().tobytes())
        content.update(repr(tuple(account(ids, out, spans, cu_seqlens, tokens))).encode())
    return content.hexdigest()[:16]


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: digest(case) for name, case in cases()}, indent=1) + "\n", encoding="utf-8")
