"""What this machine can do: versions, device, attention backend, threads, memory, and a measured training speed.

Nothing comes in; a list of findings goes out, each with what was found and what it means for a run.
"""

import platform
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from rich.table import Table
from torch import nn

import genomask
from genomask.data.packing import to_batch
from genomask.encoders import MosaicBertForMaskedLM, choose_backend
from genomask.encoders.backends import backends_on, slow_because
from genomask.files.cache import default_cache
from genomask.machine import processor
from genomask.machine.process import built_in_memory, usable_cores, usable_memory
from genomask.recipe import Recipe, load_recipe
from genomask.report.tables import rich_table
from genomask.training.device import choose_device, computed_in, computes_in_bf16
from genomask.training.environment import package_versions
from genomask.training.optimizer import build_optimizer
from genomask.training.precision import choose_precision
from genomask.training.step import train_step
from genomask.types import IGNORE, PackedBatch

MEASURED_RECIPE = "genome-tiny"
SEQUENCES, TOKENS_EACH = 16, 512
VOCABULARY = 4**6 + 5  # 6-mers and special tokens
WARM_UPS, REPEATS = 2, 5
GIB = 2**30


class Finding(NamedTuple):
    """One line of the report."""

    what: str
    found: str
    meaning: str = ""


def examine() -> list[Finding]:
    """Everything about this machine that decides how a run goes; takes a few seconds."""
    device = choose_device("auto")
    versions = [Finding(name, version) for name, version in package_versions().items()]
    return [
        Finding("genomask", genomask.__version__, f"Python {platform.python_version()}"),
        *versions,
        _device(device),
        _backend(device),
        bf16_finding(device),
        Finding("threads", f"{torch.get_num_threads()} of {usable_cores()} cores", "OMP_NUM_THREADS changes it"),
        _memory(device),
        _cache(default_cache()),
        _speed(device),
    ]


def findings() -> Iterator[Table]:
    """`genomask doctor`: what to print."""
    yield rich_table(findings_frame(examine()))


def findings_frame(findings: list[Finding]) -> pd.DataFrame:
    """The findings as a table for `report.tables.rich_table`."""
    return pd.DataFrame(findings)


def _device(device: torch.device) -> Finding:
    if device.type == "cuda":
        return Finding("device", torch.cuda.get_device_name(device), f"CUDA {torch.version.cuda}")
    if torch.version.cuda is not None:
        return Finding("device", "cpu", "torch is a CUDA build but finds no GPU: check the driver with nvidia-smi")
    return Finding("device", "cpu", f"{processor.name()}; this torch is a CPU build")


def _backend(device: torch.device) -> Finding:
    chosen, here = choose_backend("auto", device, computed_in(_precision(device))), backends_on(device)
    why = [f"what 'auto' chooses on {device.type}; runs here: {', '.join(here)}", slow_because(chosen, device)]
    return Finding("attention backend", chosen, ". ".join(filter(None, why)))


def bf16_finding(device: torch.device) -> Finding:
    """How this device multiplies bf16, and the precision that a run would train in."""
    found = "in hardware" if computes_in_bf16(device) else "emulated"
    return Finding("bf16", found, f"training.precision = auto trains {MEASURED_RECIPE} in {_precision(device)}")


def _precision(device: torch.device) -> str:
    recipe = load_recipe(MEASURED_RECIPE)
    config = recipe.encoder.config(vocab_size=VOCABULARY)
    return choose_precision("auto", device, config, recipe.longest)


def _memory(device: torch.device) -> Finding:
    total, usable = built_in_memory(), usable_memory()
    found = f"{usable / GIB:.1f} GiB"
    meaning = f"a limit of this process or container; the machine has {total / GIB:.1f} GiB" if usable < total else ""
    if device.type == "cuda":
        meaning = f"GPU: {torch.cuda.get_device_properties(device).total_memory / GIB:.1f} GiB. {meaning}"
    return Finding("memory", found, meaning)


def _cache(folder: Path) -> Finding:
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    return Finding(
        "genome cache",
        str(folder),
        f"{used / GIB:.2f} GiB used, {free / GIB:.0f} GiB free on its disk; GENOMASK_CACHE moves it",
    )


def _speed(device: torch.device) -> Finding:
    recipe = load_recipe(MEASURED_RECIPE)
    precision = _precision(device)
    speed = measure_tokens_per_second(recipe, device, precision)
    return Finding(
        "training speed",
        f"{speed:,.0f} tokens/s",
        f"encoder of {MEASURED_RECIPE} with 6-mers, sequences of {TOKENS_EACH} tokens, {precision}, "
        f"median of {REPEATS} steps",
    )


def measure_tokens_per_second(recipe: Recipe, device: torch.device, precision: str) -> float:
    """Median speed of whole training steps (forward, backward, AdamW) on random tokens, without data loading."""
    model: nn.Module = MosaicBertForMaskedLM(recipe.encoder.config(vocab_size=VOCABULARY))
    model.to(device).train()
    optimizer = build_optimizer(model, recipe.optimizer)
    batch = _random_batch()
    seconds = []
    for _ in range(WARM_UPS + REPEATS):
        began = time.perf_counter()
        train_step(
            model,
            optimizer,
            [batch],
            clip_norm=recipe.optimizer.clip_norm,
            device=device,
            precision=precision,
        )  # reads the loss back, so a GPU has finished when it returns
        seconds.append(time.perf_counter() - began)
    return SEQUENCES * TOKENS_EACH / statistics.median(seconds[WARM_UPS:])


def _random_batch(mask_rate: float = 0.15) -> PackedBatch:
    generator = torch.Generator().manual_seed(0)
    tokens = SEQUENCES * TOKENS_EACH
    input_ids = torch.randint(5, VOCABULARY, (tokens,), generator=generator)
    labels = torch.where(torch.rand(tokens, generator=generator) < mask_rate, input_ids, IGNORE)
    cu_seqlens = torch.arange(0, tokens + 1, TOKENS_EACH, dtype=torch.int32)
    return to_batch(input_ids, labels, cu_seqlens, torch.ones(SEQUENCES))
