"""A lesson as a document: Markdown, JSON-ready dicts, and the words that all renderers share."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .parts import Cell, Claim, Lesson, Part, Picture, Progress, Say, Table, as_tuple

TICK = "A ✓ behind a number: it agrees to 1e-12 with what was worked out for the text."


def cell_text(cell: Cell) -> str:
    """A cell as text: every digit of a float, whole numbers without a point, nothing for None."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    number = float(cell)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else repr(number)


def checked(section: Sequence[Part]) -> list[Part]:
    """The parts of a section, where a claim that only repeats a table's numbers is a ✓ beside them.

    That is one which holds to 1e-12; zeros do not count, for any table may hold one.
    """
    tables = [part for part in section if isinstance(part, Table)]
    shown = {cell for table in tables for row in table.rows for cell in row if _is_worked(cell)}
    repeated = [
        part
        for part in section
        if isinstance(part, Claim) and part.tolerance == 1e-12 and part.holds
        and not isinstance(part.expected, bool) and set(as_tuple(part.actual)) <= shown
    ]  # fmt: skip
    agreed = {value for claim in repeated for value in as_tuple(claim.actual)}
    kept = [part for part in section if not any(part is claim for claim in repeated)]
    return [_ticked(part, agreed) if isinstance(part, Table) else part for part in kept]


def _is_worked(cell: Cell) -> bool:
    return isinstance(cell, float) and cell != 0


def _ticked(table: Table, agreed: set[float]) -> Table:
    rows = (
        tuple(f"{cell_text(cell)} ✓" if cell in agreed else cell for cell in row)
        for row in table.rows
    )
    return replace(table, rows=tuple(rows))


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
    return f"{claim.sentence}: {shown}{more}, agrees {_closeness(claim.tolerance)}"


def _closeness(tolerance: float) -> str:
    return "exactly" if tolerance == 0 else f"to {tolerance:.0e}".replace("e-0", "e-")


def verdict(claims: Sequence[Claim]) -> str:
    """One line: how many claims were checked and whether all hold."""
    failed = sum(not claim.holds for claim in claims)
    if failed:
        return f"{failed} of {len(claims)} claims FAIL: this lesson's numbers are not the text's."
    return (
        f"{len(claims)} claims checked, all hold."
        if len(claims) > 1
        else "1 claim checked, it holds."
    )


def sections(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """The parts from one heading to the next."""
    section: list[Part] = []
    for part in parts:
        if isinstance(part, Say) and part.heading and section:
            yield section
            section = []
        section.append(part)
    yield section


def to_markdown(parts: Iterable[Part], lesson: Lesson | None = None) -> str:
    """The parts as Markdown, under the lesson's title where it is given; progress is left out."""
    blocks, claims = [], list[Claim]()
    if lesson is not None:
        blocks += [f"## {lesson.name}: {lesson.title}", f"*{lesson.source}.* {lesson.summary}"]
    every = [part for part in parts if not isinstance(part, Progress)]
    for part in (shown for section in sections(every) for shown in checked(section)):
        if isinstance(part, Say):
            blocks += [*([f"### {part.heading}"] if part.heading else []), _prose(part.text)]
        elif isinstance(part, Table):
            blocks += [f"**{_prose(part.title)}**", _grid(part)]
        elif isinstance(part, Claim):
            claims.append(part)
        elif isinstance(part, Picture):
            line = f"  \n`{part.sketch}`" if part.sketch else ""
            blocks.append(f"*Picture `{part.name}`: {_prose(part.title)}.*{line}")
    whole = [part for part in every if isinstance(part, Claim)]
    if whole:
        lines = (f"- {'✓' if c.holds else '✗'} {_prose(claim_text(c))}" for c in claims)
        told = f"**{verdict(whole)}**"
        if 0 < len(claims) < len(whole):
            told += f" ✓ in the tables: {len(whole) - len(claims)}; the others:"
        blocks += [told, "\n".join(lines)] if claims else [told]
    return "\n\n".join(blocks) + "\n"


def to_json(parts: Iterable[Part], lesson: Lesson | None = None) -> dict[str, Any]:
    """{"parts": [...], "claims": how many, "holds": whether all do}, of what `json.dumps` takes.

    With the lesson also its "name", "title" and "source". Each part has its "kind": say, table,
    claim or picture. Numbers that JSON lacks are the strings "nan", "inf" and "-inf".
    """
    shown = [told for part in parts if (told := _plain(part)) is not None]
    claims = [told for told in shown if told["kind"] == "claim"]
    head = {} if lesson is None else {k: getattr(lesson, k) for k in ("name", "title", "source")}
    holds = all(told["holds"] for told in claims)
    return {**head, "parts": shown, "claims": len(claims), "holds": holds}


def _plain(part: Part) -> dict[str, Any] | None:
    if isinstance(part, Say):
        return {"kind": "say", "heading": part.heading, "text": part.text}
    if isinstance(part, Table):
        rows = [[_json_number(cell) for cell in row] for row in part.rows]
        return {"kind": "table", "title": part.title, "columns": [*part.columns], "rows": rows}
    if isinstance(part, Claim):
        expected, actual = (
            [_json_number(v) for v in side] if isinstance(side, tuple) else _json_number(side)
            for side in (part.expected, part.actual)
        )
        told = {"kind": "claim", "sentence": part.sentence, "expected": expected}
        return {**told, "actual": actual, "tolerance": part.tolerance, "holds": part.holds}
    if isinstance(part, Picture):
        return {"kind": "picture", "name": part.name, "title": part.title}
    return None


def _json_number(value: Cell) -> Cell:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _prose(text: str) -> str:
    """Text for Markdown: what stands between backticks stays, stars and underscores are plain."""
    pieces = text.split("`")
    for i in range(0, len(pieces), 2):
        pieces[i] = pieces[i].replace("*", r"\*").replace("_", r"\_").replace("|", r"\|")
    return "`".join(pieces)


def _grid(table: Table) -> str:
    rows = [table.columns, *([cell_text(cell) for cell in row] for row in table.rows)]
    lines = ["| " + " | ".join(_prose(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(table.columns))
    return "\n".join(lines)
