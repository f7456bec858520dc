"""Can this model read this task? Looked at before anything is measured, so that a failed call leaves nothing behind.

In: a model folder and the sequences that will be used. Out: nothing, or one sentence that says what does not fit.
"""

from pathlib import Path

from genomask.inference.models import load
from genomask.inference.pooling import pooling_weights
from genomask.inference.tokens import check_lengths, tokenise
from genomask.inference.vocabulary import refuse_text


def check_readable(folder: Path, files: dict[str, list[str]], pooling: str) -> None:
    """Raises UserError where the model of a folder cannot take the sequences of each file, or pool them as asked.

    `pooling`: mean, center or cls; "" where no vectors are pooled.
    """
    loaded = load(folder)
    refuse_text(loaded.tokenizer, folder)
    for where, sequences in files.items():
        tokenised = tokenise(loaded.tokenizer, sequences, where)
        check_lengths(*loaded, tokenised, where)
        if pooling:
            pooling_weights(tokenised, pooling)
