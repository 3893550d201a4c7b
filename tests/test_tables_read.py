"""Delimited text as it is found in the wild, and what is said when it is no table."""

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.tables import MISSING_MARKERS, Table, read_table

NAN = float("nan")


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(table: Table) -> dict[str, list[Any]]:
    return {
        name: [str(v) for v in values] if values.dtype.kind == "M" else values.tolist()
        for name, values in table.columns.items()
    }


def assert_cells(table: Table, expected: dict[str, list[Any]]) -> None:
    found = cells(table)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert repr(found[name]) == repr(values), name


GOOD: dict[str, tuple[str, str | bytes, dict[str, list[Any]], str]] = {
    "plain": ("a.csv", "a,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}, ""),
    "semicolon": ("a.csv", "a;b\n1.5;2\n2.5;3\n", {"a": [1.5, 2.5], "b": [2, 3]}, ""),
    "tab": ("a.tsv", "a\tb\n1\t2\n", {"a": [1], "b": [2]}, ""),
    "pipe": ("a.txt", "a|b\n1|2\n", {"a": [1], "b": [2]}, ""),
    "blank between": ("a.txt", "a b\n1 2\n3 4\n", {"a": [1, 3], "b": [2, 4]}, ""),
    "decimal comma": (
        "a.csv",
        "a;b\n1,5;x\n1.234,25;y\n",
        {"a": [1.5, 1234.25], "b": ["x", "y"]},
        "decimal comma",
    ),
    "three digits behind a decimal comma": (
        "a.csv",
        "a;b\n1,234;x\n2,5;y\n",
        {"a": [1.234, 2.5], "b": ["x", "y"]},
        "decimal comma",
    ),
    "thousands beside a decimal comma": (
        "a.csv",
        "a;b\n1,5;1.000\n2,5;20.000\n",
        {"a": [1.5, 2.5], "b": [1000, 20000]},
        "dots read as thousands",
    ),
    "numbers below one beside a decimal comma": (
        "a.csv",
        "a;b\n1,5;0.125\n2,5;0.250\n",
        {"a": [1.5, 2.5], "b": [0.125, 0.25]},
        "decimal comma",
    ),
    "english thousands": (
        "a.csv",
        'a,b\n"1,234",x\n"12,345",y\n',
        {"a": [1234, 12345], "b": ["x", "y"]},
        "commas read as thousands",
    ),
    "signs": (
        "a.csv",
        "a,b\n12%,$5\n3.5 %,$7\n",
        {"a": [12.0, 3.5], "b": [5, 7]},
        "percent or currency",
    ),
    "quotes": (
        "a.csv",
        'a,b\n"x, ""y""\nz",1\nw,2\n',
        {"a": ['x, "y"\nz', "w"], "b": [1, 2]},
        "",
    ),
    "escaped quotes": ("a.csv", 'a,b\n"x\\"y",1\nz,2\n', {"a": ['x"y', "z"], "b": [1, 2]}, ""),
    "single quotes": ("a.csv", "'a','b'\n'x,y',1\n", {"a": ["x,y"], "b": [1]}, ""),
    "a quote inside": ("a.csv", 'a,b\n5" x,1\n', {"a": ['5" x'], "b": [1]}, ""),
    "blanks around": ("a.csv", "a , b\n 1 , x \n 2, y\n", {"a": [1, 2], "b": ["x", "y"]}, ""),
    "bom": ("a.csv", "é,b\n1,2\n".encode("utf-8-sig"), {"é": [1], "b": [2]}, ""),
    "utf-16": ("a.csv", "a,b\n1,é\n".encode("utf-16"), {"a": [1], "b": ["é"]}, "utf-16"),
    "utf-16 bare": (
        "a.csv",
        "a,b\n1,xyz\n".encode("utf-16-le"),
        {"a": [1], "b": ["xyz"]},
        "utf-16-le",
    ),
    "latin-1": (
        "a.csv",
        "größe;straße\n1;Müller\n2;Öl\n".encode("latin-1"),
        {"größe": [1, 2], "straße": ["Müller", "Öl"]},
        "cp1252",
    ),
    "cp1251": (
        "a.csv",
        "имя;город\n1;Москва столица большая\n2;Петербург и окрестности\n".encode("cp1251"),
        {"имя": [1, 2], "город": ["Москва столица большая", "Петербург и окрестности"]},
        "cp1251",
    ),
    "stray bytes in utf-8": (
        "a.csv",
        "a,b\n1,é\n2,ü\n3,x".encode() + b"\xff\xfe\n",
        {"a": [1, 2, 3], "b": ["é", "ü", "x\ufffd\ufffd"]},
        "2 undecodable bytes replaced",
    ),
    "a stray letter in much utf-8": (
        "a.csv",
        "a,b\n1,éèàüéèàüéèàü\n2,".encode() + b"\xe9\n",
        {"a": [1, 2], "b": ["éèàüéèàüéèàü", "\ufffd"]},
        "1 undecodable byte replaced",
    ),
    "half a letter": (
        "a.csv",
        "a,b\n1,éü\n2,x".encode() + b"\xe2\x82y\n",
        {"a": [1, 2], "b": ["éü", "x\ufffd\ufffdy"]},
        "2 undecodable bytes replaced",
    ),
    "stray byte in ascii": (
        "a.csv",
        b"a,b\n1,x\x81y\n",
        {"a": [1], "b": ["x\ufffdy"]},
        "1 undecodable byte replaced",
    ),
    "gz": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n"), {"a": [1], "b": [2]}, ""),
    "gz by content": ("a.csv", gzip.compress(b"a,b\n1,2\n"), {"a": [1], "b": [2]}, ""),
    "gz latin-1": (
        "a.csv.gz",
        gzip.compress("a;b\n1;ü\n".encode("latin-1")),
        {"a": [1], "b": ["ü"]},
        "cp1252",
    ),
    "windows line ends": ("a.csv", "a,b\r\n1,x\r\n", {"a": [1], "b": ["x"]}, ""),
    "mixed line ends": ("a.csv", "a,b\r\n1,x\n2,y\r\n", {"a": [1, 2], "b": ["x", "y"]}, ""),
    "blank lines": ("a.csv", "\n\na,b\n\n1,2\n\n", {"a": [1], "b": [2]}, "1 blank line"),
    "no header": ("a.csv", "1,2.5\n3,4\n", {"column0": [1, 3], "column1": [2.5, 4.0]}, "no header"),
    "no header, words": (
        "a.csv",
        "1,x\n3,x\n4,y\n",
        {"column0": [1, 3, 4], "column1": ["x", "x", "y"]},
        "no header",
    ),
    "names that are numbers": ("a.csv", "0,1\n5,6\n", {"0": [5], "1": [6]}, ""),
    "index without name": ("a.csv", ",x\n0,1.5\n", {"column0": [0], "x": [1.5]}, "columns renamed"),
    "double names": ("a.csv", "a,a,A\n1,2,3\n", {"a": [1], "a_1": [2], "A": [3]}, "renamed"),
    "leading zeros": (
        "a.csv",
        "a,b\n007,0.5\n070,0\n",
        {"a": ["007", "070"], "b": [0.5, 0.0]},
        "z",
    ),
    "20 digits": ("a.csv", f"a,b\n{'9' * 20},1\n", {"a": ["9" * 20], "b": [1]}, "64 bits"),
    "19 digits": ("a.csv", f"a,b\n{2**62},1\n", {"a": [2**62], "b": [1]}, ""),
    "17 digits beside a gap": (
        "a.csv",
        f"a,b\n{2**53 + 1},1\n,2\n",
        {"a": [str(2**53 + 1), None], "b": [1, 2]},
        "53 bits",
    ),
    "underscores": ("a.csv", "a,b\n1_0,1\n", {"a": ["1_0"], "b": [1]}, ""),
    "truth": (
        "a.csv",
        "a,b,c\ntrue,TRUE,yes\nFalse,,no\n",
        {"a": [True, False], "b": [True, None], "c": ["yes", "no"]},
        "",
    ),
    "dates": (
        "a.csv",
        "a,b,c\n2020-01-31,31/12/2020,1/2/2020\n,01/12/2020,3/4/2020\n",
        {
            "a": ["2020-01-31T00:00:00.000000", "NaT"],
            "b": ["2020-12-31T00:00:00.000000", "2020-12-01T00:00:00.000000"],
            "c": ["2020-02-01T00:00:00.000000", "2020-04-03T00:00:00.000000"],
        },
        'column "c": dates read as day/month/year',
    ),
    "american dates": (
        "a.csv",
        "a,b\n12/31/2020 10:30,1\n",
        {"a": ["2020-12-31T10:30:00.000000"], "b": [1]},
        "",
    ),
    "nothing in a column": ("a.csv", "a,b\n1,\n2,NA\n", {"a": [1, 2], "b": [NAN, NAN]}, ""),
    "a word among numbers": ("a.csv", "a,b\n1,2\nx,3\n", {"a": ["1", "x"], "b": [2, 3]}, ""),
    "one column": ("a.csv", "a\n1\n2\n", {"a": [1, 2]}, "one column only"),
    "json lines": (
        "a.jsonl",
        '{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n',
        {"a": [1.0, 2.5], "b": ["x", None]},
        "",
    ),
    "json array": (
        "a.json",
        '[{"a": 1, "b": "007"}, {"a": 2, "c": true}]',
        {"a": [1, 2], "b": ["007", None], "c": [None, True]},
        "leading zeros, kept as text",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_file_is_read(case: str, tmp_path: Path) -> None:
    name, content, expected, note = GOOD[case]
    table = read_table(write(tmp_path, name, content))
    assert_cells(table, expected)
    assert note in "\n".join(table.notes)
    assert bool(note) == bool(table.notes)


@pytest.mark.parametrize("marker", MISSING_MARKERS)
def test_missing_marker(marker: str, tmp_path: Path) -> None:
    content = f"a,b,c\n1,{marker},x\n {marker},2.5,{marker}\n3,4,{marker} or so\n"
    found = cells(read_table(write(tmp_path, "a.csv", content)))
    assert repr(found["a"]) == repr([1.0, NAN, 3.0])
    assert repr(found["b"]) == repr([NAN, 2.5, 4.0])
    assert found["c"] == ["x", None, f"{marker} or so".strip()]


ZIPPED = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9999)))
BAD: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("a.csv", "", "a.csv is empty: "),
    "blank": ("a.csv", "\n \n", "a.csv is empty: "),
    "empty gz": ("a.csv.gz", gzip.compress(b""), "is empty: "),
    "empty json": ("a.json", " ", "is empty: "),
    "only a header": ("a.csv", "a,b\n", "holds only a header: "),
    "too many cells": ("a.csv", "a,b\n1,2\n1,2,3\n", "line 3: 3 cells where the first line has 2"),
    "too few cells": ("a.csv", 'a,b\n"x\ny",2\n\n1\n', "line 5: 1 cell where the first line has 2"),
    "ragged far down": ("a.csv", "a,b\n" + "1,2\n" * 9000 + "1\n", "line 9002: 1 cell where"),
    "ragged gz": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n1,2,3\n"), "line 3: 3 cells"),
    "open quote": ("a.csv", 'a,b\n1,2\n"x,3\n1,2\n', "line 3: unexpected end of data: "),
    "broken quote": ("a.csv", 'a,b\n1,2\n"x"y,3\n', "line 3: "),
    "infinite": ("a.csv", "a,b\n1,2\n2,-inf\n", 'column "b" holds -inf in data row 2: '),
    "infinite decimal": ("a.csv", "a,b\n1,2.5\n2,Infinity\n", "holds inf in data row 2: "),
    "truncated gz": ("a.csv.gz", ZIPPED[:-300], "ends in the middle of its compressed data: "),
    "damaged gz": ("a.csv.gz", ZIPPED[:40] + b"xxxx" + ZIPPED[44:], "damaged gzip file"),
    "zip": ("a.csv", b"PK\x03\x04abc", "Excel workbook or zip archive: save the sheet as CSV"),
    "png": ("a.csv", b"\x89PNG\r\n\x1a\n", "a PNG picture: "),
    "parquet": ("a.csv", b"PAR1abcPAR1", "a Parquet file: rename it"),
    "sqlite": ("a.csv", b"SQLite format 3\x00abc", "a SQLite database: rename it"),
    "twice": ("a.csv.gz", gzip.compress(ZIPPED), "compressed twice: "),
    "binary": ("a.csv", bytes(range(256)) * 9, "is a binary file, not delimited text: "),
    "not parquet": ("a.parquet", "abcdefghijklmn", "is not readable as Parquet: "),
    "not json": ("a.json", "{{{", "is not readable as JSON: "),
    "nested json": ("a.json", '[{"a": [1, 2]}]', 'column "a" holds'),
    "not sqlite": ("a.db", "abcdefghijklmn", "is not a readable SQLite database: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_told_in_one_sentence(case: str, tmp_path: Path) -> None:
    name, content, told = BAD[case]
    path = write(tmp_path, name, content)
    with pytest.raises(ValueError, match=r"^[^\n]+$") as error:
        read_table(path)
    assert told in str(error.value)
    assert name in str(error.value)


def test_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "titanic.csv", "a,b\n1,2\n")
    with pytest.raises(FileNotFoundError, match=r"did you mean titanic\.csv\?"):
        read_table(tmp_path / "titanik.csv")
    with pytest.raises(FileNotFoundError, match="nor does its folder"):
        read_table(tmp_path / "nowhere" / "titanic.csv")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        read_table(str(tmp_path / "*.parquet"))
    with pytest.raises(ValueError, match="folder without training images"):
        read_table(tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read every file"
)
def test_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\n1,2\n")
    path.chmod(0)
    with pytest.raises(PermissionError, match="may not be read: "):
        read_table(path)


@pytest.mark.parametrize("name", ["it's.csv", "data[1].csv", "a b;c.csv", "x*y.csv", "{a,b}.csv"])
def test_odd_file_names(name: str, tmp_path: Path) -> None:
    for decoy in ("xzy.csv", "data1.csv", "xzy.csv.jsonl"):
        write(tmp_path, decoy, "a,b\n3,4\n5,6\n" if decoy.endswith("csv") else '{"a": 9}')
    assert_cells(read_table(write(tmp_path, name, "a,b\n1,2\n")), {"a": [1], "b": [2]})
    write(tmp_path, name + ".jsonl", '{"a": 1}')
    assert_cells(read_table(tmp_path / (name + ".jsonl")), {"a": [1]})


def test_several_files_become_one_table(tmp_path: Path) -> None:
    one = write(tmp_path, "1.csv", "a,b,c\n1,x,\n2,y,\n")
    two = write(tmp_path, "2.csv", "b;a;c\nz;1,5;2020-01-01\n")
    expected = {
        "a": [1.0, 2.0, 1.5],
        "b": ["x", "y", "z"],
        "c": ["NaT", "NaT", "2020-01-01T00:00:00.000000"],
    }
    for source in ([one, two], str(tmp_path / "*.csv"), [str(tmp_path / "?.csv")]):
        table = read_table(source)
        assert_cells(table, expected)
        assert "2 files joined" in table.notes
    three = write(tmp_path, "3.csv", "a,d\n1,2\n")
    with pytest.raises(ValueError, match='differ in the columns "b", "c", "d": '):
        read_table([one, three])
    with pytest.raises(ValueError, match="list of files is empty"):
        read_table([])


def test_joined_types(tmp_path: Path) -> None:
    one = write(tmp_path, "1.csv", "a,b,c,d\n1,true,5,\n")
    two = write(tmp_path, "2.csv", "a,b,c,d\nx,,6,1.5\n")
    expected = {"a": ["1", "x"], "b": [True, None], "c": [5, 6], "d": [NAN, 1.5]}
    assert_cells(read_table([one, two]), expected)


def test_content_hash_does_not_depend_on_the_file(tmp_path: Path) -> None:
    comma = read_table(write(tmp_path, "1.csv", "a,b,c\n1.5,x,\n2,,2020-01-01\n"))
    semicolon = read_table(write(tmp_path, "2.csv", "a;b;c\n1,5;x;NA\n2,0;?;2020-01-01\n"))
    other = read_table(write(tmp_path, "3.csv", "a,b,c\n1.5,,\n2,x,2020-01-01\n"))
    renamed = read_table(write(tmp_path, "4.csv", "a,b,d\n1.5,x,\n2,,2020-01-01\n"))
    assert comma.sha256() == semicolon.sha256()
    assert len({comma.sha256(), other.sha256(), renamed.sha256()}) == 3
    whole = Table({"a": np.array([1, 2])}, "")
    assert whole.sha256() == Table({"a": np.array([1.0, 2.0])}, "").sha256()
    assert whole.sha256() != whole.take([1, 0]).sha256()
    empty, gap = (Table({"a": np.array([v], object)}, "") for v in ("", None))
    assert empty.sha256() != gap.sha256()


def test_rows_and_columns_of_a_table() -> None:
    table = Table({"a": np.array([1, 2, 3]), "b": np.array(["x", None, "z"], object)}, "here")
    assert len(table) == 3
    assert table.names == ["a", "b"]
    assert_cells(table.take([2, 0]), {"a": [3, 1], "b": ["z", "x"]})
    assert len(table.take([])) == 0
    assert table.without(["a", "nothing"]).names == ["b"]


def idx(*shape: int, data: bytes) -> bytes:
    return b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_folder(zipped: bool, tmp_path: Path) -> None:
    from chainrule.tables import idx_test_part

    def put(name: str, content: bytes) -> None:
        suffix = ".gz" if zipped else ""
        write(tmp_path, name + suffix, gzip.compress(content) if zipped else content)

    put("train-images-idx3-ubyte", idx(2, 1, 3, data=bytes(range(6))))
    put("train-labels-idx1-ubyte", idx(2, data=b"\x07\x01"))
    expected = {"pixel_0_0": [0, 3], "pixel_0_1": [1, 4], "pixel_0_2": [2, 5], "label": [7, 1]}
    images = next(tmp_path.glob("train-images*"))
    labels = next(tmp_path.glob("train-labels*"))
    for source in (tmp_path, images, labels):
        assert_cells(read_table(source), expected)
    assert {v.dtype.name for v in read_table(tmp_path).columns.values()} == {"uint8", "int64"}
    assert idx_test_part(tmp_path) is None
    put("t10k-images-idx3-ubyte", idx(1, 1, 1, data=b"\x09"))
    put("t10k-labels-idx1-ubyte", idx(1, data=b"\x04"))
    for source in (tmp_path, images):
        test = idx_test_part(source)
        assert test is not None
        assert_cells(test, {"pixel_0_0": [9], "label": [4]})


GIANT = 2**32 - 1


@pytest.mark.parametrize(
    ("images", "labels", "told"),
    [
        (idx(GIANT, GIANT, GIANT, data=b"abc"), idx(1, data=b"a"), "but has 3 after its header"),
        (idx(2, 1, 1, data=b"abc"), idx(1, data=b"a"), "2 x 1 x 1 bytes but has 3"),
        (idx(1, 1, 1, data=b"a"), idx(2, data=b"ab"), "1 images but .* 2 labels"),
        (idx(1, 1, 1, data=b"a"), b"\0\0\x08\x01", "does not start like an idx file"),
        (b"\0\0\x0d\x03" + b"\0" * 12, idx(1, data=b"a"), "does not start like an idx file"),
        (idx(0, 1, 1, data=b""), idx(0, data=b""), "holds no data"),
        (idx(1, 1, 1, data=b"a"), None, "has no labels file train-labels-idx1-ubyte"),
    ],
)
def test_bad_idx(images: bytes, labels: bytes | None, told: str, tmp_path: Path) -> None:
    write(tmp_path, "train-images-idx3-ubyte", images)
    if labels is not None:
        write(tmp_path, "train-labels-idx1-ubyte", labels)
    with pytest.raises(ValueError, match=told):
        read_table(tmp_path)
