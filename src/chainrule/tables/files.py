"""JSON lines and Parquet through DuckDB, SQLite through the standard library, read-only."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .encoding import chunks, plain_name
from .frames import from_objects, typed_table
from .table import Table, Values
from .typed import plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}


def read_json(path: Path, con: DuckDBPyConnection) -> Table:
    """The table in JSON lines, or in a JSON file that holds an array of objects.

    ValueError: the file is empty or not such JSON, or a cell is itself an object or a list.
    """
    if not any(chunk.strip() for chunk in chunks(path)):
        raise ValueError(f"{path} is empty: give one JSON object a line")
    what = "JSON: give one object a line, or an array of objects, with the same keys"
    return _duckdb(path, con, "read_json({}, format='auto', sample_size=-1)", what)


def read_parquet(path: Path, con: DuckDBPyConnection) -> Table:
    """The table in a Parquet file.

    ValueError: the file is damaged, or a column is nested.
    """
    return _duckdb(path, con, "read_parquet({})", "Parquet: write or download it again")


def _duckdb(path: Path, con: DuckDBPyConnection, call: str, what: str) -> Table:
    import duckdb

    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        name = str(plain_name(path, Path(folder))).replace("'", "''")
        relation = call.format(f"'{name}'")
        try:
            described = con.execute(f"describe select * from {relation}").fetchall()
            names = [row[0] for row in described]
            fields = [f"c{i}" for i in range(len(names))]
            casts = [_cast(path, f, *row[:2]) for f, row in zip(fields, described, strict=True)]
            source = f"{relation} as source({', '.join(fields)})"
            fetched = con.execute(f"select {', '.join(casts)} from {source}").fetchnumpy()
        except duckdb.Error as error:
            told = str(error).strip().splitlines()[0]
            raise ValueError(f"{path} is not readable as {what} ({told})") from None
    columns: dict[str, Values] = {n: plain(fetched[f"c{i}"]) for i, n in enumerate(names)}
    return typed_table(columns, str(path))


def _cast(path: Path, field: str, name: str, kind: str) -> str:
    if kind in _WHOLE:
        return f"cast({field} as bigint) as {field}"
    if kind in ("FLOAT", "DOUBLE"):
        return f"cast({field} as double) as {field}"
    if kind == "BOOLEAN":
        return field
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return f"cast({field} as timestamp) as {field}"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "LIST")):
        raise ValueError(
            f'{path}: column "{name}" holds {kind.split("(")[0].lower()} values: keep one number '
            "or text in each cell"
        )
    return f"cast({field} as varchar) as {field}"


def read_sqlite(path: Path, table: str | None = None) -> Table:
    """One table (or view) of a SQLite database, opened read-only.

    ValueError: the file is no SQLite database, there are several tables and `table` names none of
    them, or the table is empty.
    """
    try:
        con = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise ValueError(f"{path} cannot be opened as a SQLite database: {error}") from None
    try:
        con.text_factory = lambda data: data.decode("utf-8", "replace")
        found = con.execute(
            "select name from sqlite_master where type in ('table', 'view') "
            "and name not like 'sqlite!_%' escape '!' order by rowid"
        )
        name = _chosen(path, [row[0] for row in found], table)
        cursor = con.execute('select * from "' + name.replace('"', '""') + '"')
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"{path} is not a readable SQLite database: {error}") from None
    finally:
        con.close()
    if not rows:
        raise ValueError(f'table "{name}" of {path} has no rows: choose another table')
    values = zip(names, zip(*rows, strict=True), strict=True)
    return typed_table({n: from_objects(list(column)) for n, column in values}, f"{path}:{name}")


def _chosen(path: Path, tables: list[str], table: str | None) -> str:
    told = ", ".join(f'"{t}"' for t in tables)
    if not tables:
        raise ValueError(f"{path} holds no tables: give a database with one")
    if table is None and len(tables) > 1:
        raise ValueError(f"{path} holds {len(tables)} tables ({told}): name one with table=")
    if table is not None and table not in tables:
        raise ValueError(f'{path} has no table "{table}": it holds {told}')
    return table if table is not None else tables[0]
