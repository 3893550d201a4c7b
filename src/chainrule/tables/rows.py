"""From rows of a table to the numbers that a network learns from: which rows count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .prepare import Preparation
from .reading import check_reading
from .schema import Schema, row_weights, rows_that_count
from .table import Table, is_missing
from .words import several

Array = NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """Rows of a table and what a preparation makes of them: X (n, d), y (n,), weight (n,) or None.
    `places` (n,) are their numbers in `table`, counted from 0.
    """

    table: Table
    places: Array
    X: Array
    y: Array
    weight: Array | None

    @classmethod
    def of(cls, table: Table, places: Array, preparation: Preparation, schema: Schema) -> Rows:
        """The given rows of a table, which have a target."""
        rows, y, weight = labelled(preparation, schema, table.take(places))
        return cls(table, places, preparation.transform(rows), y, weight)

    def __len__(self) -> int:
        return len(self.X)

    @property
    def as_table(self) -> Table:
        """These rows of the table."""
        return self.table.take(self.places)


def counted_rows(table: Table, schema: Schema) -> tuple[Array, list[str]]:
    """`rows_that_count` of a schema; ValueError if no row counts."""
    if schema.target not in table.columns:
        fault = f'{table.source} has no column "{schema.target}"'
        raise ValueError(f"{fault}: scoring needs the true answers")
    if is_missing(table.columns[schema.target]).all():
        raise ValueError(f'column "{schema.target}" of {table.source} is empty: nothing to score')
    places, notes = rows_that_count(table, schema.target, schema.weight)
    if len(places) == 0:
        raise ValueError(f"every row of {table.source} has weight 0: give some a weight above 0")
    return places, notes


def class_weighted(
    rows: Rows, preparation: Preparation, class_weight: str | Mapping[Any, float] | None
) -> Array | None:
    """The weights (n,) of rows, times those of their classes: "balanced" or {class: weight}.

    Raises ValueError for any other value, an unknown class, and a target that is a number.
    """
    if class_weight is None:
        return rows.weight
    if preparation.classes is None:
        raise ValueError("class_weight is for classes, but the target is a number")
    if class_weight != "balanced" and not isinstance(class_weight, Mapping):
        fix = 'give "balanced" or a dict from class to weight'
        raise ValueError(f"class_weight is {class_weight!r}: {fix}")
    from sklearn.utils.class_weight import compute_sample_weight  # type: ignore[import-untyped]

    own: Array = compute_sample_weight(class_weight, preparation.restore_target(rows.y))
    return own if rows.weight is None else own * rows.weight


def labelled(
    preparation: Preparation, schema: Schema, table: Table
) -> tuple[Table, Array, Array | None]:
    """(the rows that count, their codes or scaled numbers, their weights or None)."""
    check_reading(table, [c for c in schema.columns if c.role in ("target", "weight")])
    rows = table.take(counted_rows(table, schema)[0])
    weight = row_weights(rows, schema.weight) if schema.weight in rows.columns else None
    return rows, preparation.target(rows), weight


def unseen_notes(preparation: Preparation, table: Table) -> list[str]:
    """A sentence for each column of this table with categories that no training row held."""
    return [
        f"{count} of {several(len(table), 'row')} hold{'s' * (count == 1)} a value of "
        f'"{name}" that no training row held'
        for name, count in preparation.unseen(table).items()
    ]
