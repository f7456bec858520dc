import pandas as pd

from genomask.report.leak_rows import leak_table

SCORES = pd.DataFrame(
    {
        "method": ["probe", "finetune"], "shot": [10, 50], "all": [0.75, 0.8], "without": [0.7, float("nan")],
        "alone": [0.9, float("nan")], "gained": [0.05, float("nan")], "half_width": [0.012, float("nan")],
    }
)  # fmt: skip


def test_points_that_found_sequences_add_have_an_interval_or_are_empty_if_unknown():
    table = leak_table(SCORES, n_test=1_200, n_found=30, n_unknown=0)
    headers = [str(column.header) for column in table.columns]
    assert headers == ["method", "shots", "all 1,200", "without the 30 found", "these alone", "points they add"]
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells[-1] == ["+5.0 ± 1.2", ""]
    assert [column[1] for column in cells[3:5]] == ["", ""]
    assert "left out" not in str(table.caption)


def test_measurements_without_a_record_of_the_right_answers_are_counted():
    caption = leak_table(SCORES, 1_200, 30, n_unknown=4).caption
    assert "Left out: 4 measurements of an earlier version" in str(caption)
