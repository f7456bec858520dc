"""benchmarks/cpu_profile.py: every operation counts once, and the time outside them is Python's."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("cpu_profile")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::addmm", "products with weights"),
        ("aten::baddbmm_", "products of attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention in one operation"),
        ("aten::_softmax_backward_data", "softmax, and its backward pass"),
        ("aten::gelu_backward", "GELU and its gate, residuals, sums"),
        ("aten::native_layer_norm", "LayerNorm"),
        ("aten::random_", "dropout"),
        ("aten::cat", "copies, gathering and filling"),
        ("aten::_fused_adamw_", "optimizer"),
        ("aten::view", "Python, and between operations"),
    ],
)
def test_an_operation_has_its_kind(benchmark, operation, kind):
    assert benchmark.kind_of(operation) == kind


def test_the_kinds_of_a_step_add_up_to_its_wall_clock(benchmark):
    def operation(key: str, seconds: float, flops: int = 0) -> SimpleNamespace:
        return SimpleNamespace(key=key, self_cpu_time_total=1e6 * seconds, flops=flops)

    operations = [operation("aten::mm", 2.0, 4_000), operation("aten::addmm", 1.0, 2_000), operation("aten::gelu", 0.5)]
    rows = {row["kind"]: row for row in benchmark.summary("ours", operations, wall_s=4.0, ceiling=4_000.0)}
    assert rows["products with weights"]["ms_per_step"] == pytest.approx(3_000 / benchmark.BATCHES)
    assert rows["products with weights"]["fraction_of_ceiling"] == pytest.approx(0.5)
    assert rows["Python, and between operations"]["fraction_of_the_step"] == pytest.approx(0.125)
    assert sum(row["fraction_of_the_step"] for row in rows.values()) == pytest.approx(1)
    assert benchmark.sentence("ours", [row | {"side": "ours"} for row in rows.values()]) == (
        "ours: products and attention take 75% of the step; the products with weights run at 50% of the ceiling"
    )
