import pytest
import torch

from genomask.errors import SettingsError
from genomask.training.device import autocast, choose_device, computed_in, peak_bytes, scoring_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("there", "found"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_gpu_where_there_is_one(there, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device("auto").type == found
    assert choose_device("cpu") == CPU


def test_a_missing_gpu_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="finds no CUDA GPU here; use cpu or auto"):
        choose_device("cuda")


@pytest.mark.processor
@pytest.mark.parametrize("has_units", [True, False])
def test_a_model_is_measured_in_fp32_on_every_cpu(has_units, bf16_units):
    bf16_units(has_units)
    assert scoring_precision(CPU) == "fp32"


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_products_are_computed_in_the_type_of_the_precision(precision, dtype):
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype == computed_in(precision)


def test_the_peak_of_a_cpu_is_that_of_the_process():
    before = peak_bytes(CPU)
    held = torch.ones(40_000_000)
    assert peak_bytes(CPU) >= max(before, held.numel())
