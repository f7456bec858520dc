"""The arms of a comparison: one strategy and one pretraining seed each, pretrained and judged in a process of its own.

A finished arm is not run again; one that was stopped resumes from its last checkpoint and last measurement.
"""

import hashlib
import logging
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import torch

from genomask.commands.pretrain import pretrain
from genomask.commands.run_folder.changes import check_settings
from genomask.commands.run_folder.folder import CONFIG, check_facts, facts_of, is_finished
from genomask.data.genome import Genome
from genomask.data.opening import Inputs
from genomask.data.tasks import USUAL, Columns, LabelledTask, read_task
from genomask.errors import Stopped, UserError, disk_sentence
from genomask.fewshot.methods import WITHOUT_MODEL
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import RESULT_FILES, task_digest
from genomask.fewshot.run import check_results, run_fewshot
from genomask.files.atomic import atomic_write, sweep
from genomask.files.locking import locked
from genomask.machine.process import keep_freed_memory, usable_cores
from genomask.recipe import GenomeRecipe
from genomask.training.signals import stop_with_parent, take_interrupts

ORPHAN_SECONDS = 60.0
"""How long an arm waits for its folder: an arm of a killed comparison still ends a step, and saves it."""

VERDICT = "verdict.csv"
"""In a comparison's folder: the primary test, and its method."""

MOST_LETTERS = 120
"""In a folder's name; a file system allows 255, and a strategy may contain whole paths."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, on what, and how it is judged."""

    recipe: GenomeRecipe
    inputs: Inputs
    strategies: tuple[str, ...]
    seeds: int
    pool: Path
    test: Path
    fewshot: FewShotSettings
    out: Path
    columns: Columns = USUAL
    """Of pool and test."""
    verb: str = "compare"
    """The verb that `out` belongs to: a demo's folder is kept apart from others (run_folder/kinds.py)."""

    @property
    def control(self) -> str:
        """random-span if it takes part: it separates better spans from longer spans. Otherwise the first strategy."""
        return "random-span" if "random-span" in self.strategies else self.strategies[0]

    @cached_property
    def primary_method(self) -> str:
        """The first method for a pretrained encoder that was asked for when `out` had no verdict yet.

        Another order of --methods does not change it: it would be chosen with its result known.
        """
        try:
            return str(pd.read_csv(self.out / VERDICT)["method"].iloc[0])
        except (OSError, ValueError, LookupError):  # none yet, or one of an earlier version, which named no method
            return self.fewshot.pretrained[0]

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        """Hashes of the genome, the pool and the test: files may change under their names."""
        genome = Genome.open(self.inputs.genome, ambiguous=self.inputs.ambiguous)
        return genome.fingerprint, *map(task_digest, self.read_tasks())

    def read_tasks(self) -> tuple[LabelledTask, LabelledTask]:
        """The pool and the test."""
        return read_task(self.pool, columns=self.columns), read_task(self.test, columns=self.columns)

    def arms(self) -> list["Arm"]:
        """All arms, seed by seed, so that a comparison that is cut short is balanced."""
        return [Arm(self, strategy, seed) for seed in range(self.seeds) for strategy in self.strategies]


@dataclass(frozen=True)
class Arm:
    """One strategy with one pretraining seed."""

    comparison: Comparison
    strategy: str
    seed: int

    @property
    def name(self) -> str:
        """Its name for people."""
        return f"{self.strategy}/seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.comparison.out / "arms" / f"{folder_name(self.strategy)}-seed{self.seed}"

    @property
    def log(self) -> Path:
        """What its process prints."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def recipe(self) -> GenomeRecipe:
        """The comparison's, except strategy and seed: same steps, rate, weights, windows and order in every arm."""
        recipe = self.comparison.recipe
        masking = replace(recipe.masking, strategy=self.strategy)
        return replace(recipe, masking=masking, training=replace(recipe.training, seed=self.seed))

    @property
    def fewshot(self) -> FewShotSettings:
        """Floors depend on no strategy, those without a model on no seed: each is measured where it first occurs."""
        settings = self.comparison.fewshot
        if self.strategy != self.comparison.control:
            return replace(settings, methods=settings.pretrained)
        if self.seed > 0:
            return replace(settings, methods=tuple(x for x in settings.methods if x not in WITHOUT_MODEL))
        return settings

    @property
    def asked(self) -> str:
        """All that was asked of this arm, as done.txt records it."""
        comparison = self.comparison
        files = f"{comparison.pool}\n{comparison.test}\n{' '.join(comparison.fingerprints)}"
        return f"{self.recipe}\n{comparison.inputs}\n{self.fewshot}\n{files}\n"

    @property
    def is_finished(self) -> bool:
        """Whether it has recorded, as its last act, what it was asked; asked for anything else, it is not finished."""
        asked = self.asked  # of the files as they are before any arm runs; passed on to the arms' processes
        done = self.folder / "fewshot" / "done.txt"
        return done.is_file() and done.read_bytes() == asked.encode()


def folder_name(strategy: str) -> str:
    """A strategy as part of a path, such as span_p=0.1; with a fingerprint if letters had to go or change."""
    plain = strategy.replace(":", "_")
    safe = re.sub(r"[^A-Za-z0-9_=.-]", "-", plain)[:MOST_LETTERS]
    return safe if safe == plain else f"{safe}-{hashlib.sha256(strategy.encode()).hexdigest()[:6]}"


def check_arms(arms: list[Arm]) -> None:
    """Raises SettingsError if the folder of an arm holds a run of other settings or data than the arm would have.

    Each arm would find that out by itself, but in its own process, after others have worked. Finished arms were asked
    for the same.
    """
    begun = [arm for arm in arms if (arm.folder / CONFIG).exists() and not arm.is_finished]
    for arm in begun:
        check_settings(arm.folder, arm.recipe, arm.comparison.inputs, same_length=True)
    if not begun:
        return
    first = begun[0]  # strategy and seed do not change what is read
    fingerprint = first.recipe.open_source(first.comparison.inputs, first.folder).fingerprint
    for arm in begun:
        check_facts(arm.folder, facts_of(arm.recipe, fingerprint))
        _check_results(arm)


def _check_results(arm: Arm) -> None:
    """The same for the measurements of an arm."""
    if is_finished(arm.folder):
        pool, test = arm.comparison.read_tasks()
        check_results(arm.folder / "model", pool, test, arm.fewshot, arm.folder / "fewshot")


def run_arm(arm: Arm) -> None:
    """Pretrain, then measure few-shot."""
    resume = (arm.folder / CONFIG).exists()
    # every arm keeps one schedule, from its first step to its last
    pretrain(arm.recipe, arm.comparison.inputs, arm.folder, resume=resume, same_length=True, wait=ORPHAN_SECONDS)
    assert is_finished(arm.folder)
    results = arm.folder / "fewshot"
    with locked(results, wait=ORPHAN_SECONDS):
        sweep(results, *RESULT_FILES, "done.txt")
        measure(arm, arm.fewshot)
        atomic_write(results / "done.txt", arm.asked)


def measure(arm: Arm, settings: FewShotSettings) -> pd.DataFrame:
    """Measure few-shot what the arm's folder lacks, while its lock is held; returns the rows asked for."""
    pool, test = arm.comparison.read_tasks()
    return run_fewshot(
        arm.folder / "model",
        pool,
        test,
        settings,
        strategy=arm.strategy,
        pretraining_seed=arm.seed,
        out=arm.folder / "fewshot",
        progress=lambda done, total, what: None,
    )


def arm_process(arm: Arm, threads: int, gpu: str | None, words: Connection) -> None:
    """Entry of an arm's process: output goes to its log, the reason for a failure to `words`, with exit 2.

    gpu: the one it has to itself, as CUDA_VISIBLE_DEVICES names it; "": it sees none; None: there is none.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # before CUDA is first used
    stop_with_parent()
    torch.set_num_threads(threads)
    keep_freed_memory()  # set in the parent, it would not reach a spawned process
    try:
        take_interrupts()
        arm.folder.parent.mkdir(parents=True, exist_ok=True)
        with arm.log.open("a") as log, redirect_stdout(log), redirect_stderr(log):
            logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, stream=log, force=True)
            logging.raiseExceptions = False  # a full disk has no room for the traceback either
            _run_and_log(arm)
    except (UserError, OSError) as error:
        words.send(disk_sentence(error) if isinstance(error, OSError) else str(error))
        sys.exit(2)
    except (Stopped, KeyboardInterrupt):
        sys.exit(128)


def _run_and_log(arm: Arm) -> None:
    try:
        run_arm(arm)
    except Exception as error:
        logging.getLogger(__name__).error("%s", error, exc_info=not isinstance(error, UserError | Stopped))
        raise


def threads_for(workers: int) -> int:
    """Threads of each of `workers` processes side by side."""
    return max(1, usable_cores() // workers)
