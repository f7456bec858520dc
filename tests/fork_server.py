"""Processes of tests that start from a server, so that none imports and compiles again what all of them need."""

import os
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest


def fork_server() -> ForkServerContext:
    """A context for processes that have imported `warmed`; the server behind it starts once."""
    forkserver.set_forkserver_preload(["warmed"])
    with pytest.MonkeyPatch.context() as patch:
        # where the server looks for `warmed`: Python 3.11 does not tell it the path of this process
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return get_context("forkserver")
