"""The verb `glue`: a text model in, its scores on the GLUE tasks out."""

from pathlib import Path
from typing import Annotated

import typer

from genomask.cli.options import ModelFolder, folder, require_rate, words
from genomask.files import inputs
from genomask.inference.hub import found_model
from genomask.terminal.console import show

PUBLISHED = "Default: each task's published one."


def glue(
    model: ModelFolder,
    tasks: Annotated[
        str, typer.Option(metavar="TASKS", help="Such as CoLA,SST-2, separated by commas. Default: all found.")
    ] = "",
    data: Annotated[
        Path | None,
        typer.Option(
            parser=inputs.input_folder, metavar="FOLDER", help="GLUE's TSV files as published. Default: from the hub."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Runs of each task, 1 to 100.")] = 1,
    mnli: Annotated[
        Path | None,
        typer.Option(
            parser=found_model,
            metavar="MODEL",
            help="Model trained on MNLI, from which RTE, MRPC and STS-B start. Default: one trained here or in --out.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"Peak rate, above 0 and at most 1,000,000. {PUBLISHED}")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, max=1000, help=f"Epochs, 1 to 1,000. {PUBLISHED}")] = None,
    out: Annotated[Path, folder("Folder for all runs, results.csv and a picture.")] = Path("runs/glue"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue what is unfinished in --out.")] = False,
) -> None:
    """Fine-tune a text model on the GLUE tasks and score it, beside floors that need no model."""
    require_rate(learning_rate)
    inputs.require_model(model)
    if mnli is not None:
        inputs.require_model(mnli)

    from genomask.commands.glue.glue import GlueRequest
    from genomask.commands.glue.glue import glue as run
    from genomask.data.glue import chosen

    request = GlueRequest(
        model=model,
        tasks=tuple(chosen(words(tasks), data)),
        data=data,
        seeds=seeds,
        mnli=mnli,
        learning_rate=learning_rate,
        epochs=epochs,
        out=out,
    )
    show(run(request, resume=resume))
