import logging
import re
import time

import pytest

from genomask.terminal import progress
from genomask.terminal.progress import Bars, working


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, as a list of one number that the test sets."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def lines(caplog):
    """A function that gives the messages logged so far."""
    caplog.set_level(logging.INFO, logger="genomask")
    return lambda: [record.getMessage() for record in caplog.records]


def test_without_a_terminal_a_line_is_logged_every_half_minute(clock, lines):
    with working("training", 4000, "step") as work:
        for step in range(1, 101):
            clock[0] += 1
            work.show(step, status="loss 2.900 nats")
    assert len(lines()) == 3
    assert re.fullmatch(r"training: 30/4,000 steps, loss 2.900 nats, 0:00:30 so far, .* left", lines()[0])
    assert [line.partition("/")[0] for line in lines()] == ["training: 30", "training: 60", "training: 90"]
    assert progress.LINE_SECONDS <= 60


def test_lines_are_logged_even_while_one_part_takes_long(lines, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    monkeypatch.setattr(progress, "WATCH_SECONDS", 0.01)
    with working("embedding", unit="sequence") as work:
        work.advance(3)
        deadline = time.monotonic() + 60
        while len(lines()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(lines()) >= 2
    assert lines()[-1].startswith("embedding: 3 sequences, ")
    said = len(lines())
    time.sleep(0.1)
    assert len(lines()) == said  # nothing is logged after it has ended


def test_work_of_unknown_length_is_counted(clock, lines):
    with working("reading the genome", unit="base") as work:
        for _ in range(3):
            clock[0] += 20
            work.advance(4_000_000)
    assert lines() == ["reading the genome: 8,000,000 bases, 0:00:40 so far"]


def test_each_of_several_bars_has_its_own_clock_and_logs_its_end_once(clock, lines):
    with Bars() as bars:
        first, second = (bars.add(name, 10, "step", "waiting") for name in ("first", "second"))
        first.show(0)
        clock[0] += 29
        second.show(0)
        clock[0] += 2
        first.show(5)
        second.show(5)
        first.end("finished")
        first.end("finished")
    assert [line.split(",")[0] for line in lines()] == ["first: 5/10 steps", "first: 10/10 steps"]
    assert "finished" in lines()[-1]


def test_a_terminal_gets_a_bar_and_no_lines(clock, lines, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with working("training", 4, "step") as work:
        clock[0] += 100
        work.show(2, status="[loss] 2.9")
    assert lines() == []
    assert "2/4 steps [loss] 2.9" in capsys.readouterr().err


def test_in_a_narrow_terminal_bar_and_status_make_room_and_no_number_is_cut(clock, lines, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    with working("bench", 40, "measurement") as work:
        clock[0] += 100
        work.show(30, status="task 2 of 2, finetune: 30 shots, draw 1")
    shown = capsys.readouterr().err
    assert "30/40 measurements" in shown
    assert "0:01:40" in shown
    assert "…" not in shown


def test_neither_bar_nor_line_appears_where_the_log_is_silent(clock, lines, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    logging.getLogger("genomask").setLevel(logging.WARNING)
    with working("training", 4, "step") as work:
        clock[0] += 100
        work.show(2)
    assert lines() == []
    assert capsys.readouterr().err == ""


def test_the_unit_of_a_single_piece_of_work_is_singular(clock, lines):
    with working("bench", 1, "measurement") as work:
        clock[0] += 40
        work.show(0)
        clock[0] += 40
        work.show(1)
    assert [line.split(",")[0] for line in lines()][-1:] == ["bench: 1/1 measurement"]
