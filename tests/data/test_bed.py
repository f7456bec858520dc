import gzip
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.bed import read_bed
from genomask.data.genome import Genome
from genomask.errors import DataError
from genomask.masking.npmi.counting import count_ngrams

RECORDS = {"one": "ACGTNNACGTAC", "track": "GGGNGACGT", "browserX": "NNN", "two": "TTACGA"}


def bounds_within(length):
    """Start and stop of a region of at least one base."""
    return st.lists(st.integers(0, length), min_size=2, max_size=2, unique=True).map(sorted)


REGIONS = st.sampled_from(list(RECORDS)).flatmap(
    lambda name: st.tuples(st.just(name), bounds_within(len(RECORDS[name])))
)


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "a.fa").write_text(">one\nACGTNNACGT\n>two\nGGGGG\n>three\nNNN\n")
    return Genome.open(tmp_path / "a.fa", cache=tmp_path / "cache")


def regions(genome, tmp_path, text):
    (tmp_path / "r.bed").write_text(text)
    return read_bed(tmp_path / "r.bed", genome).tolist()


def test_regions_become_intervals_of_the_whole_genome(genome, tmp_path):
    assert regions(genome, tmp_path, "two\t1\t3\tname\t0\t-\none\t0\t3\n") == [[0, 3], [11, 13]]


def test_regions_that_overlap_are_counted_once_and_n_is_left_out(genome, tmp_path):
    assert regions(genome, tmp_path, "one 0 8\none 7 9\none 2 3\n") == [[0, 4], [6, 9]]


def test_regions_that_touch_across_records_stay_apart(genome, tmp_path):
    assert regions(genome, tmp_path, "one 8 10\ntwo 0 2\n") == [[8, 10], [10, 12]]


def test_headers_comments_blank_lines_and_gzip_are_read(genome, tmp_path):
    text = "track name=x\nbrowser position one:1-5\n# comment\n\none\t1\t2\n"
    assert regions(genome, tmp_path, text) == [[1, 2]]
    (tmp_path / "r.bed.gz").write_bytes(gzip.compress(text.encode()))
    assert read_bed(tmp_path / "r.bed.gz", genome).tolist() == [[1, 2]]


def test_lines_that_end_in_cr_are_read(genome, tmp_path):
    assert regions(genome, tmp_path, "two\t1\t3\r\none\t0\t3\rone\t6\t7\r") == [[0, 3], [6, 7], [11, 13]]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"one\t0\t{'9' * 5000}", "line 1: not a BED line"),
        ("sequence\tlabel", "line 1: not a BED line"),
        ('"one"\t0\t3', "line 1: the genome has no record '\"one\"'"),
        ("a\x1b[2Jb\t0\t3", r"line 1: the genome has no record 'a\\x1b\[2Jb'"),
    ],
)
def test_a_line_that_is_no_region_is_named_without_control_characters(genome, tmp_path, line, sentence):
    with pytest.raises(DataError, match=sentence):
        regions(genome, tmp_path, line)


def test_a_record_may_be_called_like_the_first_word_of_a_header(tmp_path):
    (tmp_path / "b.fa").write_text(">track1\nACGTA\n>browserX\nCCC\n>track\nGGGG\n")
    text = "track name=x\ntrack\nbrowser hide all\ntrack1\t0\t5\nbrowserX\t1\t3\ntrack\t1\t2\n"
    genome = Genome.open(tmp_path / "b.fa", cache=tmp_path / "cache")
    assert regions(genome, tmp_path, text) == [[0, 5], [6, 8], [9, 10]]


@pytest.fixture(scope="module")
def four_records(tmp_path_factory):
    """The folder of a genome, and the genome."""
    folder = tmp_path_factory.mktemp("bed")
    (folder / "c.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in RECORDS.items()))
    return folder, Genome.open(folder / "c.fa", cache=folder / "cache")


@settings(deadline=None, max_examples=100)
@given(regions=st.lists(REGIONS, min_size=1, max_size=8), data=st.data())
def test_regions_in_any_order_and_number_count_as_their_union_does(four_records, regions, data):
    folder, genome = four_records
    again = data.draw(st.lists(st.sampled_from(regions)))
    lines = [(name, *bounds) for name, bounds in data.draw(st.permutations(regions + again))]
    (folder / "r.bed").write_text("".join(f"{name}\t{start}\t{stop}\n" for name, start, stop in lines))
    covered = {(name, at) for name, start, stop in lines for at in range(start, stop) if RECORDS[name][at] != "N"}
    if not covered:
        with pytest.raises(DataError, match="no region holds a base"):
            read_bed(folder / "r.bed", genome)
        return
    counts = count_ngrams(genome.codes, read_bed(folder / "r.bed", genome), 3)
    for n in (1, 2, 3):
        inside = [
            letters[at : at + n]
            for name, letters in RECORDS.items()
            for at in range(len(letters) - n + 1)
            if covered.issuperset((name, base) for base in range(at, at + n))
        ]
        assert counts[n].tolist() == [inside.count("".join(word)) for word in itertools.product("ACGT", repeat=n)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\t0\t3\nfour\t0\t3\n", r"line 2: the genome has no record 'four'.*one, two"),
        ("tracks\t0\t3\n", "line 1: the genome has no record 'tracks'"),
        ("browser\t0\t3\n", "line 1: the genome has no record 'browser'"),
        ("one\t0\n", "line 1: not a BED line"),
        ("one\tx\t3\n", "line 1: not a BED line"),
        ("one\t-1\t3\n", "line 1: not a BED line"),
        ("one\t3\t2\n", "3-2 is not a part of record one, which has 10 bases"),
        ("two\t0\t6\n", "0-6 is not a part of record two, which has 5 bases"),
        (
            "one\t0\t3\none\t10\t10\n",
            r"r.bed, line 2: 10-10 holds no base, .* set the stop to start \+ 1",
        ),
        ("two\t6\t6\n", "6-6 is not a part of record two"),
        ("three\t0\t3\n", "no region holds a base"),
        ("# nothing\n", "no region holds a base"),
        ("", "the file is empty"),
    ],
)
def test_lines_that_are_no_regions_of_this_genome_are_named(genome, tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        regions(genome, tmp_path, text)
