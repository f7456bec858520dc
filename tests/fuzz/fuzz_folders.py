"""Folders that commands continue or read: model folders, runs that were killed, few-shot results, the cache."""

import json
import random
import shutil
from pathlib import Path

from fuzz_case import Case
from fuzz_damage import any_word, damaged
from fuzz_seeds import fewshot, pretrain_genome

ODD_VALUES = (
    None, True, -1, 0, 1, 3, 7, 64, 10**6, 10**12, 10**30, 1.5, 1e300, float("nan"), float("inf"), "", "x", "\x1b[31m",
    "bert", "mosaic_bert", "alibi", "learned", "relative_key", "KmerTokenizer", "../x", [], [1], [None], {}, {"a": 1},
)  # fmt: skip
"""Values for the keys of a JSON object."""


def damage_some_file(rng: random.Random, folder: Path) -> None:
    """A file of the folder is damaged, missing, empty, a folder, a dead link, another file, or odd JSON."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    match rng.randrange(14):
        case 0:
            path.unlink()
        case 1:
            path.unlink()
            path.mkdir()
        case 2:
            shutil.copy(rng.choice(files), path.with_name("aside"))
            path.with_name("aside").replace(path)
        case 3:
            path.write_bytes(b"")
        case 4:
            path.unlink()
            path.symlink_to(rng.choice(("nowhere", path.name)))
        case 5:
            path.write_text(rng.choice(("null", "[]", "{}", "5", '"x"', "{", '{"a": NaN}', any_word(rng))))
        case 6 | 7 | 8:
            path.write_bytes(edit_json(rng, path.read_bytes()))
        case _:
            path.write_bytes(damaged(rng, path.read_bytes()))


def edit_json(rng: random.Random, data: bytes) -> bytes:
    """A JSON object with one value changed or removed; other data with any damage."""
    try:
        item = json.loads(data)
        key = rng.choice(sorted(item if isinstance(item, dict) else {}))
    except (ValueError, TypeError, IndexError):
        return damaged(rng, data)
    if rng.random() < 0.2:
        del item[key]
    else:
        item[key] = rng.choice(ODD_VALUES)
    return json.dumps(item).encode()


def add_leftovers(rng: random.Random, run: Path) -> None:
    """What kills, copies and people leave in a run's folder."""
    names = (
        *(".config.toml.abc123", "notes.txt", "model.bak", ".model.q1", "checkpoints/.step-4.xyz"),
        *("checkpoints/step-4.bak", "checkpoints/step-", "checkpoints/step-x", "checkpoints/step--2"),
        "checkpoints/step-99999999999999999999",
    )
    left = run / rng.choice(names)
    left.parent.mkdir(exist_ok=True)
    rng.choice((left.mkdir, left.touch, lambda: linked(run / "checkpoints" / "step-4", left)))()


def linked(seed: Path, to: Path) -> Path:
    """A copy of a folder of seeds."""
    return Path(shutil.copytree(seed, to, symlinks=True, dirs_exist_ok=True))


def model(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A model folder of one of three sorts, with a file or two damaged, judged or exported."""
    seed = rng.choice(
        (seeds / "run" / "model", seeds / "run" / "model", seeds / "mosaicbert", seeds / "text-run" / "model")
    )
    folder, out = linked(seed, place / "model"), place / "out"
    for _ in range(rng.choice((1, 1, 2))):
        damage_some_file(rng, folder)
    if rng.random() < 0.5:
        scheme = rng.choice(("mosaicbert", "bert"))
        return Case(arguments=["export", "--model", str(folder), "--to", scheme, "--out", str(out)], changes=(out,))
    methods = rng.choice(("probe", "probe", "probe,random-init", "finetune"))
    task = seeds / "task.tsv"
    judged = fewshot(task, out, methods, str(folder))
    return Case(arguments=judged, changes=(out,), mended=fewshot(task, out, "probe", str(seeds / "run" / "model")))


def run(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A run that was killed or finished, damaged, and resumed; a refusal must leave its checkpoints as they are."""
    out = linked(seeds / "run", place / "run")
    resumed = [word if word != str(seeds / "run") else str(out) for word in pretrain_genome(seeds / "genome.fa", out)]
    if rng.random() < 0.8:
        shutil.rmtree(out / "model")
    if rng.random() < 0.4:
        shutil.rmtree(out / "checkpoints" / "step-6")
    for _ in range(rng.choice((0, 1, 1, 2))):
        damage_some_file(rng, out)
    if rng.random() < 0.3:
        add_leftovers(rng, out)
    changes = () if rng.random() < 0.1 else (out,)  # without --resume the folder is an input
    earned = (out / "checkpoints", out / "model", out / "config.toml")
    return Case(arguments=[*resumed, *(["--resume"] if changes else [])], changes=changes, earned=earned)


def runs(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Runs side by side, some of them damaged or cut short."""
    folders, out = [linked(seeds / name, place / "runs" / name) for name in ("run", "text-run")], place / "picture"
    for _ in range(rng.choice((0, 1, 1, 3))):
        damage_some_file(rng, rng.choice(folders))
    if rng.random() < 0.7:
        path = rng.choice(folders) / rng.choice(("config.toml", "metrics.jsonl"))
        if path.is_file():
            path.write_bytes(damaged(rng, path.read_bytes()))
    asked = rng.choice(([place / "runs"], folders, [folders[0], place / "nothere"], folders * 2))
    pictures = tuple(out.with_name(out.name + kind) for kind in (".svg", ".png"))
    return Case(arguments=["runs", *map(str, asked), "--out", str(out)], changes=pictures)


def results(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Few-shot results that were cut short or edited, and are continued."""
    out = linked(seeds / "fewshot", place / "fewshot")
    for _ in range(rng.choice((1, 1, 2))):
        damage_some_file(rng, out)
    more = rng.choice(([], ["--draws", "3"], ["--shots", "1,2"]))
    asked = [*fewshot(seeds / "task.tsv", out), *more]
    return Case(arguments=asked, changes=(out,), earned=(out / "results.csv",))


def cache(rng: random.Random, place: Path, seeds: Path) -> Case:
    """The cache that commands share, damaged between two of them."""
    root, out = linked(seeds / "cache", place / "cache"), place / "out"
    for _ in range(rng.choice((1, 2, 4))):
        damage_some_file(rng, root)
    counted = ["npmi", str(seeds / "genome.fa"), "--max-n", "3", "--min-count", "2", "--out", str(out)]
    masked = ["masks", "ACGTACGTTACA", "--k", "3", "--out", str(out / "m.svg")]
    listed, cleared = ["cache"], ["cache", "clear", "--yes", "--older-than", rng.choice(("0", "0", "1", "1e-9"))]
    asked = rng.choice((counted, masked, pretrain_genome(seeds / "genome.fa", out), listed, cleared, cleared))
    return Case(arguments=asked, changes=(out, root), cache=root)
