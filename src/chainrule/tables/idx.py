"""MNIST-style idx files: images and labels, every header checked before it is trusted."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .table import Table
from .text_encoding import chunks
from .words import several

_IMAGES = re.compile(r"(?P<part>.*)-images[-.]idx3-ubyte(\.gz)?")
_EXAMPLE = "train-images-idx3-ubyte"
_UBYTE = 0x08


def is_idx(path: Path) -> bool:
    """Whether the name is that of an idx file, such as train-labels-idx1-ubyte.gz."""
    return re.search(r"[-.]idx[123]-ubyte(\.gz)?$", path.name) is not None


def read_idx(source: Path) -> Table:
    """Images (n, rows, columns) as columns pixel_r_c of uint8, and their labels as int64.

    `source` is an images file with its labels in the same folder, or a folder with training images.
    ValueError: files missing or damaged, or a header that does not fit its file.
    """
    if source.is_dir():
        parts = _parts(source)
        training = [part for part in parts if "train" in part or not _is_test(part)]
        part = min(training, key=lambda part: "train" not in part, default=None)
        if part is None:
            files = f'a file, a pattern such as "{source}/*.csv", or a folder with {_EXAMPLE}'
            raise ValueError(f"{source} is a folder without training images: give {files}")
        return _read_pair(parts[part])
    if "-labels" in source.name:
        source = _beside(source, "labels", "images", 1, 3)
    return _read_pair(source)


def idx_test_part(source: str | Path) -> Table | None:
    """The test images (t10k or test) in the folder of the training images; None without any."""
    path = Path(source)
    folder = path if path.is_dir() else path.parent
    parts = _parts(folder) if folder.is_dir() and (path.is_dir() or is_idx(path)) else {}
    images = next((file for part, file in parts.items() if _is_test(part)), path)
    return None if images == path else _read_pair(images)


def _is_test(part: str) -> bool:
    return "t10k" in part or "test" in part


def _parts(folder: Path) -> dict[str, Path]:
    matches = ((_IMAGES.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
    return {match["part"]: path for match, path in matches if match}


def _beside(path: Path, old: str, new: str, old_rank: int, new_rank: int) -> Path:
    name = path.name.replace(f"-{old}", f"-{new}").replace(f"idx{old_rank}", f"idx{new_rank}")
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, stem + ".gz"):
        if path.with_name(candidate).exists():
            return path.with_name(candidate)
    raise ValueError(f"{path} has no {new} file {stem} beside it: put the two in one folder")


def _read_pair(images_path: Path) -> Table:
    labels_path = _beside(images_path, "images", "labels", 3, 1)
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if len(images) != len(labels):
        fault = f"{images_path} holds {len(images)} images but {labels_path} {len(labels)} labels"
        raise ValueError(f"{fault}: take both from one source")
    n, rows, columns = images.shape
    pixels = np.ascontiguousarray(images.reshape(n, rows * columns).T)
    names = (f"pixel_{r}_{c}" for r in range(rows) for c in range(columns))
    named = dict(zip(names, pixels, strict=True))
    return Table({**named, "label": labels.astype(np.int64)}, str(images_path))


def _read(path: Path, rank: int) -> NDArray[np.uint8]:
    """The array of an idx file; nothing is allocated beyond what the file really holds."""
    data = b"".join(chunks(path))
    header = 4 + 4 * rank
    if len(data) < header or data[:2] != b"\0\0" or data[2] != _UBYTE or data[3] != rank:
        fault = f"{path} does not start like an idx file of bytes with {several(rank, 'dimension')}"
        raise ValueError(f"{fault}: download it again")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", rank, 4))
    size = math.prod(shape)
    if header + size != len(data):
        sizes = f"{' x '.join(map(str, shape))} bytes but has {len(data) - header} after its header"
        raise ValueError(f"{path} says it holds {sizes}: download it again")
    if size == 0:
        raise ValueError(f"{path} holds no data: download it again")
    return np.frombuffer(data, np.uint8, size, header).reshape(shape)
