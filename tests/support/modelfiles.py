"""Model files taken apart, altered and put together again, for the tests of `load`."""

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.network import Network
from chainrule.models.modelfile import ModelFileError, load
from chainrule.tables import Table

SAMPLES = Path(__file__).parents[1] / "model_files"


def sample(name: str, folder: Path) -> Path:
    """The sample of tests/model_files with this name, unpacked to a folder."""
    file = folder / name
    file.write_bytes(gzip.decompress((SAMPLES / f"{name}.gz").read_bytes()))
    return file


def parts(file: Path) -> tuple[bytes, bytes]:
    """(header, numbers) of a safetensors file: 8 bytes of length, JSON, numbers end to end."""
    data = file.read_bytes()
    data = gzip.decompress(data) if file.suffix == ".gz" else data
    (length,) = struct.unpack("<Q", data[:8])
    return data[8 : 8 + length], data[8 + length :]


def joined(header: bytes, numbers: bytes) -> bytes:
    """The file of a header and numbers; the way back from `parts`."""
    return struct.pack("<Q", len(header)) + header + numbers


def header_of(file: Path) -> Any:
    return json.loads(json.loads(parts(file)[0])["__metadata__"]["chainrule"])


def with_text(file: Path, text: str) -> Path:
    """A copy of the file with another text for its header."""
    outer, numbers = parts(file)
    header = json.loads(outer)
    header["__metadata__"]["chainrule"] = text
    other = file.with_name("other")
    other.write_bytes(joined(json.dumps(header).encode(), numbers))
    return other


def with_header(file: Path, header: Any) -> Path:
    return with_text(file, json.dumps(header))


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inside:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any, *, remove: bool = False) -> Any:
    copy = json.loads(json.dumps(data))
    at = copy
    for key in path[:-1]:
        at = at[key]
    if remove:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


def edit(path: str, value: Any) -> Callable[[Any], Any]:
    keys = tuple(int(key) if key.isdigit() else key for key in path.split("."))
    return lambda header: changed(header, keys, value)


def outcome(file: Path) -> str | None:
    """The message of a refusal, None where the file is accepted and what it holds predicts."""
    try:
        loaded = load(file)
    except (ModelFileError, OSError) as error:
        told = str(error)
        assert told.startswith(str(file)), told
        assert "\n" not in told
        assert len(told) > len(str(file)) + 15
        return told
    with np.errstate(all="ignore"):
        predicts(loaded)
    return None


def predicts(loaded: Any) -> None:
    net = loaded if isinstance(loaded, Network) else loaded.net
    if isinstance(loaded, Network) or loaded.preparation is None:
        X = np.random.default_rng(0).normal(size=(3, net.n_in))
        assert loaded.predict(X).shape == (3, net.n_out)
        return
    cells = {"number": 1.5, "pixel": 7.0}
    columns = {
        plan.name: np.array([None if plan.kind == "date" else "x", None], object)
        if plan.kind not in cells
        else np.array([cells[plan.kind], np.nan])
        for plan in loaded.preparation.columns
    }
    assert loaded.predict(Table(columns, "made up")).shape == (2,)
