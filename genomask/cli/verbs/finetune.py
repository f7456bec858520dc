"""The verb `finetune`: a model and labelled sequences in, a classifier out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from genomask.cli.options import FineTuning, ModelFolder, Seed, TableColumn, folder, require_rate, words
from genomask.errors import SettingsError
from genomask.files import inputs
from genomask.terminal.console import show

MOST_EPOCHS, MOST_BATCH = 10_000, 100_000
BY_NUMBER = "Default: the schedule's for that many examples."


def finetune(
    model: ModelFolder,
    train: Annotated[
        Path,
        typer.Option(
            parser=inputs.input_stream,
            metavar="TABLE",
            help="TSV or CSV with columns sequence (for a text model: text) and label: any words, several separated by "
            "semicolons. - for standard input.",
        ),
    ],
    valid: Annotated[
        Path | None,
        typer.Option(
            parser=inputs.input_stream,
            metavar="TABLE",
            help="The same: its loss decides which epoch is kept and when to stop. Never give a test set here.",
        ),
    ] = None,
    out: Annotated[Path, folder("Folder for the run: metrics, pictures, model.")] = Path("runs/finetune"),
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Learn the numbers in this column: a regression.")] = "",
    label_column: Annotated[
        str, typer.Option(help="Header of the labels, or headers of columns of 0 and 1, separated by commas.")
    ] = "label",
    sequence_column: TableColumn = "",
    schedule: FineTuning = "linear-first",
    learning_rate: Annotated[
        float | None, typer.Option(help=f"Peak rate, above 0 and at most 1,000,000. {BY_NUMBER}")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_EPOCHS, help=f"Maximum number of epochs, 1 to 10,000. {BY_NUMBER}"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=MOST_BATCH, help=f"Sequences per step, 1 to 100,000. {BY_NUMBER}")
    ] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in --out.")] = False,
) -> None:
    """Fine-tune a model on labelled sequences: classes, several labels each, or numbers."""
    if target and label_column != "label":
        raise SettingsError("--target is for numbers, --label-column for classes; give one of them.")
    require_rate(learning_rate)
    inputs.require_model(model)

    from genomask.commands.finetune.finetune import finetune as run
    from genomask.commands.finetune.job import Request
    from genomask.data.examples import ExampleColumns
    from genomask.fewshot.finetune import FineTuneSettings

    asked: dict[str, Any] = {"learning_rate": learning_rate, "epochs": epochs, "batch_size": batch_size}
    request = Request(
        model=model,
        train=train,
        valid=valid,
        columns=ExampleColumns(sequence=sequence_column, labels=words(label_column), target=target),
        settings=FineTuneSettings(
            schedule=schedule, **{name: value for name, value in asked.items() if value is not None}
        ),
        seed=seed,
        out=out,
    )
    show(run(request, resume=resume))
