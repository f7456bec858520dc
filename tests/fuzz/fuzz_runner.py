"""Runs cases in worker processes that it restarts when one dies or hangs, and adds up what was found."""

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fuzz_kinds import kind_of

HANG_SECONDS = 300
"""Wall-clock time after which a worker that does not answer is ended."""
DYING_SECONDS = 10
"""How long a worker that has closed its output may take to end with an exit code."""

Result = dict[str, Any]


def worker_command(seed: int, folder: Path) -> list[str]:
    """The command that starts a worker."""
    return [sys.executable, str(Path(__file__).with_name("fuzz_worker.py")), str(seed), str(folder)]


class Fuzzer:
    """One worker at a time, over cases of one seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder = seed, folder
        self._worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Fuzzer":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, number: int) -> Result:
        """How the case ended; a worker that dies or hangs on it is a fault of the case."""
        worker = self._worker or self._start()
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(f"{number}\n")
        worker.stdin.flush()
        answers, _, _ = select.select([worker.stdout], [], [], HANG_SECONDS)
        line = worker.stdout.readline() if answers else ""
        if line:
            return json.loads(line)
        fault, code = "died" if answers else "hang", self._end(DYING_SECONDS if answers else 0)
        what = f"exit code {code}" if answers else f"no answer within {HANG_SECONDS} s"
        none = {"arguments": [], "out": "", "err": "", "error": "", "code": fault, "seconds": 0.0, "peak_bytes": 0}
        return {**none, "number": number, "kind": kind_of(number), "faults": {fault: what}}

    def _start(self) -> subprocess.Popen[str]:
        settings = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "120", "PYTHONFAULTHANDLER": "1"}
        self._worker = subprocess.Popen(
            worker_command(self.seed, self.folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        assert self._worker.stdout
        if self._worker.stdout.readline() != "ready\n":
            raise RuntimeError("the worker does not start; its stderr says why")
        return self._worker

    def _end(self, patience: float = 0) -> int:
        """Wait `patience` seconds for the worker, if there is one, then kill it; returns its exit code."""
        worker, self._worker = self._worker, None
        if worker is None:
            return 0
        with suppress(subprocess.TimeoutExpired):
            worker.wait(patience)
        worker.kill()
        for pipe in filter(None, (worker.stdin, worker.stdout)):
            pipe.close()
        return worker.wait()


class Tally:
    """Sums over cases, and the cases with a fault."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.since = time.perf_counter()

    @property
    def faulty(self) -> list[Result]:
        """Cases in which something is wrong."""
        return [result for result in self.results if result["faults"]]

    def figures(self, seed: int) -> str:
        """The line that a report quotes."""
        kinds = Counter(fault for result in self.results for fault in result["faults"])
        lost, tracebacks = kinds.pop("input lost", 0), kinds.pop("traceback", 0)
        others = "".join(f", {fault} {count}" for fault, count in sorted(kinds.items()))
        peak = max((result["peak_bytes"] for result in self.results), default=0)
        codes = Counter(str(result["code"]) for result in self.results)
        return (
            f"fuzz: {len(self.results)} cases, {tracebacks} tracebacks, {lost} inputs lost{others}; "
            f"exit 0 {codes['0']}, 2 {codes['2']}, stopped {codes['143']}, slow {codes['slow']}; "
            f"peak memory of a case {peak / 2**20:.0f} MiB; "
            f"{time.perf_counter() - self.since:.0f} s; seed {seed}"
        )


def run_cases(
    seed: int, numbers: Iterable[int], folder: Path, seen: Callable[[Result], None] = lambda _: None
) -> Tally:
    """All the cases, one after another."""
    tally = Tally()
    with Fuzzer(seed, folder) as fuzzer:
        for number in numbers:
            tally.results.append(fuzzer.run(number))
            seen(tally.results[-1])
    return tally


def describe(result: Result, seed: int) -> str:
    """A faulty case for a person: what is wrong, what was typed, and how to see it again."""
    lines = [
        f"case {result['number']} ({result['kind']}): " + "; ".join(f"{k}: {v}" for k, v in result["faults"].items())
    ]
    lines += [f"  genomask {' '.join(repr(a) if len(a) < 200 else repr(a[:200]) + '...' for a in result['arguments'])}"]
    lines += [f"  {line}" for line in result["error"].strip().splitlines()[-6:]]
    lines += [f"  | {line[:300]}" for line in result["err"].strip().splitlines()[-3:]]
    return "\n".join([*lines, f"  again: pytest tests/fuzz --fuzz-seed {seed} --fuzz-case {result['number']}"])
