"""Packed tokens in; spans to hide, corrupted ids with labels, and an account of what is really hidden out."""

from genomask.masking import strategies  # noqa: F401  (registers the strategies)
from genomask.masking.accounting import MaskAccount, account
from genomask.masking.build import build_strategy
from genomask.masking.built import Selection, Strategy
from genomask.masking.corruption import corrupt
from genomask.masking.npmi import NpmiTable
from genomask.masking.plan import MaskPlan, build_plan
from genomask.masking.registry import STRATEGIES, strategy
from genomask.masking.sequence import (
    Sequence,
    bases,
    centres,
    hide_base,
    hide_bases,
    hide_token,
    mask_token,
    tokens_drawn,
    uniform_at,
)
from genomask.masking.settings import MaskSettings

__all__ = [
    "STRATEGIES",
    "MaskAccount",
    "MaskPlan",
    "MaskSettings",
    "NpmiTable",
    "Selection",
    "Sequence",
    "Strategy",
    "account",
    "bases",
    "build_plan",
    "build_strategy",
    "centres",
    "corrupt",
    "hide_base",
    "hide_bases",
    "hide_token",
    "mask_token",
    "strategy",
    "tokens_drawn",
    "uniform_at",
]
