"""Packed sequences through any encoder or classifier, ours packed or another's padded: vectors or logits out.

Letters: T tokens of all packed sequences, B sequences, D width, C classes.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from genomask.data.packing import pack, split_microbatches, take
from genomask.encoders import MosaicBertConfig
from genomask.training.device import autocast, scoring_precision
from genomask.types import TokenSequences


def batches(tokens: TokenSequences, tokens_per_batch: int) -> Iterator[tuple[Tensor, TokenSequences]]:
    """The sequences in batches of like length: their numbers (B,) and their tokens."""
    order = torch.argsort(tokens.lengths, stable=True)
    ids = torch.split(tokens.input_ids, tokens.lengths.tolist())
    by_length = pack([ids[at].numpy() for at in order.tolist()], np.ones(len(ids)))
    budget = max(tokens_per_batch, int(tokens.lengths.max()))
    for part in split_microbatches(by_length, budget):
        yield order[part], take(by_length, part)


def forward(model: PreTrainedModel, tokens: TokenSequences, precision: str = "auto") -> Tensor:
    """An encoder's last vectors (T, D), or a classifier's logits (B, C), as fp32.

    `precision`: fp32, bf16, or auto, which is fp32 on every CPU (see `scoring_precision`).
    """
    with autocast(model.device, scoring_precision(model.device) if precision == "auto" else precision):
        if isinstance(model.config, MosaicBertConfig):
            output = model(
                input_ids=tokens.input_ids.to(model.device),
                cu_seqlens=tokens.cu_seqlens.to(model.device),
                max_seqlen=int(tokens.lengths.max()),
            )
            return _result(output).float()
        sequences = list(torch.split(tokens.input_ids, tokens.lengths.tolist()))
        rows = pad_sequence(sequences, batch_first=True, padding_value=model.config.pad_token_id or 0)
        mask = torch.arange(rows.shape[1]) < tokens.lengths[:, None]
        output = model(input_ids=rows.to(model.device), attention_mask=mask.long().to(model.device))
        result = _result(output).float()
        return result if "logits" in output else result[mask.to(model.device)]


def _result(output: dict[str, Tensor]) -> Tensor:
    return output["logits"] if "logits" in output else output["last_hidden_state"]


@torch.inference_mode()
def logits(model: PreTrainedModel, tokens: TokenSequences, tokens_per_batch: int) -> Tensor:
    """(B, C) float64 on the CPU: a classifier's logits, in the sequences' order."""
    model.eval()
    parts = [(numbers, forward(model, part).double().cpu()) for numbers, part in batches(tokens, tokens_per_batch)]
    order = torch.cat([numbers for numbers, _ in parts]).argsort()
    return torch.cat([found for _, found in parts])[order]
