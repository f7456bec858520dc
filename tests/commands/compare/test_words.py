"""The headline of a comparison: what may overturn the verdict comes first, and floors are never left out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genomask.commands.compare.arms import Comparison
from genomask.commands.compare.comparison import Outcome
from genomask.commands.compare.page import write_comparison_page
from genomask.commands.compare.words import headline, result, terminal_parts
from genomask.commands.demo.demo import pretraining_gain
from genomask.data.bases import letters_of
from genomask.data.opening import Inputs
from genomask.data.tasks import read_task
from genomask.fewshot.correct import CorrectFile
from genomask.fewshot.floor_test import against_floors
from genomask.fewshot.protocol import FewShotSettings
from genomask.fewshot.results import Cell
from genomask.fewshot.summary import summarise
from genomask.report.leak_rows import TITLE
from genomask.report.meaning import LOSS, last_scores

METHODS = ("probe", "kmer-logreg", "random-init")
BASELINES = {
    "ln_vocabulary_nats": 5.5, "unigram_entropy_nats": 5.4, "flank_floor_nats": 2.8,
    "order_0_bits": 1.98, "order_0_bits_single": 1.98, "order_0_bits_six": 1.98,
    "order_5_bits": 1.84, "order_5_bits_single": 1.84, "order_5_bits_six": 1.84,
}  # fmt: skip


def run(loss: float) -> pd.DataFrame:
    evaluation = {"step": 100, "eval_loss_nats_per_masked_token": loss, "eval_bits_per_hidden_base": 1.9}
    for item in ("single", "six"):
        evaluation |= {f"eval_bits_per_hidden_base_{item}": 1.9, f"eval_bits_below_order_0_{item}": 0.08}
        evaluation[f"eval_bits_below_order_0_{item}_standard_error"] = 0.01
    trained = {"step": 100, "loss_nats_per_masked_token": loss, "tokens_masked_fraction": 0.15}
    return pd.DataFrame([trained | {"bases_hidden_fraction": 0.08}, evaluation])


def results(probe: float, kmers: float, untrained: float, seeds: int = 1) -> pd.DataFrame:
    """Accuracies of both strategies and of the floors, five draws each at two shots."""
    rows = []
    for seed in range(seeds):
        arms = [("random-span", "probe", probe, seed), ("genemask", "probe", probe - 0.02 - seed / 500, seed)]
        floors = [("none", "kmer-logreg", kmers, -1)] * (seed == 0) + [
            ("random-span", "random-init/probe", untrained, seed)
        ]
        for strategy, method, accuracy, known in arms + floors:
            model = {"model": "m", "strategy": strategy, "pretraining_seed": known, "task": "toy", "method": method}
            for shot in (10, 50):
                for draw in range(5):
                    score = accuracy + 0.01 * draw + 0.001 * (draw % 2) * len(method)
                    scores = dict.fromkeys(("accuracy", "f1_macro", "mcc", "auroc", "auprc"), score)
                    rows.append(model | {"shot": shot, "draw": draw, "n_train": 20, "n_test": 100} | scores)
    return pd.DataFrame(rows)


@pytest.fixture
def outcome(quick_recipe, simulated, tmp_path):
    def made(loss: float = 2.7, seeds: int = 1, probe: float = 0.8, kmers: float = 0.9) -> Outcome:
        comparison = Comparison(
            recipe=quick_recipe, inputs=Inputs(genome=(str(simulated.genome),)), strategies=("random-span", "genemask"),
            seeds=seeds, pool=simulated.pool, test=simulated.test,
            fewshot=FewShotSettings(shots=(10, 50), draws=5, methods=METHODS),
            out=tmp_path,
        )  # fmt: skip
        table = results(probe, kmers, 0.7, seeds)
        names = [f"{strategy}/seed {seed}" for seed in range(seeds) for strategy in comparison.strategies]
        return Outcome(
            comparison, results=table, summary=summarise(table, {"toy": 1000}),
            runs={name: run(loss) for name in names}, baselines=dict.fromkeys(names, BASELINES),
        )  # fmt: skip

    return made


def test_the_headline_says_first_that_arms_have_not_learned_to_copy(outcome):
    words = headline(outcome(loss=4.5, seeds=3))
    assert words.startswith("Not yet a verdict: every arm must still learn to copy the bases beside a mask")
    assert "loss 4.500 nats per masked token, flank floor 2.800" in words
    assert "genemask falls behind random-span" in words
    assert not headline(outcome(loss=2.7, seeds=3)).startswith("Not yet")


def test_only_the_arms_that_lag_are_named(outcome):
    mixed = outcome()
    mixed.runs["genemask/seed 0"] = run(5.0)
    words = headline(mixed)
    assert "genemask/seed 0 must still learn to copy the bases beside a mask (genemask/seed 0: loss 5.000" in words


def test_a_floor_that_wins_stands_in_the_headline_of_terminal_and_page(outcome, monkeypatch):
    monkeypatch.setattr("genomask.commands.compare.page.environment_of", lambda _: {})
    *_, printed = terminal_parts(outcome(), extra="A word.")
    page = write_comparison_page(outcome(), extra="A word.").read_text()
    assert "A word. The floor wins against the random-span probe at 10 shots (kmer-logreg: −10.2" in printed
    assert printed in page.replace("&#39;", "'")


def test_one_seed_gives_no_forest_plot_and_each_strategys_loss_is_explained(outcome, monkeypatch):
    monkeypatch.setattr("genomask.commands.compare.page.environment_of", lambda _: {})
    alone = write_comparison_page(outcome()).read_text()
    assert '<title id="verdict-' not in alone
    assert "genemask: At the last evaluation the model copies the bases beside a mask (loss 2.700" in alone
    assert "the only evaluation" in alone
    assert '<title id="verdict-' in write_comparison_page(outcome(seeds=3)).read_text()


@pytest.mark.parametrize(
    ("probe", "kmers", "words"),
    [
        (0.8, 0.75, "Pretraining pays, and both arms beat every floor at both shots: at 10 shots the probe of "),
        (0.8, 0.9, "Pretraining teaches the encoder something: at 10 shots"),
        (0.6, 0.9, "Pretraining made the encoder worse: at 10 shots the probe of random-span (the control, chosen "),
        (0.6, 0.9, "beforehand) is 10.5 ± 0.8 points below the untrained encoder's (95 %, paired over 5 draws; these"),
    ],
)
def test_the_demo_says_that_pretraining_pays_only_if_it_beats_every_floor(probe, kmers, words):
    measured = results(probe, kmers, 0.7)
    assert words in pretraining_gain(measured, against_floors(measured, {}))


def test_a_gain_that_was_not_tested_says_why_in_place_of_an_interval():
    one = results(0.8, 0.9, 0.7).query("draw == 0")
    assert pretraining_gain(one, against_floors(one, {})).endswith(
        "is 10.0 points above the untrained encoder's (not tested: 1 draw; these two checkpoints, not their recipes)."
    )


def test_accuracies_are_shown_without_the_test_sequences_that_may_have_been_seen(outcome, monkeypatch, tmp_path):
    monkeypatch.setattr("genomask.commands.compare.page.environment_of", lambda _: {})
    plain = outcome()
    _, first, *_ = plain.comparison.pool.read_text().splitlines()
    test = tmp_path / "test.tsv"
    test.write_text("\n".join([*plain.comparison.test.read_text().splitlines(), first, ""]))
    made = replace(plain, comparison=replace(plain.comparison, test=test))
    n_test = len(read_task(test).labels)
    for arm in made.arms:
        (arm.folder / "fewshot").mkdir(parents=True)
        kept = CorrectFile(arm.folder / "fewshot")
        rows = made.results[made.results["strategy"].isin([arm.strategy, "none"])]
        for row in rows[list(Cell._fields)].itertuples(index=False, name=None):
            kept.append(Cell(*row), np.arange(n_test) == n_test - 1)
    assert [sentence.split(" of ")[0] for sentence in made.seen.sentences] == ["1", "0"]
    found = made.seen.frame
    assert set(found["strategy"]) == {"-", "random-span", "genemask"}
    assert set(found["without the 1 found"]) == {"0.0"}
    assert set(found["these alone"]) == {"100.0"}
    page = write_comparison_page(made)
    assert TITLE in page.read_text()
    assert any(getattr(part, "title", None) and TITLE in str(part.title) for part in result(made, page))


def test_differences_are_the_arms_less_the_controls_at_each_seed_and_in_each_cell(outcome):
    made = outcome(seeds=3)
    assert made.seed_differences("probe") == {"genemask": pytest.approx([-0.02, -0.022, -0.024])}
    cells = made.cells("probe")
    assert set(cells["strategy"]) == {"genemask"}
    assert cells["difference"].tolist() == pytest.approx([-0.022, -0.022])


def test_pretraining_figures_are_means_over_seeds_of_the_evaluations_all_arms_have(outcome, monkeypatch):
    monkeypatch.setattr("genomask.commands.compare.page.environment_of", lambda _: {})
    made = outcome(seeds=3)
    for seed, (loss, masked) in enumerate([(2.0, 0.1), (2.5, 0.2), (3.6, 0.3)]):
        made.runs[f"genemask/seed {seed}"] = run(loss).replace({"tokens_masked_fraction": {0.15: masked}})
    [_, row] = made.pretraining()["genemask"][0], made.arm_means("probe").set_index("strategy").loc["genemask"]
    assert row["tokens_masked_fraction"] == pytest.approx(0.2)
    assert last_scores(made.pretraining()["genemask"][0]).mean[LOSS] == pytest.approx(2.7)
    twice = pd.concat([run(2.7), run(2.6).assign(step=200)])
    made.runs.update({name: twice for name in made.runs if name.startswith("random-span")})
    assert "Mean over seeds, the only evaluation." in write_comparison_page(made).read_text()


def test_always_guessing_is_scored_on_the_test_and_not_on_the_pool(outcome, tmp_path):
    plain = outcome()
    header, *rows = plain.comparison.test.read_text().splitlines()
    label = rows[0].split("\t")[-1]
    of_one = [row for row in rows if row.split("\t")[-1] == label]
    others = [row for row in rows if row.split("\t")[-1] != label]
    test = tmp_path / "test.tsv"
    test.write_text("\n".join([header, *of_one[:30], *others[:10], ""]))
    made = replace(plain, comparison=replace(plain.comparison, test=test))
    assert [guess.accuracy for guess in made.guesses.values()] == [0.75]


def test_sequences_that_pretraining_may_have_seen_are_left_out_too(outcome, tmp_path):
    plain = outcome()
    trained = plain.arms[0].recipe.training_bases(plain.comparison.inputs)
    start = trained.intervals[0][0]
    seen = letters_of(trained.codes[start : start + 100])
    test = tmp_path / "test.tsv"
    columns = dict.fromkeys(plain.comparison.test.read_text().splitlines()[0].split("\t"), "")
    label = read_task(plain.comparison.test).classes[0]
    row = "\t".join((columns | {"sequence": seen, "label": label}).values())
    test.write_text(f"{plain.comparison.test.read_text().rstrip()}\n{row}\n")
    made = replace(plain, comparison=replace(plain.comparison, test=test))
    assert [sentence.split(" of ")[0] for sentence in made.seen.sentences] == ["0", "1"]
    assert "Left out" in made.seen.caption  # something was found, though no arm here recorded its correct answers
