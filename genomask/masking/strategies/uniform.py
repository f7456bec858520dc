"""Uniform: every token is masked independently, as in BERT. On overlapping k-mers this hides almost no base."""

from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, tokens_drawn


@strategy("uniform", exact=lambda rate, tokens: rate)
def uniform(sequence: Sequence) -> None:
    """Each maskable token, with the asked rate."""
    for t, drawn in enumerate(tokens_drawn(sequence)):  # assigning the array takes far longer to compile
        sequence.masked[t] = drawn
