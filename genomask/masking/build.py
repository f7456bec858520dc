"""Build a strategy by name: name and settings in, an object that selects spans out; every mistake is named here.

Letters: T tokens of all packed sequences, B sequences, V ids.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import hash64
from genomask.masking import rates, streams
from genomask.masking.checks import require_batch, require_mask
from genomask.masking.hidden import base_grid, number_spans
from genomask.masking.loops import Loop, Packed, Tables
from genomask.masking.names import find_strategy
from genomask.masking.npmi import NpmiTable
from genomask.masking.registry import STRATEGIES, Strategy, StrategySpec
from genomask.masking.trial import require_same_alone
from genomask.masking.view import MaskView
from genomask.types import TokenBases


@dataclass(frozen=True)
class BuiltStrategy:
    """A registered function with its tables, rate and parameters."""

    spec: StrategySpec
    tokens: TokenBases
    scores: Tensor  # (V,) float64 NPMI of each id, or (0,)
    chance_of_length: Tensor  # (n,) float64 by number of bases in the sequence; the last entry holds for longer ones
    parameters: dict[str, object]  # the strategy's own
    _on_device: dict[torch.device, tuple[TokenBases, Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False
    )

    def select(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Tensor:
        """(T,) int32 of packed ids (T,): 0 visible, n > 0 the number of the span, from 1 in each sequence.

        Raises DataError for a batch that does not fit itself or the vocabulary.
        """
        require_batch(input_ids, cu_seqlens, keys, len(self.tokens.maskable))
        if self.spec.loop is not None and input_ids.device.type == "cpu":
            return self._select_by_loop(self.spec.loop, input_ids, cu_seqlens, keys)
        tokens, scores, chances = self._tables(input_ids.device)
        grid = base_grid(input_ids, cu_seqlens, tokens)
        chance = chances[grid.lengths.clamp(max=len(chances) - 1)]
        seen = input_ids.clone() if self.spec.source else input_ids  # a person's own function may write to it
        view = MaskView(seen, keys, chance, tokens, grid, scores)
        return number_spans(self._chosen(view) & grid.maskable, grid)

    def _chosen(self, view: MaskView) -> Tensor:
        """(T,) bool, what the strategy's function answers; SettingsError where one of a person's own fails."""
        with self.spec.blamed("on a batch"):
            chosen = self.spec.select(view, **self.parameters)
        return require_mask(chosen, self.spec.name, len(view.input_ids))

    def _select_by_loop(self, loop: Loop, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Tensor:
        spans = torch.empty(len(input_ids), dtype=torch.int32)
        batch = Packed(input_ids.numpy(), cu_seqlens.long().numpy(), keys.numpy().view(np.uint64))
        loop(batch, self._arrays, spans.numpy(), **self.parameters)
        return spans

    @cached_property
    def _arrays(self) -> Tables:
        """The tables for a loop."""
        kmers, n_bases = self.tokens.kmer_ids, self.tokens.n_bases.numpy()
        flags = self.tokens.maskable.numpy(), self.tokens.word_start.numpy()
        first_kmer = int(kmers.min()) if len(kmers) else 0
        settings = self.tokens.k, self.tokens.stride, -(-self.tokens.k // self.tokens.stride), first_kmer
        return Tables(*settings, n_bases, *flags, self.chance_of_length.numpy(), self.scores.numpy())

    def _tables(self, device: torch.device) -> tuple[TokenBases, Tensor, Tensor]:
        """The tables on the batch's device, moved there once."""
        if device not in self._on_device:
            tables = self.tokens.to(device), self.scores.to(device), self.chance_of_length.to(device)
            self._on_device[device] = tables
        return self._on_device[device]


def build_strategy(
    name: str,
    *,
    tokens: TokenBases,
    mask_rate: float,
    npmi: NpmiTable | None = None,
    match: str = "tokens",
    sample: tuple[Tensor, Tensor] | None = None,
    **parameters: object,
) -> Strategy:
    """The strategy that `name` names (see `names`), set to mask `mask_rate` of the maskable tokens (match="tokens").

    match="bases" sets the share of bases hidden instead, "none" keeps the probabilities its authors published.
    sample: packed ids (T,) and cu_seqlens of windows such as those to be masked. A strategy whose rate depends much on
    the sequences is matched on them, and so is every strategy where tokens differ in length; others do not need it.
    Raises SettingsError for an unknown name or parameter, or one that does not fit the vocabulary.
    """
    spec, settings = find_strategy(name, parameters)
    _require_units(spec, tokens)
    if not 0 <= mask_rate <= 1:
        raise SettingsError(f"mask_rate must lie between 0 and 1, got {mask_rate}.")
    scores = _scores(spec, tokens, npmi, shuffled=settings.get("npmi") == "shuffled")
    own = {key: settings[key] for key in spec.parameters}

    def at_chance(chance: Tensor) -> BuiltStrategy:
        return BuiltStrategy(spec, tokens, scores, chance, own)

    if spec.source:
        require_same_alone(spec.name, at_chance(torch.tensor([0.2], dtype=torch.float64)), tokens)
    identity = spec.source + repr(sorted(own.items())) + hashlib.sha256(scores.numpy().tobytes()).hexdigest()
    wanted = rates.Wanted(spec, tokens, own, mask_rate, match, identity, sample)
    return at_chance(rates.chances(wanted, at_chance))


def _require_units(spec: StrategySpec, tokens: TokenBases) -> None:
    """Refuse a strategy of DNA for text and one of text for DNA; tokens of several units can only be DNA."""
    kind = "dna" if tokens.is_dna or int(tokens.n_bases.max()) > 1 else "text"
    if spec.units not in ("any", kind):
        fitting = ", ".join(sorted(s.name for s in STRATEGIES.values() if s.units in ("any", kind)))
        raise SettingsError(f"masking strategy {spec.name!r} does not work on {kind} tokens; use one of: {fitting}.")


def _scores(spec: StrategySpec, tokens: TokenBases, npmi: NpmiTable | None, shuffled: bool) -> Tensor:
    """(V,) float64 NPMI of each id, -inf for ids that are no k-mer; (0,) where the strategy needs none."""
    if not spec.needs_npmi:
        return torch.zeros(0, dtype=torch.float64)
    if not tokens.is_dna or tokens.k < 2:
        raise SettingsError(
            f"masking strategy {spec.name!r} needs k-mers, and k of at least 2: other tokens have no NPMI."
        )
    if npmi is None:
        raise SettingsError(f"masking strategy {spec.name!r} needs an NPMI table; pass npmi=NpmiTable.from_fasta(...).")
    of_kmers = npmi.npmi(tokens.k)
    if shuffled:  # dealt out once, the same in every run
        of_kmers = of_kmers[np.argsort(hash64(np.zeros(1, dtype=np.int64), streams.SHUFFLE, np.arange(len(of_kmers))))]
    scores = torch.full((len(tokens.maskable),), -torch.inf, dtype=torch.float64)
    scores[tokens.kmer_ids.cpu()] = torch.from_numpy(of_kmers)
    return scores
