"""The GPU benchmark's code, run on the CPU at toy sizes: the figures mean nothing, but every line is passed through."""

import gc
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from genomask.encoders import backends

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CPU = torch.device("cpu")


@pytest.fixture
def benchmark(monkeypatch):
    """The benchmark's modules; `flex` is there, in the shape of `sdpa`, and nothing is compiled."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setitem(backends.BACKENDS, "flex", backends.BACKENDS["sdpa"])
    monkeypatch.delitem(backends.NEEDS, "flex")
    monkeypatch.setattr(gc, "collect", lambda: 0)  # between turns; it takes most of the time here
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    before = set(sys.modules)
    import gpu_profile
    import gpu_step
    import sides

    yield gpu_step, gpu_profile, sides
    for name in {"gpu_profile", "gpu_step", "sides", "mixes", "turns", "machine", "ceiling"} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def toy(benchmark):
    gpu_step, _, sides = benchmark
    shape = sides.Shape(width=24, layers=1, heads=2, intermediate=48, sequences=4, vocabulary=60)
    return gpu_step.Case("c4", shape, 0.3)


def test_every_side_is_timed_in_turns_and_the_fastest_of_ours_is_found(benchmark, toy):
    gpu_step, *_ = benchmark
    rows, fastest = gpu_step.measure(toy, CPU, rounds=2, ceiling=1e9)
    assert [row["side"] for row in rows] == [
        "ours, flex, compiled",
        "ours, flex",
        "ours, sdpa",
        "ours at MosaicBERT's own MLP width, flex, compiled",
        "HF BERT, compiled",
        "HF BERT",
        "HF ModernBERT, compiled",
        "HF ModernBERT",
    ]
    assert not any("failed" in row for row in rows)
    assert fastest.name.startswith("ours")
    by_name = {row["side"]: row for row in rows}
    compiled, free = by_name["ours, flex, compiled"], by_name["ours, flex"]
    assert compiled["executed_tflop_per_step"] > free["executed_tflop_per_step"]  # what fills up is computed too
    assert compiled["useful_share_of_ceiling"] < compiled["executed_share_of_ceiling"]
    assert by_name["HF BERT, compiled"]["times_hf_bert_compiled"] == 1
    assert all(row["real_tokens_per_s"] > 0 for row in rows)
    sentences = gpu_step.verdict("toy", rows)
    assert sentences[0].startswith("toy: ours")
    assert "x HF BERT, compiled in real tokens" in sentences[1]
    assert "x HF ModernBERT, compiled in real tokens" in sentences[2]


def test_a_side_that_runs_out_of_memory_keeps_its_row(benchmark, toy, monkeypatch):
    gpu_step, *_ = benchmark

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB")

    monkeypatch.setitem(backends.BACKENDS, "flex", full)
    rows, fastest = gpu_step.measure(toy, CPU, rounds=2, ceiling=1e9)
    failed = [row for row in rows if "failed" in row]
    assert {row["side"] for row in failed} == {
        "ours, flex, compiled", "ours, flex", "ours at MosaicBERT's own MLP width, flex, compiled",
    }  # fmt: skip
    assert all(row["failed"].startswith("OutOfMemoryError: CUDA out of memory") for row in failed)
    assert fastest.name == "ours, sdpa"
    assert any("did not run: OutOfMemoryError" in sentence for sentence in gpu_step.verdict("toy", rows))


def test_a_side_that_runs_out_of_memory_in_a_turn_gives_it_back_and_loses_its_own_row_alone(
    benchmark, toy, monkeypatch
):
    gpu_step, *_ = benchmark
    calls, emptied = [], []

    def full_once(*inputs, **layout):
        calls.append("flex")
        if len(calls) == 9:  # its three sides take two steps each before the turns
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB")
        return backends.BACKENDS["sdpa"](*inputs, **layout)

    monkeypatch.setitem(backends.BACKENDS, "flex", full_once)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    rows, fastest = gpu_step.measure(toy, CPU, rounds=4, ceiling=1e9)
    (failed,) = [row for row in rows if "failed" in row]
    assert failed["failed"].startswith("OutOfMemoryError: CUDA out of memory")
    assert len(rows) == 8
    assert all(row["real_tokens_per_s"] > 0 for row in rows if row is not failed)
    assert emptied
    assert fastest.name != failed["side"]


def test_where_no_side_runs_the_reasons_are_what_is_written(benchmark, toy, monkeypatch):
    gpu_step, _, sides = benchmark

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu_step, "sides_of", lambda *_: [(next(sides.build_sides(toy.shape, "sdpa")), "sdpa", False)])
    monkeypatch.setitem(backends.BACKENDS, "sdpa", full)
    rows, fastest = gpu_step.measure(toy, CPU, rounds=2, ceiling=1e9)
    assert [row["failed"] for row in rows] == ["OutOfMemoryError: CUDA out of memory"]
    assert fastest is None


def test_a_steps_memory_is_measured_once_nothing_is_left_to_compile(benchmark, toy, monkeypatch):
    gpu_step, *_ = benchmark
    steps, seen = [], []
    trainer = gpu_step.trainer

    def counted(model):
        optimizer = trainer(model)
        optimizer.register_step_post_hook(lambda *_: steps.append(1))
        return optimizer

    monkeypatch.setattr(gpu_step, "trainer", counted)
    monkeypatch.setattr(gpu_step, "_peak", lambda *_: seen.append(len(steps)) or 0)
    gpu_step.measure(toy, CPU, rounds=2, ceiling=1e9)
    assert seen == [2, 4, 6, 8, 10, 12, 14, 16]  # the first step compiles, and the second one for another shape


def test_a_region_that_someone_named_is_no_kernel(benchmark):
    _, gpu_profile, _ = benchmark
    gpu = torch.autograd.DeviceType.CUDA
    kernel = SimpleNamespace(device_type=gpu, self_device_time_total=5.0)  # as PyTorch 2.11 has it
    assert gpu_profile._runs_on_gpu(kernel)
    assert gpu_profile._runs_on_gpu(SimpleNamespace(**vars(kernel), is_user_annotation=False))
    assert not gpu_profile._runs_on_gpu(SimpleNamespace(**vars(kernel), is_user_annotation=True))


def test_a_profile_is_summed_by_kind(benchmark):
    _, gpu_profile, _ = benchmark
    kernels = [
        ("nvjet_tst_192x192_64x3", 50.0),
        ("triton_tem_fused_flex_attention_0", 8.0),
        ("triton_poi_fused__to_copy_add_7", 20.0),
        ("void at::native::multi_tensor_apply_kernel<FusedAdam>", 4.0),
        ("Memcpy HtoD", 1.0),
        ("void at::native::radixSort", 2.0),
    ]
    summary = gpu_profile.summarise(kernels, wall_ms=100.0)
    assert summary["ms_per_step_by_kind"] == {
        "matrix products": 50.0,
        "compiled pointwise kernels and reductions": 20.0,
        "attention": 8.0,
        "optimiser": 4.0,
        "other kernels of PyTorch": 2.0,
        "copies": 1.0,
    }
    assert summary["idle_share"] == pytest.approx(0.15)
    said = gpu_profile.sentence({"side": "ours", **summary})
    assert "compiled pointwise kernels and reductions, 20.0% of the step; no kernel runs in 15.0% of it" in said
