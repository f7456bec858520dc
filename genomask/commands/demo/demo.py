"""The demo: a simulated genome, two masking strategies, a few-shot task, a verdict and a page, in minutes.

The genome and the task come from simulate.py; nothing else sees its motifs.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich.console import RenderableType

from genomask.commands.compare.arms import Comparison
from genomask.commands.compare.comparison import compare
from genomask.commands.compare.page import write_comparison_page
from genomask.commands.compare.words import result
from genomask.commands.demo.simulate import simulate
from genomask.commands.run_folder.kinds import refuse_others
from genomask.data.opening import Inputs
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.statistics import CHECKPOINTS_CAPTION, Difference, paired_over_draws
from genomask.files.atomic import require_folder
from genomask.recipe import GenomeRecipe, load_recipe
from genomask.report.floor_words import all_beaten

STRATEGIES = ("random-span", "genemask")
SHOTS = (10, 50)
JUDGED_SHOT = 10

log = logging.getLogger(__name__)


def run_demo(out: Path, seed: int) -> Iterator[RenderableType]:
    """`genomask demo`: simulate, compare, write out/report.html, and yield what to print."""
    require_folder(out)
    refuse_others(out, "demo")
    log.info("training two encoders on a simulated genome takes minutes; their logs are in %s", out / "arms")
    files = simulate(out / f"simulated-{seed}", seed)
    recipe = load_recipe("genome-demo")
    assert isinstance(recipe, GenomeRecipe)
    comparison = Comparison(
        recipe=recipe,
        inputs=Inputs(genome=(str(files.genome),)),
        strategies=STRATEGIES,
        seeds=1,
        pool=files.pool,
        test=files.test,
        fewshot=FewShotSettings(shots=SHOTS, methods=("probe", "kmer-logreg", "random-init")),
        out=out,
        verb="demo",
    )
    outcome = compare(comparison)
    sentence = pretraining_gain(outcome.results, outcome.floors)
    page = write_comparison_page(outcome, title="genomask demo: a simulated genome, two maskings", extra=sentence)
    yield from result(outcome, page, sentence)


def pretraining_gain(results: pd.DataFrame, floors: pd.DataFrame) -> str:
    """The control's probe against its untrained twin's, paired over draws: chosen before any result is seen.

    Pretraining pays only if both arms beat every floor at both shots: the headline names those not beaten.
    """
    gain = gain_of(results, STRATEGIES[0])
    verdict = "No gain from pretraining was shown"
    if gain.difference - gain.half_width > 0:
        verdict = "Pretraining teaches the encoder something"
        if all_beaten(floors):
            verdict = "Pretraining pays, and both arms beat every floor at both shots"
    elif gain.difference + gain.half_width < 0:
        verdict = "Pretraining made the encoder worse"
    points = f"{100 * abs(gain.difference):.1f}" + ("" if gain.note else f" ± {100 * gain.half_width:.1f}")
    return (
        f"{verdict}: at {JUDGED_SHOT} shots the probe of {STRATEGIES[0]} (the control, chosen beforehand) is {points} "
        f"points {'below' if gain.difference < 0 else 'above'} the untrained encoder's "
        f"({gain.note or f'95 %, paired over {gain.n} draws'}; {CHECKPOINTS_CAPTION})."
    )


def gain_of(results: pd.DataFrame, strategy: str) -> Difference:
    """How much the strategy's probe gains over random-init at JUDGED_SHOT shots."""
    rows = results[results["shot"] == JUDGED_SHOT].set_index("draw")
    untrained = rows.loc[rows["method"] == "random-init/probe", "accuracy"].to_dict()
    probe = rows.loc[(rows["method"] == "probe") & (rows["strategy"] == strategy), "accuracy"]
    return paired_over_draws(probe.to_dict(), untrained)
