"""Which cases run: in the ordinary suite the first of each kind, in CI half a minute of them, by hand any number."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fuzz")
    group.addoption(
        "--fuzz-seconds", type=float, default=0, help="Run cases for this many seconds instead of a fixed number."
    )
    group.addoption("--fuzz-cases", type=int, default=0, help="Run this many cases.")
    group.addoption("--fuzz-seed", type=int, default=0, help="Seed of the cases.")
    group.addoption(
        "--fuzz-case", type=int, action="append", help="Run this case alone, and keep its folder. Repeatable."
    )
    group.addoption("--fuzz-kind", default="", help="Run only cases of this kind.")
