"""Every figure that waits for a GPU, from one command, inside eight minutes.

    python benchmarks/on_gpu.py

Runs from a checkout, without installation. Each part is a program with its own budget of seconds; the next parts may
use what it leaves. A part that fails, hangs, runs out of memory or is killed keeps its row, what it had written so far
and its last output, and the next one runs. After every part results/on_gpu.json and on_gpu.md are complete.
`--rehearse` runs the same programs at toy sizes on the CPU, on the stand-in device of tests/; its figures mean nothing.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tables import gpu_section

HERE = Path(__file__).parent
ROOT = HERE.parent
TOTAL_S = 480
REHEARSAL_PACE = 3
"""A rehearsal, on a shared CPU, gets this many times the budgets."""
GRACE_S = 2.0
"""Seconds that a part has to print where it is, once its time is over."""
LAST_LINES = 12
FROM_THE_CPU = "gpu_run.py"
"""Its runs write checkpoints, which the stand-in device cannot."""


@dataclass(frozen=True)
class Part:
    """A program of this folder with its options, and the seconds it may take."""

    name: str
    budget_s: float
    command: tuple[str, ...]
    needs: str = ""
    """A package without which the part is left out."""


def parts(results: Path) -> list[Part]:
    """All parts, in order; their budgets sum to TOTAL_S. `results` holds the files of the earlier parts.

    Last are those that compile many models and use the time that the others leave.
    """
    step, check = "gpu_step.py", "gpu_correctness.py"
    plain = ("--backend", "flex", "--backend", "sdpa")
    after = ("--after", str(results / "step c4-base.json"))
    long = ("--rounds", "5")
    return [
        Part("machine", 15, ("machine.py",)),
        Part("attention", 60, (check, "--subject", "attention")),
        Part("encoder, step, resume", 35, (check, *_each("--subject", "encoder", "step", "resume"))),
        # ours compiles in two thirds of it, so that the strictest peer can start in the last one
        Part("step c4-base", 80, (step, "--case", "c4-base", *plain)),
        Part("step genome-base", 70, (step, "--case", "genome-base", *plain)),
        Part("profile", 25, ("gpu_profile.py", "--case", "c4-base", *after)),  # its side is compiled again
        Part("flash: correctness", 5, (check, "--backend", "flash"), "flash_attn"),
        Part("flash: step genome-base", 10, (step, "--case", "genome-base", "--backend", "flash"), "flash_attn"),
        # on a new machine the command takes half a minute of processor time before its first step
        Part("run", 90, ("gpu_run.py", "--what", "speed")),
        Part("killed and resumed", 55, ("gpu_run.py", "--what", "resume")),
        Part("ablation", 15, ("ablation.py", "--sequences", "128", "--rounds", "5")),
        Part("8,192 tokens", 10, (step, "--case", "genome-base-8k", *long, *plain)),
        Part("32,768 tokens", 10, (step, "--case", "genome-base-32k", *long, *plain[:2])),
    ]


def _each(option: str, *values: str) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))


def main(words: Sequence[str] | None = None) -> int:
    """Run all parts; 0 if every one succeeded, 1 if one failed."""
    parser = argparse.ArgumentParser(description="Every figure that waits for a GPU, inside eight minutes.")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for on_gpu.json and on_gpu.md")
    parser.add_argument("--rehearse", action="store_true", help="toy sizes on the CPU: figures mean nothing")
    asked = parser.parse_args(words)
    if asked.rehearse and asked.out == HERE / "results":
        parser.error("--rehearse needs an --out of its own: its figures mean nothing")
    asked.out.mkdir(parents=True, exist_ok=True)
    return run_all(parts(asked.out / "on_gpu"), asked.out, asked.rehearse)


def run_all(todo: Sequence[Part], out: Path, rehearse: bool = False) -> int:
    """Run the parts in order, writing on_gpu.json and on_gpu.md after each; returns the exit status."""
    results, began, planned = out / "on_gpu", time.time(), 0.0
    results.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = []
    for part in todo:
        planned += part.budget_s * (REHEARSAL_PACE if rehearse else 1)
        rows.append(run(part, began + planned, results, rehearse))
        print(f"{part.name}: {rows[-1]['outcome']} ({rows[-1]['seconds']:.0f} s)", flush=True)
        summary = {"benchmark": "on_gpu", "rehearsal": rehearse, "seconds": time.time() - began, "parts": rows}
        _write(out / "on_gpu.json", json.dumps(summary, indent=1) + "\n")
        _write(out / "on_gpu.md", gpu_section(summary))
    return int(any(row["outcome"].startswith("failed") for row in rows))


def run(part: Part, until: float, results: Path, rehearse: bool) -> dict[str, Any]:
    """Run one part, at most until `until`; its row: outcome, seconds, and the result that it wrote."""
    row: dict[str, Any] = {"part": part.name, "command": " ".join(part.command), "limit_s": until - time.time()}
    if part.needs and importlib.util.find_spec(part.needs) is None:
        return row | {"seconds": 0.0, "outcome": f"left out: {part.needs} is not installed"}
    written, log, began = results / f"{part.name}.json", results / f"{part.name}.log", time.time()
    written.unlink(missing_ok=True)
    ended = ended_by(_words(part, written, until, rehearse), log, until)
    result, why = _read(written)
    outcome = ended or why
    row |= {"seconds": time.time() - began, "outcome": f"failed: {outcome}" if outcome else "done"}
    if outcome:
        row["last_words"] = last_words(log.read_text(encoding="utf-8", errors="replace"))
    return row | ({"result": result} if result else {})


def last_words(said: str) -> list[str]:
    """The last lines, or the first of faulthandler's report, which begins with the innermost call."""
    lines = said.splitlines()
    found = [n for n, line in enumerate(lines) if line.startswith("Fatal Python error")]
    return lines[found[-1] :][:LAST_LINES] if found else lines[-LAST_LINES:]


def _words(part: Part, written: Path, until: float, rehearse: bool) -> list[str]:
    """The command line of a part; a program plans for slightly less than its time."""
    program, *options = part.command
    stand_in = [str(ROOT / "tests" / "rehearsal.py")] if rehearse else []
    limits = ["--until", str(until - GRACE_S)] if program in ("gpu_step.py", "ablation.py", "gpu_run.py") else []
    device = "cpu" if rehearse and program == FROM_THE_CPU else "cuda"
    end = ["--device", device, "--out", str(written), *limits]
    return [sys.executable, *stand_in, str(HERE / program), *options, *end]


def ended_by(words: list[str], log: Path, until: float) -> str:
    """Run a command, its output to the log; how it failed, empty if it did not."""
    paths = [ROOT, HERE, ROOT / "tests", ROOT / "tests" / "encoders"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONFAULTHANDLER": "1",  # a part that hangs prints where
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as said:
        process = subprocess.Popen(
            words, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        try:
            code = process.wait(max(0.0, until - time.time()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGABRT)
            return "it ran out of time"
        finally:
            _signal(process, signal.SIGKILL)  # also the processes that it started
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}" if code else ""


def _signal(process: subprocess.Popen, number: signal.Signals) -> None:
    """Signal the process and all that it started; one held by the kernel is left behind after GRACE_S."""
    try:
        os.killpg(process.pid, number)
        process.wait(GRACE_S)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def _read(written: Path) -> tuple[dict[str, Any] | None, str]:
    """What the part wrote, or why there is no result."""
    try:
        result = json.loads(written.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, "it wrote no JSON"
    except ValueError as error:
        return None, f"its output is not valid JSON ({error})"
    whole = isinstance(result, dict) and {"machine", "rows"} <= result.keys()
    return (result, "") if whole else (None, "its JSON lacks machine or rows")


def _write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    aside = path.with_name(f".{path.name}.aside")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


if __name__ == "__main__":
    sys.exit(main())
