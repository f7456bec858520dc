"""Names in little room: paths are named by the parts that differ, labels are cut and stay distinct."""

from genomask.report.short_names import short_label, short_labels, short_names


def test_paths_are_named_by_the_parts_that_differ():
    assert short_names(["runs/a/model", "runs/b/model"]) == {"runs/a/model": "a", "runs/b/model": "b"}
    assert short_names(["x/a/model", "y/a/model"]) == {"x/a/model": "x/a", "y/a/model": "y/a"}
    assert short_names(["hub"]) == {"hub": "hub"}


def test_a_long_name_keeps_both_ends():
    assert short_label("genemask", 8) == "genemask"
    assert short_label("genemask-seed3", 12) == "genem...eed3"
    assert short_label("a\x1b", 12) == r"a\x1b"
    assert short_label("\N{CJK UNIFIED IDEOGRAPH-4E00}" * 9, 12).count("...") == 1  # it is as wide as 18 letters


def test_names_that_differ_only_where_they_are_cut_are_numbered():
    names = ["first:p=0.1:at=2000", "span", "first:p=0.2:at=2000"]
    assert short_labels(names, 12) == dict(zip(names, ["first...2000 (1)", "span", "first...2000 (2)"], strict=True))
