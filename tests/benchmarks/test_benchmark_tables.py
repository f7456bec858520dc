import json
import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

RESULT = {
    "machine": {
        "processor": "A Processor",
        "device": "cpu",
        "threads": 2,
        "load_at_start": 0.25,
        "date": "2026-01-02T03:04:05+00:00",
        "packages": {"torch": "9.9", "transformers": "8.8"},
    },
    "setup": {"config": "small", "pad_fraction": 0.2483},
    "rows": [
        {"side": "ours", "tokens_per_s": 12345.6, "exact": True},
        {"side": "a|b", "tokens_per_s": 3.14159, "n": 2000},
    ],
    "verdict": ["ours is ahead"],
}


@pytest.fixture(scope="module")
def tables():
    return runpy.run_path(str(BENCHMARKS / "tables.py"))


def test_a_block_is_filled_from_its_files_and_the_rest_stays(tables, tmp_path):
    (tmp_path / "x-1.json").write_text(json.dumps(RESULT))
    text = "before\n<!-- results: x-*.json -->\nold\n<!-- end -->\nafter\n"
    filled = tables["filled"](text, tmp_path)
    assert filled.startswith("before\n<!-- results: x-*.json -->\n")
    assert filled.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in filled
    assert "A Processor, 2 threads, load 0.25 at the start; torch 9.9, transformers 8.8; 2026-01-02." in filled
    assert "Setup: config small, pad fraction 0.248." in filled
    assert "| side | tokens per s | exact | n |\n| --- | ---: | ---: | ---: |" in filled
    assert "| ours | 12,346 | yes |  |\n| a\\|b | 3.14 |  | 2,000 |" in filled
    assert "- ours is ahead" in filled
    assert tables["filled"](filled, tmp_path) == filled


def test_a_pattern_without_files_is_refused(tables, tmp_path):
    with pytest.raises(ValueError, match=r"no file y\.json"):
        tables["filled"]("<!-- results: y.json -->\n<!-- end -->", tmp_path)


def test_the_speed_table_has_a_row_per_result_by_the_clock_of_its_verdict(tables):
    ratios = {"ours": 1.0, "A": 1.5, tables["STRICTEST"]: 1.25}
    rows = [{"side": side, "wall_ratio": ratio, "cpu_ratio": 2 * ratio} for side, ratio in ratios.items()]
    machine = {"processor": "A Processor (family 1, model 2)", "bf16_units": False}
    result = {"machine": machine, "setup": {"config": "small"}, "rows": rows, "verdict": ["wall clock"]}
    emulated, exact = (result | {"setup": {"config": "small", "precision": name}} for name in ("bf16", "fp32"))
    strict = {"side": tables["SPARSE"], "wall_ratio": 1.0, "cpu_ratio": 1.125}  # which earlier runs lack
    noisy = exact | {"verdict": ["CPU seconds"], "rows": [*rows, strict]}
    header, _, *lines = tables["speed"]([emulated, exact, noisy]).splitlines()
    assert header == f"| processor | encoder | clock | {tables['SPARSE']} | {tables['STRICTEST']} | A |"
    assert lines == [
        "| A Processor (family 1, model 2) | small, fp32 | wall |  | 1.25 x | 1.50 x |",
        "| A Processor (family 1, model 2) | small, fp32 | cpu | 1.12 x | 2.50 x | 3.00 x |",
        "| A Processor (family 1, model 2) | small, bf16 (emulated) | wall |  | 1.25 x | 1.50 x |",
    ]


def test_the_tables_of_the_readmes_match_the_results(tables):
    for path in tables["READMES"]:
        text = path.read_text(encoding="utf-8")
        assert tables["BLOCK"].search(text)
        assert tables["filled"](text, BENCHMARKS / "results") == text


SUMMARY = {
    "rehearsal": True,
    "seconds": 412.3,
    "parts": [
        {"part": "machine", "command": "machine.py", "outcome": "done", "seconds": 5.0, "limit_s": 15.0,
         "result": {"machine": RESULT["machine"] | {"device": "A GPU"}, "rows": []}},
        {"part": "step", "command": "gpu_step.py --case c4-base", "outcome": "done", "seconds": 60.0, "limit_s": 75.0,
         "result": RESULT},
        {"part": "run", "command": "gpu_run.py", "outcome": "failed: exit status 1", "seconds": 3.0, "limit_s": 85.0,
         "last_words": ["Traceback", "RuntimeError: CUDA error"]},
    ],
}  # fmt: skip


def test_a_gpu_block_says_that_it_waits_until_there_is_a_file(tables, tmp_path):
    text = "<!-- gpu: on_gpu.json -->\n<!-- end -->\n<!-- gpu verdict: on_gpu.json -->\n<!-- end -->\n"
    assert tables["filled"](text, tmp_path).count("\nWaits for a GPU: `python benchmarks/on_gpu.py`.\n") == 2
    (tmp_path / "on_gpu.json").write_text(json.dumps(SUMMARY))
    filled = tables["filled"](text, tmp_path)
    assert tables["filled"](filled, tmp_path) == filled
    whole, verdict = filled.split("<!-- gpu verdict")
    heading = "A GPU, 2 threads, load 0.25 at the start; torch 9.9, transformers 8.8; 2026-01-02. All parts: 412 s."
    assert f"**A rehearsal at toy sizes: its figures mean nothing.** {heading}" in whole
    assert "| part | outcome | seconds | limit s |" in whole
    assert "| run | failed: exit status 1 | 3 | 85 |" in whole
    assert "**step** (`gpu_step.py --case c4-base`)" in whole
    assert "| ours | 12,346 | yes |  |" in whole
    assert "    RuntimeError: CUDA error" in whole
    assert verdict.endswith("\n- ours is ahead\n- run: failed: exit status 1\n<!-- end -->\n")
    (tmp_path / "on_gpu.json").write_text(json.dumps(SUMMARY | {"rehearsal": False}))
    assert "rehearsal" not in tables["filled"](text, tmp_path)
