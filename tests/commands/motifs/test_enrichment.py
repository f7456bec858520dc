"""Motifs are found where they are planted, and nowhere else."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genomask.cli import app as cli
from genomask.commands.motifs import enrichment as motifs
from genomask.commands.motifs.enrichment import ANY, CONTROLS, Enrichment, Outcome, enrichment, motif_enrichment
from genomask.commands.motifs.matches import Motif, best_fraction, best_scores, log_odds
from genomask.commands.motifs.word_pairs import canonical_words, word_pairs
from genomask.errors import DataError, SettingsError
from genomask.masking.npmi import NpmiTable, reverse_complemented

N = 5
EVEN = np.full(4, 0.25)
WORDS = np.arange(4**N)
LETTERS = WORDS[:, None] >> 2 * np.arange(N - 1, -1, -1) & 3
GC = np.isin(LETTERS, (1, 2)).sum(1)
COUNTS = np.random.default_rng(1).negative_binomial(2, 0.002, 4**N) + 200


def motif(letters, seed=0):
    """A motif with this consensus, no two of its counts equal."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 8, (len(letters), 4)) + rng.random((len(letters), 4))
    counts[range(len(letters)), ["ACGT".index(letter) for letter in letters]] += rng.integers(20, 60, len(letters))
    return Motif(letters, f"the {letters}", counts)


MOTIFS = [motif("GGGCGG"), motif("CACGTG"), motif("TATAAAA"), motif("GATA"), motif("CTGCA")]


def matching_words(of, fraction=0.02):
    return canonical_words(N)[best_fraction(best_scores(log_odds(of, EVEN), N)[canonical_words(N)], fraction)[0]]


@pytest.fixture
def few_controls(monkeypatch):
    """One permuted set, for tests that do not look at the floor."""
    monkeypatch.setattr(motifs, "CONTROLS", 1)


def p_values(rank, fraction=0.05, n_rankings=200):
    """(n_rankings, 1 + motifs) p values of seeded rankings; the first column is that of ANY."""
    found = []
    for seed in range(n_rankings):
        table = enrichment(word_pairs(rank(np.random.default_rng(seed)), COUNTS, 80), MOTIFS, EVEN, fraction).table
        found.append(table.set_index("motif")["p"][[ANY, *(of.id for of in MOTIFS)]].to_numpy())
    return np.array(found)


def assert_sub_uniform(p):
    """At most as many small p as chance gives, with three standard errors of room."""
    for level in (0.05, 0.2, 0.5):
        room = 3 * np.sqrt(level * (1 - level) / len(p))
        assert (np.mean(p <= level, axis=0) <= level + room).all()


def words_alike(seed=7):
    """Scores that neighbours share: each is the sum of the scores of the word's 3-mers, on both strands."""
    rng = np.random.default_rng(seed)
    halves = [rng.normal(size=4**size)[WORDS // 4**at % 4**size] for size, at in ((3, 2), (3, 1), (3, 0))]
    score = sum(halves)
    return score + score[reverse_complemented(WORDS)]


def random_motifs(rng, count=12):
    return [Motif(str(at), "", rng.dirichlet(np.full(4, 0.3), rng.integers(5, 9)) * 100) for at in range(count)]


def test_random_matrices_pass_for_motifs_no_more_often_than_by_chance(monkeypatch):
    """If words are alike, the test within strata finds too many; the permuted motifs are a floor for that."""
    monkeypatch.setattr(motifs, "CONTROLS", 4)
    pairs, rng = word_pairs(words_alike(), COUNTS, 150), np.random.default_rng(2)
    found = [enrichment(pairs, random_motifs(rng), EVEN, 0.05) for _ in range(24)]
    within = np.mean([(of.table["p"][1:] < 0.05).mean() for of in found])
    assert within > 0.08
    for p in ([of.p_more for of in found], [of.p_any for of in found]):
        assert np.mean(np.array(p) <= 0.2) < 0.2 + 3 * np.sqrt(0.2 * 0.8 / len(p))


@pytest.mark.parametrize(("above", "verdict"), [(0, "So the top words match motifs"), (1, "The floor wins")])
def test_each_of_the_two_questions_is_tested_at_half_the_level(above, verdict):
    """With one of 39 permuted sets above the real one p is 0.05, with none 0.025."""
    controls = [Outcome(9, 0, 1.0)] * above + [Outcome(0, 0, 1.0)] * (CONTROLS - above)
    found = Enrichment(pd.DataFrame(index=range(8)), Outcome(5, 0, 1.0), controls, 6, 100, 90, 0, 0.01)
    assert found.p_more == pytest.approx((1 + above) / 40)
    assert found.p_any == 1
    assert verdict in found.sentence


@pytest.mark.slow
@pytest.mark.usefixtures("few_controls")
def test_a_random_ranking_finds_no_more_than_chance():
    p = p_values(lambda rng: rng.permutation(WORDS.astype(float)))
    assert_sub_uniform(p)
    assert (p.min(0) < 0.2).all()  # but the test can find something


@pytest.mark.slow
@pytest.mark.usefixtures("few_controls")
def test_a_ranking_by_composition_and_frequency_is_not_taken_for_motifs():
    def rank(rng):
        return GC + np.log(COUNTS) + rng.normal(size=4**N)

    assert_sub_uniform(p_values(rank))
    is_top = np.zeros(4**N, dtype=bool)
    is_top[np.argsort(-rank(np.random.default_rng(0)))[:80]] = True
    matches = np.isin(WORDS, matching_words(motif("GGGCGG"), 0.05))
    unmatched = stats.fisher_exact([[np.sum(a & b) for a in (is_top, ~is_top)] for b in (matches, ~matches)])
    assert unmatched.pvalue < 0.01


def test_a_planted_motif_is_found_far_above_its_floor():
    scores = np.random.default_rng(0).normal(size=4**N)
    scores[matching_words(MOTIFS[1])] += 10
    found = enrichment(word_pairs(scores, COUNTS, 50), MOTIFS, EVEN, 0.02)
    first = found.table.iloc[1]
    assert (first["motif"], first["name"]) == ("CACGTG", "the CACGTG")
    assert first["top_matches"] == len(matching_words(MOTIFS[1]))
    assert first["ratio"] > 5 > 2 > first["permuted"]
    assert first["permuted_least"] <= first["permuted"] <= first["permuted_most"]
    assert first["p_adjusted"] < 0.001
    assert (found.table["p_adjusted"][2:] > 0.05).all()
    assert found.real[:2] == (1, 0)
    assert found.sentence.startswith("Of 5 motifs, 1 are matched more often, and 0 less often, by the top 50 5-mers")


def test_if_every_motif_is_planted_the_verdict_is_that_top_words_match_motifs():
    scores = np.random.default_rng(0).normal(size=4**N)
    for of in MOTIFS:
        scores[matching_words(of)[:8]] += 10
    found = enrichment(word_pairs(scores, COUNTS, 60), MOTIFS, EVEN, 0.02)
    assert found.table["motif"][0] == ANY
    assert found.real.any_ratio == found.table["ratio"][0] > found.table["permuted_most"][0]
    assert found.p_any == 1 / 40
    assert "So the top words match motifs more often than permuted ones" in found.sentence


def test_a_motif_that_the_top_words_avoid_is_reported_as_avoided():
    scores = np.random.default_rng(0).normal(size=4**N)
    avoided = matching_words(MOTIFS[3], 0.2)
    scores[np.append(avoided, reverse_complemented(WORDS)[avoided])] -= 10
    found = enrichment(word_pairs(scores, COUNTS, 150), [MOTIFS[3]], EVEN, 0.2)
    assert found.real[:2] == (0, 1)
    assert found.real.any_ratio < 1
    assert found.p_more == 1
    assert "The floor wins" in found.sentence


@pytest.mark.usefixtures("few_controls")
def test_a_motif_and_its_reverse_complement_give_the_same_results():
    pairs = word_pairs(np.random.default_rng(0).normal(size=4**N), COUNTS, 80)
    of = motif("GGGCGA")
    turned = Motif(of.id, of.name, of.counts[::-1, ::-1])
    one, other = (enrichment(pairs, [each], EVEN, 0.02).table.filter(regex="^(?!permuted)") for each in (of, turned))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.usefixtures("few_controls")
def test_matches_of_any_motif_are_at_most_half_of_the_words():
    rng = np.random.default_rng(0)
    pairs = word_pairs(rng.normal(size=4**N), COUNTS, 80)
    many = [Motif(str(i), str(i), rng.dirichlet(np.full(4, 0.2), 8) * 100) for i in range(200)]
    few, all_of_them = enrichment(pairs, many[:3], EVEN, 0.1), enrichment(pairs, many, EVEN, 0.1)
    assert 0.09 < few.any_fraction <= 0.11
    assert 0 < all_of_them.any_fraction < 0.05
    assert all_of_them.table["expected"][0] <= 0.55 * all_of_them.top_pairs


@pytest.mark.usefixtures("few_controls")
def test_words_too_rare_for_a_score_are_neither_match_nor_background():
    scores, of = np.random.default_rng(0).normal(size=4**N), motif("GGGCGA")
    best = matching_words(of)
    rare = np.append(best[::2], reverse_complemented(WORDS)[best[::2]])
    scores[rare] = -np.inf
    pairs = word_pairs(scores, COUNTS, 80)
    row = enrichment(pairs, [of], EVEN, 0.02).table.iloc[1]
    left = np.isin(pairs.words, best[1::2])
    group, total = pairs.group_and_total()
    assert row["top_matches"] == np.sum(left & pairs.is_top)
    assert row["expected"] == pytest.approx((group / total)[pairs.stratum[left]].sum())


def test_top_words_without_a_background_are_counted():
    scores = np.where(GC == 0, 20, 0) + np.random.default_rng(0).normal(size=4**N)
    found = enrichment(word_pairs(scores, COUNTS, 32), MOTIFS, EVEN, 0.02)
    assert found.alone == found.top_pairs == 16
    assert "16 of these have no other word" in found.caption
    assert found.table["p"].tolist() == pytest.approx([1] * 6)
    assert set(found.shown()["ratio"]) <= {"1", "-"}
    assert found.p_more == found.p_any == 1


def table_of(scores_of_counts, max_n=N):
    """A table with these counts of the longest words."""
    counts = {max_n: scores_of_counts}
    for n in range(max_n - 1, 0, -1):
        counts[n] = counts[n + 1].reshape(-1, 4).sum(1)
    return NpmiTable.from_counts(counts, min_count=2)


@pytest.fixture
def files(tmp_path):
    """A table in which the words of CACGTG are far too frequent for their parts, and a JASPAR file with that motif."""
    counts = np.random.default_rng(0).poisson(300, 4**N)
    for word in matching_words(MOTIFS[1]):
        counts[[word, int("".join(str(3 - c) for c in LETTERS[word][::-1]), 4)]] += 400
    table_of(counts).save(tmp_path / "a.npmi")
    rows = [
        f">{of.id} {of.name.split()[-1]}\n" + "".join(" ".join(map(str, row)) + "\n" for row in of.counts.T)
        for of in MOTIFS
    ]
    (tmp_path / "a.jaspar").write_text("".join(rows))
    return tmp_path


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["genomask", "npmi", "motifs", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, *capsys.readouterr()


def test_the_command_prints_a_table_and_a_verdict_and_writes_all_rows(files, monkeypatch, capsys):
    out = files / "new" / "enrichment.csv"
    arguments = [files / "a.npmi", "--jaspar", files / "a.jaspar", "--n", 5, "--top", 40, "--out", out]
    code, said, error = run(monkeypatch, capsys, *arguments, "--match-fraction", 0.02)
    assert code == 0, error
    assert ANY in said
    assert "p within strata" in " ".join(said.split())
    rows = pd.read_csv(out)
    assert list(rows) == ["motif", "name", "top_matches", "expected", "ratio", "permuted", "permuted_least",
                          "permuted_most", "p", "p_adjusted"]  # fmt: skip
    assert rows["motif"][:2].tolist() == [ANY, "CACGTG"]
    assert len(rows) == 6
    again = motif_enrichment(NpmiTable.load(files / "a.npmi"), files / "a.jaspar", 5, 40, 0.02).table
    np.testing.assert_allclose(rows["p"], again["p"])


@pytest.mark.usefixtures("few_controls")
def test_more_motifs_than_are_shown_are_all_written(files, monkeypatch, capsys):
    one = (files / "a.jaspar").read_text().split(">")[1]
    (files / "many.jaspar").write_text("".join(f">m{number} {one.split(maxsplit=1)[1]}" for number in range(25)))
    arguments = [files / "a.npmi", "--jaspar", files / "many.jaspar", "--n", 5, "--top", 40]
    _, said, _ = run(monkeypatch, capsys, *arguments, "--out", files / "o.csv")
    assert "Not shown: 5 more motifs; --out writes all." in " ".join(said.split())
    assert len(pd.read_csv(files / "o.csv")) == 26


@pytest.mark.usefixtures("few_controls")
@pytest.mark.parametrize("fraction", [0.02, 0.1])
def test_as_many_words_match_as_are_asked_for(files, fraction):
    found = motif_enrichment(NpmiTable.load(files / "a.npmi"), files / "a.jaspar", 5, 40, fraction)
    assert found.any_fraction == pytest.approx(fraction, rel=0.1)


@pytest.mark.usefixtures("few_controls")
def test_the_strand_that_was_counted_does_not_matter(files):
    codes = np.random.default_rng(0).choice(4, 200_000, p=[0.4, 0.15, 0.25, 0.2])
    counts = np.bincount(sum(np.roll(codes, -at) * 4 ** (N - 1 - at) for at in range(N)), minlength=4**N)
    given, turned = (
        motif_enrichment(table_of(each), files / "a.jaspar", N, 40, 0.02).table
        for each in (counts, reverse_complemented(counts))
    )
    pd.testing.assert_frame_equal(given, turned)


@pytest.mark.usefixtures("few_controls")
def test_adjusted_p_follow_benjamini_and_hochberg(files):
    table = motif_enrichment(NpmiTable.load(files / "a.npmi"), files / "a.jaspar", 5, 40, 0.02).table[1:]
    by_hand = [min(1, *(p * len(table) / rank for rank, p in list(enumerate(table["p"], 1))[at:])) for at in range(5)]
    np.testing.assert_allclose(table["p_adjusted"], by_hand)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--n", 7], "n-grams up to 5, not 7"),
        (["--n", 1], "Invalid value for '--n'"),
        (["--top", 5000], "top=5000 of the 1024 5-mers"),
        (["--match-fraction", 0], "between 0 and 0.5"),
        (["--jaspar", "nowhere.txt"], "nowhere.txt: no such file"),
    ],
)
def test_a_mistake_is_one_clear_error(files, monkeypatch, capsys, change, words):
    arguments = ["--jaspar", files / "a.jaspar", "--n", 5, *change]
    code, _, error = run(monkeypatch, capsys, files / "a.npmi", *arguments)
    assert code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize("name", ["a.npmi", "a.jaspar", "a.npmi/new.csv", "folder", "other.csv"])
def test_an_out_that_must_not_be_written_is_refused_before_the_work(files, monkeypatch, capsys, name):
    (files / "folder").mkdir()
    (files / "other.csv").write_text("mine\n")
    before = {path: path.read_bytes() for path in files.iterdir() if path.is_file()}
    monkeypatch.setattr(motifs, "motif_enrichment", None)  # it must not be called
    arguments = [files / "a.npmi", "--jaspar", files / "a.jaspar", "--out", files / name]
    code, said, error = run(monkeypatch, capsys, *arguments)
    assert (code, said) == (2, "")
    assert error.startswith(f"error: --out {files / name} ")
    assert error.count("\n") == 1
    assert before == {path: path.read_bytes() for path in files.iterdir() if path.is_file()}


def test_the_verdict_is_still_printed_if_the_disk_is_full(files, monkeypatch, capsys):
    def full_disk(target, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genomask.commands.motifs.enrichment.atomic_write", full_disk)
    arguments = [files / "a.npmi", "--jaspar", files / "a.jaspar", "--n", 5, "--top", 40, "--out", files / "e.csv"]
    code, said, error = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "are matched more often" in " ".join(said.split())
    assert error.startswith(f"error: --out {files / 'e.csv'} cannot be written (No space left on device)")


def test_an_npmi_table_in_place_of_the_motifs_is_recognised(files):
    with pytest.raises(DataError, match=r"a\.npmi: this is an NPMI table; give a file of motif matrices"):
        motif_enrichment(NpmiTable.load(files / "a.npmi"), files / "a.npmi", N, 40, 0.02)


def test_a_fraction_out_of_range_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(SettingsError, match=r"between 0 and 0\.5, got 0\.7"):
        motif_enrichment(table_of(COUNTS), tmp_path / "none", 5, 10, 0.7)
