"""Bytes that are not UTF-8: which encoding is chosen, and what becomes of those that are lost."""

from pathlib import Path
from typing import Any

import pytest

from chainrule.tables import Table, read_table

NAN = float("nan")


def written(folder: Path, content: bytes, name: str = "a.csv", **asked: Any) -> Table:
    (folder / name).write_bytes(content)
    return read_table(folder / name, **asked)


def labelled(header: str, labels: str, rows: int = 60) -> str:
    cells = "".join(f"{labels[i % len(labels)]}{i % 3};{i};{i % 2}\n" for i in range(rows))
    return f"{header}\n{cells}"


# Text, the encoding of the file, the encoding it is read in.
CHOSEN: dict[str, tuple[str, str, str]] = {
    "few umlauts": (labelled("Straße;Größe;y", "Ä"), "latin-1", "cp1252"),
    "spanish": (labelled("año;niño;y", "ñ"), "latin-1", "cp1252"),
    "capitals": (labelled("É;È;y", "ÉÈÀ"), "cp1252", "cp1252"),
    "typographic": (labelled("a;b;y", "–“€"), "cp1252", "cp1252"),
    "carons": ("a;y\nŠkoda;1\nŽilina;2\n", "cp1252", "cp1252"),
    "one sign": ("a;y\n12 µm;1\n", "cp1252", "cp1252"),
    "many umlauts": (labelled("größe;b;y", "Öl Müßig", 900), "cp1252", "cp1252"),
    "russian": ("имя;y\nМосква столица;1\nПетербург;2\n", "cp1251", "cp1251"),
    "greek": ("πόλη;y\nΑθήνα μεγάλη πόλη;1\nΘεσσαλονίκη;2\n", "cp1253", "cp1253"),
    "japanese": ("名前;y\n東京タワーの近く;1\n大阪のひらがな;2\n", "cp932", "cp932"),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_encoding_is_chosen(case: str, tmp_path: Path) -> None:
    text, encoding, chosen = CHOSEN[case]
    table = written(tmp_path, text.encode(encoding))
    assert f"text decoded as {chosen}" in table.notes
    plain = written(tmp_path, text.encode())
    assert table.names == plain.names
    assert table.sha256() == plain.sha256()


@pytest.mark.parametrize("encoding", ["cp437", "cp850", "mac_roman"])
def test_short_text_is_never_of_an_old_machine(encoding: str, tmp_path: Path) -> None:
    notes = written(tmp_path, labelled("a;b;y", "äöüß").encode(encoding)).notes
    assert notes[0] == "text decoded as cp1252"


def test_many_bytes_astray_are_no_letters(tmp_path: Path) -> None:
    table = written(tmp_path, b"a,b\n1,x\n" + b"2\xff\xfe\x81,x\n" * 9)
    assert table.notes == (
        "27 undecodable bytes replaced by \ufffd",
        '9 cells of "a" lost to undecodable bytes: treated as missing',
    )


def test_bytes_without_a_letter_are_counted(tmp_path: Path) -> None:
    text = labelled("näme;v;y", "ü").encode("latin-1").replace(b"\xfc1", b"\x81\x8d\xfc1", 1)
    table = written(tmp_path, text)
    assert table.notes == ("text decoded as cp1252", "2 undecodable bytes replaced by \ufffd")
    assert table.columns["näme"][:3].tolist() == ["ü0", "\ufffd\ufffdü1", "ü2"]


# The cells of a column, its values, and how many of them are told as lost.
LOST: dict[str, tuple[list[bytes], list[Any], int]] = {
    "numbers": ([b"1.5", b"-2.2\xff\xfe\x814", b"3"], [1.5, NAN, 3.0], 1),
    "whole numbers": ([b"1", b"2\xff", b"\xff", b"NA"], [1.0, NAN, NAN, NAN], 2),
    "decimal comma": ([b"1.500,5", b"2\xff,5", b"3"], [1500.5, NAN, 3.0], 1),
    "thousands": ([b"1.304", b"2.\xff00", b"3.000"], [1.304, NAN, 3.0], 1),
    "percent": ([b"5 %", b"\xff %", b"6 %"], [5.0, NAN, 6.0], 1),
    "dates": ([b"2020-01-01", b"2020-\xff1-02"], ["2020-01-01T00:00:00.000000", "NaT"], 1),
    "truth": ([b"true", b"\xff\xff", b"False"], [True, None, False], 1),
    "levels": ([b"1", b"2\xff", b"A"], ["1", "2\ufffd", "A"], 0),
    "a damaged word": ([b"1", b"x\xff", b"2"], ["1", "x\ufffd", "2"], 0),
    "nothing else": ([b"\xff", b"1\xff"], ["\ufffd", "1\ufffd"], 0),
}


def damaged(cells: list[bytes]) -> bytes:
    return b"x;y\n" + b"".join(cell + ";é\n".encode() for cell in cells * 3)


def values(table: Table) -> list[Any]:
    column = table.columns["x"]
    return [str(v) for v in column] if column.dtype.kind == "M" else column.tolist()


@pytest.mark.parametrize("before", [False, True], ids=["here", "before"])
@pytest.mark.parametrize("case", LOST)
def test_a_number_that_lost_a_byte_is_missing(case: str, before: bool, tmp_path: Path) -> None:
    cells, expected, count = LOST[case]
    content = damaged(cells)
    table = written(tmp_path, content.decode("utf-8", "replace").encode() if before else content)
    assert repr(values(table)) == repr(expected * 3)
    told = f'{3 * count} cells of "x" lost to undecodable bytes: treated as missing'
    assert (told in table.notes) == (count > 0)
    assert sum("lost to" in note for note in table.notes) == (count > 0)


@pytest.mark.parametrize("case", ["numbers", "decimal comma", "dates", "levels"])
def test_a_lost_cell_is_read_as_in_training(case: str, tmp_path: Path) -> None:
    cells, _, count = LOST[case]
    trained = written(tmp_path, damaged(cells))
    new = written(tmp_path, damaged(cells[1:2]), "b.csv", reading=trained.reading)
    alone = ["2\ufffd" if case == "levels" else NAN] * 3
    assert repr(values(new)) == repr(alone)
    assert sum("lost to" in note for note in new.notes) == count


def test_a_file_with_lost_cells_is_joined(tmp_path: Path) -> None:
    written(tmp_path, damaged([b"1.304", b"2.\xff00"]), "1.csv")
    written(tmp_path, damaged([b"1,5"]), "2.csv")
    table = read_table(str(tmp_path / "*.csv"))
    assert repr(values(table)) == repr([1304.0, NAN] * 3 + [1.5] * 3)
