"""Files of vectors: what is written in pieces is read back whole by the usual tools."""

import io
import sys

import numpy as np
import pandas as pd
import pytest

from genomask.errors import SettingsError
from genomask.files.inputs import STDOUT
from genomask.files.vectors import names_beside, require_out, vector_file

VECTORS = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
LABELS = [("a b", 0), ("c", 1), ("ä", 2), ("", 3), ("a b", 4)]


def columns(rows):
    names, starts = zip(*rows, strict=True)
    return [names, np.array(starts)]


def write(out, pieces=((0, 2), (2, 5))):
    with vector_file(out, ("name", "start")) as write:
        for start, stop in pieces:
            write(columns(LABELS[start:stop]), VECTORS[start:stop])


def test_an_npy_file_has_its_names_beside_it(tmp_path):
    write(tmp_path / "v.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy", mmap_mode="r"), VECTORS)
    names = names_beside(tmp_path / "v.npy")
    assert names == tmp_path / "v.names.txt"
    assert names.read_text("utf-8").splitlines() == [f"{name}\t{start}" for name, start in LABELS]


def test_a_parquet_file_has_a_column_for_each_label_and_one_of_vectors(tmp_path):
    write(tmp_path / "v.parquet")
    frame = pd.read_parquet(tmp_path / "v.parquet")
    assert list(frame.columns) == ["name", "start", "vector"]
    assert list(zip(frame["name"], frame["start"], strict=True)) == LABELS
    np.testing.assert_array_equal(np.stack(frame["vector"].tolist()), VECTORS)


def test_a_tsv_keeps_every_bit(tmp_path):
    write(tmp_path / "v.tsv")
    frame = pd.read_csv(tmp_path / "v.tsv", sep="\t", keep_default_na=False)
    assert list(frame.columns) == ["name", "start", "v0", "v1", "v2"]
    np.testing.assert_array_equal(frame[["v0", "v1", "v2"]].to_numpy(np.float32), VECTORS)
    assert frame["name"].tolist() == [name for name, _ in LABELS]


def test_standard_output_gets_the_same_as_a_tsv(tmp_path, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    write(STDOUT)
    write(tmp_path / "v.tsv")
    assert written.getvalue() == (tmp_path / "v.tsv").read_bytes()


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".tsv"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, suffix):
    out = tmp_path / f"v{suffix}"
    write(out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fails():
        with vector_file(out, ("name", "start")) as write:
            write(columns(LABELS[:2]), VECTORS[:2])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_name_without_a_format_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"give a name that ends in \.npy or \.tsv, or - for TSV"):
        require_out(tmp_path / "v.csv", [], (".npy", ".tsv"))
    require_out(STDOUT, [], (".tsv",))


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".tsv"])
def test_a_file_of_vectors_is_replaced_and_any_other_file_is_not(tmp_path, suffix):
    out = tmp_path / f"v{suffix}"
    write(out)
    require_out(out, [])
    with pytest.raises(SettingsError, match="would overwrite a file that this command uses"):
        require_out(out, [out])
    out.write_text("notes of a person")
    with pytest.raises(SettingsError, match=rf"already exists and is not such a \{suffix} file"):
        require_out(out, [])


def test_a_names_file_that_is_not_ours_is_not_replaced(tmp_path):
    (tmp_path / "v.names.txt").write_text("notes of a person")
    with pytest.raises(SettingsError, match=r"v\.names\.txt already exists and is not a list of names for v\.npy"):
        require_out(tmp_path / "v.npy", [])
