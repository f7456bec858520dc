"""Runs a program of benchmarks/ as on a GPU, at toy sizes on the stand-in device.

    python tests/rehearsal.py benchmarks/gpu_step.py --case genome-base

What asks for `cuda` runs on the device of second_device.py, which refuses tensors left on the CPU. There, `flex` is
`sdpa`, nothing is compiled, and everything is computed in fp32. `gpu_run.py`, whose runs write real checkpoints, runs
on the CPU itself. The figures mean nothing.
"""

import gc
import os
import runpy
import sys
import traceback
from contextlib import nullcontext
from dataclasses import replace

import gpu_checks
import mixes
import second_device
import sides
import torch
import trial

from genomask.encoders import backends
from genomask.machine import matmul
from genomask.training import device

ON_THE_CPU = "gpu_run.py"
SMALL_RUN = (
    "training.sequences_per_step=4", "windows.max_tokens=32", "training.tokens_per_microbatch=128", "tokens.k=3",
    "encoder.num_hidden_layers=1", "encoder.hidden_size=16", "encoder.num_attention_heads=2",
    "encoder.intermediate_size=16", "training.log_every=1", "optimizer.warmup_steps=1", "windows.validation_windows=4",
)  # fmt: skip


def shrink() -> None:
    """Set toy sizes, before any program has read the real ones."""
    toy = sides.Shape(width=24, layers=1, heads=2, intermediate=48, sequences=4, vocabulary=60)
    for name, longest in (("c4", 16), ("dna", 32), ("8k", 64), ("32k", 128)):
        mixes.MIXES[name] = replace(mixes.MIXES[name], longest=longest)
    for name, case in trial.CASES.items():
        trial.CASES[name] = replace(case, shape=toy)
    sides.SHAPES["small"] = toy
    matmul.SIZES[second_device.NAME] = (64,)
    gpu_checks.LENGTHS, gpu_checks.SEQUENCES, gpu_checks.LONGEST = (128, 256), 4, 32
    gc.collect = lambda *_: 0  # between turns; it takes most of the time here


def pretend() -> None:
    """Use the stand-in where a GPU is asked for."""
    there = torch.device(second_device.NAME)
    device.choose_device = lambda name: there if name == "cuda" else torch.device("cpu")
    device.autocast = lambda *_: nullcontext()
    backends.BACKENDS["flex"] = backends.BACKENDS["sdpa"]
    del backends.NEEDS["flex"]
    torch.compile = lambda model, **_: model


def main(program: str) -> int:
    """Run the program and return its exit status."""
    where = nullcontext() if program.endswith(ON_THE_CPU) else second_device.SecondDevice()
    if program.endswith(ON_THE_CPU):
        sys.argv += ["--seconds", "1", *(word for change in SMALL_RUN for word in ("--set", change))]
    else:
        sys.argv += ["--rounds", "2"] * program.endswith(("gpu_step.py", "ablation.py"))
        pretend()
        shrink()
    try:
        with where:
            runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - said as Python says it
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    del sys.argv[0]
    status = main(sys.argv[0])
    sys.stdout.flush()
    os._exit(status)  # PyTorch aborts at an orderly exit from the stand-in
