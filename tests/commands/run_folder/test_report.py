"""What a finished run shows, also from damaged records."""

import json
from contextlib import nullcontext

import pytest

from genomask.commands.run_folder.folder import facts_of, write_config
from genomask.commands.run_folder.report import report_run
from genomask.data.opening import Inputs
from genomask.errors import DataError

GENOMES = ("", "_of_human", "_of_yeast")
LOGGED = {"step": 20, "tokens": 4321, "tokens_per_second": 900.0, "loss_nats_per_masked_token": 3.0}
BASELINES = {
    "ln_vocabulary_nats": 4.2, "unigram_entropy_nats": 4.1, "flank_floor_nats": 3.0,
    "order_0_bits_single": 1.96, "order_0_bits_six": 1.95, "order_5_bits_single": 1.94, "order_5_bits_six": 1.93,
}  # fmt: skip


def evaluation() -> dict[str, float]:
    row = {"step": 20, "eval_bits_per_hidden_base": 1.9, "eval_bits_below_order_0": 0.05}
    for genome in GENOMES:
        row[f"eval_loss_nats_per_masked_token{genome}"] = 2.9
        for item in ("single", "six"):
            row[f"eval_bits_per_hidden_base_{item}{genome}"] = 1.9
            row[f"eval_bits_below_order_0_{item}{genome}"] = 0.05
            row[f"eval_bits_below_order_0_{item}_standard_error{genome}"] = 0.01
    return row


@pytest.fixture
def shown(quick_recipe, run_folder, monkeypatch):
    """Everything that report_run shows of these records."""
    monkeypatch.setattr("genomask.commands.run_folder.report.learning_curves", lambda *_: None)
    run_folder.mkdir()
    write_config(run_folder, quick_recipe, Inputs(genome=("a.fa",)), facts_of(quick_recipe, "abc"))

    def show(logged: dict, evaluated: dict, baselines: dict) -> list[object]:
        (run_folder / "metrics.jsonl").write_text(f"{json.dumps(logged)}\n{json.dumps(evaluated)}\n")
        (run_folder / "baselines.json").write_text(json.dumps(baselines))
        return list(report_run(run_folder))

    return show


def without(row: dict, name: str) -> dict:
    return {key: value for key, value in row.items() if key != name}


def test_whole_records_give_two_tables_and_two_sentences(shown):
    table, by_genome, *said = shown(LOGGED, evaluation(), BASELINES)
    assert "20 steps, 4,321 tokens" in table.title
    assert by_genome.row_count == len(GENOMES)
    assert len(said) == 2


GAINS = [f"eval_bits_below_order_0_{item}{genome}" for item in ("single", "six") for genome in GENOMES]
NEEDED = {
    **{name: f"has no {name}; restore both" for name in ("tokens", "eval_bits_below_order_0", *GAINS)},
    "tokens_per_second": "holds no row with tokens_per_second",
    "eval_loss_nats_per_masked_token": "holds no row with eval_loss_nats_per_masked_token",
    "unigram_entropy_nats": "has no unigram_entropy_nats",
    "order_5_bits_single": "has no order_5_bits_single",
    "order_5_bits_six": "has no order_5_bits_six",
    "step": "holds no row",
}


@pytest.mark.parametrize("name", [*LOGGED, *evaluation(), *BASELINES])
def test_a_missing_figure_is_named_if_the_report_needs_it_and_else_left_out(shown, name):
    expected = pytest.raises(DataError, match=NEEDED[name]) if name in NEEDED else nullcontext()
    with expected:
        assert shown(without(LOGGED, name), without(evaluation(), name), without(BASELINES, name))
