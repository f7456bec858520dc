"""From a source of sequences to the masked microbatches of a step: the same for any run that asks for that step."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from genomask.data.fixed_shape import BatchShape, to_fixed_shape
from genomask.data.packing import split_microbatches, take_batch, to_batch
from genomask.data.sources import Source
from genomask.hashing import make_keys
from genomask.masking import MaskAccount, MaskPlan, Strategy, account, corrupt
from genomask.masking.curricula import Phase
from genomask.training import distributed
from genomask.types import PackedBatch, TokenBases, TokenSequences

AHEAD = 1
"""Batches that are made while the one before them trains."""


@dataclass(frozen=True)
class StepBatches:
    """What one step trains on, in this process."""

    step: int
    microbatches: list[PackedBatch]
    masks: MaskAccount
    phase: Phase


@dataclass(frozen=True)
class Batches:
    """Masked batches of every step: `of` is a pure function."""

    source: Source
    plan: MaskPlan
    corruption: str
    seed: int
    sequences_per_step: int
    tokens_per_microbatch: int
    shape: BatchShape | None = None
    """What every microbatch is filled up to for a compiled model; None: as long as it is."""

    def of(self, step: int, switched_at: int | None = None) -> StepBatches:
        """The microbatches of step number `step` (from 0) of a run whose curriculum switched before switched_at.

        Of several processes each gets its own part of the step's sequences, masked as they always are.
        """
        first, count = distributed.part(step * self.sequences_per_step, self.sequences_per_step)
        sequences = self.source.train(first, count)
        keys = make_keys(self.seed, step, np.arange(first, first + count))
        strategy = self.plan.at(step, switched_at)
        masked = mask(
            sequences, torch.from_numpy(keys), strategy, tokens=self.source.token_bases, corruption=self.corruption
        )
        microbatches = cut(sequences, masked, self.tokens_per_microbatch)
        if self.shape is not None:
            microbatches = [fixed for batch in microbatches for fixed in to_fixed_shape(batch, self.shape)]
        return StepBatches(step, microbatches, masked.account, self.plan.phase_of(step, switched_at))

    def stream(self, first_step: int, steps: int, switched_at: Callable[[], int | None]) -> Iterator[StepBatches]:
        """Steps first_step .. steps - 1, each made while the one before it trains.

        switched_at() is asked before a batch is made. What is decided once `done` steps are done thus reaches step
        number done + AHEAD at the earliest: the batch of step `done` was begun before.
        """
        with ThreadPoolExecutor(max_workers=1) as worker:
            ahead = worker.submit(self.of, first_step, switched_at()) if first_step < steps else None
            for step in range(first_step, steps):
                assert ahead is not None
                ready = ahead.result()
                ahead = worker.submit(self.of, step + 1, switched_at()) if step + 1 < steps else None
                yield ready


class Masked(NamedTuple):
    """Sequences as they are trained on."""

    input_ids: torch.Tensor  # (T,) corrupted
    labels: torch.Tensor  # (T,)
    weights: torch.Tensor | None  # (T,) float32, what the strategy weighs each masked token by; None where all are 1
    account: MaskAccount


def mask(
    sequences: TokenSequences, keys: torch.Tensor, strategy: Strategy, *, tokens: TokenBases, corruption: str
) -> Masked:
    """Mask and corrupt every sequence by its key."""
    ids, cu_seqlens, _ = sequences
    spans, weights = strategy.select_weighted(ids, cu_seqlens, keys)
    input_ids, labels = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=corruption)
    return Masked(input_ids, labels, weights, account(ids, input_ids, spans, cu_seqlens, tokens))


def masked_fraction(how: Batches, count: int) -> float:
    """The largest fraction of tokens that a strategy of the plan masks, on the first `count` sequences of training."""
    sequences = how.source.train(0, count)
    keys = torch.from_numpy(make_keys(how.seed, 0, np.arange(count)))
    accounts = [
        mask(sequences, keys, strategy, tokens=how.source.token_bases, corruption=how.corruption).account
        for strategy in how.plan.strategies.values()
    ]
    return max(account.tokens_masked_fraction for account in accounts)


def cut(sequences: TokenSequences, masked: Masked, tokens_per_microbatch: int) -> list[PackedBatch]:
    """Packed batches of whole sequences, in order, each within the token budget."""
    whole = to_batch(masked.input_ids, masked.labels, sequences.cu_seqlens, sequences.weights, masked.weights)
    return [take_batch(whole, part) for part in split_microbatches(sequences, tokens_per_microbatch)]
