"""A cell of text in SQL: what is missing, what is a number, and how a column is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .table import MISSING_MARKERS

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
COMMA_PATTERN = "[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]+)(,[0-9]+)?"
THOUSANDS_PATTERN = "[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)([.][0-9]+)?"
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
