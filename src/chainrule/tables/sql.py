"""DuckDB as the other modules use it: a connection, a relation of text, quoted text, errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect() -> DuckDBPyConnection:
    """A database in memory that installs nothing from the network."""
    import duckdb

    return duckdb.connect(config={"autoinstall_known_extensions": "false"})


def quoted(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """What an error says, without the lines about where."""
    return str(error).strip().splitlines()[0]


@dataclass(frozen=True)
class Relation:
    """What can stand after `from`, and the database that knows it."""

    con: DuckDBPyConnection
    sql: str

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        """The rows of these SQL expressions."""
        return self.con.execute(f"select {columns} from {self.sql}").fetchall()

    def arrays(self, columns: str) -> dict[str, Any]:
        """Each of these SQL expressions as an array, by its name."""
        return self.con.execute(f"select {columns} from {self.sql}").fetchnumpy()

    def select(self, columns: str) -> Relation:
        """The relation of these SQL expressions."""
        return Relation(self.con, f"(select {columns} from {self.sql})")
