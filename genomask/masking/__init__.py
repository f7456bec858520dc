"""Packed tokens in; spans to hide, corrupted ids with labels, and an account of what is really hidden out."""

from genomask.masking import strategies  # noqa: F401  (registers the strategies)
from genomask.masking.accounting import MaskAccount, account
from genomask.masking.build import build_strategy
from genomask.masking.corruption import corrupt
from genomask.masking.npmi import NpmiTable
from genomask.masking.plan import MaskPlan, build_plan
from genomask.masking.registry import STRATEGIES, Strategy, register
from genomask.masking.settings import MaskSettings
from genomask.masking.view import MaskView

__all__ = [
    "STRATEGIES",
    "MaskAccount",
    "MaskPlan",
    "MaskSettings",
    "MaskView",
    "NpmiTable",
    "Strategy",
    "account",
    "build_plan",
    "build_strategy",
    "corrupt",
    "register",
]
