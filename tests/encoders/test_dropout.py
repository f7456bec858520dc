import pytest
import torch

from genomask.encoders.dropout import LEVELS, Dropout, noise_like


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_asked_and_the_mean_is_kept(rate):
    torch.manual_seed(0)
    x = torch.ones(1001, 997)
    y = Dropout(rate)(x)
    assert (y == 0).float().mean().item() == pytest.approx(rate, abs=4 * (rate * (1 - rate) / x.numel()) ** 0.5)
    assert y.max().item() == pytest.approx(1 / (1 - rate), rel=2 / LEVELS / (1 - rate))
    assert y.unique().numel() == 2
    assert y.mean().item() == pytest.approx(1, abs=5 * (rate / (1 - rate) / x.numel()) ** 0.5)


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (noise_like(torch.empty(400_000), 0.3) == 0).float()
    for step in (1, 2, 3, 4, 8):
        both = (dropped[step:] * dropped[:-step]).mean().item()
        assert both == pytest.approx(0.09, abs=0.003), step


@pytest.mark.parametrize("size", [0, 1, 3, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_size_and_type_is_accepted(size, dtype):
    noise = noise_like(torch.empty(size, 1, dtype=dtype), 1e-9)
    assert torch.equal(noise, torch.ones(size, 1, dtype=dtype))


def test_the_generator_decides_and_eval_or_a_rate_of_0_drop_nothing():
    x = torch.randn(64, 64)
    drop = Dropout(0.5)
    torch.manual_seed(3)
    first, second = drop(x), drop(x)
    torch.manual_seed(3)
    assert torch.equal(drop(x), first)
    assert not torch.equal(first, second)
    assert drop.eval()(x) is x
    assert torch.equal(Dropout(0.0)(x), x)


def test_a_rate_just_below_1_leaves_finite_numbers():
    assert noise_like(torch.empty(100_000), 0.9999999).isfinite().all()


def test_the_gradient_is_dropped_where_the_value_was():
    x = torch.ones(50, 50, requires_grad=True)
    y = Dropout(0.4)(x)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], y.detach())
