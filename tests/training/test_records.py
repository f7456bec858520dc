import pytest

from genomask.errors import DataError
from genomask.training.records import read_baselines, read_record, write_record


def test_a_record_is_read_as_it_was_written(tmp_path):
    write_record(tmp_path / "a.json", {"bits": 1.98, "of": ["a"]})
    assert read_record(tmp_path / "a.json") == {"bits": 1.98, "of": ["a"]}


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_missing_or_damaged_record_is_one_clear_error_with_a_remedy(tmp_path, content):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a.json: .*use --resume"):
        read_record(tmp_path / "a.json")


@pytest.mark.parametrize("value", ["1.9", True, {}, [1.9], float("nan")])
def test_a_baseline_that_is_not_a_number_is_named(tmp_path, value):
    write_record(tmp_path / "baselines.json", {"order_0_bits": 1.99, "flank_floor_nats": None})
    assert read_baselines(tmp_path / "baselines.json") == {"order_0_bits": 1.99, "flank_floor_nats": None}
    write_record(tmp_path / "baselines.json", {"order_0_bits": value})
    with pytest.raises(DataError, match=r"baselines.json: order_0_bits is not a number; .*use --resume"):
        read_baselines(tmp_path / "baselines.json")
