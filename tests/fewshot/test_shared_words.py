"""Shared 32-mers against sets of strings: on both strands, in any pieces and batches, whichever set is smaller."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.fewshot import shared_words as module
from genomask.fewshot.shared_words import WORD, Bases, bases_of, shared_words


def reverse_complement(sequence):
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def words(sequence):
    found = [sequence[at : at + WORD] for at in range(len(sequence) - WORD + 1)]
    return [word for word in found if set(word) <= set("ACGT")]


def shared_by_sets(of, within):
    """The slow, obvious twin: for each sequence, how many of its words the other set has, and how many it has."""
    known = {strand for sequence in within for word in words(sequence) for strand in (word, reverse_complement(word))}
    return [sum(word in known for word in words(sequence)) for sequence in of], [len(words(x)) for x in of]


def agrees(of, within):
    found = shared_words(bases_of(of), bases_of(within))
    expected = shared_by_sets(of, within)
    assert (found.shared.tolist(), found.words.tolist()) == expected
    return found


def random_bases(n, seed):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n))


def test_a_piece_of_32_is_found_on_either_strand_and_one_of_31_is_not():
    genome = random_bases(1_000, seed=1)
    of = [genome[100:132], reverse_complement(genome[400:432]), genome[700:731] + "N", "A" + genome[10:60] + "C", ""]
    found = agrees(of, [genome])
    assert (found.shared > 0).tolist() == [True, True, False, True, False]
    assert found.words.tolist() == [1, 1, 0, 21, 0]


def test_words_do_not_cross_the_end_of_a_sequence_or_an_n():
    one = random_bases(64, seed=2)
    assert agrees([one[:31] + "N" + one[32:]], [one[:31], one[31:40], one[40:]]).shared.sum() == 0


def test_an_n_is_no_base_in_the_smaller_or_the_larger_set():
    one, more = random_bases(30, seed=8) + "CA" + random_bases(30, seed=9), random_bases(90, seed=10)
    with_n = one[:31] + "N" + one[32:]  # in two bits a base, code 4 after C would read as C, then A
    for of, within in (([one], [with_n, more]), ([with_n], [one, more])):
        for pair in ((of, within), (within, of)):
            assert agrees(*pair).shared.sum() == 0


@pytest.mark.parametrize("word", ["A" * 32, "T" * 32, "AT" * 16, "ACGT" * 8])
def test_palindromic_words_and_words_of_one_base_are_counted_once(word):
    assert agrees([word], [reverse_complement(word)]).shared.tolist() == [1]
    assert agrees([word], [random_bases(90, seed=3)]).shared.tolist() == [0]


parts = st.lists(st.integers(0, 3), max_size=3).map(lambda at: "".join(CORPUS[i] for i in at))
CORPUS = [random_bases(40, seed=4), random_bases(33, seed=5), "A" * 35, "N" + random_bases(7, seed=6)]
sequences = st.lists(st.one_of(parts, parts.map(reverse_complement)), max_size=4)


@settings(deadline=None, max_examples=60)
@given(of=sequences, within=sequences, piece=st.sampled_from([1, 7, 1 << 22]), at_once=st.sampled_from([9, 1 << 25]))
def test_it_agrees_with_sets_of_strings_in_any_pieces_and_batches(of, within, piece, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_BASES", piece)
        patch.setattr(module, "WORDS_AT_ONCE", at_once)
        agrees(of, within)


def test_only_the_intervals_of_a_genome_are_looked_at():
    genome = random_bases(500, seed=7)
    codes = bases_of([genome]).codes
    of = bases_of([genome[100:140], genome[180:220], genome[210:250]])
    found = shared_words(of, Bases(codes, np.array([[0, 139], [200, 499]])))
    assert found.shared.tolist() == [8, 0, 9]
