import errno

import pytest

from genomask.errors import (
    DataError,
    SettingsError,
    Stopped,
    TrainingError,
    UserError,
    counted,
    disk_sentence,
    quoted,
    shown,
)


def test_errors_that_a_person_can_fix_are_user_errors_and_a_stop_is_not():
    assert all(issubclass(kind, UserError) for kind in (DataError, SettingsError, TrainingError))
    assert not issubclass(Stopped, UserError)
    assert Stopped(15, "saved").signal_number == 15


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_not_taken_for_one_that_cannot_be_used(number):
    said = disk_sentence(OSError(number, "no room", "out/model"))
    assert "free space there" in said
    assert "pretrain" not in said  # nor any other verb: any of them may meet it
    assert disk_sentence(OSError(errno.EACCES, "not allowed", "out")).startswith("out: not allowed; make sure")
    assert disk_sentence(OSError("odd")).startswith("odd; make sure")


def test_text_from_a_file_is_shown_short_and_printable():
    assert (shown("ACGT"), shown("A" * 61), shown("\x1b[31m")) == ("ACGT", "A" * 60 + "...", r"'\x1b[31m'")
    assert (quoted("a"), quoted("A" * 61)) == ("'a'", f"'{'A' * 60}...'")


def test_a_noun_agrees_with_its_number():
    assert [counted(n, "step") for n in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
