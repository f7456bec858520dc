"""Sides that train: how to build each in; they are started and timed one after the other, then timed in turns.

A side that fails, for lack of memory, of time or for any other reason, keeps the reason and stops no other.
"""

import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from mixes import Batch
from sides import Side, trainer
from trial import Trial
from turns import Budget, Turn, take_turns, wait

from genomask.training.compiling import compile_model
from genomask.training.device import autocast

GIB = 2**30
ALONE = 2
"""Rounds in which a newly started side is timed alone."""
NO_TIME = "no time was left to start it"


@dataclass(frozen=True)
class Entry:
    """A side to measure, and how; its model is built only when its turn comes."""

    name: str
    build: Callable[[], Side]
    backend: str
    """Attention backend of ours; empty for a peer."""
    compiled: bool

    def batches(self, trial: Trial) -> list[Batch]:
        """The side's batches; ours, compiled, takes them filled up to one shape."""
        return trial.fixed if self.backend and self.compiled else trial.batches


def entry_of(name: str, build: Callable[[], Side], backend: str, compiled: bool) -> Entry:
    """An entry whose name says how it runs."""
    full = ", ".join([name, *([backend] if backend else []), *(["compiled"] if compiled else [])])
    return Entry(full, build, backend, compiled)


@dataclass
class Runner:
    """One side in training; a failed one keeps the reason and stops training."""

    entry: Entry
    failed: str = ""
    side: Side | None = None
    train: Callable[[int], None] = lambda _: None
    """One step, on the batch of a round's number."""
    optimizer: torch.optim.Optimizer | None = None
    first_step_s: float = 0.0
    peak_bytes: int = 0
    alone: list[Turn] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name in the table."""
        return self.entry.name

    def step(self, n: int) -> None:
        """Train one step, unless an earlier one failed."""
        self.attempt(lambda: self.train(n))

    def attempt(self, what: Callable[[], None]) -> None:
        """Call `what`, unless something failed before; a side that fails frees its memory for the others."""
        if self.failed:
            return
        try:
            what()
        except Exception as error:  # noqa: BLE001 - a failed side has its error in its row, and the next one runs
            traceback.print_exc(file=sys.stderr)
            self.failed = f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:200]}"
        if self.failed:  # only now: until it was gone, the error held on to all that the step had made
            self._give_back()

    def _give_back(self) -> None:
        if self.side is not None:
            self.side.model.to("cpu")
        if self.optimizer is not None:
            self.optimizer.state.clear()
            self.optimizer.zero_grad()
        torch.cuda.empty_cache()


def start_all(entries: Iterable[Entry], trial: Trial, budget: Budget) -> Iterator[Runner]:
    """Start and time each side alone, one after the other; a side without time left is marked so."""
    for entry in entries:
        if not budget.may_start():
            yield Runner(entry, failed=NO_TIME)
            continue
        runner = start(entry, trial)
        alone = take_turns({runner.name: runner.step}, ALONE, trial.device)[runner.name]
        runner.alone = [] if runner.failed else alone
        yield runner


def start(entry: Entry, trial: Trial) -> Runner:
    """Put the side on the device; two steps compile it, for one shape and for any, a third measures its memory."""
    runner, began = Runner(entry), time.perf_counter()
    runner.attempt(lambda: _build(runner, trial))
    runner.step(0)
    wait(trial.device)
    runner.first_step_s = time.perf_counter() - began
    runner.step(1)
    runner.peak_bytes = peak(runner, trial.device)
    return runner


def _build(runner: Runner, trial: Trial) -> None:
    entry, device = runner.entry, trial.device
    runner.side = side = entry.build()
    model = side.model.to(device).train()
    runner.optimizer = optimizer = trainer(model)
    network, batches = model, entry.batches(trial)
    if entry.compiled:
        network = compile_model(model, device) if entry.backend else torch.compile(model)

    def train(n: int) -> None:
        with autocast(device, trial.precision):
            loss = network(**side.inputs(batches[n % len(batches)])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    runner.train = train


def turns_of(runners: list[Runner], trial: Trial, budget: Budget) -> dict[str, list[Turn]]:
    """The turns of all running sides, as many as time allows; if too few, what each took alone."""
    here = [runner for runner in runners if not runner.failed]
    rounds = budget.rounds_of(sum(median_s(runner.alone) for runner in here))
    if rounds < ALONE:
        return {runner.name: runner.alone for runner in here}
    turns = take_turns({runner.name: runner.step for runner in here}, rounds, trial.device)
    return {runner.name: turns[runner.name] for runner in here if not runner.failed}  # some may have failed in a turn


def median_s(turns: list[Turn]) -> float:
    """Median seconds by the wall clock."""
    return statistics.median(turn.wall_s for turn in turns)


def peak(runner: Runner, device: torch.device) -> int:
    """Bytes that a step takes: what it allocates beyond what was there before, and the side's own state."""
    if device.type != "cuda" or runner.failed:
        return 0
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    runner.step(1)
    assert runner.optimizer is not None
    return torch.cuda.max_memory_allocated(device) - before + _state_bytes(runner.optimizer)


def _state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Weights and AdamW's moments; gradients come and go within the step."""
    moments = [x for state in optimizer.state.values() for x in state.values()]
    weights = [x for group in optimizer.param_groups for x in group["params"]]
    return sum(x.numel() * x.element_size() for x in (*moments, *weights))
