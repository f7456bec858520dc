"""What a mask really hides: batches before and after corruption in, counts of tokens masked and bases hidden out.

Letters: T tokens of all packed sequences, B sequences, G bases of all sequences.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genomask.masking.jit import Array, Int, jit
from genomask.masking.packed import Packed, checked, checked_spans, lay_out
from genomask.types import TokenBases


class MaskAccount(NamedTuple):
    """Counts over any number of batches; accounts add up with `+`. For text a base is a token."""

    tokens: int  # maskable tokens
    tokens_masked: int
    bases: int  # bases covered by a maskable token
    bases_hidden: int  # of these, covered by no maskable token left visible
    bases_hidden_kept: int  # of the hidden, those shown by a masked token that corruption left unchanged

    @property
    def tokens_masked_fraction(self) -> float:
        """Fraction of maskable tokens that are masked."""
        return self.tokens_masked / max(1, self.tokens)

    @property
    def bases_hidden_fraction(self) -> float:
        """Fraction of bases that are hidden."""
        return self.bases_hidden / max(1, self.bases)

    @property
    def bases_hidden_kept_fraction(self) -> float:
        """Fraction of the hidden bases that can be read from a masked token left unchanged."""
        return self.bases_hidden_kept / max(1, self.bases_hidden)

    def __add__(self, other: "MaskAccount") -> "MaskAccount":  # type: ignore[override]  # sums, not tuples end to end
        return MaskAccount(*(a + b for a, b in zip(self, other, strict=True)))


def account(
    input_ids_before: Tensor, input_ids_after: Tensor, spans: Tensor, cu_seqlens: Tensor, tokens: TokenBases
) -> MaskAccount:
    """Count what the spans (T,) hide in the packed ids (T,) before corruption, and what the ids after it still show.

    A redrawn token that happens to be unchanged counts as shown: nothing distinguishes it from one that was kept.
    """
    batch = checked(input_ids_before, cu_seqlens, None, tokens)
    after, numbers = input_ids_after.cpu().long().numpy(), checked_spans(spans, len(input_ids_before))
    return MaskAccount(*account_each(batch, after, numbers).sum(0).tolist())


@jit
def account_each(batch: Packed, after: Array, spans: Array) -> Array:
    """(B, 5) int64 fields of MaskAccount, for every sequence."""
    counts, vocabulary = np.zeros((len(batch.keys), 5), dtype=np.int64), batch.vocabulary
    overlap = vocabulary.k - vocabulary.stride
    for s in range(len(counts)):
        start = np.int64(0)
        # bases of maskable tokens, of visible ones and of shown ones; then where the last such token ends, as tokens
        # come in order of start
        covered = visible = shown = np.int64(0)
        covered_to = visible_to = shown_to = np.int64(0)
        for t in range(batch.bounds[s], batch.bounds[s + 1]):
            n_bases = vocabulary.n_bases[batch.input_ids[t]]
            if vocabulary.maskable[batch.input_ids[t]]:
                stop = start + n_bases
                covered, covered_to = covered + max(0, stop - max(start, covered_to)), max(covered_to, stop)
                if spans[t] == 0:
                    visible, visible_to = visible + max(0, stop - max(start, visible_to)), max(visible_to, stop)
                if spans[t] == 0 or after[t] == batch.input_ids[t]:
                    shown, shown_to = shown + max(0, stop - max(start, shown_to)), max(shown_to, stop)
                counts[s, 0] += 1
                counts[s, 1] += spans[t] > 0
            start += max(n_bases - overlap, 0)
        counts[s, 2], counts[s, 3], counts[s, 4] = covered, covered - visible, shown - visible
    return counts


def hidden_bases(input_ids: Tensor, spans: Tensor, cu_seqlens: Tensor, tokens: TokenBases) -> Tensor:
    """(G,) bool of all sequences end to end: bases that no visible token reveals, given ids (T,) and their spans (T,).

    Such a base is covered by a masked token and by no maskable token left visible. [UNK] (a token over N) is never
    masked and does not count as visible here: it names no letter of the bases it covers.
    """
    batch, numbers = checked(input_ids, cu_seqlens, None, tokens), checked_spans(spans, len(input_ids))
    each = [_hidden_bases(batch, s, numbers) for s in range(len(batch.keys))]
    return torch.from_numpy(np.concatenate([np.zeros(0, dtype=np.bool_), *each]))


@jit
def _hidden_bases(batch: Packed, s: Int, spans: Array) -> Array:
    """The same for sequence number s."""
    first, stop = batch.bounds[s], batch.bounds[s + 1]
    start, n_bases, maskable, length = lay_out(batch.input_ids[first:stop], batch.vocabulary)
    hidden, visible = np.zeros(length, dtype=np.bool_), np.zeros(length, dtype=np.bool_)
    for t in range(stop - first):
        if maskable[t]:
            (hidden if spans[first + t] > 0 else visible)[start[t] : start[t] + n_bases[t]] = True
    return hidden & ~visible
