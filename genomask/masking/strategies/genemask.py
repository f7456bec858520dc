"""GeneMask as in the paper, in bases: the centre's token of highest NPMI, hidden whole for the better half of centres.

Source: GeneMask (Roy et al., ECAI 2023).
"""

import numpy as np

from genomask.masking.centred import around_centres, published_probability
from genomask.masking.jit import Int, jit
from genomask.masking.registry import strategy
from genomask.masking.sequence import Sequence


@jit
def npmi_of(sequence: Sequence, t: Int, centre: Int) -> float:
    """NPMI of a token."""
    return sequence.scores[np.uint64(sequence.input_ids[t])]


_hide = around_centres(npmi_of)


@strategy("genemask", units="dna", needs=["npmi"], published=published_probability)
def genemask(sequence: Sequence) -> None:
    """Long spans where tokens have a high NPMI, single bases elsewhere."""
    _hide(sequence)
