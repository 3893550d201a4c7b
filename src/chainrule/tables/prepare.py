"""From cells to numbers: what the training rows teach, applied to any table of the same columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import (
    KINDS_ENCODED,
    ColumnPlan,
    Matrix,
    encode,
    fit_column,
    impute,
    reverse,
    scaled,
    unseen,
)
from .fields import choice, field, items
from .names import unique_names
from .reading import STORED, check_reading
from .roles import to_numbers
from .schema import Schema
from .spread import mean_and_deviation
from .table import Table, Values, as_text, is_missing
from .target import TASKS, class_codes

_BLOCK = 512


@dataclass(frozen=True)
class RowStep:
    """One cell on its way: raw, imputed, encoded and scaled, the last two one number a feature."""

    column: str
    raw: Any
    imputed: Any
    encoded: list[float]
    scaled: list[float]
    features: list[str]


@dataclass(frozen=True)
class Preparation:
    """X = (encoded - center) / scale   (n, d), column by column; learned from training rows only.

    Numbers: median for a missing cell, an indicator where training rows had missing ones, then
    mean 0 and deviation 1; with "robust" scaling median 0, 1 between the quartiles, and a smooth
    limit of 3, of every feature. Categories: one 0/1 feature a level, rare levels pooled, missing a
    level of its own. Booleans 0/1. Dates: their parts, and the days since the first. Pixels: / 255.
    """

    columns: tuple[ColumnPlan, ...]
    target_name: str
    task: str
    classes: tuple[Any, ...] | None = None
    target_mean: float = 0.0
    target_scale: float = 1.0

    @classmethod
    def fit(
        cls, table: Table, schema: Schema, rows: NDArray[np.int64] | None = None,
        *, scaling: str = "standard",
    ) -> Preparation:  # fmt: skip
        """The preparation that these rows teach; None: every row that has a target.

        `scaling` is "standard" or "robust". ValueError: another scaling, a column of the schema is
        not in the table, or no rows are given.
        """
        if scaling not in ("standard", "robust"):
            raise ValueError(f'scaling is {scaling!r}: use "standard" or "robust"')
        _require(table, [column.name for column in schema.features()] + [schema.target])
        if rows is None:
            rows = np.flatnonzero(~is_missing(table.columns[schema.target]))
        if len(rows) == 0:
            raise ValueError("there are no rows to learn the preparation from: give some")
        columns = []
        for column in schema.features():
            kind = "text" if column.kind == "identifier" else column.kind
            values = table.columns[column.name][rows]
            robust = scaling == "robust" and kind != "pixel"
            columns.append(fit_column(column.name, kind, values, column.reading, robust))
        mean, scale = 0.0, 1.0
        if schema.classes is None:
            y = to_numbers(schema.target, table.columns[schema.target][rows])
            mean, scale = mean_and_deviation(schema.target, y[~np.isnan(y)])
        return cls(tuple(columns), schema.target, schema.task, schema.classes, mean, scale)

    @property
    def feature_names(self) -> list[str]:
        """The d names of the features, such as "Age", "Age missing", "Sex=male"; no two alike."""
        return unique_names([name for plan in self.columns for name in plan.features])[0]

    def transform(self, table: Table) -> Matrix:
        """X (n, d) of any table with the same columns; further columns are ignored.

        A missing cell without indicator gets the median; a category that is new gets the pooled
        feature, or zeros. ValueError: columns that are not there, text where a number is needed,
        a column of text that was read in another way than in training.
        """
        self._check(table)
        X = np.empty((len(table), len(self.feature_names)))
        start = 0
        for plans in _runs(self.columns):
            stop = start + sum(len(plan.features) for plan in plans)
            cells = [table.columns[plan.name] for plan in plans]
            if plans[0].kind == "pixel" and all(c.dtype == np.uint8 for c in cells):
                _pixels(cells, X[:, start:stop])
            else:
                for plan, values in zip(plans, cells, strict=True):
                    end = start + len(plan.features)
                    X[:, start:end] = scaled(plan, encode(plan, impute(plan, values), values))
                    start = end
            start = stop
        return X

    def for_trees(self, table: Table) -> tuple[Matrix, list[bool]]:
        """(X (n, m), which of its columns are categories) as decision trees take it: numbers as
        they are, categories as codes, missing cells and new categories nan.
        """
        self._check(table)
        found, categories = list[Matrix](), list[bool]()
        for plan in self.columns:
            values = table.columns[plan.name]
            encoded = encode(plan, impute(plan, values), values)
            gone = is_missing(values) & (plan.kind != "text")
            if plan.kind == "category":
                known = {*plan.levels, None}
                gone |= [not plan.pooled and text not in known for text in as_text(values)]
                encoded = encoded if plan.single else encoded.argmax(axis=1)[:, None].astype(float)
            elif plan.indicator:
                encoded = encoded[:, :-1]
            encoded[gone] = np.nan
            found.append(encoded)
            categories += [plan.kind == "category"] * encoded.shape[1]
        return np.hstack(found), categories

    def _check(self, table: Table) -> None:
        _require(table, [plan.name for plan in self.columns])
        check_reading(table, [(plan.name, plan.kind, plan.reading) for plan in self.columns])

    def unseen(self, table: Table) -> dict[str, int]:
        """Column -> how many of its cells hold a category that no training row held."""
        self._check(table)
        found = {plan.name: unseen(plan, table.columns[plan.name]) for plan in self.columns}
        return {name: count for name, count in found.items() if count}

    def target(self, table: Table) -> NDArray[Any]:
        """y (n,): (value - mean) / scale for a regression, int64 codes for classes.

        ValueError: no such column, a class that is new, a missing value.
        """
        _require(table, [self.target_name])
        values = table.columns[self.target_name]
        missing = np.flatnonzero(is_missing(values))
        if len(missing):
            raise ValueError(
                f'the target "{self.target_name}" is missing in row {missing[0] + 1}: '
                "leave out the rows without it"
            )
        if self.classes is not None:
            return class_codes(self.target_name, values, self.classes)
        return (to_numbers(self.target_name, values) - self.target_mean) / self.target_scale

    def restore_target(self, values: Any) -> NDArray[Any]:
        """The table's own terms: values * scale + mean, or the label of each code."""
        values = np.asarray(values)
        if self.classes is None:
            return np.asarray(values.astype(np.float64) * self.target_scale + self.target_mean)
        kinds = {bool: bool, int: np.int64, float: np.float64}
        labels = np.array(self.classes, kinds.get(type(self.classes[0]), object))
        if values.size and not (0 <= values.min() and values.max() < len(labels)):
            raise ValueError(f"a class code lies outside 0 to {len(labels) - 1}: pass codes")
        return np.asarray(labels[values.astype(np.int64)])

    def reverse(self, X: Matrix) -> dict[str, Values]:
        """Column -> the cells (n,) that X (n, d) stands for; left-out text has none.

        Numbers come back to rounding; pooled and new categories come back as "(other)".
        """
        X = np.asarray(X, float)
        if X.ndim != 2 or X.shape[1] != len(self.feature_names):
            raise ValueError(
                f"X has shape {X.shape}, but this preparation gives {len(self.feature_names)} "
                "features: pass what transform returned"
            )
        cells: dict[str, Values] = {}
        start = 0
        for plan in self.columns:
            stop = start + len(plan.features)
            values = reverse(plan, X[:, start:stop])
            if values is not None:
                cells[plan.name] = values
            start = stop
        return cells

    def steps(self, table: Table, row: int) -> list[RowStep]:
        """Each cell of one row, raw → imputed → encoded → scaled; all `scaled` make X[row]."""
        if not -len(table) <= row < len(table):
            raise ValueError(f"there is no row {row}: {table.source} has {len(table)} rows")
        self._check(table)
        result, names = [], iter(self.feature_names)
        for plan in self.columns:
            values = table.columns[plan.name][[row]]
            imputed = impute(plan, values)
            encoded = encode(plan, imputed, values)
            raw = None if is_missing(values)[0] else _native(values[0])
            result.append(
                RowStep(
                    *(plan.name, raw, _native(imputed[0]), encoded[0].tolist()),
                    *(scaled(plan, encoded)[0].tolist(), [next(names) for _ in plan.features]),
                )
            )
        return result

    def to_dict(self) -> dict[str, Any]:
        """The preparation as JSON-able lists, texts and numbers."""
        data = asdict(self)
        data["columns"] = [{**asdict(p), "levels": list(p.levels)} for p in self.columns]
        for column in data["columns"]:
            column["center"], column["scale"] = list(column["center"]), list(column["scale"])
        data["classes"] = None if self.classes is None else list(self.classes)
        return data

    @classmethod
    def from_dict(cls, data: Any) -> Preparation:
        """The preparation that to_dict stored; ValueError where a field is missing or wrong."""
        where = "the preparation"
        columns = tuple(_plan(c) for c in field(data, "columns", (list, tuple), where))
        names = [plan.name for plan in columns]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{where} has no columns, or one twice: the file is damaged")
        classes = field(data, "classes", (list, tuple, type(None)), where)
        if classes is not None:
            classes = items(data, "classes", (str, int, bool, float), where)
        task = choice(data, "task", TASKS, where)
        if (classes is None) != (task == "regression") or (classes and len(classes) < 2):
            raise ValueError(f"{where} has classes {classes} for {task}: the file is damaged")
        scale = field(data, "target_scale", float, where)
        if scale <= 0:
            raise ValueError(f"{where} scales the target by {scale}: the file is damaged")
        mean = field(data, "target_mean", float, where)
        return cls(columns, field(data, "target_name", str, where), task, classes, mean, scale)


def _plan(data: Any) -> ColumnPlan:
    """One stored column; ValueError where a field is missing, wrong, or does not fit the others."""
    where = "a column of the preparation"
    flags = ("indicator", "pooled", "missing_level", "hours")
    plan = ColumnPlan(
        name=field(data, "name", str, where),
        kind=choice(data, "kind", KINDS_ENCODED, where),
        fill=field(data, "fill", (float, str, type(None)), where),
        levels=items(data, "levels", (str, int, bool, float), where),
        origin=field(data, "origin", (str, type(None)), where),
        center=items(data, "center", float, where),
        scale=items(data, "scale", float, where),
        limit=field(data, "limit", float, where),
        reading=choice(data, "reading", STORED, where),
        **{flag: field(data, flag, bool, where) for flag in flags},
    )
    where = f'column "{plan.name}" of the preparation'
    if not len(plan.center) == len(plan.scale) == len(plan.features):
        raise ValueError(f"{where} has lists of different lengths: the file is damaged")
    if plan.limit < 0:
        raise ValueError(f"{where} has a limit below 0: the file is damaged")
    if any(scale <= 0 for scale in plan.scale):
        raise ValueError(f"{where} has a scale that is not positive: the file is damaged")
    fills = {"number": float, "pixel": float, "boolean": float, "date": str}
    fits = type(plan.fill) is fills.get(plan.kind, type(plan.fill))
    if plan.kind == "boolean":
        fits = fits and len(plan.levels) == 2
    if plan.kind == "category":
        fits = all(type(v) is str for v in plan.levels) and len(set(plan.levels)) == len(
            plan.levels
        )
        fits = fits and (plan.fill in plan.levels if plan.single else plan.fill is None)
    if plan.kind == "date":
        fits = fits and _is_date(plan.fill) and _is_date(plan.origin)
    if not fits:
        raise ValueError(f"{where} has a fill or levels that do not fit: the file is damaged")
    return plan


def _is_date(text: Any) -> bool:
    try:
        return dt.datetime.fromisoformat(text).tzinfo is None and "W" not in text
    except (TypeError, ValueError):
        return False


def _require(table: Table, names: list[str]) -> None:
    gone = [name for name in names if name not in table.columns]
    if gone:
        told = ", ".join(f'"{name}"' for name in gone[:8]) + (", …" if len(gone) > 8 else "")
        raise ValueError(
            f"{table.source} lacks the column{'s' * (len(gone) > 1)} {told}: "
            "give a table with the columns of the training table"
        )


def _runs(plans: tuple[ColumnPlan, ...]) -> Iterator[list[ColumnPlan]]:
    """Neighbouring pixel columns together, every other column alone."""
    run: list[ColumnPlan] = []
    for plan in plans:
        if run and not (plan.kind == run[-1].kind == "pixel"):
            yield run
            run = []
        run.append(plan)
    if run:
        yield run


def _pixels(cells: list[Values], out: Matrix) -> None:
    """out = cells / 255   (n, d), a block of rows at a time: whole columns would miss the cache."""
    for start in range(0, len(out), _BLOCK):
        rows = slice(start, start + _BLOCK)
        np.divide(np.stack([c[rows] for c in cells], axis=1), 255.0, out=out[rows])


def _native(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="auto"))
    return value.item() if isinstance(value, np.generic) else value
