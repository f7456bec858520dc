"""Starts genomask in N processes that meet as torchrun's do from a fork server."""

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from fork_server import fork_server
from torch.distributed import TCPStore

LIMIT_SECONDS = 120


@dataclass
class Launched:
    """Processes, what each of them prints, and the store that they meet at."""

    processes: list[BaseProcess]
    printed: list[Path]
    store: TCPStore

    def wait(self) -> list[int | None]:
        """The exit code of each, once all have ended."""
        for process in self.processes:
            process.join(LIMIT_SECONDS)
        codes = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
        return codes

    def said(self) -> list[str]:
        """What each printed, without log lines."""
        texts = [path.read_text() for path in self.printed]
        return [" ".join(line for line in text.splitlines() if not line.startswith("INFO")) for text in texts]


def launch(
    arguments: list[str],
    folder: Path,
    n: int,
    stop: tuple[int, int] | None = None,
    sig: int = signal.SIGTERM,
    last: tuple[str, ...] = (),
) -> Launched:
    """`genomask ARGUMENTS` in n processes; with `stop` = (rank, step), that rank sends itself `sig` after the step.

    last: more arguments for the last process only.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    printed = [folder / f"printed-{rank}.txt" for rank in range(n)]
    cache = os.environ["GENOMASK_CACHE"]
    processes: list[BaseProcess] = []
    context = fork_server()
    for rank, path in enumerate(printed):
        at = stop[1] if stop and stop[0] == rank else None
        own = [*arguments, *last] if rank == n - 1 else arguments
        run = context.Process(target=_be, args=(own, rank, n, store.port, path, cache, at, sig))
        run.start()
        processes.append(run)
    return Launched(processes, printed, store)


def _be(arguments: list[str], rank: int, n: int, port: int, path: Path, cache: str, at: int | None, sig: int) -> None:
    """One of the processes."""
    from genomask.cli.app import main
    from genomask.training import loop

    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n, "TORCHELASTIC_RESTART_COUNT": 0}
    os.environ |= {name: str(value) for name, value in (meeting | numbers).items()} | {"GENOMASK_CACHE": cache}
    torch.set_num_threads(1)
    train_one = loop.one_step

    def one_step(run, state, batch):
        train_one(run, state, batch)
        if state.done == at:
            os.kill(os.getpid(), sig)

    loop.one_step = one_step
    sys.argv = ["genomask", *arguments]
    with suppress(BrokenPipeError):
        main()
