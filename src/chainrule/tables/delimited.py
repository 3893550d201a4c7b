"""Delimited text through DuckDB, with every guess about it checked against its first lines."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoding import Decoded, chunks, decode
from .table import MISSING_MARKERS, Table, finish
from .typed import typed_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEAD = 1 << 18
_LINES = 200
_USUAL = "\t;|,"
_RARE = "^~:# "
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?%?")


@dataclass(frozen=True)
class Dialect:
    """How the lines of a file are cut into cells."""

    delimiter: str
    quote: str = '"'
    escape: str = '"'

    def reader(self, lines: Iterable[str], *, strict: bool = False) -> Any:
        """The records of the lines as the csv module cuts them."""
        doubled = self.escape == self.quote
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            doublequote=doubled,
            escapechar=None if doubled else self.escape,
            strict=strict,
        )


def read_delimited(path: Path, con: DuckDBPyConnection, delimiter: str | None = None) -> Table:
    """The table in a delimited text file; every column typed by all of its cells.

    ValueError: an empty or binary file, a header without rows, a row with more or fewer cells than
    the header, a quote that is never closed, an infinite number.
    """
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        text = decode(path, Path(folder))
        head = _head(text.path)
        dialect = find_dialect(head, delimiter)
        names, has_header, notes = _names(path, head, dialect)
        width, decimal = len(names), dialect.delimiter != ","
        if head[:1] in "\r\n":
            text, dialect = _rewrite(path, text, dialect, width, Path(folder)), Dialect(",")
        import duckdb

        try:
            relation = _relation(text, dialect, width, has_header)
            columns, more = typed_columns(con, relation, names, comma_is_decimal=decimal)
        except duckdb.Error:
            text = _rewrite(path, text, dialect, width, Path(folder))
            relation = _relation(text, Dialect(","), width, has_header)
            try:
                columns, more = typed_columns(con, relation, names, comma_is_decimal=decimal)
            except duckdb.Error as error:
                raise ValueError(f"{path} cannot be read: {_first_line(error)}") from None
    if has_header and not len(next(iter(columns.values()))):
        raise ValueError(f"{path} holds only a header: add some rows of data")
    return finish(columns, str(path), (*text.notes, *notes, *more), "data row")


def _head(path: Path) -> str:
    """The first lines of a UTF-8 file, cut behind the last complete one."""
    data = b""
    for chunk in chunks(path):
        data += chunk[: _HEAD - len(data)]
        if len(data) >= _HEAD:
            data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1] or data
            break
    return data.decode("utf-8-sig", "ignore")


def find_dialect(head: str, delimiter: str | None = None) -> Dialect:
    """The dialect whose cells are the same in number in every line of `head`."""
    first = head.lstrip().split("\n", 1)[0].rstrip()
    quote = "'" if re.fullmatch(r"'[^'\"]*'([\t;|,]'[^'\"]*')+", first) else '"'
    escape = "\\" if f"\\{quote}" in head and quote * 2 not in head else quote
    if delimiter is not None:
        return Dialect(delimiter, quote, escape)
    best, best_share = ",", 0.0
    for candidate in _USUAL:
        share = _agreement(head, Dialect(candidate, quote, escape))
        if share > best_share:
            best, best_share = candidate, share
    if best_share == 0:
        for candidate in _RARE:
            if _agreement(head, Dialect(candidate, quote, escape), rare=True) == 1:
                return Dialect(candidate, quote, escape)
    return Dialect(best, quote, escape)


def _records(head: str, dialect: Dialect) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for row in filter(None, dialect.reader(io.StringIO(head, newline=""))):
            records.append(row)
            if len(records) == _LINES:
                break
    except csv.Error:
        pass
    return records


def _agreement(head: str, dialect: Dialect, *, rare: bool = False) -> float:
    """The share of records as wide as the first; 0 when that has one cell only."""
    records = _records(head, dialect)
    if not records or len(records[0]) < 2 or (rare and len(records) < 2):
        return 0.0
    if rare and not all(_is_number(c) or c in MISSING_MARKERS for r in records[1:] for c in r):
        return 0.0
    return sum(len(row) == len(records[0]) for row in records) / len(records)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _names(path: Path, head: str, dialect: Dialect) -> tuple[list[str], bool, list[str]]:
    """The names of the columns, whether the first line holds them, and notes."""
    records = _records(head, dialect)
    if not records:
        raise ValueError(f"{path} is empty: give a table with a header and some rows of data")
    cells = [cell.strip() for cell in records[0]]
    notes = []
    if len(cells) == 1:
        notes.append("one column only: no delimiter found")
    if not _is_header(cells, records[1:]):
        names = [f"column{i}" for i in range(len(cells))]
        return names, False, [*notes, "no header: the columns are called column0, column1, …"]
    names, changed = unique_names(cells)
    if changed:
        notes.append("columns renamed: " + ", ".join(f'"{name}"' for name in changed))
    return names, True, notes


def _is_header(cells: list[str], below: list[list[str]]) -> bool:
    """Names are not numbers, and a name does not come back as a value of its column."""
    numbers = [i for i, cell in enumerate(cells) if _is_number(cell)]
    if not numbers or not below:
        return not numbers
    counted = [str(i) for i in range(len(numbers))]
    if [cells[i] for i in numbers] == counted and len(numbers) >= len(cells) - 1 > 0:
        return True
    words = [i for i, cell in enumerate(cells) if cell not in MISSING_MARKERS and i not in numbers]
    return any(all(i >= len(row) or row[i].strip() != cells[i] for row in below) for i in words)


def unique_names(names: list[str]) -> tuple[list[str], list[str]]:
    """The names with empty ones numbered and repeated ones told apart, and those changed."""
    taken = Counter(names)
    result: list[str] = []
    changed = []
    for i, name in enumerate(names):
        new, count = name or f"column{i}", 0
        while new in result or (new != name and new in taken):
            count += 1
            new = f"{name or 'column'}_{count}"
        if new != name:
            changed.append(new)
        result.append(new)
    return result, changed


def _relation(text: Decoded, dialect: Dialect, width: int, has_header: bool) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    markers = ", ".join(_literal(m) for m in MISSING_MARKERS)
    return (
        f"read_csv({_literal(str(text.path))}, auto_detect=false, columns={{{columns}}}, "
        f"delim={_literal(dialect.delimiter)}, quote={_literal(dialect.quote)}, "
        f"escape={_literal(dialect.escape)}, header={str(has_header).lower()}, "
        f"compression='{'gzip' if text.compressed else 'none'}', nullstr=[{markers}])"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _rewrite(path: Path, text: Decoded, dialect: Dialect, width: int, folder: Path) -> Decoded:
    """A plain copy of a file that DuckDB cannot read: mixed line ends, blank lines at the top.

    ValueError: the first line with another number of cells, or with a quote that is not closed.
    """
    line = 0
    opener = gzip.open if text.compressed else open
    copy = folder / "plain.csv"
    with (
        opener(text.path, "rt", encoding="utf-8-sig", errors="replace", newline="") as stream,
        copy.open("w", encoding="utf-8", newline="") as target,
    ):
        reader, writer = dialect.reader(stream, strict=True), csv.writer(target)
        try:
            for row in reader:
                if row and len(row) != width:
                    raise ValueError(
                        f"{path}, line {line + 1}: {len(row)} cell{'s' * (len(row) != 1)} where "
                        f"the first line has {width}: mend that line, or quote the cell that "
                        f"holds the delimiter {dialect.delimiter!r}"
                    )
                if row:
                    writer.writerow(row)
                line = reader.line_num
        except csv.Error as error:
            raise ValueError(f"{path}, line {line + 1}: {error}: close the quote there") from None
    return Decoded(copy, False, text.notes)
