"""One column at a time: imputed, encoded as features, scaled — and back.

Each kind of column is three small functions beside each other; the numbers they need are learned
from the training rows and kept in a `ColumnPlan`, which is plain data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reading import TEXT, first_unread
from .roles import BOOLEAN_WORDS, boolean_labels, counts, to_numbers
from .spread import mean_and_deviation, median_and_range
from .table import Values, as_text, cell_text, is_missing

Matrix = NDArray[np.float64]
OTHER = "(other)"
MISSING = "(missing)"
_RARE_SHARE = 0.005
_FEWEST_ROWS = 2
_SOME_LEVELS = 20
LIMIT, TINY = 3.0, 1e-30
_DAY = 86_400_000_000
_DATE_PARTS = ("year", "month", "day", "weekday", "year sin", "year cos", "days")


@dataclass(frozen=True)
class ColumnPlan:
    """How one column becomes features: x = (encoded - center) / scale, feature by feature, and
    where there is a `limit` x / √(1 + (x / limit)²), which lies between -limit and limit.

    `fill` stands for a missing cell, `indicator` adds a 0/1 feature that says so. `levels` are the
    categories with a feature of their own, or the (no, yes) of a boolean; `pooled` says that rare
    categories share one more feature, `missing_level` that missing cells have theirs. `origin` is
    the day from which a date counts, `hours` whether its hour is a feature. `reading` says how
    the column's cells are read where they are text; None if that is unknown.
    """

    name: str
    kind: str
    fill: float | str | None = None
    indicator: bool = False
    levels: tuple[Any, ...] = ()
    pooled: bool = False
    missing_level: bool = False
    origin: str | None = None
    hours: bool = False
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    limit: float = 0.0
    reading: str | None = TEXT

    @property
    def features(self) -> list[str]:
        """The names of the features that this column becomes."""
        if self.kind == "category":
            names = [f"{self.name}={level}" for level in self.levels]
            names = names[1:] if self.single else names
            names += [f"{self.name}={OTHER}"] * self.pooled
            return names + [f"{self.name} missing"] * self.missing_level
        if self.kind == "text":
            return [f"{self.name} missing"]
        names = [self.name]
        if self.kind == "date":
            names = [f"{self.name} {part}" for part in _DATE_PARTS]
            names += [f"{self.name} hour"] * self.hours
        return names + [f"{self.name} missing"] * self.indicator

    @property
    def single(self) -> bool:
        """Whether a category of two levels is one 0/1 feature."""
        return len(self.levels) == 2 and not self.pooled and not self.missing_level


def fit_column(
    name: str, kind: str, values: Values, reading: str | None = TEXT, robust: bool = False
) -> ColumnPlan:
    """The plan for a column, learned from these cells (n,). `robust`: median and quartiles in the
    place of mean and deviation, for every feature, and a smooth limit.
    """
    plan = _FIT[kind](ColumnPlan(name, kind, reading=reading), values)
    width = len(plan.features)
    if kind == "pixel":
        return replace(plan, center=(0.0,), scale=(255.0,))
    center, scale = [0.0] * width, [1.0] * width
    if robust and kind != "text":
        encoded = encode(plan, impute(plan, values), values)
        pairs = [median_and_range(name, x) for x in encoded.T]
        center, scale = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        plan = replace(plan, limit=LIMIT)
    elif kind in ("number", "date"):
        encoded = encode(plan, impute(plan, values), values)
        for j in range(width - plan.indicator):
            center[j], scale[j] = mean_and_deviation(name, encoded[:, j])
    return replace(plan, center=tuple(center), scale=tuple(scale))


def impute(plan: ColumnPlan, values: Values) -> Any:
    """The cells (n,) with nothing missing: numbers, dates, or a list of category names."""
    return _IMPUTE[plan.kind](plan, values)


def encode(plan: ColumnPlan, imputed: Any, values: Values) -> Matrix:
    """The features (n, k) of imputed cells before scaling; `values` tells what was missing."""
    encoded = _ENCODE[plan.kind](plan, imputed, values)
    if plan.indicator:
        return np.column_stack([encoded, is_missing(values).astype(np.float64)])
    return encoded


def scaled(plan: ColumnPlan, encoded: Matrix) -> Matrix:
    """x = (encoded - center) / scale   (n, k), within the limit if any. ValueError: overflow."""
    center, scale = np.array(plan.center, float), np.array(plan.scale, float)
    with np.errstate(over="ignore"):
        X = np.asarray((encoded - center) / scale, float)
    if plan.kind == "number" and not np.isfinite(X).all():
        raise ValueError(
            f'column "{plan.name}" holds a number too far from the training rows to scale: '
            "mend that cell"
        )
    return X / np.sqrt(1.0 + (X / plan.limit) ** 2) if plan.limit else X


def unseen(plan: ColumnPlan, values: Values) -> int:
    """How many cells hold a category that the training rows did not."""
    if plan.kind == "category":
        known = {*plan.levels, None}
        return 0 if plan.pooled else sum(text not in known for text in as_text(values))
    if plan.kind == "boolean":
        return int((np.isnan(_truth(plan, values)) & ~is_missing(values)).sum())
    return 0


def reverse(plan: ColumnPlan, X: Matrix) -> Values | None:
    """The cells (n,) that these features (n, k) stand for; None for left-out text."""
    if plan.kind == "text":
        return None
    if plan.limit:
        X = X / np.sqrt(np.maximum(1.0 - (X / plan.limit) ** 2, TINY))
    encoded = X * np.array(plan.scale) + np.array(plan.center)
    values = _REVERSE[plan.kind](plan, encoded)
    if plan.indicator:
        gone = encoded[:, -1] >= 0.5
        if values.dtype.kind in "iub":
            values = values.astype(object)
        values[gone] = {"f": np.nan, "M": np.datetime64("NaT")}.get(values.dtype.kind)
    return values


def _fit_number(plan: ColumnPlan, values: Values) -> ColumnPlan:
    x = to_numbers(plan.name, values)
    missing = np.isnan(x)
    with np.errstate(over="ignore"):
        fill = 0.0 if missing.all() else float(np.median(x[~missing]))
    return replace(plan, fill=fill, indicator=bool(missing.any()))


def _fit_pixel(plan: ColumnPlan, values: Values) -> ColumnPlan:
    return replace(plan, fill=0.0)


def _fit_boolean(plan: ColumnPlan, values: Values) -> ColumnPlan:
    found = counts(values)
    levels = [int(v) if isinstance(v, float) and v.is_integer() else v for v in found]
    pair = boolean_labels(levels) or tuple(sorted(levels, key=str))
    if len(pair) < 2:
        pair = _other_word(pair[0]) if pair else (False, True)
    plan = replace(plan, levels=pair)
    x = _truth(plan, values)
    fill = float(np.nanmean(x) > 0.5) if found else 0.0
    return replace(plan, fill=fill, indicator=bool(is_missing(values).any()))


def _other_word(word: Any) -> tuple[Any, Any]:
    """(no, yes) from the only one of them that the training rows hold."""
    if isinstance(word, bool) or word in (0, 1):
        return type(word)(0), type(word)(1)
    text = str(word).lower()
    for no, yes in BOOLEAN_WORDS:
        if text in (no, yes):
            return (word, yes) if text == no else (no, word)
    return (f"not {word}", word)


def _fit_category(plan: ColumnPlan, values: Values) -> ColumnPlan:
    texts = as_text(values)
    number: dict[str, int] = {}
    for text in texts:
        if text is not None:
            number[text] = number.get(text, 0) + 1
    least = max(_FEWEST_ROWS, math.ceil(_RARE_SHARE * sum(number.values())))
    kept = [level for level, count in number.items() if count >= least]
    if not kept:
        common = sorted(number, key=lambda level: (-number[level], level))
        kept = [level for level in common if number[level] >= _FEWEST_ROWS][:_SOME_LEVELS]
    plan = replace(plan, levels=tuple(sorted(kept)), pooled=len(kept) < len(number))
    plan = replace(plan, missing_level=None in texts)
    if plan.single:
        return replace(plan, fill=max(plan.levels, key=lambda level: number[level]))
    return plan


def _fit_date(plan: ColumnPlan, values: Values) -> ColumnPlan:
    stamps = _dates(plan, values)
    missing = np.isnat(stamps)
    present = stamps[~missing]
    if not len(present):
        present = np.array(["1970-01-01"], "datetime64[us]")
    middle = np.sort(present)[len(present) // 2]
    hours = bool(((present.astype(np.int64) % _DAY) != 0).any())
    origin = str(present.min().astype("datetime64[D]"))
    return replace(
        plan, fill=str(middle), origin=origin, hours=hours, indicator=bool(missing.any())
    )


def _fit_text(plan: ColumnPlan, values: Values) -> ColumnPlan:
    return plan


def _impute_number(plan: ColumnPlan, values: Values) -> Matrix:
    x = to_numbers(plan.name, values)
    return np.where(np.isnan(x), float(plan.fill or 0), x)


def _impute_boolean(plan: ColumnPlan, values: Values) -> Matrix:
    x = _truth(plan, values)
    return np.where(np.isnan(x), float(plan.fill or 0), x)


def _truth(plan: ColumnPlan, values: Values) -> Matrix:
    """0 for no, 1 for yes, nan for missing and for anything else."""
    if values.dtype.kind == "b" and all(isinstance(level, (bool, int)) for level in plan.levels):
        return values.astype(np.float64)
    words: dict[str | None, float] = {}
    texts = {str(cell_text(level)).lower() for level in plan.levels}
    if any(texts == {no, yes} for no, yes in BOOLEAN_WORDS):
        words.update((w, float(i)) for pair in BOOLEAN_WORDS for i, w in enumerate(pair))
    words.update((str(cell_text(level)).lower(), float(i)) for i, level in enumerate(plan.levels))
    return np.array(
        [np.nan if t is None else words.get(t.lower(), np.nan) for t in as_text(values)], float
    )


def _impute_category(plan: ColumnPlan, values: Values) -> list[str]:
    stranger = OTHER if plan.pooled else str(plan.fill or OTHER)
    missing = MISSING if plan.missing_level else stranger
    known: dict[str | None, str] = {level: level for level in plan.levels}
    known[None] = missing
    return [known.get(text, stranger) for text in as_text(values)]


def _impute_date(plan: ColumnPlan, values: Values) -> Values:
    stamps = _dates(plan, values)
    return np.where(np.isnat(stamps), np.datetime64(str(plan.fill), "us"), stamps)


def _dates(plan: ColumnPlan, values: Values) -> Values:
    if values.dtype.kind == "M":
        return values
    unread = first_unread(values)
    if unread is not None:
        raise ValueError(unread[1].told(plan.name, unread[0]))
    missing = is_missing(values)
    if not missing.all():
        row = int(np.flatnonzero(~missing)[0])
        raise ValueError(
            f'column "{plan.name}" holds {values[row]} in row {row + 1} where a date is needed: '
            "write dates as 2026-01-31"
        )
    return np.full(len(values), np.datetime64("NaT", "us"))


def _encode_number(plan: ColumnPlan, imputed: Matrix, values: Values) -> Matrix:
    return imputed[:, None]


def _encode_category(plan: ColumnPlan, imputed: list[str], values: Values) -> Matrix:
    if plan.single:
        return np.array([[float(name == plan.levels[1])] for name in imputed]).reshape(-1, 1)
    names = [*plan.levels, *[OTHER] * plan.pooled, *[MISSING] * plan.missing_level]
    places = {name: place for place, name in enumerate(names)}
    codes = np.array([places.get(name, -1) for name in imputed], np.int64)
    encoded = np.zeros((len(imputed), len(names)))
    rows = np.flatnonzero(codes >= 0)
    encoded[rows, codes[rows]] = 1.0
    return encoded


def _encode_date(plan: ColumnPlan, imputed: Values, values: Values) -> Matrix:
    days = imputed.astype("datetime64[D]")
    months = imputed.astype("datetime64[M]")
    years = imputed.astype("datetime64[Y]")
    turn = 2 * np.pi * (days - years.astype("datetime64[D]")).astype(float) / 365.25
    since = (imputed - np.datetime64(str(plan.origin), "us")).astype(np.int64) / _DAY
    parts = [
        years.astype(np.int64) + 1970.0,
        months.astype(np.int64) % 12 + 1.0,
        (days - months.astype("datetime64[D]")).astype(np.int64) + 1.0,
        (days.astype(np.int64) + 3) % 7 + 0.0,
        np.sin(turn),
        np.cos(turn),
        since,
    ]
    if plan.hours:
        parts.append((imputed.astype(np.int64) % _DAY) / (_DAY / 24))
    return np.column_stack(parts)


def _encode_text(plan: ColumnPlan, imputed: list[str], values: Values) -> Matrix:
    return is_missing(values).astype(np.float64)[:, None]


def _reverse_number(plan: ColumnPlan, encoded: Matrix) -> Values:
    return encoded[:, 0].copy()


def _reverse_pixel(plan: ColumnPlan, encoded: Matrix) -> Values:
    return np.clip(np.rint(encoded[:, 0]), 0, 255).astype(np.uint8)


def _reverse_boolean(plan: ColumnPlan, encoded: Matrix) -> Values:
    kind = {bool: bool, int: np.int64}.get(type(plan.levels[0]), object)
    return np.asarray(np.array(plan.levels, kind)[(encoded[:, 0] >= 0.5).astype(int)])


def _reverse_category(plan: ColumnPlan, encoded: Matrix) -> Values:
    names = [*plan.levels, *[OTHER] * plan.pooled, *[None] * plan.missing_level, OTHER]
    if plan.single:
        places = (encoded[:, 0] >= 0.5).astype(int)
    elif encoded.shape[1] == 0:
        places = np.full(len(encoded), -1)
    else:
        places = np.where(encoded.max(1) >= 0.5, encoded.argmax(1), -1)
    return np.asarray(np.array(names, object)[places])


def _reverse_date(plan: ColumnPlan, encoded: Matrix) -> Values:
    since = np.rint(encoded[:, _DATE_PARTS.index("days")] * (_DAY / 1000)) * 1000
    return np.datetime64(str(plan.origin), "us") + since.astype("timedelta64[us]")


_FIT: dict[str, Callable[[ColumnPlan, Values], ColumnPlan]] = {
    "number": _fit_number,
    "pixel": _fit_pixel,
    "boolean": _fit_boolean,
    "category": _fit_category,
    "date": _fit_date,
    "text": _fit_text,
    "identifier": _fit_text,
}
_IMPUTE: dict[str, Callable[[ColumnPlan, Values], Any]] = {
    "number": _impute_number,
    "pixel": _impute_number,
    "boolean": _impute_boolean,
    "category": _impute_category,
    "date": _impute_date,
    "text": lambda plan, values: [MISSING if t is None else t for t in as_text(values)],
}
_ENCODE: dict[str, Callable[[ColumnPlan, Any, Values], Matrix]] = {
    "number": _encode_number,
    "pixel": _encode_number,
    "boolean": _encode_number,
    "category": _encode_category,
    "date": _encode_date,
    "text": _encode_text,
}
_REVERSE: dict[str, Callable[[ColumnPlan, Matrix], Values]] = {
    "number": _reverse_number,
    "pixel": _reverse_pixel,
    "boolean": _reverse_boolean,
    "category": _reverse_category,
    "date": _reverse_date,
}
KINDS_ENCODED = tuple(_ENCODE)
