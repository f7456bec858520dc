"""The verb `runs`: several pretraining runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import file
from genomask.files import inputs
from genomask.terminal.console import show


def runs(
    folders: Annotated[
        list[Path],
        typer.Argument(
            parser=inputs.input_folder,
            metavar="DIR...",
            help="Folders of runs, or folders that hold some, such as runs/.",
        ),
    ],
    out: Annotated[Path, file("The picture, F.svg and F.png; those that runs drew are replaced.")] = Path(
        "runs-compared"
    ),
) -> None:
    """Draw pretraining runs over steps, tokens and seconds, and list their last scores and speed."""
    from genomask.commands.runs import show_runs

    show(show_runs(folders, out))
