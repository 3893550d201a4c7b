"""Tables that are almost right: what is mended is told, what cannot be is refused."""

import csv
import json
import os
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule.tables import Preparation, infer_schema, read_table, row_weights
from chainrule.tables.table import is_missing

NAN = float("nan")


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


ABOVE: dict[str, tuple[str, list[str], list[Any], str]] = {
    "sep": ("sep=;\r\na;b\r\n1,5;x\r\n", ["a", "b"], [1.5], "decimal comma"),
    "sep quoted": ('"sep=|"\na|b\n1|x\n', ["a", "b"], [1], ""),
    "sep behind a mark": ("\ufeffsep=;\na;b\n1;x\n", ["a", "b"], [1], ""),
    "comments": ("# made, by hand\n# in 2020\na,b\n1,x\n", ["a", "b"], [1], "2 comment lines at"),
    "comment like a row": ("# in 2020, by me\na,b\n1,x\n", ["a", "b"], [1], "1 comment line at"),
    "comment and a blank": ("# in 2020\n\na,b\n1,x\n", ["a", "b"], [1], "1 comment line at"),
    "commented header": ("#a,b\nu,x\nv,y\n", ["#a", "b"], ["u", "v"], ""),
    "commented header of numbers": ("# a,b\n1,x\n2,y\n", ["# a", "b"], [1, 2], ""),
    "comment above such a header": ("# me\n#a,b\n1,x\n", ["#a", "b"], [1], "1 comment line at"),
}


@pytest.mark.parametrize("case", ABOVE)
def test_lines_above_the_header(case: str, tmp_path: Path) -> None:
    text, names, first, note = ABOVE[case]
    table = read_table(write(tmp_path / "a.csv", text))
    assert table.names == names
    assert table.columns[names[0]].tolist() == first
    assert note in "\n".join(table.notes)
    assert bool(note) == bool(table.notes)


RAGGED: dict[str, tuple[str, str]] = {
    "short header": ("a,b\n1,2,3\n4,5,6\n", "line 1: 2 cells where most lines have 3: "),
    "title": ("Our report\na;b\n1;2\n3;4\n", "line 1: 1 cell where most lines have 2: "),
    "header below white space": ("  \r\n\r\na,b\r\n1,2,3\r\n4,5,6\r\n", "line 3: 2 cells where"),
    "header below blanks": ("\n\na,b\n1,2,3\n4,5,6\n", "line 3: 2 cells where most lines have 3"),
    "short row": ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "line 3: 2 cells where the first line has 3"),
    "below comments": ("# x\n# y\na,b\n1,2\n3\n4,5\n", "line 5: 1 cell where the first line has 2"),
}


@pytest.mark.parametrize("case", RAGGED)
def test_the_odd_line_is_blamed(case: str, tmp_path: Path) -> None:
    text, told = RAGGED[case]
    with pytest.raises(ValueError, match=told):
        read_table(write(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a,b\n1,2\n\n\n3,4\n\n", 2),
        ("a,b\r\n\r\n1,2\r\n", 1),
        ("\n\na,b\n1,2\n\n3,4\n", 1),
        ('a,b\n1,"x\n\ny"\n2,z\n\n\n', 0),
        ("sep=,\n\na,b\n1,2\n\n3,4\n", 1),
        ("a,b\n1,2\n   \n3,4\n \t \n", 1),
        ("a,b\r\n1,2\r\n \t\r\n\r\n3,4\r\n", 2),
        ("a\tb\tc\n1\t2\t3\n\t\n \n4\t5\t6\n", 2),
        (" \n\na,b\n1,2\n \n3,4\n", 1),
    ],
)
def test_blank_lines_are_counted(text: str, count: int, tmp_path: Path) -> None:
    notes = read_table(write(tmp_path / "a.csv", text)).notes
    told = f"{count} blank line{'s' * (count > 1)} between the rows dropped"
    assert notes == ((told,) if count else ())


DECIMALS: dict[str, tuple[str, list[float], list[float]]] = {
    "below one": ('a,b\n"0,126",1\n"-0,132",2\n', [0.126, -0.132], [1, 2]),
    "one cell of many": ('a,b\n"1,304",1\n"0,126",2\n', [1.304, 0.126], [1, 2]),
    "zeros in front": ('a,b\n"1,304",1\n"012,345",2\n', [1.304, 12.345], [1, 2]),
    "beside one in doubt": ('a,b\n"0,126","1,304"\n"1,5","2,000"\n', [0.126, 1.5], [1.304, 2]),
    "beside thousands": (
        'a,b\n"0,126","1,304.5"\n"1,5","2,000"\n',
        [0.126, 1.5],
        [1304.5, 2000],
    ),
    "thousands": ('a,b\n"1,304","2,000"\n"0","3"\n', [1304, 0], [2000, 3]),
    "point in a german file": ("a;b\n1,5;0.126\n2,5;1.304\n", [1.5, 2.5], [0.126, 1.304]),
    "minus in a german file": ("a;b\n1,5;-0.126\n2,5;1.304\n", [1.5, 2.5], [-0.126, 1.304]),
    "nought in a german file": ("a;b\n1,5;0\n2,5;1.304\n", [1.5, 2.5], [0, 1304]),
}


@pytest.mark.parametrize("case", DECIMALS)
def test_no_thousands_begin_with_nought(case: str, tmp_path: Path) -> None:
    text, a, b = DECIMALS[case]
    table = read_table(write(tmp_path / "a.csv", text))
    assert [table.columns["a"].tolist(), table.columns["b"].tolist()] == [a, b]


def test_thousands_too_long_for_64_bits_are_rounded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n"99,999,999,999,999,999,999",1\n"1,000",2\n')
    assert read_table(path).columns["a"].tolist() == [1e20, 1000.0]


def test_nought_is_no_thousands_where_training_had_some(tmp_path: Path) -> None:
    for reading, cell in (("number 1,234.5", '"0,126"'), ("number 1.234,5", "0.126")):
        path = write(tmp_path / "a.csv", f"a,b\n{cell},1\n5,2\n")
        assert read_table(path, reading={"a": reading}).columns["a"].tolist() == [
            cell.strip('"'),
            "5",
        ]


@pytest.mark.parametrize("delimiter", "^~:#!@&*§¦")
def test_rare_delimiter_between_words(delimiter: str, tmp_path: Path) -> None:
    text = "a^b^y\nu^1,5^s\nv^2,5^t\n".replace("^", delimiter)
    table = read_table(write(tmp_path / "a.csv", text))
    assert table.names == ["a", "b", "y"]
    assert table.columns["b"].tolist() == [1.5, 2.5]
    assert table.columns["y"].tolist() == ["s", "t"]


def test_blank_between_words_and_numbers(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "a b y\nu 1 s\nv NA t\n"))
    assert table.names == ["a", "b", "y"]
    assert table.columns["a"].tolist() == ["u", "v"]


@pytest.mark.parametrize(
    "text", ["full name\nAnn Smith\nBob Jones\n", "at\n12:30\n12:45\n", "a:b\nc\nd:e\n"]
)
def test_one_column_of_words_stays_whole(text: str, tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", text))
    assert table.notes[0] == "one column only: no delimiter found"


@pytest.mark.parametrize("length", [200_000, 3_000_000])
@pytest.mark.parametrize("top", ["", "\n"], ids=["duckdb", "csv"])
def test_long_cells_are_read(top: str, length: int, tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    table = read_table(write(tmp_path / "a.csv", f"{top}a,b\n1,{'é' * length}\n2,x\n"))
    assert [len(cell) for cell in table.columns["b"]] == [length, 1]
    assert csv.field_size_limit() == limit


def database(path: Path) -> Path:
    con = sqlite3.connect(path)
    con.execute("create table q (a, b)")
    con.executemany("insert into q values (?, ?)", [(i, "x" * 90) for i in range(500)])
    con.execute("create table z (a, b)")
    con.executemany("insert into z values (?, ?)", [(i, "x" * 90) for i in range(500)])
    con.commit()
    con.close()
    return path


def test_cut_off_database_is_refused(tmp_path: Path) -> None:
    whole = database(tmp_path / "a.db").read_bytes()
    assert len(read_table(tmp_path / "a.db", table="q")) == 500
    cut = tmp_path / "b.db"
    cut.write_bytes(whole[:-1])
    told = f"b.db is cut off: it should hold {len(whole)} bytes and has {len(whole) - 1}: "
    with pytest.raises(ValueError, match=told):
        read_table(cut, table="q")


def test_database_with_a_write_ahead_log_is_whole(tmp_path: Path) -> None:
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute("pragma journal_mode = wal")
    con.execute("create table q (a, b)")
    con.executemany("insert into q values (?, ?)", [(i, "x" * 90) for i in range(500)])
    con.commit()
    assert len(read_table(tmp_path / "a.db")) == 500
    con.close()


def test_tables_of_a_full_text_search_are_not_offered(tmp_path: Path) -> None:
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute("create virtual table docs using fts5(a, b)")
    con.execute("insert into docs values ('1', 'x'), ('2', 'y')")
    con.commit()
    con.close()
    assert read_table(tmp_path / "a.db").columns["a"].tolist() == [1, 2]


@pytest.mark.parametrize("unit", ["D", "s", "us"])
@pytest.mark.parametrize("year", ["-2001", "10000", "290000"])
def test_dates_out_of_range_are_refused(year: str, unit: str) -> None:
    days = np.array(["2020-01-01", "NaT", f"{year}-01-01"], f"datetime64[{unit}]")
    for source in (
        {"a": days},
        {"a": np.ma.array(days, mask=[1, 0, 0])},
        pd.DataFrame({"a": days.astype("datetime64[s]")}),
        pl.DataFrame({"a": days.astype("datetime64[ms]")}),
        pa.table({"a": days.astype("datetime64[s]")}),
    ):
        with pytest.raises(ValueError, match=f'"a" holds {year}-01-01.* in row 3: replace it with'):
            read_table(source)


def test_dates_of_a_frame_are_read() -> None:
    days = pl.Series("a", ["2020-01-01", None, "9999-12-31"]).str.to_date()
    for source in (pl.DataFrame([days]), pl.DataFrame([days.cast(pl.Datetime("ms"))])):
        found = read_table(source).columns["a"]
        assert found.astype("datetime64[D]").astype(str).tolist() == [
            *("2020-01-01", "NaT", "9999-12-31")
        ]


def test_infinite_date_in_parquet_is_refused(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "a.parquet"
    duckdb.execute(f"copy (select 'infinity'::timestamp as a, 1 as b) to '{path}'")
    with pytest.raises(ValueError, match='column "a" holds .* in row 1: replace it with a date'):
        read_table(path)


MASK = [False, True, False]
MASKED: dict[str, tuple[Any, list[Any]]] = {
    "numbers": (np.array([1.5, 9.0, 2.0]), [1.5, NAN, 2.0]),
    "whole": (np.array([1, 9, 2]), [1.0, NAN, 2.0]),
    "bytes": (np.array([1, 9, 2], np.uint8), [1.0, NAN, 2.0]),
    "truth": (np.array([True, True, False]), [True, None, False]),
    "words": (np.array(["u", "v", "w"]), ["u", None, "w"]),
    "nanoseconds": (np.array(["2020", "2021", "2022"], "datetime64[ns]"), ["2020", "NaT", "2022"]),
}


@pytest.mark.parametrize("kind", MASKED)
def test_masked_cells_are_missing(kind: str) -> None:
    data, expected = MASKED[kind]
    found = read_table({"a": np.ma.array(data, mask=MASK)}).columns["a"]
    told = found.astype("datetime64[Y]").astype(str) if found.dtype.kind == "M" else found
    assert repr(told.tolist()) == repr(expected)
    bare = read_table({"a": np.ma.array(data)}).columns["a"]
    assert bare.dtype == read_table({"a": data}).columns["a"].dtype


@pytest.mark.parametrize("name", ["NaN", "sNaN", "-sNaN12"])
def test_decimal_that_is_no_number_is_missing(name: str) -> None:
    cells = [Decimal("1.5"), Decimal(name), Decimal(2)]
    for source in ({"a": cells}, pd.DataFrame({"a": cells})):
        assert repr(read_table(source).columns["a"].tolist()) == repr([1.5, NAN, 2.0])


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    for name, other in (("a.csv", "b.csv"), ("b.csv", "a.csv"), ("c.csv", "gone.csv")):
        os.symlink(tmp_path / other, tmp_path / name)
    for name, other in (("a.csv", "b.csv"), ("c.csv", "gone.csv")):
        told = f"{name} is a link to .*{other}, where nothing is: give the file itself"
        with pytest.raises(FileNotFoundError, match=told):
            read_table(tmp_path / name)


def rows(names: str, count: int = 12) -> str:
    width = names.count(",") + 1
    return f"{names}\n" + "".join(
        ",".join([str(i % 2), *(str((i * 7 + j) % 5) for j in range(1, width))]) + "\n"
        for i in range(count)
    )


def test_target_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", rows("t,x,t,x,z")))
    assert table.doubled == {"t_1": "t", "x_1": "x"}
    for target in ("t", "t_1"):
        with pytest.raises(ValueError, match='2 columns called "t", read as "t", "t_1": rename'):
            infer_schema(table.take(np.arange(10)), target)
    assert infer_schema(table, "t", drop=["t_1"]).features()[0].name == "x"
    assert infer_schema(table, "t", roles={"t_1": "drop"}).target == "t"
    assert infer_schema(table, "z").target == "z"
    assert read_table(write(tmp_path / "b.csv", rows("t,,x"))).doubled == {}


def test_names_that_stand_twice_in_other_files(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays(
        [pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a", "A"]
    )
    pq.write_table(twice, tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert {name: v.tolist() for name, v in table.columns.items()} == {
        "a": [1],
        "a_1": [2],
        "A": [3],
    }
    assert table.doubled == {"a_1": "a"}
    assert table.notes == ('columns renamed: "a_1"',)
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute("create table q (t, x)")
    con.execute("insert into q values (1, 2)")
    con.execute("create view v as select q.t, q.x, o.t from q join q as o")
    con.commit()
    con.close()
    assert read_table(tmp_path / "a.db", table="v").doubled == {"t:1": "t"}
    with pytest.raises(ValueError, match="two columns of one name"):
        read_table({1: [1], "1": [2]})


def test_time_of_words_is_refused() -> None:
    weeks = [None, *(f"week {i}" for i in range(1, 12))]
    table = read_table({"y": [0, 1] * 6, "x": np.arange(12.0) ** 2, "t": weeks})
    with pytest.raises(ValueError, match='time column "t" holds text such as "week 1", which has'):
        infer_schema(table, "y", time="t")


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([0.0] * 8, 'weights in column "w" are all 0: give'),
        ([1e308] * 8, 'weights in column "w" sum to inf: give'),
        ([1e-320] * 8, 'weights in column "w" sum to 7.99991e-320: give'),
    ],
)
def test_weights_that_have_no_sum_are_refused(weights: list[float], told: str) -> None:
    table = read_table({"y": [0, 1] * 4, "x": np.arange(8.0) ** 2, "w": weights})
    with pytest.raises(ValueError, match=told):
        infer_schema(table, "y", weight="w")


def test_a_part_may_have_no_weight() -> None:
    table = read_table({"y": [0, 1] * 5, "x": np.arange(10.0) ** 2, "w": [0.0] * 5 + [1.0] * 5})
    assert infer_schema(table, "y", weight="w").weight == "w"
    assert row_weights(table.take(np.arange(5)), "w").tolist() == [0] * 5


def test_no_two_features_have_one_name() -> None:
    ages = [None, 20.0, 31.0] * 8
    table = read_table(
        {
            "Age": ages,
            "Age missing": [0.5, 1.5, 2.5] * 8,
            "y": [0, 1] * 12,
            "c": ["a", "b", "=b"] * 8,
        }
        | {"c=": ["a", "b", "c"] * 8}
    )
    preparation = Preparation.fit(table, infer_schema(table, "y"))
    names = preparation.feature_names
    assert names[:3] == ["Age", "Age missing", "Age missing_1"]
    assert len(set(names)) == len(names) == preparation.transform(table).shape[1]
    assert sum((step.features for step in preparation.steps(table, 0)), []) == names


@pytest.mark.parametrize("word", ["NA", "None", "nan", "null", ""])
def test_a_column_of_missing_words_alone_is_empty_wherever_it_comes_from(
    word: str, tmp_path: Path
) -> None:
    columns = {"a": [1.5, 2.5, 3.5], "deck": [word] * 3}
    (tmp_path / "t.jsonl").write_text(
        "".join(json.dumps({k: v[i] for k, v in columns.items()}) + "\n" for i in range(3))
    )
    for given in (tmp_path / "t.jsonl", {k: np.array(v) for k, v in columns.items()}):
        assert is_missing(read_table(given).columns["deck"]).all()
