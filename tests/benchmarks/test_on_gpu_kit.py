"""The command for a GPU: whatever a part does, the next ones run and the summary reports it; and a rehearsal."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BENCHMARKS = TESTS.parent / "benchmarks"
ROWS = '{"machine": "a GPU", "rows": [{"side": "ours"}], "verdict": ["it ran"]}'
FAULTS = {
    "echo RuntimeError: an illegal memory access was encountered >&2; exit 1": "failed: exit status 1",
    "kill -s SEGV $$": "failed: killed by SIGSEGV",
    "exit 0": "failed: it wrote no JSON",
    """echo '{"rows": [' >"$out" """: "failed: its output is not valid JSON",
    """echo '[1, 2]' >"$out" """: "failed: its JSON lacks machine or rows",
    f"""echo '{ROWS}' >"$out"; exit 3""": "failed: exit status 3",
    "exec sleep 60": "failed: it ran out of time",
    f"""echo '{ROWS}' >"$out" """: "done",
}
"""What a part does, as shell code, and the outcome that is reported."""
*_, HANGS, WELL = FAULTS
NEEDED = {"torch", "transformers", "numpy", "scipy", "numba", "pandas", "matplotlib", "rich", "typer"}
"""What benchmarks/README.md says that it needs."""
WITH_TRANSFORMERS = {"tokenizers", "safetensors"}
IMPORTED_AS = {"biopython": "Bio", "scikit-learn": "sklearn", "flash-attn": "flash_attn"}


def absent_packages():
    """All that pyproject.toml names, and the kit does not need, as one string for tests/absent."""
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = {re.match(r"[\w-]+", x).group() for x in project["dependencies"] + extras["flash"] + extras["dev"]}
    return ",".join(IMPORTED_AS.get(name, name) for name in sorted(named - NEEDED - WITH_TRANSFORMERS))


@pytest.fixture
def kit(script):
    return script("on_gpu")


def test_the_budgets_of_the_parts_add_up_to_eight_minutes(kit, tmp_path):
    parts = kit.parts(tmp_path)
    assert sum(part.budget_s for part in parts) == kit.TOTAL_S == 8 * 60
    assert len({part.name for part in parts}) == len(parts)
    assert all((BENCHMARKS / part.command[0]).exists() for part in parts)


def run_with(kit, monkeypatch, out, doing, budget_s=60.0):
    """Run every part in a shell in place of Python: it does what `doing` has for its name."""
    cases = "\n".join(f'  *"/{name} "*) {what} ;;' for name, what in doing.items())
    shell = out / "python"
    shell.write_text(
        f'#!/bin/sh\nfor word; do [ "$last" = --out ] && out=$word; last=$word; done\ncase "$* " in\n{cases}\nesac\n'
    )
    shell.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(shell))
    parts = [replace(x, needs="", budget_s=budget_s, command=(x.name, *x.command[1:])) for x in kit.parts(out)]
    status = kit.run_all(parts, out)
    return status, json.loads((out / "on_gpu.json").read_text())["parts"], (out / "on_gpu.md").read_text()


@pytest.mark.parametrize("shift", range(len(FAULTS) - 1))
def test_whatever_a_part_does_is_reported_and_stops_no_other(kit, monkeypatch, tmp_path, shift):
    names, faults = [part.name for part in kit.parts(tmp_path)], [what for what in FAULTS if what != HANGS]
    doing = {name: faults[(n + shift) % len(faults)] for n, name in enumerate(names)}
    status, rows, page = run_with(kit, monkeypatch, tmp_path, doing)
    assert [row["part"] for row in rows] == names
    assert status == 1
    for row in rows:
        assert row["outcome"].startswith(FAULTS[doing[row["part"]]]), row
        assert f"| {row['part']} | {row['outcome']} |" in page
        assert ("result" in row) == (ROWS in doing[row["part"]])  # what was written before a fault is kept
        assert "illegal memory" not in doing[row["part"]] or "illegal memory" in row["last_words"][-1]
    assert "illegal memory access was encountered" in page


def test_parts_that_hang_are_ended_one_after_the_other(kit, monkeypatch, tmp_path):
    names = [part.name for part in kit.parts(tmp_path)]
    status, rows, _ = run_with(kit, monkeypatch, tmp_path, dict.fromkeys(names, HANGS), budget_s=0.1)
    assert status == 1
    assert [row["outcome"] for row in rows] == [FAULTS[HANGS]] * len(names)


def test_a_part_that_hangs_reports_where(kit, tmp_path):
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import time\n\ndef wait_for_the_gpu():\n    time.sleep(60)\n\nwait_for_the_gpu()\n")
    ended = kit.ended_by([sys.executable, "-S", str(hanging)], tmp_path / "log", time.time() + 3)
    assert ended == FAULTS[HANGS].removeprefix("failed: ")
    words = kit.last_words((tmp_path / "log").read_text())
    assert words[0] == "Fatal Python error: Aborted"
    assert any(word.endswith("in wait_for_the_gpu") for word in words[:5])


def test_where_all_goes_well_the_status_is_0_and_what_is_not_installed_is_left_out(kit, monkeypatch, tmp_path):
    parts = kit.parts(tmp_path)
    status, rows, page = run_with(kit, monkeypatch, tmp_path, {part.name: WELL for part in parts})
    assert status == 0
    assert [row["outcome"] for row in rows] == ["done"] * len(parts)
    assert "a GPU. All parts:" in page
    part = replace(parts[-1], needs="no_such_package")
    assert kit.run(part, 1e12, tmp_path, False)["outcome"] == "left out: no_such_package is not installed"


def test_time_that_a_part_leaves_may_be_used_by_the_next_ones(kit, monkeypatch, tmp_path):
    names = [part.name for part in kit.parts(tmp_path)]
    _, rows, _ = run_with(kit, monkeypatch, tmp_path, dict.fromkeys(names, WELL), budget_s=100.0)
    limits = [row["limit_s"] for row in rows]
    assert limits[0] <= 100 < min(limits[1:])
    assert limits[-1] < 100 * len(limits)


def test_a_rehearsal_needs_an_out_of_its_own(kit, capsys):
    with pytest.raises(SystemExit):
        kit.main(["--rehearse"])
    assert "needs an --out of its own" in capsys.readouterr().err


def test_its_programs_need_no_more_packages_than_their_page_says(kit, tmp_path):
    programs = {Path(part.command[0]).stem for part in kit.parts(tmp_path)}
    folders = TESTS / "absent", BENCHMARKS, TESTS / "encoders", TESTS, TESTS.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "ABSENT": absent_packages()}
    command = [sys.executable, "-c", f"import {', '.join(sorted(programs))}, gpu_checks"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    page = " ".join((BENCHMARKS / "README.md").read_text().split())
    stated = page.partition("Besides torch and transformers it needs ")[2].partition(", but")[0]
    assert {"torch", "transformers", *re.split(", | and ", stated)} == NEEDED


@pytest.mark.rehearsal
def test_every_part_runs_on_the_stand_in_without_packages_that_a_bare_machine_lacks(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(TESTS / "absent"), "ABSENT": absent_packages()}
    command = [sys.executable, str(BENCHMARKS / "on_gpu.py"), "--rehearse", "--out", str(tmp_path)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    summary, page = (tmp_path / "on_gpu.json").read_text(), (tmp_path / "on_gpu.md").read_text()
    assert answer.returncode == 0, page
    parts = json.loads(summary)["parts"]
    assert [row["outcome"] for row in parts if "flash" not in row["part"]] == ["done"] * 11
    assert [row["outcome"] for row in parts if "flash" in row["part"]] == ["left out: flash_attn is not installed"] * 2
    assert not [line for row in parts if "result" in row for line in row["result"]["rows"] if "failed" in line]
    assert page.startswith("**A rehearsal at toy sizes: its figures mean nothing.**")
    assert "killed and resumed: bit-equal to an unbroken run" in page
