"""Runs arms as processes, as many side by side as there are cores (one at a time on a GPU), with a bar for each."""

import logging
import multiprocessing
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import pandas as pd
import torch

from genomask.commands.compare.arms import Arm, arm_process, threads_for
from genomask.errors import Stopped
from genomask.machine.process import usable_cores
from genomask.terminal.progress import Bars
from genomask.training.metrics_log import parse_metrics
from genomask.training.signals import listen_for_stop

POLL_SECONDS = 0.5

log = logging.getLogger(__name__)


class Running(NamedTuple):
    """An arm in a process, and the end of a pipe that it says there why it failed."""

    arm: Arm
    words: Connection


def run_arms(arms: list[Arm]) -> dict[str, str]:
    """Run what is not finished; name of each arm that failed -> why, after all others have run.

    Raises Stopped, when asked to stop, after the arms have saved a checkpoint.
    """
    failed: dict[str, str] = {}
    waiting = [arm for arm in arms if not arm.is_finished]
    if not waiting:
        return failed
    workers = 1 if torch.cuda.is_available() else min(len(waiting), usable_cores())
    spawn = multiprocessing.get_context("spawn")
    running: dict[BaseProcess, Running] = {}
    process: BaseProcess
    with listen_for_stop() as stop, ArmBars(arms) as bars:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    arm, (words, speak) = waiting.pop(0), spawn.Pipe(duplex=False)
                    process = spawn.Process(target=arm_process, args=(arm, threads_for(workers), speak))
                    process.start()
                    speak.close()
                    running[process] = Running(arm, words)
                time.sleep(POLL_SECONDS)
                bars.update([arm for arm, _ in running.values()])
                if stop.signal_number:
                    raise Stopped(stop.signal_number, "stopped; the same command goes on from the checkpoints")
                failed |= _collect(running)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.join()
        bars.update([])
    return failed


def _collect(running: dict[BaseProcess, Running]) -> dict[str, str]:
    """Drop the processes that ended; of those that ended badly, the arm and why."""
    failed = {}
    for process in [process for process in running if not process.is_alive()]:
        arm, words = running.pop(process)
        if process.exitcode:
            failed[arm.name] = _last_words(arm, words, process.exitcode)
            log.warning("arm %s failed, the others go on: %s", arm.name, failed[arm.name])
    return failed


def _last_words(arm: Arm, words: Connection, exit_code: int) -> str:
    """What the arm says of its end, or where to look for what it said."""
    with suppress(EOFError):
        said: str = words.recv()
        return said
    name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit {exit_code}"
    return f"its process ended by {name}; see {arm.log}, then run the same command again to go on."


class ArmBars(Bars):
    """How far each arm is, read from its run folder."""

    def __init__(self, arms: list[Arm]) -> None:
        super().__init__()
        self._arms = {arm: self.add(arm.name, arm.recipe.training.steps, "steps", "waiting") for arm in arms}

    def update(self, running: list[Arm]) -> None:
        """Show where each arm is."""
        for arm, work in self._arms.items():
            if arm in running:
                step, status = _where(arm)
                work.show(step, status=status)
            elif arm.is_finished:
                work.end("finished")


def _where(arm: Arm) -> tuple[int, str]:
    """Step and stage of a running arm."""
    if (arm.folder / "model").exists():
        results = arm.folder / "fewshot" / "results.csv"
        measured = len(pd.read_csv(results)) if results.exists() else 0
        return arm.recipe.training.steps, f"few-shot, {measured} measured"
    rows, _ = parse_metrics(arm.folder / "metrics.jsonl")
    rows = [row for row in rows if "loss_nats_per_masked_token" in row]
    if not rows:
        return 0, "starting"
    return rows[-1]["step"], f"loss {rows[-1]['loss_nats_per_masked_token']:.3f} nats"
