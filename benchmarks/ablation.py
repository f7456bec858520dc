"""What each part of the encoder brings: all on, and each part switched off by itself, in turns on the same batches.

Every side is the same recipe with one setting changed, so all are in one run of one program. Ratios are medians over
the rounds of seconds without the part / seconds with it, of the wall clock and of CPU seconds. Memory is what the
forward pass keeps for the backward one, and on CUDA also the peak.

    python benchmarks/ablation.py
    python benchmarks/ablation.py --device cuda
"""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from gpu_step import GIB, Case, Runner, fill_up, start
from machine import allocator_environment, describe_machine, runs_under, without_allocator
from mixes import MIXES, Batch, draw_batch
from rich.console import Console
from rich.table import Table
from sides import SHAPES, Shape, Side
from turns import Turn, median_ratio, spread, take_turns

from genomask.encoders import MosaicBertForMaskedLM
from genomask.encoders.backends import backends_on, choose_backend
from genomask.encoders.settings import EncoderSettings
from genomask.training.compiling import choose_compile
from genomask.training.device import autocast, choose_device, computed_in

RESULTS = Path(__file__).parent / "results"
BATCHES, MASK_RATE = 8, 0.15
ALL_ON, NOT_COMPILED = "all on", "all on, not compiled"


def main(
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    config: Annotated[str, typer.Option(help="small or base.")] = "small",
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "bf16",
    rounds: Annotated[int, typer.Option(help="Rounds of turns.")] = 7,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    sequences: Annotated[int, typer.Option(help="Of a batch; 0: as the config says.")] = 0,
) -> None:
    """Time all sides, print the table and write the JSON."""
    if device == "cpu" and not runs_under("kept"):  # memory that is given back and taken again hides everything else
        environment = without_allocator(dict(os.environ)) | allocator_environment("kept")
        subprocess.run([sys.executable, *sys.argv], env=environment, check=True)
        return
    torch.set_num_threads(threads)
    where, shape = choose_device(device), SHAPES[config]
    shape = Shape(**{**vars(shape), "sequences": sequences or shape.sequences})
    result = {
        "benchmark": "ablation",
        "machine": describe_machine(where),
        "setup": {"config": config, "precision": precision, "rounds": rounds, "shape": vars(shape)},
        "rows": measure(shape, where, precision, rounds),
    }
    show(result)
    path = RESULTS / f"ablation-{machine_name(result['machine'])}-{config}-{precision}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {path}")


def machine_name(machine: dict) -> str:
    """The GPU's or the processor's name, as part of a file name."""
    name = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    return re.sub(r"[^a-z0-9]+", "-", name.split(" (")[0].lower()).strip("-")


def variants(shape: Shape, device: torch.device, precision: str) -> dict[str, tuple[dict[str, Any], bool]]:
    """By what is missing: the settings of [encoder] that differ from `all on`, and whether the model is compiled.

    Padded rows are not: filled up to the fixed shape they would be four times as many.
    """
    best = choose_backend("auto", device, computed_in(precision))
    compiled = choose_compile("auto", device, best)
    changed: dict[str, dict[str, Any]] = {
        "last layer and head for all tokens": {"head_on_masked_only": False},
        "LayerNorm in fp32": {"low_precision_layernorm": False},
        "dense MLP, equal parameters": {"mlp": "dense", "intermediate_size": shape.intermediate},
        "learned positions": {"positions": "learned"},
        "directed ALiBi": {"positions": "alibi-directed"},
    }
    sides = {ALL_ON: ({}, compiled), "unpadding off": ({"unpadding": False}, False)}
    sides |= {name: (changes, compiled) for name, changes in changed.items()}
    if compiled:
        sides[NOT_COMPILED] = ({}, False)
    for backend in backends_on(device):
        if backend != best:
            sides[f"backend {backend}"] = ({"attention_backend": backend}, choose_compile("auto", device, backend))
    return sides


def build(shape: Shape, changes: dict[str, Any]) -> MosaicBertForMaskedLM:
    """The recipe's encoder with `changes`; seeded, so that all sides begin alike."""
    torch.manual_seed(0)
    settings = EncoderSettings(
        **{
            "num_hidden_layers": shape.layers,
            "hidden_size": shape.width,
            "num_attention_heads": shape.heads,
            "intermediate_size": shape.gated,
            **changes,
        }
    )
    return MosaicBertForMaskedLM(settings.config(shape.vocabulary))


def measure(shape: Shape, device: torch.device, precision: str, rounds: int) -> list[dict]:
    """The rows of all variants; what is compiled is set against `all on`, the others against it not compiled."""
    case = Case("dna", shape, MASK_RATE)
    batches = [draw_batch(MIXES[case.mix], shape.sequences, shape.vocabulary, MASK_RATE, n) for n in range(BATCHES)]
    fixed = fill_up(batches, case)
    batches, fixed = ([batch.to(device) for batch in which] for which in (batches, fixed))
    runners = {}
    for name, (changes, compiled) in variants(shape, device, precision).items():
        model = build(shape, changes)
        side = Side(name, model, lambda batch: batch.packed._asdict(), lambda batch: sum(batch.lengths))
        runners[name] = start(side, model.config.attention_backend, compiled, batches, fixed, device, precision)
    here = {name: runner for name, runner in runners.items() if not runner.failed}
    turns = take_turns({name: runner.step for name, runner in here.items()}, rounds, device)
    rows = []
    for name, runner in runners.items():
        if runner.failed:
            rows.append({"side": name, "failed": runner.failed})
            continue
        against = ALL_ON if runner.compiled == runners[ALL_ON].compiled else NOT_COMPILED
        in_order = [batches[n % BATCHES] for n in range(rounds)]
        rows.append({"side": name, "against": against, **figures(turns[name], turns[against], in_order)})
        rows[-1] |= memory(runner, batches[0], device, precision)
    return rows


def figures(turns: list[Turn], against: list[Turn], batches: list[Batch]) -> dict:
    """Speed, and how many times slower than `against`."""
    wall, cpu = [turn.wall_s for turn in turns], [turn.cpu_s for turn in turns]
    tokens = [sum(batch.lengths) for batch in batches]
    return {
        "real_tokens_per_s": statistics.median(n / s for n, s in zip(tokens, wall, strict=True)),
        "wall_s_per_step": statistics.median(wall),
        "cpu_s_per_step": statistics.median(cpu),
        "wall_spread": spread(wall, tokens),
        "cpu_spread": spread(cpu, tokens),
        "times_slower_wall": median_ratio(wall, [turn.wall_s for turn in against]),
        "times_slower_cpu": median_ratio(cpu, [turn.cpu_s for turn in against]),
    }


def memory(runner: Runner, batch: Batch, device: torch.device, precision: str) -> dict:
    """On CUDA the peak of a step; on the CPU what the forward pass keeps for the backward one, parameters left out."""
    if device.type == "cuda":
        return {"peak_gib": runner.peak_bytes / GIB}
    model, kept = runner.side.model, {}
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def note(x: torch.Tensor) -> torch.Tensor:
        storage = x.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x), autocast(device, precision):
        loss = model(**runner.side.inputs(batch)).loss  # while it lives no storage it keeps can be given to another
    assert loss.requires_grad
    return {"kept_for_backward_mib": sum(size for at, size in kept.items() if at not in parameters) / 2**20}


def show(result: dict) -> None:
    """Context and table on the terminal."""
    machine, setup = result["machine"], result["setup"]
    print(f"{machine['processor']}, {machine['threads']} threads, device {machine['device']}, {machine['date']}")
    print(f"torch {machine['packages']['torch']}; " + ", ".join(f"{key} {value}" for key, value in setup.items()))
    columns = list(dict.fromkeys(column for line in result["rows"] for column in line))
    table = Table(*columns)
    for line in result["rows"]:
        values = (line.get(column, "") for column in columns)
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values))
    Console(width=200).print(table)


if __name__ == "__main__":
    typer.run(main)
