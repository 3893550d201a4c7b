"""JSON lines and Parquet through DuckDB, SQLite through the standard library, read-only."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .frames import from_objects, typed_table
from .reading import TEXT
from .sql import Relation, connect, first_line, quoted
from .table import Table, Values
from .text_encoding import chunks, plain_name
from .typed import plain
from .words import doubled, listed, renaming_notes, unique_names

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_AS_THEY_ARE = (*_WHOLE, "FLOAT", "DOUBLE", "BOOLEAN")  # `plain` widens them
_GUESSED = ("DATE", "TIME", "UUID")
_SIZES = ("page_count", "page_size")


def read_json(path: Path, reading: Mapping[str, str]) -> Table:
    """The table in JSON lines, or in a JSON file that holds an array of objects.

    ValueError: the file is empty or not such JSON, or a cell is itself an object or a list.
    """
    if not any(chunk.strip() for chunk in chunks(path)):
        raise ValueError(f"{path} is empty: give one JSON object a line")
    what = "JSON: give one object a line, or an array of objects, with the same keys"
    with _opened(path, what) as (con, name):
        relation = Relation(con, f"read_json({name}, format='auto', sample_size=-1)")
        types = _types(relation)
        texts = [n for n, t in types.items() if t.startswith(_GUESSED) or reading.get(n) == TEXT]
        if texts:  # strings are typed in one place, or as a stored reading says
            _check_case(path, list(types))
            types |= dict.fromkeys(texts, "VARCHAR")
            pairs = ", ".join(f"{quoted(n)}: {quoted(t)}" for n, t in types.items())
            relation = Relation(con, f"{relation.sql[:-1]}, columns={{{pairs}}})")
        columns = _fetch(path, relation, types)
    return typed_table(columns, str(path), reading)


def read_parquet(path: Path, reading: Mapping[str, str]) -> Table:
    """The table in a Parquet file.

    ValueError: the file is damaged, or a column is nested.
    """
    with _opened(path, "Parquet: write or download it again") as (con, name):
        relation = Relation(con, f"read_parquet({name})")
        columns = _fetch(path, relation, _types(relation))
        # DuckDB renames "A" next to "a"; a Table has both names.
        leaves = Relation(con, f"parquet_schema({name}) where num_children is null")
        names = unique_names(row[0] for row in leaves.rows("name"))
    columns = dict(zip(names, columns.values(), strict=True))
    table = typed_table(columns, str(path), reading, doubled(names))
    return replace(table, notes=(*renaming_notes(names), *table.notes))


@contextmanager
def _opened(path: Path, what: str) -> Iterator[tuple[DuckDBPyConnection, str]]:
    """A connection, and the name of the file as SQL; an error of DuckDB becomes a ValueError."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder, connect() as con:
        try:
            yield con, quoted(str(plain_name(path, Path(folder))))
        except duckdb.Error as error:
            raise ValueError(f"{path} is not readable as {what} ({first_line(error)})") from None


def _types(relation: Relation) -> dict[str, str]:
    described = Relation(relation.con, f"(describe select * from {relation.sql})")
    return dict(described.rows("column_name, column_type"))


def _check_case(path: Path, names: list[str]) -> None:
    """DuckDB renames "A" next to "a" to "A_1", which read_json does not find in the file."""
    lower = {name.lower(): name for name in reversed(names)}
    for name in names:
        base = re.sub(r"_[0-9]+$", "", name)
        if base != name and lower.get(base.lower(), base) != base:
            raise ValueError(
                f'{path}: the keys "{base}" and "{lower[base.lower()]}" differ in nothing but '
                "capitals: rename one"
            )


def _fetch(path: Path, relation: Relation, types: dict[str, str]) -> dict[str, Values]:
    casts = {f"c{i}": _cast(path, f"c{i}", *item) for i, item in enumerate(types.items())}
    source = Relation(relation.con, f"{relation.sql} as source({', '.join(casts)})")
    fetched = source.arrays(", ".join(f"{cast} as {f}" for f, cast in casts.items()))
    return {name: plain(fetched[f]) for f, name in zip(casts, types, strict=True)}


def _cast(path: Path, field: str, name: str, kind: str) -> str:
    """The SQL of a column of this type in one that a `Table` has."""
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "LIST")):
        fault = f'{path}: column "{name}" holds {kind.split("(")[0].lower()} values'
        raise ValueError(f"{fault}: keep one number or text in each cell")
    if kind in _AS_THEY_ARE:
        return field
    if kind == "JSON":  # numbers and words in one column
        return f"{field} ->> '$'"
    dated = kind == "DATE" or kind.startswith("TIMESTAMP")
    return f"cast({field} as {'timestamp' if dated else 'varchar'})"


def read_sqlite(path: Path, table: str | None, reading: Mapping[str, str]) -> Table:
    """One table (or view) of a SQLite database, opened read-only.

    ValueError: the file is not a SQLite database or cut off, there are several tables and `table`
    names none of them, or the table is empty.
    """
    try:
        con = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise ValueError(f"{path} cannot be opened as a SQLite database: {error}") from None
    con.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        with closing(con):
            _check_whole(path, con)
            name = _chosen(path, _tables(con), table)
            cursor = con.execute('select * from "' + name.replace('"', '""') + '"')
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"{path} is not a readable SQLite database: {error}") from None
    if not rows:
        raise ValueError(f'table "{name}" of {path} has no rows: choose another table')
    values = zip(names, zip(*rows, strict=True), strict=True)
    columns = {n: from_objects(list(column)) for n, column in values}
    # A view over two tables calls the second of two columns "t" "t:1".
    twins = {n: n.rpartition(":")[0] for n in names if n.rpartition(":")[0] in names}
    return typed_table(columns, f"{path}:{name}", reading, twins)


def _check_whole(path: Path, con: sqlite3.Connection) -> None:
    """ValueError where pages are missing at the end; SQLite itself notices only when it needs them.

    With a write-ahead log the last pages may rightly be there alone.
    """
    pages, size = (con.execute(f"pragma {what}").fetchone()[0] for what in _SIZES)
    if path.stat().st_size >= pages * size:
        return
    log = path.with_name(path.name + "-wal")
    if log.exists() and con.execute("pragma quick_check(1)").fetchone() == ("ok",):
        return
    fault = f"{path} is cut off: it should hold {pages * size} bytes and has {path.stat().st_size}"
    raise ValueError(f"{fault}: copy or download it again")


def _tables(con: sqlite3.Connection) -> list[str]:
    """Tables and views, without the internal ones of SQLite and its full-text search."""
    query = (
        "select name from sqlite_master where type in ('table', 'view') "
        "and name not like 'sqlite!_%' escape '!'{} order by rowid"
    )
    shadows = "and name not in (select name from pragma_table_list where type = 'shadow')"
    listed_by_sqlite = sqlite3.sqlite_version_info >= (3, 37)
    return [row[0] for row in con.execute(query.format(f" {shadows}" if listed_by_sqlite else ""))]


def _chosen(path: Path, tables: list[str], table: str | None) -> str:
    if not tables:
        raise ValueError(f"{path} holds no tables: give a database with one")
    if table is None and len(tables) > 1:
        fault = f"{path} holds {len(tables)} tables ({listed(tables)})"
        raise ValueError(f"{fault}: name one with table=")
    if table is not None and table not in tables:
        raise ValueError(f'{path} has no table "{table}": it holds {listed(tables)}')
    return table if table is not None else tables[0]
