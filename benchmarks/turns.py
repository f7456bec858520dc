"""Timing in turns: functions in, the seconds of each round out, and the ratios that other load disturbs least."""

import gc
import math
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

NOISY = 0.10
"""Spread of the wall clock above which the verdict is taken from CPU seconds."""


class Turn(NamedTuple):
    """One step of one side."""

    wall_s: float
    cpu_s: float  # of all threads of this process, and of the programs it started that have ended


@dataclass(frozen=True)
class Budget:
    """Limits of a measurement: a number of rounds, and an end by time.time(); a third of the time is for the turns."""

    rounds: int
    until: float = math.inf
    began: float = field(default_factory=time.time)

    def may_start(self) -> bool:
        """Whether there is time to start one more side."""
        return time.time() < self.began + (self.until - self.began) * 2 / 3

    def rounds_of(self, seconds: float) -> int:
        """How many rounds of `seconds` fit, besides one that is not counted."""
        return max(0, int(min(self.rounds, (self.until - time.time()) / max(seconds, 1e-9) - 1)))


def take_turns(steps: Mapping[str, Callable[[int], None]], rounds: int, device: torch.device) -> dict[str, list[Turn]]:
    """Run every side once a round, on the same batch, the first place rotating; one more round before does not count.

    A step takes the number of the round.
    """
    names = list(steps)
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for n in range(-1, rounds):
        first = n % max(len(names), 1)
        for name in names[first:] + names[:first]:
            turn = _timed(lambda: steps[name](max(n, 0)), device)  # noqa: B023 - called at once
            if n >= 0:
                turns[name].append(turn)
    return turns


def _timed(step: Callable[[], None], device: torch.device) -> Turn:
    gc.collect()
    wait(device)
    wall, cpu = time.perf_counter(), _cpu_seconds()
    step()
    wait(device)
    return Turn(time.perf_counter() - wall, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    programs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + programs.ru_utime + programs.ru_stime


def wait(device: torch.device) -> None:
    """Wait until a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Median over rounds of theirs / ours: how many times faster we are."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def spread(seconds: Sequence[float], work: Sequence[float]) -> float:
    """Interquartile range of the seconds per unit of work, over their median; batches differ in work."""
    rates = [s / w for s, w in zip(seconds, work, strict=True)]
    low, middle, high = statistics.quantiles(rates, n=4)
    return (high - low) / middle
