import ast
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import genomask
from genomask.data.permutation import ROUNDS
from genomask.hashing import Purpose, below, hash64, make_keys, uniform

WORD = 2**64 - 1


def splitmix_reference(key: int, stream: int, position: int) -> int:
    """The same hash in Python's unbounded integers."""

    def mix(x):
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
        return x ^ (x >> 31)

    golden = 0x9E3779B97F4A7C15
    bits = mix((mix((key + stream * golden) & WORD) + position * golden) & WORD)
    return bits - 2**64 if bits >> 63 else bits


@settings(deadline=None, max_examples=200)
@given(key=st.integers(-(2**63), 2**63 - 1), stream=st.integers(0, 1000), position=st.integers(0, 2**40))
def test_numpy_torch_and_plain_python_agree_bit_for_bit(key, stream, position):
    expected = splitmix_reference(key, stream, position)
    assert hash64(np.array([key]), stream, np.array([position]))[0] == expected
    assert hash64(torch.tensor([key]), stream, torch.tensor([position]))[0] == expected


def test_known_answers_hold():
    assert hash64(np.array([7] * 3), 3, np.arange(3)).tolist() == [
        -9103666977541021019,
        -7168362562271595514,
        -730198392241919552,
    ]
    assert make_keys(1, 2, np.arange(3)).tolist() == [-1244431668386475038, 9014951017225332560, -6554682057843231333]


def test_uniform_is_in_the_unit_interval_and_flat():
    draws = uniform(torch.arange(100_000), 5, torch.zeros(1, dtype=torch.int64))
    assert draws.dtype == torch.float64
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws, bins=10, min=0, max=1)
    assert ((counts - 10_000).abs() < 500).all()  # five standard deviations


def test_streams_are_independent():
    a, b = (uniform(np.arange(100_000), stream, np.zeros(1, dtype=np.int64)) for stream in (1, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02


def test_below_covers_its_range():
    assert set(below(hash64(np.arange(200), 1, np.zeros(1, dtype=np.int64)), 7).tolist()) == set(range(7))


def test_no_two_purposes_share_a_number():
    numbers = [purpose.value for purpose in Purpose] + list(range(Purpose.PERMUTE + 1, Purpose.PERMUTE + ROUNDS))
    assert len(set(numbers)) == len(numbers) == len(Purpose.__members__) + ROUNDS - 1


def test_every_draw_names_its_purpose():
    package = Path(genomask.__file__).parent
    drawn = [
        f"{path.relative_to(package)}, line {call.lineno}: {ast.unparse(call.args[1])}"
        for path in package.rglob("*.py")
        if path.name != "hashing.py"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("hash64", "uniform")
    ]
    assert len(drawn) > 20
    assert [draw for draw in drawn if "Purpose." not in draw and "_PURPOSES[" not in draw] == []
