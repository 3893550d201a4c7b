"""From bytes to UTF-8: what a file is, how its text is encoded, and what could not be decoded."""

from __future__ import annotations

import codecs
import gzip
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from .words import several

_CHUNK = 1 << 20
_MAGIC = {
    b"PK\x03\x04": ("an Excel workbook or zip archive", "save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel or Office file", "save the sheet as CSV"),
    b"\x89PNG": ("a PNG picture", "give a table"),
    b"\xff\xd8\xff": ("a JPEG picture", "give a table"),
    b"GIF8": ("a GIF picture", "give a table"),
    b"%PDF": ("a PDF document", "give a table"),
    b"PAR1": ("a Parquet file", "rename it to .parquet"),
    b"SQLite format 3": ("a SQLite database", "rename it to .sqlite"),
    b"ARROW1": ("an Arrow file", "read it with pandas or polars and pass the data frame"),
    b"\x1f\x8b": ("compressed twice", "unpack it once"),
    b"BZh": ("compressed with bzip2", "unpack it, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it, or compress it with gzip"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it, or compress it with gzip"),
    b"\x00\x00\x08": ("an idx file", "give the folder that holds images and labels"),
    b"\x7fELF": ("a program", "give a table"),
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Western text in cp1252 holds beyond ASCII: letters, quotes, dashes, and signs of units.
_SIGNS = "€…ŠŒŽ‘’“”–—™šœžŸ\N{NO-BREAK SPACE}¡£§©ª«®°±²µ·º»¼½¿"
_WESTERN = frozenset([*range(0xC0, 0xFE), *_SIGNS.encode("cp1252")])
# No letter of cp1252, or one that is hardly used.
_ASTRAY = frozenset(b"\x81\x8d\x8f\x90\x9d\xfe\xff")
_FEW, _MANY = 8, 200
_SAMPLE = 2000  # lines
_STRAY = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_SCRIPTS = [
    *("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "cp1253", "cp1255", "cp1256", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "euc_kr"),
]


@dataclass(frozen=True)
class Decoded:
    """A file that holds UTF-8 text, what was done to make it so, and whether bytes were lost."""

    path: Path
    notes: tuple[str, ...] = ()
    damaged: bool = False


def is_gzip(path: Path) -> bool:
    """Whether the file starts as a gzip file does, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def opener(path: Path) -> Callable[..., Any]:
    """The function that opens the file, and decompresses it if it is gzip."""
    return gzip.open if is_gzip(path) else open


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked when it is gzip; a cut-off archive raises ValueError."""
    try:
        with opener(path)(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except EOFError:
        fault = f"{path} ends in the middle of its compressed data"
        raise ValueError(f"{fault}: copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}): download it again") from None


def decode(path: Path, folder: Path) -> Decoded:
    """The file itself when it is UTF-8, else a UTF-8 copy of it in `folder`.

    ValueError: the file is empty, a binary file, or a cut-off archive.
    """
    start = next(chunks(path), b"")
    if not start.strip():
        raise ValueError(f"{path} is empty: give a table with a header and some rows of data")
    encoding = next((name for bom, name in _BOMS if start.startswith(bom)), None)
    encoding = encoding or _utf16_without_mark(start)
    if encoding is None:
        _refuse_binary(path, start)
    if encoding in (None, "utf-8-sig"):
        replaced = _replaced_in_utf8(path)
        if replaced is not None:
            return Decoded(plain_name(path, folder), damaged=replaced)
        encoding = encoding or _guess(path)
    target, bad = _copy(path, folder, encoding)
    notes = [] if encoding.startswith("utf-8") else [f"text decoded as {encoding}"]
    if bad:
        notes.append(f"{several(bad, 'undecodable byte')} replaced by \ufffd")
    return Decoded(target, tuple(notes), bad > 0)


def plain_name(path: Path, folder: Path) -> Path:
    """The path, or a link to it in `folder` where DuckDB would take the name for a pattern."""
    if not set("*?[]{}") & set(str(path)):
        return path
    link = folder / f"link{''.join(path.suffixes[-2:])}"
    link.symlink_to(path.resolve())
    return link


def _refuse_binary(path: Path, start: bytes) -> None:
    for magic, (what, fix) in _MAGIC.items():
        if start.startswith(magic):
            raise ValueError(f"{path} is not delimited text but {what}: {fix}")
    head = start[: 1 << 16]
    control = sum(byte < 32 and byte not in b"\t\n\r\x0b\x0c\x1a\x1b" for byte in head)
    if b"\x00" in head or control > len(head) / 50:
        fault = f"{path} is a binary file, not delimited text"
        raise ValueError(f"{fault}: give a CSV, Parquet, JSON lines or SQLite file")


def _utf16_without_mark(start: bytes) -> str | None:
    """UTF-16 without a byte order mark shows as a zero in every other byte."""
    head = start[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > len(head) * 0.4 and min(even, odd) < len(head) * 0.02:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _replaced_in_utf8(path: Path) -> bool | None:
    """Whether a UTF-8 file holds the replacement character; None if it is not UTF-8."""
    try:
        return any(["\ufffd" in text for text in codecs.iterdecode(chunks(path), "utf-8")])
    except UnicodeDecodeError:
        return None


def _guess(path: Path) -> str:
    """The encoding of text that is not valid UTF-8; "utf-8" if only a few bytes are invalid."""
    stray = beyond = 0
    for text in codecs.iterdecode(chunks(path), "utf-8", "surrogateescape"):
        stray += len(_STRAY.findall(text))
        beyond += len(_BEYOND_ASCII.findall(text))
    if beyond >= 2 * stray:
        return "utf-8"
    with opener(path)(path, "rb") as file:
        lines = (line for block in file for line in block.splitlines() if not line.isascii())
        return _single_byte_encoding(b"\n".join(islice(lines, _SAMPLE)))


def _single_byte_encoding(sample: bytes) -> str:
    """cp1252 unless the bytes look different; "utf-8" for a few bytes without Western letters."""
    high = [b for b in sample if b > 0x7F]
    if sum(b in _ASTRAY for b in high) > len(high) / 2:
        return "utf-8"
    in_runs = sum(map(len, re.findall(rb"[\x80-\xff]{3,}", sample)))
    # In Western text accented letters occur singly; whole words of high bytes are another script.
    if len(high) >= _FEW and in_runs > len(high) / 2:
        return _detected(sample, _SCRIPTS)
    western = sum(b in _WESTERN for b in high) / len(high)
    if len(high) >= _MANY and western < 0.9:
        return _detected(sample, None)
    return "utf-8" if len(high) < _FEW and western <= 0.5 else "cp1252"


def _detected(sample: bytes, candidates: list[str] | None) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 1 << 18], cp_isolation=candidates).best()
    return best.encoding if best is not None else "cp1252"


def _copy(path: Path, folder: Path, encoding: str) -> tuple[Path, int]:
    """A UTF-8 copy of the file and the number of its bytes that no character stands for."""
    bad = list[int]()  # how many bytes each fault covers

    def replaced(error: Any) -> tuple[str, int]:
        bad.append(error.end - error.start)
        return "\ufffd" * bad[-1], error.end

    codecs.register_error("chainrule.count", replaced)
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".csv", delete=False) as target:
        for text in codecs.iterdecode(chunks(path), encoding, "chainrule.count"):
            target.write(text.encode("utf-8", "replace"))
    return Path(target.name), sum(bad)
