"""The checks that need a GPU, as a table: for pytest, and for `benchmarks/gpu_correctness.py` without pytest.

Each takes a device and one of our attention backends, and raises AssertionError if something is wrong.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from packed_attention import POSITIONS, layout_of, packed_qkv, some_queries
from reference import reference_attention
from torch._dynamo.utils import counters

from genomask.data.fixed_shape import BatchShape, Expected, to_fixed_shape
from genomask.data.packing import to_batch
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout
from genomask.encoders.backends import BACKENDS
from genomask.training.checkpoint import restore_checkpoint, save_checkpoint
from genomask.training.checkpoint_state import CheckpointState
from genomask.training.compiling import compile_model
from genomask.training.device import autocast
from genomask.training.step import train_step
from genomask.types import IGNORE

CPU = torch.device("cpu")
DTYPES = (torch.float32, torch.bfloat16)
LENGTHS = (8_192, 32_768)
SEQUENCES, LONGEST = 20, 128
"""Sequences of a training batch, and the most tokens of one."""


@dataclass(frozen=True)
class Check:
    """A sentence about a subject, and the function that checks it on a device with a backend."""

    subject: str
    sentence: str
    run: Callable[[torch.device, str], None]
    backends: tuple[str, ...] = ("flex", "flash")


def checks() -> list[Check]:
    """All checks, in the order in which they run."""
    found = [
        Check(
            "attention",
            f"a sequence of {length:,} tokens is right, and no table of scores is held",
            partial(long_sequence, length=length),
        )
        for length in LENGTHS
    ]
    found += [
        Check(
            "attention",
            f"values and gradients err at most twice as much as the plain formula: {positions}, {dtype}, "
            f"{'some' if subset else 'all'} queries",
            partial(values_and_gradients, positions=positions, dtype=dtype, subset=subset),
            ("flex",) if dtype == torch.float32 else ("flex", "flash"),  # flash-attn has no fp32
        )
        for positions in POSITIONS
        for dtype in DTYPES
        for subset in (False, True)
    ]
    graph = "a compiled model is one graph for all batches and never waits for the host"
    found.append(Check("encoder", graph, one_graph))
    found.append(Check("encoder", f"{graph}: a stem", partial(one_graph, stem_width=9, stem_fraction=0.5)))
    follows = "training follows training on the CPU"
    found += [
        Check("step", f"{follows}: {positions}", partial(follows_cpu, positions=positions)) for positions in POSITIONS
    ]
    found.append(Check("step", f"{follows}: a stem", partial(follows_cpu, stem_width=9, stem_fraction=0.5)))
    found.append(Check("resume", "training goes on from a checkpoint with the same bits", resumes))
    return found


def values_and_gradients(
    device: torch.device, backend: str, *, positions: str, dtype: torch.dtype, subset: bool
) -> None:
    *exact_qkv, cu_seqlens = packed_qkv([64, 1, 129, 200], heads=6, width=64)
    queries = some_queries(len(exact_qkv[0])) if subset else torch.arange(len(exact_qkv[0]))
    exact_qkv = [x.to(dtype).double().requires_grad_() for x in exact_qkv]
    plain_qkv = [x.detach().to(dtype).requires_grad_() for x in exact_qkv]
    qkv = [x.detach().to(dtype).to(device).requires_grad_() for x in exact_qkv]
    exact, plain = (reference_attention(*some, cu_seqlens, positions)[queries] for some in (exact_qkv, plain_qkv))
    here = layout_of(cu_seqlens, 6, positions)
    slopes = None if here.slopes is None else here.slopes.to(device)
    layout = Layout(cu_seqlens.to(device), here.max_seqlen, slopes, here.directed)
    q, k, v = qkv
    at = queries.to(device)
    ours = BACKENDS[backend](q[at], k, v, at, layout) if subset else BACKENDS[backend](q, k, v, None, layout)
    wanted = [exact, *gradients(exact, exact_qkv)]
    allowed = largest_errors([plain, *gradients(plain, plain_qkv)], wanted)
    found = largest_errors([ours, *gradients(ours, qkv)], wanted)
    assert all(error <= 2 * bound + 1e-5 for error, bound in zip(found, allowed, strict=True)), (found, allowed)


def gradients(mixed, qkv):
    return torch.autograd.grad(mixed.double().sin().sum(), qkv, retain_graph=True)


def largest_errors(found, exact):
    return [float((a.cpu().double() - b).abs().max()) for a, b in zip(found, exact, strict=True)]


def long_sequence(device: torch.device, backend: str, *, length: int) -> None:
    heads, width = 12, 64
    qkv = torch.randn(3, length, heads, width, generator=torch.Generator().manual_seed(0)).bfloat16().to(device)
    q, k, v = (x.detach().requires_grad_() for x in qkv.unbind(0))
    slopes = alibi_slopes(heads).to(device)
    layout = Layout(torch.tensor([0, length], dtype=torch.int32).to(device), length, slopes)
    with memory_below(device, 2 * length**2):  # two bytes per pair in one head; a table of scores has 12
        mixed = BACKENDS[backend](q, k, v, None, layout)
        mixed.float().sin().sum().backward()
    rows = torch.tensor([0, 5, length // 2, length - 1]).to(device)
    scores = torch.einsum("inh,jnh->nij", q[rows].double(), k.double()) / width**0.5
    distances = (rows[:, None] - torch.arange(length).to(device)).abs()
    exact = torch.einsum("nij,jnh->inh", (scores - slopes.double()[:, None, None] * distances).softmax(-1), v.double())
    assert float((mixed[rows].double() - exact).norm()) <= 1e-2 * float(exact.norm())


@contextmanager
def memory_below(device: torch.device, most: int) -> Iterator[None]:
    """On CUDA, assert that the block takes fewer than `most` bytes."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    yield
    taken = torch.cuda.max_memory_allocated() - before
    assert taken < most, f"{taken:,} bytes were taken, {most:,} would be one table of scores"


def model_and_batches(device, backend, batches=5, **changes):
    torch.manual_seed(0)
    config = MosaicBertConfig(
        vocab_size=500, hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=256,
        hidden_dropout_prob=0.0, attention_backend=backend, **changes,
    )  # fmt: skip
    return MosaicBertForMaskedLM(config).to(device).train(), [batch_of(seed) for seed in range(batches)]


def batch_of(seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, LONGEST + 1, (SEQUENCES,), generator=generator)
    cu_seqlens = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int()
    ids = torch.randint(5, 500, (int(cu_seqlens[-1]),), generator=generator)
    masked = torch.rand(len(ids), generator=generator) < 0.15
    return to_batch(ids, torch.where(masked, ids, IGNORE), cu_seqlens, torch.ones(SEQUENCES))


def one_graph(device: torch.device, backend: str, **changes: Any) -> None:
    counters.clear()
    model, batches = model_and_batches(device, backend, **changes)
    shape = BatchShape.of(Expected(SEQUENCES * LONGEST, SEQUENCES, 0.15), LONGEST, SEQUENCES * LONGEST)
    fixed = [piece.to(device) for batch in batches for piece in to_fixed_shape(batch, shape)]
    compiled = compile_model(model, device)
    losses = []
    for number, batch in enumerate(fixed):
        with waiting_is_an_error(device, number > 1), autocast(device, half_on(device)):
            losses.append(compiled(**batch._asdict(), reduction="sum").loss)
            losses[-1].backward()
    if device.type == "cuda":
        assert counters["stats"]["unique_graphs"] == 1
        assert not counters["graph_break"]
    with autocast(device, half_on(device)):
        free = [float(model(**batch._asdict(), reduction="sum").loss) for batch in fixed]
    assert_close([float(loss) for loss in losses], free, 1e-2)


@contextmanager
def waiting_is_an_error(device: torch.device, asked: bool) -> Iterator[None]:
    if device.type != "cuda" or not asked:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def half_on(device):
    return "bf16" if device.type == "cuda" else "fp32"


def assert_close(found, wanted, fraction):
    worst = max(abs(a - b) / abs(b) for a, b in zip(found, wanted, strict=True))
    assert worst <= fraction, f"{found} is not {wanted}: it differs by {worst:.2g} of it, {fraction:g} is allowed"


def follows_cpu(device: torch.device, backend: str, **changes: Any) -> None:
    precision = "bf16" if backend == "flash" else "fp32"
    losses = []
    for where, name in ((CPU, "sdpa"), (device, backend)):
        model, batches = model_and_batches(where, name, **changes)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        losses.append(train(model, optimizer, batches, where, precision, range(5)))
    assert_close(losses[1], losses[0], 2e-2 if precision == "bf16" else 1e-3)


def train(model, optimizer, batches, device, precision, steps):
    how = {"clip_norm": 1.0, "device": device, "precision": precision}
    return [train_step(model, optimizer, [batches[n]], **how).loss for n in steps]


def resumes(device: torch.device, backend: str) -> None:
    precision = "bf16" if backend == "flash" else "fp32"
    model, batches = model_and_batches(device, backend)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    train(model, optimizer, batches, device, precision, range(2))
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), model, optimizer, CheckpointState(2, 0))
        other, _ = model_and_batches(device, backend)
        its_optimizer = torch.optim.AdamW(other.parameters(), lr=1e-3, fused=True)
        assert restore_checkpoint(Path(folder), other, its_optimizer).steps_done == 2
    for before, after in zip(numbers(model, optimizer), numbers(other, its_optimizer), strict=True):
        assert torch.equal(before, after)
    on, again = (
        train(*what, batches, device, precision, range(2, 5)) for what in ((model, optimizer), (other, its_optimizer))
    )
    assert on[0] == again[0], f"loss {on[0]} without the checkpoint, {again[0]} through it"
    assert_close(again, on, 1e-3)  # the order in which a kernel adds may change from run to run


def numbers(model, optimizer):
    """Weights and moments."""
    of = [(x, *(optimizer.state[x][name] for name in ("exp_avg", "exp_avg_sq"))) for x in model.parameters()]
    return [x.detach().cpu() for each in of for x in each]
