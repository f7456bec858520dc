import json

import pytest
import torch

from genomask.errors import DataError, SettingsError
from genomask.training.environment import describe_environment, differences, first_precision, keep_environment


@pytest.fixture
def environment():
    return describe_environment(torch.device("cpu"), "fp32", "sdpa", compiled=False)


def changed(environment, **changes):
    packages = {name: changes.pop(name) for name in list(changes) if name in environment["packages"]}
    return {**environment, **changes, "packages": environment["packages"] | packages}


def test_the_first_environment_stays_and_a_later_one_is_added(environment, tmp_path, caplog):
    keep_environment(tmp_path, environment, 0)
    first = (tmp_path / "environment.json").read_bytes()
    assert json.loads(first) == environment
    later = changed(environment, threads=64, torch="9.9", device="a GPU", date="later")
    for step in (10, 20):
        keep_environment(tmp_path, later, step)
    assert (tmp_path / "environment.json").read_bytes() == first
    lines = [json.loads(line) for line in (tmp_path / "resumed.jsonl").read_text().splitlines()]
    assert lines == [{"from_step": step, **later} for step in (10, 20)]
    for words in (
        "device cpu, now a GPU", f"threads {environment['threads']}, now 64",
        f"torch {environment['packages']['torch']}, now 9.9",
    ):  # fmt: skip
        assert words in caplog.text


def test_another_date_command_or_machine_name_is_not_reported(environment, tmp_path, caplog):
    keep_environment(tmp_path, environment, 0)
    keep_environment(tmp_path, changed(environment, date="later", command=["x"], platform="y", cpu_count=99), 10)
    assert caplog.text == ""
    assert differences(environment, changed(environment, threads=99)).endswith("now 99")


@pytest.mark.parametrize(("began", "now"), [("bf16", "fp32"), ("fp32", "bf16")])
def test_a_run_does_not_go_on_in_another_precision(environment, tmp_path, began, now):
    keep_environment(tmp_path, changed(environment, precision=began), 0)
    assert first_precision(tmp_path) == began
    with pytest.raises(
        SettingsError, match=f"began in {began} and would continue in {now}.*training.precision={began}"
    ):
        keep_environment(tmp_path, changed(environment, precision=now), 10)
    assert not (tmp_path / "resumed.jsonl").exists()


def test_a_start_before_any_step_was_done_replaces_the_environment(environment, tmp_path):
    keep_environment(tmp_path, changed(environment, precision="bf16"), 0)
    keep_environment(tmp_path, environment, 0)
    assert first_precision(tmp_path) == "fp32"
    assert [path.name for path in tmp_path.iterdir()] == ["environment.json"]


def test_a_missing_first_environment_is_reported_and_a_damaged_one_refused(environment, tmp_path, caplog):
    keep_environment(tmp_path, environment, 10)
    assert "the environment at the run's start is unknown" in caplog.text
    for content in (b"", b"null", b"\xff", b"[1]"):
        (tmp_path / "environment.json").write_bytes(content)
        with pytest.raises(DataError, match=r"environment\.json: .*; restore it from a backup"):
            keep_environment(tmp_path, environment, 10)
    for precision in ("bf17", ["fp32"], 1):
        (tmp_path / "environment.json").write_text(json.dumps(changed(environment, precision=precision)))
        with pytest.raises(DataError, match=r"environment\.json: precision is .*, neither fp32 nor bf16"):
            first_precision(tmp_path)
    (tmp_path / "environment.json").write_text("{}")
    keep_environment(tmp_path, environment, 10)
    assert "genomask not recorded, now" in caplog.text
