"""A change of bases in, two windows for a masked model to score out: one with REF, one with ALT.

The rule, on each strand alike:
1. The change is brought to its shortest form (letters that REF and ALT share at their ends are dropped, from the right
   first) and, where it inserts or deletes, moved left as far as the sequence allows, at most a window. So a change
   written in two ways has one score.
2. REF is now r and ALT a bases long. n = max(r, a) bases are hidden in both windows, at the same places: the allele,
   and to its right as many more bases as it is shorter than the other one. The model is asked for what was hidden. So
   both probabilities are of n bases, and a model that knows nothing gives a ratio of 1, whatever the lengths. On the
   other strand, the additional bases are those of the other side.
3. Both windows have the same length and begin at the same base, with the hidden bases in their middle. Near the end of
   a record, or an N, they shift; a stretch between two of these that is shorter than a window makes a shorter window.

Where r = a (SNVs, MNVs) the two windows differ in hidden bases only, so they are one question to the model.
"""

from typing import NamedTuple

import numpy as np

from genomask.data.bases import other_strand

TOO_LONG = "longer than half of the window"
NO_ROOM = "next to an N or the end of the record"


class Haplotype(NamedTuple):
    """A window of one allele; the bases first .. first + n - 1 are hidden and asked for."""

    codes: np.ndarray  # (W,) uint8, A0 C1 G2 T3
    first: int
    n: int

    @property
    def asked(self) -> np.ndarray:
        """(n,) the hidden bases."""
        return self.codes[self.first : self.first + self.n]


class Change(NamedTuple):
    """`ref` at `start` of a stretch of bases becomes `alt`."""

    stretch: np.ndarray  # (bases,) uint8, ACGT only
    start: int
    ref: np.ndarray  # uint8, equal to the stretch there
    alt: np.ndarray  # uint8

    def reverse_complement(self) -> "Change":
        """The same change, read on the other strand."""
        stretch, ref, alt = (other_strand(codes) for codes in (self.stretch, self.ref, self.alt))
        return Change(stretch, len(self.stretch) - self.start - len(self.ref), ref, alt)

    def shortest(self, most: int) -> "Change":
        """Without letters that both alleles share at an end, and moved left by at most `most` bases."""
        start, ref, alt = self.start, self.ref.tolist(), self.alt.tolist()
        while ref and alt and ref[-1] == alt[-1]:
            ref.pop(), alt.pop()
        shared = next((at for at, (x, y) in enumerate(zip(ref, alt, strict=False)) if x != y), min(len(ref), len(alt)))
        start, ref, alt = start + shared, ref[shared:], alt[shared:]
        moving = (ref or alt) if not (ref and alt) else []
        lowest = max(0, start - most)
        while moving and start > lowest and self.stretch[start - 1] == moving[-1]:
            start -= 1
            moving.insert(0, moving.pop())
        return Change(self.stretch, start, np.array(ref, dtype=np.uint8), np.array(alt, dtype=np.uint8))

    def haplotypes(self, width: int, k: int, stride: int) -> tuple[Haplotype, Haplotype] | str:
        """The windows of REF and ALT, of at most `width` bases and of whole tokens; or why there are none."""
        stretch, start, ref, alt = self.shortest(width)
        n = max(len(ref), len(alt))
        if n > width // 2:
            return TOO_LONG
        room = len(stretch) + min(0, len(alt) - len(ref))  # bases that both haplotypes have
        tokens = (min(width, room) - k) // stride + 1
        bases = stride * (tokens - 1) + k
        if tokens < 1 or start + n > room or n > bases:
            return NO_ROOM
        begin = min(max(0, start - (bases - n) // 2), room - bases)
        changed = np.concatenate(
            [stretch[begin:start], alt, stretch[start + len(ref) :][: max(0, begin + bases - start)]]
        )
        windows = (stretch[begin : begin + bases], changed[:bases])
        return Haplotype(windows[0], start - begin, n), Haplotype(windows[1], start - begin, n)
