"""The masking strategies of the house, one a file; importing this registers them."""

from genomask.masking.strategies import contiguous, genemask, random_span, uniform, whole_word

__all__ = ["contiguous", "genemask", "random_span", "uniform", "whole_word"]
