"""One column at a time: imputed, encoded as features, scaled — and back.

Each kind of column is four small functions; the numbers they need are learned from the training
rows and kept in a `ColumnPlan`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .plan import DATE_PARTS, OTHER, ColumnPlan
from .reading import refuse_cell, refuse_unread
from .roles import YES, boolean_labels, counts, to_numbers
from .schema import Column
from .table import Values, as_text, cell_text, is_missing

Matrix = NDArray[np.float64]
MISSING = "(missing)"
_RARE_SHARE = 0.005
_FEWEST_ROWS = 2
_MOST_COMMON = 20
LIMIT, TINY = 3.0, 1e-30
_DAY = 86_400_000_000


def fit_column(column: Column, values: Values, robust: bool) -> ColumnPlan:
    """The plan for a column, learned from these cells (n,). `robust`: median and quartiles
    instead of mean and deviation, and a smooth limit, for every feature; pixels stay as they are.
    """
    name, kind = column.name, "text" if column.kind == "identifier" else column.kind
    plan = _KINDS[kind].fit(ColumnPlan(name, kind, reading=column.reading), values)
    pairs = [(0.0, 255.0 if kind == "pixel" else 1.0)] * len(plan.features)
    if robust and kind not in ("pixel", "text"):
        plan = replace(plan, limit=LIMIT)
        pairs = [median_and_range(name, x) for x in encode(plan, values).T]
    elif kind in ("number", "date"):
        parts = encode(plan, values)[:, : len(pairs) - plan.indicator].T
        pairs[: len(parts)] = [mean_and_deviation(name, x) for x in parts]
    center, scale = (tuple(pair[i] for pair in pairs) for i in (0, 1))
    return replace(plan, center=center, scale=scale)


def impute(plan: ColumnPlan, values: Values) -> Any:
    """The cells (n,) with nothing missing: numbers, dates, or a list of category names."""
    return _KINDS[plan.kind].impute(plan, values)


def encode(plan: ColumnPlan, values: Values) -> Matrix:
    """The features (n, k) of the cells (n,) before scaling."""
    encoded = _KINDS[plan.kind].encode(plan, impute(plan, values))
    if plan.indicator or plan.kind == "text":
        return np.column_stack([encoded, is_missing(values).astype(np.float64)])
    return encoded


def scaled(plan: ColumnPlan, encoded: Matrix) -> Matrix:
    """x = (encoded - center) / scale   (n, k), within the limit if any. ValueError: overflow."""
    center, scale = np.array(plan.center, float), np.array(plan.scale, float)
    with np.errstate(over="ignore"):
        X = np.asarray((encoded - center) / scale, float)
    if plan.kind == "number" and not np.isfinite(X).all():
        fault = f'column "{plan.name}" holds a number too far from the training rows to scale'
        raise ValueError(f"{fault}: mend that cell")
    return X / np.sqrt(1.0 + (X / plan.limit) ** 2) if plan.limit else X


def unseen(plan: ColumnPlan, values: Values) -> NDArray[np.bool_]:
    """Which cells (n,) hold a category that the training rows did not."""
    if plan.kind == "boolean":
        return np.isnan(_truth(plan, values)) & ~is_missing(values)
    if plan.kind == "category" and not plan.pooled:
        seen = {*plan.levels, None}
        return np.array([text not in seen for text in as_text(values)], bool)
    return np.zeros(len(values), bool)


def reverse(plan: ColumnPlan, X: Matrix) -> Values | None:
    """The cells (n,) that these features (n, k) stand for; None for left-out text."""
    if plan.kind == "text":
        return None
    if plan.limit:
        X = X / np.sqrt(np.maximum(1.0 - (X / plan.limit) ** 2, TINY))
    encoded = X * np.array(plan.scale) + np.array(plan.center)
    values = _KINDS[plan.kind].reverse(plan, encoded)
    if plan.indicator:
        missing = encoded[:, -1] >= 0.5
        if values.dtype.kind in "iub":
            values = values.astype(object)
        values[missing] = {"f": np.nan, "M": np.datetime64("NaT")}.get(values.dtype.kind)
    return values


def _as_it_is(plan: ColumnPlan, values: Values) -> ColumnPlan:
    return replace(plan, fill=0.0 if plan.kind == "pixel" else None)


def _fit_number(plan: ColumnPlan, values: Values) -> ColumnPlan:
    x = to_numbers(plan.name, values)
    missing = np.isnan(x)
    with np.errstate(over="ignore"):
        fill = 0.0 if missing.all() else float(np.median(x[~missing]))
    return replace(plan, fill=fill, indicator=bool(missing.any()))


def _fit_boolean(plan: ColumnPlan, values: Values) -> ColumnPlan:
    levels = [int(v) if isinstance(v, float) and v.is_integer() else v for v in counts(values)]
    pair = boolean_labels(levels) or tuple(sorted(levels, key=str))
    if len(pair) < 2:
        pair = _other_word(pair[0]) if pair else (False, True)
    plan = replace(plan, levels=pair)
    x = _truth(plan, values)
    fill = float(np.nanmean(x) > 0.5) if levels else 0.0
    return replace(plan, fill=fill, indicator=bool(is_missing(values).any()))


def _other_word(word: Any) -> tuple[Any, Any]:
    """(no, yes), where the training rows hold only one of the two words."""
    if isinstance(word, bool) or word in (0, 1):
        return type(word)(0), type(word)(1)
    text, no = str(word).lower(), {yes: no for no, yes in YES.items()}
    return (word, YES[text]) if text in YES else (no.get(text, f"not {word}"), word)


def _fit_category(plan: ColumnPlan, values: Values) -> ColumnPlan:
    texts = as_text(values)
    number = Counter(text for text in texts if text is not None)
    least = max(_FEWEST_ROWS, math.ceil(_RARE_SHARE * sum(number.values())))
    kept = [level for level, count in number.items() if count >= least]
    if not kept:
        common = sorted(number, key=lambda level: (-number[level], level))
        kept = [level for level in common if number[level] >= _FEWEST_ROWS][:_MOST_COMMON]
    levels, pooled = tuple(sorted(kept)), len(kept) < len(number)
    plan = replace(plan, levels=levels, pooled=pooled, missing_level=None in texts)
    return replace(plan, fill=max(levels, key=number.__getitem__)) if plan.single else plan


def _fit_date(plan: ColumnPlan, values: Values) -> ColumnPlan:
    stamps = _dates(plan, values)
    missing = np.isnat(stamps)
    present = stamps[~missing]
    if not len(present):
        present = np.array(["1970-01-01"], "datetime64[us]")
    middle = np.sort(present)[len(present) // 2]
    hours = bool(((present.astype(np.int64) % _DAY) != 0).any())
    origin = str(present.min().astype("datetime64[D]"))
    indicator = bool(missing.any())
    return replace(plan, fill=str(middle), origin=origin, hours=hours, indicator=indicator)


def _impute_number(plan: ColumnPlan, values: Values) -> Matrix:
    x = _truth(plan, values) if plan.kind == "boolean" else to_numbers(plan.name, values)
    return np.where(np.isnan(x), float(plan.fill or 0), x)


def _truth(plan: ColumnPlan, values: Values) -> Matrix:
    """0 for no, 1 for yes, nan for missing and for anything else."""
    if values.dtype.kind == "b" and all(isinstance(level, (bool, int)) for level in plan.levels):
        return values.astype(np.float64)
    own = tuple(str(cell_text(level)).lower() for level in plan.levels)
    pairs = YES.items() if any(set(own) == set(pair) for pair in YES.items()) else ()
    words = {word: float(i) for pair in (*pairs, own) for i, word in enumerate(pair)}
    texts = [None if text is None else text.lower() for text in as_text(values)]
    return np.array([np.nan if text is None else words.get(text, np.nan) for text in texts], float)


def _impute_category(plan: ColumnPlan, values: Values) -> list[str]:
    stranger = OTHER if plan.pooled else str(plan.fill or OTHER)
    names: dict[Any, Any] = {level: level for level in plan.levels}
    names[None] = MISSING if plan.missing_level else stranger
    return [names.get(text, stranger) for text in as_text(values)]


def _impute_text(plan: ColumnPlan, values: Values) -> list[str]:
    return [MISSING if text is None else text for text in as_text(values)]


def _impute_date(plan: ColumnPlan, values: Values) -> Values:
    stamps = _dates(plan, values)
    return np.where(np.isnat(stamps), np.datetime64(str(plan.fill), "us"), stamps)


def _dates(plan: ColumnPlan, values: Values) -> Values:
    if values.dtype.kind == "M":
        return values
    refuse_unread(plan.name, values)
    for row in np.flatnonzero(~is_missing(values)).tolist():
        refuse_cell(plan.name, row, values[row], "a date", "write dates as 2026-01-31")
    return np.full(len(values), np.datetime64("NaT", "us"))


def _encode_number(plan: ColumnPlan, imputed: Matrix) -> Matrix:
    return imputed[:, None]


def _encode_category(plan: ColumnPlan, imputed: list[str]) -> Matrix:
    names = [*plan.levels, *[OTHER] * plan.pooled, *[MISSING] * plan.missing_level][plan.single :]
    places = {name: place for place, name in enumerate(names)}
    codes = np.array([places.get(name, -1) for name in imputed], np.int64)
    return np.asarray(codes[:, None] == np.arange(len(names)), np.float64)


def _encode_date(plan: ColumnPlan, imputed: Values) -> Matrix:
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


def _encode_text(plan: ColumnPlan, imputed: list[str]) -> Matrix:
    return np.empty((len(imputed), 0))


def _reverse_number(plan: ColumnPlan, encoded: Matrix) -> Values:
    return encoded[:, 0].copy()


def _reverse_pixel(plan: ColumnPlan, encoded: Matrix) -> Values:
    return np.clip(np.rint(encoded[:, 0]), 0, 255).astype(np.uint8)


def _reverse_boolean(plan: ColumnPlan, encoded: Matrix) -> Values:
    return np.asarray(labels_of(plan.levels)[(encoded[:, 0] >= 0.5).astype(int)])


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
    since = np.rint(encoded[:, DATE_PARTS.index("days")] * (_DAY / 1000)) * 1000
    return np.datetime64(str(plan.origin), "us") + since.astype("timedelta64[us]")


def mean_and_deviation(name: str, x: Matrix) -> tuple[float, float]:
    """Mean and standard deviation of x (n,); a constant has deviation 1. ValueError: overflow."""
    if x.min() == x.max() and np.isfinite(x[0]):
        return float(x[0]), 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(name, float(x.mean()), float(x.std()))


def median_and_range(name: str, x: Matrix) -> tuple[float, float]:
    """The median of x (n,) and its interquartile range; half of its range if that is 0, and 1 for a
    constant. Holzmüller et al. 2024. ValueError: overflow.
    """
    low, median, high = (float(q) for q in np.quantile(x, [0.25, 0.5, 0.75]))
    with np.errstate(over="ignore"):
        return _finite(name, median, high - low or float(x.max() - x.min()) / 2.0)


def _finite(name: str, center: float, scale: float) -> tuple[float, float]:
    if not (math.isfinite(center) and math.isfinite(scale)):
        raise ValueError(f'the numbers of column "{name}" are too large to scale: divide them')
    return center, scale or 1.0


def labels_of(levels: tuple[Any, ...]) -> Values:
    """The levels of a column or the classes of a target, in the type that a `Table` has."""
    kinds = {bool: bool, int: np.int64, float: np.float64}
    return np.array(levels, kinds.get(type(levels[0]), object))


@dataclass(frozen=True)
class _Kind:
    fit: Callable[[ColumnPlan, Values], ColumnPlan]
    impute: Callable[[ColumnPlan, Values], Any]
    encode: Callable[[ColumnPlan, Any], Matrix]
    reverse: Callable[[ColumnPlan, Matrix], Values]


_KINDS = {
    "number": _Kind(_fit_number, _impute_number, _encode_number, _reverse_number),
    "pixel": _Kind(_as_it_is, _impute_number, _encode_number, _reverse_pixel),
    "boolean": _Kind(_fit_boolean, _impute_number, _encode_number, _reverse_boolean),
    "category": _Kind(_fit_category, _impute_category, _encode_category, _reverse_category),
    "date": _Kind(_fit_date, _impute_date, _encode_date, _reverse_date),
    "text": _Kind(_as_it_is, _impute_text, _encode_text, _reverse_number),
}
