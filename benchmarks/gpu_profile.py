"""Where a step's GPU time goes: a step in, the fraction of each kind of kernel and the longest kernels out.

    python benchmarks/gpu_profile.py --case genome-base

The side is our fastest in the results of gpu_step.py (--after), else the first of ours that it would measure.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from gpu_step import BATCHES, RESULTS, fastest, sides_of
from machine import describe_machine, run_script, save
from runners import Entry, start
from tables import section
from trial import CASES, Trial
from turns import wait

from genomask.encoders.backends import backends_on
from genomask.errors import TrainingError
from genomask.training.device import choose_device

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
"""A kernel is of the first kind whose pattern fits its name; the compiler's templates (`tem`) are FlexAttention's."""


def main(
    case: Annotated[str, typer.Option(help=f"One of: {', '.join(CASES)}.")] = "c4-base",
    device: Annotated[str, typer.Option(help="cuda or auto.")] = "cuda",
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "bf16",
    after: Annotated[Path | None, typer.Option(help="What gpu_step.py wrote for this case.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file. Default: in results/, named after the case.")] = None,
) -> None:
    """Profile one side, print the result and write its JSON."""
    where = choose_device(device)
    entry = chosen(sides_of(CASES[case], backends_on(where)), after)
    trial = Trial.of(CASES[case], BATCHES, where, precision)
    runner = start(entry, trial)
    if runner.failed:
        raise TrainingError(f"{entry.name} cannot be profiled: {runner.failed}")
    found = {"side": entry.name, **profile(runner.step, where)}
    kinds = found["ms_per_step_by_kind"].items()
    result = {
        "benchmark": "gpu_profile",
        "machine": describe_machine(where),
        "setup": {"case": case, "precision": precision, "side": entry.name, "steps": STEPS},
        "rows": [{"kind": kind, "ms_per_step": ms, "fraction": ms / found["wall_ms_per_step"]} for kind, ms in kinds],
        "verdict": [sentence(found)],
        "profile": found,
    }
    save(out or RESULTS / f"gpu_profile-{case}.json", result)
    print(section(result))


def chosen(entries: list[Entry], after: Path | None) -> Entry:
    """Our fastest side, if it was measured and can run again, else the first."""
    rows = json.loads(after.read_text(encoding="utf-8"))["rows"] if after and after.exists() else []
    name = (fastest(rows) or {}).get("side")
    return next((entry for entry in entries if entry.name == name), entries[0])


def profile(step: Callable[[int], None], device: torch.device) -> dict:
    """GPU milliseconds per step by kind, the longest kernels, and the fraction of the time when none runs."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    wait(device)
    with torch.profiler.profile(activities=activities) as recorder:
        began = time.perf_counter()
        for n in range(STEPS):
            step(n)
        wait(device)
        ended = time.perf_counter()
    kernels = [(x.key, x.self_device_time_total / 1e3 / STEPS) for x in recorder.key_averages() if runs_on_gpu(x)]
    return summarise(kernels, 1e3 * (ended - began) / STEPS)


def runs_on_gpu(event: torch.autograd.profiler_util.FunctionEventAvg) -> bool:
    """Whether this is a kernel; a `record_function` region counts kernels again, and PyTorch 2.11 does not flag it."""
    named = getattr(event, "is_user_annotation", False)
    return event.device_type == torch.autograd.DeviceType.CUDA and event.self_device_time_total > 0 and not named


def summarise(kernels: list[tuple[str, float]], wall_ms: float) -> dict:
    """(name, milliseconds per step) of all kernels, and a step's milliseconds -> the printed figures."""
    by_kind: dict[str, float] = defaultdict(float)
    for name, ms in kernels:
        by_kind[kind_of(name)] += ms
    busy = sum(by_kind.values())
    return {
        "wall_ms_per_step": wall_ms,
        "idle_fraction": max(0.0, 1 - busy / wall_ms),
        "ms_per_step_by_kind": dict(sorted(by_kind.items(), key=lambda item: -item[1])),
        "longest_kernels_ms_per_step": dict(sorted(kernels, key=lambda item: -item[1])[:LONGEST]),
    }


def kind_of(kernel: str) -> str:
    """The kind of a kernel by its name."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, kernel.lower()))


def sentence(profile: dict) -> str:
    """What takes the most time besides the matrix products."""
    kinds = profile["ms_per_step_by_kind"]
    kind = max((x for x in kinds if x != "matrix products"), key=kinds.get, default="nothing")
    fraction = kinds.get(kind, 0.0) / profile["wall_ms_per_step"]
    return (
        f"{profile['side']}: beside the matrix products most time goes to {kind}, {fraction:.1%} of the step; "
        f"no kernel runs in {profile['idle_fraction']:.1%} of it"
    )


if __name__ == "__main__":
    run_script(main)
