"""Data frames, dicts, Parquet and SQLite give the table that the same content as CSV gives."""

import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from chainrule.tables import Table, read_table

CONTENT = """whole,gap,number,word,truth,gappy,day,code
1,1,1.5,x,true,true,2020-01-31,007
2,,NA,,false,,,008
3,3,-2.5e3,"y, z",true,false,2021-02-28,010
"""
COLUMNS: dict[str, list[Any]] = {
    "whole": [1, 2, 3],
    "gap": [1, None, 3],
    "number": [1.5, None, -2500.0],
    "word": ["x", None, "y, z"],
    "truth": [True, False, True],
    "gappy": [True, None, False],
    "day": [dt.date(2020, 1, 31), None, dt.date(2021, 2, 28)],
    "code": ["007", "008", "010"],
}


@pytest.fixture
def expected(tmp_path: Path) -> Table:
    (tmp_path / "content.csv").write_text(CONTENT)
    return read_table(tmp_path / "content.csv")


def assert_same(table: Table, expected: Table) -> None:
    assert table.names == expected.names
    for name, values in expected.columns.items():
        assert table.columns[name].dtype == values.dtype, name
        np.testing.assert_array_equal(table.columns[name], values, err_msg=name)
    assert table.sha256() == expected.sha256()


def test_types_of_the_columns(expected: Table) -> None:
    found = {name: values.dtype.name for name, values in expected.columns.items()}
    numbers = {"whole": "int64", "gap": "float64", "number": "float64", "truth": "bool"}
    rest = {"word": "object", "gappy": "object", "day": "datetime64[us]", "code": "object"}
    assert found == numbers | rest
    assert expected.columns["gappy"].tolist() == [True, None, False]
    assert np.isnat(expected.columns["day"][1])


def nullable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(gap=frame["gap"].astype("Int64"), gappy=frame["gappy"].astype("boolean"))


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas nullable": lambda columns: nullable(pd.DataFrame(columns)),
    "pandas stamps": lambda c: pd.DataFrame({**c, "day": pd.to_datetime(pd.Series(c["day"]))}),
    "pandas categories": lambda c: pd.DataFrame({**c, "word": pd.Categorical(c["word"])}),
    "polars": pl.DataFrame,
    "polars lazy": lambda columns: pl.DataFrame(columns).lazy(),
    "polars small types": lambda c: pl.DataFrame(c).with_columns(
        pl.col("whole").cast(pl.Int8),
        pl.col("gap").cast(pl.UInt16),
        pl.col("number").cast(pl.Float32),
    ),
    "polars categories": lambda c: pl.DataFrame(c).with_columns(
        pl.col("word").cast(pl.Categorical)
    ),
    "polars zone": lambda c: pl.DataFrame(c).with_columns(
        pl.col("day").cast(pl.Datetime("ns", "UTC"))
    ),
    "arrow": pa.table,
    "lists": dict,
    "arrays": lambda c: {
        **c,
        "whole": np.array([1, 2, 3], np.int16),
        "truth": np.array(c["truth"]),
    },
    "masked": lambda c: {**c, "gap": np.ma.array([1, 2, 3], mask=[False, True, False])},
    "series": lambda columns: {name: pl.Series(name, v) for name, v in columns.items()},
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frame_equals_csv(kind: str, expected: Table) -> None:
    assert_same(read_table(FRAMES[kind](COLUMNS)), expected)


def test_parquet_equals_csv(expected: Table, tmp_path: Path) -> None:
    pl.DataFrame(COLUMNS).write_parquet(tmp_path / "a.parquet")
    assert_same(read_table(tmp_path / "a.parquet"), expected)
    pl.DataFrame(COLUMNS).write_ndjson(tmp_path / "a.ndjson")
    assert_same(read_table(tmp_path / "a.ndjson"), expected)
    damaged = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(damaged[:-60])
    with pytest.raises(ValueError, match="is not readable as Parquet"):
        read_table(tmp_path / "b.parquet")


def test_text_in_a_frame_is_typed_like_a_file() -> None:
    table = read_table(pd.DataFrame({"a": ["1,5", "2"], "b": ["NA", "x"], "c": ["1", " 2 "]}))
    assert table.columns["a"].tolist() == [1.5, 2.0]
    assert table.columns["b"].tolist() == [None, "x"]
    assert table.columns["c"].tolist() == [1, 2]


def test_rows_keep_their_order() -> None:
    """Long enough to be scanned by several threads, with a plan that a join would scramble."""
    words = np.array([f"w {i}" for i in range(200_000)], object)
    table = read_table({"row": np.arange(200_000), "word": words})
    assert (table.columns["word"] == words).all()


def test_large_numbers_are_not_rounded() -> None:
    table = read_table({"a": [2**53 + 1, None], "b": np.array([2**64 - 1, 1], np.uint64)})
    assert table.columns["a"].tolist() == [str(2**53 + 1), None]
    assert table.columns["b"].tolist() == [str(2**64 - 1), "1"]


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [
        ({"a": [1, 2], "b": [1]}, ValueError, '"a" has 2, "b" has 1 values'),
        ({}, ValueError, "has no rows"),
        ({"a": []}, ValueError, "has no rows"),
        ({"a": np.zeros((2, 2))}, ValueError, 'column "a" has 2 dimensions: '),
        ({"a": [1.0, float("inf")]}, ValueError, 'column "a" holds inf in row 2: '),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "unique column names"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), ValueError, "two columns of one name"),
        (pd.DataFrame({"a": []}), ValueError, "has no rows"),
        (3, TypeError, "int is not a table: "),
        (np.zeros((2, 2)), TypeError, "ndarray is not a table: "),
    ],
)
def test_bad_source(source: Any, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        read_table(source)


def database(path: Path, *tables: str) -> Path:
    con = sqlite3.connect(path)
    for name in tables:
        quoted = '"' + name.replace('"', '""') + '"'
        con.execute(
            f"create table {quoted} (whole int, gap int, number, word text, truth text, gappy, "
            "day text, code text)"
        )
        rows = zip(*COLUMNS.values(), strict=True)
        words = {True: "true", False: "false"}
        con.executemany(
            f"insert into {quoted} values (?, ?, ?, ?, ?, ?, ?, ?)",
            [[*r[:4], words[r[4]], words.get(r[5]), r[6] and r[6].isoformat(), r[7]] for r in rows],
        )
    con.commit()
    con.close()
    return path


NASTY = 'x"; drop table y; --'


def test_sqlite_equals_csv(expected: Table, tmp_path: Path) -> None:
    one = database(tmp_path / "it's ?#%.db", "people")
    before = one.read_bytes()
    assert_same(read_table(one), expected)
    assert one.read_bytes() == before
    two = database(tmp_path / "two.sqlite", NASTY, "y")
    assert_same(read_table(two, table=NASTY), expected)
    assert_same(read_table(two, table="y"), expected)


def test_sqlite_errors(tmp_path: Path) -> None:
    path = database(tmp_path / "a.db", NASTY, "y")
    with pytest.raises(ValueError, match=r'holds 2 tables \("x"; .*, "y"\): name one with table='):
        read_table(path)
    with pytest.raises(ValueError, match='has no table "z": it holds '):
        read_table(path, table="z")
    (tmp_path / "b.db").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="is not a readable SQLite database: "):
        read_table(tmp_path / "b.db", table="y")
    con = sqlite3.connect(tmp_path / "c.db")
    con.execute("create table empty (a)")
    con.close()
    with pytest.raises(ValueError, match='table "empty" of .* has no rows'):
        read_table(tmp_path / "c.db")
    con = sqlite3.connect(tmp_path / "d.db")
    con.execute("pragma user_version = 1")
    con.close()
    with pytest.raises(ValueError, match="holds no tables"):
        read_table(tmp_path / "d.db")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="table= is for SQLite"):
        read_table(tmp_path / "a.csv", table="y")
