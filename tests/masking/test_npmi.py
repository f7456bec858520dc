import csv
import math

import numpy as np
import pytest
from ngrams_by_hand import counted_by_hand, log_p_by_hand, pmi_by_hand, random_counts, words
from scipy.stats import spearmanr

from genomask.errors import DataError, SettingsError
from genomask.masking.npmi import NpmiTable, rarity_warning
from genomask.masking.npmi.segmentation import reverse_complemented

ROUND_TO = (100_000, 10_000, 1000, 1000, 100, 10)


@pytest.mark.parametrize("definition", ["exact", "released"])
@pytest.mark.parametrize("n", range(2, 9))
def test_pmi_and_npmi_are_the_minimum_over_all_segmentations(n, definition):
    counts = random_counts(n)
    table = NpmiTable.from_counts(counts, min_count=2, definition=definition)
    pmi, npmi, naive = table.pmi(n), table.npmi(n), table.naive_pmi(n)
    for at in np.random.default_rng(1).choice(4**n, min(4**n, 40), replace=False):
        word, f = words(n)[at], counts[n][at]
        expected = pmi_by_hand(counts, word, definition)
        assert pmi[at] == pytest.approx(expected, abs=1e-10)
        assert npmi[at] == pytest.approx(expected * math.log(f) / (math.log(f) + math.log(2)), abs=1e-10)
        log_p = [log_p_by_hand(counts, part, definition) for part in (word, *word)]
        assert naive[at] == pytest.approx(log_p[0] - sum(log_p[1:]), abs=1e-10)


@pytest.mark.parametrize("strand", ["forward", "both"])
def test_counts_stay_within_intervals_and_hold_no_n(strand):
    rng = np.random.default_rng(0)
    codes = rng.choice(5, 600, p=[0.3, 0.2, 0.2, 0.25, 0.05]).astype(np.uint8)
    intervals = np.array([[0, 200], [200, 203], [210, 211], [220, 220], [300, 600]])
    table = NpmiTable.from_intervals(codes, intervals, max_n=4, min_count=2, strand=strand)
    for n in range(1, 5):
        assert table.counts(n).tolist() == counted_by_hand(codes, intervals, n, strand)


def test_counts_of_both_strands_score_a_word_exactly_like_its_reverse_complement():
    codes = np.random.default_rng(0).integers(0, 4, 20_000).astype(np.uint8)
    table = NpmiTable.from_intervals(codes, np.array([[0, 20_000]]), max_n=6, min_count=3, strand="both")
    for n in (4, 6):
        for scores in (table.counts(n), table.npmi(n), table.pmi(n), table.naive_pmi(n)):
            np.testing.assert_array_equal(scores, reverse_complemented(scores))


def test_on_both_strands_each_place_counts_two_words_and_a_palindrome_twice():
    codes = np.array(["ACGT".index(letter) for letter in "TTACGTT"], dtype=np.uint8)
    table = NpmiTable.from_intervals(codes, np.array([[0, 7]]), max_n=4, min_count=2, strand="both")
    found = {word: int(f) for word, f in zip(words(4), table.counts(4), strict=True) if f}
    assert found == {"TTAC": 1, "GTAA": 1, "TACG": 1, "CGTA": 1, "ACGT": 2, "CGTT": 1, "AACG": 1}


def test_rare_words_score_minus_infinity_and_their_fraction_is_known():
    counts = random_counts(3)
    counts[3][:5] = 100
    counts[3][5] = 101  # just enough
    table = NpmiTable.from_counts(counts)
    assert np.isneginf(table.npmi(3)).tolist() == (counts[3] < 101).tolist()
    assert np.isneginf(table.pmi(3)[:5]).all()
    rare = counts[3][counts[3] < 101].sum()
    assert table.fraction_below_min_count(3) == pytest.approx(rare / counts[3].sum())


def test_words_as_frequent_as_their_parts_predict_have_a_pmi_of_zero():
    counts = {n: np.full(4**n, 4 ** (6 - n)) for n in range(1, 6)}
    np.testing.assert_allclose(NpmiTable.from_counts(counts, min_count=2).pmi(5), 0, atol=1e-12)


def test_a_fraction_of_rare_words_above_a_tenth_is_reported():
    counts = random_counts(3)
    assert rarity_warning(NpmiTable.from_counts(counts, min_count=2), [2, 3], "x") == ""
    table = NpmiTable.from_counts(counts, min_count=3000)
    fraction = counts[3][counts[3] < 3000].sum() / counts[3].sum()
    said = rarity_warning(table, [2, 3], "tokens.k")
    assert f"{100 * fraction:.0f} % of its 3-mers" in said
    assert "2-mers" not in said
    assert said.endswith("lower tokens.k")


def test_from_fasta_counts_every_record_and_remembers_the_genome(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.fa").write_text(">one\nACGTNNACg\n>two\nTTT\n")
    table = NpmiTable.from_fasta(tmp_path / "a.fa", max_n=2, min_count=2)
    found = {word: int(f) for word, f in zip(words(2), table.counts(2), strict=True) if f}
    assert found == {"AC": 2, "CG": 2, "GT": 1, "TT": 2}
    assert table.genome


def test_counts_given_as_floats_are_rounded_to_the_nearest_whole_number():
    counts = random_counts(2)
    near = {n: f + np.where(np.arange(4**n) % 2, 0.4, -0.4) for n, f in counts.items()}
    table = NpmiTable.from_counts(near)
    for n in (1, 2):
        assert table.counts(n).dtype == np.int64
        assert table.counts(n).tolist() == counts[n].tolist()
    most = 2**62 + 1  # more digits than a float has
    assert NpmiTable.from_counts({1: [most, 0, 0, 0]}).counts(1)[0] == most


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "counts of all 1-grams as an array of 4"),
        ({2: [1] * 16}, "counts of all 1-grams"),
        ({0: [1], 1: [1] * 4}, "counts of all 2-grams"),
        ({1: [1] * 5}, "as an array of 4"),
        ({1: [[1] * 4]}, "as an array of 4"),
        ({1: [1] * 4, 2: [5, -1] * 8}, "the count of each 2-gram, 0 or more; got -1"),
        ({1: [1, 2, 3, np.nan]}, "got nan"),
        ({1: [1, 2, np.inf, 3]}, "got inf"),
        ({1: [1e30, 1, 1, 1]}, r"got 1e\+30"),
    ],
)
def test_counts_that_no_genome_can_have_are_refused(counts, message):
    with pytest.raises(DataError, match=message):
        NpmiTable.from_counts(counts)


def test_a_round_to_that_leaves_parts_of_a_scored_word_without_a_count_is_refused():
    counts = {1: [471, 417, 485, 364], 2: [100] * 15 + [90]}
    table = NpmiTable.from_counts(counts, min_count=2, round_to=(500, 1))
    for scores in (table.pmi, table.npmi, table.naive_pmi):
        with pytest.raises(SettingsError, match=r"2-grams .* round_to=\(500, 1\); give smaller steps"):
            scores(2)
    assert np.isneginf(NpmiTable.from_counts(counts, min_count=101, round_to=(500, 1)).npmi(2)).all()  # none is scored
    own_count_is_zero = np.isneginf(NpmiTable.from_counts(counts, min_count=2, round_to=(1, 100)).npmi(2))
    assert own_count_is_zero.tolist() == [False] * 15 + [True]


def test_steps_of_rounding_are_whole_numbers_of_at_least_one(tmp_path):
    counts = random_counts(2)
    NpmiTable.from_counts(counts, round_to=np.array([1000, 10])).save(tmp_path / "a.npmi")
    assert NpmiTable.load(tmp_path / "a.npmi").round_to == (1000, 10)
    for round_to, message in {
        (0, 10): "round_to must be at least 1",
        (1e3, 1e2): "round_to must be a whole number",
        (10, -1): "round_to must be at least 1",
    }.items():
        with pytest.raises(SettingsError, match=message):
            NpmiTable.from_counts(counts, round_to=round_to)


def test_mistakes_are_named():
    counts = random_counts(3)
    with pytest.raises(SettingsError, match="min_count must be at least 2"):
        NpmiTable.from_counts(counts, min_count=1)
    with pytest.raises(SettingsError, match="one of exact, released"):
        NpmiTable.from_counts(counts, definition="approximate")
    with pytest.raises(SettingsError, match="single base has no NPMI"):
        NpmiTable.from_counts(counts).npmi(1)
    with pytest.raises(DataError, match="counts of all 2-grams"):
        NpmiTable.from_counts({1: counts[1], 3: counts[3]})


@pytest.fixture(scope="module")
def published(shared_data):
    """The published table in ACGT order: the counts recovered from it, and its scores."""
    rows = (shared_data / "genemask" / "Data-A_norm-pmi-score-ranking.csv").read_text().splitlines()
    by_word = {row["ngram"]: row for row in csv.DictReader(rows)}
    pmi, npmi = (np.array([float(by_word[w][c]) for w in words(6)]) for c in ("dp.true.pmi", "norm_dp_true_pmi"))
    discount = npmi / pmi
    counts = {6: np.exp(discount * math.log(101) / (1 - discount))}
    for n in range(5, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return counts, pmi, npmi


def test_the_published_table_follows_from_its_own_counts(published):
    counts, pmi, npmi = published
    table = NpmiTable.from_counts(counts, definition="released")
    np.testing.assert_allclose(table.pmi(6), pmi, atol=0.004)
    np.testing.assert_allclose(table.npmi(6), npmi, atol=0.004)


def test_with_its_rounding_every_published_score_follows_to_rounding_error(published):
    counts, pmi, npmi = published
    table = NpmiTable.from_counts(counts, definition="released", round_to=ROUND_TO)
    np.testing.assert_allclose(table.pmi(6), pmi, atol=1e-9, rtol=0)
    np.testing.assert_allclose(table.npmi(6), npmi, atol=1e-9, rtol=0)


def test_the_exact_definition_ranks_the_published_counts_differently(published):
    counts, _, _ = published
    exact, released = (NpmiTable.from_counts(counts, definition=name).npmi(6) for name in ("exact", "released"))
    assert spearmanr(exact, released).statistic == pytest.approx(0.888, abs=0.001)
    best = [set(np.argsort(-scores)[:100].tolist()) for scores in (exact, released)]
    assert len(best[0] & best[1]) == 59


def test_pieces_of_the_human_genome_rank_words_as_three_whole_chromosomes_do(published, shared_data):
    files = sorted((shared_data / "genomes" / "human").glob("*.fa.gz"))
    ours = NpmiTable.from_fasta(files).npmi(6)
    theirs = NpmiTable.from_counts(published[0]).npmi(6)
    assert spearmanr(ours, theirs).statistic >= 0.985
