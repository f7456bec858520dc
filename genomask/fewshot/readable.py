"""Can this model read this task? Looked at before anything is measured, so that a failed call leaves nothing behind.

In: a model folder and the sequences that will be used. Out: nothing, or one sentence that says what does not fit.
"""

from collections.abc import Mapping
from pathlib import Path

from genomask.inference.models import load
from genomask.inference.pooling import pooling_weights
from genomask.inference.tokens import check_lengths, tokenise
from genomask.inference.vocabulary import refuse_text


def check_readable(folder: Path, files: Mapping[str, Mapping[int, str]], pooling: str) -> None:
    """Raises UserError where the model of a folder cannot take the sequences of each file, or pool them as asked.

    `files`: of each file the sequences that are used, by their numbers in it, from 0.
    `pooling`: mean, center or cls; "" where no vectors are pooled.
    """
    loaded = load(folder)
    refuse_text(loaded.tokenizer, folder)
    for where, sequences in files.items():
        names = [f"example {number + 1}" for number in sequences]
        tokenised = tokenise(loaded.tokenizer, [*sequences.values()], where, names)
        check_lengths(*loaded, tokenised, where)
        if pooling:
            pooling_weights(tokenised, pooling)
