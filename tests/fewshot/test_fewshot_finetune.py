import numpy as np
import pytest
import torch
from transformers import RobertaConfig, RobertaForSequenceClassification

from genomask.data import KmerTokenizer
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
def test_auto_is_the_published_schedule_but_narrow_encoders_take_one_rate_and_batch(shot, width, expected):
    assert schedule(FineTuneSettings(schedule="published"), shot, width) == Schedule(*expected)


def test_linear_first_lowers_only_the_rate_of_narrow_encoders():
    assert schedule(FineTuneSettings(), 50, 128) == Schedule(3e-4, 20, 16)
    assert schedule(FineTuneSettings(), 50, 768) == schedule(FineTuneSettings(schedule="published"), 50, 768)


def test_explicit_settings_replace_auto():
    settings = FineTuneSettings(learning_rate=3e-4, epochs=2)
    assert schedule(settings, 10, 768) == Schedule(3e-4, 2, 5)


@pytest.mark.processor
def test_fine_tuning_learns_and_repeats_bit_for_bit_with_and_without_bf16_units(
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
    valid = Validation(tokens, pool.labels if kept else 1 - pool.labels)  # each epoch learns them better, or worse
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


@pytest.mark.parametrize("before", ["linear-first", "published"])
@pytest.mark.parametrize("schedule", ["linear-first", "published"])
def test_the_encoder_of_a_classifier_is_kept_and_a_seed_draws_its_last_layer(model_folder, tmp_path, before, schedule):
    model, tokenizer = new_classifier(model_folder, before, seed=0, num_labels=2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path)
    trained = model.state_dict()
    first, again, other = (new_classifier(tmp_path, schedule, seed=seed, num_labels=2).model for seed in (3, 3, 4))
    assert first.config.classifier_pooling == {"published": "cls", "linear-first": "mean"}[schedule]
    lacks_pooler = (before, schedule) == ("linear-first", "published")
    drawn = {"classifier.weight"} | ({"bert.pooler.dense.weight"} if lacks_pooler else set())
    states = [made.state_dict() for made in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert {name for name in states[0] if not torch.equal(states[0][name], states[2][name])} == drawn
    kept = states[0].keys() - {name.replace("weight", end) for name in drawn for end in ("weight", "bias")}
    assert all(torch.equal(states[0][name], trained[name]) for name in kept)
    assert states[0]["classifier.weight"].std() == pytest.approx(first.config.initializer_range, rel=0.3)
    assert not states[0]["classifier.bias"].any()


def test_the_last_layer_of_another_librarys_classifier_is_drawn_too(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    RobertaForSequenceClassification(RobertaConfig(vocab_size=21, pad_token_id=0, **sizes)).save_pretrained(tmp_path)
    KmerTokenizer(k=2).save_pretrained(tmp_path)
    states = [new_classifier(tmp_path, "published", seed=seed, num_labels=2).model.state_dict() for seed in (1, 2)]
    assert {name for name in states[0] if not torch.equal(states[0][name], states[1][name])} == {
        "classifier.out_proj.weight"
    }
