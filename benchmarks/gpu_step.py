"""A training step on a GPU: ours with every backend, compiled and not, beside ModernBERT and two HF BERTs, in turns.

A case in; rows and a verdict out. A side that ran out of memory or time, or that cannot run here, keeps its row with
the reason. All sides take the same sequences; ours, compiled, takes them filled up to one fixed shape, as in training.

    python benchmarks/gpu_step.py --case genome-base
"""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from ceiling import matmul_ceiling
from machine import describe_machine, run_script, save
from runners import GIB, Entry, Runner, entry_of, median_s, start_all, turns_of
from sides import build_side, parameters
from tables import SPARSE, STRICTEST, section
from trial import CASES, Case, Trial, in_order
from turns import Budget, Turn, median_ratio, spread

from genomask.encoders.backends import backends_on
from genomask.training.compiling import FIXED_SHAPE_BACKENDS
from genomask.training.device import choose_device

RESULTS = Path(__file__).parent / "results"
BATCHES = 4
OWN_MLP = 3072 * 3 // 2
"""`intermediate` of a Shape whose gated MLP has MosaicBERT-base's own width, 3,072: a quarter more to compute."""


def main(
    case: Annotated[str, typer.Option(help=f"One of: {', '.join(CASES)}.")] = "c4-base",
    device: Annotated[str, typer.Option(help="cuda or auto.")] = "cuda",
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "bf16",
    backend: Annotated[list[str], typer.Option(help="Ours; repeatable. Default: all that run here.")] = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of turns, at most.")] = 9,
    out: Annotated[Path | None, typer.Option(help="JSON file. Default: in results/, named after the case.")] = None,
    until: Annotated[float, typer.Option(help="Unix time to finish by.")] = math.inf,
) -> None:
    """Time one case, write its JSON after every side, and print it."""
    where, budget = choose_device(device), Budget(rounds, until)
    machine, ceiling = describe_machine(where), matmul_ceiling(where, precision)
    setup = {"case": case, "precision": precision, "matmul_ceiling_tflops": ceiling / 1e12}
    result = {"benchmark": "gpu_step", "machine": machine, "setup": setup}
    out = out or RESULTS / f"gpu_step-{case}.json"

    def keep(rows: list[dict]) -> None:
        result.update(rows=rows, verdict=verdict(case, rows))
        save(out, result)

    entries = sides_of(CASES[case], backend or backends_on(where))
    keep(measure(entries, Trial.of(CASES[case], BATCHES, where, precision), budget, ceiling, keep))
    print(section(result))


def measure(
    entries: Sequence[Entry], trial: Trial, budget: Budget, ceiling: float, keep: Callable[[list[dict]], None]
) -> list[dict]:
    """The rows of all sides; `ceiling` in FLOP/s. `keep` gets the rows so far after each new one."""
    runners: list[Runner] = []
    for runner in start_all(entries, trial, budget):
        runners.append(runner)
        keep([row(x, x.alone, trial, ceiling) for x in runners])
    turns = turns_of(runners, trial, budget)
    rows = [row(runner, turns.get(runner.name, []), trial, ceiling) for runner in runners]
    peer = turns.get(f"{STRICTEST}, compiled", [])
    for line in rows:
        ours = turns.get(line["side"], [])
        if len(peer) == len(ours) > 0:
            line["times_strictest_compiled"] = median_ratio([x.wall_s for x in peer], [x.wall_s for x in ours])
    return rows


def fastest(rows: list[dict]) -> dict | None:
    """The row of our fastest side, without that of MosaicBERT's wider MLP, which is another model."""
    ran = (x for x in rows if "failed" not in x and x["side"].startswith("ours,"))
    return max(ran, key=lambda x: x["real_tokens_per_s"], default=None)


def sides_of(case: Case, backends: Sequence[str]) -> list[Entry]:
    """The sides to measure, the most important first, as time may run out."""
    shape, best = case.shape, backends[0]

    def ours(backend: str) -> Iterator[Entry]:
        for compiled in (True, False) if backend in FIXED_SHAPE_BACKENDS else (False,):
            yield entry_of("ours", lambda: build_side("ours", shape, backend), backend, compiled)

    def peers(compiled: bool) -> list[Entry]:
        return [entry_of(name, lambda name=name: build_side(name, shape), "", compiled) for name in case.peers]

    first, *others = (entry for backend in backends for entry in ours(backend))
    own = replace(shape, intermediate=OWN_MLP * shape.width // 768)
    wide = entry_of(
        "ours at MosaicBERT's own MLP width", lambda: build_side("ours", own, best), best, best in FIXED_SHAPE_BACKENDS
    )
    return [first, *peers(True), *others, *peers(False), wide]


def row(runner: Runner, turns: list[Turn], trial: Trial, ceiling: float) -> dict:
    """The figures of one side; of the ceiling, `executed` counts what fills up the fixed shape, `useful` does not."""
    if runner.failed or runner.side is None:
        return {"side": runner.name, "failed": runner.failed}
    side, wall = runner.side, [turn.wall_s for turn in turns]
    real = in_order(trial.batches, len(wall))
    useful = [side.flops(batch) for batch in real]
    executed = [side.flops(batch) for batch in in_order(runner.entry.batches(trial), len(wall))]
    return {
        "side": runner.name,
        "parameters": parameters(side.model),
        "first_step_s": runner.first_step_s,
        "rounds": len(wall),
        "real_tokens_per_s": statistics.median(sum(b.lengths) / s for b, s in zip(real, wall, strict=True)),
        "wall_s_per_step": median_s(turns),
        "wall_spread": spread(wall, executed),
        "executed_tflop_per_step": statistics.mean(executed) / 1e12,
        "executed_fraction_of_ceiling": statistics.median(f / s for f, s in zip(executed, wall, strict=True)) / ceiling,
        "useful_fraction_of_ceiling": statistics.median(f / s for f, s in zip(useful, wall, strict=True)) / ceiling,
        "peak_gib": runner.peak_bytes / GIB,
    }


def verdict(case: str, rows: list[dict]) -> list[str]:
    """Our fastest side against the goals: its fraction of the ceiling, and its real tokens over the peers'."""
    failed = [f"{case}: {x['side']} did not run: {x['failed']}" for x in rows if "failed" in x]
    ours = fastest(rows)
    if ours is None:
        return [f"{case}: no side of ours ran", *failed]
    sentences = [
        f"{case}: {ours['side']} reaches {ours['executed_fraction_of_ceiling']:.1%} of the matmul ceiling (goal 55 %)"
    ]
    for name, goal in ((STRICTEST, " (goal 3)"), (SPARSE, " (goal 1)"), ("HF BERT", "")):
        for peer in (x for x in rows if x["side"] == f"{name}, compiled" and "failed" not in x):
            ratio = ours["real_tokens_per_s"] / peer["real_tokens_per_s"]
            sentences.append(f"{case}: {ratio:.2f} x {peer['side']} in real tokens a second{goal}")
    return sentences + failed


if __name__ == "__main__":
    run_script(main)
