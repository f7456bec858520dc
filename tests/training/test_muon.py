import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.training.checkpoint import checkpoint_bytes, restore_checkpoint, save_checkpoint
from genomask.training.checkpoint_state import CheckpointState
from genomask.training.muon import Muon, orthogonalised
from genomask.training.optimizer import OptimizerSettings, build_optimizer
from genomask.training.schedule import scale_rates

SETTINGS = OptimizerSettings(
    name="muon", learning_rate=1e-3, muon_learning_rate=0.02, weight_decay=0.5, muon_momentum=0.9
)


def reference_orthogonalised(matrix):
    """The polynomial applied five times to the singular values, with the singular vectors unchanged, in float64."""
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.square().sum().sqrt()
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ torch.diag(values) @ right


def reference_steps(weight, gradients, rate, momentum, decay):
    """A single matrix after one step for each of these gradients, in float64."""
    weight, mean = weight.double(), torch.zeros_like(weight).double()
    for gradient in gradients:
        mean = momentum * mean + (1 - momentum) * gradient.double()
        ahead = momentum * mean + (1 - momentum) * gradient.double()
        scale = math.sqrt(max(1, weight.shape[0] / weight.shape[1]))
        weight = weight * (1 - rate * decay) - rate * scale * reference_orthogonalised(ahead)
    return weight


def an_encoder(seed=0):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    return MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=40, **sizes))


def gradients_of(model, seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=generator) for name, p in model.named_parameters()}


def a_step(model, optimizer, seed):
    for name, gradient in gradients_of(model, seed).items():
        model.get_parameter(name).grad = gradient
    optimizer.step()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_newton_schulz_changes_the_singular_values_and_nothing_else(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(orthogonalised(matrix[None])[0].double(), reference_orthogonalised(matrix), atol=1e-3)


def test_a_gradient_of_zeros_moves_nothing():
    assert torch.equal(orthogonalised(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("kind", ["attention.self.Wqkv", "attention.output.dense", "mlp.gated_layers", "mlp.wo"])
def test_two_steps_of_a_layers_matrix_are_those_of_the_rule(kind):
    model = an_encoder()
    name = f"bert.encoder.layer.1.{kind}.weight"
    before = model.get_parameter(name).detach().clone()
    given = [gradients_of(model, seed)[name] for seed in (1, 2)]
    optimizer = build_optimizer(model, SETTINGS)
    for seed in (1, 2):
        a_step(model, optimizer, seed)
    parts = 3 if kind.endswith("Wqkv") else 1  # queries, keys and values separately
    pieces = zip(before.chunk(parts), *(gradient.chunk(parts) for gradient in given), strict=True)
    expected = [reference_steps(weight, gradients, 0.02, 0.9, 0.5) for weight, *gradients in pieces]
    assert torch.allclose(model.get_parameter(name).double(), torch.cat(expected), atol=2e-5)


def test_all_but_the_layers_matrices_move_as_under_adamw():
    by_muon, by_adamw = an_encoder(), an_encoder()
    a_step(by_muon, build_optimizer(by_muon, SETTINGS), 1)
    a_step(by_adamw, build_optimizer(by_adamw, OptimizerSettings(learning_rate=1e-3, weight_decay=0.5)), 1)
    same = {name for name, p in by_muon.named_parameters() if torch.equal(p, by_adamw.get_parameter(name))}
    others = {name for name, p in by_muon.named_parameters() if p.ndim == 1 or ".layer." not in name}
    assert same == others
    assert {"bert.embeddings.word_embeddings.weight", "cls.predictions.transform.dense.weight"} < same


def test_muon_is_torchs_except_for_bf16():
    weight = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    ours, theirs = nn.Parameter(weight.clone()), nn.Parameter(weight.clone())
    ours.grad = theirs.grad = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    Muon([{"params": [ours]}], lr=0.1, momentum=0.9, weight_decay=0.1).step()
    torch.optim.Muon([theirs], lr=0.1, momentum=0.9, weight_decay=0.1).step()
    assert torch.allclose(ours, theirs, atol=5e-3)
    assert not torch.allclose(ours, weight, atol=5e-2)


def test_the_schedule_multiplies_both_rates():
    optimizer = build_optimizer(an_encoder(), SETTINGS)
    scale_rates(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.01, 5e-4, 5e-4])


def test_a_run_goes_on_from_a_checkpoint_with_the_same_bits(tmp_path):
    through, stopped = an_encoder(), an_encoder(1)
    optimizer = build_optimizer(through, SETTINGS)
    a_step(through, optimizer, 1)
    save_checkpoint(tmp_path, through, optimizer, CheckpointState(steps_done=1))
    again = build_optimizer(stopped, SETTINGS)
    assert restore_checkpoint(tmp_path, stopped, again).steps_done == 1
    for model, of_model in ((through, optimizer), (stopped, again)):
        a_step(model, of_model, 2)
    assert all(map(torch.equal, through.parameters(), stopped.parameters()))


def test_a_matrix_has_one_moment_where_adamw_keeps_two_and_the_disk_estimate_knows(tmp_path):
    sizes = {}
    for name in ("adamw", "muon"):
        model = an_encoder()
        optimizer = build_optimizer(model, OptimizerSettings(name=name))
        a_step(model, optimizer, 1)
        sizes[name] = checkpoint_bytes(model, optimizer)
    matrices = [p for n, p in an_encoder().named_parameters() if p.ndim == 2 and ".layer." in n]
    step_count = 4
    assert sizes["adamw"] - sizes["muon"] == sum(4 * p.numel() + step_count for p in matrices)
