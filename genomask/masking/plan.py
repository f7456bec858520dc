"""What masks each step of a run: a strategy's or curriculum's name in, the strategy of every step out.

Letters: T tokens of all packed sequences, B sequences.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import Purpose, uniform
from genomask.masking.build import build_strategy
from genomask.masking.built import Selection, Strategy
from genomask.masking.curricula import Curriculum, Moment, Phase, has_stopped_falling
from genomask.masking.names import find, strategies_of
from genomask.masking.npmi import NpmiTable
from genomask.types import TokenBases


@dataclass(frozen=True)
class MaskPlan:
    """The built strategies of a run, and which of them masks what."""

    phase_of: Callable[[int, int | None], Phase]
    """From the number of a step (from 0) and the first step after the switch, None where there was none."""
    strategies: dict[tuple[str, float], Strategy]
    """By name and mask rate."""
    patience: int
    """Evaluations without a fall after which a curriculum that waits switches; 0 if it does not wait."""
    least: float
    """What counts as a fall, in bits per hidden base."""
    changes: bool
    """Whether steps may differ: it is a curriculum."""

    def at(self, step: int, switched_at: int | None = None) -> Strategy:
        """The strategy of this step."""
        first, second, fraction, rate = self.phase_of(step, switched_at)
        if fraction in (0, 1):
            return self.strategies[second if fraction else first, rate]
        return Mixed(self.strategies[first, rate], self.strategies[second, rate], fraction)

    def wants_to_switch(self, scores: Sequence[float]) -> bool:
        """Has the score under fixed masks, in bits per hidden base of each evaluation so far, stopped falling?"""
        return self.patience > 0 and has_stopped_falling(scores, self.patience, self.least)


@dataclass(frozen=True)
class Mixed(Strategy):
    """Each sequence is masked by the second strategy with the probability `fraction`, and otherwise by the first."""

    first: Strategy
    second: Strategy
    fraction: float

    def select_weighted(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Selection:
        """The spans of packed ids (T,), and the weight that each of their tokens has in the loss."""
        first, second = (s.select_weighted(input_ids, cu_seqlens, keys) for s in (self.first, self.second))
        by_second = uniform(keys, Purpose.MIXED, torch.zeros_like(keys)) < self.fraction
        lengths = cu_seqlens[: len(keys) + 1].long().diff()  # the bounds after those are padding
        token_by_second = torch.repeat_interleave(by_second, lengths, output_size=len(input_ids))
        spans = torch.where(token_by_second, second.spans, first.spans)
        if first.weights is None and second.weights is None:
            return Selection(spans, None)
        ones = torch.ones(len(spans), device=spans.device)
        of_first, of_second = (ones if s.weights is None else s.weights for s in (first, second))
        return Selection(spans, torch.where(token_by_second, of_second, of_first))


def build_plan(
    name: str,
    *,
    steps: int,
    tokens: TokenBases,
    mask_rate: float,
    npmi: NpmiTable | None = None,
    match: str = "tokens",
    sample: tuple[Tensor, Tensor] | None = None,
) -> MaskPlan:
    """The strategy or curriculum that `name` names, for a run of `steps` steps; all that it may need is built now.

    Raises SettingsError as build_strategy does, for a curriculum that changes at no step of the run, and for one that
    waits for a score that these tokens do not have.
    """
    found, parameters = find(name)
    changes = isinstance(found, Curriculum)
    if not isinstance(found, Curriculum):
        found, parameters = Curriculum(lambda now: Phase(name, name, 0.0, now.mask_rate), {}), {}
    if found.waits and not tokens.of_kmers:
        raise SettingsError(
            f"curriculum {name!r} waits for the bits per hidden base, which only a genome's k-mers have."
        )
    if match == "none" and tokens.of_bases and not tokens.equally_long:
        raise SettingsError(
            "match='none' uses the probabilities that a strategy's authors published, which are for k-mers: with "
            "tokens of unequal length use match='tokens' or 'bases'."
        )

    def phase_of(step: int, switched_at: int | None) -> Phase:
        return found.phase(Moment(step, steps, mask_rate, switched_at), **parameters)

    switches = (None, 0) if found.waits else (None,)
    phases = {phase_of(step, switched_at) for step in range(steps if changes else 1) for switched_at in switches}
    first = {(phase.first, phase.mask_rate) for phase in phases if phase.fraction < 1}
    second = {(phase.second, phase.mask_rate) for phase in phases if phase.fraction > 0}
    strategies = {
        (strategy, rate): build_strategy(strategy, tokens=tokens, mask_rate=rate, npmi=npmi, match=match, sample=sample)
        for strategy, rate in sorted(first | second)
    }
    patience, least = (parameters["patience"], parameters["least"]) if found.waits else (0, 0.0)
    return MaskPlan(phase_of, strategies, patience, least, changes)


def needs_npmi(name: str) -> bool:
    """Does the strategy, or one of the curriculum's, use the NPMI?"""
    return any("npmi" in spec.needs for spec in strategies_of(name).values())
