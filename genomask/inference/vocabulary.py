"""Is a model of DNA? Yes, if its vocabulary spells DNA or its tokenizer is one of ours; any other is of text."""

import re
from functools import lru_cache
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from genomask.data.reading import DNA, TEXT, Reading
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.errors import UserError

LEAST_DNA_FRACTION = 0.5
"""Fraction of a vocabulary that must spell DNA: BERT's has under 1 %, amino acids' a quarter, DNA's nearly all."""

_NO_WORD = re.compile(r"\[.*\]|<.*>|")
_DNA = re.compile(r"(##|\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}|\N{LOWER ONE EIGHTH BLOCK})?[ACGTUN]+", re.IGNORECASE)


def refuse_text(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Raises UserError for a tokenizer whose vocabulary does not spell DNA, such as a text model's.

    BERT's, for one, cuts DNA into word pieces and knows most of them, so a fraction of unknown tokens decides nothing.
    """
    if reading_of(tokenizer) is not DNA:
        spelling, words = _spelling(tokenizer)
        raise UserError(
            f"{folder}: this is not a model of DNA: {spelling:,} of the {words:,} words of its vocabulary are made "
            "of A C G T, so its output on DNA would be meaningless; give the folder of a model pretrained on DNA."
        )


def refuse_dna(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Raises UserError for the tokenizer of a model of DNA."""
    if reading_of(tokenizer) is DNA:
        raise UserError(f"{folder}: this is a model of DNA, which cannot read English; give one pretrained on text.")


def reading_of(tokenizer: PreTrainedTokenizerBase) -> Reading:
    """How a model with this tokenizer reads: DNA where its vocabulary spells it, else text."""
    if isinstance(tokenizer, DnaTokenizer):
        return DNA
    spelling, words = _spelling(tokenizer)
    return TEXT if spelling < LEAST_DNA_FRACTION * words else DNA


@lru_cache(maxsize=4)
def _spelling(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """How many words of the vocabulary spell DNA, and of how many."""
    words = [token for token in tokenizer.get_vocab() if not _NO_WORD.fullmatch(token)]
    return sum(bool(_DNA.fullmatch(token)) for token in words), len(words)
