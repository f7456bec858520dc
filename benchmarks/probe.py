"""How do the probe's penalty and its vectors affect its accuracy? Encoders and pools of labelled sequences in.

Logistic regression on frozen vectors, standardised on the drawn examples, as in few-shot's `probe`, for several C; with
C chosen for each draw by cross-validation of the drawn examples; and on the F means and standard deviations of every
layer's vectors, as in `probe-layers`. Beside the encoders run the untrained twin of the first, and the floor
`kmer-logreg`, whose features are not standardised. Draws are those of few-shot; accuracy is measured on the rows of the
pool that a draw leaves, equally many of each class. No test set is used.

    python benchmarks/probe.py --model genome-tiny=runs/tiny/model --model genome-fast=runs/fast/model \\
        Prom-core/1000.tsv.gz Splice-40/500.tsv.gz:center mouse_0/train.csv.gz

Encoders named RECIPE/SEED compare two recipes over several pretraining seeds: paired by seed, each task counting as
one. `--penalty "C = 1"` measures only that one; it can be repeated.
"""

import warnings
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import Out, describe_machine, run_script, save
from scipy.stats import ttest_1samp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import section

from genomask.data.tasks import LabelledTask, read_task
from genomask.errors import DataError, SettingsError
from genomask.fewshot.draws import draw_examples, smallest_class
from genomask.fewshot.floors import kmer_features
from genomask.inference.models import Loaded, load
from genomask.inference.pooling import VectorSettings, vectors
from genomask.settings.ranges import require_one_of

RESULT = Path(__file__).parent / "results" / "probe.json"
SHOTS = 10, 50, 100, 500
MOST_ROWS = 2_500
"""Only this many rows of a larger pool are used, as encoding is most of the work."""
FLOOR, TWIN = "kmer-logreg", "random-init"
STRENGTHS = {"probe": (10.0, 1.0, 0.1, 0.03, 0.01, 0.003), FLOOR: (100.0, 10.0, 1.0, 0.1)}
CHOICES = {"probe": (0.01, 0.1, 1.0), FLOOR: (0.1, 1.0, 10.0)}
BY_VALIDATION = "C by cross-validation"
OF_FLOOR = "C = 10"
"""The floor's penalty in few-shot."""
LOGIT_VARIANCES = 800, 80, 8, 0.8
"""Variances of a classifier's logits before it has seen an example; with F features, C is this / F."""


def main(
    pools: Annotated[list[str], typer.Argument(help="Tables of labelled sequences, each FILE or FILE:POOLING.")],
    model: Annotated[list[str], typer.Option(help="NAME=FOLDER of an encoder; repeatable.")],
    draws: Annotated[int, typer.Option(help="Draws at each number of shots.")] = 20,
    penalty: Annotated[list[str], typer.Option(help="Only this penalty; repeatable.")] = [],  # noqa: B006
    out: Out = RESULT,
) -> None:
    """Measure every classifier for each encoder on every pool."""
    for name in penalty:
        require_one_of("--penalty", name, of_one_layer(FLOOR) | of_one_layer("probe") | of_every_layer(1))
    torch.set_num_threads(1)
    opened = encoders(model)
    for expected in (ConvergenceWarning, FutureWarning):  # the weakest penalties; what scikit-learn 1.10 will change
        warnings.simplefilter("ignore", expected)
    machine, found = describe_machine(torch.device("cpu")), []
    for text in pools:
        file, _, pooling = text.partition(":")
        task, settings = first_rows(read_task(Path(file)), MOST_ROWS), VectorSettings(pooling=pooling or "mean")
        one_hot = len({len(sequence) for sequence in task.sequences}) == 1
        found += measured(task, kmer_features(task.sequences, one_hot), FLOOR, of_floor(penalty), draws)
        for name, loaded in opened.items():
            last = vectors(loaded, task.sequences, settings, file)
            found += measured(task, last, name, asked(of_one_layer("probe"), penalty), draws)
            layers = vectors(loaded, task.sequences, settings, file, every_layer=True)
            found += measured(task, layers, name, asked(of_every_layer(layers.shape[1]), penalty), draws)
    rows = by_task(found)
    result = {"benchmark": "probe", "machine": machine, "setup": {"draws": draws}, "rows": rows}
    save(out, result | {"verdict": verdict(rows), "by_shots": found})
    print(section(result | {"verdict": verdict(rows)}))


def encoders(named: list[str]) -> dict[str, Loaded]:
    """Encoders by name, then the untrained twin of the first."""
    pairs = [one.partition("=") for one in named]
    if wrong := [one for one, (name, _, folder) in zip(named, pairs, strict=True) if not (name and folder)]:
        raise SettingsError(f"--model takes NAME=FOLDER, got {wrong[0]!r}.")
    folders = {name: Path(folder) for name, _, folder in pairs}
    twin = load(next(iter(folders.values())), untrained=True)
    return {**{name: load(folder) for name, folder in folders.items()}, TWIN: twin}


def first_rows(task: LabelledTask, most: int) -> LabelledTask:
    """The task with only its first rows."""
    return LabelledTask(task.name, task.sequences[:most], task.labels[:most], task.classes, task.path)


def measured(
    task: LabelledTask, features: np.ndarray, name: str, classifiers: dict[str, Any], draws: int
) -> list[dict]:
    """Accuracy of each classifier, in per cent, at each number of shots that leaves as many of each class."""
    if smallest_class(task) < 2 * SHOTS[0]:
        raise DataError(f"{task.path}: a class has fewer than {2 * SHOTS[0]} rows; give a larger pool.")
    found = []
    for how, classifier in classifiers.items():
        row = {"task": task.name, "features": name, "penalty": how}
        for shot in (shot for shot in SHOTS if 2 * shot <= smallest_class(task)):
            drawn = (draw_examples(task.labels, shot, task.name, draw) for draw in range(draws))
            row[f"{shot}_shots"] = 100 * mean(accuracy(task, features, rows, classifier) for rows in drawn)
        row["mean"] = mean(value for key, value in row.items() if key.endswith("shots"))
        print(row, flush=True)
        found.append(row)
    return found


def of_one_layer(kind: str) -> dict[str, Any]:
    """Classifiers of the last layer's vectors, or of k-mers, by the name of their penalty."""
    found = {f"C = {c:g}": LogisticRegression(C=c, max_iter=400) for c in STRENGTHS[kind]}
    chosen = LogisticRegressionCV(Cs=CHOICES[kind], cv=5, scoring="accuracy", max_iter=400)
    scale = [] if kind == FLOOR else [StandardScaler()]
    return {how: make_pipeline(*scale, last) for how, last in {**found, BY_VALIDATION: chosen}.items()}


def of_every_layer(n_features: int) -> dict[str, Any]:
    """The same for every layer's vectors."""
    found = {f"every layer, C = {v:g} / F": LogisticRegression(C=v / n_features, max_iter=400) for v in LOGIT_VARIANCES}
    return {how: make_pipeline(StandardScaler(), last) for how, last in found.items()}


def asked(classifiers: dict[str, Any], penalties: list[str]) -> dict[str, Any]:
    """The classifiers named; all if none is."""
    return {how: one for how, one in classifiers.items() if not penalties or how in penalties}


def of_floor(penalties: list[str]) -> dict[str, Any]:
    """The classifiers of k-mers that are named, and always the floor as in few-shot."""
    return asked(of_one_layer(FLOOR), [*penalties, OF_FLOOR] if penalties else [])


def accuracy(task: LabelledTask, features: np.ndarray, drawn: np.ndarray, classifier: Any) -> float:
    """Accuracy on as many rows of each class as the draw leaves of the rarest."""
    left = np.setdiff1d(np.arange(len(task.labels)), drawn)
    each = np.bincount(task.labels[left]).min()
    scored = np.concatenate([left[task.labels[left] == label][:each] for label in range(len(task.classes))])
    fitted = classifier.fit(features[drawn], task.labels[drawn])
    return float((fitted.predict(features[scored]) == task.labels[scored]).mean())


def by_task(found: list[dict]) -> list[dict]:
    """A row for each encoder and penalty: its mean over shots on each task, and the mean over tasks."""
    rows: dict[tuple[str, str], dict] = {}
    for one in found:
        side = {"features": one["features"], "penalty": one["penalty"]}
        rows.setdefault(tuple(side.values()), side)[one["task"]] = one["mean"]
    return [row | {"mean_of_tasks": mean(x for x in row.values() if isinstance(x, float))} for row in rows.values()]


def verdict(rows: list[dict]) -> list[str]:
    """The second of two recipes minus the first, for each penalty: points by seed, and their interval."""
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        recipe, _, seed = row["features"].partition("/")
        if seed:
            scores.setdefault((row["penalty"], recipe), {})[seed] = row["mean_of_tasks"]
    recipes, sentences = list(dict.fromkeys(recipe for _, recipe in scores)), []
    for penalty in dict.fromkeys(penalty for penalty, _ in scores) if len(recipes) == 2 else ():
        first, second = (scores[penalty, recipe] for recipe in recipes)
        points = np.array([second[seed] - first[seed] for seed in first if seed in second])
        if len(points) < 2:
            continue
        test = ttest_1samp(points, 0)
        low, high = test.confidence_interval()
        by_seed = ", ".join(f"{one:+.1f}" for one in points)
        sentences.append(
            f"{penalty}: {recipes[1]} less {recipes[0]}, points by seed {by_seed}; mean {points.mean():+.2f}, "
            f"95 % interval {low:+.2f} to {high:+.2f}, p {test.pvalue:.2g}"
        )
    return sentences


if __name__ == "__main__":
    run_script(main)
