"""The small frozen types that pass between rooms.

Letters: T tokens of all packed sequences, B sequences, M masked tokens, V ids of the vocabulary.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

IGNORE = -100
"""Label of a token whose loss is not taken (the convention of PyTorch and transformers)."""


class TokenSequences(NamedTuple):
    """Tokenised sequences end to end, before masking; special tokens ([CLS] ... [SEP]) included."""

    input_ids: Tensor  # (T,) int64
    cu_seqlens: Tensor  # (B + 1,) int32, starts at 0, ends at T
    weights: Tensor  # (B,) float32, weight of each sequence in the training loss, 1 unless a policy says otherwise
    token_weights: Tensor | None = None  # (T,) float32, a further weight of each token's loss; None where all are 1
    token_types: Tensor | None = None  # (T,) int64, 1 for the tokens of a pair's second text; None where all are 0

    @property
    def lengths(self) -> Tensor:
        """(B,) int64 tokens of each sequence."""
        return self.cu_seqlens.diff().long()


class PackedBatch(NamedTuple):
    """What the encoder takes: packed sequences with no padding between them."""

    input_ids: Tensor  # (T,) int64
    labels: Tensor  # (T,) int64, IGNORE where no loss is taken
    cu_seqlens: Tensor  # (B + 1,) int32, starts at 0, ends at T
    max_seqlen: int  # at least the longest sequence, in tokens
    masked_index: Tensor  # (M,) int64, positions of the tokens whose label is not IGNORE
    loss_weights: Tensor  # (M,) float32, weight of each masked token in the loss: its sequence's times its own

    def to(self, device: torch.device) -> "PackedBatch":
        """The same batch on `device`."""
        fields = self._asdict().items()
        moved: dict[str, Any] = {name: x.to(device, non_blocking=True) for name, x in fields if isinstance(x, Tensor)}
        return self._replace(**moved)


@dataclass(frozen=True, eq=False)
class TokenBases:
    """What masking needs to know of a vocabulary, and nothing else of the tokenizer.

    A token covers `n_bases` bases, and the next one starts k - stride bases before its end. For text the unit is the
    token itself: k = stride = 1, every ordinary token covers one unit, and `letters` is empty.
    """

    k: int  # bases of a token; 1 where tokens differ in length
    stride: int  # bases from the start of a token to that of the next; k where tokens do not overlap
    mask_id: int
    maskable: Tensor  # (V,) bool, False for special tokens, [UNK] and padding of the vocabulary
    n_bases: Tensor  # (V,) int64, bases the token covers: k for k-mers, [UNK] and [MASK], 0 for [CLS] [SEP] [PAD]
    letters: Tensor  # (V, longest) uint8, A0 C1 G2 T3, 4 where unknown or beyond its end; (V, 0) for text
    kmer_ids: Tensor  # (4**k,) int64, id of each k-mer in ACGT lexicographic order; (0,) where ids are not k-mers
    word_start: Tensor  # (V,) bool, text: the token begins a word; all True for DNA

    @property
    def of_bases(self) -> bool:
        """Is the unit the base, as in all DNA? For text it is the token."""
        return self.letters.shape[1] > 0

    @property
    def of_kmers(self) -> bool:
        """Are the ids all words of k bases, so that a token's probabilities can be summed to those of a base?"""
        return self.kmer_ids.numel() > 0

    @property
    def overlapping(self) -> bool:
        """Do neighbouring tokens share bases?"""
        return self.stride < self.k

    @property
    def tokens_over_a_base(self) -> float:
        """How many tokens cover a base, away from the ends of its sequence."""
        return self.k / self.stride

    @property
    def most_tokens_over_a_base(self) -> int:
        """The same, rounded up: the most that cover any base."""
        return -(-self.k // self.stride)

    @property
    def equally_long(self) -> bool:
        """Do all tokens cover the same number of units, as k-mers and words (one each) do and BPE tokens do not?"""
        return bool((self.n_bases[self.maskable] == self.k).all())

    @cached_property
    def maskable_ids(self) -> Tensor:
        """(n,) int64, the ids that may be masked, and drawn in place of others."""
        return self.maskable.nonzero().squeeze(1)

    def places(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Bases [start, stop) that each token of the sequences (..., S) covers, both int64; empty for specials."""
        n_bases = self.n_bases[input_ids]
        steps = (n_bases - (self.k - self.stride)).clamp(min=0)
        start = steps.cumsum(-1) - steps
        return start, start + n_bases

    def places_packed(self, tokens: "TokenSequences") -> tuple[Tensor, Tensor]:
        """The same for packed sequences, (T,), each counted from its own first base."""
        start, stop = self.places(tokens.input_ids)
        before = start[tokens.cu_seqlens[:-1].long()].repeat_interleave(tokens.lengths)
        return start - before, stop - before

    def to(self, device: torch.device) -> "TokenBases":
        """The same tables on `device`."""
        if self.maskable.device == device:
            return self
        moved: dict[str, Any] = {name: x.to(device) for name, x in vars(self).items() if isinstance(x, Tensor)}
        moved.pop("maskable_ids", None)
        return replace(self, **moved)
