"""The models compared: a shape in; models of equal parameters, how each takes a batch, and its products out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from mixes import Batch
from tables import SPARSE, STRICTEST
from torch import nn
from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.flops import training_flops


@dataclass(frozen=True)
class Shape:
    """Size of an encoder; a gated MLP has two thirds of the intermediate width, so that parameters are equal."""

    width: int
    layers: int
    heads: int
    intermediate: int
    sequences: int  # of a batch
    vocabulary: int = 4160

    @property
    def gated(self) -> int:
        """Intermediate width of the models with a gated MLP, a multiple of 16."""
        return -(-2 * self.intermediate // (3 * 16)) * 16


Config = Literal["small", "base"]
Precision = Literal["fp32", "bf16"]
SHAPES: dict[Config, Shape] = {
    "small": Shape(width=256, layers=4, heads=4, intermediate=1024, sequences=16),
    "base": Shape(width=768, layers=12, heads=12, intermediate=3072, sequences=8),
}


@dataclass
class Side:
    """A model under test."""

    name: str
    model: nn.Module
    inputs: Callable[[Batch], dict[str, Any]]
    flops: Callable[[Batch], int]
    """Operations of the matrix products that one step executes, forward and backward."""


def build_sides(shape: Shape, backend: str) -> Iterator[Side]:
    """Ours and the peers; apart from the size, each is as its library ships it unless the name says otherwise."""
    yield from (build_side(name, shape, backend) for name in NAMES)


def build_side(name: str, shape: Shape, backend: str = "sdpa") -> Side:
    """One of NAMES; `backend` is that of ours."""
    if name in OURS:
        model = _ours(shape, backend, **OURS[name])
        packed = name == "ours"
        return Side(
            name,
            model,
            lambda batch: batch.packed._asdict() if packed else batch.padded,
            lambda batch: training_flops(model.config, batch.packed),
        )
    model, mlp = PEERS[name](shape), 2 * shape.width * shape.intermediate
    if isinstance(model, ModernBertForMaskedLM):
        mlp = 3 * shape.width * shape.gated
    sparse = getattr(model.config, "sparse_prediction", False)
    return Side(name, model, lambda batch: batch.padded, lambda batch: padded(shape, mlp, batch, sparse))


def _ours(shape: Shape, backend: str, **changes: bool) -> MosaicBertForMaskedLM:
    config = MosaicBertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.gated,
        attention_backend=backend,
        **changes,
    )
    return MosaicBertForMaskedLM(config)


def _bert(shape: Shape, **changes: float) -> nn.Module:
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        attn_implementation="sdpa",
        **changes,
    )
    return BertForMaskedLM(config)


def _modern_bert(shape: Shape, **changes: bool) -> nn.Module:
    config = ModernBertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.gated,
        pad_token_id=0,
        bos_token_id=2,
        cls_token_id=2,
        eos_token_id=3,
        sep_token_id=3,
        attn_implementation="sdpa",
        **changes,
    )
    return ModernBertForMaskedLM(config)


OURS: dict[str, dict[str, bool]] = {
    "ours": {},
    "ours, padded": {"head_on_masked_only": False},  # as always where all logits are asked for
    "ours, padded, sparse prediction": {"sparse_prediction": True},
}
"""Packed as `genomask pretrain` trains it; padded as transformers' Trainer does, with all logits and without."""
PEERS: dict[str, Callable[[Shape], nn.Module]] = {
    "HF BERT": _bert,
    STRICTEST: lambda shape: _bert(shape, attention_probs_dropout_prob=0.0),
    "HF ModernBERT": _modern_bert,
    SPARSE: lambda shape: _modern_bert(shape, sparse_prediction=True),
}
"""As they ship, and each with a default of ours: no attention dropout, a head only for masked tokens."""
NAMES = (*OURS, *PEERS)


def padded(shape: Shape, mlp: int, batch: Batch, sparse: bool = False) -> int:
    """FLOPs of one step of a padded model whose MLP has `mlp` weights a layer: every token, padding too.

    `sparse`: except in the head, which takes only the masked ones.
    """
    sequences, longest = batch.padded["input_ids"].shape
    width, tokens = shape.width, sequences * longest
    layer = tokens * (4 * width * width + mlp) + 2 * width * sequences * longest**2
    head = (sum(batch.masked) if sparse else tokens) * (width * width + width * shape.vocabulary)
    return 3 * 2 * (shape.layers * layer + head)  # a multiplication and an addition; backward is twice forward


def parameters(model: nn.Module) -> int:
    """Number of trained parameters, tied ones once."""
    return sum(p.numel() for p in model.parameters())


def trainer(model: nn.Module) -> torch.optim.Optimizer:
    """The same fused AdamW for every side."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=True)
