"""The compiled model against the dense twin: captured and differentiated as a graph, and as C++ where that compiles."""

import shutil

import pytest
import torch
from dense_twin import assert_same_gradients, twin_run
from tiny_encoders import gradients, packed_input, tiny_model

from genomask.training.compiling import CPU_COMPILERS

LENGTHS = [9, 4, 4, 1, 23]


@pytest.fixture(autouse=True)
def forgotten_graphs():
    """Each test starts with nothing compiled, and leaves nothing compiled."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def assert_compiled_model_is_exact(backend, **variant):
    model = tiny_model(num_attention_heads=6, num_hidden_layers=1, **variant).train()
    input_ids, labels, cu_seqlens, longest = packed_input(LENGTHS)
    exact = twin_run(model, input_ids, labels, LENGTHS)
    compiled = torch.compile(model, dynamic=False, backend=backend)
    loss = compiled(input_ids=input_ids, labels=labels, cu_seqlens=cu_seqlens, max_seqlen=longest).loss
    assert loss.item() == pytest.approx(exact.loss.item(), abs=2e-5)
    assert_same_gradients(gradients(model, loss), exact.gradients)


def test_the_captured_graph_is_the_twin():
    assert_compiled_model_is_exact("aot_eager", positions="rotary-directed", stem_width=5, stem_fraction=0.5)


@pytest.mark.rehearsal
@pytest.mark.skipif(not any(map(shutil.which, CPU_COMPILERS)), reason="no C++ compiler found: apt install g++")
def test_compiled_code_is_the_twin():
    """Takes a minute unless its C++ is cached."""
    assert_compiled_model_is_exact("inductor")
