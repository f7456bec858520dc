"""The [masking] table of a recipe."""

from dataclasses import dataclass
from typing import get_args

from genomask.masking.names import check_name
from genomask.masking.npmi import Definition, check_npmi_settings
from genomask.masking.rates import Match
from genomask.settings.ranges import require, require_one_of


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How tokens are hidden in training."""

    strategy: str = "random-span"
    """What is hidden: a strategy or curriculum, such as genemask, span:p=0.1 or my_masks.py:mine."""
    mask_rate: float = 0.15
    """Share asked for, between 0 and 1."""
    match: str = "tokens"
    """What mask_rate is a share of: "tokens" masked, "bases" hidden, or "none" for the published probabilities."""
    corruption: str = "span"
    """One 80/10/10 draw per "span", or per "token"."""
    npmi_min_count: int = 101
    """n-grams counted less often have no NPMI; at least 2."""
    npmi_definition: Definition = "exact"
    """"exact" (all segmentations) or "released" (the published table's)."""

    def __post_init__(self) -> None:
        require(0 < self.mask_rate < 1, "masking.mask_rate", "between 0 and 1", self.mask_rate)
        check_npmi_settings(self.npmi_min_count, self.npmi_definition, "forward", "masking.npmi_")
        check_name(self.strategy)
        require_one_of("masking.match", self.match, get_args(Match))
        require_one_of("masking.corruption", self.corruption, ("span", "token"))
