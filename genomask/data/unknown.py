"""Do a tokenizer and a file belong together? Counts of tokens in; nothing, or an error with advice, out."""

import numpy as np
from transformers import PreTrainedTokenizerBase

from genomask.errors import DataError
from genomask.types import TokenBases

MAX_UNKNOWN_FRACTION = 0.5
"""Fraction of unknown tokens above which they do not."""


def require_known(unknown: int, tokens: int, token: str, where: str, advice: str) -> None:
    """Raises DataError, with `where` (a file) and `advice`, if most of its tokens are the unknown `token`."""
    fraction = unknown / max(1, tokens)
    if fraction > MAX_UNKNOWN_FRACTION:
        raise DataError(f"{where}: {fraction:.0%} of the tokens are {token}, so {advice}")


def require_known_words(ids: np.ndarray, tokenizer: PreTrainedTokenizerBase, tokens: TokenBases, where: str) -> None:
    """The same for the ids (T,) of some texts of a training corpus, special tokens included."""
    is_content = tokens.n_bases.numpy()[ids] > 0
    unknown = int((ids[is_content] == tokenizer.unk_token_id).sum())
    advice = (
        "the vocabulary does not know the words of these texts; give one that does, or leave out --vocabulary and "
        "--from to learn one from them."
    )
    require_known(unknown, int(is_content.sum()), tokenizer.unk_token, where, advice)
