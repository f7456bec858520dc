import zipfile

import numpy as np
import pytest
from ngrams_by_hand import random_counts

from genomask.errors import DataError
from genomask.masking.npmi import NpmiTable
from genomask.masking.npmi import file as npmi_file


@pytest.fixture
def table():
    counts = random_counts(3)
    return NpmiTable(counts, 7, "released", "both", round_to=(1000, 10), genome="abc", regions="exons.bed")


def test_a_table_comes_back_as_it_was_saved(table, tmp_path):
    table.save(tmp_path / "new folder" / "a.npmi")
    loaded = NpmiTable.load(tmp_path / "new folder" / "a.npmi")
    for name in ("min_count", "definition", "strand", "round_to", "genome", "regions"):
        assert getattr(loaded, name) == getattr(table, name)
    for n in (1, 2, 3):
        assert loaded.counts(n).dtype == np.int64
        np.testing.assert_array_equal(loaded.counts(n), table.counts(n))
    np.testing.assert_array_equal(loaded.npmi(3), table.npmi(3))


def test_counts_of_any_size_survive_the_narrowest_type_that_holds_them(tmp_path):
    for largest in (255, 256, 2**32 - 1, 2**32, 2**40):
        counts = {1: np.array([1, 2, 3, largest])}
        npmi_file.write_table(tmp_path / "t", {}, counts)
        assert npmi_file.read_table(tmp_path / "t")[1][1].tolist() == [1, 2, 3, largest]


def test_a_table_of_ten_letters_is_small(tmp_path):
    counts = random_counts(10)
    NpmiTable.from_counts(counts).save(tmp_path / "t")
    assert (tmp_path / "t").stat().st_size < 1.05 * 2 * 4**10 * 1.34  # two bytes a count of the longest words


def test_a_save_that_fails_leaves_the_old_table_and_nothing_else(table, tmp_path, monkeypatch):
    path = tmp_path / "a.npmi"
    table.save(path)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(npmi_file.np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        table.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_files_are_refused_by_name(tmp_path):
    np.save(tmp_path / "array.npy", np.arange(3))
    np.savez(tmp_path / "arrays.npz", n1=np.arange(4))
    contents = (b"", b"not a table", *(path.read_bytes() for path in tmp_path.glob("array*")))
    for content in contents:
        (tmp_path / "b.npmi").write_bytes(content)
        with pytest.raises(DataError, match=r"b\.npmi is not an NPMI table"):
            NpmiTable.load(tmp_path / "b.npmi")
    with pytest.raises(DataError, match="no such file"):
        NpmiTable.load(tmp_path / "none")
    with pytest.raises(DataError, match=r"is a folder, not a file\. Name the table in it"):
        NpmiTable.load(tmp_path)


def test_a_damaged_table_is_called_damaged(table, tmp_path):
    table.save(tmp_path / "a.npmi")
    whole = (tmp_path / "a.npmi").read_bytes()
    flags, data = whole.index(b"PK\x01\x02") + 8, whole.index(b"NUMPY") + 200
    flipped = (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in (flags, data))  # as if it were encrypted
    for content in (whole[: len(whole) // 2], whole[:-1], *flipped):
        (tmp_path / "b.npmi").write_bytes(content)
        with pytest.raises(DataError, match=r"b\.npmi: this NPMI table is damaged or cut short"):
            NpmiTable.load(tmp_path / "b.npmi")


def test_no_flipped_bit_changes_what_is_read(table, tmp_path):
    table.save(tmp_path / "a.npmi")
    whole = (tmp_path / "a.npmi").read_bytes()
    directory = range(whole.index(b"PK\x01\x02"), len(whole))  # no checksum covers it
    for at in [*np.random.default_rng(0).permutation(directory[0])[:60], *directory[::3]]:
        (tmp_path / "b.npmi").write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            read = NpmiTable.load(tmp_path / "b.npmi")
        except DataError:
            continue
        assert vars(read).keys() == vars(table).keys()
        assert all(np.array_equal(read.counts(n), table.counts(n)) for n in (1, 2, 3))
        settings = vars(table).keys() - {"ngram_counts"}
        assert {name: vars(read)[name] for name in settings} == {name: vars(table)[name] for name in settings}


def npy(header, data=b""):
    text = repr(header) if isinstance(header, dict) else header
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n" + data


def of_shape(shape, descr="<i8"):
    return {"descr": descr, "fortran_order": False, "shape": shape}


@pytest.mark.parametrize(
    "bomb",
    [
        npy(of_shape((10**9,)), bytes(32)),
        npy(of_shape((-1,)), bytes(32)),
        npy(of_shape((-1, -4)), bytes(32)),
        npy(of_shape(((4,),)), bytes(32)),
        npy(of_shape((1, 1, 1, 4)), bytes(32)),
        npy(of_shape((), "<U500000000"), bytes(32)),
        npy(of_shape((4,), "O"), bytes(32)),
        npy("(" * 9000, bytes(32)),
    ],
)
@pytest.mark.parametrize("name", ["header", "n1"])
def test_an_array_whose_header_claims_another_shape_is_refused(tmp_path, bomb, name):
    path = tmp_path / "b.npmi"
    npmi_file.write_table(path, {"min_count": 7}, {1: np.array([1, 2, 3, 4])})
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in (entries | {f"{name}.npy": bomb}).items():
            archive.writestr(entry, data)
    with pytest.raises(DataError, match="damaged or cut short"):
        NpmiTable.load(path)


@pytest.mark.parametrize("header", [{}, {"min_count": None, "round_to": []}, {"round_to": 3}, {"round_to": [], "x": 1}])
def test_a_header_without_the_settings_of_a_table_is_refused(tmp_path, header):
    npmi_file.write_table(tmp_path / "b.npmi", header, {1: np.array([1, 2, 3, 4])})
    with pytest.raises(DataError, match="damaged or cut short"):
        NpmiTable.load(tmp_path / "b.npmi")


def test_a_table_of_another_version_is_refused(table, tmp_path, monkeypatch):
    monkeypatch.setattr(npmi_file, "FORMAT", npmi_file.FORMAT - 1)
    table.save(tmp_path / "old.npmi")
    monkeypatch.undo()
    with pytest.raises(DataError, match="another version"):
        NpmiTable.load(tmp_path / "old.npmi")
