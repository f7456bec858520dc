"""Letters, codes and strands of bases, against plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genomask.data.bases import base_codes, letters_of, other_strand, reverse_complement

PAIR = dict(zip("ACGTN", "TGCAN", strict=True))


@given(st.text("ACGTN"))
def test_letters_and_codes_are_each_others_inverse_on_both_strands(sequence):
    codes = base_codes(sequence)
    assert codes.tolist() == ["ACGTN".index(letter) for letter in sequence]
    assert codes.dtype == other_strand(codes).dtype == np.uint8
    assert letters_of(codes) == sequence
    assert reverse_complement(sequence) == "".join(PAIR[letter] for letter in reversed(sequence))
    assert letters_of(other_strand(codes)) == reverse_complement(sequence)


def test_rna_and_lower_case_read_as_the_same_bases_and_other_letters_as_n():
    assert base_codes("acguU").tolist() == [0, 1, 2, 3, 3]
    assert base_codes("NnRé-").tolist() == [4] * 5
