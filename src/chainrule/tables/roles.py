"""What kind of column this is: the judgement a statistician makes on seeing its values."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reading import first_unread
from .table import Values, as_text, cell_text, is_missing

BOOLEAN_WORDS = (
    ("false", "true"),
    ("no", "yes"),
    ("f", "t"),
    ("n", "y"),
    ("off", "on"),
    ("0", "1"),
)
_ID_NAME = re.compile(
    r"(?i)(^|[^a-z])(id|ids|uuid|guid|index|idx|key|rowid|row|nr|no|num|number|unnamed: 0|code)$"
)
_ID_CAMEL = re.compile(r"[a-z](Id|ID|Index|Key|Nr|No)$")
_COUNTED_NAME = re.compile(r"(?i)year|month|day|week|hour|minute|date|time|age")


def counts(values: Values) -> dict[Any, int]:
    """Each distinct value that is there with its number of rows, commonest first."""
    if values.dtype == object:
        return dict(Counter(v for v in values.tolist() if v is not None).most_common())
    if values.dtype == np.uint8:
        found = np.bincount(values, minlength=256)
        return {int(v): int(found[v]) for v in np.argsort(-found, kind="stable") if found[v]}
    levels, number = np.unique(values[~is_missing(values)], return_counts=True)
    order = np.argsort(-number, kind="stable")
    found_levels = levels[order] if values.dtype.kind == "M" else levels[order].tolist()
    return dict(zip(found_levels, number[order].tolist(), strict=True))


def looks_like_id(name: str) -> bool:
    """Whether a name is that of an identifier: PassengerId, id, row_nr, Unnamed: 0."""
    return bool(_ID_NAME.search(name) or _ID_CAMEL.search(name))


def boolean_labels(levels: list[Any]) -> tuple[Any, Any] | None:
    """The (no, yes) pair of two-valued yes/no words, true/false or 0/1 levels, else None."""
    if len(levels) != 2:
        return None
    for no, yes in BOOLEAN_WORDS:
        found = {str(cell_text(v)).lower(): v for v in levels}
        if set(found) == {no, yes}:
            return found[no], found[yes]
    return None


def judge(name: str, values: Values, found: dict[Any, int]) -> tuple[str, str]:
    """The kind of a column and why, in a few words."""
    distinct, present = len(found), sum(found.values())
    missing = len(values) - present
    if distinct == 0:
        return "constant", "every value is missing"
    if values.dtype == np.uint8:
        return "pixel", "bytes from 0 to 255"
    if distinct == 1 and not missing:
        return "constant", f"only one value: {cell_text(next(iter(found)))}"
    if values.dtype.kind == "M":
        return "date", "dates, from " + " to ".join(str(f(found))[:10] for f in (min, max))
    if boolean_labels(list(found)):
        return "boolean", " or ".join(sorted(str(cell_text(v)) for v in found))
    if values.dtype == object:
        return _judge_text(name, found, present)
    if values.dtype.kind == "i" and distinct == present and present > 2:
        if looks_like_id(name):
            return "identifier", "every value is different and the name says so"
        if np.all(np.diff(values) == 1) and not _COUNTED_NAME.search(name):
            return "identifier", "counts the rows"
    return "number", f"{distinct} distinct value{'s' * (distinct > 1)}"


def _judge_text(name: str, found: dict[Any, int], present: int) -> tuple[str, str]:
    distinct = len(found)
    words = [str(v) for v in found]
    length = sum(map(len, words)) / distinct
    told = f"{distinct} different strings, {length:.0f} characters on average"
    if distinct == present and present > 10:
        if length > 20 or sum(" " in w for w in words) > distinct / 3:
            return "text", f"free text: {told}"
        return "identifier", "every value is different"
    if (distinct > 50 and distinct > 0.2 * present) or (distinct > 10 and distinct > present / 2):
        return "text", f"free text: {told}"
    return "category", f"{distinct} level{'s' * (distinct > 1)}"


def first_non_number(values: Values) -> tuple[int, str] | None:
    """The first row whose text is no finite number, and that text; None when all are numbers."""
    for row, text in enumerate(as_text(values)):
        if text is not None and parse_number(text) is None:
            return row, text
    return None


def parse_number(text: str) -> float | None:
    """The finite number that a text stands for, else None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def to_numbers(name: str, values: Values) -> NDArray[np.float64]:
    """The cells (n,) as float64, missing ones nan; ValueError names the first that is no number."""
    wrong: tuple[int, Any] | None = None
    if values.dtype.kind in "biu":
        return values.astype(np.float64)
    if values.dtype.kind == "f":
        numbers = values.astype(np.float64)
        infinite = np.flatnonzero(np.isinf(numbers))
        wrong = (int(infinite[0]), numbers[infinite[0]]) if len(infinite) else None
    else:
        unread = first_unread(values)
        if unread is not None:
            raise ValueError(unread[1].told(name, unread[0]))
        texts = as_text(values)
        parsed = [None if text is None else parse_number(text) for text in texts]
        pairs = enumerate(zip(texts, parsed, strict=True))
        wrong = next(((i, t) for i, (t, p) in pairs if p is None and t is not None), None)
        if wrong is None:
            numbers = np.array([np.nan if p is None else p for p in parsed], np.float64)
    if wrong is not None:
        raise ValueError(
            f'column "{name}" holds {wrong[1]!s} in row {wrong[0] + 1} where a number is needed: '
            "mend that cell, or leave it empty"
        )
    return numbers
