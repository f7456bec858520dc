import pytest
import torch
import torch.nn.functional as F
from tiny_encoders import tiny_model

from genomask.encoders.linear import Linear, linear

pytestmark = pytest.mark.processor


@pytest.fixture(params=[False, True], ids=["emulated", "units"])
def has_units(request, bf16_units):
    bf16_units(request.param)
    return request.param


def made_up(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in [(37, 64), (48, 64), 48]
    )
    return [y.to(dtype).requires_grad_() for y in (x, weight, bias)]


def values_and_gradients(function, inputs):
    out = function(*inputs)
    return [out, *torch.autograd.grad(out.double().sin().sum(), inputs)]


@pytest.mark.usefixtures("has_units")
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("asked_by", ["autocast", "type"])
def test_bf16_errs_at_most_twice_as_much_as_the_plain_formula(has_bias, asked_by):
    n = 3 if has_bias else 2
    exact = values_and_gradients(lambda x, w, b=0: x @ w.T + b, made_up()[:n])
    coarse = values_and_gradients(lambda x, w, b=0: x @ w.T + b, made_up(torch.bfloat16)[:n])
    if asked_by == "type":
        ours = values_and_gradients(linear, made_up(torch.bfloat16)[:n])
    else:
        with torch.autocast("cpu", torch.bfloat16):
            ours = values_and_gradients(linear, made_up(torch.float32)[:n])
    assert ours[0].dtype == torch.bfloat16
    for got, plain, wanted in zip(ours, coarse, exact, strict=True):
        assert (got - wanted).abs().max() <= 2 * (plain - wanted).abs().max()


def test_where_bf16_is_emulated_factors_and_result_are_rounded_and_nothing_else(bf16_units):
    bf16_units(False)
    x, weight, bias = made_up(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        ours = linear(x, weight, bias)
    by_hand = F.linear(*(y.bfloat16().float() for y in (x, weight, bias)))
    assert ours.equal(by_hand.bfloat16())
    assert not ours.equal(F.linear(x, weight, bias).bfloat16())


@pytest.mark.usefixtures("has_units")
def test_autocast_leaves_float64_as_it_is():
    inputs = made_up(torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(*inputs).equal(F.linear(*inputs))
    model = tiny_model().double()
    input_ids = torch.arange(9)[None]
    expected = model(input_ids=input_ids).logits
    with torch.autocast("cpu", torch.bfloat16):
        assert model(input_ids=input_ids).logits.equal(expected)
    assert expected.dtype == torch.float64


@pytest.mark.usefixtures("has_units")
def test_outside_bf16_linear_is_pytorchs():
    for dtype in (torch.float32, torch.float64):
        inputs = made_up(dtype)
        assert linear(*inputs).equal(F.linear(*inputs))
    module = Linear(8, 3)
    x = torch.randn(5, 8)
    assert module(x).equal(torch.nn.Linear.forward(module, x))
