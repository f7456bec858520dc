"""How fast a training step is: ours beside transformers' BERT and ModernBERT, in turns on the same batches.

Each combination of --config, --precision and --allocator runs in its own process, prints a table and a verdict, and
writes benchmarks/results/pretrain_step-*.json. A step is forward, backward and AdamW. Ratios are peer seconds / our
seconds on the same batch, medians over the rounds.

    python benchmarks/pretrain_step.py --config small --config base

On a GPU: gpu_step.py.
"""

import statistics
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, get_args

import torch
import typer
from allocators import run_under, runs_under
from ceiling import matmul_ceiling
from machine import describe_machine, machine_name, run_script, save
from mixes import MIXES, Batch, draw_batch
from sides import OURS, PEERS, SHAPES, Config, Precision, Side, build_sides, parameters, trainer
from tables import STRICTEST, section
from turns import NOISY, Turn, median_ratio, spread, take_turns

from genomask.settings.ranges import require_one_of
from genomask.training.device import autocast

RESULTS = Path(__file__).parent / "results"
GOALS = {("small", "fp32"): 2.3, ("small", "bf16"): 2.6, ("base", "fp32"): 1.7, ("base", "bf16"): 1.85}
"""Speed relative to the fastest peer, on two CPU threads of a processor with bf16 units."""
BATCHES = 8
MASK_RATE = 0.15


def main(
    config: Annotated[list[str], typer.Option(help="small or base; repeatable.")] = ["small"],  # noqa: B006
    precision: Annotated[list[str], typer.Option(help="fp32 or bf16; repeatable.")] = ["fp32"],  # noqa: B006
    allocator: Annotated[list[str], typer.Option(help="kept, default or tcmalloc; repeatable.")] = ["kept"],  # noqa: B006
    backend: Annotated[str, typer.Option(help="Our attention backend.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile every side.")] = False,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of turns.")] = 9,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the JSON files.")] = RESULTS,
) -> None:
    """Run every combination, each in a fresh process."""
    for option, given, known in (("--config", config, Config), ("--precision", precision, Precision)):
        for value in given:
            require_one_of(option, value, get_args(known))
    combinations = list(product(config, precision, allocator))
    if len(combinations) == 1 and runs_under(allocator[0]):
        torch.set_num_threads(threads)
        measure(config[0], precision[0], allocator[0], backend, compiled, rounds, out)
        return
    for one_config, one_precision, one_allocator in combinations:
        options = ["--config", one_config, "--precision", one_precision, "--allocator", one_allocator]
        options += ["--backend", backend, "--rounds", str(rounds), "--threads", str(threads), "--out", str(out)]
        options += ["--compile"] if compiled else []
        if failed := run_under(one_allocator, [sys.executable, __file__, *options]):
            sys.exit(failed)  # it has printed why


def measure(config: str, precision: str, allocator: str, backend: str, compiled: bool, rounds: int, out: Path) -> None:
    """Time one combination, print the result and write its JSON."""
    device = torch.device("cpu")
    shape, machine = SHAPES[config], describe_machine(device)
    ceiling = matmul_ceiling(device, precision)
    batches = [draw_batch(MIXES["dna"], shape.sequences, shape.vocabulary, MASK_RATE, seed) for seed in range(BATCHES)]
    batches = [batch.to(device) for batch in batches]
    sides = list(build_sides(shape, backend))
    steps = {side.name: stepper(side, batches, device, precision, compiled) for side in sides}
    turns = take_turns(steps, rounds, device)
    in_order = [batches[n % BATCHES] for n in range(rounds)]
    result = {
        "benchmark": "pretrain_step",
        "machine": machine,
        "setup": {
            "config": config,
            "precision": precision,
            "allocator": allocator,
            "backend": backend,
            "compiled": compiled,
            "rounds": rounds,
            "batches": BATCHES,
            "shape": vars(shape),
            "mask_rate": MASK_RATE,
            "pad_fraction": statistics.mean(batch.pad_fraction for batch in in_order),
            "matmul_ceiling_gflops": ceiling / 1e9,
        },
        "rows": [row(side, turns[side.name], turns["ours"], in_order, ceiling) for side in sides],
    }
    result["verdict"] = verdict(result, turns)
    print(section(result))
    parts = (machine_name(machine), config, precision, allocator, *(["compiled"] if compiled else []))
    path = out / f"pretrain_step-{'-'.join(parts)}.json"
    save(path, result)


def stepper(
    side: Side, batches: list[Batch], device: torch.device, precision: str, compiled: bool
) -> Callable[[int], None]:
    """A function that trains one step on the batch of round n."""
    side.model.to(device).train()
    model = torch.compile(side.model) if compiled else side.model
    optimizer = trainer(side.model)

    def step(n: int) -> None:
        with autocast(device, precision):
            loss = model(**side.inputs(batches[n % len(batches)])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def row(side: Side, turns: list[Turn], ours: list[Turn], batches: list[Batch], ceiling: float) -> dict:
    """The figures of one side."""
    wall, cpu = [turn.wall_s for turn in turns], [turn.cpu_s for turn in turns]
    flops = [side.flops(batch) for batch in batches]
    return {
        "side": side.name,
        "parameters": parameters(side.model),
        "real_tokens_per_s": statistics.median(sum(b.lengths) / s for b, s in zip(batches, wall, strict=True)),
        "wall_s_per_step": statistics.median(wall),
        "cpu_s_per_step": statistics.median(cpu),
        "wall_spread": spread(wall, flops),
        "cpu_spread": spread(cpu, flops),
        "executed_tflop_per_step": statistics.mean(flops) / 1e12,
        "fraction_of_ceiling": statistics.median(f / s for f, s in zip(flops, wall, strict=True)) / ceiling,
        "wall_ratio": median_ratio(wall, [turn.wall_s for turn in ours]),
        "cpu_ratio": median_ratio(cpu, [turn.cpu_s for turn in ours]),
    }


def verdict(result: dict, turns: dict[str, list[Turn]]) -> list[str]:
    """A sentence for each pair: the ratio, its clock, and for the fastest peer whether the goal is reached.

    Our padded forms are compared with the peer that differs least from them.
    """
    setup, rows = result["setup"], result["rows"]
    noisy = result["machine"]["device"] == "cpu" and any(row["wall_spread"] > NOISY for row in rows)
    clock = "cpu" if noisy else "wall"
    goal = GOALS[setup["config"], setup["precision"]]
    why = f"CPU seconds, for a wall clock spread above {NOISY:.0%}" if noisy else "wall clock"
    seconds = {name: [getattr(turn, f"{clock}_s") for turn in of_side] for name, of_side in turns.items()}
    fastest = min(PEERS, key=lambda peer: median_ratio(seconds[peer], seconds["ours"]))
    sentences = []
    for ours, peer in (*(("ours", peer) for peer in PEERS), *((form, STRICTEST) for form in OURS if form != "ours")):
        ratio = median_ratio(seconds[peer], seconds[ours])
        reached = f"; the fastest peer, goal {goal}: {'reached' if ratio >= goal else 'not reached'}"
        of_goal = reached if (ours, peer) == ("ours", fastest) else ""
        sentences.append(f"{setup['config']} {setup['precision']}: {ours} is {ratio:.2f} x {peer} ({why}{of_goal})")
    return sentences


if __name__ == "__main__":
    run_script(main)
