import csv
import functools
import itertools
import math

import numpy as np
import pytest

from genomask.errors import DataError, SettingsError
from genomask.masking.npmi import NpmiTable, reverse_complemented

ROUND_TO = (100_000, 10_000, 1000, 1000, 100, 10)


@functools.cache
def words(n):
    return ["".join(letters) for letters in itertools.product("ACGT", repeat=n)]


def counted_by_hand(codes, intervals, n, strand="forward"):
    """Counts of every n-gram, one at a time."""
    counts = dict.fromkeys(words(n), 0)
    for start, stop in intervals:
        for at in range(start, stop - n + 1):
            piece = codes[at : at + n]
            if max(piece) < 4:
                counts["".join("ACGT"[c] for c in piece)] += 1
                if strand == "both":
                    counts["".join("ACGT"[3 - c] for c in reversed(piece))] += 1
    return list(counts.values())


def segmentations(word):
    """All ways to cut a word into two or more parts."""
    for cuts in itertools.product([False, True], repeat=len(word) - 1):
        if any(cuts):
            bounds = [0, *[i + 1 for i, cut in enumerate(cuts) if cut], len(word)]
            yield [word[a:b] for a, b in itertools.pairwise(bounds)]


def pmi_by_hand(counts, word, definition):
    """The minimum over all segmentations, each written out."""

    def log_p(part):
        f = counts[len(part)]
        return math.log(f[int(part.translate(str.maketrans("ACGT", "0123")), 4)] / f.sum()) - halved

    halved = math.log(2) if definition == "released" else 0
    scores = [
        log_p(word) - sum(log_p(part) for part in parts)
        for parts in segmentations(word)
        if definition == "exact" or max(map(len, parts)) <= 2
    ]
    return min(scores)


def random_counts(max_n, seed=0):
    """Skewed counts of the longest words, and what follows for the shorter ones."""
    counts = {max_n: np.random.default_rng(seed).integers(2, 5000, 4**max_n)}
    for n in range(max_n - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return counts


@pytest.mark.parametrize("definition", ["exact", "released"])
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_pmi_and_npmi_are_the_minimum_over_all_segmentations(n, definition):
    counts = random_counts(n)
    table = NpmiTable.from_counts(counts, min_count=2, definition=definition)
    pmi, npmi = table.pmi(n), table.npmi(n)
    for at in np.random.default_rng(1).choice(4**n, min(4**n, 40), replace=False):
        word, f = words(n)[at], counts[n][at]
        expected = pmi_by_hand(counts, word, definition)
        assert pmi[at] == pytest.approx(expected, abs=1e-10)
        assert npmi[at] == pytest.approx(expected * math.log(f) / (math.log(f) + math.log(2)), abs=1e-10)


@pytest.mark.parametrize("strand", ["forward", "both"])
def test_counts_stay_within_intervals_and_hold_no_n(strand):
    rng = np.random.default_rng(0)
    codes = rng.choice(5, 600, p=[0.3, 0.2, 0.2, 0.25, 0.05]).astype(np.uint8)
    intervals = np.array([[0, 200], [200, 203], [210, 211], [220, 220], [300, 600]])
    table = NpmiTable.from_intervals(codes, intervals, max_n=4, min_count=2, strand=strand)
    for n in range(1, 5):
        assert table.counts(n).tolist() == counted_by_hand(codes, intervals, n, strand)


def test_counts_of_both_strands_score_a_word_like_its_reverse_complement():
    codes = np.random.default_rng(0).integers(0, 4, 20_000).astype(np.uint8)
    table = NpmiTable.from_intervals(codes, np.array([[0, 20_000]]), max_n=4, min_count=20, strand="both")
    np.testing.assert_allclose(table.npmi(4), reverse_complemented(table.npmi(4)), atol=1e-12)


def test_rare_words_score_minus_infinity_and_their_share_is_known():
    counts = random_counts(3)
    counts[3][:5] = 100
    table = NpmiTable.from_counts(counts)
    assert np.isneginf(table.npmi(3)).tolist() == (counts[3] < 101).tolist()
    assert np.isneginf(table.pmi(3)[:5]).all()
    rare = counts[3][counts[3] < 101].sum()
    assert table.share_below_min_count(3) == pytest.approx(rare / counts[3].sum())


def test_a_word_that_is_its_parts_has_no_pmi():
    counts = {n: np.full(4**n, 4 ** (6 - n)) for n in range(1, 6)}
    np.testing.assert_allclose(NpmiTable.from_counts(counts, min_count=2).pmi(5), 0, atol=1e-12)


def test_saved_tables_load_whole_and_other_files_are_refused(tmp_path):
    table = NpmiTable.from_counts(random_counts(3), min_count=7, definition="released", round_to=ROUND_TO[:2])
    table.save(tmp_path / "a.npmi")
    loaded = NpmiTable.load(tmp_path / "a.npmi")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npmi"]
    assert (loaded.min_count, loaded.definition, loaded.round_to) == (7, "released", ROUND_TO[:2])
    np.testing.assert_array_equal(loaded.npmi(3), table.npmi(3))
    whole = (tmp_path / "a.npmi").read_bytes()
    for content in (b"", b"not a table", whole[: len(whole) // 2]):
        (tmp_path / "b.npmi").write_bytes(content)
        with pytest.raises(DataError, match=r"b\.npmi is not an NPMI table"):
            NpmiTable.load(tmp_path / "b.npmi")


def test_from_fasta_counts_every_record_and_remembers_the_genome(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMASK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.fa").write_text(">one\nACGTNNACg\n>two\nTTT\n")
    table = NpmiTable.from_fasta(tmp_path / "a.fa", max_n=2, min_count=2)
    found = {word: int(f) for word, f in zip(words(2), table.counts(2), strict=True) if f}
    assert found == {"AC": 2, "CG": 2, "GT": 1, "TT": 2}
    assert table.genome


def test_mistakes_are_named():
    counts = random_counts(3)
    with pytest.raises(SettingsError, match="min_count must be at least 2"):
        NpmiTable.from_counts(counts, min_count=1)
    with pytest.raises(SettingsError, match="'exact' or 'released'"):
        NpmiTable.from_counts(counts, definition="approximate")
    with pytest.raises(SettingsError, match="single base has no NPMI"):
        NpmiTable.from_counts(counts).npmi(1)
    with pytest.raises(DataError, match="counts of all 2-grams"):
        NpmiTable.from_counts({1: counts[1], 3: counts[3]})


@pytest.fixture(scope="module")
def published(shared_data):
    """Words of the published table in ACGT order: their counts, recovered, and their published scores."""
    rows = (shared_data / "genemask" / "Data-A_norm-pmi-score-ranking.csv").read_text().splitlines()
    by_word = {row["ngram"]: row for row in csv.DictReader(rows)}
    pmi, npmi = (np.array([float(by_word[w][c]) for w in words(6)]) for c in ("dp.true.pmi", "norm_dp_true_pmi"))
    discount = npmi / pmi
    counts = {6: np.round(np.exp(discount * math.log(101) / (1 - discount))).astype(np.int64)}
    for n in range(5, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return counts, pmi, npmi


def test_the_published_table_follows_from_its_own_counts(published):
    counts, pmi, npmi = published
    table = NpmiTable.from_counts(counts, definition="released")
    np.testing.assert_allclose(table.pmi(6), pmi, atol=0.004)
    np.testing.assert_allclose(table.npmi(6), npmi, atol=0.004)


def test_with_its_rounding_the_published_table_follows_to_rounding_error(published):
    counts, pmi, _ = published
    error = np.abs(NpmiTable.from_counts(counts, definition="released", round_to=ROUND_TO).pmi(6) - pmi)
    assert np.quantile(error, 0.95) < 1e-6
