"""Delimited text through DuckDB, with every guess about it checked against its first lines."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

from .sql import Relation, connect, first_line, quoted
from .table import MISSING_MARKERS, Table, finish
from .text_encoding import Decoded, chunks, decode, is_gzip, opener
from .typed import TypedColumns, typed_columns
from .words import doubled, renaming_notes, several, unique_names

_HEAD = 1 << 18
_LINES = 200
_USUAL = "\t;|,"
_RARE = "^~:#!@&*§¦ "
_LONGEST = 2**31 - 1
_LINE_SIZE = 2 << 20
_BLANK_LINE = re.compile(rb"\n[ \t]*[\r\n]|\r[ \t]*\r|\r[ \t]+\n")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?%?")


@dataclass(frozen=True)
class Dialect:
    """How the lines of a file are cut into cells."""

    delimiter: str
    quote: str = '"'
    escape: str = '"'

    def reader(self, lines: Iterable[str], *, strict: bool = False) -> Any:
        """The csv module's reader of these lines."""
        twice = self.escape == self.quote
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            doublequote=twice,
            escapechar=None if twice else self.escape,
            strict=strict,
        )


@dataclass(frozen=True)
class Source:
    """A decoded file and how it is cut: the lines above its header, its cells, its columns.

    `originals` maps the name of each column to what the file calls it.
    """

    path: Path
    text: Decoded
    skip: int
    dialect: Dialect
    has_header: bool
    originals: dict[str, str]
    blank_top: bool

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.originals)


def read_delimited(path: Path, reading: Mapping[str, str], delimiter: str | None) -> Table:
    """The table in a delimited text file; every column read as `reading` says or all cells allow.

    ValueError: an empty or binary file, a header without rows, a row with more or fewer cells than
    the header, a quote that is never closed, an infinite number.
    """
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        source, notes = _source(path, decode(path, Path(folder)), delimiter)
        columns, readings, typing_notes = _columns(source, Path(folder), reading)
        blank = _blank_lines(source) if source.width > 1 else 0
    if source.has_header and not len(next(iter(columns.values()))):
        raise ValueError(f"{path} holds only a header: add some rows of data")
    if blank:
        notes.append(f"{several(blank, 'blank line')} between the rows dropped")
    notes += typing_notes
    table = Table(columns, str(path), tuple(notes), readings, doubled(source.originals))
    return finish(table, "data row")


def _source(path: Path, text: Decoded, delimiter: str | None) -> tuple[Source, list[str]]:
    """How the file is cut, by its first lines, and notes.

    ValueError: there are no lines, or the first has a different number of cells from most lines.
    """
    head = _head(text.path)
    skip, named, notes = _preamble(head)
    head = "".join(_lines(head)[skip:])
    blank = _blank_lines_above(head)
    dialect = find_dialect(head, delimiter or named)
    records = _records(head, dialect)
    if not records:
        raise ValueError(f"{path} is empty: give a table with a header and some rows of data")
    width, _ = _usual_width(records)
    if len(records[0]) != width:
        line, own = skip + 1 + blank, len(records[0])
        raise ValueError(_ragged(path, line, own, "most lines have", width, dialect))
    cells = [cell.strip() for cell in records[0]]
    has_header = _is_header(cells, records[1:])
    originals = unique_names(cells if has_header else [""] * width)
    notes += text.notes
    if width == 1:
        notes.append("one column only: no delimiter found")
    if has_header:
        notes += renaming_notes(originals)
    else:
        notes.append("no header: the columns are called column0, column1, …")
    return Source(path, text, skip, dialect, has_header, originals, blank > 0), notes


def _columns(source: Source, folder: Path, reading: Mapping[str, str]) -> TypedColumns:
    """The columns, their readings and notes; what DuckDB cannot cut into cells, csv does first."""
    import duckdb

    names, comma = list(source.originals), source.dialect.delimiter != ","

    with connect() as con:

        def typed(sql: str) -> TypedColumns:
            return typed_columns(Relation(con, sql), names, comma, reading, source.text.damaged)

        with suppress(duckdb.Error):
            if not source.blank_top:
                return typed(_read_csv(source))
        try:
            return typed(_read_csv(*_rewrite(source, folder)))
        except duckdb.Error as error:
            raise ValueError(f"{source.path} cannot be read: {first_line(error)}") from None


def _head(path: Path) -> str:
    """The first lines of a UTF-8 file, up to the last complete one."""
    data = next(chunks(path), b"")[:_HEAD]
    if len(data) == _HEAD:
        data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1] or data
    return data.decode("utf-8-sig", "ignore")


def find_dialect(head: str, delimiter: str | None = None) -> Dialect:
    """The dialect that cuts every line of `head` into the same number of cells.

    The usual delimiters are tried first; a rare one wins if it is the only one that fits all lines.
    """
    first = head.lstrip().split("\n", 1)[0].rstrip()
    quote = "'" if re.fullmatch(r"'[^'\"]*'([\t;|,]'[^'\"]*')+", first) else '"'
    escape = "\\" if f"\\{quote}" in head and quote * 2 not in head else quote
    if delimiter is not None:
        return Dialect(delimiter, quote, escape)

    def cut(mark: str) -> list[list[str]]:
        return _records(head, Dialect(mark, quote, escape))

    shares = {mark: _agreement(cut(mark)) for mark in _USUAL}
    best = max(shares, key=lambda mark: shares[mark]) if any(shares.values()) else ","
    rare = () if shares[best] == 1 else _RARE.rstrip() if shares[best] else _RARE
    alone = (mark for mark in rare if _all_agree(cut(mark), mark))
    return Dialect(next(alone, best), quote, escape)


def _preamble(head: str) -> tuple[int, str | None, list[str]]:
    """How many lines stand above the table, the delimiter that one of them names, and notes.

    Spreadsheets write sep=; there, other programs write comments that begin with #. A # may also
    begin the header: it does if the last of these lines has as many cells as the next line.
    """
    lines = [line.rstrip("\r\n") for line in _lines(head)]
    separator = re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff"))
    if separator:
        return 1, separator[1], []
    count = next((i for i, line in enumerate(lines) if line[:1] != "#"), len(lines))
    if 0 < count < len(lines) and _is_commented_header(lines[count - 1], lines[count]):
        count -= 1
    if not 0 < count < len(lines):
        return 0, None, []
    return count, None, [f"{several(count, 'comment line')} at the top left out"]


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="").readlines()


def _blank_lines_above(text: str) -> int:
    return next((i for i, line in enumerate(_lines(text)) if line.strip()), 0)


def _is_commented_header(line: str, below: str) -> bool:
    for delimiter in _USUAL:
        cells, row = line.split(delimiter), below.split(delimiter)
        if len(cells) == len(row) > 1:
            return line[1:2] not in (" ", "") or any(map(_is_number, row))
    return False


def _records(head: str, dialect: Dialect) -> list[list[str]]:
    """The first records, up to a line that csv cannot cut."""
    records: list[list[str]] = []
    with suppress(csv.Error), _cells_of_any_length():
        rows = dialect.reader(io.StringIO(head, newline=""))
        for row in islice((row for row in rows if not _is_blank(row, dialect)), _LINES):
            records.append(row)
    return records


def _is_blank(row: list[str], dialect: Dialect, width: int = 0) -> bool:
    """Whether a line held only white space, which with tabs can look like a few empty cells."""
    if not row or len(row) == width:
        return not row
    return (len(row) == 1 or dialect.delimiter.isspace()) and not "".join(row).strip()


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _agreement(records: list[list[str]]) -> float:
    """The share of records that have the commonest number of cells; 0 if that number is 1."""
    width, count = _usual_width(records)
    return count / len(records) if width > 1 else 0.0


def _all_agree(records: list[list[str]], delimiter: str) -> bool:
    """Whether every record has the same number of cells, and not by chance as in two words."""
    if len(records) < 2 or _agreement(records) < 1.0:
        return False
    columns = zip(*records[1:], strict=True)
    return delimiter != " " or any(
        all(_is_number(cell) or cell in MISSING_MARKERS for cell in column) for column in columns
    )


def _usual_width(records: list[list[str]]) -> tuple[int, int]:
    """The commonest number of cells in a record, and how many records have it; first wins a tie."""
    return Counter(map(len, records)).most_common(1)[0] if records else (0, 0)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _ragged(path: Path, line: int, cells: int, others: str, width: int, dialect: Dialect) -> str:
    return (
        f"{path}, line {line}: {several(cells, 'cell')} where {others} {width}: mend that line, "
        f"or quote the cell that holds the delimiter {dialect.delimiter!r}"
    )


def _is_header(cells: list[str], below: list[list[str]]) -> bool:
    """Whether these cells are names: not numbers, and not repeated as values of their columns."""
    numbers = [i for i, cell in enumerate(cells) if _is_number(cell)]
    if not numbers or not below:
        return not numbers
    counted = [str(i) for i in range(len(numbers))]
    if [cells[i] for i in numbers] == counted and len(numbers) >= len(cells) - 1 > 0:
        return True
    words = [i for i, cell in enumerate(cells) if cell not in MISSING_MARKERS and i not in numbers]
    return any(all(i >= len(row) or row[i].strip() != cells[i] for row in below) for i in words)


def _read_csv(source: Source, longest: int = 0) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(source.width))
    markers = ", ".join(quoted(m) for m in MISSING_MARKERS)
    dialect = source.dialect
    return (
        f"read_csv({quoted(str(source.text.path))}, auto_detect=false, columns={{{columns}}}, "
        f"delim={quoted(dialect.delimiter)}, quote={quoted(dialect.quote)}, "
        f"escape={quoted(dialect.escape)}, header={str(source.has_header).lower()}, "
        f"compression='{'gzip' if is_gzip(source.text.path) else 'none'}', nullstr=[{markers}], "
        f"skip={source.skip}, max_line_size={max(longest, _LINE_SIZE)})"
    )


@contextmanager
def _rows(source: Source) -> Iterator[Any]:
    """The reader of the csv module below the lines that are skipped."""
    path, decoded = source.text.path, {"encoding": "utf-8-sig", "errors": "replace", "newline": ""}
    with opener(path)(path, "rt", **decoded) as stream, _cells_of_any_length():
        for _ in range(source.skip):
            stream.readline()
        yield source.dialect.reader(stream, strict=True)


def _rewrite(source: Source, folder: Path) -> tuple[Source, int]:
    """A plain copy of a file that DuckDB cannot read (mixed line ends, blank lines at the top, very
    long cells), and a bound for its longest line.

    ValueError: the first line with another number of cells, or with a quote that is not closed.
    """
    line, longest, width = source.skip, 0, source.width
    copy = folder / "plain.csv"
    with _rows(source) as reader, copy.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        try:
            for row in reader:
                if not _is_blank(row, source.dialect, width):
                    if len(row) != width:
                        ragged = (line + 1, len(row), "the first line has", width, source.dialect)
                        raise ValueError(_ragged(source.path, *ragged))
                    longest = max(longest, writer.writerow(row))
                line = source.skip + reader.line_num
        except csv.Error as error:
            fault = f"{source.path}, line {line + 1}: {error}"
            raise ValueError(f"{fault}: close the quote there") from None
    text = replace(source.text, path=copy)
    # UTF-8 takes at most four bytes per character.
    return replace(source, text=text, dialect=Dialect(","), skip=0, blank_top=False), 4 * longest


def _blank_lines(source: Source) -> int:
    """The number of blank lines between the rows; csv counts them only where there may be some."""
    blocks = pairwise(chain([b""], chunks(source.text.path)))
    if not any(_BLANK_LINE.search(before[-64:] + block) for before, block in blocks):
        return 0
    with _rows(source) as reader:
        rows = [i for i, r in enumerate(reader) if not _is_blank(r, source.dialect, source.width)]
    return rows[-1] - rows[0] + 1 - len(rows)
