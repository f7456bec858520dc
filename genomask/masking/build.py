"""Build a strategy by name: name and settings in, an object that selects spans out; every mistake is named here.

Letters: T tokens of all packed sequences, B sequences, V ids.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import Purpose, hash64
from genomask.masking import rates
from genomask.masking.checks import checked
from genomask.masking.names import find_strategy
from genomask.masking.npmi import NpmiTable
from genomask.masking.registry import STRATEGIES, Selection, Strategy, StrategySpec
from genomask.masking.sequence import Sequence, Settings, Vocabulary, over_sequences
from genomask.types import TokenBases


@dataclass(frozen=True)
class BuiltStrategy(Strategy):
    """A registered function with its tables, rate and parameters."""

    spec: StrategySpec
    tokens: TokenBases
    scores: Tensor  # (V,) float64, what it reads of the NPMI of each id, or (0,)
    probabilities: Tensor  # (n,) float64 by number of bases in the sequence; the last entry holds for longer ones
    parameters: dict[str, Any]  # the strategy's own

    def select_weighted(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Selection:
        """The spans of packed ids (T,), and the weight that each of their tokens has in the loss.

        Masking runs on the host: tensors of another device are copied there, and the spans back to it. Raises DataError
        for a batch that does not fit itself or the vocabulary.
        """
        batch = checked(input_ids, cu_seqlens, keys, len(self.tokens.maskable))
        if self.spec.source:  # a person's own function may write to it
            batch = batch._replace(input_ids=batch.input_ids.copy())
        n, device = len(batch.input_ids), input_ids.device
        spans, weights = np.empty(n, dtype=np.int32), np.zeros(n, dtype=np.float32)  # whose memory none touches as yet
        select = self.spec.machine_code or over_sequences(self._interpreted)
        with self.spec.blamed("on a sequence"):
            weighted = select(batch, *self._tables, tuple(self.parameters.values()), spans, weights)
        weights_T = torch.from_numpy(np.where(weights == 0, np.float32(1), weights)).to(device) if weighted else None
        return Selection(torch.from_numpy(spans).to(device), weights_T)

    @cached_property
    def _tables(self) -> tuple[Vocabulary, Settings]:
        return Vocabulary.of(self.tokens), Settings(self.probabilities.numpy(), self.scores.numpy())

    def _interpreted(self, sequence: Sequence, *_: Any) -> None:
        key, limit = np.uint64(sequence.key), np.uint64(sequence.limit)  # Python ints, as numba gives them back
        self.spec.mask(sequence._replace(key=key, limit=limit), **self.parameters)


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

    match="bases" sets the fraction of bases hidden instead, "none" keeps the probabilities its authors published.
    sample: packed ids (T,) and cu_seqlens of windows such as those to be masked. A strategy whose rate depends much on
    the sequences is matched on them, and so is every strategy where tokens differ in length; others do not need it.
    Raises SettingsError for an unknown name or parameter, or one that does not fit the vocabulary.
    """
    spec, settings = find_strategy(name, parameters)
    _require_units(spec, tokens)
    if not 0 <= mask_rate <= 1:
        raise SettingsError(f"mask_rate must lie between 0 and 1, got {mask_rate}.")
    own = {key: settings[key] for key in spec.parameters}
    scores = _scores(spec, tokens, npmi, own, shuffled=settings.get("npmi") == "shuffled")

    def build(probabilities: Tensor) -> BuiltStrategy:
        return BuiltStrategy(spec, tokens, scores, probabilities, own)

    identity = spec.source + repr(sorted(own.items())) + hashlib.sha256(scores.numpy().tobytes()).hexdigest()
    wanted = rates.Wanted(spec, tokens, own, mask_rate, match, identity, sample)
    return build(rates.probabilities(wanted, build))


def _require_units(spec: StrategySpec, tokens: TokenBases) -> None:
    """Refuse a strategy of DNA for text and one of text for DNA."""
    kind = "dna" if tokens.of_bases else "text"
    if spec.units not in ("any", kind):
        fitting = ", ".join(sorted(s.name for s in STRATEGIES.values() if s.units in ("any", kind)))
        raise SettingsError(f"masking strategy {spec.name!r} does not work on {kind} tokens; use one of: {fitting}.")


def _scores(
    spec: StrategySpec, tokens: TokenBases, npmi: NpmiTable | None, own: dict[str, Any], shuffled: bool
) -> Tensor:
    """(V,) float64 what the strategy reads of each id's NPMI, -inf for what is no k-mer; (0,) where it needs none."""
    if "npmi" not in spec.needs:
        return torch.zeros(0, dtype=torch.float64)
    if not tokens.of_kmers or tokens.k < 2:
        raise SettingsError(
            f"masking strategy {spec.name!r} needs k-mers, and k of at least 2: other tokens have no NPMI."
        )
    if npmi is None:
        raise SettingsError(f"masking strategy {spec.name!r} needs an NPMI table; pass npmi=NpmiTable.from_fasta(...).")
    of_kmers = npmi.npmi(tokens.k)
    if shuffled:  # dealt out once, the same in every run
        of_kmers = of_kmers[np.argsort(hash64(np.zeros(1, dtype=np.int64), Purpose.SHUFFLE, np.arange(len(of_kmers))))]
    scores = torch.full((len(tokens.maskable),), -torch.inf, dtype=torch.float64)
    scores[tokens.kmer_ids.cpu()] = torch.from_numpy(spec.asking(spec.scores, own)(of_kmers, npmi.counts(tokens.k)))
    return scores
