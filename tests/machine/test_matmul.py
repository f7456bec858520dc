import pytest
import torch

from genomask.machine import matmul
from genomask.machine.matmul import known_rate, measured_rate


@pytest.mark.parametrize(
    ("name", "bf16"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4e12), ("NVIDIA H200", 989.4e12), ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12), ("NVIDIA L40S", 362.1e12), ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None), ("NVIDIA GeForce RTX 4090 Laptop GPU", None), ("a GPU", None),
    ],
)  # fmt: skip
def test_a_listed_gpu_has_its_makers_rate_and_any_other_has_none(name, bf16):
    assert known_rate(name, torch.bfloat16) == pytest.approx(bf16)
    fp32 = known_rate(name, torch.float32)
    assert (fp32 is None) == (bf16 is None)
    assert fp32 is None or fp32 < bf16


def test_the_measured_rate_is_that_of_the_best_size(monkeypatch):
    monkeypatch.setattr(matmul, "rate_at", lambda n, *_: float(n))
    monkeypatch.setitem(matmul.SIZES, "cpu", (32, 96, 64))
    assert measured_rate(torch.device("cpu"), torch.float32) == 96
    monkeypatch.undo()
    assert 1e6 < measured_rate(torch.device("cpu"), torch.float32, 0.001) < 1e13
