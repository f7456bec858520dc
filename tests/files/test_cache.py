import os
import zlib

import pytest

from genomask.errors import DataError
from genomask.files import cache
from genomask.files.cache import checksum, files_key, key_of, recall, remember, sealed_folder


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.txt"
    path.write_text("one")
    return path


def test_a_key_changes_with_each_fact_and_each_file(source):
    keys = {key_of(1), key_of(2), key_of(1, 2), files_key([source]), files_key([source], 1), files_key([source] * 2)}
    source.write_text("longer")
    keys.add(files_key([source]))
    os.utime(source, ns=(0, 1))
    assert len(keys | {files_key([source])}) == 8
    assert files_key([source]) == files_key([source])


def test_a_checksum_covers_the_whole_file_whatever_the_chunk_size(source, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK_BYTES", 2)
    assert checksum(source) == zlib.crc32(b"one")


def test_what_was_remembered_is_recalled_unless_it_is_damaged(tmp_path):
    file = tmp_path / "kept.json"
    assert recall(file) is None
    remember(file, {"rates": [0.1, 0.2]})
    assert recall(file) == {"rates": [0.1, 0.2]}
    file.write_text(file.read_text().replace("0.2", "0.3"))
    assert recall(file) is None


def test_a_folder_is_built_once_and_again_if_it_or_its_source_changed(source, tmp_path, caplog):
    folder, built = tmp_path / "cache" / "folder", []

    def build(path):
        built.append(path)
        (path / "content.txt").write_text(source.read_text())

    for _ in range(2):
        sealed_folder(folder, [source], build)
    assert len(built) == 1
    (folder / "content.txt").write_text("two")
    sealed_folder(folder, [source], build)
    assert (folder / "content.txt").read_text() == "one"
    assert "it is rebuilt" in caplog.text
    source.write_text("three")
    sealed_folder(folder, [source], build)
    assert (folder / "content.txt").read_text() == "three"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_source_that_changes_while_it_is_read_leaves_nothing(source, tmp_path):
    with pytest.raises(DataError, match="a file changed while it was read"):
        sealed_folder(tmp_path / "folder", [source], lambda path: source.write_text("longer than before"))
    assert list(tmp_path.iterdir()) == [source]
