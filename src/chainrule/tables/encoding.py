"""From bytes to UTF-8: what a file is, how its text is encoded, and what could not be decoded."""

from __future__ import annotations

import codecs
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
_WESTERN = frozenset({*range(0xC0, 0xFE), *b"\x80\x85\x8c\x91\x92\x93\x94\x96\x97\x9c\x99\xa0"}) | (
    frozenset(b"\xa3\xa7\xa9\xab\xae\xb0\xb1\xb2\xb5\xb7\xba\xaa\xbb\xbc\xbd\xbf\xa1")
    - {0xD7, 0xF7}
)


@dataclass(frozen=True)
class Decoded:
    """A file that holds UTF-8 text, and what was done to make it so."""

    path: Path
    compressed: bool
    notes: tuple[str, ...] = ()


def is_gzip(path: Path) -> bool:
    """Whether the file starts as a gzip file does, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked when it is gzip; a cut-off archive raises ValueError."""
    opener = gzip.open if is_gzip(path) else open
    try:
        with opener(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except EOFError:
        raise ValueError(
            f"{path} ends in the middle of its compressed data: copy or download it again"
        ) from None
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
        if _is_utf8(path):
            return Decoded(plain_name(path, folder), is_gzip(path))
        encoding = encoding or _guess(path)
    target, bad = _copy(path, folder, encoding)
    notes = [] if encoding.startswith("utf-8") else [f"text decoded as {encoding}"]
    if bad:
        notes.append(f"{bad} undecodable byte{'s' * (bad > 1)} replaced by \ufffd")
    return Decoded(target, False, tuple(notes))


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
        raise ValueError(
            f"{path} is a binary file, not delimited text: give a CSV, Parquet, JSON lines or "
            "SQLite file"
        )


def _utf16_without_mark(start: bytes) -> str | None:
    """UTF-16 without a byte order mark shows as a zero in every other byte."""
    head = start[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > len(head) * 0.4 and min(even, odd) < len(head) * 0.02:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _guess(path: Path) -> str:
    """The encoding of text that is not UTF-8, "utf-8" itself when only a few bytes are astray."""
    lines: list[bytes] = []
    letters = bad = good = 0
    rest = b""
    for chunk in chunks(path):
        block = rest + chunk
        rest = block[block.rfind(b"\n") + 1 :]
        for line in block[: len(block) - len(rest)].splitlines() + [rest] * (len(chunk) < _CHUNK):
            if line.isascii():
                continue
            text = line.decode("utf-8", "surrogateescape")
            stray = sum("\udc80" <= c <= "\udcff" for c in text)
            bad += stray
            good += sum(c > "\x7f" for c in text) - stray
            letters += sum(chr(b).isalpha() for b in line)
            if len(lines) < 2000:
                lines.append(line)
    if good >= bad:
        return "utf-8"
    sample = b"\n".join(lines)
    high = [b for b in sample if b > 0x7F]
    western = sum(b in _WESTERN for b in high) / len(high)
    if western > 0.9 and (len(high) < 8 or len(high) < 0.4 * letters):
        return "cp1252"
    if len(high) < 8:
        return "utf-8"
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 1 << 18]).best()
    return best.encoding if best is not None else "cp1252"


def _copy(path: Path, folder: Path, encoding: str) -> tuple[Path, int]:
    """A UTF-8 copy of the file and the number of its bytes that no character stands for."""
    bad = 0

    def replaced(error: UnicodeError) -> tuple[str, int]:
        nonlocal bad
        assert isinstance(error, UnicodeDecodeError)
        count = error.end - error.start
        bad += count
        return "\ufffd" * count, error.end

    codecs.register_error("chainrule.count", replaced)
    decoder = codecs.getincrementaldecoder(encoding)(errors="chainrule.count")
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".csv", delete=False) as target:
        for chunk in chunks(path):
            target.write(decoder.decode(chunk).encode("utf-8", "replace"))
        target.write(decoder.decode(b"", final=True).encode("utf-8", "replace"))
    return Path(target.name), bad
