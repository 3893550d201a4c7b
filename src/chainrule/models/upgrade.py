"""Turns what an earlier version wrote into today's form, so that the rest of `models` only has to
read that form.

Each function is named after what changed. It works on a header that nobody has checked yet: it
changes what has exactly the earlier form, and leaves everything else for the checks to refuse.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..core.network import Network
from .cosine_order import group_cosines

Header = dict[str, Any]
Step = Callable[[Network], None]


def upgrade(header: Header) -> list[Step]:
    """Change a header of an older format to today's form; returns what remains to be done to the
    network once its numbers are read.
    """
    if header["format"] < 2:
        limits_are_kept(header)
        readings_are_kept(header)
    return cosines_have_columns(header) if header["format"] < 3 else []


def limits_are_kept(header: Header) -> None:
    """Columns of the preparation have a `limit` since 1ffd8c2; before, none had one."""
    for column in _columns(header["preparation"]):
        column.setdefault("limit", 0.0)


def readings_are_kept(header: Header) -> None:
    """Columns have a `reading` since bfa424d, which left the format at 1.

    Before, the cells of each file decided how that file was read, and nobody kept what the
    training file had decided. None says so: no default by kind is right for dates that begin with
    the day, or for decimal commas.
    """
    columns = [*_columns(header["preparation"]), *_columns(header["schema"])]
    if not any("reading" in column for column in columns):
        for column in columns:
            column["reading"] = None


def cosines_have_columns(header: Header) -> list[Step]:
    """CosineEmbedding has `columns` since 18582e7, which left the format at 2. Before, it embedded
    all columns, and each number stood beside its own cosines.
    """
    cosines = [part for part in _parts(header["layers"]) if part.get("type") == "CosineEmbedding"]
    if not cosines or any("columns" in embedding for embedding in cosines):
        return []
    for embedding in cosines:
        embedding["columns"] = None
    return [partial(group_cosines, embeddings=len(cosines))]


def _columns(described: Any) -> list[dict[str, Any]]:
    """The columns of a preparation or a schema, as far as these are what they should be."""
    columns = described.get("columns") if isinstance(described, dict) else None
    return [c for c in columns if isinstance(c, dict)] if isinstance(columns, list) else []


def _parts(data: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    if isinstance(data, dict):
        yield data
    if isinstance(data, dict | list):
        for inner in data.values() if isinstance(data, dict) else data:
            yield from _parts(inner)
