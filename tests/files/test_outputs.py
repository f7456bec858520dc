import pytest

from genomask.errors import SettingsError
from genomask.files.outputs import require_own, require_writable


def test_a_new_file_in_folders_that_are_still_to_be_made_is_fine(tmp_path):
    require_writable(tmp_path / "new" / "deeper" / "table.csv", "--out", [])
    assert not (tmp_path / "new").exists()


def test_an_output_that_would_fail_or_overwrite_an_input_is_refused(tmp_path):
    table, link = tmp_path / "table.csv", tmp_path / "link.csv"
    table.write_text("a")
    link.symlink_to(table)
    for path, words in ((tmp_path, "is a folder"), (table / "x", "cannot be written"), (link, "would overwrite")):
        with pytest.raises(SettingsError, match=f"--out .* {words}"):
            require_writable(path, "--out", [table])
    assert table.read_text() == "a"


def test_only_a_file_of_the_same_kind_or_an_empty_one_is_replaced(tmp_path):
    path = tmp_path / "table.csv"
    require_own(path, "--out", lambda _: False, "a table")
    path.touch()
    require_own(path, "--out", lambda _: False, "a table")
    path.write_text("mine")
    require_own(path, "--out", lambda _: True, "a table")
    with pytest.raises(SettingsError, match="already exists and is not a table"):
        require_own(path, "--out", lambda _: False, "a table")
