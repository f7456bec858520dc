"""The table of `make conformance` agrees with pytest's report, and shows where ours is behind BERT."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parent / "run.py"
SPEC = importlib.util.spec_from_file_location("conformance_run", PATH)
run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run)

CASE = '<testcase classname="encoders.{row}" name="{test}">{inside}</testcase>'
INSIDE = {"passed": "", "failed": "<failure/>", "skipped": "<skipped/>"}


def report(tmp_path, results):
    """The outcomes read from pytest's report of these (class, test, outcome)."""
    cases = "".join(CASE.format(row=row, test=test, inside=INSIDE[outcome]) for row, test, outcome in results)
    path = tmp_path / "report.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    return run.outcomes(path)


def everywhere(test, outcome):
    return [(row, test, outcome) for row in (run.MEASURE, *run.ENCODERS, *run.TOKENIZERS)]


def test_a_test_with_a_part_that_fails_has_failed(tmp_path):
    found = report(tmp_path, [("Bert", "a", "failed"), ("Bert", "a", "passed"), ("Bert", "b", "skipped")])
    assert found == {"Bert": {"a": "failed", "b": "skipped"}}


def test_the_counts_are_printed_for_each_class(tmp_path, capsys):
    assert run.show(report(tmp_path, [*everywhere("a", "passed"), *everywhere("b", "skipped")]))
    printed = capsys.readouterr().out
    assert "| Bert | 1 | 0 | 1 |" in printed
    assert "| OverlappingKmers | 1 | 0 | 1 |" in printed
    assert "behind BERT: 0" in printed


@pytest.mark.parametrize(
    ("row", "outcome", "berts", "behind"),
    [
        ("AlibiAndGlu", "failed", "passed", True),
        ("AlibiAndGlu", "skipped", "passed", True),
        ("AlibiAndGlu", "failed", "skipped", True),
        ("AlibiAndGlu", "failed", "failed", False),
        ("AlibiAndGlu", "passed", "failed", False),
        ("OverlappingKmers", "failed", "passed", True),
        ("OverlappingKmers", "skipped", "passed", False),
    ],
)
def test_a_test_in_which_ours_is_behind_bert_is_named(row, outcome, berts, behind, tmp_path, capsys):
    results = [(r, t, berts if r == "Bert" else x) for r, t, x in everywhere("a", "passed")]
    results = [(r, t, outcome if r == row else x) for r, t, x in results]
    if berts != "passed":
        results = [(r, t, berts if r in run.ENCODERS and r != row else x) for r, t, x in results]
    assert run.show(report(tmp_path, results)) is not behind
    assert (f"{row}: a {outcome}" in capsys.readouterr().out) == behind


def test_a_class_without_results_is_an_error(tmp_path):
    with pytest.raises(AssertionError, match="no results of"):
        run.show(report(tmp_path, [("Bert", "a", "passed")]))
