"""The doctor says what a run here would use, and measures what it says it measures."""

import numpy as np
import pytest
import torch

from genomask.commands import doctor
from genomask.recipe import load_recipe
from genomask.report.tables import rich_table


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOMASK_CACHE", str(tmp_path_factory.mktemp("cache") / "not-there-yet"))
        patch.setattr(doctor, "SEQUENCES", 2)
        patch.setattr(doctor, "REPEATS", 1)
        patch.setattr(doctor, "usable_memory", lambda: 2**20)
        return {finding.what: finding for finding in doctor.examine()}


def test_it_covers_versions_device_backend_precision_threads_memory_cache_and_speed(findings):
    expected = {"genomask", "torch", "device", "attention backend", "bf16", "threads", "memory", "genome cache"}
    assert expected | {"training speed"} <= findings.keys()
    assert all(finding.found for finding in findings.values())


def test_versions_are_those_installed(findings):
    assert torch.__version__.startswith(findings["torch"].found)  # a CUDA build of torch calls itself 2.11.0+cu130


def test_the_speed_is_a_positive_number_of_tokens_per_second(findings):
    number, unit = findings["training speed"].found.split()
    assert float(number.replace(",", "")) > 0
    assert unit == "tokens/s"


def test_the_speed_is_that_of_the_median_step_after_the_warm_up(monkeypatch):
    seconds = [100.0] * doctor.WARM_UPS + [2.0, 9.0, 4.0, 1.0, 8.0]
    clock = iter(np.cumsum([0.0, *(part for step in seconds for part in (step, 7.0))]))
    monkeypatch.setattr(doctor, "train_step", lambda *_, **__: None)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    speed = doctor.measure_tokens_per_second(load_recipe("genome-tiny"), torch.device("cpu"), "fp32")
    assert speed == 16 * 512 / 4.0


def test_a_cache_folder_that_does_not_exist_yet_is_no_problem(findings):
    assert findings["genome cache"].found.endswith("not-there-yet")
    assert "0.00 GiB used" in findings["genome cache"].meaning


@pytest.mark.processor
@pytest.mark.parametrize(
    ("has_units", "found", "precision"), [(True, "in hardware", "bf16"), (False, "emulated", "fp32")]
)
def test_it_says_in_which_precision_this_processor_would_train(bf16_units, has_units, found, precision):
    bf16_units(has_units)
    said = doctor.bf16_finding(torch.device("cpu"))
    assert (said.found, said.meaning) == (found, f"training.precision = auto trains genome-tiny in {precision}")


def test_a_limit_below_the_built_in_memory_is_reported(findings):
    assert findings["memory"].found == "0.0 GiB"
    assert "a limit of this process or container; the machine has" in findings["memory"].meaning


def test_no_limit_is_reported_if_all_built_in_memory_may_be_used(monkeypatch):
    monkeypatch.setattr(doctor, "measure_tokens_per_second", lambda *_: 1.0)
    for name in ("usable_memory", "built_in_memory"):
        monkeypatch.setattr(doctor, name, lambda: 3 * 2**30)
    (memory,) = (finding for finding in doctor.examine() if finding.what == "memory")
    assert memory.found == "3.0 GiB"
    assert "limit" not in memory.meaning


def test_the_findings_fit_a_table(findings):
    table = rich_table(doctor.findings_frame(list(findings.values())))
    assert table.row_count == len(findings)
