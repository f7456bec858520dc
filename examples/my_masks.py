"""A masking strategy of one's own: one decorated function that says which tokens to mask.

    genomask pretrain --genome yeast.fa.gz --masking examples/my_masks.py:cpg
    genomask compare ... --masking random-span,examples/my_masks.py:cpg,examples/my_masks.py:cpg:flank=4

`view.centres()` are bases drawn one by one with the chance that gives the asked mask rate; `view.hide` masks every
token that covers one of the bases it is given. Both are places in `view.grid`, in which all sequences lie end to end.
"""

import torch
from torch import Tensor

from genomask.masking import MaskView, register

C, G = 1, 2


@register("cpg", units="dna")
def cpg(view: MaskView, *, flank: int = 2) -> Tensor:
    """Hide single bases, but around a centre that lies on a CpG the `flank` bases on both sides of it as well."""
    centres = view.centres()
    on_cpg = spells_cpg(view)[centres]
    around = centres[on_cpg][:, None] + torch.arange(-flank, flank + 1, device=centres.device)
    sequence = torch.bucketize(centres[on_cpg], view.grid.offsets[1:], right=True)[:, None]
    inside = (around >= view.grid.offsets[sequence]) & (around < view.grid.offsets[sequence + 1])
    return view.hide(torch.cat([centres, around[inside]]))


def spells_cpg(view: MaskView) -> Tensor:
    """(bases,) bool: the base is the C or the G of a CpG, as the tokens over it tell."""
    letters = view.tokens.letters[view.input_ids]  # (tokens, k)
    found = torch.zeros(int(view.grid.offsets[-1]) + 1, dtype=torch.bool, device=letters.device)
    for place in range(view.tokens.k - 1):
        token = ((letters[:, place] == C) & (letters[:, place + 1] == G)).nonzero().squeeze(1)
        found[view.grid.start[token] + place] = True
        found[view.grid.start[token] + place + 1] = True
    return found[:-1]
