"""The page of a comparison: the gathered outcome in, report.html and its pictures out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from genomask.commands.compare.arms import Comparison
from genomask.commands.compare.comparison import ADVISED_SEEDS, BITS, Outcome
from genomask.commands.compare.words import headline
from genomask.errors import counted
from genomask.fewshot.summary import captions
from genomask.masking.plan import needs_npmi
from genomask.report.by_genome import CAPTION, genome_frame, genomes_of
from genomask.report.floor_words import floor_caption, floor_frame
from genomask.report.frames import VERDICT_CAPTION, fewshot_frame, pretraining_frame, verdict_frame, verdict_words
from genomask.report.html import PicturePart, ReportPage, Section, TablePart, write_page
from genomask.report.leak_rows import TITLE
from genomask.report.meaning import evaluations_words, last_scores, meaning
from genomask.report.plots import fewshot_curves, learning_curves, verdict_forest
from genomask.training.records import read_record


def write_comparison_page(outcome: Outcome, title: str = "Which masking earns its compute?", extra: str = "") -> Path:
    """Draw the pictures and write out/report.html; `extra` is the caller's sentence for the headline."""
    comparison = outcome.comparison
    page = ReportPage(
        title=title,
        verdict=headline(outcome, extra),
        about=about(comparison),
        sections=(_verdict(outcome), _fewshot(outcome), _pretraining(outcome)),
        settings=asdict(comparison.recipe) | {"fewshot": asdict(comparison.fewshot)},
        environment=environment_of(outcome),
    )
    path = comparison.out / "report.html"
    write_page(page, path)
    return path


def about(comparison: Comparison) -> str:
    """One sentence: what was compared, on what."""
    seeds = counted(comparison.seeds, "pretraining seed")
    recipe = comparison.recipe
    return (
        f"{', '.join(comparison.strategies)} on {', '.join(comparison.inputs.words)}: "
        f"{seeds}, {counted(recipe.training.steps, 'step')} of {recipe.training.sequences_per_step} windows each, "
        f"{recipe.tokens.words}, mask rate {recipe.masking.mask_rate:.0%} matched by {recipe.masking.match}; judged on "
        f"{comparison.pool.name} and {comparison.test.name}. Control: {comparison.control}."
    )


def seeds_advice(comparison: Comparison) -> str:
    """A caution against trusting few seeds; empty if there are enough."""
    if comparison.seeds >= ADVISED_SEEDS:
        return ""
    seeds = counted(comparison.seeds, "pretraining seed")
    return f"{seeds}; {ADVISED_SEEDS} or more are advised before relying on this."


def _verdict(outcome: Outcome) -> Section:
    comparison = outcome.comparison
    control = comparison.control
    parts: list[TablePart | PicturePart] = []
    primary = comparison.primary_method
    for method in sorted(comparison.fewshot.pretrained, key=lambda method: method != primary):
        verdict, rank = outcome.verdict(method), "" if method == primary else " (secondary)"
        frame = verdict_frame(verdict, outcome.arm_means(method), control)
        parts.append(TablePart(title=f"Verdict by {method}{rank}", frame=frame, caption=VERDICT_CAPTION))
        if comparison.seeds > 1:  # with one seed a forest has no interval to show
            svg = comparison.out / "figures" / f"verdict-{method}.svg"
            verdict_forest(verdict, outcome.seed_differences(method), svg, control)
            alt = "; ".join(f"{row['strategy']}: {verdict_words(row)}" for _, row in verdict.iterrows())
            parts.append(PicturePart(svg=svg, title=f"Difference to {control}, {method}{rank}", alt=alt))
    advice = seeds_advice(comparison)
    return Section(title="Verdict", parts=tuple(parts), paragraphs=(advice,) if advice else ())


def _fewshot(outcome: Outcome) -> Section:
    comparison = outcome.comparison
    svg = comparison.out / "figures" / "fewshot.svg"
    fewshot_curves(outcome.summary, svg)
    cells = outcome.cells(comparison.primary_method)
    shown = (
        cells[["strategy", "task", "shot"]]
        .assign(difference=[verdict_words(row) for _, row in cells.iterrows()])
        .rename(columns={"difference": f"points above {comparison.control}"})
    )
    floors, caption = outcome.floors, " ".join(captions(outcome.summary, outcome.guesses))
    return Section(
        title="Few-shot classification",
        paragraphs=outcome.seen.sentences,
        parts=(
            PicturePart(svg=svg, title="Accuracy by examples of each class", alt="The figures of the table below."),
            TablePart(title="Accuracy, %", frame=fewshot_frame(outcome.summary), caption=caption),
            *(
                [TablePart(title="Against the best floor", frame=floor_frame(floors), caption=floor_caption(floors))]
                if len(floors)
                else []
            ),
            *(
                [TablePart(title=TITLE, frame=outcome.seen.frame, caption=outcome.seen.caption)]
                if len(outcome.seen.frame)
                else []
            ),
            TablePart(
                title=f"Single cells, {comparison.primary_method} (secondary)",
                frame=shown,
                caption="Paired by pretraining seed; interval of each cell alone, not adjusted; p after Holm over all "
                "cells.",
            ),
        ),
    )


def _pretraining(outcome: Outcome) -> Section:
    svg = outcome.comparison.out / "figures" / "curves.svg"
    learning_curves(outcome.runs, svg, outcome.baselines)
    runs = outcome.pretraining()
    n = min(last_scores(rows).n for rows, _ in runs.values())
    return Section(
        title="Pretraining",
        paragraphs=tuple(
            f"{strategy}: {meaning(rows, baselines, mask_tells=needs_npmi(strategy))}"
            for strategy, (rows, baselines) in runs.items()
        ),
        parts=(
            TablePart(
                title="Scores on held-out sequences",
                frame=pretraining_frame(runs),
                caption=f"Mean over seeds, {evaluations_words(n)}. Loss: nats per masked token under the arm's own "
                "mask; bits: per hidden base, under the same masks for all.",
            ),
            *_by_genome(runs),
            _curves(svg, has_bits=any(BITS in last_scores(rows).mean for rows, _ in runs.values())),
        ),
    )


def _by_genome(runs: Mapping[str, tuple[Sequence[Mapping[str, Any]], Any]]) -> list[TablePart]:
    """Scores of each arm on each genome, where several are mixed."""
    frames = [genome_frame(rows).assign(masking=name) for name, (rows, _) in runs.items() if genomes_of(rows)]
    if not frames:
        return []
    frame = pd.concat(frames, ignore_index=True)
    return [TablePart(title="By genome", frame=frame[["masking", *frame.columns.drop("masking")]], caption=CAPTION)]


def _curves(svg: Path, has_bits: bool) -> PicturePart:
    """The picture of the learning curves, described in words."""
    left = "loss under each arm's own mask"
    different = "losses under different masks are different tasks."
    if not has_bits:
        return PicturePart(svg=svg, title="Loss", alt=f"{left.capitalize()}.", caption=different.capitalize())
    return PicturePart(
        svg=svg,
        title="Loss and bits per hidden base",
        alt=f"Left: {left}. Right: bits per hidden base under the same masks for all arms, "
        "beside the order-0 and order-5 entropies.",
        caption=f"Only the right panel compares arms: {different}",
    )


def environment_of(outcome: Outcome) -> dict[str, object]:
    """The environment that the first arm ran in."""
    described = read_record(outcome.arms[0].folder / "environment.json")
    described.pop("command", None)
    return described
