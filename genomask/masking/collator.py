"""For training by transformers' Trainer: like DataCollatorForLanguageModeling, but masking in bases.

Letters: B sequences, S tokens of a padded row, T tokens of all sequences end to end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from genomask.data.tokenizers.base import DnaTokenizer
from genomask.data.tokenizers.wordpiece import token_bases_of
from genomask.masking.build import build_strategy
from genomask.masking.built import Strategy
from genomask.masking.corruption import corrupt
from genomask.types import IGNORE, TokenBases


@dataclass
class DataCollatorForBaseMasking:
    """Encoded sequences in; a padded batch with labels out, masked differently each time: what `Trainer` trains on.

    The masks depend on torch's global generator, which Trainer seeds, also in its workers.
    """

    tokenizer: PreTrainedTokenizerBase
    strategy: str | Strategy = "random-span"
    """A strategy's name, with settings as on the command line; or what build_strategy returned, for one that
    needs more (an NPMI table, a sample of windows)."""
    mask_rate: float = 0.15
    """Fraction of maskable tokens masked on average, where the strategy is given by name."""
    corruption: str = "span"
    """One draw of [MASK], random or kept for each 'span' or for each 'token'."""
    pad_to_multiple_of: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields: a new worker process of a DataLoader builds the rest itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def tokens(self) -> TokenBases:
        """What masking needs to know of the vocabulary."""
        if isinstance(self.tokenizer, DnaTokenizer):
            return self.tokenizer.token_bases
        return token_bases_of(self.tokenizer, len(self.tokenizer))

    @cached_property
    def built(self) -> Strategy:
        """The strategy itself. Raises SettingsError for a name that is unknown or does not fit the vocabulary."""
        if not isinstance(self.strategy, str):
            return self.strategy
        return build_strategy(self.strategy, tokens=self.tokens, mask_rate=self.mask_rate)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """B encodings, each with input_ids -> input_ids, attention_mask and labels (-100 for none), all (B, S).

        A strategy that weights its spans adds loss_weights (B, S), which our encoders take and others refuse. Padding
        in the encodings (attention_mask 0) is removed first.
        """
        sequences = [_without_padding(feature) for feature in features]
        cu_seqlens = torch.tensor([0, *map(len, sequences)]).cumsum(0).int()
        input_ids = torch.cat(sequences)
        keys = torch.randint(-(2**63), 2**63 - 1, (len(sequences),))
        spans, weights = self.built.select_weighted(input_ids, cu_seqlens, keys)
        input_ids, labels = corrupt(input_ids, spans, cu_seqlens, keys, tokens=self.tokens, per=self.corruption)
        rows = [{"input_ids": x.tolist()} for x in input_ids.tensor_split(cu_seqlens[1:-1].long())]
        batch = self.tokenizer.pad(
            rows, pad_to_multiple_of=self.pad_to_multiple_of, return_attention_mask=True, return_tensors="pt"
        )
        real = batch["attention_mask"].bool()
        rows_of = {"labels": torch.full_like(batch["input_ids"], IGNORE).masked_scatter(real, labels)}
        if weights is not None:
            rows_of["loss_weights"] = torch.zeros(real.shape).masked_scatter(real, weights)
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], **rows_of}


def _without_padding(feature: Mapping[str, Any]) -> Tensor:
    """(T,) ids of one encoding."""
    input_ids = torch.as_tensor(feature["input_ids"], dtype=torch.int64)
    return input_ids if "attention_mask" not in feature else input_ids[torch.as_tensor(feature["attention_mask"]) != 0]
