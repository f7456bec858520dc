"""Test sequences of a suite that training or a model's pretraining may have seen, and the accuracies without them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from genomask.commands.run_folder.leaks import seen_by_model
from genomask.fewshot.correct import CorrectFile, accuracy_by_leak
from genomask.fewshot.leaks import Leaks
from genomask.fewshot.results import NO_MODEL, Cell
from genomask.report.leak_rows import suite_leak_frame
from genomask.report.short_names import short_names
from genomask.terminal.progress import working

Found = dict[str, np.ndarray]
"""Task -> (test sequences,) bool."""


def in_pretraining(models: Sequence[Path], tests: Mapping[str, list[str]]) -> Iterator[tuple[str, Found]]:
    """For each model, a sentence, and which of the test sequences its pretraining could see.

    All tasks are looked up at once, as a genome takes long to read.
    """
    ends = np.cumsum([len(sequences) for sequences in tests.values()])[:-1]
    names = short_names([str(model) for model in models])
    with working("looking for test sequences in pretraining", len(models), "model") as work:
        for model in models:
            lookup = seen_by_model(model, list(chain.from_iterable(tests.values())))
            parts = [np.zeros(len(x), dtype=bool) for x in tests.values()]
            if lookup.leaks is not None:
                parts = np.split(lookup.leaks.found, ends)
            work.advance(1)
            yield f"{names[str(model)]}: {lookup.sentence}", dict(zip(tests, parts, strict=True))


def without_seen(
    rows: pd.DataFrame, out: Path, in_training: Mapping[str, Leaks], in_pretraining: Mapping[str, Found]
) -> pd.DataFrame:
    """Accuracies with and without such sequences, of tasks that have any: a row per task, model and method.

    `rows`: of results.csv; `in_pretraining`: model -> what was found.
    """
    answers, tables = CorrectFile(out), []
    names = short_names(list(in_pretraining))
    for task, leaks in in_training.items():
        for model, found in in_pretraining.items():
            seen = leaks.found | found[task]
            own = rows[(rows["task"] == task) & rows["model"].isin([model, NO_MODEL])]
            cells = [Cell(*row) for row in own[list(Cell._fields)].itertuples(index=False, name=None)]
            correct = answers.of(cells, len(seen))
            if seen.any() and correct:
                scores = accuracy_by_leak(correct, seen).assign(task=task, model=names[model])
                tables.append(scores.assign(found=f"{seen.sum():,} of {len(seen):,}"))
    return suite_leak_frame(pd.concat(tables)) if tables else pd.DataFrame()
