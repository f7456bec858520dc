"""The verb `export`: a model folder in, the same model under other tools' names out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask.cli.options import ModelFolder, folder
from genomask.files import inputs
from genomask.terminal.console import say


def export(
    model: ModelFolder,
    to: Annotated[
        Literal["mosaicbert", "bert"], typer.Option(help="Names to write: mosaicbert (also DNABERT-2's) or bert.")
    ],
    out: Annotated[
        Path,
        folder("New folder for config.json, model.safetensors and the tokenizer."),
    ],
) -> None:
    """Write a model under the names that other tools know, with every weight bit-identical."""
    inputs.require_model(model)

    from genomask.commands.export import export as run

    say(run(model, to, out))
