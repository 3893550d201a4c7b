"""A cell of text in SQL: what is missing, what is a number, and how a column is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .table import MISSING_MARKERS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
_MARKERS = "|".join(re.escape(marker) for marker in MISSING_MARKERS)
# A long `x in (…)` would become a hash join, which loses the order of the rows.
TRIMMED = (
    f"(case when regexp_full_match(trim({{0}}, {_BLANKS}), '{_MARKERS}') then null "
    f"else trim({{0}}, {_BLANKS}) end)"
)
"""The cell without blanks around it, null where it is missing."""
SIGNLESS = "regexp_replace({0}, '^[$€£¥]\\s*|\\s*[%$€£¥]$', '')"
"""The cell without a currency or percent sign."""
POINT_PATTERN = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
# No group of thousands begins with 0: "0,126" and "0.126" are decimals.
COMMA_PATTERN = "[+-]?([1-9][0-9]{0,2}([.][0-9]{3})+|[0-9]+)(,[0-9]+)?"
THOUSANDS_PATTERN = "[+-]?([1-9][0-9]{0,2}(,[0-9]{3})+|[0-9]+)([.][0-9]+)?"
_DAMAGED = "contains({0}, '\ufffd') and regexp_full_match({0}, '[0-9.,:/eE+%$€£¥ \ufffd-]*')"
INFINITE_PATTERN = "(?i)[+-]?inf(inity)?"
ISO_DATE = "regexp_matches({0}, '^[0-9]{{4}}[-/][0-9]') and try_cast({0} as timestamp) is not null"


@dataclass(frozen=True)
class Fetch:
    """How one column is fetched: an SQL expression, its reading, and what should be told of it.

    `reading` is None where every cell is missing. `unread` says that some cells do not fit it.
    """

    sql: str
    reading: str | None
    note: str = ""
    unread: bool = False


def damaged_cells(
    con: DuckDBPyConnection, relation: str, fields: Sequence[str], asked: Iterable[str]
) -> dict[str, int]:
    """Field -> how many cells are digits and signs apart from replaced bytes, where any are.

    A field that is not `asked` to be anything counts only with other cells to tell what it is.
    """
    if not fields:
        return {}
    cells = ", ".join(f"{TRIMMED.format(f)} as {f}" for f in fields)
    counts = ", ".join(f"count({f}), count_if({_DAMAGED.format(f)})" for f in fields)
    answer = con.execute(f"select {counts} from (select {cells} from {relation})").fetchone()
    assert answer is not None
    counted = zip(fields, answer[::2], answer[1::2], strict=True)
    return {f: lost for f, n, lost in counted if lost and (lost < n or f in asked)}


def without_damaged(relation: str, fields: Iterable[str]) -> str:
    """The SQL relation with the damaged cells of these fields missing."""
    cells = ", ".join(
        f"case when {_DAMAGED.format(TRIMMED.format(f))} then null else {f} end as {f}"
        for f in fields
    )
    return f"(select * replace ({cells}) from {relation})" if cells else relation
