"""Tiny encoders and packed inputs for the tests of this folder."""

import torch

from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM


def tiny_config(**changes):
    sizes = {
        "vocab_size": 70,
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "hidden_dropout_prob": 0.0,
    }
    return MosaicBertConfig(**{**sizes, **changes})


def tiny_model(**changes):
    """A model whose every parameter is random and far from its initial value, so that no term can hide."""
    torch.manual_seed(0)
    model = MosaicBertForMaskedLM(tiny_config(**changes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = 0.2 * torch.randn(parameter.shape)
            parameter.add_(noise if "norm" in name.lower() else noise.sub(parameter))
    return model


def packed_input(lengths, vocab_size=70, fraction=0.3, seed=1):
    """(input_ids, labels, cu_seqlens, max_seqlen) of random tokens; label ids include 0."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    input_ids = torch.randint(1, vocab_size, (total,), generator=generator)
    targets = torch.randint(0, vocab_size, (total,), generator=generator)
    masked = torch.rand(total, generator=generator) < fraction
    labels = torch.where(masked, targets, -100)
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).int()
    return input_ids, labels, cu_seqlens, max(lengths)


def padded(packed, lengths, fill):
    """Packed rows -> (B, S) rows, padded with `fill` at their ends."""
    rows = torch.full((len(lengths), max(lengths)), fill)
    for row, piece in zip(rows, packed.split(lengths), strict=True):
        row[: len(piece)] = piece
    return rows


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
