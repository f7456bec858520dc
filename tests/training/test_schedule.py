import pytest
import torch
from torch import nn

from genomask.training.optimizer import OptimizerSettings
from genomask.training.schedule import rate_factor, scale_rates


def test_the_factor_rises_to_one_and_falls_to_min_lr_ratio():
    settings = OptimizerSettings(warmup_steps=10, min_lr_ratio=0.02)
    factors = [rate_factor(step, 100, settings) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1.0
    assert factors == sorted(factors[:10]) + sorted(factors[10:], reverse=True)
    assert rate_factor(100, 100, settings) == pytest.approx(0.02)


def test_a_run_shorter_than_its_warm_up_still_reaches_the_peak():
    assert rate_factor(4, 5, OptimizerSettings(warmup_steps=500)) == 1.0


def test_every_group_keeps_its_own_peak_however_often_the_rates_are_scaled():
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.5, 2.0)]
    optimizer = torch.optim.SGD(groups)
    for factor in (0.5, 1.0, 0.25):
        scale_rates(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == [0.5 * factor, 2.0 * factor]
