"""Where a training step's time goes on a CPU: the seconds of each kind of operation, ours and the strictest peer's.

Shapes, batches and ceiling are those of pretrain_step.py, and so is the allocator. Times are the profiler's self time
of each PyTorch operation, on the thread that calls it; the rest of the step's wall clock is Python, and PyTorch's
overhead between operations. The profiler itself slows a step by a few per cent.

    python benchmarks/cpu_profile.py --config small --precision fp32
"""

import re
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import torch
import typer
from ceiling import matmul_ceiling
from machine import describe_machine, machine_name, run_script, save
from mixes import MIXES, draw_batch
from pretrain_step import BATCHES, MASK_RATE, stepper
from sides import SHAPES, Config, Precision, build_side
from tables import STRICTEST, section
from torch.autograd.profiler_util import FunctionEventAvg

from genomask.machine.process import keep_freed_memory

RESULTS = Path(__file__).parent / "results"
WEIGHTS, REST = "products with weights", "Python, and between operations"
KINDS = {
    WEIGHTS: r"^aten::(mm|addmm)$",
    "products of attention": r"^aten::(bmm|baddbmm_?)$",
    "attention in one operation": r"scaled_dot_product",
    "softmax, and its backward pass": r"softmax|threshold_$",
    "GELU and its gate, residuals, sums": r"gelu|^aten::(mul_?|add_?|sum|div_?|neg|sub)$",
    "LayerNorm": r"layer_norm",
    "dropout": r"dropout|random_|bernoulli|^aten::(ge|lt)$",
    "copies, gathering and filling": r"copy_|^aten::(cat|index|index_select|gather|fill_|clone|zero_|scatter)",
    "optimizer": r"adam",
    REST: r"",
}
"""An operation is of the first kind whose pattern fits its name."""
PRODUCTS_AND_ATTENTION = tuple(KINDS)[:4]


def main(
    config: Annotated[Config, typer.Option(help="small or base.")] = "small",
    precision: Annotated[Precision, typer.Option(help="fp32 or bf16.")] = "fp32",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the JSON files.")] = RESULTS,
) -> None:
    """Profile a step on every batch, print where it goes and write its JSON."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    device, shape = torch.device("cpu"), SHAPES[config]
    machine, ceiling = describe_machine(device), matmul_ceiling(device, precision)
    batches = [draw_batch(MIXES["dna"], shape.sequences, shape.vocabulary, MASK_RATE, seed) for seed in range(BATCHES)]
    rows = []
    for name in ("ours", STRICTEST):
        side = build_side(name, shape, "auto")
        step = stepper(side, batches, device, precision, compiled=False)
        step(0)  # warm-up: memory, kernels
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True, with_flops=True
        ) as recorder:
            began = time.perf_counter()
            for n in range(BATCHES):
                step(n)
            wall_s = time.perf_counter() - began
        rows += summary(name, list(recorder.key_averages()), wall_s, ceiling)
    setup = {"config": config, "precision": precision, "steps": BATCHES, "shape": vars(shape)}
    result = {
        "benchmark": "cpu_profile",
        "machine": machine,
        "setup": setup | {"mask_rate": MASK_RATE, "matmul_ceiling_gflops": ceiling / 1e9},
        "rows": rows,
        "verdict": [sentence(name, rows) for name in ("ours", STRICTEST)],
    }
    save(out / f"cpu_profile-{machine_name(machine)}-{config}-{precision}.json", result)
    print(section(result))


def summary(side: str, operations: list[FunctionEventAvg], wall_s: float, ceiling: float) -> list[dict]:
    """A row for each kind, from all operations of BATCHES steps that together took `wall_s`."""
    seconds = Counter[str]()
    for operation in operations:
        seconds[kind_of(operation.key)] += operation.self_cpu_time_total / 1e6
    seconds[REST] += wall_s - seconds.total()
    flops = sum(operation.flops for operation in operations if kind_of(operation.key) == WEIGHTS)
    return [
        {
            "side": side,
            "kind": kind,
            "ms_per_step": 1e3 * seconds[kind] / BATCHES,
            "fraction_of_the_step": seconds[kind] / wall_s,
            "fraction_of_ceiling": flops / seconds[kind] / ceiling if kind == WEIGHTS else None,
        }
        for kind in KINDS
        if seconds[kind] > 0
    ]


def kind_of(operation: str) -> str:
    """The kind of an operation by its name."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, operation))


def sentence(side: str, rows: list[dict]) -> str:
    """The part of a step that products and attention take, with softmax, which the peer's attention partly contains."""
    mine = {row["kind"]: row for row in rows if row["side"] == side}
    products = sum(row["fraction_of_the_step"] for kind, row in mine.items() if kind in PRODUCTS_AND_ATTENTION)
    return (
        f"{side}: products and attention take {products:.0%} of the step; the products with weights run at "
        f"{mine[WEIGHTS]['fraction_of_ceiling']:.0%} of the ceiling"
    )


if __name__ == "__main__":
    run_script(main)
