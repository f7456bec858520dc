"""Where a step's GPU time goes: a step in, the share of each kind of kernel and the longest kernels out."""

import re
from collections import defaultdict
from collections.abc import Callable

import torch

STEPS = 3
LONGEST = 15
KINDS = {
    "attention": r"triton_tem|flex_attention|flash|fmha",
    "compiled pointwise kernels and reductions": r"triton_",
    "matrix products": r"gemm|nvjet|cutlass|cublas|xmma",
    "optimiser": r"adam|multi_tensor",
    "copies": r"memcpy|memset|copy",
    "other kernels of PyTorch": r"",
}
"""A kernel is of the first kind whose pattern its name holds; the compiler's templates (`tem`) are FlexAttention's."""


def profile(step: Callable[[int], None]) -> dict:
    """Milliseconds of GPU time a step by kind, the longest kernels, and the share of the time when none runs."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.profiler.profile(activities=activities) as recorder:
        began.record()
        for n in range(STEPS):
            step(n)
        ended.record()
        torch.cuda.synchronize()
    kernels = [(x.key, x.self_device_time_total / 1e3 / STEPS) for x in recorder.key_averages() if _runs_on_gpu(x)]
    return summarise(kernels, began.elapsed_time(ended) / STEPS)


def _runs_on_gpu(event: torch.autograd.profiler_util.FunctionEventAvg) -> bool:
    """A region named with `record_function` counts its kernels' time once more; PyTorch 2.11 has no flag for it."""
    named = getattr(event, "is_user_annotation", False)
    return event.device_type == torch.autograd.DeviceType.CUDA and event.self_device_time_total > 0 and not named


def summarise(kernels: list[tuple[str, float]], wall_ms: float) -> dict:
    """(name, milliseconds a step) of all kernels, and a step's milliseconds -> what is printed."""
    by_kind: dict[str, float] = defaultdict(float)
    for name, ms in kernels:
        by_kind[kind_of(name)] += ms
    busy = sum(by_kind.values())
    return {
        "wall_ms_per_step": wall_ms,
        "idle_share": max(0.0, 1 - busy / wall_ms),
        "ms_per_step_by_kind": dict(sorted(by_kind.items(), key=lambda item: -item[1])),
        "longest_kernels_ms_per_step": dict(sorted(kernels, key=lambda item: -item[1])[:LONGEST]),
    }


def kind_of(kernel: str) -> str:
    """The kind of a kernel by its name."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, kernel.lower()))


def sentence(profile: dict) -> str:
    """What takes the most time beside the matrix products."""
    kinds = profile["ms_per_step_by_kind"]
    kind = max((x for x in kinds if x != "matrix products"), key=kinds.get, default="nothing")
    share = kinds.get(kind, 0.0) / profile["wall_ms_per_step"]
    return (
        f"{profile['side']}: beside the matrix products most time goes to {kind}, {share:.1%} of the step; "
        f"no kernel runs in {profile['idle_share']:.1%} of it"
    )
