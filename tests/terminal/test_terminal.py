import io
import logging

from rich.table import Table

from genomask.terminal import console as terminal
from genomask.terminal.console import (
    TerminalLog,
    console,
    log_to_terminal,
    printable,
    progress_bar,
    say,
    say_error,
    text_column,
)

NASTY = "p[/b]\x1b[31m\x07 :smile: [bold]x\u202e\udcff\x9b"
SHOWN = r"p[/b]\x1b[31m\x07 :smile: [bold]x\u202e\udcff\x9b"


def test_characters_that_a_terminal_would_obey_are_escaped_as_by_repr():
    assert printable(NASTY) == SHOWN
    assert printable("größe ± 1, 漢字") == "größe ± 1, 漢字"
    assert printable("a\nb") == r"a\nb"
    assert printable("a\nb", keep="\n") == "a\nb"


def test_a_long_error_keeps_its_beginning_and_its_end(capsys):
    say_error(f"{'9' * 5_000} is no number; give a smaller one.")
    error = capsys.readouterr().err
    assert len(error) < 1_100
    assert error.startswith("error: 99")
    assert error.endswith("99 is no number; give a smaller one.\n")


def test_results_errors_tables_and_log_lines_show_text_escaped_and_unstyled(capsys):
    table = Table(NASTY, title=NASTY, caption=NASTY)
    table.add_row(NASTY)
    console().print(table)
    console().print(NASTY)
    say(NASTY)
    assert capsys.readouterr().out.count(SHOWN) == 6
    say_error(NASTY + "\n")
    TerminalLog().emit(logging.LogRecord("genomask", logging.WARNING, "", 1, "%s", (NASTY,), None))
    error = capsys.readouterr().err
    assert error == f"error: {SHOWN}\\n\nWARNING  {SHOWN}\n"


def test_a_table_in_a_pipe_has_120_columns_however_wide_the_terminal_is(monkeypatch, capsys):
    for columns in ("60", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        console().print(Table("x", expand=True))
        assert {len(line) for line in capsys.readouterr().out.splitlines()} == {120}


def test_a_log_line_is_not_folded(capsys):
    TerminalLog().emit(logging.LogRecord("genomask", logging.INFO, "", 1, "x" * 500, (), None))
    assert capsys.readouterr().err.count("\n") == 1


def test_other_packages_log_nothing_below_a_warning_however_verbose_genomask_is():
    loggers = logging.getLogger("genomask"), logging.getLogger("filelock")
    before = [(log, log.level) for log in (logging.getLogger(), loggers[0])]
    try:
        for level, least in (
            (logging.DEBUG, [logging.DEBUG, logging.WARNING]),
            (logging.ERROR, [logging.ERROR, logging.ERROR]),
        ):
            log_to_terminal(level)
            assert [log.getEffectiveLevel() for log in loggers] == least
    finally:
        for log, level in before:
            log.setLevel(level)


def drawn_at(level: int, monkeypatch) -> str:
    """What a bar writes to a terminal at this log level."""
    log, screen = logging.getLogger("genomask"), io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    before = log.level
    try:
        log.setLevel(level)
        with progress_bar(text_column("{task.description}")) as bar:
            bar.add_task(NASTY, total=2, completed=1)
    finally:
        log.setLevel(before)
    return screen.getvalue()


def test_a_bar_shows_text_escaped_and_unstyled_and_is_hidden_where_notes_are(monkeypatch):
    assert drawn_at(logging.ERROR, monkeypatch) == ""
    assert r"p[/b]\x1b[31m" in drawn_at(logging.INFO, monkeypatch)


def test_letters_that_the_encoding_lacks_do_not_end_the_command(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    terminal.escape_what_the_terminal_lacks()
    say("3 ± 1")
    assert raw.getvalue() == b"3 \\xb1 1\n"
