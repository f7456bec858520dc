"""Work shared out among threads: how many there are, and what they make, in order and a bounded way ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

from genomask.machine.process import usable_cores

MOST_WORKERS = 4
"""Threads that are started where no number is asked for; one makes batches of a genome for tens of GPUs."""


def compute_alone() -> None:
    """Have the thread that calls this compute by itself: the initializer of every thread that works beside training.

    OpenMP gives each thread that computes as many helpers as there are cores. Once there are more threads than cores it
    lets none of them wait awake, and each small operation of a training step takes four times as long: on two cores
    the second one brought nothing.
    """
    import torch  # only whoever computes has it

    torch.set_num_threads(1)


Item = TypeVar("Item")
Made = TypeVar("Made")


def workers_for(asked: int) -> int:
    """Threads that make batches: as many as asked for, or for 0 one of four cores, at most MOST_WORKERS."""
    return asked or max(1, min(MOST_WORKERS, usable_cores() // 4))


def in_order(pool: Executor, make: Callable[[Item], Made], items: Iterable[Item], ahead: int) -> Iterator[Made]:
    """make(item) for each item, in their order; while one is used the next `ahead` are being made."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(make, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
