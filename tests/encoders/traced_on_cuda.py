"""Traces the encoder in training shape on fake `cuda` tensors; in its own process, because it changes PyTorch.

The backward pass is not traced: PyTorch's engine asks a real device for its streams.
"""

import ctypes

import torch
from gpu_checks import LONGEST, SEQUENCES, batch_of
from torch._dynamo.utils import counters
from torch._subclasses.fake_tensor import FakeTensorMode

from genomask.data.fixed_shape import BatchShape, Expected, to_fixed_shape
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM, backends
from genomask.training.compiling import compile_model


def main(guard, variants):
    """Print for each variant of the encoder the loss's device, the number of graphs, and of breaks between them."""
    ctypes.CDLL(guard)
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_bf16_supported = lambda *_, **__: True
    backends.NEEDS["flex"] = (lambda device: True, "")
    (batch,) = to_fixed_shape(
        batch_of(0), BatchShape.of(Expected(SEQUENCES * LONGEST, SEQUENCES, 0.15), LONGEST, SEQUENCES * LONGEST)
    )
    real_compile = torch.compile
    torch.compile = lambda model, **how: real_compile(model, backend="eager", **how)
    for variant in variants:
        torch._dynamo.reset()
        counters.clear()
        with FakeTensorMode(allow_non_fake_inputs=True):
            print(traced(batch, variant).device, counters["stats"]["unique_graphs"], len(counters["graph_break"]))


def traced(batch, variant):
    """The loss of a compiled model, under the autocast of training."""
    config = MosaicBertConfig(
        vocab_size=500, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256,
        attention_backend="flex", **variant,
    )  # fmt: skip
    there = torch.device("cuda")
    with there:  # a model can be made there, but not moved there
        model = MosaicBertForMaskedLM(config).train()
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        return compile_model(model, there)(**batch.to(there)._asdict(), reduction="sum").loss
