"""Build a strategy by name: name and settings in, an object that selects spans out; every mistake is reported here.

Letters: T tokens of all packed sequences, V ids.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import Purpose, hash64
from genomask.masking import rates
from genomask.masking.built import BuiltStrategy, Strategy
from genomask.masking.names import find_strategy
from genomask.masking.npmi import NpmiTable
from genomask.masking.registry import STRATEGIES, StrategySpec, array_of
from genomask.types import TokenBases


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
    sample: packed ids (T,) and cu_seqlens of windows like those to be masked. A strategy whose rate depends much on the
    sequences is matched on them, and so is every strategy where tokens differ in length; others do not need them.
    Raises SettingsError for an unknown name or parameter, or one that does not fit the vocabulary.
    """
    spec, settings = find_strategy(name, parameters)
    if misfit := _misfit(spec, tokens):
        fitting = ", ".join(sorted(name for name, other in STRATEGIES.items() if not _misfit(other, tokens)))
        raise SettingsError(f"masking strategy {spec.name!r} {misfit}; use one of: {fitting}.")
    if not 0 <= mask_rate <= 1:
        raise SettingsError(f"mask_rate must lie between 0 and 1, got {mask_rate}.")
    own = {key: settings[key] for key in spec.parameters}
    scores = _scores(spec, tokens, npmi, own, shuffled=settings.get("npmi") == "shuffled")
    draft = BuiltStrategy(spec, tokens, own, scores, probabilities=torch.zeros(1, dtype=torch.float64))
    return replace(draft, probabilities=rates.probabilities(draft, mask_rate, match, sample))


def _misfit(spec: StrategySpec, tokens: TokenBases) -> str:
    """Why a strategy cannot mask these tokens; empty where it can."""
    kind = "dna" if tokens.of_bases else "text"
    if spec.units not in ("any", kind):
        return f"does not work on {kind} tokens"
    if "npmi" in spec.needs and not (tokens.of_kmers and tokens.k >= 2):
        return "needs k-mers, and k of at least 2: other tokens have no NPMI"
    if "words" in spec.needs and bool(tokens.word_start[tokens.maskable].all()):
        return "needs word pieces whose continuations begin with ##, as in BERT; here none does"
    return ""


def _scores(
    spec: StrategySpec, tokens: TokenBases, npmi: NpmiTable | None, own: dict[str, Any], shuffled: bool
) -> Tensor:
    """(V,) float64 what the strategy reads of each id's NPMI, -inf if it is not a k-mer; (0,) where it needs none."""
    if "npmi" not in spec.needs:
        return torch.zeros(0, dtype=torch.float64)
    if npmi is None:
        raise SettingsError(f"masking strategy {spec.name!r} needs an NPMI table; pass npmi=NpmiTable.from_fasta(...).")
    of_kmers = npmi.npmi(tokens.k)
    if shuffled:  # once, the same in every run
        of_kmers = of_kmers[np.argsort(hash64(np.zeros(1, dtype=np.int64), Purpose.SHUFFLE, np.arange(len(of_kmers))))]
    scores = torch.full((len(tokens.maskable),), -torch.inf, dtype=torch.float64)
    read = spec.ask(spec.scores, own, partial(array_of, of_kmers.shape), of_kmers, npmi.counts(tokens.k))
    scores[tokens.kmer_ids.cpu()] = torch.from_numpy(read)
    return scores
