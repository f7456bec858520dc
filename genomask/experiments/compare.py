"""The comparison of masking strategies: run the arms, gather what they measured, write the verdict and its page.

Every arm has the same steps, windows in the same order, learning rate and initial weights; strategies are matched by
the share of tokens masked unless the recipe says otherwise. The pretraining seed is the unit of replication.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genomask.atomic import atomic_write, require_folder
from genomask.data.fasta import require_file
from genomask.data.tasks import read_task
from genomask.errors import SettingsError
from genomask.experiments.arms import Arm, Comparison
from genomask.experiments.side_by_side import run_arms
from genomask.fewshot.protocol import PRETRAINED_METHODS, align_classes, check_pool
from genomask.fewshot.results import read_results, read_summary
from genomask.fewshot.statistics import compare_arms, compare_cells, seed_scores
from genomask.masking.names import find
from genomask.report.meaning import last_scores
from genomask.training.metrics_log import read_metrics

ADVISED_SEEDS = 5
BITS = "eval_bits_per_hidden_base"


@dataclass(frozen=True)
class Outcome:
    """What the arms measured, gathered."""

    comparison: Comparison
    results: pd.DataFrame
    """All rows of the arms' results.csv."""
    summary: pd.DataFrame
    """All rows of the arms' summary.csv."""
    runs: dict[str, pd.DataFrame]
    """Name of each arm -> rows of its metrics.jsonl."""
    yardsticks: dict[str, dict[str, float | None]]
    """Name of each arm -> its yardsticks."""

    def verdict(self, method: str) -> pd.DataFrame:
        """The primary test: a row an arm, its difference to the control averaged over tasks and shots."""
        return compare_arms(self.results, self.comparison.control, method)

    def cells(self, method: str) -> pd.DataFrame:
        """The secondary tests: a row for each arm, task and shot."""
        return compare_cells(self.results, self.comparison.control, method)

    def arm_means(self, method: str) -> pd.DataFrame:
        """A row a strategy, means over seeds: accuracy, tokens masked, bases hidden, bits of the last evaluations."""
        scores = seed_scores(self.results, method, "accuracy").mean(axis=1).groupby("strategy").mean()
        masks = pd.concat([frame.assign(strategy=name.rpartition("/")[0]) for name, frame in self.runs.items()])
        shares = masks.groupby("strategy")[["tokens_masked_fraction", "bases_hidden_fraction"]].mean()
        bits = {strategy: last_scores(rows).mean[BITS] for strategy, (rows, _) in self.pretraining().items()}
        return shares.join(pd.Series(bits, name=BITS)).join(scores.rename("accuracy")).reset_index()

    def pretraining(self) -> dict[str, tuple[list[dict], dict[str, float]]]:
        """Strategy -> metrics by step and yardsticks, both averaged over its seeds."""
        found = {}
        for strategy in dict.fromkeys(name.rpartition("/")[0] for name in self.runs):
            names = [name for name in self.runs if name.rpartition("/")[0] == strategy]
            by_step = pd.concat([self.runs[name] for name in names]).groupby("step", as_index=False).mean()
            yardsticks = pd.DataFrame([self.yardsticks[name] for name in names]).mean()
            found[strategy] = by_step.to_dict("records"), yardsticks.to_dict()
        return found

    def seed_differences(self, method: str) -> dict[str, list[float]]:
        """Strategy -> its difference to the control at each seed both have."""
        averaged = seed_scores(self.results, method, "accuracy").mean(axis=1, skipna=False)
        control = averaged[self.comparison.control]
        return {
            strategy: (averaged[strategy] - control).dropna().tolist()
            for strategy in self.comparison.strategies
            if strategy != self.comparison.control
        }


def compare(comparison: Comparison) -> Outcome:
    """Run the arms that are not finished and gather all of them.

    Raises SettingsError for a comparison that cannot answer its question, and whatever stopped an arm.
    """
    _check(comparison)
    run_arms(comparison.arms())
    outcome = gather(comparison)
    atomic_write(comparison.out / "results.csv", outcome.results.to_csv(index=False))
    atomic_write(comparison.out / "summary.csv", outcome.summary.to_csv(index=False))
    atomic_write(comparison.out / "verdict.csv", outcome.verdict(comparison.primary_method).to_csv(index=False))
    return outcome


def gather(comparison: Comparison) -> Outcome:
    """Read what the arms left on disk."""
    arms = comparison.arms()
    return Outcome(
        comparison,
        results=pd.concat([_asked_for(arm, read_results(arm.folder / "fewshot")) for arm in arms], ignore_index=True),
        summary=pd.concat([_asked_for(arm, read_summary(arm.folder / "fewshot")) for arm in arms], ignore_index=True),
        runs={arm.name: pd.DataFrame(read_metrics(arm.folder / "metrics.jsonl")) for arm in arms},
        yardsticks={arm.name: json.loads((arm.folder / "yardsticks.json").read_text()) for arm in arms},
    )


def _asked_for(arm: Arm, rows: pd.DataFrame) -> pd.DataFrame:
    """Without what an earlier call with other shots or methods left in the same folder."""
    return rows[rows["shot"].isin(arm.fewshot.shots) & rows["method"].isin(arm.fewshot.measured_methods())]


def _check(comparison: Comparison) -> None:
    for strategy in comparison.strategies:
        find(strategy)
    if len(set(comparison.strategies)) < 2:
        raise SettingsError("compare needs at least two different strategies, as --masking random-span,genemask.")
    if len(set(comparison.strategies)) < len(comparison.strategies):
        raise SettingsError(f"--masking names a strategy twice: {', '.join(comparison.strategies)}.")
    if comparison.seeds < 1:
        raise SettingsError(f"--seeds must be at least 1, got {comparison.seeds}.")
    if not set(PRETRAINED_METHODS) & set(comparison.fewshot.methods):
        raise SettingsError("--methods must hold finetune or probe: the floors alone cannot tell strategies apart.")
    for path in comparison.inputs.genome:
        require_file(Path(path))
    require_folder(comparison.out)
    pool, test = read_task(comparison.pool), read_task(comparison.test)  # an hour of pretraining should not come first
    check_pool(pool, comparison.fewshot.shots)
    align_classes(pool, test)
