"""Which test sequences may have been seen before: sentences, and the accuracies of all arms without them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from genomask.commands.compare.arms import Arm
from genomask.commands.run_folder.leaks import seen_in_pretraining
from genomask.fewshot.correct import CorrectFile, accuracy_by_leak_over_seeds
from genomask.fewshot.leaks import leaks_in_pool
from genomask.fewshot.results import Cell
from genomask.report.leak_rows import leak_caption, leak_frame


class Seen(NamedTuple):
    """What to say and to show."""

    sentences: tuple[str, ...]
    frame: pd.DataFrame
    """Accuracies with and without the test sequences that were found; no row if none was."""
    caption: str


def look_up(arms: list[Arm], results: pd.DataFrame) -> Seen:
    """Look for the test in the training pool and in the bases that the first arm's seed could pretrain on.

    `results`: the rows of the arms' results.csv, of which those with their correct answers on record are shown.
    """
    first = arms[0]
    pool, test = first.comparison.read_tasks()
    in_pool = leaks_in_pool(test.sequences, pool.sequences)
    in_pretraining = seen_in_pretraining(first.recipe.training_bases(first.comparison.inputs), test.sequences)
    sentences = (
        in_pool.sentence("the training pool"),
        in_pretraining.sentence(f"the bases that pretraining with seed {first.seed} could see"),
    )
    leaked = in_pool.found | in_pretraining.found
    if not leaked.any():
        return Seen(sentences, pd.DataFrame(), "")
    cells = [Cell(*row) for row in results[list(Cell._fields)].itertuples(index=False, name=None)]
    correct: dict[Cell, np.ndarray] = {}
    for arm in arms:
        correct |= CorrectFile(arm.folder / "fewshot").of(cells, len(leaked))
    scores = accuracy_by_leak_over_seeds(correct, leaked)
    return Seen(
        sentences,
        leak_frame(scores, len(leaked), int(leaked.sum())) if len(correct) else pd.DataFrame(),
        leak_caption("pretraining seeds, of which 3 or more are needed", len(cells) - len(correct)),
    )
