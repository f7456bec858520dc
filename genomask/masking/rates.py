"""What chance a strategy needs so that the asked rate is met: strategy and rate in, chance by sequence length out.

A strategy draws centres (or tokens, or words) with some chance, and spans overlap and stick out of the ends, so the
share it really masks depends on the length of the sequence. Where no formula is exact, the chance is found once by
letting the strategy itself mask sequences, and kept on disk. These sequences are independent, equally likely bases;
where a strategy's rate depends much on what the sequences are, they are windows of the genome to be masked.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from genomask.cache import cache_errors, default_cache, recall, remember
from genomask.errors import SettingsError
from genomask.masking import calibration, simulation
from genomask.masking.registry import Strategy, StrategySpec
from genomask.masking.simulation import Simulation, Windows
from genomask.ranges import require_one_of
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


def chances(wanted: Wanted, at_chance: Callable[[Tensor], Strategy]) -> Tensor:
    """(n,) float64 by number of bases in the sequence, the last entry for all longer ones.

    `at_chance` builds the strategy with a given such table.
    """
    spec, tokens, rate, match = wanted.spec, wanted.tokens, wanted.rate, wanted.match
    require_one_of("match", match, get_args(Match))
    if rate in (0, 1):
        if spec.source:
            calibration.require_literal(spec.name, at_chance, _simulations(wanted)[0], rate)
        return torch.tensor([float(rate)], dtype=torch.float64)
    if match == "none":
        return torch.tensor([min(1.0, _asking(spec.published, wanted)(rate, tokens))], dtype=torch.float64)
    if match == "tokens" or (_shares_agree(tokens) and rate <= calibration.MOST_TOKENS_MASKED):
        exact = _asking(spec.exact, wanted)(rate, tokens) if spec.exact else None
        if exact is not None:
            return torch.tensor([exact], dtype=torch.float64)
        if spec.visible and tokens.equally_long:
            visible = _asking(spec.visible, wanted)
            lengths = [(n, (n - 1) * tokens.stride + tokens.k) for n in reversed(simulation.EVERY_SHORT_LENGTH)]
            return calibration.solve(lambda chance, n_tokens: visible(chance, n_tokens, tokens), lengths, rate)
    simulations, what = _simulations(wanted)
    request = {"strategy": spec.name, "k": tokens.k, "stride": tokens.stride, "rate": rate, "match": match}
    request |= {"sequences": what, "identity": wanted.identity, "version": calibration.VERSION}
    return _remembered(request, lambda: calibration.calibrate(spec.name, at_chance, simulations, rate, match))


def _asking(formula: Callable[..., Any], wanted: Wanted) -> Callable[..., Any]:
    """The formula, given those of the strategy's parameters that it names; SettingsError where a person's own fails."""
    named = inspect.signature(formula).parameters
    own = {key: value for key, value in wanted.parameters.items() if key in named}

    def ask(*arguments: Any) -> Any:
        with wanted.spec.blamed("in its formula"):
            return formula(*arguments, **own)

    return ask


def _shares_agree(tokens: TokenBases) -> bool:
    """Are the shares of tokens masked and of bases hidden the same, since tokens are equally long and never overlap?"""
    return tokens.stride == tokens.k and tokens.equally_long


def _simulations(wanted: Wanted) -> tuple[Iterator[Simulation], str]:
    """Sequences to solve on, made as they are needed, and a name for what they are."""
    spec, tokens = wanted.spec, wanted.tokens
    if not spec.needs_windows and tokens.equally_long:
        lengths = simulation.EVERY_SHORT_LENGTH if spec.uneven else simulation.LENGTHS
        return simulation.of_even_bases(tokens, lengths, wanted.rate), f"even bases, {len(lengths)} lengths"
    if wanted.sample is None:
        why = "masks" if spec.needs_windows else "on tokens of unequal length masks"
        raise SettingsError(
            f"masking strategy {spec.name!r} {why} a share that depends on the sequences: pass sample=(input_ids, "
            "cu_seqlens) of windows of the genome, or match='none'."
        )
    windows = Windows(tokens, *wanted.sample)
    return windows.simulations(wanted.rate), windows.identity


_in_memory: dict[str, Tensor] = {}


def _remembered(request: dict[str, object], solve: Callable[[], Tensor]) -> Tensor:
    """The solution from memory, from disk, or solved now and kept."""
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]
    if name not in _in_memory:
        file = default_cache() / "rates" / f"{name}.json"
        kept = recall(file)
        if kept is None:
            kept = {"request": request, "chances": solve().tolist()}
            with cache_errors(file.parent):
                remember(file, kept)
        _in_memory[name] = torch.tensor(kept["chances"], dtype=torch.float64)
    return _in_memory[name]
