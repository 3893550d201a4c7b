"""What the table estimators take: frames, files, columns or numbers become tables."""

import os
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from ..core.arrays import Array
from ..tables import Table, read_table
from ..tables.table import as_text, is_missing
from .mlp_base import in_numpy
from .parameters import Parameters


class TableInput(Parameters):
    """Rows to fit and to answer, with scikit-learn's checks of names and numbers of columns."""

    def _table(self, X: Any, y: Any, sample_weight: Any) -> tuple[Table, str, str | None]:
        """The rows with their target and weights as columns, and the names of these."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: give "
                "the name of its column or its values"
            )
        self._named = isinstance(y, str)  # then rows to answer may hold more columns, as files do
        if self._named and isinstance(X, np.ndarray):
            raise ValueError(f'y is "{y}", but X is an array without names: give the values of y')
        table = self._rows(X, reset=not self._named)
        if not self._named:
            table, target = self._joined(table, y)
        elif y in table.columns:
            target = y
            self._set_features([name for name in table.names if name != target])
        else:
            raise ValueError(f'there is no column "{y}": columns are {", ".join(table.names)}')
        if len(table) == 1:
            raise ValueError(f"{type(self).__name__} got 1 sample: it needs two rows at least")
        if sample_weight is None:
            return table, target, None
        weight = self._free("sample_weight", table)
        values = _check_sample_weight(sample_weight, np.empty((len(table), 1)))
        return _with(table, weight, values), target, weight

    def _joined(self, table: Table, y: Any) -> tuple[Table, str]:
        """The rows with the values of y as a column, and its name."""
        values = column_or_1d(in_numpy(y), warn=True)
        if values.dtype.kind == "f":
            assert_all_finite(values, input_name="y")
        if len(values) != len(table):
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: "
                f"[{len(table)}, {len(values)}]"
            )
        name = str(getattr(y, "name", None) or "target")
        target = self._free(name, table)
        whole = _with(table, target, values)
        y_cells = whole.columns[target]
        lost = np.flatnonzero(is_missing(y_cells))
        if len(lost):
            raise ValueError(
                f"y[{lost[0]}] is {values[lost[0]]!r}, which a table reads as missing: "
                "leave those rows out, or rename that class"
            )
        self._targets(values)
        if target != name and np.array_equal(as_text(table.columns[name]), as_text(y_cells)):
            raise ValueError(
                f'X still holds the column "{name}" that y is: give y="{name}", or drop it from X'
            )
        return whole, target

    def _targets(self, values: Array) -> None:
        """Raise ValueError for targets of another kind."""

    def _free(self, name: str, table: Table) -> str:
        while name in table.columns:
            name = f"{name}_"
        return name

    def _set_features(self, names: list[str]) -> None:
        self.n_features_in_ = len(names)
        self.feature_names_in_ = np.array(names, dtype=object)

    def _rows(self, X: Any, *, reset: bool, reading: Any = None) -> Table:
        """A table of whatever holds one; numbers (n, columns) get the names x0, x1, …

        Without names the columns to answer are those that were fitted, by their places.
        """
        if hasattr(X, "toarray"):
            raise TypeError(
                "Sparse data was passed, but dense data is required. Use '.toarray()' to convert "
                "to a dense numpy array."
            )
        if isinstance(X, str | os.PathLike | dict | Table):
            table = read_table(X, reading=reading)
            if reset:
                self._set_features(table.names)
            return table
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            if not self._named:
                validate_data(self, X, reset=reset, skip_check_array=True)
            table = read_table(X, reading=reading)
            if reset:
                self._names = table.names
            if self._named or hasattr(self, "feature_names_in_") or table.names == self._names:
                return table
            return read_table(dict(zip(self._names, table.columns.values(), strict=True)))
        matrix = validate_data(
            self, in_numpy(X), reset=reset, dtype=None, ensure_all_finite="allow-nan",
            accept_sparse=False,
        )  # fmt: skip
        if reset:
            self._names = [f"x{i}" for i in range(matrix.shape[1])]
        names = getattr(self, "feature_names_in_", self._names)
        return read_table(dict(zip(map(str, names), matrix.T, strict=True)))


def _with(table: Table, name: str, values: Array) -> Table:
    """The table with a column more."""
    more = read_table({name: values})
    return Table(
        {**table.columns, **more.columns}, table.source, table.notes,
        {**table.reading, **more.reading}, table.doubled,
    )  # fmt: skip
