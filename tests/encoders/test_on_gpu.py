"""The kernels that only a GPU has, against the float64 twin; skipped where there is none."""

import pytest
import torch
from packed_attention import POSITIONS, layout_of, packed_qkv, some_queries
from reference import reference_attention
from torch._dynamo.utils import counters

from genomask.data.fixed_shape import BatchShape, to_fixed_shape
from genomask.data.packing import to_batch
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout
from genomask.encoders.backends import BACKENDS, NEEDS
from genomask.training.compiling import compile_model
from genomask.training.step import train_step
from genomask.types import IGNORE

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
GPU = torch.device("cuda")


def need(backend):
    if not NEEDS[backend][0](GPU):
        pytest.skip(f"needs {NEEDS[backend][1]}")


def gradients(mixed, qkv):
    return torch.autograd.grad(mixed.double().sin().sum(), qkv, retain_graph=True)


def largest_errors(found, exact):
    return [float((a.double().cpu() - b).abs().max()) for a, b in zip(found, exact, strict=True)]


@pytest.mark.parametrize("backend", ["flex", "flash"])
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("subset", [False, True], ids=["all queries", "some queries"])
def test_values_and_gradients_err_at_most_twice_as_much_as_the_plain_formula(backend, positions, dtype, subset):
    need(backend)
    if backend == "flash" and dtype == torch.float32:
        pytest.skip("flash-attn has no fp32")
    *exact_qkv, cu_seqlens = packed_qkv([64, 1, 129, 200], heads=6, width=64)
    queries = some_queries(len(exact_qkv[0])) if subset else torch.arange(len(exact_qkv[0]))
    exact_qkv = [x.to(dtype).double().requires_grad_() for x in exact_qkv]
    plain_qkv = [x.detach().to(dtype).requires_grad_() for x in exact_qkv]
    gpu_qkv = [x.detach().to(GPU, dtype).requires_grad_() for x in exact_qkv]
    exact, plain = (reference_attention(*qkv, cu_seqlens, positions)[queries] for qkv in (exact_qkv, plain_qkv))
    cpu_layout = layout_of(cu_seqlens, 6, positions)
    slopes = None if cpu_layout.slopes is None else cpu_layout.slopes.to(GPU)
    layout = Layout(cu_seqlens.to(GPU), cpu_layout.max_seqlen, slopes, cpu_layout.directed)
    q, k, v = gpu_qkv
    at = queries.to(GPU)
    ours = BACKENDS[backend](q[at], k, v, at, layout) if subset else BACKENDS[backend](q, k, v, None, layout)
    wanted = [exact, *gradients(exact, exact_qkv)]
    allowed = largest_errors([plain, *gradients(plain, plain_qkv)], wanted)
    found = largest_errors([ours, *gradients(ours, gpu_qkv)], wanted)
    assert all(error <= 2 * bound + 1e-5 for error, bound in zip(found, allowed, strict=True)), (found, allowed)


@pytest.mark.parametrize("backend", ["flex", "flash"])
@pytest.mark.parametrize("length", [8_192, 32_768])
def test_long_sequences_are_right_and_no_table_of_scores_is_held(backend, length):
    need(backend)
    heads, width = 12, 64
    generator = torch.Generator(GPU).manual_seed(0)
    qkv = torch.randn(3, length, heads, width, generator=generator, device=GPU).bfloat16()
    q, k, v = (x.requires_grad_() for x in qkv)
    slopes = alibi_slopes(heads, GPU)
    layout = Layout(torch.tensor([0, length], dtype=torch.int32, device=GPU), length, slopes)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    mixed = BACKENDS[backend](q, k, v, None, layout)
    mixed.float().sin().sum().backward()
    assert torch.cuda.max_memory_allocated() - before < length**2  # one byte for each pair, in one head
    rows = torch.tensor([0, 5, length // 2, length - 1], device=GPU)
    scores = torch.einsum("inh,jnh->nij", q[rows].double(), k.double()) / width**0.5
    scores -= slopes.double()[:, None, None] * (rows[:, None] - torch.arange(length, device=GPU)).abs()
    exact = torch.einsum("nij,jnh->inh", scores.softmax(-1), v.double())
    assert (mixed[rows].double() - exact).norm() <= 1e-2 * exact.norm()


def model_and_batches(backend, batches=5, **changes):
    torch.manual_seed(0)
    config = MosaicBertConfig(
        vocab_size=500, hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=256,
        hidden_dropout_prob=0.0, attention_backend=backend, **changes,
    )  # fmt: skip
    return MosaicBertForMaskedLM(config).to(GPU).train(), [batch_of(seed) for seed in range(batches)]


def batch_of(seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, 129, (20,), generator=generator)
    cu_seqlens = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int()
    ids = torch.randint(5, 500, (int(cu_seqlens[-1]),), generator=generator)
    masked = torch.rand(len(ids), generator=generator) < 0.15
    return to_batch(ids, torch.where(masked, ids, IGNORE), cu_seqlens, torch.ones(20))


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["flex", "flash"])
def test_a_compiled_model_is_one_graph_for_all_batches_and_never_waits_for_the_host(backend):
    need(backend)
    model, batches = model_and_batches(backend)
    shape = BatchShape.of(2_560, 128, 0.15)
    fixed = [piece.to(GPU) for batch in batches for piece in to_fixed_shape(batch, shape)]
    compiled = compile_model(model, GPU)
    losses = []
    for number, batch in enumerate(fixed):
        torch.cuda.set_sync_debug_mode("error" if number > 1 else "default")
        with torch.autocast("cuda", torch.bfloat16):
            losses.append(compiled(**batch._asdict(), reduction="sum").loss)
        losses[-1].backward()
    torch.cuda.set_sync_debug_mode("default")
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    with torch.autocast("cuda", torch.bfloat16):
        free = [model(**batch._asdict(), reduction="sum").loss.item() for batch in fixed]
    assert [loss.item() for loss in losses] == pytest.approx(free, rel=1e-2)


@pytest.mark.parametrize("backend", ["flex", "flash"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_training_on_the_gpu_follows_training_on_the_cpu(backend, positions):
    need(backend)
    precision = "bf16" if backend == "flash" else "fp32"
    how = {"rate": 1e-3, "clip_norm": 1.0}
    losses = {}
    for device, name in ((torch.device("cpu"), "sdpa"), (GPU, backend)):
        model, batches = model_and_batches(name, positions=positions)
        optimizer = torch.optim.AdamW(model.to(device).parameters(), lr=1e-3, fused=True)
        losses[name] = [
            train_step(model, optimizer, [batch], step=n, device=device, precision=precision, **how)
            for n, batch in enumerate(batches)
        ]
    assert losses[backend] == pytest.approx(losses["sdpa"], rel=2e-2 if precision == "bf16" else 1e-3)
