"""Batches as in pretraining: a mix of lengths and a seed in, the same tokens packed and padded out.

Letters: B sequences, S tokens of the padded length, T tokens of all packed sequences.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from genomask.data.packing import to_batch
from genomask.types import IGNORE, PackedBatch

FIRST_ORDINARY_ID = 5  # as in the k-mer vocabulary: the ids before it are special
MASK_ID = 4


@dataclass(frozen=True)
class Mix:
    """How long the sequences of a batch are: `full_fraction` of them `longest` tokens, the others uniform from 5."""

    longest: int
    full_fraction: float

    def lengths(self, sequences: int, generator: torch.Generator) -> list[int]:
        """Lengths of the sequences of one batch, in random order."""
        full = round(sequences * self.full_fraction)
        others = torch.randint(5, self.longest + 1, (sequences - full,), generator=generator).tolist()
        lengths = torch.tensor([self.longest] * full + others)
        return lengths[torch.randperm(sequences, generator=generator)].tolist()


MIXES = {
    "dna": Mix(longest=512, full_fraction=0.5),
    "c4": Mix(longest=128, full_fraction=0.75),
    "8k": Mix(longest=8_192, full_fraction=1.0),
    "32k": Mix(longest=32_768, full_fraction=1.0),
}
"""dna: DNABERT's windows with [CLS] and [SEP]; a quarter of the padded batch is padding. c4: documents cut to 128 word
pieces; three quarters of them are longer, as in the C4 sample that set this (22 of 30)."""


@dataclass(frozen=True)
class Batch:
    """The same tokens in both forms."""

    packed: PackedBatch
    padded: dict[str, Tensor]  # input_ids, attention_mask, labels: (B, S) int64
    lengths: list[int]
    masked: list[int]  # masked tokens of each sequence

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        padded = {name: x.to(device) for name, x in self.padded.items()}
        return Batch(self.packed.to(device), padded, self.lengths, self.masked)

    @property
    def pad_fraction(self) -> float:
        """The fraction of the padded tokens that is padding."""
        return 1 - sum(self.lengths) / self.padded["input_ids"].numel()


def draw_batch(mix: Mix, sequences: int, vocabulary: int, mask_rate: float, seed: int) -> Batch:
    """One batch of random ids, `mask_rate` of them masked; padded to the mix's longest, as by a collator."""
    generator = torch.Generator().manual_seed(seed)
    lengths = mix.lengths(sequences, generator)
    labels = torch.randint(FIRST_ORDINARY_ID, vocabulary, (sum(lengths),), generator=generator)
    masked = torch.rand(len(labels), generator=generator) < mask_rate
    input_ids = labels.masked_fill(masked, MASK_ID)
    labels = labels.masked_fill(~masked, IGNORE)
    cu_seqlens = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    padded = {
        "input_ids": _pad(input_ids, lengths, mix.longest, 0),
        "attention_mask": _pad(torch.ones_like(input_ids), lengths, mix.longest, 0),
        "labels": _pad(labels, lengths, mix.longest, IGNORE),
    }
    packed = to_batch(input_ids, labels, cu_seqlens, torch.ones(sequences))
    return Batch(packed, padded, lengths, [int(piece.sum()) for piece in masked.split(lengths)])


def _pad(packed: Tensor, lengths: list[int], longest: int, fill: int) -> Tensor:
    """(T,) -> (B, S), filled up at the ends."""
    return torch.stack([F.pad(row, (0, longest - len(row)), value=fill) for row in packed.split(lengths)])
