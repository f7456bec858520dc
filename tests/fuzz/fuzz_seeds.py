"""The valid inputs that cases start from, made by the commands themselves: a small genome, a task, text, a model."""

import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from genomask.inference.hub import open_model

QUICK = (
    "tokens.k=3",
    "windows.max_tokens=32",
    "windows.validation_windows=1",
    "masking.npmi_min_count=2",
    "masking.strategy=uniform",
    "encoder.hidden_size=8",
    "encoder.num_attention_heads=2",
    "encoder.num_hidden_layers=1",
    "encoder.intermediate_size=8",
    "training.steps=6",
    "training.sequences_per_step=2",
    "training.tokens_per_microbatch=300",
    "training.log_every=1",
    "training.checkpoint_every=2",
    "evaluation.every=100",
    "optimizer.warmup_steps=1",
)
"""Settings of a genome recipe with which a run takes a fraction of a second."""

QUICK_TEXT = tuple(
    {"tokens.k=3": "tokens.vocab_size=256", "windows.max_tokens=32": "documents.max_tokens=16"}.get(change, change)
    for change in QUICK
    if change != "windows.validation_windows=1"
)
"""The same for text."""

MINE = '''"""A masking strategy of one's own."""

from genomask.masking import Sequence, hide_bases, mask_token, strategy


@strategy("every-third")
def every_third(sequence: Sequence, phase: int = 0) -> None:
    """Mask every third token."""
    sequence.masked[phase::3] = True
'''

MOTIFS = """>MA0001.1 AGL3
A [ 0 3 79 40 66 ]
C [ 94 75 4 3 1 ]
G [ 1 0 3 4 1 ]
T [ 2 19 11 50 29 ]
>MA0002.1 RUNX1
A [ 10 12 4 1 2 2 ]
C [ 2 2 7 1 0 8 ]
G [ 3 1 1 0 23 0 ]
T [ 11 11 14 24 1 16 ]
"""


def changes(settings: tuple[str, ...]) -> list[str]:
    """`--set` for each of them."""
    return [word for setting in settings for word in ("--set", setting)]


def pretrain_genome(genome: Path, out: Path) -> list[str]:
    """Arguments of a quick run."""
    return ["pretrain", "--genome", str(genome), "--recipe", "genome-demo", *changes(QUICK), "--out", str(out)]


def pretrain_text(corpus: Path, out: Path) -> list[str]:
    """The same on text."""
    return ["pretrain", "--corpus", str(corpus), "--recipe", "c4-tiny", *changes(QUICK_TEXT), "--out", str(out)]


def fewshot(task: Path, out: Path, methods: str = "kmer-logreg", model: str = "none") -> list[str]:
    """Arguments of a few measurements."""
    tables = ["--train", str(task), "--test", str(task), "--shots", "2", "--draws", "2"]
    return ["fewshot", "--model", model, *tables, "--methods", methods, "--out", str(out)]


def make_seeds(folder: Path, run: Callable[[list[str]], None]) -> None:
    """Fill `folder`, whose files never change afterwards; `run` takes the arguments of a command."""
    rng = random.Random(0)
    (folder / "genome.fa").write_text(
        f">chr1 first\n{_lines(rng, 3_000)}>chr2\n{_lines(rng, 900)}NNNNNNNNNN\nacgtnacgt\n"
    )
    (folder / "genome.gb").write_text(_genbank(rng))
    (folder / "genome.2bit").write_bytes(_two_bit(rng))
    rows = [(_bases(rng, 24, "ACGT" if i % 2 else "AACGTT"), i % 2, "ab"[i % 2]) for i in range(12)]
    (folder / "task.tsv").write_text("sequence\tlabel\n" + "".join(f"{bases}\t{label}\n" for bases, label, _ in rows))
    (folder / "task.csv").write_text(
        "name,label,sequence\n" + "".join(f'"x,{i}",{c},{b}\n' for i, (b, _, c) in enumerate(rows))
    )
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "the", "rat", "run", "to", "its", "hat"]
    documents = [{"text": " ".join(rng.choices(words, k=rng.randint(3, 20))), "url": f"u{i}"} for i in range(30)]
    (folder / "shard.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    (folder / "shard.jsonl.zst").write_bytes(
        pa.compress((folder / "shard.jsonl").read_bytes(), codec="zstd", asbytes=True)
    )
    pq.write_table(pa.Table.from_pylist(documents), folder / "shard.parquet", row_group_size=10)
    rte = [
        f"{i}\t{x['text']}\t{' '.join(words[:3])}\t{('', 'not_')[i % 2]}entailment\n" for i, x in enumerate(documents)
    ]
    for split in ("train", "dev"):
        (folder / f"RTE.{split}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + "".join(rte))
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*specials, *sorted(set(words)), *"abcdefghijklmnopqrstuvwxyz"]) + "\n")
    (folder / "regions.bed").write_text("# regions\nchr1\t0\t1500\tx\t0\t+\nchr1\t1400\t2500\nchr2\t10\t800\n")
    (folder / "regions.csv").write_text("id,region,start,end,strand\na,chr1,5,50,+\nb,1,60,90,-\n")
    (folder / "labelled.fa").write_text(
        "".join(f">r{at}|{label}\n{bases}\n" for at, (bases, label, _) in enumerate(rows))
    )
    (folder / "motifs.jaspar").write_text(MOTIFS)
    (folder / "x.vcf").write_text(_vcf((folder / "genome.fa").read_text()))
    (folder / "mine.py").write_text(MINE)
    run(["npmi", str(folder / "genome.fa"), "--max-n", "3", "--min-count", "2", "--out", str(folder / "table.npmi")])
    run(pretrain_genome(folder / "genome.fa", folder / "run"))
    run(pretrain_text(folder / "shard.jsonl", folder / "text-run"))
    run(["export", "--model", str(folder / "run" / "model"), "--to", "mosaicbert", "--out", str(folder / "mosaicbert")])
    run(fewshot(folder / "task.tsv", folder / "fewshot"))
    shutil.rmtree(folder / "text-run" / "checkpoints")
    _classifier(folder / "run" / "model", folder / "classifier")


def _genbank(rng: random.Random) -> str:
    """A record of 600 bases with its annotation."""
    rows = (f"{at + 1:>9} {_bases(rng, 60).lower()}\n" for at in range(0, 600, 60))
    head = "LOCUS       chr1                     600 bp    DNA     linear   UNK 01-JAN-1980\nACCESSION   chr1\n"
    return f"{head}FEATURES             Location/Qualifiers\nORIGIN\n{''.join(rows)}//\n"


def _two_bit(rng: random.Random) -> bytes:
    """A record of 600 bases with a stretch of N and two that are soft-masked."""
    numbers = (0x1A412743, 0, 1, 0), (25,), (600, 1, 10, 20, 2, 5, 100, 8, 40, 0)
    head, offset, record = (struct.pack(f"<{len(row)}I", *row) for row in numbers)
    return head + b"\x04chr1" + offset + record + rng.randbytes(150)


def _classifier(model: Path, folder: Path) -> None:
    """A classifier of two labels, as transformers saves it."""
    trained, tokenizer = open_model(model, "classification", id2label={0: "coding", 1: "other"})
    trained.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _vcf(fasta: str) -> str:
    """Substitutions, insertions and deletions of chr1, with a frequency and a label."""
    bases = "".join(fasta.split(">chr2")[0].splitlines()[1:])
    head = '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n'
    rows = []
    for at in range(100, 130):
        ref, alt = bases[at : at + 1 + at % 3], bases[at] + "ACG"[at % 3]
        rows.append(f"chr1\t{at + 1}\trs{at}\t{ref}\t{alt}\t.\tPASS\tAF=0.{at};S={'ab'[at % 2]}")
    return head + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "\n".join([*rows, ""])


def _bases(rng: random.Random, n: int, letters: str = "ACGT") -> str:
    return "".join(rng.choices(letters, k=n))


def _lines(rng: random.Random, n: int) -> str:
    return "".join(_bases(rng, 60) + "\n" for _ in range(n // 60))
