"""Masking strategies of one's own: a decorated function of one sequence that says what to hide.

    genomask pretrain --genome yeast.fa.gz --masking examples/my_masks.py:cpg
    genomask compare ... --masking random-span,examples/my_masks.py:cpg,examples/my_masks.py:cpg:flank=4

`centres(sequence)` are bases drawn one by one with the probability that gives the asked mask rate; hiding a base masks
every token that covers it. The functions are compiled by numba where they can be, and run as plain Python where not.
"""

from genomask.masking import Sequence, bases, centres, hide_base, hide_bases, strategy

C, G = 1, 2


@strategy("cpg", units="dna", needs=["windows"])  # how often CpG occurs decides how much is masked
def cpg(sequence: Sequence, flank: int = 2) -> None:
    """Hide single bases, but around a centre that lies on a CpG the `flank` bases on both sides of it as well."""
    letters = bases(sequence)
    for centre in centres(sequence):
        after_c = letters[centre] == G and centre > 0 and letters[centre - 1] == C
        before_g = letters[centre] == C and centre + 1 < len(letters) and letters[centre + 1] == G
        around = flank if after_c or before_g else 0
        hide_bases(sequence, centre - around, centre + around + 1)


@strategy("first-half")
def first_half(sequence: Sequence, fraction: float = 0.5) -> None:
    """Hide single bases, in the first part of the sequence only."""
    for centre in centres(sequence):
        if centre < fraction * (len(sequence.hidden) - 1):
            hide_base(sequence, centre)
