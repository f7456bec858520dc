import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.bases import base_codes
from genomask.fewshot import leaks
from genomask.fewshot.leaks import leaks_in_genome, leaks_in_pool, whole_in_genome


def random_bases(n: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n))


def reverse_complement(sequence: str) -> str:
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def test_the_pool_is_searched_for_whole_sequences_on_both_strands():
    pool = ["AACCGGTTA", "acgtacgta"]
    found = leaks_in_pool(["AACCGGTTA", "TAACCGGTT", "TACGTACGT", "AACCGGTT"], pool)
    assert found.exact.tolist() == [True, False, False, False]
    assert found.reverse.tolist() == [False, True, True, False]
    assert found.found.tolist() == [True, True, True, False]
    assert found.sentence("the training pool") == (
        "3 of 4 test sequences are in the training pool (1 as they are, 2 as reverse complement); "
        "0 share 32 bases in a row with it, on either strand. "
        "4 are without 32 letters A C G T in a row, so near-copies were not looked for."
    )


def test_near_duplicates_share_32_bases_with_the_pool_or_the_genome_on_either_strand():
    genome = random_bases(400, seed=8)
    test = [genome[50:90] + "C", reverse_complement("G" + genome[150:182]), genome[300:331], random_bases(60, seed=9)]
    for found in (
        leaks_in_pool(test, [genome[:200], genome[200:]]),
        leaks_in_genome(test, base_codes(genome), np.array([[0, 400]])),
    ):
        assert found.near.tolist() == [True, True, False, False]
        assert found.wordless.tolist() == [False, False, True, False]
        assert "1 is without 32 letters A C G T in a row" in found.sentence("it")
        assert found.found.tolist() == [True, True, bool(found.exact[2]), False]


@pytest.mark.parametrize("chunk", [64, 1 << 22])
@pytest.mark.parametrize("lengths", [(40, 32, 70), (16, 31, 20), (17, 300, 64)])
def test_every_sequence_cut_from_the_genome_is_found(monkeypatch, chunk, lengths):
    monkeypatch.setattr(leaks, "CHUNK_BASES", chunk)
    genome = random_bases(3000, seed=1)
    inside = [genome[at : at + n] for at, n in zip((0, 1437, 3000 - lengths[2]), lengths, strict=True)]
    almost = inside[1][:-1] + ("A" if inside[1][-1] != "A" else "C")
    test = [inside[0], reverse_complement(inside[1]), inside[2].lower(), almost, random_bases(50, seed=2)]
    found = leaks_in_genome(test, base_codes(genome), np.array([[0, 3000]]))
    assert found.exact.tolist() == [True, False, True, False, False]
    assert found.reverse.tolist() == [False, True, False, False, False]


def test_a_sequence_across_the_end_of_an_interval_is_no_leak():
    genome = random_bases(500, seed=3)
    test = [genome[180:220], genome[200:240], genome[260:300], genome[261:301]]
    found = leaks_in_genome(test, base_codes(genome), np.array([[100, 200], [200, 300]]))
    assert found.exact.tolist() == [False, True, True, False]


@pytest.mark.parametrize("size", [16, 32])
def test_a_sequence_that_is_all_of_an_interval_is_found(size):
    genome = random_bases(size, seed=10)
    found = leaks_in_genome([genome, reverse_complement(genome)], base_codes(genome), np.array([[0, size]]))
    assert (found.exact.tolist(), found.reverse.tolist()) == ([True, False], [False, True])


def test_odd_letters_short_sequences_and_no_sequences_are_not_looked_up():
    genome = "ACGT" * 20 + "N" * 40
    found = leaks_in_genome(["ACGT", "N" * 40, "ACGTN" * 8], base_codes(genome), np.array([[0, 80]]))
    assert not found.exact.any()
    assert found.skipped.tolist() == [True, True, True]
    assert len(leaks_in_genome([], base_codes(genome), np.array([[0, 80]])).exact) == 0


def test_search_agrees_with_a_plain_string_search_in_a_repetitive_genome():
    rng = np.random.default_rng(4)
    genome = "".join(rng.choice(["CA", "CACACA", "G", "TTAGGG"], 2000))
    test = ["".join(rng.choice(["CA", "G", "TTAGGG"], n)) for n in rng.integers(4, 14, 300)]
    test = [sequence for sequence in test if len(sequence) >= 16]
    found = leaks_in_genome(test, base_codes(genome), np.array([[0, len(genome)]]))
    assert found.exact.tolist() == [sequence in genome for sequence in test]
    assert found.reverse.tolist() == [reverse_complement(sequence) in genome for sequence in test]
    assert 0 < found.exact.sum() < len(test)


WORDS = ["CA" * 9, "TTAGGG" * 5, random_bases(35, seed=5), random_bases(33, seed=6), "G", "T"]
repetitive = st.lists(st.sampled_from(WORDS), max_size=7).map("".join)


@settings(deadline=None, max_examples=100)
@given(
    genome=st.lists(repetitive, max_size=4),
    others=st.lists(repetitive, max_size=4),
    cuts=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 90)), max_size=8),
    chunk=st.sampled_from([1, 50, 1 << 22]),
    few=st.sampled_from([0, 8]),
)
def test_search_agrees_with_a_plain_string_search_in_any_intervals_and_chunks(genome, others, cuts, chunk, few):
    together = "".join(genome)
    pieces = [together[at : at + length] for at, length in cuts]
    test = others + pieces + [reverse_complement(piece) for piece in pieces] + [piece + "A" for piece in pieces]
    ends = np.cumsum([0, *map(len, genome)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaks, "CHUNK_BASES", chunk)
        patch.setattr(leaks, "FEW_PLACES", few)
        found = whole_in_genome(test, base_codes(together), np.stack([ends[:-1], ends[1:]], axis=1))
    strands = (test, map(reverse_complement, test))
    assert found.tolist() == [
        [len(x) >= 16 and any(x in part for part in genome) for x in strand] for strand in strands
    ]
