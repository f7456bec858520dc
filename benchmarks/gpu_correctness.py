"""Is the code that only a GPU runs right? The checks of tests/encoders/gpu_checks.py one by one, without pytest.

    PYTHONPATH=.:tests:tests/encoders python benchmarks/gpu_correctness.py --subject attention

A check that fails keeps its row with the error, and the next one runs.
"""

import sys
import time
import traceback
from pathlib import Path
from typing import Annotated

import torch
import typer
from gpu_checks import Check, checks
from machine import Out, describe_machine, run_script, save
from tables import section

from genomask.training.device import choose_device

RESULTS = Path(__file__).parent / "results"


def main(
    subject: Annotated[list[str], typer.Option(help="Repeatable. Default: all.")] = [],  # noqa: B006
    backend: Annotated[str, typer.Option(help="Our attention backend.")] = "flex",
    device: Annotated[str, typer.Option(help="cuda or auto.")] = "cuda",
    out: Out = RESULTS / "gpu_correctness.json",
) -> None:
    """Run every check of the subjects; print the results, and write them after each check."""
    where = choose_device(device)
    asked = [x for x in checks() if backend in x.backends and (not subject or x.subject in subject)]
    result = {
        "benchmark": "gpu_correctness",
        "machine": describe_machine(where),
        "setup": {"backend": backend},
        "rows": [],
        "verdict": [],
    }
    for check in asked:
        result["rows"].append({"subject": check.subject, "check": check.sentence, **answer(check, where, backend)})
        failed = [row["check"] for row in result["rows"] if "failed" in row]
        right = f"{len(result['rows']) - len(failed)} of {len(asked)} checks hold with {backend}"
        result["verdict"] = [right, *(f"does not hold: {sentence}" for sentence in failed)]
        save(out, result)
    print(section(result))
    sys.exit(any("failed" in row for row in result["rows"]))


def answer(check: Check, device: torch.device, backend: str) -> dict:
    """The seconds of a check, and its error if it failed."""
    torch._dynamo.reset()
    began, said = time.perf_counter(), {}
    try:
        check.run(device, backend)
    except Exception as error:  # noqa: BLE001 - a failed check has its error in its row, and the next one runs
        traceback.print_exc(file=sys.stderr)
        said["failed"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return {"seconds": time.perf_counter() - began, **said}


if __name__ == "__main__":
    run_script(main)
