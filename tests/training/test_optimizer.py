import pytest
import torch
from torch import nn

from genomask.errors import SettingsError
from genomask.training.optimizer import build_optimizer, learning_rate
from genomask.training.settings import OptimizerSettings, TrainingSettings


def test_the_rate_rises_to_the_peak_and_falls_to_its_min_lr_ratio():
    settings = OptimizerSettings(learning_rate=1.0, warmup_steps=10, min_lr_ratio=0.02)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert learning_rate(100, 100, settings) == pytest.approx(0.02)


def test_a_run_shorter_than_its_warm_up_still_reaches_the_peak():
    assert learning_rate(4, 5, OptimizerSettings(learning_rate=1.0, warmup_steps=500)) == 1.0


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


@pytest.mark.parametrize("bad", [{"steps": 0}, {"precision": "fp8"}, {"device": "tpu"}, {"compile": "yes"}])
def test_settings_out_of_range_are_refused_by_name(bad):
    with pytest.raises(SettingsError, match=f"training.{next(iter(bad))}"):
        TrainingSettings(**bad)
