"""How the scripts of benchmarks/ begin and end."""

import sys

import pytest

from genomask.errors import DataError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("a.fa: empty; give another."), "error: a.fa: empty; give another.\n"),
        (FileNotFoundError(2, "No such file", "b.fa"), "error: b.fa: No such file; make sure that it can be read"),
    ],
)
def test_an_error_that_a_person_can_fix_is_one_sentence_and_exit_2(script, monkeypatch, capsys, error, said):
    def main() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(SystemExit) as ended:
        script("machine").run_script(main)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(said)
    assert printed.err.count("\n") == 1


def test_a_missing_peer_is_named_with_the_command_that_installs_it(script, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "needletail", None)
    with pytest.raises(SystemExit) as ended:
        script("reading")
    assert ended.value.code == 2
    assert "needletail is not installed: pip install needletail" in capsys.readouterr().err
