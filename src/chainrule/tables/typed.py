"""Types for columns of text: what every cell of a column allows, decided in SQL.

DuckDB's own sniffer looks at a sample, turns "007" into 7 and a 20-digit id into a rounded float.
Here the whole column votes, in one streaming pass, and a second pass fetches the typed values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .table import MISSING_MARKERS, Values

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
_MARKERS = "|".join(re.escape(marker) for marker in MISSING_MARKERS)
_SIGNLESS = "regexp_replace({}, '^[$€£¥]\\s*|\\s*[%$€£¥]$', '')"
_PLAIN = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_COMMA = "[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]+)(,[0-9]+)?"
_ENGLISH = "[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)([.][0-9]+)?"
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%Y%m%dT%H%M%S")
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_DATE_FORMATS = tuple(date + clock for date in _DATES for clock in _CLOCKS)

# A long `x in (…)` would become a hash join, which loses the order of the rows.
_TRIMMED = (
    f"(case when regexp_full_match(trim({{0}}, {_BLANKS}), '{_MARKERS}') then null "
    f"else trim({{0}}, {_BLANKS}) end)"
)
# Of a column of trimmed cells $t, and of these without percent and currency signs, $s.
_WORD_COUNTS = {
    "rows": "count(*)",
    "n": "count($t)",
    "inf": "count_if(lower($t) in ('inf', '-inf', '+inf', 'infinity', '-infinity'))",
    "truth": "count_if(lower($t) in ('true', 'false'))",
    "digits": "count_if(regexp_matches($t, '[0-9]'))",
}
_SHAPE_COUNTS = {
    "plain": f"count_if(regexp_full_match($s, '{_PLAIN}'))",
    "whole": "count_if(regexp_full_match($s, '[+-]?[0-9]+'))",
    "fits": "count_if(try_cast($s as bigint) is not null)",
    "zeros": "count_if(regexp_full_match($s, '[+-]?0[0-9]+'))",
    "signs": "count_if($s <> $t)",
    "comma": f"count_if(regexp_full_match($s, '{_COMMA}'))",
    "commas": "count_if(contains($s, ','))",
    "english": f"count_if(regexp_full_match($s, '{_ENGLISH}'))",
    "dots": "count_if(contains($s, '.'))",
    "iso": "count_if(regexp_matches($t, '^[0-9]{4}[-/][0-9]') "
    "and try_cast($t as timestamp) is not null)",
    "dated": "count_if(regexp_matches($t, '[0-9].*[0-9]'))",
}
_FIRST = (
    "count({c})",
    "count(try_cast({c} as double))",
    "count(try_cast({c} as bigint))",
    "count_if(contains({c}, '.') or contains({c}, 'e') or contains({c}, 'E'))",
    "count_if(({c} like '0_%' and {c} not like '0.%') or contains({c}, '_'))",
)


@dataclass(frozen=True)
class _Plan:
    """How one column is fetched: an SQL expression, and what the reader should be told."""

    sql: str
    note: str = ""
    decimal_comma: bool = False


def typed_columns(
    con: DuckDBPyConnection,
    relation: str,
    names: Sequence[str],
    *,
    comma_is_decimal: bool = False,
) -> tuple[dict[str, Values], list[str]]:
    """The typed columns of an SQL relation whose columns are text named c0, c1, …

    A column is whole numbers, numbers (decimal comma, thousands, percent and currency signs
    understood), true/false, dates, or text, by all of its cells. Leading zeros and whole numbers
    beyond 64 bits stay text. `comma_is_decimal` decides the ambiguous "1,234".
    """
    fields = [f"c{i}" for i in range(len(names))]
    plans, slow = _quick_plans(con, relation, fields)
    notes = []
    plans |= _careful_plans(con, relation, slow, comma_is_decimal)
    if any(plan.decimal_comma for plan in plans.values()):
        _dots_as_thousands(con, relation, plans)
    for field, name in zip(fields, names, strict=True):
        if plans[field].note:
            notes.append(f'column "{name}": {plans[field].note}')
    select = ", ".join(f"{plans[field].sql} as {field}" for field in fields)
    fetched = con.execute(f"select {select} from {relation}").fetchnumpy()
    return {n: plain(fetched[f]) for f, n in zip(fields, names, strict=True)}, notes


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
) -> tuple[dict[str, _Plan], list[str]]:
    """Plans for the columns that are plainly numbers, and the fields that need a closer look."""
    asked = ", ".join(sql.format(c=field) for field in fields for sql in _FIRST)
    answer = con.execute(f"select count(*), {asked} from {relation}").fetchone()
    assert answer is not None
    rows, counts = answer[0], answer[1:]
    plans: dict[str, _Plan] = {}
    slow = []
    for i, field in enumerate(fields):
        n, numbers, wholes, fractions, odd = counts[5 * i : 5 * i + 5]
        if n and (numbers < n or odd):
            slow.append(field)
        elif fractions or not n:
            plans[field] = _Plan(f"cast({field} as double)")
        elif wholes == n:
            plans[field] = _whole(con, relation, field, field, missing=n < rows)
        else:
            slow.append(field)
    return plans, slow


def _whole(con: DuckDBPyConnection, relation: str, sql: str, text: str, *, missing: bool) -> _Plan:
    """Whole numbers: with missing cells they become float64, so long ones must stay text."""
    if missing:
        query = f"select max(abs(cast(cast({sql} as bigint) as double))) from {relation}"
        answer = con.execute(query).fetchone()
        if answer and answer[0] is not None and answer[0] >= 2**53:
            return _Plan(text, "whole numbers too long for 53 bits beside missing cells, text")
    return _Plan(f"cast({sql} as bigint)")


def _careful_plans(
    con: DuckDBPyConnection, relation: str, fields: list[str], comma_is_decimal: bool
) -> dict[str, _Plan]:
    """Plans for columns whose cells are not all plain numbers.

    The many patterns of numbers and dates cost time, so words without any digit are told first.
    """
    words = _count(con, relation, fields, _WORD_COUNTS)
    digits = [f for f in fields if words[f]["digits"] + words[f]["inf"] == words[f]["n"] > 0]
    shapes = _count(con, relation, digits, _SHAPE_COUNTS)
    plans = {}
    for field in fields:
        text = _TRIMMED.format(field)
        if field in shapes:
            k = words[field] | shapes[field]
            plans[field] = _careful_plan(con, relation, field, k, comma_is_decimal)
        elif words[field]["n"] == 0:
            plans[field] = _Plan("cast(null as double)")
        else:
            truth = words[field]["truth"] == words[field]["n"]
            plans[field] = _Plan(f"(lower({text}) = 'true')" if truth else text)
    return plans


def _count(
    con: DuckDBPyConnection, relation: str, fields: list[str], counts: dict[str, str]
) -> dict[str, dict[str, int]]:
    """Field -> each of the counts over its cells, in one pass over all of them."""
    if not fields:
        return {}
    trimmed = ", ".join(f"{_TRIMMED.format(f)} as {f}" for f in fields)
    bare = ", ".join(f"{f}, {_SIGNLESS.format(f)} as s{f}" for f in fields)
    asked = ", ".join(
        sql.replace("$t", f).replace("$s", f"s{f}") for f in fields for sql in counts.values()
    )
    inner = f"(select {bare} from (select {trimmed} from {relation}))"
    answer = con.execute(f"select {asked} from {inner}").fetchone()
    assert answer is not None
    width = len(counts)
    return {
        f: dict(zip(counts, answer[i * width : (i + 1) * width], strict=True))
        for i, f in enumerate(fields)
    }


def _careful_plan(
    con: DuckDBPyConnection,
    relation: str,
    field: str,
    k: dict[str, int],
    comma_is_decimal: bool,
) -> _Plan:
    """What the counts k of a column make it."""
    n = k["n"]
    t = _TRIMMED.format(field)
    s = _SIGNLESS.format(t) if k["signs"] else t
    if k["zeros"] and k["whole"] == n:
        return _Plan(t, "leading zeros, kept as text")
    note = "percent or currency signs removed" if k["signs"] else ""
    if k["plain"] + k["inf"] == n:
        if k["whole"] < n:
            return _Plan(f"cast({s} as double)", note)
        if k["fits"] < n:
            return _Plan(t, "whole numbers too long for 64 bits, kept as text")
        return _whole(con, relation, s, t, missing=n < k["rows"])
    both = k["comma"] == n and k["english"] == n
    if k["commas"] and k["english"] == n and not (both and comma_is_decimal):
        number = f"replace({s}, ',', '')"
        kind = "double" if k["dots"] else "bigint"
        return _Plan(f"cast({number} as {kind})", "commas read as thousands separators")
    if k["commas"] and k["comma"] == n:
        number = f"replace(replace({s}, '.', ''), ',', '.')"
        return _Plan(f"cast({number} as double)", "decimal comma read", decimal_comma=True)
    if k["iso"] == n:
        return _Plan(f"cast({t} as timestamp)")
    return (_date_plan(con, relation, t, n) if k["dated"] == n else None) or _Plan(t)


def _date_plan(con: DuckDBPyConnection, relation: str, t: str, n: int) -> _Plan | None:
    """A date format that every cell fits, day first where month first would fit as well."""
    asked = ", ".join(f"count(try_strptime(t, '{f}'))" for f in _DATE_FORMATS)
    answer = con.execute(f"select {asked} from (select {t} as t from {relation})").fetchone()
    assert answer is not None
    fitting = [f for f, count in zip(_DATE_FORMATS, answer, strict=True) if count == n]
    if not fitting:
        return None
    note = "dates read as day/month/year" if len(fitting) > 1 else ""
    return _Plan(f"cast(strptime({t}, '{fitting[0]}') as timestamp)", note)


def _dots_as_thousands(con: DuckDBPyConnection, relation: str, plans: dict[str, _Plan]) -> None:
    """In a table with decimal commas, a column of 1.234 and 12.345.678 holds thousands."""
    doubles = [f for f, plan in plans.items() if plan.sql == f"cast({f} as double)"]
    if not doubles:
        return
    grouped = "[+-]?[0-9]{1,3}([.][0-9]{3})*"
    asked = ", ".join(
        f"count({f}), count_if(regexp_full_match(trim({f}), '{grouped}')), "
        f"count_if(trim({f}) like '0.%')"
        for f in doubles
    )
    answer = con.execute(f"select {asked} from {relation}").fetchone()
    assert answer is not None
    for i, field in enumerate(doubles):
        n, matching, below_one = answer[3 * i : 3 * i + 3]
        if n and matching == n and not below_one:
            sql = f"cast(replace({field}, '.', '') as bigint)"
            plans[field] = _Plan(sql, "dots read as thousands separators")
