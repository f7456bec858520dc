"""A floor that is not beaten is reported, and nothing is claimed without an interval."""

import pandas as pd
import pytest

from genomask.fewshot.floor_test import COLUMNS
from genomask.report.floor_words import NO_FLOOR, all_beaten, floor_caption, floor_frame, floor_sentence

NAN = float("nan")


def table_of(*cells, strategies=("a",), wider=1.0) -> pd.DataFrame:
    """Rows from (shot, difference, half width)."""
    rows = [
        [strategy, "probe", "toy", shot, "kmer-logreg", 0.7 + gain, 0.7, "draw", gain, half, NAN, 20,
         "" if half == half else "not tested: 1 draw", wider * half]
        for strategy in strategies for shot, gain, half in cells
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [(10, 0.04, 0.01), (50, -0.02, 0.01)],
            "The floor wins against the probe at 50 shots (kmer-logreg: −2.0 [−3.0, −1.0] points). "
            "The floor is beaten by the probe at 10 shots (kmer-logreg: +4.0 [+3.0, +5.0] points).",
        ),
        (
            [(1, 0.01, 0.02)],
            "The floor is not beaten beyond noise by the probe at 1 shot (kmer-logreg: +1.0 [−1.0, +3.0] points).",
        ),
        (
            [(500, 0.05, NAN)],
            "There is no interval against the floor for the probe at 500 shots "
            "(kmer-logreg: +5.0 points, not tested: 1 draw).",
        ),
        (
            [(10, 0.04, 0.01), (50, 0.03, 0.01)],
            "The best floor is beaten everywhere, most narrowly by the probe at 50 shots "
            "(kmer-logreg: +3.0 [+2.0, +4.0] points).",
        ),
        ([], NO_FLOOR),
    ],
)
def test_the_sentence_reports_what_the_interval_of_each_cell_shows(cells, words):
    assert floor_sentence(table_of(*cells)) == words


def test_for_many_cells_the_sentence_gives_the_names_and_the_table_the_figures():
    table = table_of((10, -0.04, 0.01), (50, -0.03, 0.01), (100, -0.02, 0.01), strategies=("a", "b"))
    assert floor_sentence(table) == (
        "The floor wins against the a probe at 10, 50 and 100 shots; the b probe at 10, 50 and 100 shots."
    )
    assert floor_frame(table)["points above it"].tolist()[:2] == ["−4.0 [−5.0, −3.0]", "−3.0 [−4.0, −2.0]"]


def test_a_floor_wins_only_beyond_the_wider_interval_and_is_beaten_beyond_its_own():
    table = table_of((10, 0.04, 0.03), (50, -0.04, 0.03), (100, -0.06, 0.03), wider=1.5)
    assert floor_frame(table)["the floor is"].tolist() == ["beaten", "not beaten", "better"]
    assert "Bonferroni" in floor_caption(table)


def test_seeds_that_are_left_out_are_named_beside_an_interval():
    table = table_of((10, 0.04, 0.01)).assign(note="left out: seed 0")
    assert floor_frame(table)["points above it"].tolist() == ["+4.0 [+3.0, +5.0], left out: seed 0"]


def test_a_floor_is_beaten_only_beyond_noise_and_everywhere():
    assert all_beaten(table_of((10, 0.04, 0.01)))
    assert not all_beaten(table_of((10, 0.04, 0.01), (50, 0.01, 0.01)))
    assert not all_beaten(table_of((10, 0.04, NAN)))
    assert not all_beaten(table_of())


def test_the_table_shows_the_floor_beside_the_model_and_the_task_only_where_there_are_several():
    table = table_of((10, 0.04, 0.01), (50, -0.02, 0.01))
    shown = floor_frame(table)
    assert shown["accuracy, %"].tolist() == ["74.0", "68.0"]
    assert shown["best floor"].tolist() == ["kmer-logreg 70.0"] * 2
    assert shown["the floor is"].tolist() == ["beaten", "better"]
    assert "task" not in shown
    assert "task" in floor_frame(pd.concat([table, table.assign(task="other")]))


def test_for_intervals_over_draws_the_caption_speaks_of_the_checkpoints():
    assert "these checkpoints, not their recipes" in floor_caption(table_of((10, 0.04, 0.01)))
    assert "checkpoints" not in floor_caption(table_of((10, 0.04, 0.01)).assign(unit="seed"))
