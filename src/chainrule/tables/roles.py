"""What kind of column this is: the judgement a statistician makes on seeing its values."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reading import refuse_cell, refuse_unread
from .table import Values, as_text, cell_text, is_missing
from .words import several

YES = {"false": "true", "no": "yes", "f": "t", "n": "y", "off": "on", "0": "1"}
"""Each word for no -> its word for yes."""
_ID_NAME = re.compile(
    r"(?i)(^|[^a-z])(id|ids|uuid|guid|index|idx|key|rowid|row|nr|no|num|number|unnamed: 0|code)$"
)
_ID_CAMEL = re.compile(r"[a-z](Id|ID|Index|Key|Nr|No)$")
_COUNTED_NAME = re.compile(r"(?i)year|month|day|week|hour|minute|date|time|age")


def counts(values: Values) -> dict[Any, int]:
    """Each distinct value with its number of rows, commonest first; missing cells do not count."""
    if values.dtype == object:
        return dict(Counter(v for v in values.tolist() if v is not None).most_common())
    if values.dtype == np.uint8:
        number = np.bincount(values)
        levels = np.flatnonzero(number)
        number = number[levels]
    else:
        levels, number = np.unique(values[~is_missing(values)], return_counts=True)
    order = np.argsort(-number, kind="stable")
    ordered = levels[order] if values.dtype.kind == "M" else levels[order].tolist()
    return dict(zip(ordered, number[order].tolist(), strict=True))


def looks_like_id(name: str) -> bool:
    """Whether a name is that of an identifier: PassengerId, id, row_nr, Unnamed: 0."""
    return bool(_ID_NAME.search(name) or _ID_CAMEL.search(name))


def boolean_labels(levels: list[Any]) -> tuple[Any, Any] | None:
    """The (no, yes) pair of two-valued yes/no words, true/false or 0/1 levels, else None."""
    words = {str(cell_text(level)).lower(): level for level in levels[:3]}
    pairs = (pair for pair in YES.items() if len(levels) == 2 and set(pair) == set(words))
    return next(((words[no], words[yes]) for no, yes in pairs), None)


def judge(name: str, values: Values, levels: dict[Any, int]) -> tuple[str, str]:
    """The kind of a column and why, in a few words."""
    distinct, present = len(levels), sum(levels.values())
    missing = len(values) - present
    if distinct == 0:
        return "constant", "every value is missing"
    if values.dtype == np.uint8:
        return "pixel", "bytes from 0 to 255"
    if distinct == 1 and not missing:
        return "constant", f"only one value: {cell_text(next(iter(levels)))}"
    if values.dtype.kind == "M":
        return "date", "dates, from " + " to ".join(str(f(levels))[:10] for f in (min, max))
    if boolean_labels(list(levels)):
        return "boolean", " or ".join(sorted(str(cell_text(v)) for v in levels))
    if values.dtype == object:
        return _judge_text(levels, present)
    if values.dtype.kind == "i" and distinct == present and present > 2:
        if looks_like_id(name):
            return "identifier", "every value is different and the name says so"
        if np.all(np.diff(values) == 1) and not _COUNTED_NAME.search(name):
            return "identifier", "counts the rows"
    return "number", several(distinct, "distinct value")


def _judge_text(levels: dict[Any, int], present: int) -> tuple[str, str]:
    distinct = len(levels)
    words = [str(v) for v in levels]
    length = sum(map(len, words)) / distinct
    strings = f"{distinct} different strings, {length:.0f} characters on average"
    if distinct == present and present > 10:
        if length > 20 or sum(" " in w for w in words) > distinct / 3:
            return "text", f"free text: {strings}"
        return "identifier", "every value is different"
    if (distinct > 50 and distinct > 0.2 * present) or (distinct > 10 and distinct > present / 2):
        return "text", f"free text: {strings}"
    return "category", several(distinct, "level")


def first_non_number(values: Values) -> tuple[int, str] | None:
    """The first row whose cell is not a finite number, and that cell; None if all are numbers."""
    if values.dtype.kind in "biuf":
        wrong = np.flatnonzero(np.isinf(values))
        return (int(wrong[0]), str(values[wrong[0]])) if len(wrong) else None
    texts = enumerate(as_text(values))
    return next(((i, t) for i, t in texts if t is not None and not _is_number(t)), None)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def numbers_of(values: Values) -> NDArray[np.float64]:
    """The cells (n,) as float64, missing ones nan; all of them are numbers."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    return np.array([np.nan if t is None else float(t) for t in as_text(values)], np.float64)


def to_numbers(name: str, values: Values) -> NDArray[np.float64]:
    """The cells (n,) as float64, missing ones nan; ValueError names the first non-number."""
    refuse_unread(name, values)
    if wrong := first_non_number(values):
        refuse_cell(name, *wrong, "a number")
    return numbers_of(values)
