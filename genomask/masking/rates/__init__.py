"""Which probability of its draws meets the asked rate: strategy and rate in, probability by sequence length out.

A strategy draws centres (or tokens, or words) with some probability, and spans overlap and stick out of the ends, so
the fraction it really masks depends on the length of the sequence. Where no formula is exact, the probability is found
once by letting the strategy itself mask sequences, and kept on disk. These sequences are independent, equally likely
bases; where a strategy's rate depends much on what the sequences are, they are windows of the genome to be masked.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.files.cache import cache_errors, default_cache, recall, remember
from genomask.masking.built import BuiltStrategy
from genomask.masking.rates import calibration, simulation
from genomask.masking.rates.simulation import Simulation, Windows
from genomask.masking.registry import array_of, number_to
from genomask.settings.ranges import LARGE, require_one_of
from genomask.types import TokenBases

Match = Literal["tokens", "bases", "none"]


def probabilities(
    strategy: BuiltStrategy, rate: float, match: str, sample: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """(n,) float64 by number of bases in the sequence, the last entry for all longer ones.

    The strategy is the one that is asked for, whatever its own probabilities. sample: packed ids (T,) and cu_seqlens
    (B + 1,) of windows such as those to be masked.
    """
    spec, tokens = strategy.spec, strategy.tokens
    require_one_of("match", match, get_args(Match))
    # asked first: it looks at the parameters
    published = spec.asking(spec.rate.published, strategy.parameters, partial(number_to, LARGE))(rate, tokens)
    if rate in (0, 1):
        if spec.source:
            calibration.require_literal(strategy, _simulations(strategy, rate, sample)[0], rate)
        return torch.tensor([float(rate)], dtype=torch.float64)
    if match == "none":
        return torch.tensor([min(1.0, published)], dtype=torch.float64)
    fractions_agree = tokens.stride == tokens.k and tokens.equally_long  # of tokens masked and of bases hidden
    if match == "tokens" or (fractions_agree and rate <= calibration.MOST_TOKENS_MASKED):
        by_formula = _by_formula(strategy, rate)
        if by_formula is not None:
            return by_formula
    simulations, what = _simulations(strategy, rate, sample)
    request = {"strategy": spec.name, "vocabulary": _digest(tokens), "rate": rate, "match": match}
    request |= {"sequences": what, "tokens": simulation.TOKENS_PER_LENGTH}
    request |= {"identity": strategy.identity, "version": calibration.VERSION}
    return _remembered(request, lambda: calibration.calibrate(strategy, simulations, rate, match))


def _digest(tokens: TokenBases) -> str:
    """Of all that a strategy can see of a vocabulary: one of a person's own may ask for any of it."""
    tables = tokens.maskable, tokens.n_bases, tokens.word_start, tokens.letters, tokens.kmer_ids
    digest = hashlib.sha256(repr((tokens.k, tokens.stride, *(table.shape for table in tables))).encode())
    for table in tables:
        digest.update(table.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _by_formula(strategy: BuiltStrategy, rate: float) -> Tensor | None:
    """The probabilities where the strategy has a formula for the fraction of tokens it masks."""
    spec, tokens, parameters = strategy.spec, strategy.tokens, strategy.parameters
    if spec.rate.exact:
        exact = spec.asking(spec.rate.exact, parameters, lambda x: x if x is None else number_to(1, x))(rate, tokens)
        if exact is not None:
            return torch.tensor([exact], dtype=torch.float64)
    formula = spec.rate.visible
    if formula is None or not tokens.equally_long:
        return None

    def masked(probability: float, n_tokens: int) -> float:
        visible = spec.asking(formula, parameters, partial(array_of, (n_tokens,)))
        return float(1 - visible(probability, n_tokens, tokens).mean())

    lengths = [(n, (n - 1) * tokens.stride + tokens.k) for n in reversed(simulation.EVERY_SHORT_LENGTH)]
    return calibration.solve(spec.name, masked, lengths, rate)


def _simulations(
    strategy: BuiltStrategy, rate: float, sample: tuple[Tensor, Tensor] | None
) -> tuple[Iterator[Simulation], str]:
    """Sequences to solve on, made as they are needed, and a name for what they are."""
    spec, tokens = strategy.spec, strategy.tokens
    on_windows = "windows" in spec.needs or not tokens.equally_long
    if on_windows and sample is None:
        why = "masks" if "windows" in spec.needs else "on tokens of unequal length masks"
        raise SettingsError(
            f"masking strategy {spec.name!r} {why} a fraction that depends on the sequences: pass sample=(input_ids, "
            "cu_seqlens) of windows of the genome to build_strategy, or match='none'; a collator takes what that built."
        )
    effort = 1.0 if spec.machine_code else simulation.EFFORT_OF_INTERPRETED
    if on_windows and sample:
        windows = Windows(tokens, *sample)
        return windows.simulations(rate, effort), windows.identity
    lengths = simulation.EVERY_SHORT_LENGTH if "every length" in spec.needs else simulation.LENGTHS
    return simulation.of_even_bases(tokens, lengths, rate, effort), f"even bases, {len(lengths)} lengths"


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
