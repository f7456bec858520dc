"""Files that commands read: FASTA, tables, JSON lines, BED, JASPAR, NPMI tables, vocabularies, regions of a FASTA."""

import gzip
import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_case import Case
from fuzz_damage import NUMBERS, WORDS, any_word, bomb, damaged
from fuzz_seeds import fewshot, pretrain_genome, pretrain_text

HUGE = (
    b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000,), }".ljust(117) + b"\n"
)
Grammar = Callable[[random.Random], bytes]


def given(rng: random.Random, place: Path, seed: Path, grammar: Grammar | None = None, name: str = "") -> Path:
    """A file in `place`: the seed damaged, or what the grammar writes; now and then compressed, renamed or no file."""
    written = bool(grammar and rng.random() < 0.4)
    data = grammar(rng) if grammar and written else seed.read_bytes()
    if not written or rng.random() < 0.3:
        data = damaged(rng, data)
    path = place / (name or seed.name)
    match rng.randrange(200):
        case 0:
            path, data = path.with_name(path.name + ".gz"), gzip.compress(data[:30], mtime=0) + bomb()
        case at if at < 12:
            path, data = path.with_name(path.name + ".gz"), gzip.compress(data, mtime=0)
        case at if at < 24:
            path = path.with_name(path.name + rng.choice((".gz", ".bz2", ".zip", ".txt", "")))
        case at if at < 36:
            path = path.with_name(
                rng.choice(("a b.txt", "[red].fa", "ü.fa", "-x", "%s", "x:1-2", "ACGT", "\x1b[31m.fa", "a\nb"))
            )
    path.write_bytes(data)
    if rng.random() < 0.03:
        path.unlink()
        rng.choice((path.mkdir, lambda: path.symlink_to("nowhere"), lambda: path.symlink_to(path.name), lambda: None))()
    return path


def a_fasta(rng: random.Random) -> bytes:
    """Records with odd names, blank lines, odd letters."""
    letters = rng.choice(
        ("ACGT", "ACGT", "acgtN", "ACGTRYSWKMBDHVNU", "ACGT-", "ACGT*", "A", "N", "ACDEFGHIKLMNPQRSTVWY")
    )
    text = ""
    for _ in range(rng.randint(0, 6)):
        text += f">{rng.choice(('chr1', 'chr2', 'a', '', ' ', any_word(rng)))}{rng.choice(('', ' ', ' about it'))}\n"
        for _ in range(rng.randint(0, 5)):
            text += "".join(rng.choices(letters, k=rng.choice((0, 1, 5, 60, 600)))) + "\n"
    return text.encode()


def fasta(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A genome in any format, counted, trained on or looked at."""
    seed = rng.choice(("genome.fa", "genome.fa", "genome.gb", "genome.2bit"))
    genome = str(given(rng, place, seeds / seed, a_fasta if seed == "genome.fa" else None))
    out = place / "out"
    ambiguous = rng.choice(([], [], ["--ambiguous", "n"]))
    if rng.random() < 0.15:
        mended = pretrain_genome(seeds / "genome.fa", out)
        return Case(arguments=[*pretrain_genome(Path(genome), out), *ambiguous], changes=(out,), mended=mended)
    if rng.random() < 0.1:
        return _mixed(rng, genome, seeds, out)
    if rng.random() < 0.15:
        region = f"{genome}:chr1:{rng.randint(1, 99)}-{rng.randint(100, 200)}"
        return Case(arguments=["masks", region, "--k", "3", "--out", str(out / "m.svg"), *ambiguous], changes=(out,))
    more = rng.choice(([], ["--strand", "both"], ["--definition", "released"]))
    counted = ["npmi", genome, "--max-n", "4", "--min-count", "2", "--out", str(out), *ambiguous, *more]
    return Case(arguments=counted, changes=(out,))


def _mixed(rng: random.Random, genome: str, seeds: Path, out: Path) -> Case:
    """Two genomes with weights, in odd spelling."""
    first, *rest = trained = pretrain_genome(seeds / "genome.gb", out)
    weights = ("2", "1", "0.5", "1e3", "", *NUMBERS)
    named = [f"{file}{rng.choice((':', ':', ':', '', '::'))}{rng.choice(weights)}" for file in (genome, trained[2])]
    more = ["--set", "windows.validation_windows=2"]
    asked = [first, rest[0], *rng.choice((named, named, named[:1], named[::-1])), *rest[2:], *more]
    mended = [first, rest[0], f"{seeds / 'genome.fa'}:2", f"{trained[2]}:1", *rest[2:], *more]
    return Case(arguments=asked, changes=(out,), mended=mended)


def a_table(rng: random.Random) -> bytes:
    """Rows under a header, with odd cells."""
    tab = rng.choice(("\t", "\t", ","))
    header = rng.choice(
        (["sequence", "label"], ["label", "sequence", "x"], ["Sequence ", "LABEL"], ["sequence"], ["seq", "y"])
    )
    cells = (
        (lambda: "".join(rng.choices("ACGT", k=rng.randint(1, 40)))),
        (lambda: rng.choice("01")),
        (lambda: any_word(rng)),
    )
    odd = rng.random() < 0.7
    lines = [tab.join(header)]
    for _ in range(rng.choice((0, 1, 8, 20))):
        row = [cells[2]() if odd and rng.random() < 0.05 else cells["seq" not in n.lower()]() for n in header]
        lines.append(tab.join(row))
    return ("\n".join(lines) + rng.choice(("", "\n", "\n\n"))).encode()


def table(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Labelled sequences; the test may be good and the pool damaged, or the other way round."""
    seed, out = seeds / rng.choice(("task.tsv", "task.csv")), place / "out"
    arguments = fewshot(given(rng, place, seed, a_table), out)
    if rng.random() < 0.5:
        arguments[arguments.index(rng.choice(("--train", "--test"))) + 1] = str(seed)
    return Case(arguments=arguments, changes=(out,), mended=fewshot(seed, out))


def examples(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Examples to fine-tune on, and to stop by; one of the two may be good."""
    seed, out = seeds / rng.choice(("task.tsv", "task.csv")), place / "out"
    verb = ["finetune", "--model", str(seeds / "run" / "model"), "--epochs", "1", "--out", str(out)]
    if seed.suffix == ".tsv" and rng.random() < 0.4:
        verb += ["--target", "label"]
    files = [str(given(rng, place, seed, a_table)), str(seed)]
    train, valid = rng.choice((files, files[::-1], files[:1] * 2))
    mended = [*verb, "--train", str(seed), "--valid", str(seed)]
    return Case(arguments=[*verb, "--train", train, "--valid", valid], changes=(out,), mended=mended)


def sequences(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Sequences that a model reads: FASTA, tables, regions of a genome."""
    kinds = {"genome.fa": a_fasta, "task.tsv": a_table, "task.csv": a_table, "regions.bed": a_bed}
    seed = rng.choice(list(kinds))
    genome = ["--genome", str(seeds / "genome.fa")] if seed == "regions.bed" else []
    file, out = given(rng, place, seeds / seed, kinds[seed]), place / rng.choice(("out.tsv", "out.npy", "out.parquet"))
    if rng.random() < 0.5:
        out = place / "out.tsv"
        verb = ["predict", "--model", str(seeds / "classifier"), "--out", str(out), *genome]
    else:
        pooling = rng.choice(("mean", "center", "cls", "tokens"))
        verb = ["embed", "--model", str(seeds / "run" / "model"), "--pooling", pooling, "--out", str(out), *genome]
    changes = (out, place / "out.names.txt")
    return Case(arguments=[*verb, str(file)], changes=changes, mended=[*verb, str(seeds / seed)])


def leaks(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Sequences that are looked for among others: tables and FASTA in each place."""
    kinds = {"genome.fa": a_fasta, "task.tsv": a_table, "task.csv": a_table}
    seed, other = rng.choice(list(kinds)), str(seeds / rng.choice(list(kinds)))
    file, out, is_first = str(given(rng, place, seeds / seed, kinds[seed])), place / "out.tsv", rng.random() < 0.5
    asked = [["leaks", *((x, other) if is_first else (other, x))] for x in (file, str(seeds / seed))]
    damaged_file, whole = ([*words, "--out", str(out)] for words in asked)
    return Case(arguments=damaged_file, changes=(out,), mended=whole)


def some_json_lines(rng: random.Random) -> bytes:
    """Objects with odd values."""
    values = ("the cat sat", "", None, 5, 1e400, True, ["a"], {"text": "a"}, *WORDS)
    objects = [{"text": "the cat sat on the mat"}] * rng.randint(0, 3)
    objects += [{rng.choice(("text", "text", "body", "")): rng.choice(values)} for _ in range(rng.randint(0, 4))]
    lines = [json.dumps(item, ensure_ascii=rng.random() < 0.5) for item in objects]
    lines += rng.choice(
        ([], [], ["[1, 2]"], ["5"], ["null"], ["{"], ['"text"'], ["[" * 9_999], ['{"text": "\\ud800"}'], ["NaN"])
    )
    rng.shuffle(lines)
    return "\n".join(lines).encode()


def glue(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A task of GLUE, one of its files damaged."""
    out, split = place / "out", rng.choice(("train", "dev"))
    for name in ("RTE.train.tsv", "RTE.dev.tsv"):
        shutil.copy(seeds / name, place / name)
    whole = place / "whole"
    shutil.copytree(place, whole)
    given(rng, place, seeds / f"RTE.{split}.tsv")
    model = seeds / "text-run" / "model"
    asked = ["glue", "--model", str(model), "--tasks", "RTE", "--epochs", "1", "--out", str(out), "--data"]
    return Case(arguments=[*asked, str(place)], changes=(out,), mended=[*asked, str(whole)])


def jsonl(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Text to train on; sometimes it is good and its vocabulary damaged."""
    out, good = place / "out", pretrain_text(seeds / "shard.jsonl", place / "out")
    if rng.random() < 0.25:
        vocabulary = given(rng, place, seeds / "vocab.txt")
        return Case(arguments=[*good, "--vocabulary", str(vocabulary)], changes=(out,), mended=good)
    name = rng.choice(("shard.jsonl", "shard.jsonl", "shard.jsonl.zst", "shard.parquet"))
    shard = given(rng, place, seeds / name, some_json_lines if name == "shard.jsonl" else None)
    policy = rng.choice(([], ["--set", "documents.bad=skip"]))
    return Case(arguments=[*pretrain_text(shard, out), *policy], changes=(out,), mended=good)


def a_bed(rng: random.Random) -> bytes:
    """Intervals with odd ends."""
    ends = ("0", "1", "500", "2999", "3000", "3001", *NUMBERS)
    names = ("chr1", "chr1", "chr2", "chr9", any_word(rng))
    rows = (
        rng.choice(names) + rng.choice("\t\t ") + "\t".join(rng.choices(ends, k=2)) for _ in range(rng.randint(0, 6))
    )
    return "\n".join([rng.choice(("", "track name=x", "# x", "browser position")), *rows]).encode()


def bed(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Regions to count in."""
    regions, out = given(rng, place, seeds / "regions.bed", a_bed), place / "out.npmi"
    counted = ["npmi", str(seeds / "genome.fa"), "--max-n", "3", "--min-count", "2", "--out", str(out)]
    return Case(arguments=[*counted, "--bed", str(regions)], changes=(out,), mended=counted)


def a_vcf(rng: random.Random) -> bytes:
    """Variants with odd columns."""
    spots = ("0", "1", "100", "3000", "3001", *NUMBERS)
    alleles = (
        "A",
        "C",
        "G",
        "T",
        "ACGT",
        "N",
        "R",
        "acg",
        ".",
        "*",
        "<DEL>",
        "A]chr1:5]",
        "",
        "A,C",
        "A,",
        5000 * "AC",
    )
    infos = (".", "", "AF=0.1", "AF=x", "AF=0.1,0.2", "S=a", "DB", "AF=;S", "GM_LLR=1", any_word(rng))
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    if rng.random() < 0.3:
        lines.insert(1, rng.choice(("##INFO=<ID=GM_LLR,Number=A>", "##INFO=<ID=AF,Number=A", "##", any_word(rng))))
    for _ in range(rng.randint(0, 6)):
        name = rng.choice(("chr1", "chr1", "1", "chr2", "chr9", any_word(rng)))
        cells = [name, rng.choice(spots), any_word(rng) if rng.random() < 0.1 else ".", *rng.choices(alleles, k=2)]
        lines.append("\t".join([*cells, ".", ".", rng.choice(infos)][: rng.choice((8, 8, 8, 8, 5))]))
    return rng.choice(("\n", "\n", "\r\n")).join([*lines, ""]).encode()


def vcf(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Variants to score."""
    variants, out = given(rng, place, seeds / "x.vcf", a_vcf), place / rng.choice(("o.tsv", "o.vcf", "o.vcf.gz"))
    asked = ["variants", "--model", str(seeds / "run" / "model"), "--genome", str(seeds / "genome.fa")]
    skip = rng.choice(([], ["--mismatch", "skip"], ["--mismatch", "skip", "--evaluate", rng.choice(("AF<0.2", "S=a"))]))
    where = rng.choice((["--out", str(out)], ["--out", str(out)], []))
    mended = [*asked, "--", str(seeds / "x.vcf")]
    return Case(arguments=[*asked, *skip, *where, "--", str(variants)], changes=(out,), mended=mended)


def a_motif(rng: random.Random) -> bytes:
    """A matrix with odd numbers."""
    rows = (
        f"{letter} [ {' '.join(rng.choices(('0', '3', '20', *NUMBERS), k=rng.randint(0, 5)))} ]"
        for letter in "ACGTN"[: rng.randint(2, 5)]
    )
    return f">{any_word(rng)} {any_word(rng)}\n".encode() + "\n".join(rows).encode()


def jaspar(rng: random.Random, place: Path, seeds: Path) -> Case:
    """Motifs to compare words with."""
    motifs, out = given(rng, place, seeds / "motifs.jaspar", a_motif), place / "out.csv"
    asked = ["npmi", "motifs", str(seeds / "table.npmi"), "--n", "3", "--top", "5", "--jaspar"]
    mended = [*asked, str(seeds / "motifs.jaspar"), "--out", str(out)]
    return Case(arguments=[*asked, str(motifs), "--out", str(out)], changes=(out,), mended=mended)


def an_npmi_table(rng: random.Random) -> bytes:
    """Arrays of odd shapes and types under an odd header, in the form of a table."""
    header: dict[str, Any] = {"format": 2, "min_count": 2, "definition": "exact", "strand": "forward"}
    header |= {"round_to": [], "genome": "x", "regions": ""}
    if rng.random() < 0.5:
        header[rng.choice((*header, "x"))] = rng.choice((-1, 0, 2, 10**12, 1.5, "", "both", None, [], [1], "\x1b[31m"))
    arrays = {f"n{n}": np.full(4**n, 7, np.uint8) for n in range(1, 4)} | {"header": np.array(json.dumps(header))}
    odd = (np.zeros(4), np.array([-1, 2, 3, 4]), np.full(4, np.nan), np.array("x"), np.zeros((4, 4)), np.zeros(0))
    if rng.random() < 0.5:
        arrays[rng.choice(("n1", "n2", "n3", "n4", "n13", "x", "header"))] = rng.choice(odd)
    with io.BytesIO() as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        if rng.random() < 0.3:  # a header alone that promises 10**9 numbers
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr("n5.npy", HUGE)
        return file.getvalue()


def npmi_file(rng: random.Random, place: Path, seeds: Path) -> Case:
    """A table of scores: shown, used for masking, or compared with motifs."""
    counted, out = str(given(rng, place, seeds / "table.npmi", an_npmi_table)), place / "out.svg"
    good, motifs = seeds / "table.npmi", str(seeds / "motifs.jaspar")
    if rng.random() < 0.2:  # --out names an existing file: a table, which is replaced, or another, which is not
        shutil.copy(seeds / "genome.fa", place / "g.fa")
        there = rng.choice((place / "g.fa", Path(counted)))
        return Case(
            arguments=["npmi", str(place / "g.fa"), "--max-n", "3", "--out", str(there)], changes=(Path(counted),)
        )
    asked = rng.choice((
        ["npmi", "show", counted], ["npmi", "show", counted, "--n", "2", "--tsv", str(out)],
        ["npmi", "motifs", counted, "--jaspar", motifs, "--n", "3", "--top", "5"],
        ["masks", "ACGTTGCAACGT", "--k", "3", "--masking", "genemask", "--npmi", counted, "--out", str(out)],
    ))  # fmt: skip
    return Case(arguments=asked, changes=(out,), mended=[str(good) if word == counted else word for word in asked])


def region(rng: random.Random, place: Path, seeds: Path) -> Case:
    """FASTA:RECORD:FIRST-LAST, or letters, in odd spelling."""
    shutil.copy(seeds / "genome.fa", place / "genome.fa")
    ends = ("1", "5", "40", "120", "3000", "3001", *NUMBERS)
    text = "".join((
        rng.choice(("genome.fa", "genome.fa", "./genome.fa", "nothere.fa", any_word(rng))), rng.choice(":::, "),
        rng.choice(("chr1", "chr1", "chr2", "chr1 first", any_word(rng))), rng.choice(":::-"),
        rng.choice(ends), rng.choice(("-", "-", "..", ":", "")), rng.choice(ends),
    ))  # fmt: skip
    if rng.random() < 0.3:
        text = rng.choice((any_word(rng), "".join(rng.choices("ACGTNRUacgtn-* ", k=rng.choice((1, 3, 9, 60, 3_000))))))
    text = text.replace("\x00", "")[:100_000]
    out = place / "m.svg"
    return Case(arguments=["masks", text, "--k", "3", "--masking", "uniform", "--out", str(out)], changes=(out,))
