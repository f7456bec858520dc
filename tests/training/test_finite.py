import pytest
import torch

from genomask.errors import TrainingError
from genomask.training.finite import first_not_finite, require_finite, require_finite_scores


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_first_tensor_with_such_a_number_is_named(value):
    good = {"a": torch.ones(3), "n": torch.tensor([1])}
    assert first_not_finite(good) is None
    require_finite(good, 7)
    with pytest.raises(TrainingError, match="b is not finite after step 7"):
        require_finite(good | {"b": torch.tensor([1.0, value])}, 7)
    with pytest.raises(TrainingError, match=r"the evaluation after step 7 is not finite \(eval_loss is"):
        require_finite_scores({"eval_bits": 1.9, "eval_loss": value}, 7)
    require_finite_scores({"eval_bits": 1.9, "eval_hidden_bases": 8}, 7)
