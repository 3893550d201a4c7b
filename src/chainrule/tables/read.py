"""read_table: reads a table from every kind of source."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .delimited import read_delimited
from .files import read_json, read_parquet, read_sqlite
from .frames import read_frame, read_mapping
from .idx import is_idx, read_idx
from .reading import READINGS, common_readings, first_unread
from .stored import require
from .table import Table, Values, as_text, finish
from .words import listed

_SQLITE = (".sqlite", ".sqlite3", ".db", ".db3")
_JSON = (".json", ".jsonl", ".ndjson")


def read_table(
    source: Any, *, table: str | None = None, reading: Mapping[str, str] | None = None
) -> Table:
    """The table (n rows of named, typed columns) in a file, several files, a frame or a dict.

    `source`: a path or pattern (`data/*.csv`) or a list of these; delimited text (any delimiter,
    quotes, decimal comma, UTF-8, UTF-16 or an older encoding, .gz), .tsv, .json, .jsonl, .parquet,
    .sqlite or .db (`table` names the table), a folder or file of idx images; a data frame that
    narwhals takes; a dict of arrays. `Table.notes` says what was guessed or mended.

    All cells of a column of text decide together how they are read; `Table.reading` says how. For
    rows that belong to a model pass `reading=schema.reading` (or the `reading` of the training
    table): then each cell is read as in training, whatever the other cells are, and one that cannot
    be read so is refused where a number or date is needed.

    Raises FileNotFoundError, ValueError if the content is not a table, OSError for a file that may
    not be read, TypeError for a source of another type.
    """
    reading = dict(reading or {})
    for name, how in reading.items():
        if how not in READINGS:
            choices = f"choose from {listed(READINGS)}"
            raise ValueError(f'"{how}" for "{name}" is no way to read a column: {choices}')
    if isinstance(source, Table):
        return source
    if isinstance(source, Mapping):
        return read_mapping(source, reading)
    names = [source] if isinstance(source, (str, os.PathLike)) else source
    if not isinstance(names, Sequence) or not all(isinstance(s, (str, os.PathLike)) for s in names):
        return read_frame(source, reading)
    if not names:
        raise ValueError("the list of files is empty: name at least one file")
    return _read_alike([path for name in names for path in _paths(os.fspath(name))], table, reading)


def source_files(source: str) -> list[Path]:
    """Every file that `read_table` may open for a path or pattern, partners of idx files too.

    FileNotFoundError when there are none.
    """
    paths = _paths(source)
    folders = {p if p.is_dir() else p.parent for p in paths if p.is_dir() or is_idx(p)}
    return [*paths, *(p for folder in folders for p in folder.iterdir() if is_idx(p))]


def _paths(source: str) -> list[Path]:
    """The files that a path or a pattern stands for; FileNotFoundError when there are none."""
    path = Path(source).expanduser()
    if path.exists():
        return [path]
    if glob.has_magic(source):
        matches = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
        if matches:
            return [p for p in matches if p.is_file()] or matches
        raise FileNotFoundError(f"no file matches {source}: check the pattern and the folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} does not exist, nor does its folder: check the path")
    if path.is_symlink():
        fault = f"{path} is a link to {os.readlink(path)}, where nothing is"
        raise FileNotFoundError(f"{fault}: give the file itself")
    names = [p.name for p in path.parent.iterdir()] if os.access(path.parent, os.R_OK) else []
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.7)
    hint = f"did you mean {' or '.join(close)}?" if close else "check the path"
    raise FileNotFoundError(f"{path} does not exist: {hint}")


def _read_alike(paths: list[Path], table: str | None, reading: dict[str, str]) -> Table:
    """The rows of all files; where they would be read in several ways, in one that fits them all.

    ValueError: the columns differ, or a column is written in ways that exclude each other.
    """
    parts = [_read_one(path, table, reading) for path in paths]
    _check_columns(parts)
    candidates = common_readings(parts)
    failed = list(candidates)
    while failed:
        chosen = {name: readings[0] for name, readings in candidates.items()}
        parts = [_read_one(path, table, reading | chosen) for path in paths]
        failed = [n for n in candidates if any(first_unread(t.columns[n]) for t in parts)]
        for name in failed:
            if len(candidates[name]) == 1:
                raise ValueError(
                    f'column "{name}" is not written alike in {parts[0].source} and the other '
                    "files, no way to read it fits all of them: read them one by one"
                )
            del candidates[name][0]
    return _join(parts)


def _read_one(path: Path, table: str | None, reading: Mapping[str, str]) -> Table:
    if path.is_dir():
        return read_idx(path)
    if not path.is_file():
        raise ValueError(f"{path} is neither a file nor a folder: give a file")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except PermissionError:
        raise PermissionError(f"{path} may not be read: ask for permission, or copy it") from None
    if not start:
        raise ValueError(f"{path} is empty: give a table with a header and some rows of data")
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in _SQLITE:
        return read_sqlite(path, table, reading)
    if table is not None:
        raise ValueError(f"{path} is one table: table= is for SQLite databases (.sqlite, .db)")
    if is_idx(path):
        return read_idx(path)
    if suffix == ".parquet":
        return read_parquet(path, reading)
    if suffix in _JSON:
        return read_json(path, reading)
    return read_delimited(path, reading, "\t" if suffix == ".tsv" else None)


def _check_columns(tables: list[Table]) -> None:
    first = tables[0]
    for other in tables[1:]:
        differing = listed(sorted(set(first.names) ^ set(other.names))[:4])
        fault = f"{other.source} and {first.source} differ in the columns {differing}"
        require(not differing, f"{fault}: join only files with the same columns")


def _join(tables: list[Table]) -> Table:
    """The rows of all tables, one below the other."""
    first = tables[0]
    if len(tables) == 1:
        return first
    columns = {name: _stack([t.columns[name] for t in tables]) for name in first.names}
    notes = dict.fromkeys(note for t in tables for note in t.notes)
    joined = Table(
        columns,
        f"{first.source} and {len(tables) - 1} more",
        (*notes, f"{len(tables)} files joined"),
        {name: reading for t in tables for name, reading in t.reading.items()},
        {new: name for t in tables for new, name in t.doubled.items()},
    )
    return finish(joined)


def _stack(parts: list[Values]) -> Values:
    """Columns of one name end to end: the narrowest type that holds all of them."""
    filled = [p for p in parts if not (p.dtype.kind == "f" and np.isnan(p).all())]
    kinds = {p.dtype.kind for p in filled}
    if len(kinds) <= 1 and (not kinds or kinds == {"f"} or len(filled) == len(parts)):
        return np.concatenate(parts)
    if kinds <= {"i", "u", "f"} and all(np.nanmax(np.abs(p.astype(float))) < 2**53 for p in filled):
        return np.concatenate([p.astype(np.float64) for p in parts])
    if kinds == {"M"}:
        empty = np.datetime64("NaT", "us")
        return np.concatenate([p if p.dtype.kind == "M" else np.full(len(p), empty) for p in parts])
    native = kinds <= {"b", "O"}
    cells = (p.tolist() if native and p.dtype.kind in "bO" else as_text(p) for p in parts)
    return np.array([*chain.from_iterable(cells)], object)
