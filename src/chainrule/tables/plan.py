"""How the cells of one column become features, as plain data that a model file can hold."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from .reading import STORED_READINGS, TEXT
from .stored import Document, Label, check

ENCODED = ("number", "pixel", "boolean", "category", "date", "text")
"""The kinds of columns that have features; text has one, which says whether it is missing."""
OTHER = "(other)"
DATE_PARTS = ("year", "month", "day", "weekday", "year sin", "year cos", "days")


@dataclass(frozen=True)
class ColumnPlan(Document):
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
    levels: tuple[Label, ...] = ()
    pooled: bool = False
    missing_level: bool = False
    origin: str | None = None
    hours: bool = False
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    limit: float = 0.0
    reading: str | None = TEXT
    PLACE = "a column of the preparation"
    CHOICES = {"kind": ENCODED, "reading": STORED_READINGS}

    def check_fields(self) -> None:
        where = f'column "{self.name}" of the preparation'
        same = len(self.center) == len(self.scale) == len(self.features)
        check(same, f"{where} has lists of different lengths")
        check(self.limit >= 0, f"{where} has a limit below 0")
        check(all(s > 0 for s in self.scale), f"{where} has a scale that is not positive")
        check(self._fits(), f"{where} has a fill or levels that do not fit")

    @property
    def features(self) -> list[str]:
        """The names of the features that this column becomes."""
        missing = f"{self.name} missing"
        if self.kind == "category":
            names = [f"{self.name}={level}" for level in self.levels][self.single :]
            names += [f"{self.name}={OTHER}"] * self.pooled
            return names + [missing] * self.missing_level
        if self.kind == "text":
            return [missing]
        names = [self.name]
        if self.kind == "date":
            parts = (*DATE_PARTS, *["hour"] * self.hours)
            names = [f"{self.name} {part}" for part in parts]
        return names + [missing] * self.indicator

    @property
    def single(self) -> bool:
        """Whether a category of two levels is one 0/1 feature."""
        return len(self.levels) == 2 and not self.pooled and not self.missing_level

    def _fits(self) -> bool:
        """Whether `fill`, `levels` and `origin` are what this kind of column has."""
        if self.kind == "category":
            words = all(type(level) is str for level in self.levels)
            once = words and len(set(self.levels)) == len(self.levels)
            return once and (self.fill in self.levels if self.single else self.fill is None)
        if self.kind == "date":
            return _is_date(self.fill) and _is_date(self.origin)
        numeric = type(self.fill) is float and (self.kind != "boolean" or len(self.levels) == 2)
        return self.kind == "text" or numeric


def _is_date(text: Any) -> bool:
    try:
        return dt.datetime.fromisoformat(text).tzinfo is None and "W" not in text
    except (TypeError, ValueError):
        return False
