import io
import os
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import Genome
from genomask.errors import DataError
from genomask.files.cache import STALE_SECONDS
from genomask.files.cache_entries import entries, remove
from genomask.files.genomes import genome_files, input_genome, split_weights, stem_of, weighed_genome


def test_a_folder_stands_for_the_genomes_in_it_at_any_depth(tmp_path):
    for name in ("b/x.fna.gz", "a.fa", "b/y.2bit", "c/z.GBFF", "c/notes.txt", "c/.hidden.fa", "d.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(">a\nACGT\n")
    found = genome_files([tmp_path, tmp_path / "c" / "notes.txt"])
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["a.fa", "b/x.fna.gz", "b/y.2bit", "c/z.GBFF", "c/notes.txt"]
    assert stem_of(tmp_path / "b" / "x.fna.gz") == "x"


def test_a_folder_is_opened_as_one_genome(tmp_path):
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "1.fa").write_text(">a\nACGT\n")
    (tmp_path / "g" / "2.fa").write_text(">a\nGGGG\n")
    assert Genome.open(input_genome(tmp_path / "g"), cache=tmp_path).names == ["a", "2:a"]


def test_a_folder_without_a_genome_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"no genome in this folder\. Name files, or rename them to end in"):
        input_genome(tmp_path)


def test_standard_input_becomes_a_file_of_the_cache_named_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    kept = []
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b">a\nACGT\n")))
        kept.append(input_genome("-"))
    assert kept[0] == kept[1]
    assert kept[0].read_bytes() == b">a\nACGT\n"
    assert [path.name for path in (tmp_path / "stdin").iterdir()] == [kept[0].name]
    assert stem_of(kept[0]) == "stdin"
    (entry,) = entries(tmp_path)
    assert entry.what == "genome from stdin"
    assert remove(entry)


def test_empty_standard_input_is_refused_by_name_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    with pytest.raises(DataError, match=r"^standard input is empty\. Pipe something .* use - for one file only"):
        input_genome("-")
    assert list(entries(tmp_path)) == []


def test_what_a_killed_process_left_of_standard_input_is_removed_after_a_day(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b">a\nACGT\n")))
    for name, age in ((".old", 2 * STALE_SECONDS), (".arriving", 0)):
        folder = tmp_path / "stdin" / name
        folder.mkdir(parents=True)
        (folder / "stdin").write_text(">a\nAC")
        for path in (folder / "stdin", folder):
            os.utime(path, (time.time() - age,) * 2)
    kept = input_genome("-")
    assert {path.name for path in (tmp_path / "stdin").iterdir()} == {kept.name, ".arriving"}


@settings(max_examples=30, deadline=None)
@given(weight=st.floats(1e-9, 1e6))
def test_a_number_after_the_last_colon_is_a_weight_unless_a_file_has_that_name(weight, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "weighed"
    folder.mkdir(exist_ok=True)
    plain, odd = folder / "a.fa", folder / "a.fa:1"
    for path in (plain, odd):
        path.write_text(">a\nACGT\n")
    genomes = [weighed_genome(f"{path}:{weight!r}") for path in (plain, odd, folder)]
    assert split_weights(genomes) == (tuple(map(str, (plain, odd, folder))), (weight,) * 3)
    assert split_weights([weighed_genome(odd), weighed_genome(plain)]) == ((str(odd), str(plain)), ())
