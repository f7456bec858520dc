import pytest
import torch

from genomask.training import peak
from genomask.training.peak import matmul_peak

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The types that were measured, whose rates are 1, 2, 3 ..."""
    types = []
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(peak, "measured_rate", lambda _device, dtype, _: float(types.append(dtype) or len(types)))
    return types


def test_a_processor_is_measured_once_for_each_type(measured, bf16_units):
    bf16_units(True)
    assert [matmul_peak(CPU, precision) for precision in ("fp32", "bf16", "fp32")] == [1, 2, 1]
    assert measured == [torch.float32, torch.bfloat16]


def test_without_units_for_bf16_float32_is_measured(measured, bf16_units):
    bf16_units(False)
    assert matmul_peak(CPU, "bf16") == matmul_peak(CPU, "fp32") == 1
    assert measured == [torch.float32]


@pytest.mark.parametrize(("name", "rate"), [("NVIDIA H200", 989.4e12), ("some GPU", None)])
def test_a_gpu_is_looked_up_and_never_guessed(measured, monkeypatch, name, rate):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert matmul_peak(torch.device("cuda"), "bf16") == pytest.approx(rate)
    assert measured == []
