"""The page is one file that fetches nothing, runs nothing, and says everything in words too."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from chainrule import Network
from chainrule.report import page, pictures, style
from chainrule.report.files import save_picture, to_png_data_uri, to_svg
from chainrule.report.html import Report, Section, report_html, write_report

HOSTILE = (
    "</title></style><script>alert('x')</script><img src=http://evil/ onerror=1> \"&amp; 漢字 \x00"
)
SHOWN = HOSTILE.replace(" \x00", "")
VOID = {"meta", "link", "img", "br", "hr", "input", "base"}


class Page(HTMLParser):
    """What a browser would see: elements with attributes, text by element, unclosed elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def small(label: str | None = None) -> Figure:
    figure = pictures.confusion([[3, 1], [0, 4]], [HOSTILE, "b"])
    if label is not None:
        figure.set_label(label)
    return figure


@pytest.fixture(scope="module")
def source() -> str:
    rows = [{HOSTILE: HOSTILE, "n": 1, "c": HOSTILE}, {HOSTILE: "b", "n": 2.34567, "c": True}, {}]
    net = Network.mlp([2, 3, 1], rng=0)
    sections = [
        Section(HOSTILE, HOSTILE, rows, small(), HOSTILE, HOSTILE),
        Section("Second", "One.\n\n- first\n- second\nafter", picture=pictures.network(net)),
        Section("Third", table=[], picture=small("")),
        Section("Fourth", code="a < b\n    indented\ttab"),
    ]
    return report_html(Report(HOSTILE, HOSTILE, sections, {HOSTILE: HOSTILE, "n": 0.5}, HOSTILE))


@pytest.fixture(scope="module")
def seen(source: str) -> Page:
    return Page(source)


def test_every_element_is_closed_and_there_is_one_h1(seen: Page) -> None:
    assert seen.open == []
    assert len(seen.all("h1")) == 1
    assert len(seen.all("h2")) == 5  # the contents and four sections


def test_hostile_text_is_shown_not_run(seen: Page) -> None:
    for tag in ("title", "h1", "h2", "th", "td", "a", "code", "dt", "dd", "p"):
        assert SHOWN in [text.strip() for text in seen.text[tag]], tag
    assert {name for name, _ in seen.elements}.isdisjoint({"script", "img", "iframe", "link"})
    for _, attributes in seen.elements:
        assert not [name for name in attributes if name.startswith("on")]


def test_nothing_outside_the_file_is_named(seen: Page, source: str) -> None:
    for _, attributes in seen.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), value
        assert not re.search(r"url\((?!#)", attributes.get("style") or "")
    assert "url(" not in page.STYLE
    assert "@import" not in page.STYLE
    assert "http" not in source.replace("http-equiv", "").replace("http://evil/", "")


def test_ids_are_unique_and_every_link_has_its_target(seen: Page, source: str) -> None:
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for _, a in seen.elements if (a.get("href") or "").startswith("#")}
    named = links | set(re.findall(r"url\(#([^)]+)\)", source))
    named |= {a["aria-labelledby"] for a in seen.all("section") if a["aria-labelledby"]}
    assert named <= set(ids)
    assert {f"section-{i}" for i in (1, 2, 3, 4)} <= links


def test_every_picture_is_said_in_words(seen: Page) -> None:
    labels = [attributes.get("aria-label") for attributes in seen.all("svg")]
    assert [attributes["role"] for attributes in seen.all("svg")] == ["img"] * 3
    assert "are right" in str(labels[0])
    assert "2-3-1 network" in str(labels[1])
    assert labels[2] == "Third"  # a figure without words of its own goes by its heading


def test_pictures_follow_the_theme(source: str) -> None:
    svg = source[source.index("<svg") : source.rindex("</svg>")]
    assert not re.search("|".join(style.THEMED), svg)
    for colour, name in style.THEMED.items():
        assert f"--{name}: {colour}" in page.STYLE
        assert len(re.findall(f"--{name}:", page.STYLE)) == 2  # light and dark
    assert {f"var(--{name})" for name in ("ink", "page", "blue")} <= set(
        re.findall(r"var\(--\w+\)", svg)
    )


def test_numbers_stand_at_the_right_and_gaps_show(source: str) -> None:
    table = source[source.index("<tbody>") : source.index("</tbody>")]
    assert '<td class="number">1</td>' in table
    assert '<td class="number">2.346</td>' in table
    assert '<td class="number">–</td>' in table
    assert "<td>yes</td>" in table
    assert '<th scope="row">b</th>' in table


def test_numbers_of_numpy_are_numbers() -> None:
    numpys = [{"k": "a", "v": np.float32(0.5)}, {"k": "b", "v": np.int64(12345678)}]
    page = report_html(Report("t", sections=[Section("s", table=numpys)]))
    assert '<td class="number">0.5000</td>' in page
    assert '<td class="number">12,345,678</td>' in page


def test_shares_stand_at_the_right_and_lists_do_not() -> None:
    shares = [{"k": "a", "v": "95.58 %"}, {"k": "b", "v": "–"}]
    page = report_html(Report("t", sections=[Section("s", table=shares)]))
    assert '<td class="number">95.58 %</td>' in page
    lists = report_html(Report("t", sections=[Section("s", table=[{"k": "a", "v": "1, 2"}])]))
    assert "<td>1, 2</td>" in lists


def test_text_becomes_paragraphs_and_lists(source: str) -> None:
    assert "<p>One.</p>\n<ul><li>first</li><li>second</li></ul>\n<p>after</p>" in source
    assert "a &lt; b\n    indented    tab" in source
    assert "<p>No rows.</p>" in source


def test_only_a_long_report_has_contents() -> None:
    for n in (0, 3, 4):
        source = report_html(Report("t", sections=[Section(str(i)) for i in range(n)]))
        assert ("<nav" in source) == (n >= 4)


def test_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_report(target, Report("first"))
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    before = target.read_bytes()
    broken = Report("second", sections=[Section("s", picture=Figure(), text=3)])  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        write_report(target, broken)
    for place in (tmp_path, tmp_path / "nowhere" / "report.html", target / "below.html"):
        with pytest.raises(OSError, match="folder"):
            write_report(place, Report("third"))
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_picture_is_saved_in_the_format_of_its_name(
    suffix: str, magic: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "path")
    target = tmp_path / f"picture{suffix}"
    target.write_bytes(b"old")
    before = dict(mpl.rcParams)
    save_picture(small(), target)
    first = target.read_bytes()
    assert first.startswith(magic)
    save_picture(small(), target)
    assert target.read_bytes() == first  # the same figure gives the same bytes
    assert dict(mpl.rcParams) == before
    assert os.listdir(tmp_path) == [target.name]


def test_existing_picture_survives_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    target.write_bytes(b"old")
    figure = small()
    figure.axes[0].text(0, 0, "$\\frac$", parse_math=True)  # a formula that cannot be drawn
    with pytest.raises(ValueError, match="frac"):
        save_picture(figure, target)
    with pytest.raises(ValueError, match=r"\.png, \.svg or \.pdf"):
        save_picture(small(), tmp_path / "picture.jpg")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["picture.png"]


def test_svg_keeps_its_text_and_png_fits_an_img() -> None:
    root = ElementTree.fromstring(to_svg(small()))
    texts = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("漢字" in text for text in texts)
    assert to_png_data_uri(small()).startswith("data:image/png;base64,iVBOR")
