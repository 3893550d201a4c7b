"""Numbers that do not fit their header, files that are no models, sizes that are lies."""

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as tensors_to_bytes
from support.modelfiles import edit, header_of, joined, outcome, parts, with_header
from support.processes import completed

from chainrule.core.layers import Dense
from chainrule.core.network import Network
from chainrule.core.normalisation_layers import BatchNorm
from chainrule.models.modelfile import ModelFileError, load, save


def altered(name: str, tensor: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: tensors | {name: tensor}


def dropped(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


W = np.ones((2, 3))
LYING: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "missing": (dropped("0.b"), 'disagree about "0.b": the file does not hold it'),
    "extra": (altered("1.W", W), 'disagree about "1.W": the layers have no such number'),
    "transposed": (altered("0.W", W.T.copy()), r'"0.W" has shape \(3, 2\)'),
    "flat": (altered("0.W", W.ravel()), r'"0.W" has shape \(6,\)'),
    "float32": (altered("0.W", W.astype(np.float32)), "type F32"),
    "integers": (altered("0.W", W.astype(np.int64)), "type I64"),
    "nan": (altered("0.W", W * np.nan), '"0.W" holds a number that is not finite'),
    "inf": (altered("0.b", np.full(3, -np.inf)), '"0.b" holds a number that is not finite'),
    "variance": (altered("1.var", np.full(3, -1.0)), "no finite output for a row of zeros"),
    "factors": (altered("lr_factor", np.ones(3)), '"lr_factor" has shape'),
    "nan factors": (altered("decay_factor", np.full(15, np.nan)), "not finite"),
    "empty": (altered("0.W", np.ones((0, 3))), r'"0.W" has shape \(0, 3\)'),
}


@pytest.mark.parametrize("case", LYING)
def test_numbers_that_do_not_fit(tmp_path: Path, case: str) -> None:
    change, message = LYING[case]
    net = Network(2, [Dense(3), BatchNorm()], rng=0)
    file = save(net, tmp_path / "m")
    text = json.dumps(header_of(file))
    tensors = {name: net[name] for name in (*net.shapes, *net.buffer_shapes)}
    file.write_bytes(tensors_to_bytes(tensors, metadata={"chainrule": text}))
    assert outcome(file) is None
    file.write_bytes(tensors_to_bytes(change(tensors), metadata={"chainrule": text}))
    with pytest.raises(ModelFileError, match=message):
        load(file)


@pytest.mark.parametrize("kind", ["BF16", "F16", "F8_E4M3", "F4", "C64", "BOOL", "U8"])
def test_types_that_numpy_may_not_have(tmp_path: Path, kind: str) -> None:
    file = save(Network(1, [Dense(16, bias=False)], rng=0), tmp_path / "m")
    outer = json.loads(parts(file)[0])
    bits = {"BF16": 16, "F16": 16, "F4": 4, "C64": 64}.get(kind, 8)
    outer["0.W"] = {"dtype": kind, "shape": [1, 16], "data_offsets": [0, 2 * bits]}
    file.write_bytes(joined(json.dumps(outer).encode(), bytes(2 * bits)))
    assert f"type {kind}" in (outcome(file) or "")


def foreign(tmp: Path) -> Path:
    (tmp / "m").write_bytes(tensors_to_bytes({"a": np.ones(2)}))
    return tmp / "m"


def foreign_with_words(tmp: Path) -> Path:
    (tmp / "m").write_bytes(tensors_to_bytes({"a": np.ones(2)}, metadata={"format": "pt"}))
    return tmp / "m"


def text_for_json(tmp: Path) -> Path:
    (tmp / "m").write_bytes(tensors_to_bytes({"a": np.ones(2)}, metadata={"chainrule": "hello"}))
    return tmp / "m"


def a_table(tmp: Path) -> Path:
    (tmp / "m").write_text("a,b\n1,2\n" * 100)
    return tmp / "m"


def long_header(tmp: Path) -> Path:
    (tmp / "m").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    return tmp / "m"


def a_pipe(tmp: Path) -> Path:
    os.mkfifo(tmp / "m")
    return tmp / "m"


def a_loop(tmp: Path) -> Path:
    (tmp / "m").symlink_to(tmp / "m")
    return tmp / "m"


def below_a_file(tmp: Path) -> Path:
    (tmp / "f").write_text("x")
    return tmp / "f" / "m"


def too_large(tmp: Path) -> Path:
    with open(tmp / "m", "wb") as file:
        file.truncate(9 * 2**30)
    return tmp / "m"


PLACES: dict[Callable[[Path], Path], tuple[type[Exception], str]] = {
    foreign: (ModelFileError, "was not saved by chainrule"),
    foreign_with_words: (ModelFileError, "was not saved by chainrule"),
    text_for_json: (ModelFileError, "no model file, or it was cut off"),
    a_table: (ModelFileError, "no model file, or it was cut off"),
    long_header: (ModelFileError, "no model file, or it was cut off"),
    a_pipe: (ModelFileError, "is no ordinary file"),
    a_loop: (OSError, "cannot be read: Too many levels of symbolic links"),
    below_a_file: (OSError, "cannot be read: Not a directory"),
    too_large: (ModelFileError, "larger than 8 GiB"),
    lambda tmp: tmp: (ModelFileError, "is no ordinary file"),
    lambda tmp: tmp / "gone": (FileNotFoundError, "does not exist"),
    lambda tmp: tmp / ("n" * 300): (OSError, "cannot be read: File name too long"),
    lambda tmp: Path("a\0b"): (ModelFileError, "is no path of a file"),
    lambda tmp: Path(os.devnull): (ModelFileError, "is no ordinary file"),
    lambda tmp: Path("/proc/self/status"): (ModelFileError, "no model file"),
}


@pytest.mark.parametrize("place", PLACES)
def test_places_that_hold_no_model(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    kind, message = PLACES[place]
    with pytest.raises(kind, match=message) as caught:
        load(place(tmp_path))
    assert "\n" not in str(caught.value)
    assert not str(caught.value).startswith("[Errno")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unreadable_file(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    file = save(Network(1, [Dense(1)], rng=0), folder / "m")
    here = os.getcwd()
    os.chdir(folder)  # the folders above are closed to other users
    os.chmod("m", 0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match=r"m cannot be read"):
            load(Path("m"))
    finally:
        os.seteuid(0)
        os.chdir(here)
    assert outcome(file) is None


LIMITED = """
import resource, sys
from chainrule import load
load(sys.argv[1])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20,) * 2)
for name in sys.argv[2:]:
    try:
        load(name)
    except ValueError as error:
        print(type(error).__name__, str(error)[:300])
    else:
        print("accepted")
"""


def test_lies_about_size_take_no_memory(tmp_path: Path) -> None:
    good = save(Network(2, [Dense(3), Dense(1)], rng=0), tmp_path / "good")
    header, names = header_of(good), []
    lies: list[tuple[str, Any]] = [("n_in", 2**33), ("layers.0.n", 2**33), ("layers.1.n", 10**300)]
    for number, (path, value) in enumerate(lies):
        names.append(tmp_path / f"lie{number}")
        names[-1].write_bytes(with_header(good, edit(path, value)(header)).read_bytes())
    outer, numbers = json.loads(parts(good)[0]), parts(good)[1]
    for shape in ([2**33, 3], [0, 2**60], [2**63, 2**63], [-1, 3]):
        outer["0.W"]["shape"] = shape
        names.append(tmp_path / f"shape{shape[0]}")
        names[-1].write_bytes(joined(json.dumps(outer).encode(), numbers))
    done = completed([sys.executable, "-c", LIMITED, str(good), *map(str, names)])
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == len(names)
    assert all(line.startswith("ModelFileError") for line in told), told
