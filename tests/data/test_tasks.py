"""Labelled tasks: what is read, and the sentence for each way a file can be bad."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.tasks import _join_kmers, read_task
from genomask.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(text, name="task.tsv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


@pytest.mark.parametrize("name", ["promoter.tsv", "promoter.tsv.gz", "promoter.csv"])
def test_tsv_csv_and_gzip_are_read_alike(write, name):
    text = "sequence\tlabel\nacgu\t1\nNRYA\t0\n\n  ACGTT \t1\r\n"
    task = read_task(write(text.replace("\t", ",") if "csv" in name else text, name))
    assert task.sequences == ["ACGT", "NNNA", "ACGTT"]
    assert (task.labels.tolist(), task.classes, task.name) == ([1, 0, 1], ["0", "1"], "promoter")


def test_columns_are_found_by_name_and_others_ignored(write):
    task = read_task(write("id\tLabel\tSequence\na\tx\tACG\nb\ty\tTTT\n"), name="mine")
    assert (task.sequences, task.classes, task.name) == (["ACG", "TTT"], ["x", "y"], "mine")


def test_quoted_cells_of_a_csv_are_read(write):
    task = read_task(write('note,sequence,label\n"a, b","ACG","0"\n"c",TTT,1\n', "t.csv"))
    assert task.sequences == ["ACG", "TTT"]


def test_integer_classes_are_in_numeric_order_and_words_in_alphabetic(write):
    assert read_task(write("sequence\tlabel\nA\t10\nC\t9\nG\t-1\n")).classes == ["-1", "9", "10"]
    assert read_task(write("sequence\tlabel\nA\t10\nC\t9\nG\tno\n")).classes == ["10", "9", "no"]


@settings(deadline=None, max_examples=50)
@given(sequence=st.text("ACGT", min_size=8, max_size=40), k=st.integers(1, 7))
def test_overlapping_kmers_join_back_to_their_sequence(sequence, k):
    words = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
    assert _join_kmers(words, "here") == sequence


BAD_FILES = {
    "missing column": ("seq\tlabel\nA\t0\n", "row 1: no column 'sequence' among: seq, label"),
    "column twice": ("sequence\tlabel\tlabel\nA\t0\t1\n", "row 1: 2 columns are called 'label'"),
    "one class": ("sequence\tlabel\nA\t0\nC\t0\n", "all 2 rows have label '0'"),
    "no rows": ("sequence\tlabel\n", "no rows below the header"),
    "empty sequence": ("sequence\tlabel\nA\t0\n\t1\n", "row 3: the sequence is empty"),
    "empty label": ("sequence\tlabel\nA\t0\nC\t \n", "row 3: the label is empty"),
    "odd letter": ("sequence\tlabel\nA\t0\n\nACXT\t1\n", "row 4: 'X' at position 3 is no letter of DNA"),
    "inconsistent k-mers": ("sequence\tlabel\nACG CGT\t0\nACG GTT\t1\n", "row 3: 'GTT', word 2, does not go on"),
    "k-mers of two lengths": ("sequence\tlabel\nACG CGT\t0\nACG CGTT\t1\n", "row 3: 'CGTT', word 2"),
    "a short row": ("sequence\tlabel\nACG\n", "row 2: 1 columns where the header has 2"),
    "not a table": (">chr1\nACGT\n", "row 1: neither a tab nor a comma in '>chr1'"),
    "empty file": ("", "the file is empty"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_gets_its_sentence(write, case):
    text, message = BAD_FILES[case]
    path = write(text)
    with pytest.raises(DataError) as caught:
        read_task(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_text_get_their_sentence(write, tmp_path):
    path = write("sequence\tlabel\n" + "ACGT\t0\nACCT\t1\n" * 5000, "cut.tsv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    binary = tmp_path / "binary.tsv"
    binary.write_bytes(b"sequence\tlabel\n\xff\xfe\xfa\t0\n")
    archive = tmp_path / "archive.tsv"
    archive.write_bytes(b"PK\x03\x04....")
    for file, message in [
        (path, "cut short or damaged after line"),
        (binary, "line 2: not UTF-8"),
        (archive, "this is a zip archive"),
        (tmp_path, "this is a folder"),
        (tmp_path / "absent.tsv", "no such file"),
    ]:
        with pytest.raises(DataError, match=message):
            read_task(file)


def test_the_published_tasks_are_read(shared_data):
    folder = shared_data / "genemask" / "fewshot"
    task = read_task(folder / "Splice-40" / "50.tsv.gz", "Splice-40")
    assert (len(task.sequences), task.classes) == (1500, ["0", "1", "2"])
    assert {len(x) for x in task.sequences} == {40}
    assert [int((task.labels == i).sum()) for i in range(3)] == [500, 500, 500]
