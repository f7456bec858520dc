"""Whole-word: every word of text is masked independently, with all its pieces (BERT's later mask)."""

from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence, mask_token, tokens_drawn


@strategy("whole-word", units="text", needs=["words"], exact=lambda rate, tokens: rate)
def whole_word(sequence: Sequence) -> None:
    """All maskable tokens of each drawn word; the word's draw is that of its first token."""
    drawn = tokens_drawn(sequence)
    in_drawn_word = False
    for t in range(len(drawn)):
        if sequence.vocabulary.word_start[sequence.input_ids[t]] or t == 0 or not sequence.maskable[t]:
            in_drawn_word = drawn[t]
        if in_drawn_word:
            mask_token(sequence, t)
