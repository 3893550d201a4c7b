"""From cells to numbers: what the training rows teach, applied to any table of the same columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import features
from .features import Matrix
from .plan import ColumnPlan
from .reading import check_reading
from .roles import to_numbers
from .schema import Schema
from .stored import Document, Label, check
from .table import Places, Table, Values, is_missing
from .target import TASKS, class_codes
from .words import listed, unique_names

_BLOCK = 512


@dataclass(frozen=True)
class RowStep:
    """One cell at each stage: raw, imputed, encoded and scaled; the last two hold one number per
    feature.

    `features` are their names, `places` their columns of X.
    """

    column: str
    raw: Any
    imputed: Any
    encoded: list[float]
    scaled: list[float]
    features: list[str]
    places: range


@dataclass(frozen=True)
class Preparation(Document):
    """X = (encoded - center) / scale   (n, d), column by column; learned from training rows only.

    Numbers: median for a missing cell, an indicator where training rows had missing ones, then
    mean 0 and deviation 1; with "robust" scaling median 0, 1 between the quartiles, and a smooth
    limit of 3, of every feature. Categories: one 0/1 feature per level, rare levels pooled, missing
    as a level. Booleans 0/1. Dates: their parts, and the days since the first. Pixels: / 255.
    """

    columns: tuple[ColumnPlan, ...]
    target_name: str
    task: str
    classes: tuple[Label, ...] | None = None
    target_mean: float = 0.0
    target_scale: float = 1.0
    PLACE = "the preparation"
    CHOICES = {"task": TASKS}

    @classmethod
    def fit(
        cls, table: Table, schema: Schema, rows: Places | None = None, *, scaling: str = "standard"
    ) -> Preparation:
        """The preparation learned from these rows; None: from every row that has a target.

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
        columns = (
            features.fit_column(c, table.columns[c.name][rows], robust=scaling == "robust")
            for c in schema.features()
        )
        mean, scale = 0.0, 1.0
        if schema.classes is None:
            y = to_numbers(schema.target, table.columns[schema.target][rows])
            mean, scale = features.mean_and_deviation(schema.target, y[~np.isnan(y)])
        return cls(tuple(columns), schema.target, schema.task, schema.classes, mean, scale)

    @property
    def feature_names(self) -> list[str]:
        """The d names of the features, such as "Age", "Age missing", "Sex=male"; no two alike."""
        return list(unique_names(name for plan in self.columns for name in plan.features))

    @property
    def places(self) -> dict[str, slice]:
        """Column of the table -> the columns of X that it becomes."""
        ends = np.cumsum([0, *(len(plan.features) for plan in self.columns)]).tolist()
        pairs = zip(self.columns, pairwise(ends), strict=True)
        return {plan.name: slice(*pair) for plan, pair in pairs}

    def transform(self, table: Table) -> Matrix:
        """X (n, d) of any table with the same columns; further columns are ignored.

        A missing cell without indicator gets the median; a category that is new gets the pooled
        feature, or zeros. ValueError: columns that are not there, text where a number is needed,
        a column of text that was read in another way than in training.
        """
        self._check(table)
        X, places = np.empty((len(table), len(self.feature_names))), self.places
        for kind, group in groupby(self.columns, key=lambda plan: plan.kind):
            plans = list(group)
            cells = [table.columns[plan.name] for plan in plans]
            if kind == "pixel" and all(c.dtype == np.uint8 for c in cells):
                _pixels(cells, X[:, places[plans[0].name].start : places[plans[-1].name].stop])
                continue
            for plan, values in zip(plans, cells, strict=True):
                X[:, places[plan.name]] = features.scaled(plan, features.encode(plan, values))
        return X

    def for_trees(self, table: Table) -> tuple[Matrix, list[bool]]:
        """(X (n, m), which of its columns are categories) as decision trees take it: numbers as
        they are, categories as codes, missing cells and new categories nan.
        """
        self._check(table)
        parts, categories = list[Matrix](), list[bool]()
        for plan in self.columns:
            values = table.columns[plan.name]
            encoded = features.encode(plan, values)
            unknown = is_missing(values) & (plan.kind != "text")
            if plan.kind == "category":
                unknown |= features.unseen(plan, values)
                encoded = encoded if plan.single else encoded.argmax(axis=1)[:, None].astype(float)
            elif plan.indicator:
                encoded = encoded[:, :-1]
            encoded[unknown] = np.nan
            parts.append(encoded)
            categories += [plan.kind == "category"] * encoded.shape[1]
        return np.hstack(parts), categories

    def _check(self, table: Table) -> None:
        _require(table, [plan.name for plan in self.columns])
        check_reading(table, self.columns)

    def unseen(self, table: Table) -> dict[str, int]:
        """Column -> how many of its cells hold a category that no training row held."""
        self._check(table)
        new = {p.name: int(features.unseen(p, table.columns[p.name]).sum()) for p in self.columns}
        return {name: count for name, count in new.items() if count}

    def target(self, table: Table) -> NDArray[Any]:
        """y (n,): (value - mean) / scale for a regression, int64 codes for classes.

        ValueError: no such column, a class that is new, a missing value.
        """
        _require(table, [self.target_name])
        values = table.columns[self.target_name]
        missing = np.flatnonzero(is_missing(values))
        if len(missing):
            fault = f'the target "{self.target_name}" is missing in row {missing[0] + 1}'
            raise ValueError(f"{fault}: leave out the rows without it")
        if self.classes is not None:
            return class_codes(self.target_name, values, self.classes)
        return (to_numbers(self.target_name, values) - self.target_mean) / self.target_scale

    def restore_target(self, values: Any) -> NDArray[Any]:
        """The table's own terms: values * scale + mean, or the label of each code."""
        values = np.asarray(values)
        if self.classes is None:
            return np.asarray(values.astype(np.float64) * self.target_scale + self.target_mean)
        labels = features.labels_of(self.classes)
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
        places = self.places
        cells = {p.name: features.reverse(p, X[:, places[p.name]]) for p in self.columns}
        return {name: values for name, values in cells.items() if values is not None}

    def steps(self, table: Table, row: int) -> list[RowStep]:
        """Each cell of one row, raw → imputed → encoded → scaled; all `scaled` make X[row]."""
        if not -len(table) <= row < len(table):
            raise ValueError(f"there is no row {row}: {table.source} has {len(table)} rows")
        self._check(table)
        names, places = self.feature_names, self.places
        steps = []
        for plan in self.columns:
            values, own = table.columns[plan.name][[row]], places[plan.name]
            encoded = features.encode(plan, values)
            raw = None if is_missing(values)[0] else _native(values[0])
            imputed = _native(features.impute(plan, values)[0])
            x = features.scaled(plan, encoded)[0].tolist()
            span = range(own.start, own.stop)
            steps.append(RowStep(plan.name, raw, imputed, encoded[0].tolist(), x, names[own], span))
        return steps

    def check_fields(self) -> None:
        once = 0 < len({plan.name for plan in self.columns}) == len(self.columns)
        check(once, "the preparation has no columns, or one twice")
        regression = self.task == "regression"
        fits = self.classes is None if regression else len(self.classes or ()) > 1
        check(fits, f"the preparation has classes {self.classes} for {self.task}")
        check(self.target_scale > 0, f"the preparation scales the target by {self.target_scale}")


def _require(table: Table, names: list[str]) -> None:
    absent = [name for name in names if name not in table.columns]
    if absent:
        fault = f"{table.source} lacks the column{'s' * (len(absent) > 1)} {listed(absent, 8)}"
        raise ValueError(f"{fault}: give a table with the columns of the training table")


def _pixels(cells: list[Values], out: Matrix) -> None:
    """out = cells / 255   (n, d), a block of rows at a time: whole columns would miss the cache."""
    for start in range(0, len(out), _BLOCK):
        rows = slice(start, start + _BLOCK)
        np.divide(np.stack([c[rows] for c in cells], axis=1), 255.0, out=out[rows])


def _native(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="auto"))
    return value.item() if isinstance(value, np.generic) else value
