"""Masking strategies of your own: decorated functions of one sequence that mark what to hide.

    genomask pretrain --genome yeast.fa.gz --masking examples/my_masks.py:cpg
    genomask compare ... --masking random-span,examples/my_masks.py:cpg,examples/my_masks.py:cpg:flank=4

`centres(sequence)` are bases drawn one by one with the probability that gives the asked mask rate. Hiding a base masks
every token that covers it. numba compiles the functions where it can; the others run as plain Python.
"""

from genomask.masking import Sequence, bases, centres, hide_base, hide_bases, strategy

C, G = 1, 2


@strategy("cpg", units="dna", needs=["windows"])  # how much is masked depends on how often CpG occurs
def cpg(sequence: Sequence, flank: int = 2) -> None:
    """Hide single bases, and around a centre on a CpG also the `flank` bases on both sides."""
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
