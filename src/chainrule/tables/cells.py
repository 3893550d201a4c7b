"""A cell of text in SQL: whether it is missing, and what it stands for when read in a given way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .reading import COMMA, DATE_FORMATS, ISO, POINT, TEXT, THOUSANDS, TRUTH
from .sql import Relation
from .table import MISSING_MARKERS

Counts = dict[str, dict[str, int]]
"""Field -> the name of a count -> the count."""
_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
_MARKERS = "|".join(re.escape(marker) for marker in MISSING_MARKERS)
# A long `x in (…)` would become a hash join, which loses the order of the rows.
TRIMMED = (
    f"(case when regexp_full_match(trim({{0}}, {_BLANKS}), '{_MARKERS}') then null "
    f"else trim({{0}}, {_BLANKS}) end)"
)
"""The cell without blanks around it, null where it is missing."""
_SIGNLESS = "regexp_replace({0}, '^[$€£¥]\\s*|\\s*[%$€£¥]$', '')"
_POINT = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
# No group of thousands begins with 0: "0,126" and "0.126" are decimals.
_COMMA = "[+-]?([1-9][0-9]{0,2}([.][0-9]{3})+|[0-9]+)(,[0-9]+)?"
_THOUSANDS = "[+-]?([1-9][0-9]{0,2}(,[0-9]{3})+|[0-9]+)([.][0-9]+)?"
_GROUPED = "[+-]?(0|[1-9][0-9]{0,2}([.][0-9]{3})*)"
_EXPONENT = "([eE][+-]?[0-9]+)?"
NUMBERS = {
    POINT: (_POINT, "{0}"),
    COMMA: (_COMMA + _EXPONENT, "replace(replace({0}, '.', ''), ',', '.')"),
    THOUSANDS: (f"{_THOUSANDS}{_EXPONENT}|{_POINT}", "replace({0}, ',', '')"),
}
"""Reading -> the pattern of its numbers, and their text with a decimal point alone."""
_INFINITE = "regexp_full_match({0}, '(?i)[+-]?inf(inity)?')"
_WHOLE = "regexp_full_match({0}, '[+-]?[0-9]+')"
_ISO = "regexp_matches({0}, '^[0-9]{{4}}[-/][0-9]') and try_cast({0} as timestamp) is not null"
_TRUTH = "lower({0}) in ('true', 'false')"
_DAMAGED = "contains({0}, '\ufffd') and regexp_full_match({0}, '[0-9.,:/eE+%$€£¥ \ufffd-]*')"
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_LARGEST = "max(abs(cast(try_cast({0} as bigint) as double)))"

# What is counted in a column. $c is a cell, $t the trimmed cell, $s that without a sign of percent
# or currency.
PLAIN_COUNTS = {
    "rows": "count(*)",
    "cells": "count($c)",
    "numbers": "count(try_cast($c as double))",
    "whole": "count(try_cast($c as bigint))",
    "fractions": "count_if(contains($c, '.') or contains($c, 'e') or contains($c, 'E'))",
    "odd": "count_if(($c like '0_%' and $c not like '0.%') or contains($c, '_'))",
    "largest": _LARGEST.format("$c"),
}
WORD_COUNTS = {
    "rows": "count(*)",
    "cells": "count($t)",
    "infinite": f"count_if({_INFINITE.format('$t')})",
    "truth": f"count_if({_TRUTH.format('$t')})",
    "digits": "count_if(regexp_matches($t, '[0-9]'))",
}
SHAPE_COUNTS = {
    "plain": f"count_if(regexp_full_match($s, '{_POINT}'))",
    "whole": f"count_if({_WHOLE.format('$s')})",
    "fits": "count(try_cast(replace($s, ',', '') as bigint))",
    "largest": _LARGEST.format("$s"),
    "zeros": "count_if(regexp_full_match($s, '[+-]?0[0-9]+'))",
    "signs": "count_if($s <> $t)",
    "comma": f"count_if(regexp_full_match($s, '{_COMMA}'))",
    "commas": "count_if(contains($s, ','))",
    "english": f"count_if(regexp_full_match($s, '{_THOUSANDS}'))",
    "dots": "count_if(contains($s, '.'))",
    "iso": f"count_if({_ISO.format('$t')})",
    "dated": "count_if(regexp_matches($t, '[0-9].*[0-9]'))",
}
GROUP_COUNTS = {
    "cells": "count($c)",
    "grouped": f"count_if(regexp_full_match(trim($c), '{_GROUPED}'))",
}
DATE_COUNTS = {
    f"{reading}{clock}": f"count(try_strptime($t, '{letters}{clock}'))"
    for reading, letters in DATE_FORMATS.items()
    for clock in _CLOCKS
}


def value(cell: str, reading: str) -> str:
    """What a trimmed cell stands for, as text; null where it is missing or does not fit."""
    if reading == TEXT:
        return cell
    if reading == TRUTH:
        return f"(case when {_TRUTH.format(cell)} then lower({cell}) else {cell} end)"
    if reading in NUMBERS:
        pattern, with_point = NUMBERS[reading]
        bare = _SIGNLESS.format(cell)
        fits = f"regexp_full_match({bare}, '{pattern}') or {_INFINITE.format(cell)}"
        return f"(case when {fits} then {with_point.format(bare)} end)"
    iso = f"case when {_ISO.format(cell)} then try_cast({cell} as timestamp) end"
    if reading == ISO:
        return f"cast({iso} as varchar)"
    formats = ", ".join(f"'{DATE_FORMATS[reading]}{clock}'" for clock in _CLOCKS)
    return f"cast(coalesce({iso}, try_strptime({cell}, [{formats}])) as varchar)"


def fit_counts(reading: str) -> dict[str, str]:
    """The counts that show whether a column can be read this way."""
    text = value("$t", reading)
    whole = f"case when {_WHOLE.format(text)} then {text} end"
    return {
        "rows": "count(*)",
        "cells": "count($t)",
        "fit": f"count({text})",
        "truth": f"count_if({_TRUTH.format('$t')})",
        "whole": f"count(try_cast({whole} as bigint))",
        "largest": _LARGEST.format(whole),
    }


@dataclass(frozen=True)
class Fetch:
    """How one column is fetched: an SQL expression, its reading, and a note for the user.

    `reading` is None where every cell is missing. `unread` says that some cells do not fit it.
    """

    sql: str
    reading: str | None
    note: str = ""
    unread: bool = False


def fetch(field: str, reading: str, note: str = "", *, whole: bool = False) -> Fetch:
    """How to fetch a column whose cells all fit the reading; `whole`: its numbers are int64."""
    sql = value(TRIMMED.format(field), reading)
    if reading == TRUTH:
        sql = f"({sql} = 'true')"
    elif reading in NUMBERS:
        sql = f"cast({sql} as {'bigint' if whole else 'double'})"
    elif reading != TEXT:
        sql = f"cast({sql} as timestamp)"
    return Fetch(sql, reading, note)


def nothing(reading: str | None = None) -> Fetch:
    """How to fetch a column that has no cells."""
    return Fetch("cast(null as double)", reading)


def count_cells(relation: Relation, counts: Mapping[str, Mapping[str, str]]) -> Counts:
    """The counts of each field, in one pass over the relation."""
    if not counts:
        return {}
    trimmed = ", ".join(f"{f}, {TRIMMED.format(f)} as t{f}" for f in counts)
    bare = ", ".join(f"{f}, t{f}, {_SIGNLESS.format(f't{f}')} as s{f}" for f in counts)
    columns = ", ".join(
        sql.replace("$c", f).replace("$t", f"t{f}").replace("$s", f"s{f}")
        for f, own in counts.items()
        for sql in own.values()
    )
    answers = iter(relation.select(trimmed).select(bare).rows(columns)[0])
    return {f: {name: next(answers) or 0 for name in own} for f, own in counts.items()}


def damaged_cells(relation: Relation, fields: list[str], wanted: Iterable[str]) -> dict[str, int]:
    """Field -> the number of its cells that hold only digits, signs and replaced bytes, if any.

    A field that is not in `wanted` is listed only if other cells show what it is.
    """
    counts = {"cells": "count($t)", "damaged": f"count_if({_DAMAGED.format('$t')})"}
    counted = count_cells(relation, dict.fromkeys(fields, counts))
    lost = {f: k["damaged"] for f, k in counted.items() if k["damaged"] < k["cells"] or f in wanted}
    return {f: count for f, count in lost.items() if count}


def without_damaged(relation: Relation, fields: Iterable[str]) -> Relation:
    """The relation in which the damaged cells of these fields are null."""
    cells = ", ".join(
        f"case when {_DAMAGED.format(TRIMMED.format(f))} then null else {f} end as {f}"
        for f in fields
    )
    return relation.select(f"* replace ({cells})") if cells else relation
