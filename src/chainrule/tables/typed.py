"""Types for columns of text: what every cell of a column allows, decided in SQL.

DuckDB's own sniffer looks at a sample, turns "007" into 7 and a 20-digit id into a rounded float.
Here the whole column votes, in one streaming pass, and a second pass fetches the typed values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .asked import asked_columns, with_unread
from .cells import (
    COMMA_PATTERN,
    INFINITE_PATTERN,
    ISO_DATE,
    POINT_PATTERN,
    SIGNLESS,
    THOUSANDS_PATTERN,
    TRIMMED,
    Fetch,
    damaged_cells,
    without_damaged,
)
from .reading import COMMA, DATE_FORMATS, ISO, POINT, TEXT, THOUSANDS, TRUTH
from .table import Values

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_DATE_FORMATS = {
    date + clock: reading for reading, date in DATE_FORMATS.items() for clock in _CLOCKS
}

# Of a column of trimmed cells $t, and of these without percent and currency signs, $s.
_WORD_COUNTS = {
    "rows": "count(*)",
    "n": "count($t)",
    "inf": f"count_if(regexp_full_match($t, '{INFINITE_PATTERN}'))",
    "truth": "count_if(lower($t) in ('true', 'false'))",
    "digits": "count_if(regexp_matches($t, '[0-9]'))",
}
_SHAPE_COUNTS = {
    "plain": f"count_if(regexp_full_match($s, '{POINT_PATTERN}'))",
    "whole": "count_if(regexp_full_match($s, '[+-]?[0-9]+'))",
    "fits": "count_if(try_cast($s as bigint) is not null)",
    "zeros": "count_if(regexp_full_match($s, '[+-]?0[0-9]+'))",
    "signs": "count_if($s <> $t)",
    "comma": f"count_if(regexp_full_match($s, '{COMMA_PATTERN}'))",
    "commas": "count_if(contains($s, ','))",
    "english": f"count_if(regexp_full_match($s, '{THOUSANDS_PATTERN}'))",
    "dots": "count_if(contains($s, '.'))",
    "iso": f"count_if({ISO_DATE.format('$t')})",
    "dated": "count_if(regexp_matches($t, '[0-9].*[0-9]'))",
}
_FIRST = (
    "count({c})",
    "count(try_cast({c} as double))",
    "count(try_cast({c} as bigint))",
    "count_if(contains({c}, '.') or contains({c}, 'e') or contains({c}, 'E'))",
    "count_if(({c} like '0_%' and {c} not like '0.%') or contains({c}, '_'))",
)


def typed_columns(
    con: DuckDBPyConnection,
    relation: str,
    names: Sequence[str],
    comma_is_decimal: bool = False,
    reading: Mapping[str, str] | None = None,
    damaged: bool = False,
) -> tuple[dict[str, Values], dict[str, str], list[str]]:
    """The typed columns of an SQL relation of text columns c0, c1, …, their readings, and notes.

    A column is whole numbers, numbers (decimal comma, thousands, percent and currency signs
    understood), true/false, dates, or text, by all of its cells. Leading zeros and whole numbers
    beyond 64 bits stay text. `comma_is_decimal` decides the ambiguous "1,234", as any column does
    where commas can be nothing else. Columns named in `reading` are read as it says; a column
    without any cell has no reading. In `damaged` text, numbers that lost a byte are missing.
    """
    fields = {f"c{i}": name for i, name in enumerate(names)}
    asked = {f: reading[name] for f, name in fields.items() if reading and name in reading}
    typed = [f for f in fields if damaged and asked.get(f) != TEXT]
    lost = damaged_cells(con, relation, typed, asked)
    mended = without_damaged(relation, lost)
    plans = _plans(con, mended, list(fields), asked, comma_is_decimal)
    lost = {f: count for f, count in lost.items() if plans[f].reading != TEXT}
    relation = without_damaged(relation, lost)
    select = ", ".join(f"{plans[field].sql} as {field}" for field in fields)
    fetched = con.execute(f"select {select} from {relation}").fetchnumpy()
    columns = {
        name: with_unread(con, relation, f, asked[f]) if plans[f].unread else plain(fetched[f])
        for f, name in fields.items()
    }
    notes = [f'column "{name}": {plans[f].note}' for f, name in fields.items() if plans[f].note]
    notes += [
        f'{k} cell{"s" * (k > 1)} of "{fields[f]}" lost to undecodable bytes: treated as missing'
        for f, k in lost.items()
    ]
    readings = {name: found for f, name in fields.items() if (found := plans[f].reading)}
    return columns, readings, notes


def _plans(
    con: DuckDBPyConnection,
    relation: str,
    fields: list[str],
    asked: dict[str, str],
    comma_is_decimal: bool,
) -> dict[str, Fetch]:
    """How every field is fetched; one column with decimal commas decides for those in doubt."""
    plans, slow = _quick_plans(con, relation, fields)
    plans = {f: p for f, p in plans.items() if f not in asked or p.reading in (None, asked[f])}
    plans |= _careful_plans(con, relation, [f for f in slow if f not in asked], comma_is_decimal)
    plans |= asked_columns(con, relation, {f: r for f, r in asked.items() if f not in plans})
    if any(plan.reading == COMMA for plan in plans.values()):
        free = set(fields) - set(asked)
        doubtful = sorted(f for f in free if plans[f].reading == THOUSANDS)
        plans |= _careful_plans(con, relation, doubtful, True)
        _points_as_thousands(con, relation, plans, free)
    return plans


def plain(values: Any) -> Values:
    """A column as DuckDB hands it over, in the types of a `Table`: no masks, no small types."""
    mask = np.ma.getmaskarray(values)
    data = np.asarray(np.ma.getdata(values))
    missing = bool(mask.any())
    if data.dtype.kind == "M":
        data = data.astype("datetime64[us]")
        return np.where(mask, np.datetime64("NaT", "us"), data) if missing else data
    if data.dtype.kind in "iu":
        return np.where(mask, np.nan, data.astype(float)) if missing else data.astype(np.int64)
    if data.dtype.kind == "f":
        return np.where(mask, np.nan, data.astype(float)) if missing else data.astype(float)
    if missing:
        data = data.astype(object)
        data[mask] = None
        if all(v is None for v in data):
            return np.full(len(data), np.nan)
    return data


def _quick_plans(
    con: DuckDBPyConnection, relation: str, fields: list[str]
) -> tuple[dict[str, Fetch], list[str]]:
    """Plans for the columns that are plainly numbers, and the fields that need a closer look."""
    asked = ", ".join(sql.format(c=field) for field in fields for sql in _FIRST)
    answer = con.execute(f"select count(*), {asked} from {relation}").fetchone()
    assert answer is not None
    rows, counts = answer[0], answer[1:]
    plans: dict[str, Fetch] = {}
    slow = []
    for i, field in enumerate(fields):
        n, numbers, wholes, fractions, odd = counts[5 * i : 5 * i + 5]
        if n and (numbers < n or odd):
            slow.append(field)
        elif fractions or not n:
            plans[field] = Fetch(f"cast({field} as double)", POINT if n else None)
        elif wholes == n:
            plans[field] = _whole(con, relation, field, field, missing=n < rows)
        else:
            slow.append(field)
    return plans, slow


def _whole(con: DuckDBPyConnection, relation: str, sql: str, text: str, *, missing: bool) -> Fetch:
    """Whole numbers: with missing cells they become float64, so long ones must stay text."""
    if missing:
        query = f"select max(abs(cast(cast({sql} as bigint) as double))) from {relation}"
        answer = con.execute(query).fetchone()
        if answer and answer[0] is not None and answer[0] >= 2**53:
            return Fetch(
                text, TEXT, "whole numbers too long for 53 bits beside missing cells, text"
            )
    return Fetch(f"cast({sql} as bigint)", POINT)


def _careful_plans(
    con: DuckDBPyConnection, relation: str, fields: list[str], comma_is_decimal: bool
) -> dict[str, Fetch]:
    """Plans for columns whose cells are not all plain numbers.

    The many patterns of numbers and dates cost time, so words without any digit are told first.
    """
    words = _count(con, relation, fields, _WORD_COUNTS)
    digits = [f for f in fields if words[f]["digits"] + words[f]["inf"] == words[f]["n"] > 0]
    shapes = _count(con, relation, digits, _SHAPE_COUNTS)
    plans = {}
    for field in fields:
        text = TRIMMED.format(field)
        if field in shapes:
            k = words[field] | shapes[field]
            plans[field] = _careful_plan(con, relation, field, k, comma_is_decimal)
        elif words[field]["n"] == 0:
            plans[field] = Fetch("cast(null as double)", None)
        elif words[field]["truth"] == words[field]["n"]:
            plans[field] = Fetch(f"(lower({text}) = 'true')", TRUTH)
        else:
            plans[field] = Fetch(text, TEXT)
    return plans


def _count(
    con: DuckDBPyConnection, relation: str, fields: list[str], counts: dict[str, str]
) -> dict[str, dict[str, int]]:
    """Field -> each of the counts over its cells, in one pass over all of them."""
    if not fields:
        return {}
    trimmed = ", ".join(f"{TRIMMED.format(f)} as {f}" for f in fields)
    bare = ", ".join(f"{f}, {SIGNLESS.format(f)} as s{f}" for f in fields)
    asked = ", ".join(
        sql.replace("$t", f).replace("$s", f"s{f}") for f in fields for sql in counts.values()
    )
    inner = f"(select {bare} from (select {trimmed} from {relation}))"
    answer = con.execute(f"select {asked} from {inner}").fetchone()
    assert answer is not None
    width = len(counts)
    found = [n or 0 for n in answer]  # SQL sums no cells to NULL
    return {
        f: dict(zip(counts, found[i * width : (i + 1) * width], strict=True))
        for i, f in enumerate(fields)
    }


def _careful_plan(
    con: DuckDBPyConnection,
    relation: str,
    field: str,
    k: dict[str, int],
    comma_is_decimal: bool,
) -> Fetch:
    """What the counts k of a column make it."""
    n = k["n"]
    t = TRIMMED.format(field)
    s = SIGNLESS.format(t) if k["signs"] else t
    if k["zeros"] and k["whole"] == n:
        return Fetch(t, TEXT, "leading zeros, kept as text")
    note = "percent or currency signs removed" if k["signs"] else ""
    if k["plain"] + k["inf"] == n:
        if k["whole"] < n:
            return Fetch(f"cast({s} as double)", POINT, note)
        if k["fits"] < n:
            return Fetch(t, TEXT, "whole numbers too long for 64 bits, kept as text")
        return _whole(con, relation, s, t, missing=n < k["rows"])
    both = k["comma"] == n and k["english"] == n
    if k["commas"] and k["english"] == n and not (both and comma_is_decimal):
        number = f"replace({s}, ',', '')"
        kind = "double" if k["dots"] else "bigint"
        sql = f"cast({number} as {kind})"
        return Fetch(sql, THOUSANDS, "commas read as thousands separators")
    if k["commas"] and k["comma"] == n:
        number = f"replace(replace({s}, '.', ''), ',', '.')"
        return Fetch(f"cast({number} as double)", COMMA, "decimal comma read")
    if k["iso"] == n:
        return Fetch(f"cast({t} as timestamp)", ISO)
    return (_date_plan(con, relation, t, n) if k["dated"] == n else None) or Fetch(t, TEXT)


def _date_plan(con: DuckDBPyConnection, relation: str, t: str, n: int) -> Fetch | None:
    """A date format that every cell fits, day first where month first would fit as well."""
    asked = ", ".join(f"count(try_strptime(t, '{f}'))" for f in _DATE_FORMATS)
    answer = con.execute(f"select {asked} from (select {t} as t from {relation})").fetchone()
    assert answer is not None
    fitting = [f for f, count in zip(_DATE_FORMATS, answer, strict=True) if count == n]
    if not fitting:
        return None
    note = "dates read as day/month/year" if len(fitting) > 1 else ""
    sql = f"cast(strptime({t}, '{fitting[0]}') as timestamp)"
    return Fetch(sql, _DATE_FORMATS[fitting[0]], note)


def _points_as_thousands(
    con: DuckDBPyConnection, relation: str, plans: dict[str, Fetch], free: set[str]
) -> None:
    """In a table with decimal commas, a column of 1.234 and 12.345.678 holds thousands.

    So would one of whole numbers, did it hold any that need the point.
    """
    for field in sorted(free):
        if plans[field] == Fetch(f"cast({field} as bigint)", POINT):
            plans[field] = replace(plans[field], reading=COMMA)
    doubles = [f for f in sorted(free) if plans[f] == Fetch(f"cast({f} as double)", POINT)]
    if not doubles:
        return
    grouped = "[+-]?(0|[1-9][0-9]{0,2}([.][0-9]{3})*)"
    asked = ", ".join(
        f"count({f}), count_if(regexp_full_match(trim({f}), '{grouped}'))" for f in doubles
    )
    answer = con.execute(f"select {asked} from {relation}").fetchone()
    assert answer is not None
    for i, field in enumerate(doubles):
        n, matching = answer[2 * i : 2 * i + 2]
        if n and matching == n:
            sql = f"cast(replace({field}, '.', '') as bigint)"
            plans[field] = Fetch(sql, COMMA, "dots read as thousands separators")
