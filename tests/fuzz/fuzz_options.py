"""What is typed: options of every verb, `--set`, recipes, names of masking strategies and a person's own files."""

import random
import shutil
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from fuzz_case import Case
from fuzz_damage import NUMBERS, WORDS, any_word, damaged
from fuzz_inputs import given
from fuzz_seeds import MINE, QUICK, changes, fewshot, pretrain_genome, pretrain_text
from typer.main import get_command

from genomask.cli.app import app
from genomask.masking.curricula import CURRICULA
from genomask.masking.names import parameters_of
from genomask.masking.registry import STRATEGIES
from genomask.recipe import GenomeRecipe, TextRecipe, load_recipe, recipe_to_toml

PYTHON = (
    "raise ValueError('[/b]')", "import sys; sys.exit(3)", "1/0", "def f(:", "import nothere", "exit()", "x = 1",
    "import os; os.nothere", "raise SystemExit", "while True", "print('said')", "",
)  # fmt: skip
"""Lines that a person's file may begin with."""

PLACES = (
    "genome.fa", "task.tsv", "table.npmi", "there", "there/x", "link", "link/x", "genome.fa/x", "/proc/x", "/dev/null",
    "",
)  # fmt: skip
OPTIONS = (
    "--out", "--set", "--seed", "--shots", "--methods", "--recipe", "--help", "--nothere", "-x", "--model", "--genome",
    "--window", "--evaluate", "--mismatch", "--target", "--resume", "--epochs", "--from", "--dry-run", "--tasks",
)  # fmt: skip

BODIES = (
    "pass", "return 5", "sequence.masked[:] = True", "sequence.masked[10**9] = True", "sequence.masked[3:1] = 7",
    "sequence.hidden[:] = True", "sequence.nothere", "1 / 0", "x", "sequence = None", "sequence.masked = []",
    "raise SystemExit(3)", "print(sequence)", "sequence.input_ids[:] = -1", "sequence.maskable[:] = True",
    "[mask_token(sequence, t) for t in range(-5, 10**4)]", "hide_bases(sequence, 10**18, -(10**18))", "import os",
)  # fmt: skip
"""What a person's strategy may do instead of marking tokens."""

OF_TYPE = {
    int: ("0", "1", "2", "3", "4", "5", "6", "8", "16", "63", "1000", "1000000", "2147483648", "1" + "0" * 12, "-1"),
    float: ("0.0", "1.0", "0.5", "0.99", "1e-9", "1e-300", "1e300", "nan", "inf", "-inf", "-0.5", "2.0", "5"),
    bool: ("true", "false"),
    str: (
        *("both", "none", "bases", "token", "span", "bf16", "fp32", "cpu", "on", "off", "split", "skip", "weight"),
        *("learned", "alibi-directed", "rotary-directed", "dense", "sdpa", "flex", "flash", "released"),
        *("shuffled", "(span:p=0.1)"),
        *("uniform", "genemask", "(mine.py:every-third)", "(cm-step:at=5)", "cm-gems:patience=1", "linear-mix"),
    ),
    tuple: (
        *('["chr1"]', '["chr1:1-2"]', '["chr2:1-500"]', '["chr9"]', '["chr1", "chr2"]', "[]", '["chr1:0-0"]', '[""]'),
        *("[[3, 8]]", "[[2, 8], [2, 16]]", "[[6, 8]]", "[[2, 16], [2, 8]]", "[[1]]", "[[0, 8]]", "[[2, 32]]"),
    ),
}
"""Values that some setting of the type may have."""
OF_NONE = ("[1]", "[[]]", '["a", 1]', "[nan]", "{a=1}", "1979-05-27", '"""x"""', "((", "(x", *NUMBERS, *WORDS)


def value(rng: random.Random, kind: Any) -> str:
    """A value, most often of the type; a `Literal` is a string."""
    plain = get_origin(kind) or kind
    return rng.choice(OF_TYPE.get(plain, OF_TYPE[str]) if rng.random() < 0.75 else OF_NONE)


def typed(text: str) -> str:
    """What a shell can hand over: no NUL, and not longer than the system takes."""
    return text.replace("\x00", "")[:100_000]


def settings(rng: random.Random, place: Path, seeds: Path) -> Case:
    """One to three settings of a run changed to odd values."""
    out = place / "out"
    if rng.random() < 0.7:
        recipe, good = GenomeRecipe, pretrain_genome(seeds / "genome.fa", out)
    else:
        recipe, good = TextRecipe, pretrain_text(seeds / "shard.jsonl", out)
    changed = [typed(_setting(rng, recipe)) for _ in range(rng.choice((1, 1, 2, 3)))]
    return Case(arguments=[*good, *changes(tuple(changed))], changes=(out,), mended=good)


def _setting(rng: random.Random, recipe: type) -> str:
    """`room.key=value`, now and then misspelt."""
    room, cls = rng.choice(sorted(get_type_hints(recipe).items()))
    key, kind = rng.choice(sorted(get_type_hints(cls).items()))
    misspelt = (room, key, f"{room}.", f".{key}", f"{room}.{key}x", f"{room}.{key}.{key}", any_word(rng))
    odd = value(rng, kind)
    if key == "sequences_per_step" and odd == "1000000":  # a step of minutes, within which a run cannot be stopped
        odd = "1000"
    return f"{rng.choice(misspelt) if rng.random() < 0.1 else f'{room}.{key}'}={odd}"


def recipe(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A damaged recipe file."""
    out, whole = place / "out", place / "recipe.toml"
    whole.write_text(recipe_to_toml(load_recipe("genome-demo", QUICK)))
    mine = given(rng, place, whole, name="mine.toml")
    # a recipe that lost a table gets its vast defaults
    small = [setting for setting in QUICK if setting.startswith(("encoder.", "training.", "windows."))]
    asked = ["pretrain", "--genome", str(seeds / "genome.fa"), "--out", str(out), *changes(tuple(small)), "--recipe"]
    return Case(arguments=[*asked, str(mine)], changes=(out,), mended=[*asked, str(whole)])


def masking(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Names, parameters, curricula, and a person's own files."""
    shutil.copy(seeds / "genome.fa", place / "genome.fa")
    mine, out = place / "mine.py", place / "m.svg"
    mine.write_bytes(_own_file(rng))
    name = typed(",".join(_strategy(rng) for _ in range(rng.choice((1, 1, 2)))))
    if rng.random() < 0.25:
        trained = [*pretrain_genome(place / "genome.fa", place / "out"), "--masking"]
        mended = [*trained, "uniform"]
        return Case(arguments=[*trained, name], changes=(place / "out",), mended=mended)
    shown = ["masks", "genome.fa:chr1:1-60", "--k", "3", "--match", rng.choice(("none", "none", "tokens", "bases"))]
    return Case(arguments=[*shown, "--masking", name, "--out", str(out)], changes=(out,))


def _own_file(rng: random.Random) -> bytes:
    """A strategy that fails when its file is run or when it is called, or that does odd things."""
    if rng.random() < 0.3:
        return damaged(rng, MINE.encode())
    signature = rng.choice(
        ("phase: int = 0", "phase: int = 0", "phase", "phase=None", "p: float = 0.1", "mask: str = ''")
    )
    text = MINE.replace("phase: int = 0", signature)
    if rng.random() < 0.5:
        text = text[: text.index("    sequence.masked")] + f"    {rng.choice(BODIES)}\n"
    return (f"{rng.choice(PYTHON)}\n{text}" if rng.random() < 0.2 else text).encode()


def _strategy(rng: random.Random) -> str:
    """The name of a strategy or curriculum with parameters, its own or unknown ones, as a person may write it."""
    known = {name: parameters_of(found) for name, found in {**STRATEGIES, **CURRICULA}.items()}
    known["mine.py:every-third"] = {"phase": 0}
    name = rng.choice((*known, *["mine.py:every-third"] * 4))
    odd = ("nothere.py:x", "mine.py", "mine.py:", "mine.py:nothere", name + "x", any_word(rng))
    text = name if rng.random() < 0.85 else rng.choice(odd)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        key, default = rng.choice((*known[name].items(), ("p", 0.1)))
        text += f":{key if rng.random() < 0.95 else any_word(rng)}={value(rng, type(default))}"
    return text


def options(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A good call of any verb, with words replaced, added, doubled or left out, and outputs that exist already."""
    for name in (
        "genome.fa",
        "task.tsv",
        "table.npmi",
        "motifs.jaspar",
        "x.vcf",
        "regions.bed",
        "RTE.train.tsv",
        "RTE.dev.tsv",
    ):
        shutil.copy(seeds / name, place / name)
    (place / "there").mkdir()
    (place / "there" / "notes.txt").write_text("of a person")
    (place / "link").symlink_to("nowhere")
    words, end = rng.choice(_calls(place, seeds / "run" / "model"))
    for _ in range(rng.choice((1, 1, 2, 3))):
        _mistype(rng, words)
    written = [
        place / name
        for name in (
            "out",
            "out.svg",
            "out.png",
            "runs-compared.svg",
            "runs-compared.png",
            "out.tsv",
            "out.npy",
            "out.names.txt",
            "out.parquet",
            "runs",
            "masks.svg",
            "table.npmi",
        )
    ]
    return Case(arguments=[typed(word) for word in [*words, *end]], changes=tuple(written))


def _calls(place: Path, model: Path) -> list[tuple[list[str], list[str]]]:
    """Good calls: words to mistype, and words to end with, which hold a mistake for the verbs that take minutes."""
    out, genome, task, table = (str(place / name) for name in ("out", "genome.fa", "task.tsv", "table.npmi"))
    text = model.parents[1] / "text-run"
    pair = f"--train {task} --test {task} --shots 2 --draws 2"
    lines = (
        f"fewshot --model {model} {pair} --methods probe --pooling center --out {out}",
        f"masks ACGTACGTACGT --k 3 --rate 0.2 --match none --seed 1 --out {out}.svg",
        f"masks {genome}:chr1:1-50 --k 3 --npmi {table} --masking genemask,uniform --out {out}.svg",
        f"npmi {genome} --max-n 3 --min-count 2 --strand both --out {out} --tsv {out}.tsv",
        f"npmi show {table} --top 5 --n 3 --tsv {out}.tsv",
        f"npmi motifs {table} --jaspar {place / 'motifs.jaspar'} --n 3 --top 5 --out {out}",
        f"export --model {model} --to bert --out {out}",
        f"tokenizer train {genome} --vocab-size 20 --seed 1 --out {out}",
        f"embed {task} --model {model} --pooling center --both-strands --out {out}.tsv",
        f"embed {genome} --model {model} --pooling tokens --out {out}.npy",
        f"embed {place / 'regions.bed'} --model {model} --genome {genome} --out {out}.parquet",
        f"runs {model.parent} --out {out}.svg",
        "cache clear --older-than 30 --yes",
        f"leaks {task} {genome} --out {out}.tsv",
        f"bench {place} --model {model} --methods gc --seeds 2 --out {out}",
        f"predict {task} --model {model.parents[1] / 'classifier'} --out {out}.tsv",
        f"finetune --model {model} --train {task} --valid {task} --epochs 1 --batch-size 4 --out {out}",
        f"finetune --model {model} --train {task} --target label --learning-rate 0.01 --epochs 1 --out {out}",
        f"glue --model {text} --data {place} --tasks RTE --epochs 1 --out {out}",
        f"embed {place / 'RTE.dev.tsv'} --model {text} --sequence-column sentence1 --out {out}.npy",
        f"variants --model {model} --genome {genome} --out {out}.tsv --window 40 --evaluate AF<0.2 {place / 'x.vcf'}",
        *(f"{verb} --help" for verb in get_command(app).commands if verb != "demo"),  # type: ignore[attr-defined]
    )
    trained = pretrain_genome(Path(genome), Path(out))
    return [
        (trained, []),
        ([*trained, "--ambiguous", "n", "--masking", "uniform", "--resume"], []),
        ([*trained, "--from", str(model)], []),
        ([*trained, "--dry-run"], []),
        (fewshot(Path(task), Path(out)), []),
        *((line.split(), []) for line in lines),
        (f"compare {pair} --seeds 1 --masking uniform --out {out}".split(), ["--genome", "nothere.fa"]),
        (["demo", "--seed", "1"], ["--out", genome]),
    ]


def _mistype(rng: random.Random, words: list[str]) -> None:
    """Change one of the words after the verb."""
    at = rng.randrange(1, len(words) + 1)
    match rng.randrange(8):
        case 0:
            words.insert(at, rng.choice(OPTIONS))
        case 1:
            words.insert(at, any_word(rng))
        case 2:
            words[at : at + 1] = []
        case 3:
            words[at : at + 1] = [rng.choice(PLACES)]
        case 4:
            words[at:at] = words[at : at + 1]
        case _:
            words[at : at + 1] = [any_word(rng)]
