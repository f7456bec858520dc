"""A process that runs cases one after another under a bound on its memory, and reports how each ended.

One number a line on stdin; one JSON line back on the first stdout. Started as `python fuzz_worker.py SEED FOLDER`.
"""

import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz_case import Case
from fuzz_kinds import kind_of, make_case
from fuzz_seeds import make_seeds
from fuzz_verdict import Outcome, contents, cut_short, digests, faults

ROOM_BYTES = 3 * 2**30
"""Address space that a case may take beyond what the imports took."""
FILE_BYTES = 2**28
"""Largest file that a case may write."""
CPU_SECONDS = 10
"""Computing time of a case; then it is asked to stop as a person would, and a run stops at its next step."""


class TooSlow(BaseException):
    """Raised wherever a case is when its time is over and it does not handle SIGTERM itself."""


def main(seed: int, folder: Path) -> None:
    """Answer every number on stdin until it ends."""
    numbers, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # also for a case that reads /dev/stdin
    seeds, place = folder / "seeds", folder / "case"
    os.environ["GENOMASK_CACHE"] = str(seeds / "cache")
    signal.signal(signal.SIGTERM, _too_slow)
    signal.signal(signal.SIGPROF, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    if not (seeds / "whole").exists():
        shutil.rmtree(seeds, ignore_errors=True)
        seeds.mkdir(parents=True)
        place.mkdir(exist_ok=True)
        make_seeds(seeds, lambda arguments: _must_run(arguments, place))
        (seeds / "whole").touch()
    shared = shutil.copytree(seeds / "cache", folder / "cache", dirs_exist_ok=True)
    resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + ROOM_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, resource.RLIM_INFINITY))
    print("ready", file=answers, flush=True)
    for line in numbers:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        case = make_case(seed, int(line), place, seeds)
        os.environ["GENOMASK_CACHE"] = str(case.cache or shared)
        answer = {"number": int(line), "kind": kind_of(int(line)), **_judged(case, place)}
        print(json.dumps(answer), file=answers, flush=True)


def _judged(case: Case, place: Path) -> dict[str, Any]:
    """The case's arguments, its outcome, and what is wrong with it."""
    there = {path for path in case.changes if path.exists()}
    before, earned = digests([place], case.changes), contents(case.earned)
    outcome = _run(case.arguments, place)
    found = faults(outcome, before, digests([place], case.changes))
    if outcome.code == 2 and (lost := cut_short(earned)):
        found["input lost"] = ", ".join(lost)
    if blocker := _blocked(case, there, outcome, place):
        found["blocked"] = blocker
    return {"arguments": case.arguments, "faults": found, **outcome._asdict()}


def _blocked(case: Case, there: set[Path], outcome: Outcome, place: Path) -> str:
    """What a refused call left that keeps the mended call from succeeding; a run that trained may leave such files."""
    left = [path for path in case.changes if path.exists() and path not in there]
    if outcome.code != 2 or not case.mended or not left or (left[0] / "metrics.jsonl").exists():
        return ""
    again = _run(case.mended, place)
    return f"{left[0].name} was left and blocks the mended call: {again.err.strip()[-300:]}" if again.code != 0 else ""


def _must_run(arguments: list[str], place: Path) -> None:
    outcome = _run(arguments, place, cpu_seconds=0)  # compiling here takes long on a busy machine
    if outcome.code != 0:
        raise SystemExit(
            f"no valid input to begin with: {' '.join(arguments)}: {outcome.code} {outcome.err} {outcome.error}"
        )


def _run(arguments: list[str], place: Path, cpu_seconds: float = CPU_SECONDS) -> Outcome:
    """Run the command in `place` as from a shell: its own argv, streams and working directory; 0 seconds: no limit."""
    from genomask.cli import app as cli

    Path("/proc/self/clear_refs").write_text("5")  # resets the peak of memory
    resident, since = _memory("VmRSS"), time.perf_counter()
    code: Any = 0
    error = ""
    with _streams(place) as (out, err):
        sys.argv = ["genomask", *arguments]
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        except TooSlow:
            code, error = "slow", traceback.format_exc()
        except BaseException:  # noqa: BLE001  whatever a person would see as a traceback
            code, error = "traceback", traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.stdout.flush()
            sys.stderr.flush()
    seconds, peak = time.perf_counter() - since, _memory("VmHWM") - resident
    return Outcome(code, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace"), error, seconds, peak)


@contextmanager
def _streams(place: Path) -> Iterator[tuple[Path, Path]]:
    """Work in `place`; stdout and stderr, also those of C libraries, go to files beside it."""
    paths, kept, here = (place.with_name("stdout"), place.with_name("stderr")), (os.dup(1), os.dup(2)), Path.cwd()
    os.chdir(place)
    for fd, path in enumerate(paths, 1):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, fd)
        os.close(handle)
    try:
        with Path(os.devnull).open() as sys.stdin:
            yield paths
    finally:
        os.chdir(here)
        for fd, before in enumerate(kept, 1):
            os.dup2(before, fd)
            os.close(before)


def _memory(name: str) -> int:
    """Bytes, as the kernel counts them: VmSize, VmRSS or its peak VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
