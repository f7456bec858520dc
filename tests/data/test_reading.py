"""Texts from tables, lines and pairs: one line each, a pair with a tab between."""

import gzip

import pytest

from genomask.data.reading import DNA, TEXT, read_texts
from genomask.data.sequences import SequenceFile
from genomask.errors import DataError, SettingsError


@pytest.fixture
def read(tmp_path):
    def read(content, name="x.tsv", **asked):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        return [tuple(text) for text in read_texts(SequenceFile(path=path, **asked))]

    return read


def test_a_table_gives_its_column_and_names(read):
    assert read("name\tText\tlabel\nx\tone  two\t1\n\tthree\t0\n") == [("x", "one two"), ("3", "three")]
    assert read('text,label\n"a, b",1\n', "x.csv.gz") == [("2", "a, b")]
    assert read("said\nyes\n", "x.txt", column="said") == [("2", "yes")]
    assert read("text\nyes\n", "x.txt") == [("2", "yes")]


def test_a_pair_comes_from_two_columns_or_from_a_line_with_a_tab(read):
    assert read("q\ta\nwhat ?\tthat \n", column="q,a") == [("2", "what ?\tthat")]
    assert read("what ?\tthat\n\nalone, yes\n", "x.txt") == [("1", "what ?\tthat"), ("3", "alone, yes")]


def test_input_that_is_no_text_is_a_clear_error(read):
    with pytest.raises(DataError, match="this is a genome, but the model reads text"):
        read(">a\nACGT\n", "x.fa")
    with pytest.raises(DataError, match="row 1: no column 'text' among: sentence, label"):
        read("sentence\tlabel\none\t1\n")
    with pytest.raises(DataError, match="row 3: the text is empty"):
        read("text\tlabel\none\t1\n \t0\n")
    with pytest.raises(DataError, match=r"line 2: 'a\\tb\\tc' holds 3 texts separated by tabs\. Give one, or two"):
        read("a\tb\na\tb\tc\n", "x.txt")
    with pytest.raises(SettingsError, match="--sequence-column a,b,c names 3 columns; name one for texts, or"):
        read("a\tb\tc\n1\t2\t3\n", column="a,b,c")
    with pytest.raises(DataError, match="it contains no text"):
        read("\n\n", "x.txt")
    with pytest.raises(SettingsError, match="--genome gives regions of DNA"):
        read("one\n", "x.txt", genome=("g.fa",))


def test_only_texts_come_in_pairs():
    assert TEXT.columns("a,b") == ("a", "b")
    assert DNA.columns("a,b") == ("a,b",)
    assert (TEXT.columns(""), DNA.columns("")) == (("text",), ("sequence",))
