"""The GPU benchmark's code, run on the CPU at toy sizes: the figures mean nothing, but every line runs."""

import gc
import json
from types import SimpleNamespace

import pytest
import torch

from genomask.encoders import backends

CPU = torch.device("cpu")
NAMES = ("gpu_step", "gpu_profile", "sides", "trial", "runners", "turns")


@pytest.fixture
def benchmark(script, monkeypatch):
    """The benchmark's modules; `flex` is available, as `sdpa`, and nothing is compiled."""
    monkeypatch.setitem(backends.BACKENDS, "flex", backends.BACKENDS["sdpa"])
    monkeypatch.delitem(backends.NEEDS, "flex")
    monkeypatch.setattr(gc, "collect", lambda: 0)  # between turns; it takes most of the time here
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    return SimpleNamespace(**{name: script(name) for name in NAMES})


@pytest.fixture
def toy(benchmark):
    shape = benchmark.sides.Shape(width=24, layers=1, heads=2, intermediate=48, sequences=4, vocabulary=60)
    return benchmark.trial.Case("c4", shape, 0.3)


def measured(benchmark, case, rounds=2, entries=None, keep=lambda rows: None, **budget):
    trial = benchmark.trial.Trial.of(case, 4, CPU, "bf16")
    entries = entries or benchmark.gpu_step.sides_of(case, ["flex", "sdpa"])
    return benchmark.gpu_step.measure(entries, trial, benchmark.turns.Budget(rounds, **budget), 1e9, keep)


def test_every_side_is_timed_in_turns_and_the_fastest_of_ours_is_found(benchmark, toy):
    kept = []
    rows = measured(benchmark, toy, keep=lambda rows: kept.append([row["side"] for row in rows]))
    assert kept[-1] == [
        "ours, flex, compiled",
        "HF BERT, attention dropout 0, compiled",
        "HF ModernBERT, sparse prediction, compiled",
        "HF BERT, compiled",
        "ours, flex",
        "ours, sdpa",
        "HF BERT, attention dropout 0",
        "HF ModernBERT, sparse prediction",
        "HF BERT",
        "ours at MosaicBERT's own MLP width, flex, compiled",
    ]
    assert kept == [kept[-1][:n] for n in range(1, 11)]  # each row is kept before the next side starts
    assert [row["side"] for row in rows] == kept[-1]
    assert not any("failed" in row for row in rows)
    assert benchmark.gpu_step.fastest(rows)["side"].startswith("ours")
    by_name = {row["side"]: row for row in rows}
    compiled, free = by_name["ours, flex, compiled"], by_name["ours, flex"]
    assert compiled["executed_tflop_per_step"] > free["executed_tflop_per_step"]  # padding is computed too
    assert compiled["useful_fraction_of_ceiling"] < compiled["executed_fraction_of_ceiling"]
    assert by_name["HF BERT, attention dropout 0, compiled"]["times_strictest_compiled"] == 1
    assert all(row["real_tokens_per_s"] > 0 for row in rows)
    sentences = benchmark.gpu_step.verdict("toy", rows)
    assert sentences[0].startswith("toy: ours")
    assert "x HF BERT, attention dropout 0, compiled in real tokens a second (goal 3)" in sentences[1]
    assert "x HF ModernBERT, sparse prediction, compiled in real tokens a second (goal 1)" in sentences[2]
    assert "x HF BERT, compiled in real tokens" in sentences[3]


@pytest.mark.parametrize("case", ["c4-base", "genome-base"])
def test_the_strictest_peer_is_the_first_after_ours(benchmark, case):
    first, second, *_ = benchmark.gpu_step.sides_of(benchmark.trial.CASES[case], ["flex"])
    assert (first.name, second.name) == ("ours, flex, compiled", "HF BERT, attention dropout 0, compiled")


def test_a_wider_model_is_not_our_fastest_side(benchmark):
    rows = [
        {"side": "ours, flex, compiled", "real_tokens_per_s": 2.0},
        {"side": "ours at MosaicBERT's own MLP width, flex, compiled", "real_tokens_per_s": 3.0},
    ]
    assert benchmark.gpu_step.fastest(rows) is rows[0]
    assert benchmark.gpu_step.fastest(rows[1:]) is None


def test_a_side_that_runs_out_of_memory_keeps_its_row(benchmark, toy, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB")

    monkeypatch.setitem(backends.BACKENDS, "flex", full)
    rows = measured(benchmark, toy)
    failed = [row for row in rows if "failed" in row]
    assert {row["side"] for row in failed} == {
        "ours, flex, compiled", "ours, flex", "ours at MosaicBERT's own MLP width, flex, compiled",
    }  # fmt: skip
    assert all(row["failed"].startswith("OutOfMemoryError: CUDA out of memory") for row in failed)
    assert benchmark.gpu_step.fastest(rows)["side"] == "ours, sdpa"
    assert any("did not run: OutOfMemoryError" in sentence for sentence in benchmark.gpu_step.verdict("toy", rows))


def test_a_side_that_runs_out_of_memory_in_a_turn_frees_it_and_loses_only_its_row(benchmark, toy, monkeypatch):
    calls, emptied = [], []

    def full_once(*inputs, **layout):
        calls.append("flex")
        if len(calls) == 16:  # its three sides take five steps each before the turns
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB")
        return backends.BACKENDS["sdpa"](*inputs, **layout)

    monkeypatch.setitem(backends.BACKENDS, "flex", full_once)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    rows = measured(benchmark, toy, rounds=4)
    (failed,) = [row for row in rows if "failed" in row]
    assert failed["failed"].startswith("OutOfMemoryError: CUDA out of memory")
    assert len(rows) == 10
    assert all(row["real_tokens_per_s"] > 0 for row in rows if row is not failed)
    assert emptied
    assert benchmark.gpu_step.fastest(rows)["side"] != failed["side"]


def test_where_no_side_runs_the_reasons_are_written(benchmark, toy, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setitem(backends.BACKENDS, "sdpa", full)
    rows = measured(benchmark, toy, entries=benchmark.gpu_step.sides_of(toy, ["sdpa"])[:1])
    assert rows == [{"side": "ours, sdpa", "failed": "OutOfMemoryError: CUDA out of memory"}]
    assert benchmark.gpu_step.verdict("toy", rows)[0] == "toy: no side of ours ran"


def test_a_side_that_cannot_even_be_built_keeps_its_row(benchmark, toy, monkeypatch):
    monkeypatch.setitem(benchmark.sides.PEERS, "HF BERT", lambda shape: {}["no such model in this transformers"])
    rows = {row["side"]: row for row in measured(benchmark, toy)}
    assert rows["HF BERT"]["failed"] == "KeyError: 'no such model in this transformers'"
    assert [name for name, row in rows.items() if "failed" in row] == ["HF BERT, compiled", "HF BERT"]


def test_when_time_is_up_no_side_is_started_and_those_timed_alone_keep_their_rows(benchmark, toy, monkeypatch):
    clock = iter(range(100, 1000))
    monkeypatch.setattr(benchmark.turns.time, "time", lambda: next(clock))
    rows = measured(benchmark, toy, rounds=9, began=100, until=103)  # sides start before 102
    assert ["failed" in row for row in rows] == [False, False, *[True] * 8]
    assert {row["failed"] for row in rows[2:]} == {"no time was left to start it"}
    assert {row["rounds"] for row in rows[:2]} == {benchmark.runners.ALONE}
    assert "HF BERT, attention dropout 0, compiled" in benchmark.gpu_step.verdict("toy", rows)[1]


def test_a_steps_memory_is_measured_once_nothing_is_left_to_compile(benchmark, toy, monkeypatch):
    steps, seen = [], []
    trainer = benchmark.runners.trainer

    def counted(model):
        optimizer = trainer(model)
        optimizer.register_step_post_hook(lambda *_: steps.append(1))
        return optimizer

    monkeypatch.setattr(benchmark.runners, "trainer", counted)
    monkeypatch.setattr(benchmark.runners, "peak", lambda *_: seen.append(len(steps)) or 0)
    measured(benchmark, toy)
    assert seen == [2 + 5 * n for n in range(10)]  # the first step compiles, the second for another shape; 3 alone


def test_the_profile_is_of_the_fastest_side_that_was_measured(benchmark, toy, tmp_path):
    entries = benchmark.gpu_step.sides_of(toy, ["flex", "sdpa"])
    chosen, results = benchmark.gpu_profile.chosen, tmp_path / "step.json"
    assert chosen(entries, None) is chosen(entries, results) is entries[0]
    rows = [{"side": "HF BERT", "real_tokens_per_s": 9.0}, {"side": "ours, flex", "failed": "x"}]
    results.write_text(json.dumps({"rows": rows}))
    assert chosen(entries, results) is entries[0]
    results.write_text(json.dumps({"rows": [*rows, {"side": "ours, sdpa", "real_tokens_per_s": 1.0}]}))
    assert chosen(entries, results).name == "ours, sdpa"


def test_a_user_annotation_is_not_a_kernel(benchmark):
    gpu_profile = benchmark.gpu_profile
    gpu = torch.autograd.DeviceType.CUDA
    kernel = SimpleNamespace(device_type=gpu, self_device_time_total=5.0)  # as PyTorch 2.11 has it
    assert gpu_profile.runs_on_gpu(kernel)
    assert gpu_profile.runs_on_gpu(SimpleNamespace(**vars(kernel), is_user_annotation=False))
    assert not gpu_profile.runs_on_gpu(SimpleNamespace(**vars(kernel), is_user_annotation=True))


def test_a_profile_is_summed_by_kind(benchmark):
    gpu_profile = benchmark.gpu_profile
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
    assert summary["idle_fraction"] == pytest.approx(0.15)
    said = gpu_profile.sentence({"side": "ours", **summary})
    assert "compiled pointwise kernels and reductions, 20.0% of the step; no kernel runs in 15.0% of it" in said
