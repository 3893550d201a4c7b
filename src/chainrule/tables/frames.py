"""Columns from Python values and from data frames (anything narwhals understands)."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping
from typing import Any

import numpy as np

from .sql import Relation, connect, first_line
from .table import Table, Values, cell_text, finish, microseconds
from .typed import plain, typed_columns

NAT = np.datetime64("NaT")


def read_frame(frame: Any, reading: Mapping[str, str]) -> Table:
    """The table in a data frame: pandas, polars (lazy as well), pyarrow, or what narwhals takes.

    Text that holds numbers, dates or missing markers in every cell is read as a file's would be.
    TypeError: `frame` is not a data frame. ValueError: no rows, repeated column names.
    """
    import narwhals as nw
    from narwhals.exceptions import NarwhalsError

    try:
        native = nw.from_native(frame)
    except TypeError:
        fix = "give a path, a list of paths, a data frame or a dict of columns"
        raise TypeError(f"{type(frame).__name__} is not a table: {fix}") from None
    try:
        if isinstance(native, nw.LazyFrame):
            native = native.collect()
        columns = {str(n): _series(str(n), native.get_column(n)) for n in native.columns}
    except (NarwhalsError, OverflowError) as error:
        raise ValueError(f"the data frame cannot be read: {first_line(error)}") from None
    if len(columns) < len(native.columns):
        raise ValueError("the data frame has two columns of one name: rename one")
    return typed_table(columns, "data frame", reading)


def read_mapping(columns: Mapping[Any, Any], reading: Mapping[str, str]) -> Table:
    """The table in a dict of equally long columns: arrays, lists or series.

    ValueError: no rows, columns that differ in length or have more than one dimension.
    """
    if len({str(name) for name in columns}) < len(columns):
        raise ValueError("the dict has two columns of one name: rename one")
    result: dict[str, Values] = {}
    for name, column in columns.items():
        if np.ndim(column) != 1 and not hasattr(column, "to_list"):
            fault = f'column "{name}" has {np.ndim(column)} dimensions'
            raise ValueError(f"{fault}: give one value for each row")
        result[str(name)] = from_values(str(name), column)
    return typed_table(result, "dict of columns", reading)


def typed_table(
    columns: dict[str, Values],
    source: str,
    reading: Mapping[str, str],
    doubled: Mapping[str, str] | None = None,
) -> Table:
    """The table of these columns, those of text typed as in a file: by `reading` or their cells."""
    lengths = {len(values) for values in columns.values()}
    text = [n for n, v in columns.items() if v.dtype == object and any(type(c) is str for c in v)]
    readings: dict[str, str] = {}
    notes: list[str] = []
    if text and len(lengths) == 1:
        with connect() as con:
            con.register("source", {f"c{i}": columns[name] for i, name in enumerate(text)})
            relation = Relation(con, "source")
            typed, readings, notes = typed_columns(relation, text, reading=reading)
        columns = {**columns, **typed}
    return finish(Table(columns, source, tuple(notes), readings, doubled or {}))


def from_values(name: str, values: Any) -> Values:
    """A column (n,) from an array, a list or a series, in the types of a `Table`."""
    if not isinstance(values, np.ndarray) and hasattr(values, "to_list"):
        values = values.to_list()
    if np.ma.is_masked(values):
        if values.dtype.kind in "iuf":
            return plain(values)
        values = values.filled(NAT) if values.dtype.kind == "M" else values.tolist()
    elif isinstance(values, np.ma.MaskedArray):
        values = np.ma.getdata(values)
    if not isinstance(values, np.ndarray):
        return from_objects(list(values))
    if values.dtype.kind == "M":
        return microseconds(name, values)
    if values.dtype.kind == "b" or values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype.kind in "iu" and int(values.max(initial=0)) < 2**63:
        return values.astype(np.int64)
    return from_objects(values.tolist())


def from_objects(values: list[Any]) -> Values:
    """A column from Python objects: numbers when all are, dates when all are, else text."""
    cells = [_cell(v) for v in values]
    kinds = {type(c) for c in cells if c is not None}
    missing = None in cells
    if not kinds:
        return np.full(len(cells), np.nan)
    if kinds == {bool}:
        return np.array(cells, object if missing else bool)
    if kinds <= {int, float, bool}:
        whole = float not in kinds and not missing
        longest = max((abs(c) for c in cells if isinstance(c, int)), default=0)
        if longest < (2**63 if whole else 2**53):
            numbers = [np.nan if c is None else c for c in cells]
            return np.array(numbers, np.int64 if whole else np.float64)
    if kinds == {dt.datetime}:
        return np.array([NAT if c is None else c for c in cells], "datetime64[us]")
    stamps = (np.datetime64(c, "us") if type(c) is dt.datetime else c for c in cells)
    return np.array([cell_text(c) for c in stamps], object)


def _cell(value: Any) -> Any:
    """One Python object as None, bool, int, float, datetime or str."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, decimal.Decimal):
        value = None if value.is_nan() else float(value)
    if type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    if isinstance(value, dt.datetime):
        utc = value.astimezone(dt.UTC) if value.tzinfo else value
        return dt.datetime(*utc.timetuple()[:6], utc.microsecond)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    return value if type(value) in (bool, int, float, str) else str(value)


def _series(name: str, series: Any) -> Values:
    """One narwhals series in the types of a `Table`."""
    import narwhals as nw

    kind = series.dtype
    if kind.is_float():
        return np.asarray(series.cast(nw.Float64).to_numpy(), np.float64)
    narrow = kind.is_integer() and kind not in (nw.UInt64, nw.Int128, nw.UInt128)
    if (narrow or kind == nw.Boolean) and not series.null_count():
        return np.asarray(series.to_numpy(), np.int64 if narrow else bool)
    if kind in (nw.Date, nw.Datetime) and getattr(kind, "time_zone", None) is None:
        stamps = np.asarray(series.to_numpy())
        if stamps.dtype.kind == "M":
            return microseconds(name, stamps)
    if kind in (nw.Categorical, nw.Enum):
        series = series.cast(nw.String)
    return from_objects(series.to_list())
