"""Runs arms as processes side by side, one on each GPU or, without GPUs, one on each core, with a bar for each."""

import logging
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import torch

from genomask.commands.compare.arms import Arm, arm_process, threads_for
from genomask.commands.run_folder.folder import is_finished, steps_done
from genomask.errors import Stopped
from genomask.machine.process import usable_cores
from genomask.terminal.progress import Bars
from genomask.training.metrics_log import parse_metrics
from genomask.training.signals import interrupts_held, listen_for_stop

POLL_SECONDS = 0.5

log = logging.getLogger(__name__)


class Running(NamedTuple):
    """A running arm, the end of the pipe on which it reports why it failed, and its place."""

    arm: Arm
    words: Connection
    gpu: str | None


def places(arms: int, device: str) -> list[str | None]:
    """Where arms may run side by side: on the GPUs, as CUDA_VISIBLE_DEVICES names them, or on a core each.

    A core is None if there is no GPU, and "" if none is to be used: this hides the GPUs, as few-shot takes any that it
    sees.
    """
    if device == "cpu":
        return [""] * min(arms, usable_cores())
    gpus = torch.cuda.device_count()
    if gpus == 0:
        return [None] * min(arms, usable_cores())
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [*(given.split(",") if given else map(str, range(gpus)))][: min(arms, gpus)]


def run_arms(arms: list[Arm]) -> dict[str, str]:
    """Run the unfinished arms; returns name of each arm that failed -> why, after all others have run.

    Raises Stopped, when asked to stop, after the arms have saved a checkpoint.
    """
    failed: dict[str, str] = {}
    waiting = [arm for arm in arms if not arm.is_finished]
    if not waiting:
        return failed
    free = places(len(waiting), waiting[0].recipe.training.device)
    workers = len(free)
    spawn = multiprocessing.get_context("spawn")
    running: dict[BaseProcess, Running] = {}
    with listen_for_stop() as stop, ArmBars(arms) as bars:
        try:
            while waiting or running:
                while waiting and free:
                    _start(spawn, waiting.pop(0), threads_for(workers), free.pop(0), running)
                time.sleep(POLL_SECONDS)
                bars.update([at_work.arm for at_work in running.values()])
                if stop.signal_number:
                    break
                failed |= _collect(running, free)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.join()
        if stop.signal_number:
            raise Stopped(stop.signal_number, f"stopped; {_what_is_kept(arms)}")
        bars.update([])
    return failed


def _start(spawn: SpawnContext, arm: Arm, threads: int, gpu: str | None, running: dict[BaseProcess, Running]) -> None:
    """Start the arm in its own process, which accepts Ctrl-C only once it can end without a traceback."""
    words, speak = spawn.Pipe(duplex=False)
    process: BaseProcess = spawn.Process(target=arm_process, args=(arm, threads, gpu, speak))
    with interrupts_held():  # until it is among those that end with this process
        process.start()
        speak.close()
        running[process] = Running(arm, words, gpu)


def _what_is_kept(arms: list[Arm]) -> str:
    """What the same command will find of stopped arms, once they have ended."""
    if any(steps_done(arm.folder) or is_finished(arm.folder) for arm in arms):
        return "the same command continues from the checkpoints"
    return "no arm had a checkpoint yet, so the same command starts them again"


def _collect(running: dict[BaseProcess, Running], free: list[str | None]) -> dict[str, str]:
    """Drop the processes that ended, whose places are `free` again; returns each arm that ended badly -> why."""
    failed = {}
    for process in [process for process in running if not process.is_alive()]:
        arm, words, gpu = running.pop(process)
        free.append(gpu)
        if process.exitcode:
            failed[arm.name] = _last_words(arm, words, process.exitcode)
            log.warning("arm %s failed, the others continue: %s", arm.name, failed[arm.name])
    return failed


def _last_words(arm: Arm, words: Connection, exit_code: int) -> str:
    """Why the arm ended, in its own words, or where to look for them."""
    with suppress(EOFError):
        said: str = words.recv()
        return said
    name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit {exit_code}"
    return f"its process ended by {name}; see {arm.log}, then run the same command again to continue."


class ArmBars(Bars):
    """Bars that show how far each arm is, read from its run folder."""

    def __init__(self, arms: list[Arm]) -> None:
        super().__init__()
        self._arms = {arm: self.add(arm.name, arm.recipe.training.steps, "step", "waiting") for arm in arms}

    def update(self, running: list[Arm]) -> None:
        """Show how far each arm is."""
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
        measured = results.read_bytes().count(b"\n") - 1 if results.exists() else 0  # without the header
        return arm.recipe.training.steps, f"few-shot, {max(measured, 0)} measured"
    rows, _ = parse_metrics(arm.folder / "metrics.jsonl")
    rows = [row for row in rows if "loss_nats_per_masked_token" in row]
    if not rows:
        return 0, "starting"
    return rows[-1]["step"], f"loss {rows[-1]['loss_nats_per_masked_token']:.3f} nats"
