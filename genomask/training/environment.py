"""What a run was made with, so that a figure can be traced to its machine and versions.

environment.json is of the run's first start and never changes; each later start adds a line to resumed.jsonl: the step
it resumed from, and its environment.
"""

import json
import logging
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import genomask
from genomask.errors import DataError, SettingsError
from genomask.files.atomic import naming
from genomask.machine.process import allocator_name
from genomask.training import distributed
from genomask.training.records import read_record, write_record

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "datasets", "numpy", "numba", "scikit-learn", "scipy")

SHAPING = ("genomask", "device", "precision", "attention_backend", "compiled", "processes", "threads", *PACKAGES)
"""What may change a figure, if only in its last digits: a resumed run logs where it differs."""

FIRST, LATER = "environment.json", "resumed.jsonl"

log = logging.getLogger(__name__)


def describe_environment(device: torch.device, precision: str, backend: str, compiled: bool) -> dict[str, Any]:
    """Versions, machine, device, precision, attention backend, compilation and allocator, as plain JSON values."""
    return {
        "genomask": genomask.__version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "processes": distributed.size(),
        "threads": torch.get_num_threads(),
        "device": device_name(device),
        "precision": precision,
        "attention_backend": backend,
        "compiled": compiled,
        "allocator": allocator_name(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
    }


def device_name(device: torch.device) -> str:
    """A readable name: a GPU's model, or 'cpu'."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that shape a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def keep_environment(out: Path, now: dict[str, Any], steps_done: int) -> None:
    """Record `now` as the environment of the run's first start or, if steps were done before, of a later one.

    Logs what differs from the first. Raises SettingsError if that is the precision: half a run in each is neither.
    """
    if steps_done == 0 or not (out / FIRST).exists():
        if steps_done:
            log.warning(
                "%s is missing, so the environment at the run's start is unknown; the current one is recorded",
                out / FIRST,
            )
        write_record(out / FIRST, now)
        return
    first, was, became = read_record(out / FIRST), first_precision(out), now["precision"]
    if was is not None and was != became:
        raise SettingsError(
            f"{out} began in {was} and would continue in {became}, which training.precision=auto means here; continue "
            f"with --set training.precision={was}, or start again with another --out."
        )
    if changes := differences(first, now):
        log.warning("this run began in another environment, so its figures may differ in the last digits: %s", changes)
    with naming(out / LATER), (out / LATER).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"from_step": steps_done, **now}) + "\n")


def differences(first: dict[str, Any], now: dict[str, Any]) -> str:
    """What may change a figure and is not the same, such as 'torch 2.12.0, now 2.13.0; threads 2, now 1'."""
    before, after = (_flat(environment) for environment in (first, now))
    changed = [name for name in SHAPING if before.get(name) != after.get(name)]
    return "; ".join(
        f"{name} {before.get(name, 'not recorded')}, now {after.get(name, 'not recorded')}" for name in changed
    )


def first_precision(out: Path) -> str | None:
    """The precision a run began in; None before its first start. Raises DataError for what is no precision."""
    first = read_record(out / FIRST) if (out / FIRST).exists() else {}
    if (noted := first.get("precision")) not in (None, "fp32", "bf16"):
        raise DataError(f"{out / FIRST}: precision is {noted!r}, neither fp32 nor bf16; restore it from a backup.")
    return noted


def first_microbatch(out: Path, device: str) -> int | None:
    """Tokens of a microbatch when a run began; None before that, and on another device or number of processes.

    Also None for versions that did not record them.
    """
    first = read_record(out / FIRST) if (out / FIRST).exists() else {}
    is_such = (first.get("device"), first.get("processes")) == (device, distributed.size())
    return first.get("tokens_per_microbatch") if is_such else None


def _flat(environment: dict[str, Any]) -> dict[str, Any]:
    packages = environment.get("packages")
    before = {"processes": 1}  # for versions that knew no other number
    return before | environment | (packages if isinstance(packages, dict) else {})
