import pytest
import torch

from genomask.errors import TrainingError
from genomask.training.finite import (
    MOST_SKIPPED,
    StepResult,
    count_skipped,
    first_not_finite,
    require_finite,
    require_finite_scores,
)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_first_tensor_or_score_that_is_not_finite_is_named(value):
    good = {"a": torch.ones(3), "n": torch.tensor([1])}
    assert first_not_finite(good) is None
    require_finite(good, 7)
    with pytest.raises(TrainingError, match="b is not finite after step 7"):
        require_finite(good | {"b": torch.tensor([1.0, value])}, 7)
    with pytest.raises(TrainingError, match=r"the evaluation after step 7 is not finite \(eval_loss is"):
        require_finite_scores({"eval_bits": 1.9, "eval_loss": value}, 7)
    require_finite_scores({"eval_bits": 1.9, "eval_hidden_bases": 8}, 7)


def test_steps_that_are_not_finite_are_skipped_up_to_a_limit_in_a_row(caplog):
    wild, skipped = StepResult(float("nan"), 1.0), 0
    for step in range(1, MOST_SKIPPED):
        skipped = count_skipped(wild, step, skipped)
        assert skipped == step
    assert "the loss is not finite at step 3 (loss nan, gradient norm 1.0): the step is skipped" in caplog.text
    assert count_skipped(StepResult(1.0, 1.0), 10, skipped) == 0
    with pytest.raises(TrainingError, match=r"not finite at step 10 .*nor at the 9 steps before it"):
        count_skipped(StepResult(1.0, float("inf")), 10, skipped)
