"""Bases as letters and as uint8 codes, A0 C1 G2 T3 and 4 for any other letter; and the other strand of both."""

import numpy as np

_CODE_OF_BYTE = np.full(256, 4, dtype=np.uint8)
for _letter, _code in zip("ACGTU", (0, 1, 2, 3, 3), strict=True):
    _CODE_OF_BYTE[[ord(_letter), ord(_letter.lower())]] = _code
_BYTE_OF_CODE = np.frombuffer(b"ACGTN", dtype=np.uint8)
_COMPLEMENT_OF_CODE = np.array([3, 2, 1, 0, 4], dtype=np.uint8)
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


def base_codes(sequence: str) -> np.ndarray:
    """(letters,) uint8 codes of DNA or RNA: U as T, lower case as upper; 4 for letters other than A C G T U."""
    codes: np.ndarray = _CODE_OF_BYTE[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)]
    return codes


def letters_of(codes: np.ndarray) -> str:
    """The letters A C G T N of codes (bases,)."""
    return str(_BYTE_OF_CODE[codes].tobytes(), "ascii")


def reverse_complement(bases: str) -> str:
    """The other strand of A C G T N, read in its own direction."""
    return bases.translate(_COMPLEMENT)[::-1]


def other_strand(codes: np.ndarray) -> np.ndarray:
    """(bases,) uint8, the same for codes."""
    other: np.ndarray = _COMPLEMENT_OF_CODE[codes[::-1]]
    return other
