import gzip
import io
import types

import pytest
from Bio import bgzf
from hypothesis import given
from hypothesis import strategies as st

from genomask.data.vcf import Variant, info_value, read_vcf, same_record, with_info
from genomask.errors import DataError
from genomask.files.inputs import STDIN

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
LINE = "chr1\t12\trs1\tA\tG,<DEL>,*\t.\tPASS\tAC=2;AF=0.1\n"


def read(tmp_path, text):
    path = tmp_path / "x.vcf"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_vcf(path))


def test_lines_are_kept_unchanged_and_variants_are_parsed(tmp_path):
    text = HEADER + LINE + "\n" + LINE.replace("\n", "\tGT\t0/1\r\n") + LINE.replace("G,<DEL>,*", ".").rstrip()
    lines = read(tmp_path, text)
    assert b"".join(line.raw for line in lines) == text.encode()
    assert [line.number for line in lines] == [1, 2, 3, 4, 5, 6]
    wanted = Variant("chr1", 12, "rs1", "A", ("G", "<DEL>", "*"), "AC=2;AF=0.1")
    assert [line.variant for line in lines] == [None, None, wanted, None, wanted, wanted._replace(alts=())]


@pytest.mark.parametrize("first", [HEADER, HEADER.partition("\n")[2]])
def test_a_byte_order_mark_is_left_out(tmp_path, first):
    assert read(tmp_path, "\ufeff" + first + LINE) == read(tmp_path, first + LINE)
    assert read(tmp_path, gzip.compress(("\ufeff" + first + LINE).encode())) == read(tmp_path, first + LINE)


@pytest.mark.parametrize("pack", [gzip.compress, bgzf])
def test_gzip_and_bgzip_are_known_by_their_content(tmp_path, pack):
    if pack is bgzf:
        with bgzf.open(tmp_path / "packed", "wb") as file:
            file.write((HEADER + LINE).encode())
        data = (tmp_path / "packed").read_bytes()
    else:
        data = pack((HEADER + LINE).encode())
    assert read(tmp_path, data) == read(tmp_path, HEADER + LINE)
    with pytest.raises(DataError, match="data is cut short"):
        read(tmp_path, data[:-12])


def test_standard_input_is_read_where_the_path_is_a_dash(tmp_path, monkeypatch):
    data = gzip.compress((HEADER + LINE).encode())
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))
    assert list(read_vcf(STDIN)) == read(tmp_path, HEADER + LINE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        (">chr1\nACGT\n", "line 1: a VCF begins with ##fileformat"),
        ("BCF\x02\x02", "line 1: this is BCF"),
        ("##fileformat=VCFv4.2\n", "no line begins with #CHROM"),
        ("##fileformat=VCFv4.2\n" + LINE, "line 2: a variant before the line that begins with #CHROM"),
        ((HEADER + LINE).replace("\t", " "), "line 2: its columns are not separated by tabs"),
        ((HEADER + LINE).replace("\t", ","), "line 2: its columns are not separated by tabs"),
        (HEADER + LINE.replace("\t", " "), "line 3: 1 column;"),
        (HEADER + LINE + "chr1\t5\t.\tA\tG\n", "line 4: 5 columns"),
        (HEADER + LINE.replace("12", "-1"), "line 3: POS is '-1'"),
        (HEADER + LINE.replace("12", "9" * 19), "line 3: POS is '9999"),
        (HEADER + LINE.replace("chr1", ""), "line 3: CHROM '' or ID 'rs1' is empty"),
        (HEADER + LINE.replace("rs1", "\x1b[31m"), r"line 3: CHROM 'chr1' or ID '\x1b[31m'"),
        (HEADER + LINE.replace("\tA\t", "\tA/G\t"), "line 3: REF is 'A/G'"),
        (HEADER + LINE.replace("\tA\t", "\t\t"), "line 3: REF is ''"),
        (HEADER + LINE.replace("G,<", "G,,<"), "line 3: ALT '' is neither"),
        (HEADER + LINE.replace("G,<", "Z,<"), "line 3: ALT 'Z' is neither"),
        (HEADER.replace("INFO", "INFO\tFORMAT\ts1\ts2") + LINE.replace("\n", "\tGT\t0/1\n"), "line 3: 10 columns"),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n\xff\t1\t.\tA\tC\t.\t.\t.\n", "line 3: not UTF-8"),
    ],
)
def test_a_bad_vcf_is_refused_with_the_reason(tmp_path, text, words):
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert words in str(error.value)


@pytest.mark.parametrize("alt", ["*", "<INS:ME:ALU>", "G]17:198982]", "]13:123456]T", "[<ctg1>:1[A", ".A", "A."])
def test_alleles_that_are_not_spelt_out_are_accepted(tmp_path, alt):
    assert read(tmp_path, HEADER + LINE.replace("G,<DEL>,*", alt))[2].variant.alts == (alt,)


@given(
    info=st.sampled_from([b".", b"", b"DB", b"DB;", b"AC=1;AF=.1"]),
    end=st.sampled_from([b"", b"\n", b"\r\n", b"\tGT\t0|1\n"]),
)
def test_an_entry_is_added_to_info_and_nothing_else_changes(info, end):
    raw = b"1\t2\t.\tA\tC\t.\t.\t" + info + end
    found = with_info(raw, "X=1,2")
    before = info.rstrip(b";") + b";" if info not in (b".", b"") else b""
    assert found == b"1\t2\t.\tA\tC\t.\t.\t" + before + b"X=1,2" + end


def test_entries_of_info_are_found_by_their_key():
    info = "DB;AF=0.1,0.2;CLNSIG=.;XAF=3"
    assert [info_value(info, key) for key in ("DB", "AF", "CLNSIG", "F", "XAF")] == ["", "0.1,0.2", None, None, "3"]


def test_a_record_is_found_under_the_name_of_another_convention():
    assert same_record("22", {"chr22", "chr2"}) == "chr22"
    assert same_record("chr22", {"22"}) == "22"
    assert same_record("MT", {"chrM"}) == "chrM"
    assert same_record("chrM", {"MT"}) == "MT"
    assert same_record("chr22", {"22", "chr22"}) == "chr22"
    assert same_record("chr23", {"chr22"}) is None
