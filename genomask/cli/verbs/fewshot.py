"""The verb `fewshot`: a model and a labelled task in, tables and a picture out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genomask.cli.options import (
    USUAL_METHODS,
    Draws,
    FineTuning,
    LabelColumn,
    Methods,
    ModelFolder,
    SequenceColumn,
    Shots,
    Test,
    Train,
    folder,
    read_methods,
    read_numbers,
)
from genomask.fewshot.methods import WITHOUT_MODEL
from genomask.files import inputs
from genomask.terminal.console import show


def fewshot(
    model: ModelFolder,
    train: Train,
    test: Test,
    shots: Shots = "10,50,100",
    draws: Draws = 20,
    methods: Methods = USUAL_METHODS,
    sequence_column: SequenceColumn = "sequence",
    label_column: LabelColumn = "label",
    pooling: Annotated[
        Literal["mean", "center", "cls"],
        typer.Option(help="How the probe pools a sequence's token vectors into one."),
    ] = "mean",
    schedule: FineTuning = "linear-first",
    out: Annotated[
        Path,
        folder("Folder for results.csv, summary.csv and the picture."),
    ] = Path("runs/fewshot"),
) -> None:
    """Measure how good an encoder is with few labelled sequences, beside floors that need no pretraining."""
    sizes, ways = read_numbers(shots, "--shots"), read_methods(methods)
    if not set(ways) <= set(WITHOUT_MODEL):
        inputs.require_model(model)

    from genomask.commands.fewshot import measure
    from genomask.data.tasks import Columns
    from genomask.fewshot.finetune import FineTuneSettings
    from genomask.fewshot.protocol import FewShotSettings
    from genomask.inference.pooling import VectorSettings

    vectors = VectorSettings(pooling=pooling)
    trained = FineTuneSettings(schedule=schedule)
    settings = FewShotSettings(shots=sizes, draws=draws, methods=ways, vectors=vectors, finetune=trained)
    show(measure(model, train, test, settings, out, Columns(sequence_column, label_column)))
