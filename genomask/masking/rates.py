"""What chance a strategy needs so that the asked rate is met: strategy and rate in, chance by sequence length out.

A strategy draws centres (or tokens, or words) with some chance, and spans overlap and stick out of the ends, so the
share it really masks depends on the length of the sequence. Where no formula is exact, the chance is found once by
letting the strategy itself mask sequences of independent, equally likely bases, and kept on disk.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from genomask.atomic import atomic_write
from genomask.cache import default_cache
from genomask.errors import SettingsError
from genomask.masking import calibration
from genomask.masking.registry import Strategy, StrategySpec
from genomask.types import TokenBases

Match = Literal["tokens", "bases", "none"]


def chances(
    spec: StrategySpec, at_chance: Callable[[Tensor], Strategy], tokens: TokenBases, rate: float, match: str,
    identity: str,
) -> Tensor:  # fmt: skip
    """(n,) float64 by number of bases in the sequence, the last entry for all longer ones.

    `at_chance` builds the strategy with a given such table; `identity` names all else its mask depends on.
    """
    if match not in get_args(Match):
        raise SettingsError(f"match must be one of {', '.join(get_args(Match))}; got {match!r}.")
    if rate in (0, 1):
        return torch.tensor([float(rate)], dtype=torch.float64)
    if match == "none":
        return torch.tensor([min(1.0, spec.published(rate, tokens))], dtype=torch.float64)
    if spec.exact and (match == "tokens" or not tokens.is_dna or tokens.stride == tokens.k == 1):
        return torch.tensor([spec.exact(rate, tokens)], dtype=torch.float64)
    request = {"strategy": spec.name, "k": tokens.k, "stride": tokens.stride, "rate": rate, "match": match}
    request |= {"identity": identity, "version": calibration.VERSION}
    return _remembered(request, lambda: calibration.calibrate(at_chance, tokens, rate, match))


_in_memory: dict[str, Tensor] = {}


def _remembered(request: dict[str, object], solve: Callable[[], Tensor]) -> Tensor:
    """The solution from memory, from disk, or solved now and kept."""
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]
    if name not in _in_memory:
        file = default_cache() / "rates" / f"{name}.json"
        try:
            solution = json.loads(file.read_text())["chances"]
        except (OSError, ValueError, KeyError):  # not there, or damaged
            solution = solve().tolist()
            atomic_write(file, json.dumps({"request": request, "chances": solution}))
        _in_memory[name] = torch.tensor(solution, dtype=torch.float64)
    return _in_memory[name]
