"""Every mistake on the design's list, made on the command line: one sentence on stderr, exit 2, no traceback."""

import gzip
import json
import resource
import sys

import pytest

from genomask.cli import app as cli
from genomask.commands.pretrain import build_run
from genomask.data.opening import Inputs
from genomask.errors import DataError, SettingsError
from genomask.files.inputs import require_model
from genomask.masking import rates
from genomask.recipe import load_recipe

GOOD = "ACGTACGGTTCA" * 200
TASK = "sequence\tlabel\n" + "".join(f"ACGT{'ACGT'[i % 4]}\t{i % 2}\n" for i in range(40))
SMALL = ["encoder.hidden_size=16", "encoder.intermediate_size=16", "encoder.num_hidden_layers=1", "tokens.k=2",
         "training.sequences_per_step=2", "masking.strategy=uniform"]  # fmt: skip
SMALL = [word for change in SMALL for word in ("--set", change)]
TINY = ["--recipe", "genome-demo", "--set", "training.steps=2", "--set", "windows.validation_windows=1"]


def run(monkeypatch, capsys, *arguments) -> tuple[int, str]:
    """Exit code and stderr of `genomask ...`."""
    monkeypatch.setattr(sys, "argv", ["genomask", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr().err


def assert_one_sentence(code: int, said: str, *words: str) -> None:
    last = said.strip().splitlines()[-1]
    assert code == 2
    assert last.startswith("error: ")
    assert "Traceback" not in said
    for word in words:
        assert word in last


GENOMES = {
    "missing": (None, ["no such file"]),
    "empty": (b"", ["the file is empty"]),
    "not FASTA": (b"once upon a time\n", [">"]),
    "truncated gzip": (gzip.compress(f">a\n{GOOD}\n".encode())[:-20], ["cut"]),
    "zip": (b"PK\x03\x04" + bytes(100), ["a zip archive"]),
    "duplicate names": (f">a\n{GOOD}\n>a\n{GOOD}\n".encode(), ["line 3", "record a appears twice"]),
    "letters outside IUPAC": (f">a\n{GOOD}\nACGJ\n".encode(), ["line 3", "J"]),
    "ambiguous letters": (f">a\n{GOOD}\nACGR\n".encode(), ["line 3", "R", "--ambiguous n"]),
    "too short": (b">a\nACGTACGT\n", ["windows.max_tokens"]),
    "all N": (b">a\nNNNNNNNNNNNN\n", ["all 12 bases are N"]),
}


@pytest.mark.parametrize("name", GENOMES)
def test_a_bad_genome_is_one_clear_error(name, tmp_path, monkeypatch, capsys):
    content, words = GENOMES[name]
    path = tmp_path / "genome.fa"
    if content is not None:
        path.write_bytes(content)
    out = tmp_path / "out"
    code, said = run(monkeypatch, capsys, "pretrain", "--genome", path, "--out", out, *TINY)
    assert_one_sentence(code, said, "genome", *words)
    assert not (out / "model").exists()


def test_a_comparison_accepts_the_option_that_its_error_suggests(tmp_path, monkeypatch, capsys):
    genome, task, out = tmp_path / "genome.fa", tmp_path / "task.tsv", tmp_path / "out"
    genome.write_text(f">a\n{GOOD}\nACGR\n")
    task.write_text("sequence\tlabel\nACGTT\t1\nACGGA\t0\n")
    arguments = ["compare", "--genome", genome, "--train", task, "--test", task, "--shots", "1", "--out", out, *TINY]
    arguments += ["--masking", "uniform,contiguous", "--seeds", "1", "--methods", "probe"]
    code, said = run(monkeypatch, capsys, *arguments)
    assert_one_sentence(code, said, "genome.fa, line 3", "R", "--ambiguous n")

    def arms_would_run(_kind):
        raise SettingsError("the genome was read; here the arms would run")

    monkeypatch.setattr("genomask.commands.compare.workers.multiprocessing.get_context", arms_would_run)
    code, said = run(monkeypatch, capsys, *arguments, "--ambiguous", "n")
    assert_one_sentence(code, said, "the genome was read")


SHARDS = {
    "not JSON lines": ("hello\n", ["line 1: not JSON"]),
    "no text": (json.dumps({"body": "x"}) + "\n", ["line 1: no string under 'text'", "body"]),
    "empty": ("", ["the file is empty"]),
}


@pytest.mark.parametrize("name", SHARDS)
def test_a_bad_shard_is_one_clear_error(name, tmp_path, monkeypatch, capsys):
    content, words = SHARDS[name]
    path = tmp_path / "shard.jsonl"
    path.write_text(content)
    code, said = run(monkeypatch, capsys, "pretrain", "--corpus", path, "--recipe", "c4-tiny", "--out", tmp_path / "o")
    assert_one_sentence(code, said, "shard.jsonl", *words)


@pytest.mark.parametrize("verb", ["genome", "corpus", "masks"])
def test_a_cache_folder_that_is_a_file_is_one_clear_error(verb, tmp_path, monkeypatch, capsys):
    cache, genome, shard = (tmp_path / name for name in ("cache", "genome.fa", "shard.jsonl"))
    cache.write_text("")
    genome.write_text(f">a\n{GOOD}\n")
    shard.write_text(json.dumps({"text": "a cat"}) + "\n")
    monkeypatch.setenv("GENOMASK_CACHE", str(cache))
    monkeypatch.setattr(rates, "in_memory", {})
    verbs = {
        "genome": ["pretrain", "--genome", genome, "--out", tmp_path / "out", *TINY],
        "corpus": ["pretrain", "--corpus", shard, "--recipe", "c4-tiny", "--out", tmp_path / "out"],
        "masks": ["masks", GOOD[:60], "--masking", "random-span"],
    }
    assert_one_sentence(*run(monkeypatch, capsys, *verbs[verb]), str(cache), "Set GENOMASK_CACHE")


TASKS = {
    "missing column": ("sequence\tkind\nACGT\t1\n", ["label", "kind"]),
    "one class": ("sequence\tlabel\nACGT\t1\nACGG\t1\n", ["at least two classes"]),
    "too few": ("sequence\tlabel\nACGTT\t1\nACGGA\t0\n", ["10-shot", "once"]),
    "empty sequence": ("sequence\tlabel\nACGT\t1\n\t0\n", ["row 3: the sequence is empty"]),
    "odd letters": ("sequence\tlabel\nACGT\t1\nAC!T\t0\n", ["row 3", "!"]),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_bad_task_is_one_clear_error(name, tmp_path, monkeypatch, capsys):
    content, words = TASKS[name]
    path = tmp_path / "task.tsv"
    path.write_text(content)
    arguments = ["fewshot", "--model", tmp_path, "--train", path, "--test", path, "--shots", "10"]
    code, said = run(monkeypatch, capsys, *arguments, "--methods", "kmer-logreg", "--out", tmp_path / "out")
    assert_one_sentence(code, said, "task.tsv", *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.stepz=1", ["stepz", "known"]),
        ("tokens.k=9", ["tokens.k", "262,149 tokens"]),
        ("tokens.k=12", ["tokens.k", "16,777,221 tokens"]),
        ("tokens.k=0", ["tokens.k must be from 1 to 8, got 0"]),
        ("tokens.stride=2", ["tokens.stride must be 1"]),
        ("training.device=cuda", ["cuda", "GPU"]),
        ("masking.strategy=magic", ["magic", "genemask"]),
        ("encoder.attention_backend=flash", ["flash", "sdpa"]),
        ("training.tokens_per_microbatch=10", ["tokens_per_microbatch"]),
    ],
)
def test_a_bad_setting_is_one_clear_error(change, words, tmp_path, monkeypatch, capsys):
    path = tmp_path / "genome.fa"
    path.write_text(f">a\n{GOOD}\n")
    arguments = ["pretrain", "--genome", path, "--out", tmp_path / "out", *TINY]
    code, said = run(monkeypatch, capsys, *arguments, "--set", "masking.strategy=uniform", "--set", change)
    assert not (tmp_path / "out").exists()
    assert_one_sentence(code, said, *words)


def test_the_error_for_a_folder_without_a_model_depends_on_its_content(tmp_path):
    with pytest.raises(DataError, match=r"no model here \(no config.json\); give a run's folder"):
        require_model(tmp_path)
    (tmp_path / "protocol.json").touch()
    with pytest.raises(DataError, match="but results measured on one; give that model"):
        require_model(tmp_path)
    for path in ("RTE/seed-0/model", "mine"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "config.json").touch()
    with pytest.raises(DataError, match=r"but below it: give .*/RTE/seed-0, .*/mine"):
        require_model(tmp_path)


def test_a_file_is_not_accepted_as_a_model(tmp_path):
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    with pytest.raises(DataError, match=r"g\.fa: this is a file, but a model is a folder; give that of a run or of a"):
        require_model(tmp_path / "g.fa")


def test_a_missing_model_folder_is_one_clear_error(tmp_path, monkeypatch, capsys):
    path = tmp_path / "task.tsv"
    path.write_text(TASK)
    arguments = ["fewshot", "--model", tmp_path / "nothing", "--train", path, "--test", path, "--shots", "5"]
    code, said = run(monkeypatch, capsys, *arguments, "--methods", "probe", "--out", tmp_path / "out")
    assert_one_sentence(code, said, "nothing: no model here")


IN_FOLDERS = {
    "pretrain": ["--genome", "genome.fa", *TINY],
    "compare": ["--genome", "genome.fa", "--train", "task.tsv", "--test", "task.tsv", "--shots", "5", *TINY],
    "fewshot": ["--model", ".", "--train", "task.tsv", "--test", "task.tsv", "--methods", "kmer-logreg"],
    "export": ["--model", ".", "--to", "bert"],
    "demo": [],
}


@pytest.mark.parametrize("out", ["task.tsv/run", "task.tsv", "link", 300 * "a"])
@pytest.mark.parametrize("verb", IN_FOLDERS)
def test_an_output_folder_that_cannot_be_made_is_one_clear_error(verb, out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "genome.fa").write_text(f">a\n{GOOD}\n")
    (tmp_path / "task.tsv").write_text(TASK)
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    code, said = run(monkeypatch, capsys, verb, *IN_FOLDERS[verb], "--out", out)
    assert_one_sentence(code, said, out, "another --out")
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "task.tsv").read_text() == TASK


@pytest.fixture
def small_files():
    """A function that sets how many bytes a file can have at most, like a disk that fills up at a chosen place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_anywhere_is_reported_and_the_run_can_resume(tmp_path, monkeypatch, capsys, small_files):
    (tmp_path / "genome.fa").write_text(f">a\n{GOOD}\n")
    out = tmp_path / "out"
    arguments = ["pretrain", "--genome", tmp_path / "genome.fa", "--out", out, *TINY, *SMALL]
    recipe = load_recipe("genome-demo", [word for word in (*TINY, *SMALL) if "=" in word])
    warm = build_run(recipe, Inputs(genome=(str(tmp_path / "genome.fa"),)), tmp_path)
    warm.batches.of(0)  # fills the caches of genome and compiled loops, which would hit the limit otherwise
    named = []
    for most in (300, 5_000, 60_000, 10**9):
        resume = ["--resume"] if (out / "config.toml").exists() else []
        small_files(most)
        code, said = run(monkeypatch, capsys, *arguments, *resume)
        small_files(resource.RLIM_INFINITY)
        if code:
            assert_one_sentence(code, said, str(out), "File too large", "free space", "--resume")
            named.append(said.rsplit(str(out), 1)[1].split(":")[0].split(" ")[0])
        assert not list(out.rglob(".*"))
    assert code in (0, None)
    assert named == ["/config.toml", "/checkpoints", "/curves.png"]
