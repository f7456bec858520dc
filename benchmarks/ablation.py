"""What each part of the encoder brings: all parts on, then each one off, in turns on the same batches.

Every side is the same recipe with one setting changed, and all run in one program. Ratios are seconds without the part
/ seconds with it, medians over the rounds, by the wall clock and in CPU seconds. Memory is what the forward pass keeps
for the backward pass; on CUDA it is the peak of a step.

    python benchmarks/ablation.py
    python benchmarks/ablation.py --device cuda
"""

import math
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from allocators import run_under, runs_under
from machine import describe_machine, machine_name, run_script, save
from runners import GIB, Entry, Runner, start_all, turns_of
from sides import SHAPES, Config, Precision, Shape, Side
from tables import section
from trial import Case, Trial, in_order
from turns import Budget, Turn, median_ratio, spread

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
    config: Annotated[Config, typer.Option(help="small or base.")] = "small",
    precision: Annotated[Precision, typer.Option(help="fp32 or bf16.")] = "bf16",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of turns.")] = 7,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    sequences: Annotated[int, typer.Option(help="Sequences per batch; 0: the config's number.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file. Default: in results/, named after machine.")] = None,
    until: Annotated[float, typer.Option(help="Unix time to finish by.")] = math.inf,
) -> None:
    """Time all sides, print the table and write the JSON."""
    if device == "cpu" and not runs_under("kept"):  # returning memory to the system would hide everything else
        sys.exit(run_under("kept", [sys.executable, *sys.argv]))
    torch.set_num_threads(threads)
    where, shape = choose_device(device), SHAPES[config]
    shape = Shape(**{**vars(shape), "sequences": sequences or shape.sequences})
    result = {
        "benchmark": "ablation",
        "machine": describe_machine(where),
        "setup": {"config": config, "precision": precision, "rounds": rounds, "shape": vars(shape)},
    }
    out = out or RESULTS / f"ablation-{machine_name(result['machine'])}-{config}-{precision}.json"
    trial = Trial.of(Case("dna", shape, MASK_RATE), BATCHES, where, precision)

    def keep(rows: list[dict]) -> None:
        save(out, result | {"rows": rows})

    result["rows"] = measure(shape, trial, Budget(rounds, until), keep)
    save(out, result)
    print(section(result))


def variants(shape: Shape, device: torch.device, precision: str) -> dict[str, tuple[dict[str, Any], bool]]:
    """Missing part -> the settings of [encoder] that differ from `all on`, and whether the model is compiled.

    With padded rows it is not: filled up to the fixed shape, they would be four times as many.
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
    """The recipe's encoder with `changes`; seeded, so that all sides start alike."""
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


def measure(
    shape: Shape, trial: Trial, budget: Budget, keep: Callable[[list[dict]], None] = lambda _: None
) -> list[dict]:
    """The rows of all variants; compiled ones are compared with `all on`, the others with `all on` not compiled.

    `keep` gets the rows so far after each new one.
    """
    runners: list[Runner] = []
    for runner in start_all(entries(shape, trial.device, trial.precision), trial, budget):
        runners.append(runner)
        keep(rows_of(runners, {x.name: x.alone for x in runners if not x.failed}, trial))
    rows = rows_of(runners, turns_of(runners, trial, budget), trial)
    return [line | memory(runner, trial) for line, runner in zip(rows, runners, strict=True)]


def entries(shape: Shape, device: torch.device, precision: str) -> Iterator[Entry]:
    """Every variant as a side; its work is counted in tokens, as all compute the same."""

    def build_variant(name: str, changes: dict[str, Any]) -> Side:
        return Side(name, build(shape, changes), lambda batch: batch.packed._asdict(), lambda batch: sum(batch.lengths))

    best = choose_backend("auto", device, computed_in(precision))
    for name, (changes, compiled) in variants(shape, device, precision).items():
        backend = changes.get("attention_backend", best)
        yield Entry(name, partial(build_variant, name, changes), backend, compiled)


def rows_of(runners: list[Runner], turns: dict[str, list[Turn]], trial: Trial) -> list[dict]:
    """A row for each side; one whose baseline did not run has only its own figures."""
    rows = []
    whole = next(runner for runner in runners if runner.name == ALL_ON)
    for runner in runners:
        if runner.name not in turns:
            rows.append({"side": runner.name, "failed": runner.failed})
            continue
        against = ALL_ON if runner.entry.compiled == whole.entry.compiled else NOT_COMPILED
        mine = turns[runner.name]
        rows.append({"side": runner.name, "against": against, **figures(mine, turns.get(against), trial)})
    return rows


def figures(turns: list[Turn], against: list[Turn] | None, trial: Trial) -> dict:
    """Speed, and how many times slower than `against`, where that was timed in the same rounds."""
    wall, cpu = [turn.wall_s for turn in turns], [turn.cpu_s for turn in turns]
    tokens = [sum(batch.lengths) for batch in in_order(trial.batches, len(turns))]
    line = {
        "rounds": len(turns),
        "real_tokens_per_s": statistics.median(n / s for n, s in zip(tokens, wall, strict=True)),
        "wall_s_per_step": statistics.median(wall),
        "cpu_s_per_step": statistics.median(cpu),
        "wall_spread": spread(wall, tokens),
        "cpu_spread": spread(cpu, tokens),
    }
    if against and len(against) == len(turns):
        line["times_slower_wall"] = median_ratio(wall, [turn.wall_s for turn in against])
        line["times_slower_cpu"] = median_ratio(cpu, [turn.cpu_s for turn in against])
    return line


def memory(runner: Runner, trial: Trial) -> dict:
    """On CUDA the peak of a step; on the CPU what the forward pass keeps for the backward pass, without parameters."""
    if runner.failed or runner.side is None:
        return {}
    if trial.device.type != "cpu":
        return {"peak_gib": runner.peak_bytes / GIB}
    model, kept = runner.side.model, {}
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def note(x: torch.Tensor) -> torch.Tensor:
        storage = x.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x), autocast(trial.device, trial.precision):
        loss = model(**runner.side.inputs(trial.batches[0])).loss  # while it lives, no storage that it keeps is reused
    assert loss.requires_grad
    return {"kept_for_backward_mib": sum(size for at, size in kept.items() if at not in parameters) / 2**20}


if __name__ == "__main__":
    run_script(main)
