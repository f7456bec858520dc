"""Labels and scores of a VCF's lines, gathered line by line."""

import re

import pytest
from rich.console import Console

from genomask.commands.variants.labels import Labels
from genomask.commands.variants.ranking import Criterion
from genomask.data.vcf import Variant, VcfLine
from genomask.inference.variants import Score


def gathered(text, *lines):
    """Labels of (INFO, ALTs, scores); the REF is one letter."""
    labels = Labels(Criterion.parse(text))
    for number, (info, alts, scores) in enumerate(lines, start=1):
        labels.note(VcfLine(number, b"", Variant("1", number, ".", "G", alts, info)), scores)
    return labels


def test_alts_without_a_label_or_a_score_are_left_out():
    labels = gathered(
        "CLNSIG=bad:good",
        ("CLNSIG=bad", ("A",), [Score(-2.0)]),
        ("CLNSIG=unsure", ("A",), [Score(-1.0)]),
        ("CLNSIG=good", ("A", "AT"), [Score(float("nan"), "an N near it"), Score(0.5)]),
    )
    assert list(labels.labels) == [1, 0]
    assert list(labels.llrs) == [-2.0, 0.5]
    assert list(labels.equally_long) == [1, 0]
    assert labels.fault() == ""


def test_only_a_substitution_is_a_change_of_equal_length():
    labels = Labels(Criterion.parse("CLNSIG=bad"))
    labels.note(VcfLine(1, b"", Variant("1", 1, ".", "GA", ("G", "TC", "GAA"), "CLNSIG=bad")), [Score(0.0)] * 3)
    assert list(labels.equally_long) == [0, 1, 0]


def test_scored_alts_of_neither_kind_or_of_both_are_counted():
    lines = [
        ("CLNSIG=bad/worse|other", ("A",), [Score(-2.0)]),
        ("CLNSIG=good/good_too", ("A",), [Score(1.0)]),
        ("CLNSIG=bad|good", ("A",), [Score(-1.0)]),
        ("CLNSIG=unsure", ("A", "<DEL>"), [Score(-1.0), Score(float("nan"), "not spelt")]),
        ("CLNSIG=.", ("A",), [Score(-1.0)]),
    ]
    said, *_ = gathered("CLNSIG=bad,worse:good", *lines).report()
    assert said == "2 scored ALTs left out of the ranking: CLNSIG is of neither kind, or of both."
    assert not isinstance(next(gathered("CLNSIG=bad", *lines).report()), str)


def test_the_header_says_whether_each_alt_has_a_value_of_its_own():
    for numbered, expected in ((b"A", [1, 0]), (b".", [])):
        labels = Labels(Criterion.parse("KIND=x:y"))
        labels.note(VcfLine(1, b"##INFO=<ID=KIND,Number=" + numbered + b",Type=String>\n", None), [])
        labels.note(VcfLine(2, b"", Variant("1", 1, ".", "G", ("A", "C"), "KIND=x,y")), [Score(0.0), Score(0.0)])
        assert list(labels.labels) == expected


def test_the_header_of_an_entry_whose_name_begins_alike_is_ignored():
    labels = Labels(Criterion.parse("AF=x:y"))
    for header in (b"##INFO=<ID=AF,Number=A,Type=String>\n", b"##INFO=<ID=AF_EXAC,Number=1,Type=Float>\n"):
        labels.note(VcfLine(1, header, None), [])
    labels.note(VcfLine(3, b"", Variant("1", 1, ".", "G", ("A", "C"), "AF=x,y")), [Score(0.0), Score(0.0)])
    assert list(labels.labels) == [1, 0]


@pytest.mark.parametrize("values", ["bad", "good"])
def test_one_kind_alone_cannot_be_ranked(values):
    labels = gathered("CLNSIG=bad:good", *[(f"CLNSIG={values}", ("A",), [Score(0.0)])] * 3)
    n = 3 * (values == "bad")
    said = rf"{n} of the 3 ALTs that this labels are positive; both kinds .*\. CLNSIG is {values} in this VCF"
    assert re.search(said, labels.fault())


def test_an_entry_that_no_variant_has_is_named_with_those_that_are_there():
    labels = gathered("CLNSG=bad:good", ("CLNSIG=bad;AF=0.1", ("A",), [Score(0.0)]))
    assert "no variant has CLNSG in its INFO, which has AF, CLNSIG. Name one of these" in labels.fault()


@pytest.mark.parametrize("lines", [[], [(".", ("A",), [Score(0.0)])]])
def test_a_vcf_without_an_info_entry_is_reported(lines):
    assert "no variant has an INFO entry, or there is no variant" in gathered("CLNSIG=bad:good", *lines).fault()


def test_kinds_of_change_have_rows_of_their_own_and_few_variants_no_interval():
    lines = [
        (f"CLNSIG={'bad' if n % 2 else 'good'}", ("A" if n % 3 else "AT",), [Score(-float(n % 2))]) for n in range(24)
    ]
    console = Console(width=200, record=True)
    with console.capture() as said:
        console.print(*gathered("CLNSIG=bad:good", *lines).report())
    rows = [line for line in said.get().splitlines() if "(50.0%)" in line]
    assert [row.split()[0] for row in rows] == ["all", "SNVs", "insertions"]
    assert ["[too few]" in row for row in rows] == [False, False, True]  # four positives


def test_a_kind_of_change_without_both_labels_has_no_row():
    lines = [(f"CLNSIG={'bad' if n % 2 else 'good'}", ("A",), [Score(-float(n % 2))]) for n in range(12)]
    lines += [("CLNSIG=bad", ("AT",), [Score(-1.0)])] * 6
    table, _ = gathered("CLNSIG=bad:good", *lines).report()
    assert [*map(str, table.columns[0].cells)] == ["all", "SNVs and MNVs"]


def test_too_few_negatives_are_reported_like_too_few_positives():
    lines = [("CLNSIG=good" if n < 3 else "CLNSIG=bad", ("A",), [Score(-float(n))]) for n in range(20)]
    *_, words = gathered("CLNSIG=bad:good", *lines).report()
    assert "Too few to show whether the model separates the two kinds: at least 5 of each" in words


def test_an_area_above_a_half_whose_interval_holds_a_half_shows_nothing():
    lines = [(f"CLNSIG={'bad' if n % 2 else 'good'}", ("A",), [Score(float(-n))]) for n in range(20)]
    table, words = gathered("CLNSIG=bad:good", *lines).report()
    assert [str(cell)[:7] for cell in table.columns[3].cells] == ["0.550 ["]
    assert "The model is not shown to separate the two kinds" in words


@pytest.mark.parametrize(
    ("n", "of_bad", "said"),
    [
        (8, -1.0, "Too few to show whether the model separates the two kinds: at least 5 of each"),
        (20, -1.0, "positives less likely than those of the others"),
        (20, 1.0, "it ranks them backwards"),
        (20, 0.0, "The model is not shown to separate the two kinds"),
    ],
)
def test_the_meaning_of_the_area_is_explained(n, of_bad, said):
    lines = [(f"CLNSIG={'bad' if i % 2 else 'good'}", ("A",), [Score(of_bad * (i % 2))]) for i in range(n)]
    *_, words = gathered("CLNSIG=bad:good", *lines).report()
    assert said in words
