"""Packed sequences through any encoder or classifier, ours packed or another's padded: vectors or logits out.

Letters: T tokens of all packed sequences, B sequences, D width, C classes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from genomask.data.packing import select, split_microbatches, take
from genomask.encoders import MosaicBertConfig
from genomask.training.device import autocast, scoring_precision
from genomask.types import TokenSequences

TOKENS_AT_ONCE = {"cpu": 1 << 12, "cuda": 1 << 15}
"""Tokens that go through a model together on a device; they bound memory and change results only by rounding.

On two cores, 4,096 took 0.8 times as long as 8,192 and more. A GPU's number was not measured: 13 layers of 768 side by
side, in fp32, take 1.3 GB.
"""


def token_budget(model: PreTrainedModel) -> int:
    """Tokens that go through a model together, on its device."""
    return TOKENS_AT_ONCE["cpu" if model.device.type == "cpu" else "cuda"]


def batches(model: PreTrainedModel, tokens: TokenSequences) -> Iterator[tuple[Tensor, TokenSequences]]:
    """The sequences in batches of similar length, for the model: their numbers (B,) and their tokens."""
    order = torch.argsort(tokens.lengths, stable=True)
    by_length = select(tokens, order)
    budget = max(token_budget(model), int(tokens.lengths.max()))
    for part in split_microbatches(by_length, budget):
        yield order[part], take(by_length, part)


def forward(
    model: PreTrainedModel, tokens: TokenSequences, precision: str = "auto", *, every_layer: bool = False
) -> Tensor:
    """An encoder's last vectors (T, D), or a classifier's logits (B, C), as fp32.

    `every_layer`: an encoder's vectors after the embeddings and after each of L layers, side by side: (T, (L + 1) D).
    `precision`: fp32, bf16, or auto, which is fp32 on every CPU (see `scoring_precision`).
    """
    types = tokens.token_types if getattr(model.config, "type_vocab_size", 0) > 1 else None
    wanted = {"output_hidden_states": True} if every_layer else {}
    with autocast(model.device, scoring_precision(model.device) if precision == "auto" else precision):
        if isinstance(model.config, MosaicBertConfig):
            output = model(
                input_ids=tokens.input_ids.to(model.device),
                cu_seqlens=tokens.cu_seqlens.to(model.device),
                max_seqlen=int(tokens.lengths.max()),
                token_type_ids=types if types is None else types.to(model.device),
                **wanted,
            )
            return _result(output, every_layer).float()
        rows = _rows(tokens.input_ids, tokens, model.config.pad_token_id or 0)
        mask = torch.arange(rows.shape[1]) < tokens.lengths[:, None]
        given = {"input_ids": rows, "attention_mask": mask.long()}
        if types is not None:
            given["token_type_ids"] = _rows(types, tokens, 0)
        output = model(**{name: x.to(model.device) for name, x in given.items()}, **wanted)
        result = _result(output, every_layer).float()
        return result if "logits" in output else result[mask.to(model.device)]


def _rows(values: Tensor, tokens: TokenSequences, padding: int) -> Tensor:
    """(T,) -> (B, S)."""
    return pad_sequence(list(torch.split(values, tokens.lengths.tolist())), batch_first=True, padding_value=padding)


def _result(output: Mapping[str, Any], every_layer: bool) -> Tensor:
    if every_layer:
        return torch.cat(output["hidden_states"], dim=-1)
    result: Tensor = output["logits"] if "logits" in output else output["last_hidden_state"]
    return result


@torch.inference_mode()
def logits(model: PreTrainedModel, tokens: TokenSequences) -> Tensor:
    """(B, C) float64 on the CPU: a classifier's logits, in the sequences' order."""
    model.eval()
    parts = [(numbers, forward(model, part).double().cpu()) for numbers, part in batches(model, tokens)]
    order = torch.cat([numbers for numbers, _ in parts]).argsort()
    return torch.cat([found for _, found in parts])[order]
