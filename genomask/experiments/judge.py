"""`genomask fewshot`: a model folder and a task in; tables, results.csv, summary.csv and a picture out."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from genomask.atomic import require_folder
from genomask.data.tasks import read_task
from genomask.encoders.bridges import read_config as read_model_config
from genomask.experiments.pretrain import read_config
from genomask.experiments.seen import sentence_of_model
from genomask.fewshot.leaks import leaks_in_pool
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import read_summary
from genomask.fewshot.run import run_fewshot
from genomask.fewshot.summary import captions
from genomask.progress import working
from genomask.report.plots import fewshot_curves
from genomask.report.tables import fewshot_table


def judge(model: Path, train: Path, test: Path, settings: FewShotSettings, out: Path) -> Iterator[Table | str]:
    """Measure, draw the picture, and yield what to print."""
    require_folder(out)
    if settings.measured_methods() != ["kmer-logreg"]:
        read_model_config(model)  # a model that is not there is said before a task is read
    pool, held_out = read_task(train), read_task(test)
    strategy, seed = provenance(model)
    with working("few-shot", unit="measurements") as work:
        rows = run_fewshot(
            model,
            pool,
            held_out,
            settings,
            strategy=strategy,
            pretraining_seed=seed,
            out=out,
            progress=lambda done, total, what: work.show(done, total=total, status=what),
        )
    summary = read_summary(out)
    for name in ("fewshot.svg", "fewshot.png"):
        fewshot_curves(summary, out / name)
    yield fewshot_table(summary, "\n".join(captions(summary)))
    yield leaks_in_pool(held_out.sequences, pool.sequences).sentence("the training pool")
    yield sentence_of_model(model, held_out.sequences)
    yield f"{len(rows)} measurements: {out / 'results.csv'}; picture: {out / 'fewshot.png'}"


def provenance(model: Path) -> tuple[str, int]:
    """Strategy and seed of the run that a model folder belongs to; ("unknown", -1) for a model from elsewhere."""
    config = model.parent / "config.toml"
    if not config.exists():
        return "unknown", -1
    recipe, _ = read_config(model.parent)
    return recipe.masking.strategy, recipe.training.seed
