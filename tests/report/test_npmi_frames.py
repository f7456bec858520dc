import io

import numpy as np
import pandas as pd
import pytest

from genomask.errors import SettingsError
from genomask.masking.npmi import NpmiTable
from genomask.report.npmi_frames import best_frame, lengths_frame, origin, word_frame, write_tsv


@pytest.fixture
def table():
    """Counts of a random sequence in which GAT and TTT are planted often; many words are seen fewer than 20 times."""
    rng = np.random.default_rng(0)
    planted = np.concatenate([np.array([2, 0, 3, 3, 3, 3] * 40), rng.integers(0, 4, 1200)]).astype(np.uint8)
    return NpmiTable.from_intervals(planted, np.array([[0, len(planted)]]), max_n=3, min_count=20, genome="abc")


def test_a_rank_is_one_plus_the_words_that_score_higher_and_rare_words_come_last(table):
    frame = word_frame(table, 3)
    assert list(frame.columns) == ["ngram", "count", "naive_pmi", "pmi", "npmi", "rank"]
    for row in frame.itertuples():
        assert row.rank == 1 + (frame["npmi"] > row.npmi).sum()
    rare = frame[frame["count"] < 20]
    assert len(rare) > 3
    assert set(rare["rank"]) == {len(frame) - len(rare) + 1}
    assert (rare["rank"] >= frame["rank"].max()).all()


def test_the_text_file_holds_the_columns_of_every_length(table, tmp_path):
    write_tsv(table, [2, 3], tmp_path / "t.tsv")
    text = (tmp_path / "t.tsv").read_text()
    assert text.startswith("ngram\tcount\tnaive_pmi\tpmi\tnpmi\trank\nAA\t")
    read = pd.read_csv(io.StringIO(text), sep="\t")
    expected = pd.concat([word_frame(table, 2), word_frame(table, 3)], ignore_index=True)
    pd.testing.assert_frame_equal(read, expected, check_exact=False, rtol=1e-8)
    assert np.isneginf(read["npmi"]).any()


def test_the_best_words_come_first_and_rare_ones_not_at_all(table):
    frame = best_frame(table, 3, 1000)
    scores = frame["npmi"].astype(float)
    assert (scores.diff().dropna() <= 0).all()
    assert len(frame) == np.isfinite(table.npmi(3)).sum()
    assert frame.iloc[0]["ngram"] == word_frame(table, 3).sort_values("npmi").iloc[-1]["ngram"]
    assert len(best_frame(table, 3, 2)) == 2


def test_a_length_of_which_no_word_is_scored_is_refused():
    table = NpmiTable.from_counts({1: np.full(4, 40), 2: np.full(16, 10)}, min_count=20)
    with pytest.raises(SettingsError, match="no 2-gram of this table is counted 20 times"):
        best_frame(table, 2, 5)
    assert lengths_frame(table).iloc[0]["best words and their NPMI"] == ""


def test_each_length_shows_how_many_words_are_seen_and_scored(table):
    frame = lengths_frame(table).set_index("n")
    counts = table.counts(3)
    assert frame.loc[3, "words"] == "64"
    assert frame.loc[3, "seen"] == str((counts > 0).sum())
    assert frame.loc[3, "scored"] == str((counts >= 20).sum())
    assert frame.loc[3, "too rare, % of places"] == f"{100 * counts[counts < 20].sum() / counts.sum():.1f}"
    assert frame.loc[3, "best words and their NPMI"].count(",") == 2


def test_the_origin_counts_each_base_once_on_either_strand():
    codes = np.zeros(50, dtype=np.uint8)
    table = NpmiTable.from_intervals(
        codes, np.array([[0, 50]]), max_n=2, min_count=2, strand="both", genome="abc", regions="exons.bed"
    )
    assert origin(table).startswith("genome abc, only exons.bed; 50 bases, strand: both")
