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
    loss_weights: Tensor  # (M,) float32, weight of each masked token in the loss

    def to(self, device: torch.device) -> "PackedBatch":
        """The same batch on `device`."""
        fields = self._asdict().items()
        moved: dict[str, Any] = {name: x.to(device, non_blocking=True) for name, x in fields if isinstance(x, Tensor)}
        return self._replace(**moved)


@dataclass(frozen=True)
class TokenBases:
    """What masking must know of a vocabulary, and nothing else of the tokenizer.

    A token covers `n_bases` bases and the next one starts `stride` bases later. For text the unit is the token
    itself: k = stride = 1, every ordinary token covers one unit, and `letters` is empty.
    """

    k: int
    stride: int
    mask_id: int
    maskable: Tensor  # (V,) bool, False for special tokens, [UNK] and padding of the vocabulary
    n_bases: Tensor  # (V,) int64, bases the token covers: k for k-mers, [UNK] and [MASK], 0 for [CLS] [SEP] [PAD]
    letters: Tensor  # (V, k) uint8, A0 C1 G2 T3, 4 where unknown; (V, 0) for text
    kmer_ids: Tensor  # (4**k,) int64, id of each k-mer in ACGT lexicographic order; (0,) for text
    word_start: Tensor  # (V,) bool, text: the token begins a word; all True for DNA

    @property
    def is_dna(self) -> bool:
        """True where tokens are made of bases, False for text."""
        return self.kmer_ids.numel() > 0

    @property
    def equally_long(self) -> bool:
        """Do all tokens cover as many units, as k-mers and words (one each) do, and BPE tokens do not?"""
        return bool((self.n_bases[self.maskable] == self.k).all())

    @cached_property
    def maskable_ids(self) -> Tensor:
        """(n,) int64, the ids that may be masked, and drawn in place of others."""
        return self.maskable.nonzero().squeeze(1)

    def to(self, device: torch.device) -> "TokenBases":
        """The same tables on `device`."""
        if self.maskable.device == device:
            return self
        moved: dict[str, Any] = {name: x.to(device) for name, x in vars(self).items() if isinstance(x, Tensor)}
        moved.pop("maskable_ids", None)
        return replace(self, **moved)
