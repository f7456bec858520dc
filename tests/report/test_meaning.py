"""What a run's scores mean, in words for known numbers: each case that a person may meet."""

import pytest

from genomask.errors import DataError
from genomask.report.meaning import copied_fraction, evaluations_words, last_scores, meaning, still_copying

BASELINES = {
    "ln_vocabulary_nats": 8.32, "unigram_entropy_nats": 8.0, "flank_floor_nats": 3.0,
    "order_0_bits_single": 1.96, "order_0_bits_six": 1.95, "order_5_bits_single": 1.94, "order_5_bits_six": 1.93,
}  # fmt: skip
TEXT = {"ln_vocabulary_nats": 10.3, "unigram_entropy_nats": 7.0, "flank_floor_nats": None}


def evaluation(loss: float, single: float, six: float, error: float = 0.002) -> dict:
    """A row of metrics.jsonl from the bits of both items."""
    row = {"step": 100, "eval_loss_nats_per_masked_token": loss}
    for item, bits in (("single", single), ("six", six)):
        row[f"eval_bits_per_hidden_base_{item}"] = bits
        row[f"eval_bits_below_order_0_{item}"] = BASELINES[f"order_0_bits_{item}"] - bits
        row[f"eval_bits_below_order_0_{item}_standard_error"] = error
    return row


def said(*rows: dict, mask_tells: bool = False) -> str:
    return meaning(rows, BASELINES, mask_tells=mask_tells)


def test_far_above_the_flank_floor_the_model_has_not_learned_to_copy_and_no_bits_are_read():
    words = said(evaluation(6.5, 1.97, 1.96))
    assert "has not learned to copy the bases beside a mask yet (loss 6.500" in words
    assert "flank floor 3.000" in words
    assert "Train longer (training.steps), or at a higher optimizer.learning_rate." in words
    assert "composition" not in words


def test_a_little_above_the_flank_floor_the_model_is_still_learning_to_copy():
    words = said(evaluation(3.4, 1.90, 1.91))
    assert "still learning to copy" in words
    assert "0.060 ± 0.002 bits better" in words
    assert "Train longer" in words


def test_a_low_loss_with_bits_worse_than_the_composition_is_not_called_good():
    words = said(evaluation(2.4, 2.058, 1.94), mask_tells=True)
    assert "copies the bases beside a mask (loss 2.400 nats per masked token, flank floor 3.000)" in words
    assert "on single hidden bases it is 0.098 ± 0.002 bits worse than a constant guess by composition" in words
    assert "the mask reveals the answer" in words
    assert "--masking random-span" in words
    assert "random-span" not in said(evaluation(2.4, 2.058, 1.94), mask_tells=False)


def test_within_noise_of_the_composition_nothing_is_claimed():
    assert (
        said(evaluation(2.9, 1.957, 1.951)).count("no better than a constant guess by composition, within noise") == 2
    )


def test_between_composition_and_a_markov_chain_both_distances_are_reported():
    words = said(evaluation(2.9, 1.945, 1.94))
    assert "0.015 ± 0.002 bits better than a constant guess by composition, and 0.005 short of a Markov chain" in words


def test_beyond_a_markov_chain_the_next_step_is_a_task():
    words = said(evaluation(2.7, 1.92, 1.90))
    assert "and 0.020 better than a Markov chain of order 5;" in words
    assert "genomask fewshot" in words


@pytest.mark.parametrize(("loss", "words"), [(7.1, "no more than how frequent each token is"), (5.0, "2.000 nats")])
def test_text_is_described_without_the_words_of_dna(loss, words):
    found = meaning([{"step": 1, "eval_loss_nats_per_masked_token": loss}], TEXT, mask_tells=False)
    assert words in found
    assert not any(word in found for word in ("base", "flank", "bits"))


@pytest.mark.parametrize("missing", ["order_5_bits_six", "eval_bits_below_order_0_single", "unigram_entropy_nats"])
def test_a_missing_number_is_named(missing):
    rows = evaluation(2.9, 1.945, 1.94)
    if missing == "unigram_entropy_nats":  # of text, which has no bits
        rows = {name: value for name, value in rows.items() if "bits" not in name}
    rows.pop(missing, None)
    with pytest.raises(DataError, match=f"has no {missing}; restore both"):
        meaning([rows], {name: value for name, value in BASELINES.items() if name != missing}, mask_tells=False)


def test_tokens_without_flanks_have_nothing_to_copy():
    assert copied_fraction(8.0, BASELINES | {"flank_floor_nats": 8.1}) is None
    assert copied_fraction(8.0, TEXT) is None
    assert still_copying([evaluation(8.0, 1.9, 1.9)], BASELINES | {"flank_floor_nats": 8.1}) == ""
    assert "has no flanks to copy; under masks" in meaning(
        [evaluation(8.0, 1.9, 1.9)], BASELINES | {"flank_floor_nats": 8.1}, mask_tells=False
    )


def test_the_last_evaluation_counts_for_words_and_a_mean_of_at_most_three_for_tables():
    rows = [evaluation(loss, 1.9, 1.9) for loss in (7.0, 6.0, 5.0, 4.0)]
    scores = last_scores([{"step": 1, "loss_nats_per_masked_token": 1.0}, *rows])
    assert (scores.n, scores.mean["eval_loss_nats_per_masked_token"]) == (3, 5.0)
    assert "loss 4.000" in said(*rows)


@pytest.mark.parametrize(
    ("n", "words"),
    [(1, "the only evaluation"), (2, "mean of the 2 evaluations"), (3, "mean of the last 3 evaluations")],
)
def test_a_mean_of_three_is_only_claimed_of_three(n, words):
    assert evaluations_words(n) == words


def test_where_hardly_anything_can_be_copied_no_copied_fraction_is_given():
    known = {"unigram_entropy_nats": 4.0, "flank_floor_nats": 3.5}
    assert copied_fraction(3.75, known) == 0.5
    assert copied_fraction(3.75, known | {"flank_floor_nats": 3.7}) is None
    assert copied_fraction(3.75, known | {"flank_floor_nats": None}) is None
