import errno
import gzip
import multiprocessing
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import fasta, genome_builder, genome_cache
from genomask.data.genome import Genome
from genomask.errors import DataError, SettingsError

FIRST = ">chr1 first\nACGTNNac\ngtACGT\n>chr2\nnnACGTac\n"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "first.fa", FIRST)


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def left_in(cache):
    return sorted(path.name for path in (cache / "genomes").glob("*"))


def forbid_parsing(monkeypatch):
    def refuse(*_):
        raise AssertionError("the files were parsed again")

    monkeypatch.setattr(genome_builder, "read_genome", refuse)


def spans(pattern, sequences):
    """Where a pattern matches in sequences that lie end to end; no match crosses a border."""
    found, offset = [], 0
    for sequence in sequences:
        found += [[offset + match.start(), offset + match.end()] for match in re.finditer(pattern, sequence)]
        offset += len(sequence)
    return found


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))


def test_a_genome_holds_codes_runs_and_repeats_of_all_records_end_to_end(path, cache):
    genome = Genome.open(path, cache=cache)
    assert genome.codes.tolist() == [0, 1, 2, 3, 4, 4, 0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 0, 1, 2, 3, 0, 1]
    assert genome.names == ["chr1", "chr2"]
    assert genome.offsets.tolist() == [0, 14, 22]
    assert genome.runs.tolist() == [[0, 4], [6, 14], [16, 22]]
    assert genome.repeats.tolist() == [[6, 10], [14, 16], [20, 22]]
    assert isinstance(genome.codes, np.memmap)
    assert not genome.codes.flags.writeable
    assert {array.dtype for array in (genome.offsets, genome.runs, genome.repeats)} == {np.dtype(np.int64)}


@settings(deadline=None, max_examples=60)
@given(
    sequences=st.lists(st.text("ACGTNacgtn", min_size=1, max_size=50), min_size=1, max_size=4),
    files=st.integers(1, 3),
    chunk=st.integers(1, 40),
)
def test_runs_and_repeats_are_what_regular_expressions_find_record_by_record(tmp_path_factory, sequences, files, chunk):
    sequences[0] += "A"  # not all N
    folder = tmp_path_factory.mktemp("genome")
    parts = [list(range(len(sequences)))[number::files] for number in range(files)]
    paths = [
        written(folder / f"{number}.fa", "".join(f">r{i}\n{sequences[i]}\n" for i in part))
        for number, part in enumerate(parts)
        if part
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "CHUNK_BYTES", chunk)
        patch.setattr(genome_builder, "CHUNK_BYTES", chunk)
        patch.setattr(fasta, "MAX_HEADER_BYTES", 10)
        genome = Genome.open(paths, cache=folder / "cache")
    ordered = [sequences[i] for part in parts for i in part]
    offsets = np.cumsum([0, *map(len, ordered)])
    assert genome.offsets.tolist() == offsets.tolist()
    assert genome.runs.tolist() == spans("[ACGTacgt]+", ordered)
    assert genome.repeats.tolist() == spans("[a-z]+", ordered)
    assert "".join("ACGTN"[code] for code in genome.codes) == "".join(ordered).upper()


def test_the_second_opening_reads_the_cache_and_gives_the_same_genome(path, cache, monkeypatch):
    first = Genome.open(path, cache=cache)
    forbid_parsing(monkeypatch)
    assert same(first, Genome.open(str(path), cache=cache))
    assert same(first, Genome.open([path], cache=cache))


def test_the_cache_folder_can_come_from_the_environment(path, tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "elsewhere"))
    Genome.open(path)
    assert len(left_in(tmp_path / "elsewhere")) == 1


def test_a_genome_is_rebuilt_when_its_file_or_the_reading_of_letters_changes(path, cache):
    before = Genome.open(path, cache=cache)
    written(path, FIRST.replace("NN", "RY"))
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="Pass --ambiguous n"):
        Genome.open(path, cache=cache)
    after = Genome.open(path, cache=cache, ambiguous="n")
    assert (before.ambiguous, after.ambiguous) == (0, 2)
    assert same(before, replace(after, ambiguous=0))
    assert len(left_in(cache)) == 2
    with pytest.raises(DataError, match="Pass --ambiguous n"):  # the cached genome was read differently
        Genome.open(path, cache=cache)


def test_the_fingerprint_follows_the_content_and_not_the_files(tmp_path, path, cache):
    packed = tmp_path / "packed.fna"
    packed.write_bytes(gzip.compress(FIRST.lower().encode()))
    one, two = FIRST.split(">chr2")
    split = [written(tmp_path / "one.fa", one), written(tmp_path / "two.fa", ">other" + two)]
    other_base = written(tmp_path / "base.fa", FIRST.replace("ACGTN", "ACGAN"))
    other_border = written(tmp_path / "border.fa", FIRST.replace("ACGT\n>chr2\nnn", "ACG\n>chr2\nTnn"))
    prints = [Genome.open(x, cache=cache).fingerprint for x in (path, packed, split, other_base, other_border)]
    assert prints[0] == prints[1] == prints[2]
    assert len(set(prints)) == 3


def test_a_name_that_an_earlier_file_used_gets_the_stem_of_its_own_file(tmp_path, cache, caplog):
    paths = [
        written(tmp_path / "a" / "hg18.part.fa", ">chr1\nACGT\n>chr2\nCC\n"),
        written(tmp_path / "a" / "hg19.part.fa.gz", ">chr1\nACGG\n>chr3\nCC\n"),
        written(tmp_path / "b" / "hg19.part.fna", ">chr1\nACGA\n"),
    ]
    genome = Genome.open(paths, cache=cache)
    assert genome.names == ["chr1", "chr2", "hg19.part:chr1", "chr3", "hg19.part-2:chr1"]
    assert "an earlier file also has a record chr1; this one is renamed hg19.part:chr1" in caplog.text
    assert genome.interval("hg19.part:chr1:2-3") == (7, 9)


def test_the_same_sequence_given_twice_is_refused(tmp_path, path, cache):
    with pytest.raises(DataError, match=r"the same file as .*first.fa, given twice"):
        Genome.open([path, tmp_path / "." / "first.fa"], cache=cache)
    copy = written(tmp_path / "copy.fa", FIRST)
    with pytest.raises(DataError, match=r"copy.fa: record chr1 has the same name and the same bases as in .*first.fa"):
        Genome.open([path, copy], cache=cache)
    assert left_in(cache) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (">a\nNNNN\n>b\nnn\n", "all 6 bases are N, none is A, C, G or T"),
        (">a\nACGT\n>a\nAC\n", "line 3: record a appears twice"),
        (">a\nACGT\n>b\nACGJ\n", "line 4, record b: 'J'"),
    ],
)
def test_a_genome_that_cannot_be_used_leaves_nothing_in_the_cache(tmp_path, cache, text, sentence):
    with pytest.raises(DataError, match=sentence):
        Genome.open(written(tmp_path / "bad.fa", text), cache=cache)
    assert left_in(cache) == []


def test_no_file_at_all_is_refused(cache):
    with pytest.raises(DataError, match="no genome file was given"):
        Genome.open([], cache=cache)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no disk space left .* set GENOMASK_CACHE to a folder on a larger disk"),
        (errno.EACCES, "cannot be used .* Set GENOMASK_CACHE to a folder that you may write to"),
    ],
)
def test_a_full_or_locked_disk_is_one_clear_error_and_leaves_nothing(path, cache, monkeypatch, number, sentence):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match=sentence):
        Genome.open(path, cache=cache)
    assert left_in(cache) == []


def test_a_cache_folder_that_is_a_file_is_a_clear_error(path):
    with pytest.raises(DataError, match="the cache cannot be used"):
        Genome.open(path, cache=path)


def test_a_genome_file_that_grows_while_it_is_read_is_refused(path, cache, monkeypatch):
    def grow(*arguments):
        yield from fasta.read_fasta(*arguments)
        os.utime(path, ns=(5, 5))

    monkeypatch.setattr(genome_builder, "read_genome", grow)
    with pytest.raises(DataError, match="changed while it was read"):
        Genome.open(path, cache=cache)
    assert left_in(cache) == []


@pytest.mark.parametrize("file", ["codes.bin", "offsets.npy", "runs.npy", "repeats.npy", "genome.json", "seal.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "flipped", "zeros"])
def test_a_damaged_cache_is_rebuilt(path, cache, file, damage, caplog):
    first = Genome.open(path, cache=cache)
    codes = np.array(first.codes)
    victim = next((cache / "genomes").glob(f"*/{file}"))
    if damage == "gone":
        victim.unlink()
    else:
        content = victim.read_bytes()
        victim.unlink()  # a new file: cutting the old one would pull the memory map from under `first`
        middle = content.index(b"files") if file == "seal.json" else len(content) // 2  # a wrong stamp is harmless
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        victim.write_bytes({"cut": content[:middle], "flipped": flipped, "zeros": bytes(len(content))}.get(damage, b""))
    again = Genome.open(path, cache=cache)
    assert again.codes.tolist() == codes.tolist()
    assert again.names == first.names
    assert again.runs.tolist() == first.runs.tolist()
    assert again.repeats.tolist() == first.repeats.tolist()
    assert left_in(cache) == [victim.parent.name]
    assert "it is rebuilt" in caplog.text


def test_a_copied_cache_is_checked_in_full_once_and_then_trusted(path, cache, monkeypatch):
    first = Genome.open(path, cache=cache)
    shutil.copytree(cache, cache.with_name("copy"))  # other inodes and times, the same content
    forbid_parsing(monkeypatch)
    assert same(first, Genome.open(path, cache=cache.with_name("copy")))
    monkeypatch.setattr("genomask.files.cache.checksum", lambda path: pytest.fail(f"{path} was read through again"))
    assert same(first, Genome.open(path, cache=cache.with_name("copy")))


@pytest.mark.parametrize("how", ["in place", "renamed over it"])
def test_a_genome_replaced_by_one_of_the_same_size_and_time_is_noticed(path, cache, how):
    Genome.open(path, cache=cache)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    new = path if how == "in place" else path.with_name("new.fa")
    new.write_text(FIRST.replace("ACGTac", "TTTTTT"))
    os.utime(new, ns=times)
    new.replace(path)
    assert Genome.open(path, cache=cache).codes.tolist()[-6:] == [3] * 6
    assert len(left_in(cache)) == 1


def test_the_genome_that_another_process_built_first_is_kept(path, cache, monkeypatch):
    original = genome_cache.write_arrays

    def write_slowly(folder, *arguments):
        monkeypatch.setattr(genome_cache, "write_arrays", original)
        original(folder, *arguments)
        theirs.append(Genome.open(path, cache=cache))  # the other process finishes between our parsing and our renaming
        theirs.append(next((cache / "genomes").glob("first-*")).stat().st_ino)

    theirs = []
    monkeypatch.setattr(genome_cache, "write_arrays", write_slowly)
    assert same(Genome.open(path, cache=cache), theirs[0])
    assert next((cache / "genomes").iterdir()).stat().st_ino == theirs[1]
    assert len(left_in(cache)) == 1


def open_and_sum(arguments):
    path, cache = arguments
    return int(Genome.open(path, cache=cache).codes.astype(np.int64).sum())


def test_several_processes_may_build_the_same_genome_at_once(tmp_path, cache):
    path = written(tmp_path / "shared.fa", ">a\n" + "ACGTTTGCA" * 20_000)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(open_and_sum, [(path, cache)] * 8, chunksize=1))) == 1
    assert len(left_in(cache)) == 1


def test_what_a_killed_process_left_is_removed_after_a_day(path, cache):
    old, young, growing = (cache / "genomes" / f".first-{name}" for name in ("old", "young", "growing"))
    for folder in (old, young, growing):
        folder.mkdir(parents=True)
    (growing / "codes.bin").write_bytes(b"")
    os.utime(old, (1, 1))
    os.utime(growing, (1, 1))
    Genome.open(path, cache=cache)
    assert not old.exists()
    assert young.exists()
    assert growing.exists()


def test_intervals_are_read_as_samtools_writes_them(tmp_path, cache):
    genome = Genome.open(written(tmp_path / "x.fa", ">a\n" + "A" * 3000 + "\n>a:1-2\nCCCC\n"), cache=cache)
    assert genome.interval("a") == (0, 3000)
    assert genome.interval("a:1,001-2,000") == (1000, 2000)
    assert genome.interval("a:3000-3000") == (2999, 3000)
    assert genome.interval("a:1-2") == (3000, 3004)  # a record of that very name
    assert genome.interval("a:1-2:4-4") == (3003, 3004)


@pytest.mark.parametrize("text", ["a:0-5", "a:1-3001", "a:,-5"])
def test_parts_that_a_record_does_not_have_are_refused(tmp_path, cache, text):
    genome = Genome.open(written(tmp_path / "x.fa", ">a\n" + "A" * 3000 + "\n"), cache=cache)
    with pytest.raises(SettingsError, match="is not a part of record a, which has bases 1-3,000"):
        genome.interval(text)


def test_a_part_that_ends_before_it_begins_is_refused(tmp_path, cache):
    genome = Genome.open(written(tmp_path / "x.fa", ">a\n" + "A" * 3000 + "\n"), cache=cache)
    with pytest.raises(SettingsError, match="'a:50-10' ends before it begins"):
        genome.interval("a:50-10")


def test_an_unknown_record_is_refused_with_the_known_ones(tmp_path, cache):
    genome = Genome.open(written(tmp_path / "x.fa", "".join(f">r{i}\nACGT\n" for i in range(12))), cache=cache)
    with pytest.raises(SettingsError, match=r"no record 'chrX'. Its records are: r0, r1, .*, r9 and 2 more\."):
        genome.interval("chrX:1-20")
    with pytest.raises(SettingsError, match="no record 'r1:5'"):
        genome.interval("r1:5")


def test_all_human_pieces_open_in_one_call(shared_data, cache):
    genome = Genome.open(sorted((shared_data / "genomes" / "human").glob("*.fa.gz")), cache=cache)
    lengths = dict(zip(genome.names, np.diff(genome.offsets).tolist(), strict=True))
    assert len(lengths) == 72
    assert lengths["chr22"] == 22_000_000
    assert lengths["chr20"] == 63_025_520
    start, stop = genome.interval("chr22")
    of_chr22 = genome.runs[(genome.runs[:, 0] >= start) & (genome.runs[:, 1] <= stop)]
    assert int(np.diff(of_chr22).sum()) == 5_699_979
    masked = genome.repeats[(genome.repeats[:, 0] >= start) & (genome.repeats[:, 1] <= stop)]
    assert int(np.diff(masked).sum()) == 2_743_023 + 17  # lower-case ACGT, and 17 lower-case n


def test_reading_logs_its_progress_and_opening_from_the_cache_logs_nothing(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("genomask.terminal.progress.LINE_SECONDS", 0)
    caplog.set_level("INFO", logger="genomask")
    fasta = tmp_path / "genome.fa"
    fasta.write_text(">a\nACGT\n>b\nACGTAC\n")
    Genome.open(fasta, cache=tmp_path / "cache")
    assert [line for line in caplog.messages if "10 bases" in line] == ["reading the genome: 10 bases, 0:00:00 so far"]
    caplog.clear()
    Genome.open(fasta, cache=tmp_path / "cache")
    assert caplog.messages == []
