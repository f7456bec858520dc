"""The machine that a figure was measured on, as plain JSON values; and how every script starts and saves.

python benchmarks/machine.py --device cuda --out machine.json
"""

import json
import os
import platform
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer

import genomask
from genomask.errors import UserError, disk_sentence
from genomask.files.atomic import atomic_write
from genomask.machine import processor
from genomask.terminal.console import say_error
from genomask.training.device import choose_device
from genomask.training.environment import package_versions


def main(
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    out: Annotated[Path, typer.Option(help="JSON file.")] = Path("machine.json"),
) -> None:
    """Write the description of this machine."""
    where = choose_device(device)
    found = describe_machine(where)
    if where.type == "cuda":
        about = torch.cuda.get_device_properties(where)
        found |= {"gib": about.total_memory / 2**30, "capability": f"{about.major}.{about.minor}"}
    save(out, {"benchmark": "machine", "machine": found, "rows": []})


Out = Annotated[Path, typer.Option(help="JSON file.")]
"""A script's result file: the published one, or another that leaves it in place."""


def save(path: Path, result: dict) -> None:
    """Write the result, whole or not at all, and print where."""
    atomic_write(path, json.dumps(result, indent=1) + "\n")
    print(f"written: {path}", flush=True)


def describe_machine(device: torch.device) -> dict:
    """Machine, versions and date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor.name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bf16_units": processor.multiplies_in_bf16(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "platform": platform.platform(),
        "genomask": genomask.__version__,
        "packages": package_versions(),
        "load_at_start": os.getloadavg()[0],
    }


def machine_name(machine: dict) -> str:
    """The GPU's or the processor's name, with its model, as part of a file name."""
    name = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def run_script(main: Callable[..., None]) -> None:
    """Run the script's command line; as in genomask, an error that the user can fix is one sentence and exit 2."""
    try:
        typer.run(main)
    except (UserError, OSError) as error:
        say_error(disk_sentence(error) if isinstance(error, OSError) else str(error))
        sys.exit(2)


if __name__ == "__main__":
    run_script(main)
