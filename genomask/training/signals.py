"""Ctrl-C and SIGTERM as a request that the loop reads between steps, so that a checkpoint can be written first."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


class StopRequest:
    """`signal_number` is 0 until someone asks the run to stop."""

    signal_number = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the request; a second Ctrl-C interrupts at once."""
        if self.signal_number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM inside the block. Outside the main thread Python allows no handler, and none is set."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold back Ctrl-C inside the block, and from the processes started there until they `take_interrupts()`.

    None is lost: a process still importing modules would answer with a traceback, and takes it afterwards.
    """
    resource_tracker.ensure_running()  # starting it, which the first process would do, lets signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take_interrupts() -> None:
    """Take Ctrl-C in this process from now on, and one that came earlier."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def stop_with_parent() -> None:
    """Ask this process to stop, as SIGTERM does, once the process that started it is gone, killed or not."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
