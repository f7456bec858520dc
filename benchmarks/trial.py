"""What sides are measured on: a case (a recipe's lengths, vocabulary and mask rate) in, the same batches out."""

from dataclasses import dataclass

import torch
from mixes import MIXES, Batch, draw_batch
from sides import Shape
from tables import SPARSE, STRICTEST

from genomask.data.fixed_shape import BatchShape, Expected, to_fixed_shape


@dataclass(frozen=True)
class Case:
    """What a batch is made of; `sequences` of them fill 65,536 tokens when padded."""

    mix: str
    shape: Shape
    mask_rate: float
    peers: tuple[str, ...] = (STRICTEST, SPARSE, "HF BERT")
    """The most important first, as time may end before the last one's turn."""


def _base(sequences: int, vocabulary: int) -> Shape:
    return Shape(width=768, layers=12, heads=12, intermediate=3072, sequences=sequences, vocabulary=vocabulary)


CASES = {
    "c4-base": Case("c4", _base(512, 30_522), 0.30),
    "genome-base": Case("dna", _base(128, 4_101), 0.15),
    # HF BERT has positions for only 512 tokens
    "genome-base-8k": Case("8k", _base(8, 4_101), 0.15, peers=(SPARSE,)),
    "genome-base-32k": Case("32k", _base(2, 4_101), 0.15, peers=(SPARSE,)),
}


@dataclass(frozen=True)
class Trial:
    """Batches as they are, and filled up to one shape for compiled models; device and precision."""

    batches: list[Batch]
    fixed: list[Batch]
    device: torch.device
    precision: str

    @classmethod
    def of(cls, case: Case, count: int, device: torch.device, precision: str) -> "Trial":
        """`count` batches of the case."""
        mix, shape = MIXES[case.mix], case.shape
        batches = [draw_batch(mix, shape.sequences, shape.vocabulary, case.mask_rate, n) for n in range(count)]
        fixed = fill_up(batches, case)
        return cls([x.to(device) for x in batches], [x.to(device) for x in fixed], device, precision)


def in_order(batches: list[Batch], rounds: int) -> list[Batch]:
    """The batch of each round."""
    return [batches[n % len(batches)] for n in range(rounds)]


def fill_up(batches: list[Batch], case: Case) -> list[Batch]:
    """The batches in the one shape that holds them all; a benchmark whose batch had to be split would be wrong."""
    longest = MIXES[case.mix].longest
    tokens = -(-max(sum(batch.lengths) for batch in batches) // 128) * 128
    sequences = max(len(batch.lengths) for batch in batches)
    shape = BatchShape.of(Expected(tokens, sequences, case.mask_rate), longest, tokens)
    filled = []
    for batch in batches:
        (packed,) = to_fixed_shape(batch.packed, shape)
        sequence = torch.searchsorted(packed.cu_seqlens[1:], packed.masked_index.int(), right=True)
        lengths = packed.cu_seqlens.diff().tolist()
        filled.append(Batch(packed, batch.padded, lengths, torch.bincount(sequence, minlength=len(lengths)).tolist()))
    return filled
