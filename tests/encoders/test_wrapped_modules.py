"""Layers that other code wraps (LoRA) or hooks into (offloading) are called, and their weights not read directly."""

import pytest
import torch
from tiny_encoders import packed_input, tiny_model
from torch import nn

LENGTHS = [9, 4, 4, 1, 23]


class LowRank(nn.Module):
    """Wraps a linear layer or an embedding as PEFT does, with its weight within reach."""

    def __init__(self, base, rank=2):
        super().__init__()
        self.base_layer = base
        rows, columns = base.weight.shape
        self.a = nn.Parameter(0.3 * torch.randn(rank, columns))
        self.b = nn.Parameter(0.3 * torch.randn(rows, rank))

    @property
    def weight(self):
        return self.base_layer.weight

    @property
    def bias(self):
        return self.base_layer.bias

    def forward(self, x):
        more = self.b @ self.a
        return self.base_layer(x) + (more[x] if isinstance(self.base_layer, nn.Embedding) else x @ more.T)


def at(model, place):
    parent, _, name = place.rpartition(".")
    return model.get_submodule(parent), name


def wrapped(place):
    model = tiny_model()
    parent, name = at(model, place)
    setattr(parent, name, LowRank(getattr(parent, name)))
    return model


def merged(model, place):
    parent, name = at(model, place)
    outer = getattr(parent, name)
    with torch.no_grad():
        outer.base_layer.weight = nn.Parameter(outer.weight + outer.b @ outer.a)
    setattr(parent, name, outer.base_layer)
    return model


PLACES = [
    "bert.encoder.layer.0.attention.self.Wqkv",
    "bert.encoder.layer.1.attention.self.Wqkv",
    "bert.encoder.layer.0.mlp.gated_layers",
    "bert.embeddings.token_type_embeddings",
    "cls.predictions.decoder",
]


def loss_of(model):
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    return model(input_ids=input_ids, labels=labels, cu_seqlens=cu_seqlens, max_seqlen=longest).loss


@pytest.mark.parametrize("place", PLACES)
def test_a_low_rank_layer_learns_and_merging_it_changes_nothing(place):
    model = wrapped(place)
    loss = loss_of(model)
    loss.backward()
    layer = model.get_submodule(place)
    assert layer.a.grad is not None
    assert layer.a.grad.any()
    torch.testing.assert_close(loss_of(merged(model, place)), loss.detach())


def fill(module, *_):
    module.weight.data.copy_(module.kept)


def empty(module, *_):
    module.weight.data.fill_(torch.nan)


@pytest.mark.parametrize("place", PLACES)
def test_a_weight_that_is_there_only_while_its_layer_runs_is_enough(place):
    model = tiny_model()
    expected = loss_of(model).detach()
    layer = model.get_submodule(place)
    if place == "cls.predictions.decoder":
        layer.weight = nn.Parameter(layer.weight.clone())  # untied, so that emptying it leaves the embedding
    layer.kept = layer.weight.detach().clone()
    layer.register_forward_pre_hook(fill)
    layer.register_forward_hook(empty)
    empty(layer)
    torch.testing.assert_close(loss_of(model).detach(), expected)
