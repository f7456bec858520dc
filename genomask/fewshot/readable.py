"""Can this model read this task? Checked before anything is measured, so that a failed call leaves nothing behind.

In: a model folder, and tasks with the numbers of the sequences that will be used. Out: nothing, or one sentence that
says what does not fit.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from genomask.data.tasks import LabelledTask
from genomask.inference.models import load
from genomask.inference.pooling import pooling_weights
from genomask.inference.tokens import check_lengths, tokenise
from genomask.inference.vocabulary import refuse_text


def check_readable(folder: Path, used: Iterable[tuple[LabelledTask, Sequence[int]]], pooling: str) -> None:
    """Raises UserError if the model in a folder cannot read the sequences of each task, or pool them as asked.

    `used`: each task with the numbers of the sequences that are read, from 0.
    `pooling`: mean, center or cls; "" where no vectors are pooled.
    """
    loaded = load(folder)
    refuse_text(loaded.tokenizer, folder)
    for task, numbers in used:
        names, where = [task.called(number) for number in numbers], str(task.path)
        tokenised = tokenise(loaded.tokenizer, [task.sequences[number] for number in numbers], where, names)
        check_lengths(*loaded, tokenised, where)
        if pooling:
            pooling_weights(tokenised, pooling)
