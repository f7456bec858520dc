"""Which mask a run uses and why, in a sentence: the recipe in, what was measured of its strategy out."""

from collections.abc import Mapping

from genomask.masking.settings import MaskSettings
from genomask.recipe import Recipe

OVERLAPPING = {
    "random-span": "on yeast and human sequence its small models predict hidden bases better than genemask's; no "
    "few-shot difference was shown",
    "genemask": "its span lengths give bases away, so its loss looks better than the model is; its control, "
    "--masking random-span, predicts hidden bases better in small models",
    "uniform": "masked one by one, overlapping tokens hide almost no base",
}
"""What was measured of strategies on overlapping k-mers: docs/masking.md, 'Which one?', and what-masks-give-away.md."""

TEXT = {"uniform": "as BERT and MosaicBERT mask", "whole-word": "as BERT's later release masks"}

NOT_MEASURED = "not measured here; compare on your own data with genomask compare"


EVIDENCE: Mapping[str, tuple[Mapping[str, str], str]] = {
    "overlapping tokens": ({name: f"{words} (docs/masking.md)" for name, words in OVERLAPPING.items()}, NOT_MEASURED),
    "tokens end to end": ({}, NOT_MEASURED),
    "word pieces": (TEXT, "nothing was compared on text"),
}
"""What a mask hides -> what was measured of strategies, and the words for the others."""


def mask_sentence(recipe: Recipe, *, asked_for: bool) -> str:
    """As 'masking: genemask, 15 % of the tokens (the recipe's default): ...'; `asked_for` by option or --set."""
    masking = recipe.masking
    whose = "asked for" if asked_for else "the recipe's default"
    measured, otherwise = EVIDENCE[recipe.masked_unit]
    return f"masking: {masking.strategy}, {rate_words(masking)} ({whose}): {measured.get(masking.strategy, otherwise)}"


def rate_words(masking: MaskSettings) -> str:
    """As '15 % of the tokens': the rate, and what it is of."""
    fraction = {"tokens": "of the tokens", "bases": "of the bases", "none": "at its published probabilities"}
    return f"{100 * masking.mask_rate:g} % {fraction[masking.match]}"
