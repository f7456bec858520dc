"""The [masking] table of a recipe."""

from dataclasses import dataclass
from typing import Literal

from genomask.masking.names import check_name
from genomask.masking.npmi import Definition, MinCount
from genomask.masking.rates import Match
from genomask.settings.table import Rate, Table


@dataclass(frozen=True, kw_only=True)
class MaskSettings(Table, name="masking"):
    """How tokens are hidden in training."""

    strategy: str = "random-span"
    """What is hidden: a strategy or curriculum, such as genemask, span:p=0.1 or my_masks.py:mine."""
    mask_rate: Rate = 0.15
    """Fraction asked for, between 0 and 1."""
    match: Match = "tokens"
    """What mask_rate is a fraction of: "tokens" masked, "bases" hidden, or "none" for the published probabilities."""
    corruption: Literal["span", "token"] = "span"
    """One 80/10/10 draw per "span", or per "token"."""
    npmi_min_count: MinCount = 101
    """n-grams counted less often have no NPMI; at least 2."""
    npmi_definition: Definition = "exact"
    """"exact" (all segmentations) or "released" (the published table's)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.strategy)
