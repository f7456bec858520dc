"""From a source of sequences to the masked microbatches of a step: the same for any run that asks for that step."""

import math
import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from genomask.data.fixed_shape import DEVIATIONS, BatchShape, Expected, to_fixed_shape
from genomask.data.growth import Growth
from genomask.data.packing import split_microbatches, take, take_batch, to_batch
from genomask.data.sources import Source
from genomask.hashing import make_keys
from genomask.machine.threads import compute_alone
from genomask.masking import MaskAccount, MaskPlan, Strategy, account, corrupt
from genomask.masking.curricula import Phase
from genomask.training import distributed
from genomask.types import PackedBatch, TokenBases, TokenSequences

Tokens = Callable[[], TokenSequences]
"""Makes sequences from what was read."""
AHEAD = 1
"""Steps between a curriculum's decision to switch and the first batch that follows it."""


@dataclass(frozen=True)
class StepBatches:
    """What one step trains on, in this process."""

    step: int
    microbatches: list[PackedBatch]
    unfilled: list[PackedBatch]
    """The same without filling up to a fixed shape: what counts as work."""
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
    """At most; fewer where `shape` has fewer."""
    shape: BatchShape | None = None
    """What every microbatch is filled up to for a compiled model; None: not filled up."""
    workers: int = 1
    """Threads that make batches ahead; their number does not change the batches."""
    growth: Growth | None = None
    """Sequences are shorter in the first steps, which have more of them; None: all steps have the same number."""

    def of(self, step: int, switched_at: int | None = None) -> StepBatches:
        """The microbatches of step number `step` (from 0) of a run whose curriculum switched before switched_at.

        With several processes, each gets its own part of the step's sequences, masked as always.
        """
        return self.made(step, self._read(step), switched_at)

    def stream(
        self, first_step: int, steps: int, switched_at: Callable[[], int | None]
    ) -> Generator[StepBatches, None, None]:
        """Steps first_step .. steps - 1 in order, made ahead by threads: at most one each, besides the one in training.

        One more thread reads what must be read in order. switched_at() is called before each step; what was made ahead
        without knowing of a switch is made again. An error in a thread is raised here, in place of its step. Closing
        the generator ends the threads.
        """
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # otherwise each thread would use every core
        read: deque[Future[Tokens]] = deque()
        ahead: deque[Future[StepBatches]] = deque()
        switched = switched_at()
        reader = ThreadPoolExecutor(1, "batches-read", initializer=compute_alone)
        pool = ThreadPoolExecutor(self.workers, "batches", initializer=compute_alone)
        try:
            for step in range(first_step, steps):
                if switched_at() != switched:
                    switched = switched_at()
                    ahead.clear()
                for number in range(step + len(read), min(step + self.workers + 1, steps)):
                    read.append(reader.submit(self._read, number))
                for number in range(step + len(ahead), step + len(read)):
                    ahead.append(pool.submit(self._when_read, number, read[number - step], switched))
                yield ahead.popleft().result()
                read.popleft()
        finally:
            for threads in (reader, pool):
                threads.shutdown(cancel_futures=True)

    def _read(self, step: int) -> Tokens:
        return self.source.read(*self._part(step))

    def _when_read(self, step: int, read: Future[Tokens], switched_at: int | None) -> StepBatches:
        return self.made(step, read.result(), switched_at)

    def _part(self, step: int) -> tuple[int, int]:
        """First and count of a step's sequences that this process trains on."""
        if self.growth is not None:
            return distributed.part(*self.growth.sequences_of(step))
        return distributed.part(step * self.sequences_per_step, self.sequences_per_step)

    @property
    def longest_step(self) -> int:
        """The first step with the longest sequences."""
        return self.growth.last.first_step if self.growth else 0

    @property
    def longest_sequences(self) -> int:
        """Number of the first sequence of that step."""
        return self.growth.last.first if self.growth else 0

    def made(self, step: int, tokens: Tokens, switched_at: int | None) -> StepBatches:
        """The same as `of`, from what was read for the step."""
        first, count = self._part(step)
        sequences = tokens()
        keys = make_keys(self.seed, step, np.arange(first, first + count))
        strategy = self.plan.at(step, switched_at)
        masked = mask(
            sequences, torch.from_numpy(keys), strategy, tokens=self.source.token_bases, corruption=self.corruption
        )
        unfilled = cut(sequences, masked, self.shape.tokens if self.shape else self.tokens_per_microbatch)
        microbatches = unfilled
        if self.shape is not None:
            microbatches = [fixed for batch in unfilled for fixed in to_fixed_shape(batch, self.shape)]
        return StepBatches(step, microbatches, unfilled, masked.account, self.plan.phase_of(step, switched_at))


class Masked(NamedTuple):
    """Sequences as they are trained on."""

    input_ids: torch.Tensor  # (T,) corrupted
    labels: torch.Tensor  # (T,)
    weights: torch.Tensor | None  # (T,) float32, the strategy's weight of each masked token; None if all are 1
    account: MaskAccount


def mask(
    sequences: TokenSequences, keys: torch.Tensor, strategy: Strategy, *, tokens: TokenBases, corruption: str
) -> Masked:
    """Mask and corrupt every sequence by its key."""
    ids, cu_seqlens = sequences.input_ids, sequences.cu_seqlens
    spans, weights = strategy.select_weighted(ids, cu_seqlens, keys)
    input_ids, labels = corrupt(ids, spans, cu_seqlens, keys, tokens=tokens, per=corruption)
    return Masked(input_ids, labels, weights, account(ids, input_ids, spans, cu_seqlens, tokens))


def expected_part(how: Batches, count: int) -> Expected:
    """What a process is expected to have of a step, from `count` sequences from the longest step on.

    Its tokens are three standard deviations above the mean; of the plan's strategies, the one that masks most counts.
    """
    first = how.longest_sequences
    sequences = how.source.train(first, count)
    keys = torch.from_numpy(make_keys(how.seed, how.longest_step, np.arange(first, first + count)))
    accounts = [
        mask(sequences, keys, strategy, tokens=how.source.token_bases, corruption=how.corruption).account
        for strategy in how.plan.strategies.values()
    ]
    of_part = -(-how.sequences_per_step // distributed.size())
    lengths = sequences.lengths.double()
    tokens = of_part * float(lengths.mean()) + DEVIATIONS * of_part**0.5 * float(lengths.std(correction=0))
    most = max(stage.sequences for stage in how.growth.stages) if how.growth else how.sequences_per_step
    fraction = max(account.tokens_masked_fraction for account in accounts)
    return Expected(math.ceil(tokens), -(-most // distributed.size()), fraction)


def cut(
    sequences: TokenSequences, masked: Masked, tokens_per_microbatch: int, rows: slice = slice(None)
) -> list[PackedBatch]:
    """Packed batches of whole sequences, in order, each within the token budget; of all, or only of `rows`."""
    of_tokens = masked.weights, sequences.token_weights
    whole = to_batch(masked.input_ids, masked.labels, sequences.cu_seqlens, sequences.weights, *of_tokens)
    first = rows.start or 0
    parts = split_microbatches(take(sequences, rows), tokens_per_microbatch)
    return [take_batch(whole, slice(first + part.start, first + part.stop)) for part in parts]
