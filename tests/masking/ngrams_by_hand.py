"""The slow, obvious twins of counting and scoring: one n-gram, one segmentation at a time."""

import functools
import itertools
import math

import numpy as np


@functools.cache
def words(n):
    return ["".join(letters) for letters in itertools.product("ACGT", repeat=n)]


def counted_by_hand(codes, intervals, n, strand="forward"):
    """Counts of every n-gram, one at a time."""
    counts = dict.fromkeys(words(n), 0)
    for start, stop in intervals:
        for at in range(start, stop - n + 1):
            piece = codes[at : at + n]
            if max(piece) < 4:
                counts["".join("ACGT"[c] for c in piece)] += 1
                if strand == "both":
                    counts["".join("ACGT"[3 - c] for c in reversed(piece))] += 1
    return list(counts.values())


def segmentations(word):
    """All ways to cut a word into two or more parts."""
    for cuts in itertools.product([False, True], repeat=len(word) - 1):
        if any(cuts):
            bounds = [0, *[i + 1 for i, cut in enumerate(cuts) if cut], len(word)]
            yield [word[a:b] for a, b in itertools.pairwise(bounds)]


def log_p_by_hand(counts, word, definition):
    f = counts[len(word)]
    halved = math.log(2) if definition == "released" else 0
    return math.log(f[int(word.translate(str.maketrans("ACGT", "0123")), 4)] / f.sum()) - halved


def pmi_by_hand(counts, word, definition):
    """The minimum over all segmentations, each written out."""
    scores = [
        log_p_by_hand(counts, word, definition) - sum(log_p_by_hand(counts, part, definition) for part in parts)
        for parts in segmentations(word)
        if definition == "exact" or max(map(len, parts)) <= 2
    ]
    return min(scores)


def random_counts(max_n, seed=0):
    """Skewed counts of the longest words, and the counts of the shorter ones that follow from them."""
    counts = {max_n: np.random.default_rng(seed).integers(2, 5000, 4**max_n)}
    for n in range(max_n - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return counts
