"""What each column of a table is, which one is to be predicted, and as what."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reading import STORED_READINGS, first_unread, native
from .roles import counts, first_non_number, judge, numbers_of
from .stored import Document, Label, check, require
from .table import Places, Table, Values, is_missing
from .target import TASKS, infer_task
from .words import listed, several

USABLE = ("number", "category", "boolean", "date", "pixel")
KINDS = (*USABLE, "text", "identifier", "constant", "drop")
ROLES = ("feature", "target", "weight", "group", "time", "left out")
_FEWEST_ROWS = 5
_LEAST_WEIGHT = 1e-280
_REPEATED = re.compile(r"(, |^)\d+ (distinct values?|levels?)$")
_EXPECTED = {"pixel": "whole numbers from 0 to 255", "date": "dates", "boolean": "two values"}


@dataclass(frozen=True)
class Column(Document):
    """One column: its kind (of KINDS), its role (of ROLES), why, and what was counted.

    `reading` says how its cells are read where they are text; None if that is unknown.
    """

    name: str
    kind: str
    role: str
    why: str
    missing: int
    distinct: int
    reading: str | None
    PLACE = "a column of the schema"
    CHOICES = {"kind": KINDS, "role": ROLES, "reading": STORED_READINGS}

    def check_fields(self) -> None:
        check(min(self.missing, self.distinct) >= 0, f"{self.PLACE} counts fewer than no values")

    @property
    def short_why(self) -> str:
        """`why` without the count, which another field has."""
        return _REPEATED.sub("", self.why)


@dataclass(frozen=True)
class Schema(Document):
    """The columns of a table, the target among them, and the task.

    `task` is "binary", "multiclass" or "regression"; `classes` are the sorted values of the target
    (None for a regression). `weight`, `group` and `time` name columns that play these parts.
    """

    columns: tuple[Column, ...]
    target: str
    task: str
    classes: tuple[Label, ...] | None = None
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    notes: tuple[str, ...] = ()
    PLACE = "the schema"
    CHOICES = {"task": TASKS}

    def features(self) -> list[Column]:
        """The columns that the network sees, in the order of the table."""
        return [column for column in self.columns if column.role == "feature"]

    @property
    def reading(self) -> dict[str, str]:
        """Column -> how its text is read, for read_table(…, reading=…): as the training table's.

        A column whose reading is unknown is not in it: then its cells decide.
        """
        used = (column for column in self.columns if column.role != "left out")
        return {column.name: column.reading for column in used if column.reading is not None}

    def check_fields(self) -> None:
        names, classes = {column.name for column in self.columns}, self.classes or ()
        check(len(names) == len(self.columns), "the schema names a column twice")
        check(len({*map(repr, classes)}) == len(classes), "the schema names a class twice")
        sizes = {"regression": self.classes is None, "binary": len(classes) == 2}
        fits = sizes.get(self.task, len(classes) > 2)
        check(fits, f"the schema has classes {self.classes} for {self.task}")
        for part in ("weight", "group", "time", "target"):
            name = getattr(self, part)
            check(name is None or name in names, f'the schema has no column "{name}" for {part}')


def infer_schema(
    table: Table,
    target: str,
    *,
    task: str | None = None,
    roles: Mapping[str, str] | None = None,
    drop: Iterable[str] = (),
    group: str | None = None,
    time: str | None = None,
    weight: str | None = None,
) -> Schema:
    """The kind and role of every column, and the task, from the rows that have a target.

    `task` ("binary", "multiclass", "classification", "regression") and `roles` (column -> kind)
    override what is inferred; `drop` leaves columns out; `group`, `time` and `weight` name columns.
    A whole-number, boolean or text target with at most 20 distinct values is classes.

    ValueError: a name that is not there, a target that is constant, missing or of no use for the
    task, a kind that the values of its column do not allow, weights that are negative, no usable
    feature, fewer than 5 rows.
    """
    drop, roles = [drop] if isinstance(drop, str) else list(drop), dict(roles or {})
    kinds = roles | dict.fromkeys(drop, "drop")
    parts = {"weight": weight, "group": group, "time": time}
    _check_names(table, target, roles, drop, parts)
    missing = is_missing(table.columns[target])
    if missing.all():
        raise ValueError(f'every value of the target "{target}" is missing: choose another column')
    rows, notes = rows_that_count(table, target, weight)
    used = table.take(rows) if len(rows) < len(table) else table
    if weight is not None:
        _check_total(row_weights(used, weight), weight)
    if len(rows) < _FEWEST_ROWS:
        what = f"rows with a target{' and a weight above 0' if weight else ''}"
        raise ValueError(f"{table.source} has {len(rows)} {what}: give at least {_FEWEST_ROWS}")
    task, classes, levels = infer_task(target, used.columns[target], task)
    why, kind = f"{task}, {len(levels)} distinct values", "category" if classes else "number"
    counted = (int(missing.sum()), len(levels), _reading(table, target))
    used_as = {name: part for part, name in reversed(parts.items())}
    columns = [
        Column(name, kind, "target", why, *counted)
        if name == target
        else _describe(used, name, kinds.get(name), used_as.get(name))
        for name in table.names
    ]
    columns = _with_a_feature(columns, table, target, kinds)
    return Schema(tuple(columns), target, task, classes, weight, group, time, tuple(notes))


def rows_that_count(table: Table, target: str, weight: str | None) -> tuple[Places, list[str]]:
    """(the places of the rows with a target and a weight above 0, notes of the others)."""
    places = np.flatnonzero(~is_missing(table.columns[target]))
    bare = len(table) - len(places)
    notes = [f'{several(bare, "row")} without "{target}" dropped'] if bare else []
    if weight in table.columns:
        heavy = row_weights(table.take(places), weight) > 0
        light = int(np.sum(~heavy))
        notes += [f"{several(light, 'row')} of weight 0 left out"] if light else []
        places = places[heavy]
    return places, notes


def describe_columns(table: Table) -> list[Column]:
    """What each column of a table looks like when no target is chosen yet."""
    return [_describe(table, name, None, None) for name in table.names]


def column_rows(columns: Sequence[Column], limit: int) -> list[dict[str, Any]]:
    """The columns as rows for a person, without fields that are empty in all of them. Where there
    are more than `limit` columns: how many have each role and kind.
    """
    if len(columns) > limit:
        kinds = Counter((c.role, c.kind) for c in columns)
        return [{"columns": n, "role": r, "kind": k} for (r, k), n in kinds.most_common()]
    keys = ("name", "role", "kind", "missing", "distinct")
    rows = [{key: getattr(c, key) for key in keys} | {"why": c.short_why} for c in columns]
    return [{key: row[key] for key in row if any(r[key] for r in rows)} for row in rows]


def closest(name: str, names: Sequence[str]) -> str:
    """A hint at the names most like `name`, else at all of them."""
    by_case = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), list(by_case), n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f'"{by_case[n]}"' for n in close) + "?"
    return f"the columns are {listed(names, 12)}"


def _check_names(
    table: Table, target: str, roles: dict[str, str], drop: list[str], parts: dict[str, str | None]
) -> None:
    named = [("target", target), *(("role", n) for n in roles), *(("drop", n) for n in drop)]
    named += [(part, name) for part, name in parts.items() if name is not None]
    for part, name in named:
        if name not in table.columns:
            fault = f'there is no column "{name}" for {part} in {table.source}'
            raise ValueError(f"{fault}: {closest(name, table.names)}")
        if part != "target" and name == target:
            raise ValueError(f'"{name}" is the target and cannot be {part} as well: choose another')
    for name, kind in roles.items():
        if kind not in KINDS:
            raise ValueError(f'"{kind}" for "{name}" is no kind: choose from {", ".join(KINDS)}')
    if len(table.names) == 1:
        fix = "give a table with features beside the target, or check its delimiter"
        raise ValueError(f'{table.source} has one column only ("{target}"): {fix}')
    _check_twins(table, target, {*drop, *(name for name in roles if roles[name] == "drop")})
    if parts["time"] is not None:
        _check_time(table, parts["time"])


def _check_time(table: Table, name: str) -> None:
    """ValueError for text, whose order is the alphabet's: "week 10" before "week 2"."""
    values = table.columns[name]
    words = values[~is_missing(values)]
    if values.dtype == object and len(words):
        fault = f'the time column "{name}" holds text such as "{words[0]}"'
        raise ValueError(
            f"{fault}, which has no order in time: choose a column of numbers or dates"
        )


def _check_twins(table: Table, target: str, dropped: set[str]) -> None:
    """ValueError where another column had the target's name: most likely it holds the answer."""
    original = table.doubled.get(target, target)
    twins = [original, *(new for new, old in table.doubled.items() if old == original)]
    left = [name for name in twins if name != target and name not in dropped]
    if left and len(twins) > 1:
        called = f'{len(twins)} columns called "{original}", read as {listed(twins)}'
        raise ValueError(f"{table.source} has {called}: rename one, or drop all but the target")


def _describe(table: Table, name: str, wanted: str | None, part: str | None) -> Column:
    values = table.columns[name]
    levels = counts(values)
    missing, distinct = len(values) - sum(levels.values()), len(levels)
    kind, why = judge(name, values, levels)
    numbers = (missing, distinct, _reading(table, name))
    if part is not None:
        return Column(name, kind, part, f"used as {part} only", *numbers)
    if wanted == "drop":
        return Column(name, kind, "left out", "left out as asked", *numbers)
    if wanted is not None:
        _check_kind(name, values, wanted, distinct, table.source)
        kind, why = wanted, "chosen by you"
    role = "feature" if kind in USABLE else "left out"
    if kind in ("text", "identifier") and 0.02 <= missing / len(values) <= 0.98:
        role = "feature"
        why += "; left out, but whether it is missing is kept"
    return Column(name, kind, role, why, *numbers)


def _reading(table: Table, name: str) -> str:
    return table.reading.get(name) or native(table.columns[name])


def _check_kind(name: str, values: Values, kind: str, distinct: int, source: str) -> None:
    """ValueError where the values of a column cannot be what the caller says."""
    if kind == "number" and (wrong := first_non_number(values)):
        raise ValueError(
            f'column "{name}" of {source} cannot be a number: row {wrong[0] + 1} holds '
            f'"{wrong[1]}": choose category, or leave it out'
        )
    fits = {
        "pixel": values.dtype.kind in "iuf"
        and bool(np.all((values >= 0) & (values <= 255) & (values == np.floor(values)))),
        "date": values.dtype.kind == "M",
        "boolean": distinct == 2,
    }
    fault = f'column "{name}" of {source} cannot be {kind}'
    require(fits.get(kind, True), f"{fault}: it does not hold {_EXPECTED.get(kind)}")
    require(distinct > 0 or kind not in USABLE, f"{fault}: it has no values")


def _with_a_feature(
    columns: list[Column], table: Table, target: str, chosen: Mapping[str, str]
) -> list[Column]:
    """The columns with at least one feature: a lone column that counts the rows becomes one."""
    if any(column.role == "feature" for column in columns):
        return columns
    for i, column in enumerate(columns):
        free = column.role == "left out" and column.name not in chosen
        if free and (column.kind, column.why) == ("identifier", "counts the rows"):
            number = dataclasses.replace(column, kind="number", role="feature", why="numbers")
            return [*columns[:i], number, *columns[i + 1 :]]
    reasons = "; ".join(f'"{c.name}": {c.why}' for c in columns if c.role == "left out")
    fault = f'{table.source} has no usable feature beside the target "{target}" ({reasons})'
    raise ValueError(f"{fault}: add a column, or choose a kind for one")


def row_weights(table: Table, weight: str) -> NDArray[np.float64]:
    """The weights (n,) of the rows; ValueError when one is missing, negative or no number."""
    values = table.columns[weight]
    bad = first_unread(values) or first_non_number(values)
    if bad is None:
        numbers = numbers_of(values)
        wrong = np.flatnonzero(~(numbers >= 0))
        if not len(wrong):
            return numbers
        bad = (int(wrong[0]), str(numbers[wrong[0]]))
    fault = f'the weight column "{weight}" holds {bad[1]} in row {bad[0] + 1}'
    raise ValueError(f"{fault}: weights are finite numbers from 0 up")


def _check_total(weights: NDArray[np.float64], name: str) -> None:
    """ValueError unless the sum of all weights is a number that can be divided by."""
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not _LEAST_WEIGHT <= total < np.inf:
        what = f"sum to {total:g}" if weights.any() else "are all 0"
        fault = f'the weights in column "{name}" {what}'
        raise ValueError(f"{fault}: give weights around 1, at least one above 0")
