import numpy as np
import pytest
import torch

from genomask.errors import TrainingError
from genomask.fewshot.finetune import FineTuneSettings, finetune_scorer, new_classifier, schedule
from genomask.fewshot.fitting import Fitting, Schedule, Validation, fit
from genomask.inference.tokens import tokenise


@pytest.mark.parametrize(
    ("shot", "width", "expected"),
    [
        (10, 768, (1e-4, 20, 5)),
        (100, 768, (1e-4, 20, 5)),
        (500, 768, (5e-5, 5, 15)),
        (1000, 512, (5e-5, 5, 15)),
        (100, 256, (1e-3, 20, 16)),
        (500, 128, (1e-3, 5, 16)),
    ],
)
def test_auto_is_the_published_schedule_for_wide_encoders_and_a_constant_rate_below(shot, width, expected):
    assert schedule(FineTuneSettings(schedule="published"), shot, width) == Schedule(*expected)


def test_where_the_head_starts_linear_narrow_encoders_take_a_lower_rate_and_all_else_is_as_published():
    assert schedule(FineTuneSettings(), 50, 128) == Schedule(3e-4, 20, 16)
    assert schedule(FineTuneSettings(), 50, 768) == schedule(FineTuneSettings(schedule="published"), 50, 768)


def test_what_is_asked_for_replaces_auto():
    settings = FineTuneSettings(learning_rate=3e-4, epochs=2)
    assert schedule(settings, 10, 768) == Schedule(3e-4, 2, 5)


@pytest.mark.processor
def test_fine_tuning_learns_and_repeats_bit_for_bit_with_units_for_bf16_and_without(
    model_folder, pool, test_task, bf16_units
):
    settings = FineTuneSettings(epochs=12, learning_rate=5e-3)
    rows = np.arange(len(pool.labels))
    scores = []
    for has_units in (False, True):
        bf16_units(has_units)
        scorer = finetune_scorer(model_folder, pool, test_task, settings, seed=1, untrained=False)
        scores.append(scorer(rows, 12, 0))
    np.testing.assert_array_equal(*scores)
    assert (scores[0].argmax(axis=1) == test_task.labels).mean() > 0.75
    assert not np.array_equal(scores[0], scorer(rows, 12, 1))


def test_one_draw_leaves_no_trace_in_the_next(model_folder, pool, test_task):
    settings = FineTuneSettings(epochs=1)
    rows = np.arange(len(pool.labels))
    scorer = finetune_scorer(model_folder, pool, test_task, settings, seed=1, untrained=True)
    first = scorer(rows, 12, 0)
    scorer(rows, 12, 1)
    np.testing.assert_array_equal(scorer(rows, 12, 0), first)


@pytest.mark.parametrize("kept", [0, 2])
def test_with_validation_examples_the_epoch_of_their_lowest_loss_is_kept(model_folder, pool, kept):
    def new():
        model, tokenizer = new_classifier(model_folder, seed=0, num_labels=2)
        return model, tokenise(tokenizer, pool.sequences, "file").tokens

    model, tokens = new()
    valid = Validation(tokens, pool.labels if kept else 1 - pool.labels)  # learnt better, or worse, by each epoch
    plan = Schedule(5e-3, 3, len(pool.labels))
    by_hand, losses, weights = Fitting(model, tokens, pool.labels, plan, 0), [], []
    for step in range(3):
        by_hand.step(step)
        losses.append(valid.loss(model))
        weights.append({name: x.clone() for name, x in model.state_dict().items()})
    assert np.argmin(losses) == kept
    model, _ = new()
    fit(model, tokens, pool.labels, plan, 0, valid)
    assert all(torch.equal(x, weights[kept][name]) for name, x in model.state_dict().items())


def test_a_loss_that_is_not_finite_chooses_no_epoch(model_folder, pool):
    model, tokenizer = new_classifier(model_folder, seed=0, num_labels=2)
    valid = Validation(tokenise(tokenizer, pool.sequences, "file").tokens, pool.labels)
    with torch.no_grad():
        model.classifier.bias.fill_(torch.nan)
    with pytest.raises(TrainingError, match="choose the epoch is not finite"):
        valid.loss(model)
