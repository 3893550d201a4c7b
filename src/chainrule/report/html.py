"""One HTML file for a whole report: opens offline, light and dark, on paper and on a phone.

No script, no template language, no address of anything outside the file. Everything that comes in
is text and is escaped: column names and class labels may be anything.
"""

import html
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically
from ..writing.words import clean, count, number
from .inline import inline_svg
from .page import head

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTENTS_FROM = 4
"""A report of so many sections begins with a table of contents."""
WRITTEN = re.compile(r"[-+]?[\d,]*\.?\d+( %)?|–")
"""A number that comes as text, such as 95.58 %."""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in this order: text, table, picture, code, note.

    `text` and `note` are paragraphs, parted by empty lines; lines that begin with "- " are a list.
    `table` is rows as dicts, the first row's keys (then any further ones) the columns. `picture`
    is a Figure, its `get_label()` the words for those who do not see it.
    """

    heading: str
    text: str | None = None
    table: Sequence[Mapping[str, object]] | None = None
    picture: "Figure | None" = None
    code: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Report:
    """A title, a line below it, the few facts that matter, the sections, a last line."""

    title: str
    subtitle: str = ""
    sections: Sequence[Section] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    footer: str = ""


def report_html(report: Report) -> str:
    """The report as one HTML document."""
    sections = list(enumerate(report.sections, start=1))
    long = len(sections) >= CONTENTS_FROM
    parts = [
        head(escape(report.title), "long" if long else "short"),
        f"<header>\n<h1>{escape(report.title)}</h1>",
        f'<p class="subtitle">{escape(report.subtitle)}</p>' if report.subtitle else "",
        _facts(report.facts),
        "</header>",
        _contents(report.sections) if long else "",
        "<main>",
        *(_section(section, i) for i, section in sections),
        "</main>",
        f"<footer>{_prose(report.footer)}</footer>" if report.footer else "",
        "</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def write_report(path: str | os.PathLike[str], report: Report) -> Path:
    """Write the report to one file, whole or not at all; returns the path.

    Raises OSError in one sentence where the place cannot be written; what was there stays.
    """
    return write_atomically(path, report_html(report).encode("utf-8"))


def escape(text: object, *, lines: bool = False) -> str:
    """The text as HTML shows it, without the characters that HTML forbids."""
    return html.escape(clean(text, lines=lines))


def _facts(facts: Mapping[str, object]) -> str:
    if not facts:
        return ""
    cells = (f"<div><dt>{escape(k)}</dt><dd>{_cell(v)}</dd></div>" for k, v in facts.items())
    return f'<dl class="facts">{"".join(cells)}</dl>'


def _contents(sections: Sequence[Section]) -> str:
    items = (
        f'<li><a href="#section-{i}">{escape(section.heading)}</a></li>'
        for i, section in enumerate(sections, start=1)
    )
    return f'<nav aria-label="Contents"><h2>Contents</h2><ol>{"".join(items)}</ol></nav>'


def _section(section: Section, i: int) -> str:
    parts = [f'<h2 id="heading-{i}">{escape(section.heading)}</h2>']
    if section.text:
        parts.append(_prose(section.text))
    if section.table is not None:
        parts.append(_table(section.table, section.heading))
    if section.picture is not None:
        parts.append(_picture(section.picture, section.heading, i))
    if section.code:
        code = escape(section.code, lines=True)
        parts.append(f'<pre tabindex="0" aria-label="Code"><code>{code}</code></pre>')
    if section.note:
        parts.append(f'<aside class="note">{_prose(section.note)}</aside>')
    inside = "\n".join(parts)
    return f'<section id="section-{i}" aria-labelledby="heading-{i}">\n{inside}\n</section>'


def _prose(text: str) -> str:
    """Paragraphs and lists; nothing else is marked up."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        for is_list, run in _runs(block.split("\n")):
            if is_list:
                blocks.append("<ul>" + "".join(f"<li>{escape(x[2:])}</li>" for x in run) + "</ul>")
            else:
                blocks.append(f"<p>{escape(' '.join(run))}</p>")
    return "\n".join(blocks)


def _runs(lines: Sequence[str]) -> list[tuple[bool, list[str]]]:
    runs: list[tuple[bool, list[str]]] = []
    for line in map(str.strip, lines):
        item = line.startswith("- ")
        if not runs or runs[-1][0] != item:
            runs.append((item, []))
        runs[-1][1].append(line)
    return runs


def _table(rows: Sequence[Mapping[str, object]], heading: str) -> str:
    if not rows:
        return "<p>No rows.</p>"
    names = list(dict.fromkeys(name for row in rows for name in row))
    aligned = {n: ' class="number"' if _is_numeric([r.get(n) for r in rows]) else "" for n in names}
    head = "".join(f'<th scope="col"{aligned[name]}>{escape(name)}</th>' for name in names)
    body = []
    for row in rows:
        first, *rest = names
        cells = f'<th scope="row"{aligned[first]}>{_cell(row.get(first))}</th>'
        cells += "".join(f"<td{aligned[name]}>{_cell(row.get(name))}</td>" for name in rest)
        body.append(f"<tr>{cells}</tr>")
    inside = f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>"
    # It scrolls by itself on a narrow screen, so it must be reachable by keyboard.
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(heading)}: table">'
        f"<table>{inside}</table></div>"
    )


def _is_numeric(values: Sequence[object]) -> bool:
    given = [v for v in values if v is not None]
    return bool(given) and all(_is_number(v) for v in given)


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return bool(WRITTEN.fullmatch(value))
    return isinstance(value, Real) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, Real) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return count(int(value))
    return number(float(value)) if isinstance(value, Real) else escape(value)


def _picture(figure: "Figure", heading: str, i: int) -> str:
    words = clean(figure.get_label()) or clean(heading)
    return f"<figure>\n{inline_svg(figure, words, f'p{i}-')}\n</figure>"
