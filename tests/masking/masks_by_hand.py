"""Masking written as slowly and plainly as possible: sets and loops over one sequence, no compiled code.

A sequence is a list of ids; its mask is a set of tokens. The draws are `genomask.hashing`'s, one number at a time.
"""

import itertools
from types import SimpleNamespace

import numpy as np
import torch

from genomask.hashing import Purpose, hash64, uniform
from genomask.types import IGNORE

LARGEST = 2**63 - 1


def u(key, purpose, position):
    return float(uniform(np.array([key]), int(purpose), np.array([position]))[0])


def bits(key, purpose, position):
    return int(hash64(np.array([key]), int(purpose), np.array([position]))[0])


class Laid:
    """The tokens of one sequence laid out over its bases."""

    def __init__(self, ids, tokens):
        self.ids, self.tokens, self.k, self.stride = list(ids), tokens, tokens.k, tokens.stride
        self.n_bases = [int(tokens.n_bases[i]) for i in ids]
        self.maskable = [bool(tokens.maskable[i]) for i in ids]
        self.start, at = [], 0
        for n in self.n_bases:
            self.start.append(at)
            at += max(0, n - (self.k - self.stride))
        self.length = at + self.k - self.stride if at else 0

    def bases(self, t):
        return set(range(self.start[t], self.start[t] + self.n_bases[t]))

    def over(self, hidden):
        return {t for t in range(len(self.ids)) if self.maskable[t] and self.bases(t) & hidden}

    def covering(self, base):
        """(j, token) of the maskable tokens over a base, the last to start first; j counts all tokens with bases."""
        started = [t for t in range(len(self.ids)) if self.n_bases[t] > 0 and self.start[t] <= base][::-1]
        near = list(enumerate(started[: -(-self.k // self.stride)]))
        return [(j, t) for j, t in near if self.maskable[t] and base in self.bases(t)]


def centres(laid, key, probability):
    return [x for x in range(laid.length) if u(key, Purpose.CENTRE, x) < probability]


def drawn_tokens(laid, key, probability):
    return [t for t in range(len(laid.ids)) if u(key, Purpose.TOKEN, t) < probability]


def around_centres(laid, key, probability, score, all_long_below=0, ties_at_random=True):
    n_tokens = -(-laid.k // laid.stride)
    found = []
    for x in centres(laid, key, probability):
        tie = {j: bits(key, Purpose.TOKEN_TIE, x * n_tokens + j) & LARGEST if ties_at_random else -j
               for j, _ in laid.covering(x)}  # fmt: skip
        if tie:
            best = max(laid.covering(x), key=lambda jt: (score(jt[1], x), tie[jt[0]]))[1]
            found.append((-score(best, x), bits(key, Purpose.CENTRE_TIE, x), x, best))
    n_long = len(found) if len(found) < all_long_below else (len(found) + 1) // 2
    hidden = set()
    for rank, (_, _, x, best) in enumerate(sorted(found)):
        hidden |= laid.bases(best) if rank < n_long else {x}
    return laid.over(hidden)


def uniform_tokens(laid, key, probability, scores):
    return {t for t in drawn_tokens(laid, key, probability) if laid.maskable[t]}


def whole_word(laid, key, probability, scores):
    masked, drawn, word = set(), drawn_tokens(laid, key, probability), 0
    for t, i in enumerate(laid.ids):
        if t == 0 or laid.tokens.word_start[i] or not laid.maskable[t]:
            word = t
        if word in drawn and laid.maskable[t]:
            masked.add(t)
    return masked


def contiguous(laid, key, probability, scores):
    return laid.over(set(centres(laid, key, probability)))


def span(laid, key, probability, scores, p=0.2, longest=10):
    lengths = np.array([p * (1 - p) ** n for n in range(longest)])
    longer = 1 - np.cumsum(lengths / lengths.sum())
    hidden = set()
    for x in centres(laid, key, probability):
        n = 1 + int((u(key, Purpose.SPAN_LENGTH, x) < longer[:-1]).sum())
        hidden |= set(range(x - (n - 1) // 2, x - (n - 1) // 2 + n)) & set(range(laid.length))
    return laid.over(hidden)


def fixed_span(laid, key, probability, scores):
    middle = (-(-laid.k // laid.stride) - 1) // 2
    before = ((2 * middle + 1) * laid.stride - 1) / 2  # bases that the middle token has before the centre
    return around_centres(
        laid, key, probability, lambda t, x: -abs(x - laid.start[t] - before + 0.25), 2**62, ties_at_random=False
    )


def random_span(laid, key, probability, scores):
    return around_centres(laid, key, probability, lambda t, x: u(key, Purpose.TOKEN_SCORE, t))


def genemask(laid, key, probability, scores):
    return around_centres(laid, key, probability, lambda t, x: float(scores[laid.ids[t]]))


def genemask_released(laid, key, probability, scores):
    lowest = np.finfo(np.float64).min

    def score(t, x):
        number = laid.start[t] // laid.stride + 1
        if number < int(laid.tokens.kmer_ids.min()):
            return np.inf
        return max(lowest, float(scores[number])) if number < len(scores) else lowest

    return around_centres(laid, key, probability, score, 9, ties_at_random=False)


def npmi_global(laid, key, probability, scores):
    maskable = [t for t in range(len(laid.ids)) if laid.maskable[t]]
    n = len(set(drawn_tokens(laid, key, probability)) & set(maskable))
    best = sorted(maskable, key=lambda t: (-float(scores[laid.ids[t]]), bits(key, Purpose.GLOBAL_TIE, t)))[:n]
    return laid.over(set().union(*map(laid.bases, best)))


def tilted_span(laid, key, probability, scores, single=0.0):
    odds = probability / (1 - probability)
    hidden = set()
    for t in range(len(laid.ids)):
        tilt = float(scores[laid.ids[t]])
        if laid.maskable[t] and u(key, Purpose.TOKEN, t) < 1 - 1 / (1 + odds * tilt):
            alone = u(key, Purpose.SPAN_LENGTH, t) < single
            hidden |= {laid.start[t] + (laid.k - 1) // 2} if alone else laid.bases(t)
    return laid.over(hidden)


BY_HAND = {
    "uniform": uniform_tokens, "whole-word": whole_word, "contiguous": contiguous, "span": span,
    "fixed-span": fixed_span, "random-span": random_span, "genemask": genemask,
    "genemask-released": genemask_released, "npmi-global": npmi_global,
    "tilted-span": tilted_span,
}  # fmt: skip


def grid_of(ids, cu_seqlens, tokens):
    """All packed sequences laid out on one grid of bases: start and n_bases (T,), offsets (B + 1,)."""
    laid = [Laid(ids[a:b].tolist(), tokens) for a, b in itertools.pairwise(cu_seqlens.tolist())]
    offsets = np.cumsum([0, *(one.length for one in laid)])
    start = [at + x for one, at in zip(laid, offsets.tolist(), strict=False) for x in one.start]
    n_bases = [n for one in laid for n in one.n_bases]
    return SimpleNamespace(
        start=torch.tensor(start), n_bases=torch.tensor(n_bases), offsets=torch.from_numpy(offsets),
        maskable=tokens.maskable[ids],
    )  # fmt: skip


def tokens_over(hidden, grid):
    """(T,) bool: maskable tokens that cover at least one hidden base, given `hidden` (G,) bool."""
    over = [bool(hidden[a : a + n].any()) for a, n in zip(grid.start.tolist(), grid.n_bases.tolist(), strict=True)]
    return torch.tensor(over) & grid.maskable


def numbered(masked, n_tokens):
    """The span number of each token, 0 where it is visible."""
    spans, n = [], 0
    for t in range(n_tokens):
        n += t in masked and t - 1 not in masked
        spans.append(n if t in masked else 0)
    return spans


def hidden_bases(laid, masked):
    """Bases of masked tokens that no visible maskable token reveals."""
    maskable = [t for t in range(len(laid.ids)) if laid.maskable[t]]
    under = set().union(*(laid.bases(t) for t in maskable if t in masked))
    return under - set().union(*(laid.bases(t) for t in maskable if t not in masked))


def corrupted(laid, spans, key, per):
    """Ids after corruption, and labels."""
    ids, tokens = list(laid.ids), laid.tokens
    hidden = hidden_bases(laid, {t for t, n in enumerate(spans) if n})
    drawable = np.flatnonzero(tokens.maskable.numpy())
    for t, number in enumerate(spans):
        action = u(key, Purpose.ACTION, number if per == "span" else t)
        if number and action < 0.8:
            ids[t] = tokens.mask_id
        elif number and action < 0.9 and per == "span" and tokens.of_kmers:
            word = 0
            for place, letter in enumerate(tokens.letters[ids[t]].tolist()):
                base = laid.start[t] + place
                word = 4 * word + ((bits(key, Purpose.NEW_BASE, base) & LARGEST) % 4 if base in hidden else letter)
            ids[t] = int(tokens.kmer_ids[word])
        elif number and action < 0.9:
            ids[t] = int(drawable[(bits(key, Purpose.NEW_TOKEN, t) & LARGEST) % len(drawable)])
    return ids, [i if n else IGNORE for i, n in zip(laid.ids, spans, strict=True)]


def accounted(laid, after, spans):
    """The fields of MaskAccount."""
    maskable = [t for t in range(len(laid.ids)) if laid.maskable[t]]
    covered = set().union(*map(laid.bases, maskable))
    told = set().union(*(laid.bases(t) for t in maskable if not spans[t]))
    shown = set().union(*(laid.bases(t) for t in maskable if not spans[t] or after[t] == laid.ids[t]))
    return len(maskable), sum(map(bool, spans)), len(covered), len(covered - told), len(shown - told)
