"""Work divided among threads: their number, and their results, in order and a bounded way ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

from genomask.machine.process import usable_cores

MOST_WORKERS = 4
"""Most threads started by default; one makes batches of a genome for tens of GPUs."""


def compute_alone() -> None:
    """Make the calling thread compute alone: the initializer of every thread that works beside training.

    OpenMP gives each computing thread as many helpers as there are cores. Once there are more threads than cores, it
    lets none of them busy-wait, and each small operation of a training step takes four times as long: on two cores, the
    second one gained nothing.
    """
    import torch  # imported here: only threads that compute need it

    torch.set_num_threads(1)


Item = TypeVar("Item")
Made = TypeVar("Made")


def workers_for(asked: int) -> int:
    """Threads that make batches: as many as asked for, or, for 0, one per four cores, at most MOST_WORKERS."""
    return asked or max(1, min(MOST_WORKERS, usable_cores() // 4))


def in_order(pool: Executor, make: Callable[[Item], Made], items: Iterable[Item], ahead: int) -> Iterator[Made]:
    """make(item) for each item, in order; while one is used, the next `ahead` are being made."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(make, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
