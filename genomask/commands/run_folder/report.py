"""The report on a finished pretraining run: its scores beside their baselines, and its learning curves.

In: a run folder. Out: a table and a sentence for the terminal, and curves.svg and curves.png in the folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from genomask.commands.run_folder.folder import read_config
from genomask.data.validation_windows import EVALUATION_BASES
from genomask.errors import DataError, counted
from genomask.masking.plan import needs_npmi
from genomask.recipe import Recipe
from genomask.report.by_genome import CAPTION, genome_frame, genome_words, genomes_of
from genomask.report.meaning import LOSS, Scores, evaluations_words, last_scores, meaning, number_of, with_error
from genomask.report.plots import learning_curves
from genomask.report.tables import rich_table
from genomask.training.metrics_log import read_metrics
from genomask.training.records import read_baselines

BITS = "eval_bits_per_hidden_base"
NOT_REPORTED = (
    "Bits per hidden base are not reported: these tokens differ in length, so their probabilities do not sum to those "
    "of single bases. genomask fewshot compares the model with those of other tokens."
)


def report_run(out: Path) -> Iterator[Table | str]:
    """Yield the table of a run's last evaluations, and what it means; then draw the curves."""
    rows = read_metrics(out / "metrics.jsonl")
    baselines = read_baselines(out / "baselines.json")
    for what in ("tokens_per_second", "eval_loss_nats_per_masked_token"):
        if not any(isinstance(row.get(what), int | float) for row in rows):
            raise DataError(f"{out / 'metrics.jsonl'} holds no row with {what}; restore it from a backup.")
    last = next(row for row in reversed(rows) if "tokens_per_second" in row)
    scores = last_scores(rows)
    bits = (
        "Below order-0: bits gained on the composition of the same bases, base by base, ± one standard error of the "
        "last evaluation (windows as units). "
    )
    yield rich_table(
        score_frame(scores, baselines),
        title=f"{out}: {counted(last['step'], 'step')}, {number_of(last, 'tokens'):,.0f} tokens",
        caption=f"Held-out sequences{_shorter(baselines)}, {evaluations_words(scores.n)}. "
        f"{bits if BITS in scores.mean else ''}{last['tokens_per_second']:,.0f} tokens/s at the end. "
        f"Model: {out / 'model'}; curves: {out / 'curves.png'}",
    )
    if genomes_of(rows):
        yield rich_table(genome_frame(rows), title="By genome", caption=CAPTION)
    recipe, _ = read_config(out)
    yield meaning(rows, baselines, mask_tells=recipe.of == "DNA" and needs_npmi(recipe.masking.strategy))
    yield from filter(None, (genome_words(rows, baselines), no_bits(recipe, rows)))
    for name in ("curves.svg", "curves.png"):
        learning_curves({out.name: pd.DataFrame(rows)}, out / name, {out.name: baselines})


def no_bits(recipe: Recipe, rows: Sequence[Mapping[str, Any]]) -> str:
    """Why a run on a genome has no bits per hidden base, in words; "" if it has them, and for text."""
    return NOT_REPORTED if recipe.of == "DNA" and BITS not in last_scores(rows).mean else ""


def _shorter(baselines: dict[str, float | None]) -> str:
    """A caveat for windows of unusual length, whose scores cannot be compared with others."""
    bases = baselines.get("window_bases")
    if bases in (None, EVALUATION_BASES):
        return ""
    return f" of {bases} bases (runs of ACGT are too short for {EVALUATION_BASES}, so scores of other genomes differ)"


def score_frame(scores: Scores, baselines: dict[str, float | None]) -> pd.DataFrame:
    """A row per score: what was measured, and the baselines to compare it with."""
    mean = scores.mean
    bounds = (("ln V", "ln_vocabulary_nats"), ("unigrams", "unigram_entropy_nats"), ("flank floor", "flank_floor_nats"))
    table = [
        {
            "score": "loss under the run's own mask, nats per masked token",
            "model": f"{mean[LOSS]:.3f}",
            "baselines": _beside(baselines, bounds, digits=3),
            "below order-0": "",
        }
    ]
    for part, words in (("", "mean of both"), ("_single", "one base hidden"), ("_six", "six in a row hidden")):
        metric = f"eval_bits_per_hidden_base{part}"
        if metric not in mean:
            continue
        names = (("order-0", f"order_0_bits{part}"), ("order-5", f"order_5_bits{part}"))
        table.append(
            {
                "score": f"bits per hidden base, {words}",
                "model": f"{mean[metric]:.4f}",
                "baselines": _beside(baselines, names, digits=4),
                "below order-0": _gain(mean, scores.last, part),
            }
        )
    frame = pd.DataFrame(table)
    return frame if len(table) > 1 else frame.drop(columns="below order-0")  # text has no bases


def _gain(mean: pd.Series, last: pd.Series, part: str) -> str:
    """Bits below the order-0 entropy; the mean of both parts has no error of its own."""
    name = f"eval_bits_below_order_0{part}"
    return with_error(number_of(mean, name), last.get(f"{name}_standard_error"))


def _beside(baselines: dict[str, float | None], names: tuple[tuple[str, str], ...], digits: int) -> str:
    known = [(label, baselines.get(field)) for label, field in names]
    return ", ".join(f"{label} {value:.{digits}f}" for label, value in known if value is not None)
