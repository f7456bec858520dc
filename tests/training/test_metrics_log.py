import pytest

from genomask.training.metrics_log import MetricsLog, parse_metrics, read_metrics

LOSSES = [{"step": 5, "loss": 1 / 3}, {"step": 10, "loss": 0.1}, {"step": 15, "loss": 2e-9}]
ROWS = [*LOSSES[:2], {"step": 10, "eval_bits": 1.9}, LOSSES[2]]


@pytest.fixture
def written(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", keep_until=0)
    for row in ROWS:
        assert log.write(row) is row
    log.sync()
    return tmp_path / "metrics.jsonl"


def test_rows_come_back_and_a_resumed_run_drops_those_after_its_checkpoint(written):
    before = written.read_bytes()
    assert read_metrics(written) == ROWS
    MetricsLog(written, keep_until=15)
    assert written.read_bytes() == before
    MetricsLog(written, keep_until=10)
    assert read_metrics(written) == ROWS[:3]
    assert read_metrics(written.with_name("none")) == []


TAILS = {
    "zeros": b"\0" * 64 + b"\n",
    "zeros without an end": b"\0" * 64,
    "torn": b'{"step": 20, "lo',
    "not UTF-8": b'{"step": 20, "\xff": 1}\n',
    "no object": b"7\n",
    "null": b"null\n",
    "no step": b'{"loss": 1.0}\n',
    "step of text": b'{"step": "20"}\n',
    "text in a row": b'{"step": 20, "loss": "low"}\n',
    "deep": b"[" * 100_000 + b"\n",
    "more than a float holds": b'{"step": 20, "loss": 1' + b"0" * 400 + b"}\n",
    "a number of thousands of digits": b'{"step": ' + b"9" * 5000 + b"}\n",
}


@pytest.mark.parametrize("tail", TAILS)
def test_a_damaged_last_row_is_dropped_and_reported(written, caplog, tail):
    whole = written.read_bytes()
    written.write_bytes(whole + TAILS[tail])
    assert parse_metrics(written) == (ROWS, [5])
    MetricsLog(written, keep_until=15)
    assert "damaged lines, as a crash leaves them: 5" in caplog.text
    assert written.read_bytes() == whole


def test_a_damaged_earlier_row_is_dropped_and_reported(written, caplog):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join([lines[0], b"\0" * 10 + lines[1][10:], *lines[2:]]))
    assert read_metrics(written) == [ROWS[0], *ROWS[2:]]
    assert "damaged lines, as a crash leaves them: 2" in caplog.text
