"""Vocabularies and sequences made by hand for the tests of masking."""

import itertools

import numpy as np
import torch

from genomask.masking import NpmiTable
from genomask.types import TokenBases

N_SPECIAL = 5
PAD, UNK, CLS, SEP, MASK = range(N_SPECIAL)


def kmer_tokens(k, stride=1):
    """TokenBases of all k-mers in the product order of A T C G, after five special tokens."""
    words = np.array(list(itertools.product([0, 3, 1, 2], repeat=k)), dtype=np.uint8)
    letters = np.concatenate([np.full((N_SPECIAL, k), 4, dtype=np.uint8), words])
    lexicographic = (words.astype(np.int64) * 4 ** np.arange(k - 1, -1, -1)).sum(1)
    kmer_ids = np.empty(4**k, dtype=np.int64)
    kmer_ids[lexicographic] = np.arange(4**k) + N_SPECIAL
    maskable = np.arange(len(letters)) >= N_SPECIAL
    n_bases = np.where(maskable, k, 0)
    n_bases[[UNK, MASK]] = k
    arrays = maskable, n_bases, letters, kmer_ids, np.ones(len(letters), dtype=bool)
    return TokenBases(k, stride, MASK, *(torch.from_numpy(a) for a in arrays))


def text_tokens(n_words=50):
    """TokenBases of a text vocabulary in which every third ordinary token continues a word."""
    ids = torch.arange(N_SPECIAL + n_words)
    maskable = ids >= N_SPECIAL
    n_bases = (maskable | (ids == UNK) | (ids == MASK)).long()
    word_start = ids % 3 != 0
    empty = torch.zeros(len(ids), 0, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64)
    return TokenBases(1, 1, MASK, maskable, n_bases, *empty, word_start)


def bpe_tokens(most=4):
    """TokenBases of pieces of 1 to `most` bases: all of one and two, every third of the longer ones."""
    pieces = [word for n in range(1, most + 1) for i, word in enumerate(itertools.product(range(4), repeat=n))
              if n <= 2 or i % 3 == 0]  # fmt: skip
    lengths = torch.tensor([len(piece) for piece in pieces])
    letters = torch.full((N_SPECIAL + len(pieces), most), 4, dtype=torch.uint8)
    for row, piece in enumerate(pieces, N_SPECIAL):
        letters[row, : len(piece)] = torch.tensor(piece, dtype=torch.uint8)
    n_bases = torch.cat([torch.tensor([0, 1, 0, 0, 1]), lengths])  # [UNK] and [MASK] cover one base
    maskable = torch.arange(len(n_bases)) >= N_SPECIAL
    return TokenBases(
        1, 1, MASK, maskable, n_bases, letters, torch.zeros(0, dtype=torch.int64), torch.ones_like(maskable)
    )


def made_up_npmi(k, seed=0):
    """A table of skewed counts; some words may be too rare to have an NPMI."""
    counts = {k: np.random.default_rng(seed).integers(50, 5000, 4**k)}
    for n in range(k - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return NpmiTable.from_counts(counts)


def scores_of(tokens, table):
    """(V,) NPMI of each id, -inf where it is no k-mer."""
    scores = torch.full((len(tokens.maskable),), -torch.inf, dtype=torch.float64)
    scores[tokens.kmer_ids] = torch.from_numpy(np.array(table.npmi(tokens.k)))
    return scores


def runs_of(numbers):
    """(first token, last token) of each span of one sequence."""
    return [(int(at[0]), int(at[-1])) for n in range(1, int(numbers.max()) + 1)
            for at in [(numbers == n).nonzero().squeeze(1)]]  # fmt: skip


def encode(codes, tokens, specials=True):
    """(n,) ids of uint8 codes: [CLS], the k-mers ([UNK] over a code above 3), [SEP]."""
    windows = torch.as_tensor(np.asarray(codes), dtype=torch.int64).unfold(0, tokens.k, tokens.stride)
    known = (windows < 4).all(1)
    index = (windows.clamp(max=3) * 4 ** torch.arange(tokens.k - 1, -1, -1)).sum(1)
    ids = torch.where(known, tokens.kmer_ids[index], UNK)
    return torch.cat([torch.tensor([CLS]), ids, torch.tensor([SEP])]) if specials else ids


def pack(sequences):
    """Ids end to end and their cu_seqlens."""
    lengths = torch.tensor([0] + [len(s) for s in sequences])
    return torch.cat(list(sequences)), lengths.cumsum(0).int()


def random_batch(tokens, n, n_bases, seed=0, specials=True):
    """n sequences of independent bases: ids, cu_seqlens, keys."""
    codes = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (n, n_bases)))
    powers = 4 ** torch.arange(tokens.k - 1, -1, -1)
    ids = tokens.kmer_ids[(codes.unfold(1, tokens.k, tokens.stride) * powers).sum(2)]
    if specials:
        ids = torch.cat([torch.full((n, 1), CLS), ids, torch.full((n, 1), SEP)], 1)
    return ids.flatten(), torch.arange(n + 1) * ids.shape[1], torch.arange(n) + 1000 * seed


def sequences_of(values, cu_seqlens):
    """Split a packed tensor."""
    return [values[a:b] for a, b in itertools.pairwise(cu_seqlens.tolist())]
