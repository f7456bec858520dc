"""Our masking strategies, one a file; importing this registers them."""

from genomask.masking.strategies import (
    contiguous,
    fixed_span,
    genemask,
    genemask_released,
    npmi_global,
    random_span,
    span,
    uniform,
    whole_word,
)

__all__ = [
    "contiguous",
    "fixed_span",
    "genemask",
    "genemask_released",
    "npmi_global",
    "random_span",
    "span",
    "uniform",
    "whole_word",
]
