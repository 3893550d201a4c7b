"""Types for columns of text: what every cell of a column allows, decided in SQL.

DuckDB's own sniffer looks at a sample, turns "007" into 7 and a 20-digit id into a rounded float.
Here the whole column votes, in one streaming pass, and a second pass fetches the typed values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import cells as cell_sql
from .cells import NUMBERS, TRIMMED, Counts, Fetch, count_cells, fetch, nothing, value
from .reading import COMMA, DATE_FORMATS, ISO, POINT, TEXT, THOUSANDS, TRUTH, Unread
from .sql import Relation
from .table import Values, cell_text
from .words import several

TypedColumns = tuple[dict[str, Values], dict[str, str], list[str]]
"""The columns by name, the readings of those that have one, and notes."""
Plans = dict[str, Fetch]
_EXACT = 2**53  # float64 holds every whole number up to here
_TOO_LONG = "whole numbers too long for 53 bits beside missing cells, text"


def typed_columns(
    relation: Relation,
    names: Sequence[str],
    comma_is_decimal: bool = False,
    reading: Mapping[str, str] | None = None,
    damaged: bool = False,
) -> TypedColumns:
    """The typed columns of a relation of text columns c0, c1, …, their readings, and notes.

    A column is whole numbers, numbers (decimal comma, thousands, percent and currency signs
    understood), true/false, dates, or text, by all of its cells. Leading zeros and whole numbers
    beyond 64 bits stay text. `comma_is_decimal` decides the ambiguous "1,234", as any column does
    where commas can be nothing else. Columns named in `reading` are read as it says; a column
    without any cell has no reading. In `damaged` text, numbers that lost a byte are missing.
    """
    fields = {f"c{i}": name for i, name in enumerate(names)}
    wanted = {f: reading[name] for f, name in fields.items() if reading and name in reading}
    typed = [f for f in fields if damaged and wanted.get(f) != TEXT]
    lost = cell_sql.damaged_cells(relation, typed, wanted)
    mended = cell_sql.without_damaged(relation, lost)
    plans = _plans(mended, list(fields), wanted, comma_is_decimal)
    lost = {f: count for f, count in lost.items() if plans[f].reading != TEXT}
    relation = cell_sql.without_damaged(relation, lost)
    fetched = relation.arrays(", ".join(f"{plans[f].sql} as {f}" for f in fields))
    columns = {
        name: _with_unread(relation, f, wanted[f]) if plans[f].unread else plain(fetched[f])
        for f, name in fields.items()
    }
    notes = [f'column "{name}": {plans[f].note}' for f, name in fields.items() if plans[f].note]
    notes += [
        f'{several(k, "cell")} of "{fields[f]}" lost to undecodable bytes: treated as missing'
        for f, k in lost.items()
    ]
    readings = {name: own for f, name in fields.items() if (own := plans[f].reading)}
    return columns, readings, notes


def _plans(
    relation: Relation, fields: list[str], wanted: dict[str, str], comma_is_decimal: bool
) -> Plans:
    """How every field is fetched; one column with decimal commas decides the ambiguous columns."""
    plain = _plain_numbers(relation, fields)
    plain = {f: p for f, p in plain.items() if f not in wanted or p.reading in (None, wanted[f])}
    others = [f for f in fields if f not in plain]
    plans = _as_wanted(relation, {f: wanted[f] for f in others if f in wanted})
    counts = _counts(relation, [f for f in others if f not in wanted])
    plans |= {f: _by_counts(f, k, comma_is_decimal) for f, k in counts.items()}
    dated = [f for f, k in counts.items() if k.get("dated") == k["cells"]]
    plans |= _dates(relation, [f for f in dated if plans[f] == fetch(f, TEXT)], counts)
    if any(plan.reading == COMMA for plan in plans.values()):
        doubtful = [f for f in counts if plans[f].reading == THOUSANDS]
        plans |= {f: _by_counts(f, counts[f], True) for f in doubtful}
        free = {f: plan for f, plan in plain.items() if f not in wanted}
        plain |= _points_as_thousands(relation, free)
    return plain | plans


def plain(values: Any) -> Values:
    """A column as DuckDB hands it over, in the types of a `Table`: no masks, no small types."""
    mask = np.ma.getmaskarray(values)
    data = np.asarray(np.ma.getdata(values))
    if data.dtype.kind == "M":
        return np.where(mask, np.datetime64("NaT", "us"), data.astype("datetime64[us]"))
    if data.dtype.kind in "iuf":
        whole = data.dtype.kind != "f" and not mask.any()
        return data.astype(np.int64) if whole else np.where(mask, np.nan, data.astype(float))
    if mask.any():
        data = data.astype(object)
        data[mask] = None
        if all(v is None for v in data):
            return np.full(len(data), np.nan)
    return data


def _plain_numbers(relation: Relation, fields: list[str]) -> Plans:
    """Plans for the columns that are plainly numbers, with nothing around them, or empty."""
    plans = {}
    for f, k in count_cells(relation, dict.fromkeys(fields, cell_sql.PLAIN_COUNTS)).items():
        if not k["cells"]:
            plans[f] = nothing()
        elif k["numbers"] < k["cells"] or k["odd"]:
            continue
        elif k["fractions"]:
            plans[f] = Fetch(f"cast({f} as double)", POINT)
        elif k["whole"] == k["cells"]:
            plans[f] = fetch(f, TEXT, _TOO_LONG) if _rounds(k) else Fetch(_as_whole(f), POINT)
    return plans


def _rounds(k: dict[str, int]) -> bool:
    """Whether float64, which a column with missing cells needs, rounds its whole numbers."""
    return k["cells"] < k["rows"] and k["largest"] >= _EXACT


def _as_whole(sql: str) -> str:
    return f"cast({sql} as bigint)"


def _counts(relation: Relation, fields: Iterable[str]) -> Counts:
    """What the cells of each field look like.

    The many patterns of numbers and dates cost time, so words without any digit come first.
    """
    words = count_cells(relation, dict.fromkeys(fields, cell_sql.WORD_COUNTS))
    digits = [f for f, k in words.items() if k["digits"] + k["infinite"] == k["cells"] > 0]
    shapes = count_cells(relation, dict.fromkeys(digits, cell_sql.SHAPE_COUNTS))
    return {f: k | shapes.get(f, {}) for f, k in words.items()}


def _by_counts(field: str, k: dict[str, int], comma_is_decimal: bool) -> Fetch:
    """How to fetch a column with the counts k; a date that is not in ISO form is text at first."""
    cells = k["cells"]
    if cells == 0:
        return nothing()
    if k["truth"] == cells:
        return fetch(field, TRUTH)
    if "plain" not in k:
        return fetch(field, TEXT)
    if k["zeros"] and k["whole"] == cells:
        return fetch(field, TEXT, "leading zeros, kept as text")
    if k["plain"] + k["infinite"] == cells:
        if k["whole"] < cells:
            return fetch(field, POINT, "percent or currency signs removed" * (k["signs"] > 0))
        if k["fits"] < cells:
            return fetch(field, TEXT, "whole numbers too long for 64 bits, kept as text")
        if _rounds(k):
            return fetch(field, TEXT, _TOO_LONG)
        return fetch(field, POINT, whole=True)
    if k["commas"] and k["english"] == cells and not (comma_is_decimal and k["comma"] == cells):
        note = "commas read as thousands separators"
        return fetch(field, THOUSANDS, note, whole=not k["dots"] and k["fits"] == cells)
    if k["commas"] and k["comma"] == cells:
        return fetch(field, COMMA, "decimal comma read")
    return fetch(field, ISO if k["iso"] == cells else TEXT)


def _dates(relation: Relation, fields: list[str], counts: Counts) -> Plans:
    """Plans for the fields with a date format that every cell fits; day first where both fit."""
    plans = {}
    for f, k in count_cells(relation, dict.fromkeys(fields, cell_sql.DATE_COUNTS)).items():
        fitting = [date for date, fit in k.items() if fit == counts[f]["cells"]]
        if fitting:
            reading = next(r for r in DATE_FORMATS if fitting[0].startswith(r))
            plans[f] = fetch(f, reading, "dates read as day/month/year" * (len(fitting) > 1))
    return plans


def _points_as_thousands(relation: Relation, plans: Plans) -> Plans:
    """In a table with decimal commas, a column of 1.234 and 12.345.678 holds thousands.

    A column of whole numbers is read the same way: new rows may write thousands.
    """
    whole = {f: replace(p, reading=COMMA) for f, p in plans.items() if p.sql == _as_whole(f)}
    doubles = [f for f, p in plans.items() if p.reading == POINT and f not in whole]
    counts = count_cells(relation, dict.fromkeys(doubles, cell_sql.GROUP_COUNTS))
    return whole | {
        f: Fetch(_as_whole(f"replace({f}, '.', '')"), COMMA, "dots read as thousands separators")
        for f, k in counts.items()
        if k["grouped"] == k["cells"]
    }


def _as_wanted(relation: Relation, wanted: dict[str, str]) -> Plans:
    """Field -> how it is fetched when every cell is read as `wanted` says, whatever the others are.

    Whole numbers are int64 where float64 would round them, as in a free choice.
    """
    typed = {f: cell_sql.fit_counts(reading) for f, reading in wanted.items() if reading != TEXT}
    plans = {f: fetch(f, TEXT) for f in wanted if f not in typed}
    for f, k in count_cells(relation, typed).items():
        reading, cells = wanted[f], k["cells"]
        whole = k["whole"] == cells
        if cells == 0:
            plans[f] = nothing(reading)
        elif k["fit"] < cells or (k["truth"] < cells if reading == TRUTH else whole and _rounds(k)):
            text = value(TRIMMED.format(f), reading)
            plans[f] = Fetch(text, reading, unread=k["fit"] < cells)
        else:
            plans[f] = fetch(f, reading, whole=whole)
    return plans


def _with_unread(relation: Relation, field: str, reading: str) -> Values:
    """The column as text of what could be read, other cells marked `Unread`, missing ones None."""
    trimmed = TRIMMED.format(field)
    cells = relation.rows(f"{value(trimmed, reading)}, {trimmed}")
    return np.array([_cell(text, cell, reading) for text, cell in cells], object)


def _cell(text: str | None, cell: str | None, reading: str) -> Any:
    if text is None:
        return None if cell is None else Unread(cell, reading)
    if reading not in NUMBERS:
        return cell_text(np.datetime64(text, "us"))
    return str(int(text)) if text.lstrip("+-").isdigit() else cell_text(float(text))
