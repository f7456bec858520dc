import gzip
import itertools
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.commands.motifs import matches
from genomask.commands.motifs.matches import Motif, best_fraction, best_scores, log_odds, permuted, read_jaspar
from genomask.errors import DataError

EBOX = """>MA1.1 EBOX
A  [ 0 19  1  0  0  0 ]
C  [20  0 17  1  2  0 ]
G  [ 0  1  2 18  1 20 ]
T  [ 0  0  0  1 17  0 ]
"""
BARE = ">MA2.1\n1 2 3\n4 5 6\n7 8 9\n0 0 0.5\n"


def best_by_hand(weights, word):
    """The best score of one word, by trying every placement on both strands."""
    n, length = len(word), len(weights)
    scores = []
    for strand in (word, [3 - base for base in reversed(word)]):
        for start in range(-n, length):
            inside = [at for at in range(n) if 0 <= start + at < length]
            if len(inside) == min(n, length):
                scores.append(sum(weights[start + at][strand[at]] for at in inside))
    return max(scores)


@given(n=st.integers(1, 5), length=st.integers(1, 8), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_a_words_score_is_its_best_placement_on_either_strand(n, length, seed):
    weights = np.random.default_rng(seed).normal(size=(length, 4))
    words = list(itertools.product(range(4), repeat=n))
    expected = [best_by_hand(weights.tolist(), word) for word in words]
    np.testing.assert_allclose(best_scores(weights, n), expected, atol=1e-12)


def test_log_odds_are_those_of_biopython(tmp_path):
    (tmp_path / "a.jaspar").write_text(EBOX)
    background = np.array([0.3, 0.2, 0.2, 0.3])
    ours = log_odds(read_jaspar(tmp_path / "a.jaspar")[0], background)
    by_letter = dict(zip("ACGT", background, strict=True))
    with (tmp_path / "a.jaspar").open() as file:
        theirs = motifs.read(file, "jaspar").counts
    theirs = theirs.normalize({b: 0.8 * p for b, p in by_letter.items()}).log_odds(by_letter)
    np.testing.assert_allclose(ours, np.array([theirs[b] for b in "ACGT"]).T * math.log(2), atol=1e-12)


def test_the_word_of_the_motif_scores_best():
    counts = np.zeros((6, 4))
    counts[range(6), [1, 0, 1, 2, 3, 2]] = 20  # CACGTG
    scores = best_scores(log_odds(Motif("", "", counts), np.full(4, 0.25)), 6)
    assert scores.argmax() == int("101232", 4)


def test_permuted_motifs_keep_their_columns_and_differ_with_each_number():
    rng = np.random.default_rng(0)
    motifs = [Motif(str(at), "", rng.random((length, 4))) for at, length in enumerate([4, 4, 9, 3])]
    sets = [permuted(motifs, number) for number in range(40)]
    for dealt in sets:
        for before, after in zip(motifs, dealt, strict=True):
            assert after.id == before.id
            assert sorted(after.counts.tolist()) == sorted(before.counts.tolist())
            assert after.counts.tolist() not in (before.counts.tolist(), before.counts[::-1, ::-1].tolist())
    for at, orders in ((0, 23), (2, 40)):
        assert len({tuple(dealt[at].counts.flat) for dealt in sets}) > orders / 2
    first, second = ([np.argsort(dealt[at].counts[:, 0].argsort()).tolist() for dealt in sets] for at in (0, 1))
    assert first != second


def test_a_motif_is_never_permuted_into_itself_or_its_reverse_complement():
    motif = Motif("", "", np.eye(4)[[0, 3, 1, 2]])  # ATCG; another order, CGAT, is its reverse complement
    dealt = {tuple(permuted([motif], number)[0].counts.argmax(1)) for number in range(200)}
    assert len(dealt) == 24 - 2
    assert not dealt & {(0, 3, 1, 2), (1, 2, 0, 3)}


@pytest.mark.parametrize("counts", [np.ones((5, 4)), np.array([[1, 2, 3, 4]]), np.array([[9, 1, 1, 9], [1, 9, 9, 1]])])
def test_a_motif_that_no_order_of_its_columns_changes_stays_as_it_is(counts):
    (dealt,) = permuted([Motif("", "", counts)], 0)
    assert dealt.counts.tolist() in (counts.tolist(), counts[::-1, ::-1].tolist())


def test_the_best_fraction_is_ranked_and_never_splits_equal_scores():
    scores = np.array([5.0, 1, 4, 2, 4 + 1e-12, 3, 0, 0, 0, 0])
    matches, rank = best_fraction(scores, 0.4)
    assert matches.tolist() == [0, 2, 4, 5]
    np.testing.assert_allclose(rank, [0.1, 0.3, 0.3, 0.4])
    assert best_fraction(scores, 0.3)[0].tolist() == [0, 2, 4]
    assert best_fraction(scores, 0.2)[0].tolist() == [0]
    assert best_fraction(scores, 0.001)[0].tolist() == [0]
    assert best_fraction(scores[1:], 0.1)[0].tolist() == [1, 3]


def test_both_forms_of_jaspar_are_read_from_one_gzip_file(tmp_path):
    (tmp_path / "a.jaspar.gz").write_bytes(gzip.compress(f"\n{EBOX}\n\n{BARE}".encode()))
    ebox, bare = read_jaspar(tmp_path / "a.jaspar.gz")
    assert (ebox.id, ebox.name, ebox.counts.shape) == ("MA1.1", "EBOX", (6, 4))
    assert ebox.counts[2].tolist() == [1, 17, 2, 0]
    assert (bare.id, bare.name) == ("MA2.1", "MA2.1")
    assert bare.counts.tolist() == [[1, 4, 7, 0], [2, 5, 8, 0], [3, 6, 9, 0.5]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("\n\n", "no motif found"),
        ("MEME version 5\n", "line 1: not a motif"),
        (">chr1\nACGTACGT\n", "line 1: not a motif"),
        (EBOX + ">MA3\n1 2\n", "line 6: not a motif"),
        (BARE + BARE[1:], "line 1: not a motif"),
        (BARE.replace("9", "x"), "line 1: the counts of this motif cannot be read: four rows of equal length"),
        (BARE.replace("9", ""), "line 1: the counts of this motif cannot be read"),
        (EBOX.replace("T ", "G "), "line 1: the counts of this motif cannot be read"),
        (BARE.replace("9", "-9"), "line 1: this matrix does not hold counts"),
        (BARE.replace("9", "nan"), "line 1: this matrix does not hold counts"),
        (">M\n.2 .7\n.3 .1\n.3 .1\n.2 .1\n", "line 1: this matrix does not hold counts"),
        (">M\nA []\nC []\nG []\nT []\n", "line 1: this matrix does not hold counts"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, content, words):
    (tmp_path / "a.jaspar").write_text(content)
    with pytest.raises(DataError, match=words) as refused:
        read_jaspar(tmp_path / "a.jaspar")
    assert "a.jaspar" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_biopython_is_loaded_only_to_read_motifs(monkeypatch):
    """Each file of the room runs without Biopython."""
    monkeypatch.setitem(sys.modules, "Bio", None)
    files = sorted(Path(matches.__file__).parent.glob("*.py"))
    assert len(files) > 3
    for file in files:
        runpy.run_path(str(file))
