"""No bit of any mask, corruption or account has changed."""

import json

import pytest
from known_masks import FILE, cases, digest

KNOWN = json.loads(FILE.read_text(encoding="utf-8"))
CASES = dict(cases())


def test_every_case_is_known():
    assert set(KNOWN) == set(CASES)


@pytest.mark.usefixtures("rates_in_full")
@pytest.mark.parametrize("name", CASES)
def test_masks_corruption_and_accounts_are_the_known_ones(name):
    assert digest(CASES[name]) == KNOWN[name]
