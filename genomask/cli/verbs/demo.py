"""The verb `demo`: nothing in, a whole comparison on a simulated genome out."""

from pathlib import Path
from typing import Annotated

from genomask.cli.options import Seed, folder
from genomask.terminal.console import show


def demo(
    out: Annotated[Path, folder("Folder for the demo and its report.html.")] = Path("runs/demo"),
    seed: Seed = 0,
) -> None:
    """Simulate a genome, compare two masking strategies on it and write a report, in minutes on a laptop."""
    from genomask.commands.demo.demo import run_demo

    show(run_demo(out, seed))
