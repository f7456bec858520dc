"""From a source of sequences to the masked microbatches of a step: the same for any run that asks for that step."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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
        input_ids, labels, masks = mask(
            sequences, torch.from_numpy(keys), strategy, tokens=self.source.token_bases, corruption=self.corruption
        )
        microbatches = cut(sequences, input_ids, labels, self.tokens_per_microbatch)
        if self.shape is not None:
            microbatches = [fixed for batch in microbatches for fixed in to_fixed_shape(batch, self.shape)]
        return StepBatches(step, microbatches, masks, self.plan.phase_of(step, switched_at))

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


def mask(
    sequences: TokenSequences, keys: torch.Tensor, strategy: Strategy, *, tokens: TokenBases, corruption: str
) -> tuple[torch.Tensor, torch.Tensor, MaskAccount]:
    """Corrupted ids (T,), labels (T,) and the account of what was hidden."""
    spans = strategy.select(sequences.input_ids, sequences.cu_seqlens, keys)
    input_ids, labels = corrupt(sequences.input_ids, spans, sequences.cu_seqlens, keys, tokens=tokens, per=corruption)
    return input_ids, labels, account(sequences.input_ids, input_ids, spans, sequences.cu_seqlens, tokens)


def masked_fraction(how: Batches, count: int) -> float:
    """The largest fraction of tokens that a strategy of the plan masks, on the first `count` sequences of training."""
    sequences = how.source.train(0, count)
    keys = torch.from_numpy(make_keys(how.seed, 0, np.arange(count)))
    accounts = [
        mask(sequences, keys, strategy, tokens=how.source.token_bases, corruption=how.corruption)[2]
        for strategy in how.plan.strategies.values()
    ]
    return max(account.tokens_masked_fraction for account in accounts)


def cut(
    sequences: TokenSequences, input_ids: torch.Tensor, labels: torch.Tensor, tokens_per_microbatch: int
) -> list[PackedBatch]:
    """Packed batches of whole sequences, in order, each within the token budget."""
    whole = to_batch(input_ids, labels, sequences.cu_seqlens, sequences.weights)
    return [take_batch(whole, part) for part in split_microbatches(sequences, tokens_per_microbatch)]
