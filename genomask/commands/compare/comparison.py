"""The comparison of masking strategies: run the arms, gather what they measured, write the verdict.

Every arm has the same steps, windows in the same order, learning rate and initial weights; strategies are matched by
the fraction of tokens masked unless the recipe says otherwise. The pretraining seed is the unit of replication.
"""

import logging
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from genomask.commands.compare.arms import ORPHAN_SECONDS, VERDICT, Arm, Comparison, check_arms, measure
from genomask.commands.compare.leaks import Seen, look_up
from genomask.commands.compare.workers import run_arms
from genomask.commands.run_folder.kinds import refuse_others
from genomask.data.tasks import LabelledTask
from genomask.errors import DataError, SettingsError, TrainingError
from genomask.fewshot.draws import align_classes, check_pool, smallest_class
from genomask.fewshot.floor_test import against_floors
from genomask.fewshot.floors import Guess, commonest
from genomask.fewshot.methods import PRETRAINED, WITHOUT_MODEL
from genomask.fewshot.results import read_results
from genomask.fewshot.run import draws_of
from genomask.fewshot.statistics import arm_scores, compare_arms, compare_cells, paired
from genomask.fewshot.summary import summarise
from genomask.files.atomic import atomic_write, require_folder, sweep
from genomask.files.genomes import require_genome
from genomask.files.locking import locked
from genomask.masking.names import find
from genomask.report.meaning import LOSS, last_scores
from genomask.training.metrics_log import read_metrics
from genomask.training.records import read_baselines

ADVISED_SEEDS = 5
BITS = "eval_bits_per_hidden_base"
MASKED = ["tokens_masked_fraction", "bases_hidden_fraction"]

log = logging.getLogger(__name__)

WRITTEN = ("results.csv", "summary.csv", VERDICT, "report.html")


@dataclass(frozen=True)
class Outcome:
    """The gathered measurements of the arms."""

    comparison: Comparison
    results: pd.DataFrame
    """The rows of the arms' results.csv that are asked for now."""
    summary: pd.DataFrame
    """The summary of these rows, as in summary.csv."""
    runs: dict[str, pd.DataFrame]
    """Name of each arm -> rows of its metrics.jsonl."""
    baselines: dict[str, dict[str, float | None]]
    """Name of each arm -> its baselines."""
    failed: dict[str, str] = field(default_factory=dict)
    """Name of each arm that is missing -> why."""

    @property
    def arms(self) -> list[Arm]:
        """The arms that are finished."""
        return [arm for arm in self.comparison.arms() if arm.name not in self.failed]

    @cached_property
    def seen(self) -> Seen:
        """Which test sequences may have been seen before."""
        return look_up(self.arms, self.results)

    @cached_property
    def guesses(self) -> dict[str, Guess]:
        """What always guessing the commonest class scores on the task."""
        pool, test = self.comparison.read_tasks()
        return {pool.name: commonest(test)}

    @cached_property
    def floors(self) -> pd.DataFrame:
        """Each pretrained method against the best floor of its task and shot."""
        return against_floors(self.results, self.guesses)

    @property
    def failures(self) -> str:
        """Which arms are missing, and why; empty if none is."""
        return failure_words(self.failed)

    def verdict(self, method: str) -> pd.DataFrame:
        """The primary test: a row per arm, its difference from the control averaged over tasks and shots."""
        return compare_arms(self.results, self.comparison.control, method)

    def cells(self, method: str) -> pd.DataFrame:
        """The secondary tests: a row for each arm, task and shot."""
        return compare_cells(self.results, self.comparison.control, method)

    def arm_means(self, method: str) -> pd.DataFrame:
        """A row per strategy, means over seeds: accuracy, tokens masked, bases hidden, bits of the last evaluations.

        `accuracy` is over the seeds paired with the control's; `control_accuracy` is the control's over the same seeds.
        """
        pairs = self._pairs(method)
        scores = pd.DataFrame({strategy: rows.dropna().mean() for strategy, rows in pairs.items()}).T
        scores = scores.rename(columns={"arm": "accuracy", "control": "control_accuracy"})
        masks = pd.concat([frame.assign(strategy=name.rpartition("/")[0]) for name, frame in self.runs.items()])
        fractions = masks.groupby("strategy")[MASKED].mean()
        bits = {strategy: last_scores(rows).mean.get(BITS) for strategy, (rows, _) in self.pretraining().items()}
        return fractions.join(pd.Series(bits, name=BITS, dtype=float)).join(scores).reset_index(names="strategy")

    def pretraining(self) -> dict[str, tuple[list[dict[str, Any]], dict[str, float]]]:
        """Strategy -> metrics by step and baselines, both averaged over its seeds."""
        found = {}
        for strategy in dict.fromkeys(name.rpartition("/")[0] for name in self.runs):
            names = [name for name in self.runs if name.rpartition("/")[0] == strategy]
            by_step = pd.concat([self.runs[name] for name in names]).groupby("step", as_index=False).mean()
            baselines = pd.DataFrame([self.baselines[name] for name in names]).mean()
            found[strategy] = by_step.to_dict("records"), baselines.to_dict()
        return found

    def seed_differences(self, method: str) -> dict[str, list[float]]:
        """Strategy -> its difference from the control at each seed that both have."""
        pairs = self._pairs(method)
        return {
            strategy: (rows["arm"] - rows["control"]).dropna().tolist()
            for strategy, rows in pairs.items()
            if strategy != self.comparison.control
        }

    def _pairs(self, method: str) -> dict[str, pd.DataFrame]:
        """Strategy -> its score and the control's by seed, on which the verdict rests."""
        scores = arm_scores(self.results, method)
        control = scores[self.comparison.control].to_dict()
        strategies = scores.index.get_level_values("strategy").unique()
        return {strategy: paired(scores[strategy].to_dict(), control) for strategy in strategies}


def compare(comparison: Comparison) -> Outcome:
    """Run the unfinished arms and gather all of them.

    An arm that fails is missing from the outcome, which names it. Raises SettingsError for a comparison that cannot
    answer its question and, before any arm runs, if one was begun with other settings or data; TrainingError if too few
    arms are left to compare.
    """
    check_comparison(comparison)
    with locked(comparison.out):
        check_arms(comparison.arms())
        sweep(comparison.out, *WRITTEN)
        failed = run_arms(comparison.arms())
        left = {arm.strategy for arm in comparison.arms() if arm.name not in failed}
        if comparison.control not in left or len(left) < 2:
            raise TrainingError(f"nothing is left to compare: {failure_words(failed)}")
        outcome = gather(comparison, failed)
        atomic_write(comparison.out / "results.csv", outcome.results.to_csv(index=False))
        atomic_write(comparison.out / "summary.csv", outcome.summary.to_csv(index=False))
        verdict = outcome.verdict(comparison.primary_method).assign(method=comparison.primary_method)
        atomic_write(comparison.out / VERDICT, verdict.to_csv(index=False))
    return outcome


def failure_words(failed: dict[str, str]) -> str:
    """One sentence on all arms that failed."""
    return "; ".join(f"arm {name} failed: {why}" for name, why in failed.items())


def gather(comparison: Comparison, failed: dict[str, str]) -> Outcome:
    """Read what the arms that did not fail left on disk, and measure the floors if their arm failed."""
    arms, pool = [arm for arm in comparison.arms() if arm.name not in failed], comparison.read_tasks()[0]
    measured = [*(_results_of(arm, pool) for arm in arms), *_floors_elsewhere(comparison, failed)]
    results = pd.concat(measured, ignore_index=True)
    return Outcome(
        comparison,
        results=results,
        summary=summarise(results, {pool.name: smallest_class(pool)}),
        runs={arm.name: _rows_of(arm) for arm in arms},
        baselines={arm.name: read_baselines(arm.folder / "baselines.json") for arm in arms},
        failed=failed,
    )


def _floors_elsewhere(comparison: Comparison, failed: dict[str, str]) -> list[pd.DataFrame]:
    """Measure the floors that need no model in the first finished arm, if the arm that measures them failed."""
    floors = tuple(x for x in comparison.fewshot.methods if x in WITHOUT_MODEL)
    if not floors or f"{comparison.control}/seed 0" not in failed:
        return []
    arm = next(arm for arm in comparison.arms() if arm.name not in failed)
    log.info("%s are measured in arm %s, because the control's first arm failed", ", ".join(floors), arm.name)
    with locked(arm.folder / "fewshot", wait=ORPHAN_SECONDS):
        return [measure(arm, replace(comparison.fewshot, methods=floors))]


def _rows_of(arm: Arm) -> pd.DataFrame:
    """The rows of its metrics.jsonl. Raises DataError if a value that the verdict shows of every arm is missing."""
    path = arm.folder / "metrics.jsonl"
    rows = pd.DataFrame(read_metrics(path))
    for what in (*MASKED, LOSS):
        if what not in rows or rows[what].isna().all():
            raise DataError(f"{path} holds no row with {what}; restore it from a backup, or delete {arm.folder}.")
    return rows


def _results_of(arm: Arm, pool: LabelledTask) -> pd.DataFrame:
    """The rows of its results.csv asked for now: an earlier call may have left other draws, shots, methods or tasks.

    Raises DataError if measurements that were made are missing, as from a file cut short.
    """
    path = arm.folder / "fewshot" / "results.csv"
    rows = read_results(path.parent).set_index(["task", "method", "shot", "draw"], drop=False)
    made = {(pool.name, x.name, *draw) for x in arm.fewshot.measured for draw in draws_of(pool, arm.fewshot, x)}
    if lost := made.difference(rows.index):
        raise DataError(
            f"{path} lacks {len(lost):,} of {len(made):,} measurements; restore it from a backup, or remove done.txt "
            "beside it: the same command then repeats them."
        )
    return rows[rows.index.isin(made)]


def check_comparison(comparison: Comparison) -> None:
    """Raises UserError for one that cannot answer its question, for unreadable files, or another verb's folder."""
    for strategy in comparison.strategies:
        find(strategy)
    if len(set(comparison.strategies)) < 2:
        raise SettingsError("compare needs at least two different strategies, such as --masking random-span,genemask.")
    if len(set(comparison.strategies)) < len(comparison.strategies):
        raise SettingsError(f"--masking names a strategy twice: {', '.join(comparison.strategies)}.")
    if comparison.seeds < 1:
        raise SettingsError(f"--seeds must be at least 1, got {comparison.seeds}.")
    if not comparison.fewshot.pretrained:
        *names, last = PRETRAINED
        raise SettingsError(
            f"--methods must include {', '.join(names)} or {last}: the floors alone cannot tell strategies apart."
        )
    if comparison.primary_method not in comparison.fewshot.pretrained:
        raise SettingsError(
            f"{comparison.out} has used {comparison.primary_method} for its verdict since its first run, "
            "but --methods lacks it; add it, or give another --out."
        )
    for path in comparison.inputs.genome:
        require_genome(Path(path))
    require_folder(comparison.out)
    refuse_others(comparison.out, comparison.verb)
    pool, test = comparison.read_tasks()  # read before an hour of pretraining
    check_pool(pool, comparison.fewshot.shots)
    align_classes(pool, test)
