"""One HTML file for a whole report: opens offline, light and dark, on paper and on a phone.

No script, no template language, no address of anything outside the file. Everything that comes in
is text and is escaped: column names and class labels may be anything.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically
from ..writing.blocks import Block, Cell, Code, Note, Picture, Prose, Table
from ..writing.formats import Html
from ..writing.words import clean, count, number
from .inline import inline_svg
from .page import head

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTENTS_FROM = 4
"""The fewest sections for which a report begins with a table of contents."""
NUMBER = ' class="number"'
NUMBER_AS_TEXT = re.compile(r"[-+]?[\d,]*\.?\d+( %)?|–")
"""A number written as text, such as 95.58 %."""


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
    page = Page()
    title, sections = page.words(report.title), list(enumerate(report.sections, start=1))
    is_long = len(sections) >= CONTENTS_FROM
    parts = [
        head(title, "long" if is_long else "short"),
        f"<header>\n<h1>{title}</h1>",
        f'<p class="subtitle">{page.words(report.subtitle)}</p>' if report.subtitle else "",
        page.facts(report.facts),
        "</header>",
        page.contents(report.sections) if is_long else "",
        "<main>",
        *(page.section(section, i) for i, section in sections),
        "</main>",
        f"<footer>{page.prose(Prose(report.footer))}</footer>" if report.footer else "",
        "</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def write_report(path: str | os.PathLike[str], report: Report) -> Path:
    """Write the report to one file, whole or not at all; returns the path.

    Raises OSError in one sentence where the place cannot be written; what was there stays.
    """
    return write_atomically(path, report_html(report).encode("utf-8"))


class Page(Html):
    """HTML with the classes of page.css; every text is cleaned and escaped."""

    end = ""

    def words(self, text: str) -> str:
        return super().words(clean(text))

    def facts(self, facts: Mapping[str, object]) -> str:
        """The few facts that matter, as cards."""
        cards = (
            f"<div><dt>{self.words(name)}</dt><dd>{self.words(cell_text(value))}</dd></div>"
            for name, value in facts.items()
        )
        return f'<dl class="facts">{"".join(cards)}</dl>' if facts else ""

    def contents(self, sections: Sequence[Section]) -> str:
        """Links to the sections."""
        items = (
            f'<li><a href="#section-{i}">{self.words(section.heading)}</a></li>'
            for i, section in enumerate(sections, start=1)
        )
        return f'<nav aria-label="Contents"><h2>Contents</h2><ol>{"".join(items)}</ol></nav>'

    def section(self, section: Section, i: int) -> str:
        """A section with the anchors that contents and screen readers use."""
        heading = f'<h2 id="heading-{i}">{self.words(section.heading)}</h2>'
        inside = "\n".join([heading, *map(self.block, section_blocks(section, i))])
        return f'<section id="section-{i}" aria-labelledby="heading-{i}">\n{inside}\n</section>'

    def prose(self, block: Prose) -> str:
        """Paragraphs and lists; nothing else is marked up."""
        paragraphs = re.split(r"\n\s*\n", block.text.replace("\r\n", "\n").strip())
        return "\n".join(
            self.items(list(lines)) if is_list else f"<p>{self.words(' '.join(lines))}</p>"
            for paragraph in paragraphs
            for is_list, lines in groupby(
                map(str.strip, paragraph.split("\n")), lambda line: line.startswith("- ")
            )
        )

    def items(self, lines: Sequence[str]) -> str:
        """A list from lines that begin with "- "."""
        return f"<ul>{''.join(f'<li>{self.words(line[2:])}</li>' for line in lines)}</ul>"

    def table(self, block: Table) -> str:
        """A table that scrolls by itself on a narrow screen; so a keyboard must reach it."""
        head = self.cells(block, block.columns, ['th scope="col"'] * len(block.columns))
        tags = ['th scope="row"', *["td"] * (len(block.columns) - 1)]
        rows = "\n".join(f"<tr>{self.cells(block, row, tags)}</tr>" for row in block.rows)
        return (
            f'<div class="table" role="region" tabindex="0" aria-label="{self.words(block.title)}'
            f': table"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
            "</div>"
        )

    def cells(self, block: Table, row: Sequence[Cell], tags: Sequence[str]) -> str:
        """A row's cells, each with its tag; numbers at the right."""
        return "".join(
            f"<{tag}{NUMBER if i in block.numeric else ''}>{self.cell(cell)}</{tag[:2]}>"
            for i, (tag, cell) in enumerate(zip(tags, row, strict=True))
        )

    def picture(self, block: Picture) -> str:
        """The figure as SVG, with words for those who do not see it; `name` begins its ids."""
        figure = block.make()
        words = clean(figure.get_label()) or clean(block.title)
        return f"<figure>\n{inline_svg(figure, words, block.name)}\n</figure>"

    def code(self, block: Code) -> str:
        """Lines as they stand."""
        code = super().words(clean(block.text, lines=True))
        return f'<pre tabindex="0" aria-label="Code"><code>{code}</code></pre>'


def section_blocks(section: Section, i: int) -> Iterator[Block]:
    """What stands under the heading of section i."""
    if section.text:
        yield Prose(section.text)
    if section.table is not None:
        yield _table(section.table, section.heading) if section.table else Prose("No rows.")
    if (figure := section.picture) is not None:
        yield Picture(f"p{i}-", section.heading, lambda: figure)
    if section.code:
        yield Code(section.code)
    if section.note:
        yield Note(section.note)


def _table(rows: Sequence[Mapping[str, object]], title: str) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = [{_is_number(row[n]) for row in rows if row.get(n) is not None} for n in names]
    numeric = frozenset(i for i, are_numbers in enumerate(kinds) if are_numbers == {True})
    texts = [[cell_text(row.get(name)) for name in names] for row in rows]
    return Table(title, names, texts, numeric)


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return bool(NUMBER_AS_TEXT.fullmatch(value))
    return isinstance(value, Real) and not isinstance(value, bool)


def cell_text(value: object) -> str:
    """A value for a person: yes and no, counts with commas, four digits, – for a gap."""
    if value is None or (isinstance(value, Real) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return count(int(value))
    return number(float(value)) if isinstance(value, Real) else str(value)
