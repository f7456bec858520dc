"""The page is complete in one file: it opens in a real browser without errors and requests nothing outside."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from browser import measure_in_browser, open_in_browser

from genomask.report.frames import verdict_frame, verdict_sentence
from genomask.report.html import PicturePart, ReportPage, Section, TablePart, write_page
from genomask.report.plots import fewshot_curves, learning_curves, verdict_forest
from genomask.report.style import HUES

HOSTILE = "<script>alert('x')</script> & \"more\""


@pytest.fixture
def page(runs, baselines, summary, verdict, seed_differences, arms, tmp_path) -> Path:
    learning_curves(runs, tmp_path / "learning.svg", baselines)
    fewshot_curves(summary, tmp_path / "fewshot.svg")
    verdict_forest(verdict, seed_differences, tmp_path / "verdict.svg", "random-span")
    pictures = [
        PicturePart(svg=tmp_path / f"{name}.svg", title=f"The {name} picture", alt=f"Alt of {name} {HOSTILE}")
        for name in ("verdict", "fewshot", "learning")
    ]
    tables = [
        TablePart(
            title="The verdict: " + "what each masking strategy earned, " * 3,
            frame=verdict_frame(verdict, arms, "random-span"),
            caption="A caption.",
        ),
        TablePart(title="Odd", frame=pd.DataFrame({"name": [HOSTILE], "value": ["1.0"]})),
    ]
    report = ReportPage(
        title="Masking strategies compared",
        verdict=verdict_sentence(verdict, "random-span", "probe"),
        sections=(Section(title="All", parts=(*pictures, *tables), paragraphs=(HOSTILE,)),),
        settings={"training": {"steps": 600}},
        environment={"torch": "2.13.0"},
    )
    write_page(report, tmp_path / "report.html")
    return tmp_path / "report.html"


class Elements(HTMLParser):
    """Every element with its attributes, and every id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_holds_title_verdict_tables_pictures_and_settings(page):
    text = page.read_text()
    for shown in (
        "Masking strategies compared",
        "genemask beats random-span",
        "A caption.",
        "training.steps",
        "2.13.0",
    ):
        assert shown in text
    assert [tag for tag, _ in Elements(text).found].count("svg") == 3
    assert '<title id="verdict-title">The verdict picture</title>' in text


def test_nothing_in_the_page_points_outside(page):
    text = page.read_text()
    for tag, attributes in Elements(text).found:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "srcset", "action", "poster"):
                assert value.startswith(("#", "data:"))
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_texts_are_escaped_everywhere(page):
    assert "alert" in page.read_text()
    assert "<script" not in page.read_text()


def test_ids_are_unique_and_every_reference_meets_one(page):
    found = Elements(page.read_text()).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = {value[1:] for _, attributes in found for name, value in attributes.items() if name == "xlink:href"}
    referred |= set(re.findall(r"url\(#([^)]*)\)", page.read_text()))
    assert referred <= set(ids)


def test_pictures_take_their_colours_from_the_page(page):
    body = page.read_text().split("</style>", 1)[1]
    assert "var(--vermilion, #d55e00)" in body
    assert re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", body).count("#d55e00") == 0


def test_every_hue_has_a_light_twin_on_dark_paper(page):
    dark = page.read_text().split("prefers-color-scheme: dark", 1)[1]
    twins = {name: re.search(rf"--{name}: (#[0-9a-f]{{6}});", dark) for name in HUES}
    assert all(twins.values())
    assert len({twin[1] for twin in twins.values()}) == len(HUES)


def test_the_page_opens_in_a_browser_without_errors_or_outside_requests(chromium, page):
    dom, console, hosts = open_in_browser(chromium, page)
    assert "genemask beats random-span" in dom
    assert console == []
    assert hosts == set()


def test_the_browser_test_would_notice_an_outside_request_and_an_error(chromium, tmp_path):
    (tmp_path / "bad.html").write_text('<img src="https://example.org/x.png"><script>console.error("no")</script>')
    _, console, hosts = open_in_browser(chromium, tmp_path / "bad.html")
    assert "example.org" in hosts
    assert len(console) >= 1


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_lies_beyond_the_edge_without_a_cue(chromium, page, width):
    found = measure_in_browser(chromium, page, width)
    assert found["width"] == width
    assert found["outside"] == []
    assert found["cut"] == []
    assert found["cued"] == found["scrolling"]
    assert found["scrolling"] > 0 or width > 390


def test_a_picture_shrinks_only_while_it_can_be_read(page):
    least = re.findall(r'<svg[^>]* width="([\d.]+)pt"[^>]* style="min-width: (\d+)pt"', page.read_text())
    assert len(least) == 3
    assert all(int(pt) == round(float(width) * 2 / 3) for width, pt in least)


def test_control_characters_of_users_are_spelt_out(tmp_path):
    table = TablePart(title="T", frame=pd.DataFrame({"name\x1b": ["a\x1b[31mb\x00"]}))
    section = Section(title="\x07", parts=(table,), paragraphs=("\udc80",))
    write_page(ReportPage(title="T", verdict="v\x1b", sections=(section,)), tmp_path / "odd.html")
    text = (tmp_path / "odd.html").read_text()
    assert "a\\x1b[31mb\\x00" in text
    assert "\\udc80" in text
    assert not any(letter in text for letter in "\x1b\x00\x07")
