"""Which probability of its draws meets the asked rate: strategy and rate in, probability by sequence length out.

A strategy draws centres (or tokens, or words) with some probability, and spans overlap and stick out of the ends, so
the fraction it really masks depends on the length of the sequence. Where no formula is exact, the probability is found
once by letting the strategy itself mask sequences, and kept on disk. These sequences are independent, equally likely
bases; where a strategy's rate depends much on what the sequences are, they are windows of the genome to be masked.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.files.cache import cache_errors, default_cache, recall, remember
from genomask.masking.rates import calibration, simulation
from genomask.masking.rates.simulation import Simulation, Windows
from genomask.masking.registry import Strategy, StrategySpec
from genomask.settings.ranges import require_one_of
from genomask.types import TokenBases

Match = Literal["tokens", "bases", "none"]


@dataclass(frozen=True)
class Wanted:
    """A strategy and what is asked of it."""

    spec: StrategySpec
    tokens: TokenBases
    parameters: dict[str, object]
    rate: float
    match: str
    identity: str
    """Names all else that its mask depends on."""
    sample: tuple[Tensor, Tensor] | None
    """Packed ids (T,) and cu_seqlens (B + 1,) of windows such as those to be masked."""


def probabilities(wanted: Wanted, build: Callable[[Tensor], Strategy]) -> Tensor:
    """(n,) float64 by number of bases in the sequence, the last entry for all longer ones.

    `build` builds the strategy with a given such table.
    """
    spec, tokens, rate, match = wanted.spec, wanted.tokens, wanted.rate, wanted.match
    require_one_of("match", match, get_args(Match))
    published = min(
        1.0, spec.asking(spec.rate.published, wanted.parameters)(rate, tokens)
    )  # asked first: it looks at the parameters
    if rate in (0, 1):
        if spec.source:
            calibration.require_literal(spec.name, build, _simulations(wanted)[0], rate)
        return torch.tensor([float(rate)], dtype=torch.float64)
    if match == "none":
        return torch.tensor([published], dtype=torch.float64)
    if match == "tokens" or (_fractions_agree(tokens) and rate <= calibration.MOST_TOKENS_MASKED):
        by_formula = _by_formula(wanted)
        if by_formula is not None:
            return by_formula
    simulations, what = _simulations(wanted)
    request = {"strategy": spec.name, "k": tokens.k, "stride": tokens.stride, "rate": rate, "match": match}
    request |= {"sequences": what, "identity": wanted.identity, "version": calibration.VERSION}
    return _remembered(request, lambda: calibration.calibrate(spec.name, build, simulations, rate, match))


def _by_formula(wanted: Wanted) -> Tensor | None:
    """The probabilities where the strategy has a formula for the fraction of tokens it masks."""
    formulas, tokens, rate = wanted.spec.rate, wanted.tokens, wanted.rate
    exact = wanted.spec.asking(formulas.exact, wanted.parameters)(rate, tokens) if formulas.exact else None
    if exact is not None:
        return torch.tensor([exact], dtype=torch.float64)
    if not formulas.visible or not tokens.equally_long:
        return None
    visible = wanted.spec.asking(formulas.visible, wanted.parameters)
    lengths = [(n, (n - 1) * tokens.stride + tokens.k) for n in reversed(simulation.EVERY_SHORT_LENGTH)]
    return calibration.solve(lambda probability, n_tokens: visible(probability, n_tokens, tokens), lengths, rate)


def _fractions_agree(tokens: TokenBases) -> bool:
    """Are the fractions of tokens and of bases the same, since tokens are equally long and never overlap?"""
    return tokens.stride == tokens.k and tokens.equally_long


def _simulations(wanted: Wanted) -> tuple[Iterator[Simulation], str]:
    """Sequences to solve on, made as they are needed, and a name for what they are."""
    spec, tokens = wanted.spec, wanted.tokens
    if "windows" not in spec.needs and tokens.equally_long:
        lengths = simulation.EVERY_SHORT_LENGTH if "every length" in spec.needs else simulation.LENGTHS
        effort = 1.0 if spec.machine_code else simulation.EFFORT_OF_INTERPRETED
        return simulation.of_even_bases(tokens, lengths, wanted.rate, effort), f"even bases, {len(lengths)} lengths"
    if wanted.sample is None:
        why = "masks" if "windows" in spec.needs else "on tokens of unequal length masks"
        raise SettingsError(
            f"masking strategy {spec.name!r} {why} a fraction that depends on the sequences: pass sample=(input_ids, "
            "cu_seqlens) of windows of the genome, or match='none'."
        )
    windows = Windows(tokens, *wanted.sample)
    return windows.simulations(wanted.rate), windows.identity


in_memory: dict[str, Tensor] = {}
"""What this process solved or read: digest of a request -> its solution."""


def _remembered(request: dict[str, object], solve: Callable[[], Tensor]) -> Tensor:
    """The solution from memory, from disk, or solved now and kept."""
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
