"""The loop that few-shot and `finetune` share: its rate, order and losses, and that it resumes from any step."""

import numpy as np
import pytest
import torch

from genomask.data.examples import NUMBER, SEVERAL
from genomask.errors import TrainingError
from genomask.fewshot.finetune import new_classifier
from genomask.fewshot.fitting import Fitting, Schedule, fit, loss_of
from genomask.inference.tokens import tokenise
from genomask.training.checkpoint import restore_checkpoint, save_checkpoint
from genomask.training.checkpoint_state import CheckpointState

PLAN = Schedule(learning_rate=1e-3, epochs=2, batch_size=5)


def fitting(model_folder, pool, plan=PLAN, seed=3, targets=None, **settings):
    model, tokenizer = new_classifier(model_folder, seed=0, **settings or {"num_labels": 2})
    tokens = tokenise(tokenizer, pool.sequences, "pool").tokens
    return Fitting(model, tokens, pool.labels if targets is None else targets, plan, seed)


def test_the_rate_warms_up_and_falls_to_zero_and_only_matrices_decay(model_folder, pool):
    found = fitting(model_folder, pool, Schedule(1.0, 4, 5))
    assert found.steps == 20
    rates = [found.rate(number) for number in range(21)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    np.testing.assert_allclose(np.diff(rates[2:]), -1 / 18)
    assert rates[20] == 0
    assert [group["weight_decay"] for group in found.optimizer.param_groups] == [0.01, 0.0]


def test_an_epoch_has_every_example_once_and_the_next_another_order(model_folder, pool, monkeypatch):
    seen = []
    monkeypatch.setattr("genomask.fewshot.fitting.select", lambda _, rows: seen.append(rows.tolist()) or 1 / 0)
    found = fitting(model_folder, pool)
    for number in range(found.steps):
        with pytest.raises(ZeroDivisionError):
            found.step(number)
    assert [len(batch) for batch in seen] == [5, 5, 5, 5, 4] * 2
    assert all(sorted(row for batch in part for row in batch) == [*range(24)] for part in (seen[:5], seen[5:]))
    assert seen[0] != seen[5]


def test_a_step_depends_on_its_number_and_not_on_what_was_drawn_before(model_folder, pool, tmp_path):
    whole, parts = fitting(model_folder, pool), fitting(model_folder, pool)
    for number in range(whole.steps):
        whole.step(number)
    for number in range(3):
        parts.step(number)
    save_checkpoint(tmp_path, parts.model, parts.optimizer, CheckpointState(3))
    again = fitting(model_folder, pool)
    assert restore_checkpoint(tmp_path, again.model, again.optimizer).steps_done == 3
    torch.manual_seed(99)
    for number in range(3, again.steps):
        again.step(number)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name


def test_the_seed_matters(model_folder, pool):
    one, other = fitting(model_folder, pool, seed=1), fitting(model_folder, pool, seed=2)
    assert one.step(0) != other.step(0)


@pytest.mark.parametrize(("problem", "labels"), [(SEVERAL, 3), (NUMBER, 1)])
def test_the_loss_is_the_one_that_the_model_itself_takes(model_folder, pool, problem, labels):
    targets = np.random.default_rng(0).integers(0, 2, (len(pool.labels), labels)).astype(float)
    found = fitting(model_folder, pool, targets=targets, problem_type=problem, num_labels=labels)
    logits, expected = torch.randn(4, labels), torch.from_numpy(targets[:4])
    cu_seqlens, ids = torch.tensor([0, 2], dtype=torch.int32), torch.tensor([2, 3])
    told = found.model.eval()(ids, cu_seqlens=cu_seqlens, max_seqlen=2, labels=expected[:1])
    torch.testing.assert_close(loss_of(found.model, told.logits, expected[:1]), told.loss)
    assert loss_of(found.model, logits, expected).ndim == 0
    assert found.step(0) > 0


def test_a_loss_that_is_not_finite_is_reported(model_folder, pool):
    model, tokenizer = new_classifier(model_folder, seed=0, num_labels=2)
    torch.nn.init.constant_(model.classifier.weight, torch.nan)
    tokens = tokenise(tokenizer, pool.sequences, "pool").tokens
    with pytest.raises(TrainingError, match="not finite"):
        fit(model, tokens, pool.labels, Schedule(1e-3, 1, 16), seed=0)
