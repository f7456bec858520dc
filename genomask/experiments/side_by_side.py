"""Runs arms as processes, as many side by side as there are cores (one at a time on a GPU), with a bar for each."""

import multiprocessing
import signal
import time
from multiprocessing.process import BaseProcess

import pandas as pd
import torch

from genomask.cores import usable_cores
from genomask.errors import Stopped, TrainingError
from genomask.experiments.arms import Arm, arm_process, threads_for
from genomask.progress import Bars
from genomask.training.metrics_log import read_metrics
from genomask.training.signals import StopRequest, listen_for_stop

POLL_SECONDS = 0.5


def run_arms(arms: list[Arm]) -> None:
    """Run what is not finished; raises what stopped an arm, after the others have saved a checkpoint."""
    waiting = [arm for arm in arms if not arm.is_finished]
    if not waiting:
        return
    workers = 1 if torch.cuda.is_available() else min(len(waiting), usable_cores())
    spawn = multiprocessing.get_context("spawn")
    running: dict[BaseProcess, Arm] = {}
    process: BaseProcess
    with listen_for_stop() as stop, ArmBars(arms) as bars:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    arm = waiting.pop(0)
                    process = spawn.Process(target=arm_process, args=(arm, threads_for(workers)))
                    process.start()
                    running[process] = arm
                time.sleep(POLL_SECONDS)
                bars.update(list(running.values()))
                _collect(running, stop)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.join()
        bars.update([])


def _collect(running: dict[BaseProcess, Arm], stop: StopRequest) -> None:
    """Drop the processes that ended well; raise for one that did not, or for a request to stop."""
    if stop.signal_number:
        raise Stopped(stop.signal_number, "stopped; the same command goes on from the checkpoints")
    for process in [process for process in running if not process.is_alive()]:
        arm = running.pop(process)
        if process.exitcode:
            raise TrainingError(f"arm {arm.name} failed: {_last_words(arm, process.exitcode)}")


def _last_words(arm: Arm, exit_code: int) -> str:
    """The message of an arm's UserError, or where to look for what it said."""
    log = arm.folder.parent / f"{arm.folder.name}.log"
    if exit_code == 2 and log.exists():
        return log.read_text(encoding="utf-8").rstrip().rsplit("\n", 1)[-1].removeprefix("error: ")
    name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit {exit_code}"
    return f"its process ended by {name}; see {log}, then run the same command again to go on."


class ArmBars:
    """How far each arm is, read from its run folder."""

    def __init__(self, arms: list[Arm]) -> None:
        self._bars = Bars()
        self._arms = {arm: self._bars.add(arm.name, arm.recipe.training.steps, "steps", "waiting") for arm in arms}

    def __enter__(self) -> "ArmBars":
        self._bars.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.__exit__(*error)

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
    rows = [row for row in read_metrics(arm.folder / "metrics.jsonl") if "loss_nats_per_masked_token" in row]
    if not rows:
        return 0, "starting"
    return rows[-1]["step"], f"loss {rows[-1]['loss_nats_per_masked_token']:.3f} nats"
