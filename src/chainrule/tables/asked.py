"""Columns of text read as they were read before, cell by cell, whatever the other cells hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .cells import (
    COMMA_PATTERN,
    INFINITE_PATTERN,
    ISO_DATE,
    POINT_PATTERN,
    SIGNLESS,
    THOUSANDS_PATTERN,
    TRIMMED,
    Fetch,
)
from .reading import COMMA, DATE_FORMATS, ISO, POINT, TEXT, THOUSANDS, TRUTH, Unread
from .table import Values, cell_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_EXPONENT = "([eE][+-]?[0-9]+)?"
_FULL = "regexp_full_match({0}, '{1}')"
_NUMBERS = {
    POINT: (POINT_PATTERN, "{0}"),
    COMMA: (COMMA_PATTERN + _EXPONENT, "replace(replace({0}, '.', ''), ',', '.')"),
    THOUSANDS: (
        f"{THOUSANDS_PATTERN}{_EXPONENT}|{POINT_PATTERN}",
        "replace({0}, ',', '')",
    ),
}
"""Reading -> the pattern of its numbers, and their text with a decimal point alone."""
_WHOLE = "regexp_full_match({0}, '[+-]?[0-9]+')"
_COUNTS = (
    "count(t{0})",
    "count({0})",
    f"count_if({_WHOLE} or {{0}} in ('true', 'false'))",
    f"count_if({_WHOLE} and try_cast({{0}} as bigint) is null)",
    "coalesce(max(abs(cast(try_cast({0} as bigint) as double))), 0)",
)


def asked_columns(
    con: DuckDBPyConnection, relation: str, asked: dict[str, str]
) -> dict[str, Fetch]:
    """Field -> how it is fetched when every cell is read as `asked` says.

    Whole numbers are int64 where float64 would round them, as without being asked.
    """
    plans = {f: Fetch(_value(f, TEXT), TEXT) for f, reading in asked.items() if reading == TEXT}
    fields = [f for f in asked if f not in plans]
    if not fields:
        return plans
    cells = ", ".join(f"{_value(f, asked[f])} as {f}, {TRIMMED.format(f)} as t{f}" for f in fields)
    counts = ", ".join(count.format(f) for f in fields for count in _COUNTS)
    query = f"select count(*), {counts} from (select {cells} from {relation})"
    answer = con.execute(query).fetchone()
    assert answer is not None
    width = len(_COUNTS)
    for i, field in enumerate(fields):
        counted = answer[width * i + 1 : width * (i + 1) + 1]
        plans[field] = _fetch(_value(field, asked[field]), asked[field], answer[0], *counted)
    return plans


def _value(field: str, reading: str) -> str:
    """SQL text of what the cell stands for; null where it is missing or cannot be read so."""
    t = TRIMMED.format(field)
    if reading == TEXT:
        return t
    if reading == TRUTH:
        return f"(case when lower({t}) in ('true', 'false') then lower({t}) else {t} end)"
    if reading in _NUMBERS:
        pattern, pointed = _NUMBERS[reading]
        s = SIGNLESS.format(t)
        fits = f"{_FULL.format(s, pattern)} or {_FULL.format(t, INFINITE_PATTERN)}"
        return f"(case when {fits} then {pointed.format(s)} end)"
    iso = f"case when {ISO_DATE.format(t)} then try_cast({t} as timestamp) end"
    if reading == ISO:
        return f"cast({iso} as varchar)"
    formats = ", ".join(f"'{DATE_FORMATS[reading]}{clock}'" for clock in _CLOCKS)
    return f"cast(coalesce({iso}, try_strptime({t}, [{formats}])) as varchar)"


def _fetch(
    value: str, reading: str, rows: int, n: int, fit: int, plain: int, wide: int, largest: float
) -> Fetch:
    if n == 0:
        return Fetch("cast(null as double)", reading)
    if fit < n:
        return Fetch(value, reading, unread=True)
    if reading == TRUTH:
        return Fetch(f"({value} = 'true')" if plain == n else value, reading)
    if reading not in _NUMBERS:
        return Fetch(f"cast({value} as timestamp)", reading)
    if plain < n or wide:
        return Fetch(f"cast({value} as double)", reading)
    if n < rows and largest >= 2**53:
        return Fetch(value, reading)
    return Fetch(f"cast({value} as bigint)", reading)


def with_unread(con: DuckDBPyConnection, relation: str, field: str, reading: str) -> Values:
    """The column as text of what could be read, other cells marked `Unread`, missing ones None."""
    query = f"select {_value(field, reading)}, {TRIMMED.format(field)} from {relation}"
    cells = con.execute(query).fetchall()
    column = np.empty(len(cells), object)
    column[:] = [_cell(value, text, reading) for value, text in cells]
    return column


def _cell(value: str | None, text: str | None, reading: str) -> Any:
    if text is None:
        return None
    if value is None:
        return Unread(text, reading)
    if reading not in _NUMBERS:
        return cell_text(np.datetime64(value, "us"))
    number = float(value)
    return str(int(value)) if value.lstrip("+-").isdigit() else cell_text(number)
