"""How the cells of a text column are read: chosen once from all training cells, then kept.

A row's answer must not depend on the other rows: 9.200 is 9.2 or 9200, 03/10/2012 a day in
March or October, and a file of new rows may hold no other cell that tells which.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from .table import Table, Values

TEXT, TRUTH = "text", "true or false"
POINT, COMMA, THOUSANDS = "number 1234.5", "number 1.234,5", "number 1,234.5"
ISO = "date 2026-12-31"
DATE_FORMATS = {
    "date 31/12/2026": "%d/%m/%Y",
    "date 12/31/2026": "%m/%d/%Y",
    "date 31.12.2026": "%d.%m.%Y",
    "date 31-12-2026": "%d-%m-%Y",
    "date 31 Dec 2026": "%d %b %Y",
    "date Dec 31, 2026": "%b %d, %Y",
    "date 20261231T235959": "%Y%m%dT%H%M%S",
}
"""Reading -> its format in the letters of strptime; a time of day may follow the date."""
READINGS = (TEXT, TRUTH, COMMA, THOUSANDS, POINT, ISO, *DATE_FORMATS)
STORED_READINGS = (*READINGS, None)
"""What a model file may say: None in one that was first written before readings were kept."""


class Unread(str):
    """A cell that could not be read as its column is; `reading` says how that would be."""

    reading: str = TEXT

    def __new__(cls, cell: str, reading: str) -> Unread:
        """The cell's own text, marked."""
        unread = super().__new__(cls, cell)
        unread.reading = reading
        return unread


def first_unread(values: Values) -> tuple[int, Unread] | None:
    """The first cell (n,) that could not be read as its column was, and its row."""
    if values.dtype != object:
        return None
    return next(((i, v) for i, v in enumerate(values) if isinstance(v, Unread)), None)


def refuse_cell(
    name: str, row: int, cell: Any, needed: str, fix: str = "mend that cell, or leave it empty"
) -> NoReturn:
    """Raise the ValueError for a cell that is not what its column needs."""
    fault = f'column "{name}" holds {cell} in row {row + 1} where {needed} is needed'
    raise ValueError(f"{fault}: {fix}")


def refuse_unread(name: str, values: Values) -> None:
    """ValueError where a cell (n,) could not be read as its column was."""
    unread = first_unread(values)
    if unread is not None:
        kind, _, example = unread[1].reading.partition(" ")
        refuse_cell(name, *unread, f"a {kind} written like {example}")


def native(values: Values) -> str:
    """How text would have to look to be read as these values (n,), which came with their types."""
    if values.dtype == object:
        return TRUTH if any(isinstance(v, bool) for v in values) else TEXT
    return {"b": TRUTH, "M": ISO}.get(values.dtype.kind, POINT)


def check_reading(table: Table, columns: Iterable[Any]) -> None:
    """ValueError where the text of a column was read in another way than training read it.

    `columns` are those of a schema or of a preparation. A file read without the stored readings
    passes where they make no difference: whole numbers, ISO dates. A reading of None is unknown,
    and its column always passes.
    """
    for column in columns:
        name, reading = column.name, column.reading
        own = table.reading.get(name) if name in table.columns else None
        if own and reading and _differs(own, reading, column.kind, table.columns[name]):
            raise ValueError(
                f'column "{name}" of {table.source} was read as {own}, but in training as '
                f"{reading}: read the table with read_table(…, reading=schema.reading)"
            )


def _differs(own: str, trained: str, kind: str, values: Values) -> bool:
    if own == trained or kind == "text":
        return False
    if own == POINT:
        return values.dtype.kind != "i" and trained != THOUSANDS
    if own == TEXT:  # a kind that takes no words refuses the first of them by its row
        return kind not in ("number", "pixel", "date", "boolean")
    return not (own == ISO and trained in DATE_FORMATS)


def common_readings(tables: list[Table]) -> dict[str, list[str]]:
    """Column that the tables read in several ways -> the readings to try for all of them.

    Text in one part is text in all; of two ways to write numbers or dates, the one that fits every
    part shows when it is tried.
    """
    candidates: dict[str, list[str]] = {}
    for name in tables[0].names:
        readings = {t.reading[name] for t in tables if name in t.reading}
        if len(readings) > 1:
            alike = len({reading.partition(" ")[0] for reading in readings}) == 1
            candidates[name] = [r for r in READINGS if r in readings] if alike else [TEXT]
    return candidates
