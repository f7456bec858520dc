"""Random numbers without state: an integer hash of (key, purpose, position), the same in numpy and torch, CPU and GPU.

Every random choice of windows, masks, corruption and few-shot draws is such a hash, so it depends on its key alone: not
on the batch, the packing, the number of workers, or the order of evaluation. The mixer is the finaliser of SplitMix64
(Steele, Lea and Flood, OOPSLA 2014, figure 15). Arguments are int64 arrays or tensors that broadcast; int64 products
wrap alike in both libraries.
"""

from enum import IntEnum, unique
from typing import TypeVar

import numpy as np
from torch import Tensor

IntArray = TypeVar("IntArray", np.ndarray, Tensor)


@unique
class Purpose(IntEnum):
    """What a draw is for, so that no two purposes share bits; and what its position counts."""

    STEP = 1
    """The key of a training step, from the run's seed; position: the step. For simulated sequences (see rates), the key
    of each, from its number; position: their number of tokens."""
    SEQUENCE = 2
    """The key of a sequence, from its step's; position: its number in the step. For simulated ones: their bases."""

    CENTRE = 11
    """Whether a base is a centre; position: the base within its sequence."""
    TOKEN = 12
    """Whether a token (or the word that starts at it) is masked; position: the token within its sequence."""
    TOKEN_SCORE = 13
    """What replaces a token's NPMI in random-span; position: the token within its sequence."""
    TOKEN_TIE = 14
    """Which of several equally good tokens a centre takes; position: centre, then which of its tokens."""
    CENTRE_TIE = 15
    """Which of several equally good centres counts as better; position: the base within its sequence."""
    ACTION = 16
    """Whether a span (or token) becomes [MASK] or random, or stays; position: the number of the span, or the token."""
    NEW_BASE = 17
    """The base that replaces a hidden one; position: the base within its sequence."""
    NEW_TOKEN = 18
    """The token that replaces a masked one; position: the token within its sequence."""
    SPAN_LENGTH = 19
    """How many bases (or words) a span hides; position: its centre within its sequence."""
    GLOBAL_TIE = 20
    """Which of several equally good tokens of a sequence comes first; position: the token within its sequence."""
    MIXED = 21
    """Which of two strategies masks a sequence; position: 0."""
    SHUFFLE = 22
    """The order in which the NPMI is shuffled; key: 0, position: the k-mer's number."""
    OWN = 23
    """Whatever a user's own strategy draws; position: its own choice."""

    WINDOW = 101
    """The key of a training window, from the seed; position: the window's number."""
    FULL_LENGTH = 102
    """Whether a window has full length; position: 0."""
    LENGTH = 103
    """How long it is otherwise; position: 0."""
    START = 104
    """Where it starts; position: how often it was drawn before."""
    STRAND = 105
    """Whether it is read backwards; position: 0."""
    NEAR = 106
    """Whether it lies near the starts that the settings name; position: 0."""
    GENOME = 107
    """Which of several genomes it comes from; position: 0."""
    PHASE = 111
    """Where slots for held-out windows begin; position: the interval."""
    SLOT = 112
    """Which of them are held out; position: the window."""
    PERMUTE = 121
    """The rounds of a permutation, this number and the seven after it; position: half of the index's bits."""
    SINGLE = 131
    """Which single bases of a held-out window are hidden; position: the block."""
    SIX = 132
    """Which runs of six bases are; position: the block."""
    HELD_OUT = 141
    """Which documents are held out; position: a digest of their content."""
    EPOCH = 142
    """The key of an epoch's order of sequences, from the seed; position: the epoch."""
    PROBE = 161
    """The bases that a tokenizer is tested on; position: the base."""
    SHOT = 171
    """The key of a number of shots, from the task's name; position: the number."""
    DRAW = 172
    """The key of a draw, from that of its shots; position: the draw."""
    EXAMPLE = 173
    """Which examples a draw takes; position: the row of the pool."""
    ORDER = 174
    """The key of an epoch of fine-tuning, from the seed; position: the epoch."""
    ROW = 175
    """The order of examples in it; position: the row."""
    FINETUNE_DROPOUT = 176
    """The seed of dropout in a step of fine-tuning; position: the step."""
    COLUMN = 181
    """The order of the columns of permuted motifs; key: the number of the set, position: the column, in all of them."""
    DROPOUT = 201
    """The seed of dropout in pretraining, hashed twice; position: the step, then the process."""


_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _mix(x: IntArray) -> IntArray:
    """SplitMix64's finaliser; the masks make int64's arithmetic shift a logical one."""
    x = (x ^ ((x >> 30) & (2**34 - 1))) * _MIX_1
    x = (x ^ ((x >> 27) & (2**37 - 1))) * _MIX_2
    mixed: IntArray = x ^ ((x >> 31) & (2**33 - 1))
    return mixed


def hash64(key: IntArray, purpose: int, position: IntArray) -> IntArray:
    """Sixty-four random bits for each (key, purpose, position), as int64; the arguments broadcast."""
    return _mix(_mix(key + _signed(int(purpose) * _GOLDEN)) + position * _GOLDEN)


def uniform(key: IntArray, purpose: int, position: IntArray) -> IntArray:
    """Float64 in [0, 1), from the upper 53 bits of the hash."""
    bits = (hash64(key, purpose, position) >> 11) & (2**53 - 1)
    return (bits.double() if isinstance(bits, Tensor) else bits.astype(np.float64)) * 2.0**-53


def below(bits: IntArray, bound: IntArray | int) -> IntArray:
    """Map hash bits to integers in [0, bound); the bias is below bound / 2**63."""
    return (bits & (2**63 - 1)) % bound


def make_keys(seed: int, step: int, index: np.ndarray) -> np.ndarray:
    """(B,) int64 keys of the sequences numbered `index` in training step `step` of the run with `seed`."""
    at = np.full(1, step, dtype=np.int64)
    of_step = hash64(np.full(1, seed, dtype=np.int64), Purpose.STEP, at)
    return hash64(of_step, Purpose.SEQUENCE, np.asarray(index, dtype=np.int64))


def _signed(x: int) -> int:
    """The integer modulo 2**64, as int64 holds it."""
    return (x + 2**63) % 2**64 - 2**63
