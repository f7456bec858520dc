import logging

import pytest

from genomask.training.progress import TrainingBar

ROW = {
    "loss_nats_per_masked_token": 3.0,
    "tokens_per_second": 12_345.6,
    "masked_tokens_per_second": 1_851.8,
    "data_wait_fraction": 0.012,
    "gradient_norm": 0.912,
    "learning_rate": 3e-3,
    "peak_memory_bytes": 876_900_000,
}
DNA = {"eval_loss_nats_per_masked_token": 2.5, "eval_bits_per_hidden_base": 1.95}


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [(DNA, "held out 2.500 nats, 1.9500 bits/base"), ({"eval_loss_nats_per_masked_token": 2.5}, "held out 2.500 nats")],
    ids=["DNA", "text"],
)
@pytest.mark.parametrize("mfu", ["MFU 35%, ", ""], ids=["a known rate", "no known rate"])
def test_a_line_has_step_loss_speed_and_scores_and_a_resumed_run_goes_on_counting(
    mfu, evaluation, said, caplog, monkeypatch
):
    monkeypatch.setattr("genomask.terminal.progress.LINE_SECONDS", 0)
    caplog.set_level(logging.INFO, logger="genomask")
    with TrainingBar(100, 40) as bar:
        bar.step(41)
        bar.show_metrics(ROW | ({"model_flops_utilization": 0.347} if mfu else {}))
        bar.show_evaluation(evaluation)
    assert caplog.messages[-1].startswith(
        f"training: 41/100 steps, loss 3.000 nats, {said}, 12,346 tok/s (1,852 masked), {mfu}waiting 1%, "
        "gradient 0.91, rate 0.003, 877 MB, 0:00:00"
    )
