"""Delimited text through DuckDB, with every guess about it checked against its first lines."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .names import doubled, renaming_notes, unique_names
from .sql import Relation, connect, first_line, quoted
from .table import MISSING_MARKERS, Table, Values, finish
from .text_encoding import Decoded, chunks, decode
from .typed import typed_columns

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
        """The records of the lines as the csv module cuts them."""
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
    """A decoded file and how it is cut: its cells, the lines above its header, its columns."""

    path: Path
    text: Decoded
    dialect: Dialect
    width: int
    has_header: bool
    skip: int
    blank_top: bool


def read_delimited(path: Path, reading: Mapping[str, str], delimiter: str | None) -> Table:
    """The table in a delimited text file; every column read as `reading` says or all cells allow.

    ValueError: an empty or binary file, a header without rows, a row with more or fewer cells than
    the header, a quote that is never closed, an infinite number.
    """
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        text = decode(path, Path(folder))
        head = _head(text.path)
        skip, told, notes = _preamble(head)
        head = "".join(_lines(head)[skip:])
        dialect = find_dialect(head, delimiter or told)
        names, changed, has_header, more = _names(path, head, dialect, skip)
        source = Source(
            path, text, dialect, len(names), has_header, skip, _blank_lines_above(head) > 0
        )
        columns, readings, found = _columns(source, names, Path(folder), reading)
        blank = _blank_lines(source) if len(names) > 1 else 0
    if has_header and not len(next(iter(columns.values()))):
        raise ValueError(f"{path} holds only a header: add some rows of data")
    notes += [*text.notes, *more]
    if blank:
        notes.append(f"{blank} blank line{'s' * (blank > 1)} between the rows dropped")
    table = Table(columns, str(path), (*notes, *found), readings, doubled(changed))
    return finish(table, "data row")


def _columns(
    source: Source, names: list[str], folder: Path, reading: Mapping[str, str]
) -> tuple[dict[str, Values], dict[str, str], list[str]]:
    """The columns, their readings and notes; what DuckDB cannot cut into cells, csv does first."""
    import duckdb

    comma, damaged = source.dialect.delimiter != ",", source.text.damaged
    with connect() as con:
        try:
            if not source.blank_top:
                relation = Relation(con, _read_csv(source))
                return typed_columns(relation, names, comma, reading, damaged)
        except duckdb.Error:
            pass
        relation = Relation(con, _read_csv(*_rewrite(source, folder)))
        try:
            return typed_columns(relation, names, comma, reading, damaged)
        except duckdb.Error as error:
            raise ValueError(f"{source.path} cannot be read: {first_line(error)}") from None


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
    """The dialect whose cells are the same in number in every line of `head`.

    The usual delimiters come first; a rare one wins where all lines agree on it alone.
    """
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
    if best_share < 1:
        for candidate in _RARE if best_share == 0 else _RARE.rstrip():
            if _all_agree(head, Dialect(candidate, quote, escape)):
                return Dialect(candidate, quote, escape)
    return Dialect(best, quote, escape)


def _preamble(head: str) -> tuple[int, str | None, list[str]]:
    """How many lines stand above the table, the delimiter that one of them names, and notes.

    Spreadsheets write sep=; there, others comments that begin with #. A lone # may as well begin
    the header: it does where its line has the cells of the next one.
    """
    lines = [line.rstrip("\r\n") for line in _lines(head)]
    told = re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff"))
    if told:
        return 1, told[1], []
    count = next((i for i, line in enumerate(lines) if line[:1] != "#"), len(lines))
    if 0 < count < len(lines) and _is_commented_header(lines[count - 1], lines[count]):
        count -= 1
    if not 0 < count < len(lines):
        return 0, None, []
    note = f"{count} comment line{'s' * (count > 1)} at the top left out"
    return count, None, [note]


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
    records: list[list[str]] = []
    try:
        with _cells_of_any_length():
            for row in dialect.reader(io.StringIO(head, newline="")):
                if not _is_blank(row, dialect):
                    records.append(row)
                if len(records) == _LINES:
                    break
    except csv.Error:
        pass
    return records


def _is_blank(row: list[str], dialect: Dialect, width: int = 0) -> bool:
    """Whether a line held white space only; so does a row of as many empty cells, with tabs."""
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


def _agreement(head: str, dialect: Dialect) -> float:
    """The share of records as wide as most are; 0 when those have one cell only."""
    records = _records(head, dialect)
    width, count = _usual_width(records)
    return count / len(records) if width > 1 else 0.0


def _all_agree(head: str, dialect: Dialect) -> bool:
    """Whether every record has the same cells in number, and not by chance as in two words."""
    records = _records(head, dialect)
    width, count = _usual_width(records)
    if width < 2 or len(records) < 2 or count < len(records):
        return False
    columns = zip(*records[1:], strict=True)
    return dialect.delimiter != " " or any(
        all(_is_number(cell) or cell in MISSING_MARKERS for cell in column) for column in columns
    )


def _usual_width(records: list[list[str]]) -> tuple[int, int]:
    """How many cells most records have, and how many have so many; the first wins a draw."""
    return Counter(map(len, records)).most_common(1)[0] if records else (0, 0)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _names(
    path: Path, head: str, dialect: Dialect, skip: int
) -> tuple[list[str], dict[str, str], bool, list[str]]:
    """The names of the columns, those renamed, whether the first line holds them, and notes.

    ValueError: the first line has another number of cells than most.
    """
    records = _records(head, dialect)
    if not records:
        raise ValueError(f"{path} is empty: give a table with a header and some rows of data")
    width, _ = _usual_width(records)
    if len(records[0]) != width:
        line = skip + 1 + _blank_lines_above(head)
        raise ValueError(_ragged(path, line, len(records[0]), "most lines have", width, dialect))
    cells = [cell.strip() for cell in records[0]]
    notes = []
    if len(cells) == 1:
        notes.append("one column only: no delimiter found")
    if not _is_header(cells, records[1:]):
        names = [f"column{i}" for i in range(len(cells))]
        return names, {}, False, [*notes, "no header: the columns are called column0, column1, …"]
    names, changed = unique_names(cells)
    return names, changed, True, [*notes, *renaming_notes(changed)]


def _ragged(path: Path, line: int, found: int, who: str, width: int, dialect: Dialect) -> str:
    return (
        f"{path}, line {line}: {found} cell{'s' * (found != 1)} where {who} {width}: mend that "
        f"line, or quote the cell that holds the delimiter {dialect.delimiter!r}"
    )


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


def _read_csv(source: Source, longest: int = 0) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(source.width))
    markers = ", ".join(quoted(m) for m in MISSING_MARKERS)
    dialect = source.dialect
    return (
        f"read_csv({quoted(str(source.text.path))}, auto_detect=false, columns={{{columns}}}, "
        f"delim={quoted(dialect.delimiter)}, quote={quoted(dialect.quote)}, "
        f"escape={quoted(dialect.escape)}, header={str(source.has_header).lower()}, "
        f"compression='{'gzip' if source.text.compressed else 'none'}', nullstr=[{markers}], "
        f"skip={source.skip}, max_line_size={max(longest, _LINE_SIZE)})"
    )


@contextmanager
def _rows(source: Source) -> Iterator[Any]:
    """The reader of the csv module below the lines that are skipped."""
    opener = gzip.open if source.text.compressed else open
    path = source.text.path
    with (
        opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as stream,
        _cells_of_any_length(),
    ):
        for _ in range(source.skip):
            stream.readline()
        yield source.dialect.reader(stream, strict=True)


def _rewrite(source: Source, folder: Path) -> tuple[Source, int]:
    """A plain copy of a file that DuckDB cannot read (mixed line ends, blank lines at the top, very
    long cells), and a bound for its longest line.

    ValueError: the first line with another number of cells, or with a quote that is not closed.
    """
    line, longest, path = 0, 0, source.path
    copy = folder / "plain.csv"
    with _rows(source) as reader, copy.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        try:
            for row in reader:
                blank = _is_blank(row, source.dialect, source.width)
                if not blank and len(row) != source.width:
                    at, told = line + 1 + source.skip, "the first line has"
                    raise ValueError(
                        _ragged(path, at, len(row), told, source.width, source.dialect)
                    )
                if not blank:
                    longest = max(longest, writer.writerow(row))
                line = reader.line_num
        except csv.Error as error:
            at = line + 1 + source.skip
            raise ValueError(f"{path}, line {at}: {error}: close the quote there") from None
    text = replace(source.text, path=copy, compressed=False)
    # Four bytes a character at most.
    return replace(source, text=text, dialect=Dialect(","), skip=0, blank_top=False), 4 * longest


def _blank_lines(source: Source) -> int:
    """How many blank lines stand between the rows; the slow way only where there may be some."""
    if not _may_have_blank_lines(source.text.path):
        return 0
    blank = between = 0
    started = False
    with _rows(source) as reader:
        for row in reader:
            if _is_blank(row, source.dialect, source.width):
                between += 1
            else:
                blank, between, started = blank + between * started, 0, True
    return blank


def _may_have_blank_lines(path: Path) -> bool:
    end = b""
    for chunk in chunks(path):
        block = end + chunk
        if _BLANK_LINE.search(block):
            return True
        end = block[-64:]
    return False
