"""What the scores of a pretraining run mean, in words: rows of metrics.jsonl and baselines in, sentences out.

A loss under a run's own mask looks good as soon as the model copies the bases that the mask leaves visible. Whether it
knows anything about the genome shows in the bits per hidden base under the fixed masks: above the order-0 entropy it is
worse than a constant guess by composition, however low its loss.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from genomask.errors import DataError

LAST = 3
"""How many evaluations are averaged, so that one lucky evaluation is not the result."""

COPIED = 0.75
"""Fraction of the way from the unigram entropy to the flank floor below which a model has not learned to copy.

On the way bits per hidden base get worse before they get better, so scores and comparisons from there mean little.
"""

FLANKS = 0.9
"""A flank floor above this fraction of the unigram entropy leaves nothing to copy: tokens that do not overlap."""

NOISE = 2.0
"""Standard errors within which a gain counts as none."""

WORSE, EQUAL, BETTER = range(3)
LOSS = "eval_loss_nats_per_masked_token"
LONGER = "Train longer (training.steps), or at a higher optimizer.learning_rate."
ITEMS = {"single": "single hidden bases", "six": "six in a row"}
MARKOV = {
    "single": "a Markov chain of order 5",
    "six": "a Markov chain of order 5, which sees the true bases before each",
}

Baselines = Mapping[str, float | None]


class Scores(NamedTuple):
    """The last evaluations of a run, combined."""

    mean: pd.Series
    """For each column."""
    last: pd.Series
    """The last evaluation alone, to which the standard errors belong."""
    n: int


def is_evaluation(row: Mapping[str, Any]) -> bool:
    """Whether a row of metrics.jsonl is an evaluation."""
    return bool(pd.notna(row.get(LOSS)))


def last_scores(rows: Sequence[Mapping[str, Any]]) -> Scores:
    """Mean of the last LAST evaluations in rows of metrics.jsonl, or of as many as there are.

    Raises DataError if there are none, as in a damaged file.
    """
    evaluated = pd.DataFrame([row for row in rows if is_evaluation(row)][-LAST:])
    if evaluated.empty:
        raise DataError("metrics.jsonl has no evaluation row; restore it from a backup.")
    return Scores(evaluated.mean(), evaluated.iloc[-1], len(evaluated))


def evaluations_words(n: int) -> str:
    """Which evaluations a mean is over: there may be fewer than LAST."""
    return "the only evaluation" if n == 1 else f"mean of the {'last ' if n == LAST else ''}{n} evaluations"


def copied_fraction(loss: float, baselines: Baselines) -> float | None:
    """How far the loss has come from the unigram entropy (0) to the flank floor (1); None where nothing can be copied.

    Text and tokens that do not overlap have no flanks, and long spans hardly any. Raises DataError if the entropy is
    missing, as in damaged files: then it is not known.
    """
    floor = baselines.get("flank_floor_nats")
    if floor is None:
        return None
    start = number_of(baselines, "unigram_entropy_nats")
    if floor > FLANKS * start or start <= 0:
        return None
    return (start - loss) / (start - floor)


def still_copying(rows: Sequence[Mapping[str, Any]], baselines: Baselines) -> str:
    """Loss and flank floor in words if the last evaluation's loss is far above the floor; otherwise nothing."""
    loss = float(last_scores(rows).last[LOSS])
    fraction = copied_fraction(loss, baselines)
    return _beside_floor(loss, baselines) if fraction is not None and fraction < COPIED else ""


def meaning(rows: Sequence[Mapping[str, Any]], baselines: Baselines, *, mask_tells: bool) -> str:
    """What a run's last evaluation means, and what to try. `mask_tells`: the mask follows the bases under it.

    Raises DataError if a number for it is missing, as in damaged files.
    """
    last = last_scores(rows).last
    if all(f"eval_bits_per_hidden_base_{item}" in last for item in ITEMS):
        said = _of_dna(last, baselines, still_copying(rows, baselines), mask_tells)
    else:
        said = _of_text(float(last[LOSS]), baselines)
    return f"At the last evaluation the model {said}"


def _of_dna(last: pd.Series, baselines: Baselines, still: str, mask_tells: bool) -> str:
    if still:
        return (
            f"has not learned to copy the bases beside a mask yet ({still}), so its scores say little about the genome "
            f"or the mask. {LONGER}"
        )
    loss = float(last[LOSS])
    fraction = copied_fraction(loss, baselines)
    floor = "" if fraction is None else _beside_floor(loss, baselines)
    found = {item: _level(last, baselines, item) for item in ITEMS}
    bits = f"under masks that are the same for every run, {'; '.join(words for _, words in found.values())}."
    if fraction is not None and fraction < 1:
        return f"is still learning to copy the bases beside a mask ({floor}); {bits} {LONGER}"
    copies = "has no flanks to copy" if fraction is None else f"copies the bases beside a mask ({floor})"
    return f"{copies}; {bits} {_advice(min(level for level, _ in found.values()), mask_tells)}"


def _beside_floor(loss: float, baselines: Baselines) -> str:
    return f"loss {loss:.3f} nats per masked token, flank floor {number_of(baselines, 'flank_floor_nats'):.3f}"


def number_of(known: pd.Series | Mapping[str, Any], name: str) -> float:
    """A figure of a run, by its name. Raises DataError if it is missing, as in damaged files."""
    value = known.get(name)
    if value is None or pd.isna(value):
        raise DataError(f"metrics.jsonl or baselines.json has no {name}; restore both from a backup.")
    return float(value)


def _of_text(loss: float, baselines: Baselines) -> str:
    constant = number_of(baselines, "unigram_entropy_nats")
    if loss >= constant:
        return (
            f"knows no more than how frequent each token is (loss {loss:.3f} nats, the best constant guess "
            f"{constant:.3f}). {LONGER}"
        )
    return (
        f"uses its context: {constant - loss:.3f} nats per masked token below the best constant guess. "
        "Losses are comparable only between runs of the same vocabulary and evaluation.mask_rate."
    )


def _level(last: pd.Series, baselines: Baselines, item: str) -> tuple[int, str]:
    """0 worse than the composition, 1 no better, 2 better, 3 better than a Markov chain of order 5; and the words."""
    gain = number_of(last, f"eval_bits_below_order_0_{item}")
    error = last.get(f"eval_bits_below_order_0_{item}_standard_error")
    above_markov = number_of(last, f"eval_bits_per_hidden_base_{item}") - number_of(baselines, f"order_5_bits_{item}")
    level, words = gain_words(gain, error)
    beside = f"on {ITEMS[item]} it is {words} than a constant guess by composition"
    if level < BETTER:
        return level, beside if level == WORSE else f"{beside}, within noise"
    if above_markov >= 0:
        return BETTER, f"{beside}, and {above_markov:.3f} short of {MARKOV[item]}"
    return BETTER + 1, f"{beside}, and {-above_markov:.3f} better than {MARKOV[item]}"


def gain_words(gain: float, error: float | None) -> tuple[int, str]:
    """WORSE, EQUAL or BETTER than a constant guess, by bits gained and their standard error; and the same in words.

    A single held-out window has no error, and shows nothing.
    """
    if error is None or pd.isna(error):
        return EQUAL, "not shown to be better (one held-out window has no error)"
    figure = f"{abs(gain):.3f} ± {error:.3f} bits"
    if gain < -NOISE * error:
        return WORSE, f"{figure} worse"
    return (EQUAL, "no better") if gain <= NOISE * error else (BETTER, f"{figure} better")


def with_error(gain: float, error: float | None) -> str:
    """Bits gained, ± their standard error where there is one."""
    return f"{gain:+.4f}" + ("" if error is None or pd.isna(error) else f" ± {error:.4f}")


def _advice(worst: int, mask_tells: bool) -> str:
    if worst == 0 and mask_tells:
        return (
            "Its loss is low partly because the mask reveals the answer: these spans follow the bases under them, a "
            "hint that is false under other masks. Try --masking random-span, the same spans without the hint."
        )
    return {
        0: "It is overconfident: train longer, on more sequence, or at a lower learning rate.",
        1: f"{LONGER} More sequence helps too.",
        2: "Longer training, a larger encoder or more sequence may go further.",
        3: "It has learned more than short words; genomask fewshot shows what that is worth on a task.",
    }[worst]
