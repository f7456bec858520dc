from dataclasses import dataclass, replace
from typing import Annotated, Literal

import pytest

from genomask.errors import SettingsError
from genomask.settings.table import Bounds, Count, Fraction, OneOf, Rate, Table

COLOURS = {"red": 1, "green": 2}


@dataclass(frozen=True, kw_only=True)
class Some(Table, name="some"):
    count: Count = 3
    fraction: Fraction = 0.5
    rate: Rate = 0.5
    seed: Annotated[int, Bounds(least=0, below=2**63)] = 0
    way: Literal["in", "out"] = "in"
    colour: Annotated[str, OneOf(COLOURS)] = "red"
    names: tuple[str, ...] = ()
    is_on: bool = True


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"count": 0}, "some.count must be at least 1 and at most 1,000,000,000, got 0."),
        ({"count": 2.0}, "some.count must be a whole number, got 2.0"),
        ({"count": True}, "some.count must be a whole number, got True"),
        ({"fraction": True}, "some.fraction must be a number, got True"),
        ({"fraction": 1.5}, "some.fraction must be at least 0 and at most 1, got 1.5."),
        ({"fraction": float("nan")}, "some.fraction must be at least 0 and at most 1, got nan."),
        ({"rate": 0}, "some.rate must be above 0 and below 1, got 0.0."),
        ({"rate": 10**400}, "some.rate must be a number below 1e308, got a number of more than 80 digits"),
        ({"seed": 2**63}, "some.seed must be at least 0 and below 2**63, got 9223372036854775808."),
        ({"way": "inn"}, "some.way must be one of in, out, got 'inn'. Did you mean 'in'?"),
        ({"way": 1}, "some.way must be a string, got 1"),
        ({"colour": "reed"}, "some.colour must be one of red, green, got 'reed'. Did you mean 'red'?"),
        ({"names": "chrX"}, "some.names must be a list of strings such as [\"chrX\"], got 'chrX'"),
        ({"is_on": 1}, "some.is_on must be true or false, got 1"),
    ],
)
def test_a_field_accepts_only_what_its_type_allows(bad, said):
    for make in (Some, lambda **values: replace(Some(), **values)):
        with pytest.raises(SettingsError) as refused:
            make(**bad)
        assert str(refused.value).startswith(said)


def test_whole_numbers_pass_as_floats_and_lists_as_tuples():
    made = Some(fraction=1, names=["a", "b"])
    assert (made.fraction, type(made.fraction), made.names) == (1.0, float, ("a", "b"))


def test_a_row_that_is_added_to_a_table_is_a_choice_at_once(monkeypatch):
    monkeypatch.setitem(COLOURS, "blue", 3)
    assert Some(colour="blue").colour == "blue"
