"""A registered strategy with all that it needs to choose what to hide: packed tokens in, spans out.

Letters: T tokens of all packed sequences, B sequences, V ids.
"""

import hashlib
from abc import ABC, abstractmethod
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genomask.masking.packed import checked, vocabulary_of
from genomask.masking.registry import StrategySpec
from genomask.masking.sequence import Sequence, Settings, over_sequences, select
from genomask.types import TokenBases


class Selection(NamedTuple):
    """What a strategy hides of packed ids (T,)."""

    spans: Tensor  # (T,) int32, 0 visible, n > 0 the number of the span, from 1 in each sequence
    weights: Tensor | None  # (T,) float32, weight of each masked token in the loss; None where all are 1


class Strategy(ABC):
    """Chooses what to hide."""

    def select(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Tensor:
        """(T,) int32 for packed ids (T,): 0 visible, n > 0 the number of the span, from 1 in each sequence."""
        return self.select_weighted(input_ids, cu_seqlens, keys).spans

    @abstractmethod
    def select_weighted(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Selection:
        """The spans of packed ids (T,), and the weight that each of their tokens has in the loss."""


@dataclass(frozen=True)
class BuiltStrategy(Strategy):
    """A registered function with its tables, rate and parameters."""

    spec: StrategySpec
    tokens: TokenBases
    parameters: dict[str, Any]  # the strategy's own
    scores: Tensor  # (V,) float64, what it reads of the NPMI of each id, or (0,)
    probabilities: Tensor  # (n,) float64 by number of bases in the sequence; the last entry holds for longer ones

    def select_weighted(self, input_ids: Tensor, cu_seqlens: Tensor, keys: Tensor) -> Selection:
        """The spans of packed ids (T,), and the weight that each of their tokens has in the loss.

        Masking runs on the host: tensors on another device are copied there, and the spans back to it. Raises DataError
        for a batch that is inconsistent or does not fit the vocabulary.
        """
        batch = checked(input_ids, cu_seqlens, keys, self.tokens)
        n, device = len(batch.input_ids), input_ids.device
        spans, weights = np.empty(n, dtype=np.int32), np.zeros(n, dtype=np.float32)  # whose memory is untouched as yet
        settings = deepcopy(self._settings) if self._settings.on_copies else self._settings
        given = tuple(self.parameters.values()), batch, settings, spans, weights
        with self.spec.blamed("on a sequence"):
            if code := self.spec.machine_code:
                weighted = select(code[0], *given)
            else:
                weighted = over_sequences.py_func(self._interpreted, *given)
        weights_T = torch.from_numpy(np.where(weights == 0, np.float32(1), weights)).to(device) if weighted else None
        return Selection(torch.from_numpy(spans).to(device), weights_T)

    @property
    def identity(self) -> str:
        """Identifies all that its mask depends on besides its name, vocabulary and probabilities."""
        scores = hashlib.sha256(self.scores.numpy().tobytes()).hexdigest()
        return self.spec.source + repr(sorted(self.parameters.items())) + scores

    @cached_property
    def _settings(self) -> Settings:
        vocabulary, on_copies = vocabulary_of(self.tokens), bool(self.spec.source)
        return Settings(self.probabilities.numpy(), self.scores.numpy(), vocabulary, on_copies)

    def _interpreted(self, sequence: Sequence, *_: Any) -> None:
        key, limit = np.uint64(sequence.key), np.uint64(sequence.limit)  # Python ints, as numba returns them
        self.spec.mask(sequence._replace(key=key, limit=limit), **self.parameters)
