import pytest
import torch
from torch import nn

from genomask.errors import SettingsError
from genomask.training.optimizer import OPTIMIZERS, OptimizerSettings, build_optimizer
from genomask.training.schedule import scale_rates
from genomask.training.settings import TrainingSettings


def test_only_matrices_decay():
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    decayed, free = build_optimizer(model, OptimizerSettings()).param_groups
    assert [p.ndim for p in decayed["params"]] == [2]
    assert [p.ndim for p in free["params"]] == [1, 1, 1]
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)


def test_the_settings_reach_adamw():
    settings = OptimizerSettings(learning_rate=3e-3, beta_1=0.7, beta_2=0.8, eps=1e-3)
    for group in build_optimizer(nn.Linear(3, 3), settings).param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (3e-3, (0.7, 0.8), 1e-3)


def test_decoupled_decay_is_torch_decay_over_the_rate():
    weight = nn.Parameter(torch.ones(2, 2))
    model = nn.ParameterList([weight])
    rate, decoupled = 5e-4, 1e-5
    optimizer = build_optimizer(model, OptimizerSettings(learning_rate=rate, weight_decay=decoupled / rate))
    weight.grad = torch.zeros(2, 2)
    optimizer.step()
    assert torch.allclose(weight, torch.full((2, 2), 1 - decoupled))


def sgd(model, settings):
    """Another row of the table: two optimizers, each with its own rate."""
    matrices, others = ([p for p in model.parameters() if (p.ndim == 2) is wanted] for wanted in (True, False))
    return [
        torch.optim.SGD(matrices, lr=50 * settings.learning_rate, momentum=0.9),
        torch.optim.AdamW(others, lr=1e-3),
    ]


def test_another_optimizer_is_a_function_and_a_row_of_the_table(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "sgd", sgd)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimizer = build_optimizer(model, OptimizerSettings(name="sgd", learning_rate=4e-4))
    scale_rates(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-2, 5e-4])
    before = [p.detach().clone() for p in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all("momentum_buffer" in optimizer.state[p] for p in model.parameters() if p.ndim == 2)


def test_an_unknown_optimizer_is_refused_by_name():
    with pytest.raises(
        SettingsError, match=r"optimizer.name must be one of adamw, muon, got 'adam'. Did you mean 'adamw'"
    ):
        OptimizerSettings(name="adam")


@pytest.mark.parametrize("bad", [{"steps": 0}, {"precision": "fp8"}, {"device": "tpu"}, {"compile": "yes"}])
def test_settings_out_of_range_are_refused_by_name(bad):
    with pytest.raises(SettingsError, match=f"training.{next(iter(bad))}"):
        TrainingSettings(**bad)
