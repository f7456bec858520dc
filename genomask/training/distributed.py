"""Several processes that train one model, started by torchrun: the one file that knows ranks.

Without torchrun every function here is that of a single process and costs nothing; torch is imported only for several.
Their messages go over gloo, on the host; gradients over nccl on GPUs and gloo on CPUs. Waiting, and the choice of who
reports an error, go through torchrun's store, which outlives all of them.

Letters: N processes.
"""

import itertools
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from genomask.errors import SettingsError, Stopped, TrainingError, UserError, counted

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

POLL_SECONDS = 0.05
WORD_SECONDS = 2.0
"""How long a process that lost another waits for that one's own report."""

T = TypeVar("T")


class World(NamedTuple):
    """All processes, and which of them this one is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among those on this machine."""
    store: Any = None


_world = World()
_waits = itertools.count()
"""Numbers the waits: all processes pass the same places in the same order."""


def rank() -> int:
    """Which process this is, from 0."""
    return _world.rank


def size() -> int:
    """How many processes train together."""
    return _world.size


def is_main() -> bool:
    """Whether this process is the one that writes and logs."""
    return _world.rank == 0


def refuse_several(verb: str) -> None:
    """Raises SettingsError if a launcher started several processes of a verb, each of which would run in full."""
    if _asked_size() > 1:
        raise SettingsError(
            f"{verb} runs as one process, or starts its own; start it without torchrun, or unset WORLD_SIZE."
        )


@contextmanager
def session() -> Iterator[None]:
    """Be one of torchrun's processes within the block. An error in one ends all; one of them reports its own.

    The others exit silently and with the same exit code.
    """
    if _asked_size() == 1:
        yield
        return
    with being(_join()):
        try:
            yield
        except BaseException as error:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, after one has ended: it comes late
            raise _last_word(error) from error
    import torch.distributed as dist

    dist.destroy_process_group()


@contextmanager
def being(world: World) -> Iterator[None]:
    """Within the block this process is that one; it can talk to the others only if it joined them."""
    global _world
    before, _world = _world, world
    try:
        yield
    finally:
        _world = before


def from_main(make: Callable[[], T]) -> T:
    """What `make` returns in the main process, something that JSON can hold, in every process."""
    if size() == 1:
        return make()
    key = f"made/{next(_waits)}"
    if is_main():
        made = make()
        _world.store.set(key, json.dumps(made))
        return made
    _wait_until(lambda: _world.store.check([key]))
    made_there: T = json.loads(_world.store.get(key))
    return made_there


def require_same(what: str, value: str | int) -> None:
    """Go on when every process has this value; raises SettingsError in one whose value differs from the main one's."""
    if (main := from_main(lambda: value)) != value:
        raise SettingsError(
            f"process {rank()} on {os.uname().nodename} has a different {what} from process 0 ({value}, not "
            f"{main}); give all machines the same files, and an --out that all of them see."
        )
    wait_for_all()


def wait_for_all() -> None:
    """Go on when every process has arrived here, however long that takes."""
    if size() == 1:
        return
    key = f"came/{next(_waits)}"
    _world.store.add(key, 1)
    _wait_until(lambda: _world.store.add(key, 0) >= size())


@contextmanager
def in_turn() -> Iterator[None]:
    """The main process runs the block first, then one on each other machine, then the rest: caches are built once."""
    turn = 0 if is_main() else 1 if _world.local_rank == 0 else 2
    for _ in range(turn):
        wait_for_all()
    yield
    for _ in range(2 - turn):
        wait_for_all()


def part(first: int, count: int) -> tuple[int, int]:
    """First and count of this process's part of a step's sequences first .. first + count - 1."""
    start, stop = (count * r // size() for r in (rank(), rank() + 1))
    return first + start, stop - start


def mine(count: int) -> range:
    """The items of `count` that this process scores."""
    return range(rank(), count, size())


def require_part(sequences_per_step: int) -> None:
    """Raises SettingsError where a process would have no sequence to train on."""
    if sequences_per_step < size():
        raise SettingsError(
            f"training.sequences_per_step is {sequences_per_step}, too few for {size()} processes; "
            "start no more processes than that."
        )


def require_gpu() -> None:
    """Raises SettingsError where there are more processes on this machine than GPUs."""
    import torch

    if size() > 1 and _world.local_rank >= (gpus := torch.cuda.device_count()):
        raise SettingsError(
            f"{os.environ.get('LOCAL_WORLD_SIZE', 'more')} processes were started here for {counted(gpus, 'GPU')}; "
            f"give torchrun --nproc-per-node {gpus}, or set training.device=cpu."
        )


def sums(values: Sequence[float]) -> list[float]:
    """The sum of each value over all processes; for one process, the values."""
    if size() == 1:
        return list(values)
    import torch

    return add_up(torch.tensor(values, dtype=torch.float64)).tolist()


def add_up(values: "Tensor") -> "Tensor":
    """A tensor on the host, summed over all processes in place."""
    if size() > 1:
        import torch.distributed as dist

        dist.all_reduce(values)
    return values


def largest(value: int) -> int:
    """The largest value of any process."""
    if size() == 1:
        return value
    import torch
    import torch.distributed as dist

    found = torch.tensor([value])
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found)


def replicate(network: "nn.Module", device: "torch.device") -> "nn.Module":
    """The same module with gradients averaged over all processes; weights are the main process's."""
    if size() == 1:
        return network
    from torch.nn.parallel import DistributedDataParallel

    devices = [_world.local_rank] if device.type == "cuda" else None
    return DistributedDataParallel(network, devices, gradient_as_bucket_view=True)


def averaging(network: "nn.Module", now: bool) -> AbstractContextManager[None]:
    """Within it, gradients are averaged only if `now`: once a step, with its last microbatch."""
    return nullcontext() if now or size() == 1 else network.no_sync()  # type: ignore[operator]


def _asked_size() -> int:
    said = os.environ.get("WORLD_SIZE", "").strip() or "1"
    if not said.isdecimal() or said == "0":
        raise SettingsError(
            f"WORLD_SIZE is {said!r}, which is not a number of processes; start with torchrun, or unset it."
        )
    return int(said)


def _join() -> World:
    """Meet the other processes at the address that torchrun gave all of them."""
    import torch
    import torch.distributed

    dist: Any = torch.distributed
    if missing := [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
        raise SettingsError(
            f"WORLD_SIZE is {_asked_size()}, but {missing[0]} is not set; start several processes with torchrun."
        )
    signal.signal(signal.SIGTERM, _stop)
    local_rank = int(os.environ["LOCAL_RANK"])
    has_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    if has_gpus and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    store, number, count = next(dist.rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if has_gpus else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("group", store), rank=number, world_size=count)
    if number > 0:
        logging.getLogger("genomask").setLevel(logging.ERROR)  # the main process logs for all
    return World(number, count, local_rank, dist.PrefixStore("genomask", store))


def _stop(number: int, _: FrameType | None) -> None:
    """SIGTERM where there is nothing to save."""
    raise Stopped(number, "stopped outside of training; the same command continues from what is there")


def _wait_until(is_so: Callable[[], bool]) -> None:
    """Poll until it is so; exits with the others if one of them has given up."""
    while not is_so():
        if _world.store.check(["ended"]):
            raise SystemExit(_code_of_all())
        time.sleep(POLL_SECONDS)


def _last_word(error: BaseException) -> BaseException:
    """The error, in the one process that reports it; in the others, an exit with that one's code."""
    is_lost = _is_lost(error)
    deadline = time.monotonic() + (WORD_SECONDS if is_lost else 0.0)
    with suppress(RuntimeError):  # the store is gone too: then each reports its own
        while time.monotonic() < deadline and not _world.store.check(["ended"]):
            time.sleep(POLL_SECONDS)
        if _world.store.add("claims", 1) > 1:
            return SystemExit(_code_of_all())
        _world.store.set("ended", str(2 if is_lost else _exit_code(error)))
    if not is_lost:
        return error
    return TrainingError(
        "a process of this run ended without a message (killed, or its machine is gone), so all ended; what was "
        f"saved is unchanged: continue with --resume. Another process saw: {str(error).strip().partition(chr(10))[0]}"
    )


def _code_of_all() -> int:
    """The exit code of the process that reports."""
    with suppress(RuntimeError):
        while not _world.store.check(["ended"]):
            time.sleep(POLL_SECONDS)
        return int(_world.store.get("ended"))
    return 2


def _is_lost(error: BaseException) -> bool:
    """Whether a collective reports that its other end is gone."""
    words = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def _exit_code(error: BaseException) -> int:
    """The exit code that the command line will end with."""
    if isinstance(error, Stopped):
        return 128 + error.signal_number
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return 2 if isinstance(error, UserError | OSError | MemoryError) else 1
