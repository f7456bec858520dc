"""Windows that grow over a run: a step in, its sequences of the stream and their greatest length out.

A step of short windows has more of them, so that all steps have about as many tokens. Each number of the stream is used
once, and gives the step and the length of its sequence: nothing needs to be saved.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genomask.errors import counted


class Stage(NamedTuple):
    """Steps whose windows share one greatest length."""

    first_step: int
    first: int
    """Number of its first sequence in the stream."""
    sequences: int
    """In each step."""
    max_tokens: int


@dataclass(frozen=True)
class Growth:
    """The stages of a run, the last without end."""

    stages: tuple[Stage, ...]

    @classmethod
    def of(
        cls, warmup: Sequence[tuple[int, int]], max_tokens: int, sequences: int, mean: Callable[[int], float]
    ) -> "Growth":
        """For each (steps, tokens) of `warmup`, that many steps of such windows; then steps of `sequences` full ones.

        `tokens` and `max_tokens` are those of the longest windows; from them `mean` gives the expected tokens of any.
        """
        stages = []
        step = first = 0
        for steps, tokens in warmup:
            count = max(1, round(sequences * mean(max_tokens) / mean(tokens)))
            stages.append(Stage(step, first, count, tokens))
            step, first = step + steps, first + steps * count
        return cls((*stages, Stage(step, first, sequences, max_tokens)))

    def sequences_of(self, step: int) -> tuple[int, int]:
        """Number of the first sequence of a step, and how many it has."""
        stage = next(stage for stage in reversed(self.stages) if stage.first_step <= step)
        return stage.first + (step - stage.first_step) * stage.sequences, stage.sequences

    def longest_of(self, index: np.ndarray) -> np.ndarray:
        """(B,) int64, the most tokens that the windows numbered `index` may have."""
        stages = np.array(self.stages, dtype=np.int64)
        within = np.searchsorted(stages[:, Stage._fields.index("first")], index, side="right") - 1
        longest: np.ndarray = stages[within, Stage._fields.index("max_tokens")]
        return longest

    @property
    def last(self) -> Stage:
        """The stage of the longest windows."""
        return self.stages[-1]

    @property
    def words(self) -> str:
        """In words, such as '600 steps of 214 windows of up to 128 tokens, then of 64 of up to 512'."""
        before = []
        for stage, after in itertools.pairwise(self.stages):
            steps = after.first_step - stage.first_step
            of_them = f"{counted(stage.sequences, 'window')} of up to {stage.max_tokens:,} tokens"
            before.append(f"{counted(steps, 'step')} of {of_them}")
        return f"{', '.join(before)}, then of {self.last.sequences:,} of up to {self.last.max_tokens:,}"
