"""A lesson as a document: Markdown, JSON-ready dicts, and the words that all renderers share."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..writing.blocks import Block, Cell, Heading, Prose, Table
from ..writing.formats import Markdown
from ..writing.words import exact
from .parts import Claim, Content, Lesson, Part, Progress, Say, as_tuple

TICK = "A ✓ behind a number: it agrees to 1e-12 with what was worked out for the text."


def cell_text(cell: Cell) -> str:
    """A cell as text: every digit of a number, nothing for None."""
    return cell or "" if cell is None or isinstance(cell, str) else exact(float(cell))


def checked(section: Sequence[Content]) -> list[Content]:
    """The parts of a section. A claim that only repeats numbers of a table becomes a ✓ after them.

    Such a claim holds to 1e-12. Zeros do not count, because any table may hold one.
    """
    tables = [part for part in section if isinstance(part, Table)]
    cells = {cell for table in tables for row in table.rows for cell in row}
    worked = {cell for cell in cells if isinstance(cell, float) and cell != 0}
    repeated = [part for part in section if isinstance(part, Claim) and _repeats(part, worked)]
    agreed = {value for claim in repeated for value in as_tuple(claim.actual)}
    kept = [part for part in section if part not in repeated]
    return [_ticked(part, agreed) if isinstance(part, Table) else part for part in kept]


def _repeats(claim: Claim, worked: set[float]) -> bool:
    """Whether a claim only repeats these numbers."""
    closely = claim.holds and claim.tolerance == 1e-12 and not isinstance(claim.expected, bool)
    return closely and set(as_tuple(claim.actual)) <= worked


def _ticked(table: Table, agreed: set[float]) -> Table:
    rows = [
        [f"{cell_text(cell)} ✓" if cell in agreed else cell for cell in row] for row in table.rows
    ]
    return replace(table, rows=rows)


def claim_text(claim: Claim) -> str:
    """What is claimed and how closely it was checked; for one that fails, what came instead."""
    expected, actual = as_tuple(claim.expected), as_tuple(claim.actual)
    if isinstance(claim.expected, bool):
        return claim.sentence if claim.holds else f"{claim.sentence}: this does not hold"
    if not claim.holds:
        return (
            f"{claim.sentence}: expected {', '.join(map(repr, expected))}, "
            f"got {', '.join(map(repr, actual))}, which is not within {claim.tolerance:g}"
        )
    shown = ", ".join(f"{value + 0.0:.7g}" for value in actual[:4])
    more = f" and {len(actual) - 4} more" if len(actual) > 4 else ""
    closeness = f"to {claim.tolerance:.0e}".replace("e-0", "e-") if claim.tolerance else "exactly"
    return f"{claim.sentence}: {shown}{more}, agrees {closeness}"


def verdict(claims: Sequence[Claim]) -> str:
    """One line: how many claims were checked and whether all hold."""
    failed = sum(not claim.holds for claim in claims)
    if failed:
        return f"{failed} of {len(claims)} claims FAIL: this lesson's numbers are not the text's."
    if len(claims) == 1:
        return "1 claim checked, it holds."
    return f"{len(claims)} claims checked, all hold."


def sections(parts: Iterable[Part]) -> Iterator[list[Content] | Progress]:
    """The parts from one heading, or training, to the next; each progress of a training by itself,
    as soon as it comes.
    """
    section = list[Content]()
    for part in parts:
        if section and (isinstance(part, Progress) or (isinstance(part, Say) and part.heading)):
            yield section
            section = []
        if isinstance(part, Progress):
            yield part
        else:
            section.append(part)
    yield section


class LessonMarkdown(Markdown):
    """Markdown with formulas between backticks: outside them no sign is markup."""

    def words(self, text: str) -> str:
        pieces = text.split("`")
        for i in range(0, len(pieces), 2):
            pieces[i] = pieces[i].replace("*", r"\*").replace("_", r"\_").replace("|", r"\|")
        return "`".join(pieces)

    def number(self, value: float) -> str:
        return cell_text(value)

    def rule(self, block: Table) -> str:
        return "|" + "---|" * len(block.columns)


def to_markdown(parts: Iterable[Part], lesson: Lesson | None = None) -> str:
    """The parts as Markdown, under the lesson's title where it is given; progress is left out."""
    every = [part for part in parts if not isinstance(part, Progress)]
    chapters = (section for section in sections(every) if not isinstance(section, Progress))
    shown = [part for section in chapters for part in checked(section)]
    form, paragraphs = LessonMarkdown(), list[str]()
    if lesson is not None:
        title = Heading(f"{lesson.name}: {lesson.title}", level=2)
        paragraphs += [form.block(title), f"*{lesson.source}.* {lesson.summary}"]
    paragraphs += [form.block(block) for part in shown for block in _blocks(part)]
    claims, own_lines = (
        [part for part in some if isinstance(part, Claim)] for some in (every, shown)
    )
    if claims:
        ticked = f" ✓ in the tables: {len(claims) - len(own_lines)}; the others:"
        some_ticked = 0 < len(own_lines) < len(claims)
        paragraphs.append(f"**{verdict(claims)}**" + ticked * some_ticked)
    if own_lines:
        lines = [("✓" if c.holds else "✗", form.words(claim_text(c))) for c in own_lines]
        paragraphs.append("\n".join(f"- {mark} {text}" for mark, text in lines))
    return form.between.join(paragraphs) + form.end


def _blocks(part: Content) -> list[Block]:
    """A part as blocks; claims stand together at the end of the page."""
    if isinstance(part, Say):
        return [*([Heading(part.heading)] if part.heading else []), Prose(part.text)]
    return [] if isinstance(part, Claim) else [part]


def to_json(parts: Iterable[Part], lesson: Lesson | None = None) -> dict[str, Any]:
    """{"parts": [...], "claims": how many, "holds": whether all do}, of what `json.dumps` takes.

    With the lesson also its "name", "title" and "source". Each part has its "kind": say, table,
    claim or picture. Numbers that JSON lacks are the strings "nan", "inf" and "-inf".
    """
    plain = [_plain(part) for part in parts if not isinstance(part, Progress)]
    claims = [part for part in plain if part["kind"] == "claim"]
    head = {} if lesson is None else {k: getattr(lesson, k) for k in ("name", "title", "source")}
    holds = all(claim["holds"] for claim in claims)
    return {**head, "parts": plain, "claims": len(claims), "holds": holds}


FIELDS = {
    "say": ("heading", "text"),
    "table": ("title", "columns", "rows"),
    "claim": ("sentence", "expected", "actual", "tolerance", "holds"),
    "picture": ("name", "title"),
}
"""What JSON has of each part, under the name of its class."""


def _plain(part: Content) -> dict[str, Any]:
    kind = type(part).__name__.lower()
    return {"kind": kind} | {name: _plain_value(getattr(part, name)) for name in FIELDS[kind]}


def _plain_value(value: Any) -> Any:
    """Lists of texts and finite numbers, at any depth."""
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
