"""The draw probability that meets a mask rate: strategy and rate in, probability by sequence length out.

A strategy draws centres (or tokens, or words) with some probability, and spans overlap and stick out of the ends, so
the fraction it really masks depends on the length of the sequence. Where no formula is exact, the probability is solved
once by having the strategy itself mask sequences, and cached on disk. These sequences are independent, equally likely
bases or, where a strategy's rate depends much on the sequences, windows of the genome to be masked.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from genomask.errors import SettingsError
from genomask.files.cache import cache_errors, default_cache, recall, remember
from genomask.masking.built import BuiltStrategy
from genomask.masking.rates import simulation
from genomask.masking.rates.simulation import Simulation, Windows
from genomask.masking.registry import array_of, number_to
from genomask.settings.ranges import LARGE, require_one_of
from genomask.types import TokenBases

log = logging.getLogger(__name__)

Match = Literal["tokens", "bases", "none"]
VERSION = 10
"""Raise when a change here or in any strategy changes the solutions."""
MOST_TOKENS_MASKED = 0.5
"""match="bases" is refused where it would mask a larger fraction of tokens: little would be left to learn from."""
ENOUGH = 1e-3
"""The search ends once the fraction is off by less than this, relative to the rate."""
MOST_OFF = 0.01
"""A rate missed by more than this, relative to it, is refused."""


def probabilities(
    strategy: BuiltStrategy, rate: float, match: str, sample: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """(n,) float64 by number of bases in the sequence; the last entry holds for all longer ones.

    The strategy's own probabilities are ignored. sample: packed ids (T,) and cu_seqlens (B + 1,) of windows like those
    to be masked. Raises SettingsError where the strategy cannot give the rate.
    """
    spec, tokens = strategy.spec, strategy.tokens
    require_one_of("match", match, get_args(Match))
    # first, because it checks the parameters
    published = spec.ask(spec.published, strategy.parameters, partial(number_to, LARGE), rate, tokens)
    if rate in (0, 1):
        if spec.source:
            _require_literal(strategy, rate, sample)
        return torch.tensor([float(rate)], dtype=torch.float64)
    if match == "none":
        return torch.tensor([min(1.0, published)], dtype=torch.float64)
    fractions_agree = tokens.stride == tokens.k and tokens.equally_long  # of tokens masked and of bases hidden
    if match == "tokens" or (fractions_agree and rate <= MOST_TOKENS_MASKED):
        by_formula = _by_formula(strategy, rate)
        if by_formula is not None:
            return by_formula
    simulations, what = _simulations(strategy, rate, sample)
    request = {"strategy": spec.name, "vocabulary": _digest(tokens), "rate": rate, "match": match}
    request |= {"sequences": what, "tokens": simulation.TOKENS_PER_LENGTH}
    request |= {"identity": strategy.identity, "version": VERSION}
    return _remembered(request, lambda: calibrate(strategy, simulations, rate, match))


def _require_literal(strategy: BuiltStrategy, rate: float, sample: tuple[Tensor, Tensor] | None) -> None:
    """Refuse a strategy that masks any token at probability 0, or not all at probability 1."""
    for simulated in _simulations(strategy, rate, sample)[0]:
        (fraction, _), _ = simulated.fractions(strategy, rate)
        if abs(fraction - rate) > ENOUGH:
            raise SettingsError(_cannot_give(strategy, simulated.n_tokens, rate, "tokens", fraction))


def _by_formula(strategy: BuiltStrategy, rate: float) -> Tensor | None:
    """The probabilities where the strategy has a formula for the fraction of tokens it masks."""
    spec, tokens, parameters = strategy.spec, strategy.tokens, strategy.parameters
    if spec.exact:
        exact = spec.ask(spec.exact, parameters, lambda x: x if x is None else number_to(1, x), rate, tokens)
        if exact is not None:
            return torch.tensor([exact], dtype=torch.float64)
    formula = spec.visible
    if formula is None or not tokens.equally_long:
        return None

    def masked(probability: float, n_tokens: int) -> float:
        visible = spec.ask(formula, parameters, partial(array_of, (n_tokens,)), probability, n_tokens, tokens)
        return float(1 - visible.mean())

    lengths = simulation.EVERY_SHORT_LENGTH[::-1]
    return _table([(n - 1) * tokens.stride + tokens.k for n in lengths],
                  [_root(strategy, masked, n, rate) for n in lengths])  # fmt: skip


def _root(strategy: BuiltStrategy, masked: Callable[[float, int], float], n_tokens: int, rate: float) -> float:
    """The probability at which the fraction `masked` is the rate, or the end at which it is near enough."""
    ends = 0.0, 1 - 1e-12
    least, most = (masked(end, n_tokens) for end in ends)
    if least > rate or most < rate:
        nearest = min((least, most), key=lambda fraction: abs(fraction - rate))
        if abs(nearest - rate) > ENOUGH * rate:
            raise SettingsError(_cannot_give(strategy, n_tokens, rate, "tokens", nearest))
        return ends[nearest == most]
    return float(brentq(lambda probability: masked(probability, n_tokens) - rate, *ends, xtol=1e-15, rtol=1e-8))


def _simulations(
    strategy: BuiltStrategy, rate: float, sample: tuple[Tensor, Tensor] | None
) -> tuple[Iterator[Simulation], str]:
    """Sequences to solve on, made as they are needed, and a name for them."""
    spec, tokens = strategy.spec, strategy.tokens
    effort = 1.0 if spec.machine_code else simulation.EFFORT_OF_INTERPRETED
    if tokens.equally_long and "windows" not in spec.needs:
        lengths = simulation.EVERY_SHORT_LENGTH if "every length" in spec.needs else simulation.LENGTHS
        return simulation.of_even_bases(tokens, lengths, rate, effort), f"even bases, {len(lengths)} lengths"
    if sample is None:
        where = "" if "windows" in spec.needs else ", with tokens of unequal length,"
        raise SettingsError(
            f"masking strategy {spec.name!r} masks{where} a fraction that depends on the sequences: pass "
            "sample=(input_ids, cu_seqlens) of windows of the genome to build_strategy, or match='none'; a collator "
            "takes the strategy that it returns."
        )
    windows = Windows(tokens, *sample)
    return windows.simulations(rate, effort), windows.identity


def calibrate(strategy: BuiltStrategy, simulations: Iterator[Simulation], rate: float, match: str) -> Tensor:
    """Probabilities by number of bases, by simulation at decreasing lengths.

    Raises SettingsError where the strategy cannot give the rate, and warns where too little was simulated to know.
    """
    lengths, solved, probability = [], [], 0.0
    for simulated in simulations:
        probability = _solve(strategy, simulated, probability or rate / 8, rate, match)
        lengths.append(simulated.n_bases)
        solved.append(probability)
    return _table(lengths, solved)


def _solve(strategy: BuiltStrategy, simulated: Simulation, probability: float, rate: float, match: str) -> float:
    """The probability that gives the asked fraction, from a first guess: secant steps in a shrinking bracket.

    The logarithm of -ln(1 - fraction) is nearly linear in that of the probability.
    """
    name, low, high, slope = strategy.spec.name, 1e-9, 1.0, 1.0
    before: tuple[float, float] | None = None
    for _ in range(40):
        tokens_masked, bases_hidden = simulated.fractions(strategy, probability)
        fraction, error = tokens_masked if match == "tokens" else bases_hidden
        low, high = (probability, high) if fraction < rate else (low, probability)
        if abs(fraction - rate) < ENOUGH * rate or high - low < ENOUGH * high:
            break
        here = np.log(probability), np.log(-np.log1p(-np.clip(fraction, 1e-9, 1 - 1e-9)))
        if before and here[0] != before[0]:
            slope = max(0.2, (here[1] - before[1]) / (here[0] - before[0]))
        before = here
        step = np.exp(here[0] + (np.log(-np.log1p(-rate)) - here[1]) / slope)
        probability = step if low < step < high else (low * high) ** 0.5
    if match == "bases" and tokens_masked[0] > MOST_TOKENS_MASKED:
        raise SettingsError(
            f"hiding {_percent(rate)} of the bases would mask more than {MOST_TOKENS_MASKED:.0%} of the tokens with "
            f"{name!r} (at {_percent(tokens_masked[0])} of tokens it hides {_percent(fraction)}); ask for a lower "
            "mask rate, or set match = tokens."
        )
    if abs(fraction - rate) > max(MOST_OFF * rate, 4 * error):
        raise SettingsError(_cannot_give(strategy, simulated.n_tokens, rate, match, fraction))
    if error > MOST_OFF * rate:
        log.warning(
            "the rate of %r is known only to within %s of it: %s of the %s is little to simulate in sequences of %d "
            "tokens",
            name, f"{error / rate:.0%}", _percent(rate), match, simulated.n_tokens,
        )  # fmt: skip
    return float(probability)


def _table(lengths: Sequence[float], solved: Sequence[float]) -> Tensor:
    """Probabilities by number of bases (the last for all longer), from those at decreasing lengths.

    The effect of the two ends falls with 1 / length, so between lengths the probability is nearly linear in that.
    """
    at = np.arange(round(lengths[0]) + 1).clip(min=lengths[-1])
    return torch.from_numpy(np.interp(1 / at, 1 / np.array(lengths), solved))


def _cannot_give(strategy: BuiltStrategy, n_tokens: int, rate: float, match: str, fraction: float) -> str:
    return (
        f"masking strategy {strategy.spec.name!r} cannot give {_percent(rate)} of the {match} in sequences of "
        f"{n_tokens} tokens: the nearest is {_percent(fraction)}; ask for another mask rate, or use its "
        "published probability (match = none)."
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def _digest(tokens: TokenBases) -> str:
    """Digest of all that a strategy can see of a vocabulary: a user's own may read any of it."""
    tables = tokens.maskable, tokens.n_bases, tokens.word_start, tokens.letters, tokens.kmer_ids
    digest = hashlib.sha256(repr((tokens.k, tokens.stride, *(table.shape for table in tables))).encode())
    for table in tables:
        digest.update(table.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


in_memory: dict[str, Tensor] = {}
"""Solutions that this process solved or read, by the digest of their request."""


def _remembered(request: dict[str, object], solve: Callable[[], Tensor]) -> Tensor:
    """The solution from memory, from disk, or solved now and cached."""
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]
    if name not in in_memory:
        file = default_cache() / "rates" / f"{name}.json"
        kept = recall(file)
        if kept is None:
            kept = {"request": request, "probabilities": solve().tolist()}
            with cache_errors(file.parent):
                remember(file, kept)
        in_memory[name] = torch.tensor(kept["probabilities"], dtype=torch.float64)
    return in_memory[name]
