"""Labelled tasks: what is read, and the error for each way a file can be bad."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import lines
from genomask.data.sequences import join_kmers
from genomask.data.tasks import Columns, read_task
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


@settings(deadline=None, max_examples=100)
@given(
    notes=st.lists(st.text('"x ', max_size=4), min_size=2, max_size=12),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=13, max_size=13),
    first=st.booleans(),
)
def test_every_row_of_a_tsv_is_read_whatever_quotes_and_line_ends_it_has(tmp_path_factory, notes, ends, first):
    cells = [["ACGT" + "ACGT"[i % 4], str(i % 2)] for i in range(len(notes))]
    rows = [[note, *row] if first else [*row, note] for note, row in zip(notes, cells, strict=True)]
    header = ["note", "sequence", "label"] if first else ["sequence", "label", "note"]
    path = tmp_path_factory.mktemp("tsv") / "t.tsv"
    path.write_bytes("".join("\t".join(row) + end for row, end in zip([header, *rows], ends, strict=False)).encode())
    task = read_task(path)
    assert [[x, task.classes[i]] for x, i in zip(task.sequences, task.labels, strict=True)] == cells


def test_cells_that_r_quotes_whole_are_read_without_their_quotes(write):
    task = read_task(write('"sequence"\t"label"\n"ACG"\t"a ""b"""\n"TTT"\t"c"\n'))
    assert (task.sequences, task.classes) == (["ACG", "TTT"], ['a "b"', "c"])


@pytest.mark.parametrize("quote", ['"', ""])
def test_a_sequence_may_be_longer_than_a_cell_of_the_csv_module(write, quote):
    sequence = "ACGT" * 40_000
    task = read_task(write(f"sequence,label\n{quote}{sequence}{quote},0\nACG,1\n", "t.csv"))
    assert task.sequences == [sequence, "ACG"]


def test_a_file_joined_from_two_with_byte_order_marks_and_one_of_several_gzip_members_are_read(write):
    path = write("\ufeffsequence,label\nACG,0\n\ufeffTTT,1\n", "t.csv")
    joined = path.with_name("t.csv.gz")
    joined.write_bytes(b"".join(gzip.compress(part.encode()) for part in ("sequence,label\nACG,0\nTT", "T,1\n")))
    assert read_task(path).sequences == read_task(joined).sequences == ["ACG", "TTT"]


def test_columns_of_other_names_are_read_where_they_are_named(write):
    path = write("seq\tlabel\ty\nACG\tx\t0\nTTT\tx\t1\n")
    assert read_task(path, columns=Columns("Seq", "y")).classes == ["0", "1"]
    with pytest.raises(DataError, match=r"no column 'z' among: seq, label, y. .* name it with --label-column"):
        read_task(path, columns=Columns("seq", "z"))


def test_a_line_of_gigabytes_is_refused_before_it_is_read(write, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 1 << 20)
    read = 0

    def counted(path, file, original=lines.split_lines):
        class Counting:
            def read1(self, size):
                nonlocal read
                read += size
                return file.read1(size)

        return original(path, Counting())

    monkeypatch.setattr(lines, "split_lines", counted)
    with pytest.raises(DataError, match=r"bomb.tsv.gz, line 2: longer than 1 MiB"):
        read_task(write("sequence\tlabel\n" + "A" * (1 << 22), "bomb.tsv.gz"))
    assert read < 1.1 * (1 << 20)


@pytest.mark.parametrize(
    "labels", [[f"{i / 7:.3f}" for i in range(80)], list(range(1000, 1080)), ["0.1", "1e-3", "nan"]]
)
def test_measurements_are_refused_as_classes(write, labels):
    with pytest.raises(
        DataError, match=f"look like measurements .{len(labels)} different numbers in {len(labels)} rows"
    ):
        read_task(write("sequence\tlabel\n" + "".join(f"ACG\t{label}\n" for label in labels)))


@pytest.mark.parametrize(
    "labels", [["0.0", "1.0"] * 3, ["0.5", "1.5"] * 2, range(20), list(range(40)) * 3, ["a", "1.5", "2.5"]]
)
def test_numbers_that_recur_and_few_whole_ones_are_classes(write, labels):
    task = read_task(write("sequence\tlabel\n" + "".join(f"ACG\t{label}\n" for label in labels)))
    assert len(task.classes) == len(set(labels))


@settings(deadline=None, max_examples=50)
@given(sequence=st.text("ACGT", min_size=8, max_size=40), k=st.integers(1, 7))
def test_overlapping_kmers_join_back_to_their_sequence(sequence, k):
    words = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
    assert join_kmers(words, "here") == sequence


BAD_FILES = {
    "missing column": ("seq\tlabel\nA\t0\n", "row 1: no column 'sequence' among: seq, label"),
    "column twice": ("sequence\tlabel\tlabel\nA\t0\t1\n", "row 1: 2 columns are called 'label'"),
    "one class": ("sequence\tlabel\nA\t0\nC\t0\n", "'0' is the only label, in 2 rows"),
    "names for labels": (
        "sequence\tlabel\n" + "".join(f"A\tseq{row}\n" for row in range(21)),
        "each of its 21 rows has a different label, such as seq0",
    ),
    "no rows": ("sequence\tlabel\n", "no rows below the header"),
    "empty sequence": ("sequence\tlabel\nA\t0\n\t1\n", "row 3: the sequence is empty"),
    "empty label": ("sequence\tlabel\nA\t0\nC\t \n", "row 3: the label is empty"),
    "odd letter": ("sequence\tlabel\nA\t0\n\nACXT\t1\n", "row 4: 'X' at position 3 is not a letter of DNA"),
    "inconsistent k-mers": ("sequence\tlabel\nACG CGT\t0\nACG GTT\t1\n", "row 3: 'GTT', word 2, does not continue"),
    "k-mers of two lengths": ("sequence\tlabel\nACG CGT\t0\nACG CGTT\t1\n", "row 3: 'CGTT', word 2"),
    "a short row": ("sequence\tlabel\nACG\n", "row 2: 1 column where the header has 2"),
    "FASTA": (">chr1, whole\nACGT\n", "row 1: this is FASTA. Give a TSV or CSV table with the columns sequence"),
    "not a table": ("chr1\nACGT\n", "row 1: neither a tab nor a comma in 'chr1'"),
    "empty file": ("", "the file is empty"),
    "a quote left open": ('sequence,label,note\nA,0,x\nC,1,"y\nG,0,z\n', "row 3: a quote is opened and not closed"),
    "a quote over lines": ('sequence,label,note\nA,0,"x\ny"\nC,1,y\n', "row 2: a quote is opened and not closed"),
    "a quote closed within": ('sequence,label\nA,0\n"C"G,1\n', "row 3: a quote is opened and not closed"),
    "the header again": ("sequence\tlabel\nA\t0\nSequence\tlabel\nC\t1\n", "row 3: the header again"),
    "a NUL byte": ("sequence\tlabel\nA\t0\nC\0\t1\n", "line 3: not UTF-8 text (a NUL byte)"),
    "UTF-16": ("s\0e\0q\0u\0e\0n\0c\0e\0\n\0", "line 1: not UTF-8 text (a NUL byte)"),
    "escapes in the header": ("seq\x1b[2J\tlabel\nA\t0\n", r"no column 'sequence' among: 'seq\x1b[2j', label"),
    "an escape in a sequence": ("sequence\tlabel\nA\x1bC\t0\n", r"row 2: '\x1b' at position 2"),
    "a letter that only becomes DNA in upper case": ("sequence\tlabel\nA\u00df\t0\n", "row 2: '\u00df' at position 2"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_clear_error(write, case):
    text, message = BAD_FILES[case]
    path = write(text)
    with pytest.raises(DataError) as caught:
        read_task(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_text_get_a_clear_error(write, tmp_path):
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


def test_a_task_keeps_the_row_numbers_of_its_file(write):
    task = read_task(write("sequence\tlabel\nA\tx\n\nC\ty\n"))
    assert task.rows == (2, 4)
    assert task.called(1) == "row 4"
