"""A table in memory: named columns of equal length, whatever file or frame they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Places = NDArray[np.int64]
"""The numbers of rows, counted from 0."""

# A cell that holds one of these and nothing else is missing; longer text that contains one is not.
MISSING_MARKERS = (
    *("", "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "Null"),
    *("None", "none", "?", "-"),
)


@dataclass(frozen=True)
class Table:
    """Named columns of n rows each.

    `columns` maps a name to a 1-D array of one of these types: float64 (missing: nan), int64,
    bool, datetime64[us] (missing: NaT), uint8 (pixels), object of str (missing: None). Whole
    numbers with missing values are float64; booleans with missing values are object with True,
    False and None. `source` says where the table came from, `notes` what was done while reading.
    `reading` maps a column that was text to how its cells were read ("number 1.234,5"), `doubled`
    a column that was renamed because its name occurred twice to its original name.
    """

    columns: dict[str, Values]
    source: str
    notes: tuple[str, ...] = ()
    reading: Mapping[str, str] = field(default_factory=dict)
    doubled: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """n, the number of rows."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def names(self) -> list[str]:
        """The names of the columns in their order."""
        return list(self.columns)

    def take(self, rows: Values | Sequence[int]) -> Table:
        """The given rows (n',) in the given order."""
        rows = np.asarray(rows)
        rows = rows if rows.size else rows.astype(np.int64)
        return replace(self, columns={name: v[rows] for name, v in self.columns.items()})

    def without(self, names: Iterable[str]) -> Table:
        """The table without the named columns; names that are not there are ignored."""
        dropped = set(names)
        return replace(self, columns={n: v for n, v in self.columns.items() if n not in dropped})

    def sha256(self) -> str:
        """SHA-256 of the content in hex: names, values and missing cells, in their order.

        The same content gives the same hash from CSV, Parquet, SQLite or a data frame: whole
        numbers hash as the float64 they equal wherever float64 holds them exactly.
        """
        digest = hashlib.sha256()
        for name, values in self.columns.items():
            kind, data = _canonical(values)
            digest.update(json.dumps([name, kind, len(values), len(data)]).encode())
            digest.update(data)
        return digest.hexdigest()


def _canonical(values: Values) -> tuple[str, bytes]:
    if values.dtype == object:
        lengths = [-1 if v is None else len(str(v).encode()) for v in values]
        text = "".join("" if v is None else str(v) for v in values)
        return "text", np.array(lengths, "<i8").tobytes() + text.encode()
    if values.dtype.kind == "M":
        return "date", values.astype("datetime64[us]").astype("<i8").tobytes()
    whole = values.dtype.kind in "iu"
    if whole and np.abs(values.astype(np.float64)).max(initial=0) >= 2**53:
        return "integer", values.astype("<i8").tobytes()
    numbers = values.astype("<f8") + 0.0
    numbers[np.isnan(numbers)] = np.nan
    return "number", numbers.tobytes()


def is_missing(values: Values) -> NDArray[np.bool_]:
    """True where a cell (n,) is missing: nan, NaT or None."""
    if values.dtype == object:
        return np.fromiter((v is None for v in values), bool, len(values))
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "M":
        return np.isnat(values)
    return np.zeros(len(values), bool)


def cell_text(value: Any) -> str | None:
    """One cell as text, the same for 1, 1.0 and "1": None when it is missing."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if number != number:
            return None
        return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    return str(value)


def as_text(values: Values) -> list[str | None]:
    """Each cell (n,) as text, missing ones None; whole numbers have no decimal point."""
    if values.dtype == object:
        return [v if v is None or type(v) is str else cell_text(v) for v in values.tolist()]
    return [cell_text(v) for v in (values if values.dtype.kind == "M" else values.tolist())]


def finish(table: Table, row_name: str = "row") -> Table:
    """The checked table: one dimension, equal lengths, a row at least, no number or date beyond
    what can be computed with.
    """
    columns, source = table.columns, table.source
    lengths = {name: len(values) for name, values in columns.items()}
    if not columns or not any(lengths.values()):
        raise ValueError(f"{source} has no rows: give a table with a header and some rows of data")
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f'"{name}" has {n}' for name, n in list(lengths.items())[:4])
        raise ValueError(f"the columns of {source} differ in length: {counts} values")
    for name, values in columns.items():
        _check_range(values, f'{source}: column "{name}"', row_name)
    return table


def microseconds(name: str, values: Values) -> Values:
    """Dates (n,) of any unit as datetime64[us]; ValueError for one outside the years 1 to 9999."""
    _check_range(values, f'column "{name}"', "row")
    return values.astype("datetime64[us]")


def _check_range(values: Values, where: str, row_name: str) -> None:
    """ValueError for a cell (n,) that is infinite, or a date outside the years 1 to 9999."""
    wrong, fitting = np.zeros(0, bool), "finite number"
    if values.dtype.kind == "f":
        wrong = np.isinf(values)
    elif values.dtype.kind == "M":
        years, fitting = values.astype("datetime64[Y]"), "date of the years 1 to 9999"
        wrong = (years < np.datetime64("0001")) | (years > np.datetime64("9999"))
    if wrong.any():
        row = int(np.argmax(wrong))
        fault = f"{where} holds {values[row]} in {row_name} {row + 1}"
        raise ValueError(f"{fault}: replace it with a {fitting} or leave the cell empty")
