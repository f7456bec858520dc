from types import SimpleNamespace

import pytest

from genomask.masking import MaskAccount
from genomask.masking.curricula import Phase
from genomask.training import log_window
from genomask.training.finite import StepResult
from genomask.training.log_window import LogWindow

PHASE = Phase("span", "span", 0.0, 0.15)


def test_the_logged_loss_is_per_masked_token_and_every_row_starts_afresh():
    window = LogWindow(tokens=1000, shows_phase=False)
    for step, tokens in ((2, 1200), (4, 1400)):
        for masked, loss in ((10, 1.0), (30, 3.0)):
            masks = MaskAccount(tokens=100, tokens_masked=masked, bases=200, bases_hidden=4, bases_hidden_kept=1)
            window.has_data()
            window.add(masks, StepResult(loss, gradient_norm=loss + 1), PHASE)
        row = window.close(step, rate=0.5, peak_memory=7)
        assert (row["step"], row["tokens"], row["learning_rate"]) == (step, tokens, 0.5)
        assert (row["loss_nats_per_masked_token"], row["tokens_masked_fraction"]) == (2.5, 0.2)
        assert (row["bases_hidden_fraction"], row["bases_hidden_kept_fraction"]) == (0.02, 0.25)
        assert (row["gradient_norm"], row["peak_memory_bytes"], row["skipped_steps"]) == (3.0, 7, 0)
        assert row["masked_tokens_per_second"] == pytest.approx(0.2 * row["tokens_per_second"])


def test_the_speed_is_compared_with_the_peak_of_the_devices_if_that_is_known():
    for peak, expected in ((2e9, True), (None, False)):
        window = LogWindow(tokens=0, shows_phase=False, matmul_peak=peak)
        for _ in range(2):
            window.add(MaskAccount(100, 10, 200, 4, 1), StepResult(1.0, 1.0), PHASE, flops=1_000)
        row = window.close(2, 0.5, 0)
        assert row["matmul_flops_per_second"] / row["tokens_per_second"] == pytest.approx(2_000 / 200)
        assert ("model_flops_utilization" in row) == expected
        assert not expected or row["model_flops_utilization"] == row["matmul_flops_per_second"] / peak


def test_a_row_times_only_its_steps_and_gives_the_fraction_spent_waiting_for_data(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(log_window, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    window = LogWindow(tokens=0, shows_phase=False)
    for waits, lasts, apart in ((1.0, 3.0, 50.0), (2.0, 4.0, 0.0)):
        clock[0] += waits
        window.has_data()
        clock[0] += lasts
        window.add(MaskAccount(100, 10, 200, 4, 1), StepResult(1.0, 1.0), PHASE)
        clock[0] += apart  # an evaluation
        window.restart_clock()
    row = window.close(2, 0.5, 0)
    assert (row["tokens_per_second"], row["data_wait_fraction"]) == (20.0, 0.3)


def test_skipped_steps_are_counted_and_are_in_no_mean():
    window, nothing = LogWindow(tokens=0, shows_phase=False), StepResult(float("nan"), float("inf"))
    for result in (StepResult(2.0, 1.0), nothing):
        window.add(MaskAccount(100, 10, 200, 4, 1), result, PHASE)
    row = window.close(2, 0.5, 0)
    assert (row["loss_nats_per_masked_token"], row["skipped_steps"], row["tokens"]) == (2.0, 1, 100)
    window.add(MaskAccount(100, 10, 200, 4, 1), nothing, PHASE)
    row = window.close(3, 0.5, 0)
    assert (row["skipped_steps"], row["tokens"]) == (1, 100)
    assert "loss_nats_per_masked_token" not in row


def test_a_row_without_a_masked_token_has_no_loss():
    window = LogWindow(tokens=0, shows_phase=False)
    window.add(MaskAccount(100, 0, 200, 0, 0), StepResult(0.0, 0.0), PHASE)
    row = window.close(1, 0.5, 0)
    assert (row["tokens_masked_fraction"], row["skipped_steps"]) == (0, 0)
    assert "loss_nats_per_masked_token" not in row
