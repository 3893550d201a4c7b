"""Compiled kernels on the disk: where, for which sources, and what happens where there are none.
engine="auto" chooses by the work alone.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.compiled_runs import GOALS, ROWS, environment, python, toy
from support.fallbacks import BOTH, POSIX, falls_back
from support.numeric import Array

import chainrule as cr
from chainrule.training import engines

PACKAGE = Path(cr.__file__).parent
FOLDER = "from chainrule.compiled import cache; print(cache.folder())"


def named(source: Path, cache: Path, before: str = "", **variables: str) -> Path:
    """The folder of the kernels of a copy of the package."""
    paths = os.pathsep.join([*filter(None, [before]), str(source)])
    done = subprocess.run(
        [sys.executable, "-c", FOLDER], env={**os.environ, "PYTHONPATH": paths, "LC_ALL": "C"}
        | {"CHAINRULE_CACHE": str(cache), **variables},
        capture_output=True, text=True, check=True, cwd=cache.parent,
    )  # fmt: skip
    return Path(done.stdout.strip())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "src" / "chainrule", ignore=skipped)
    return tmp_path / "src"


EDITS = [
    ("compiled/program.py", "BLOCK = ", True),
    ("compiled/step.py", "LANES = ", True),
    ("compiled/elementary.py", "INVERSE_LN2 = ", True),
    ("compiled/threads.py", "", True),
    ("core/activations.py", "SELU_ALPHA = ", True),
    ("core/activation_layers.py", "", True),
    ("training/loop.py", "", False),
]


@pytest.mark.parametrize(("file", "constant", "matters"), EDITS, ids=lambda case: str(case))
def test_the_folder_is_named_by_all_sources(
    file: str, constant: str, matters: bool, source: Path, tmp_path: Path
) -> None:
    before = named(source, tmp_path / "cache")
    path = source / "chainrule" / file
    text = path.read_text(encoding="utf-8")
    assert constant in text
    changed = re.sub(rf"(?m)^({constant})(\S)", r"\g<1>1\2", text) if constant else text + "# more"
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    assert (named(source, tmp_path / "cache") != before) == matters
    path.write_text(text, encoding="utf-8")
    assert named(source, tmp_path / "cache") == before


@pytest.mark.parametrize("library", ["numba", "llvmlite", "numpy"])
def test_the_folder_is_named_by_the_libraries(library: str, source: Path, tmp_path: Path) -> None:
    before = named(source, tmp_path / "cache")
    told = tmp_path / "newer" / f"{library}-99.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Name: {library}\nVersion: 99.0\n")
    assert named(source, tmp_path / "cache", str(told.parent)) != before


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have their own folders")
def test_where_the_folder_is(tmp_path: Path) -> None:
    home, source = {"HOME": str(tmp_path / "home")}, PACKAGE.parent
    for variables, where in (
        ({"CHAINRULE_CACHE": str(tmp_path / "own")}, tmp_path / "own"),
        ({"CHAINRULE_CACHE": "~/mine"}, tmp_path / "home" / "mine"),
        ({"CHAINRULE_CACHE": "relative"}, tmp_path / "relative"),
        ({"CHAINRULE_CACHE": "", "XDG_CACHE_HOME": ""}, tmp_path / "home/.cache/chainrule"),
        ({"CHAINRULE_CACHE": "", "XDG_CACHE_HOME": str(tmp_path)}, tmp_path / "chainrule"),
    ):
        folder = named(source, tmp_path / "unused", **(home | variables))
        assert folder.parent == where
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "unused").exists()


@BOTH
def test_a_folder_that_cannot_be_made(engine: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    places = [str(tmp_path / "file" / "cache"), "~nobody-of-this-name/cache"]
    for place in places if os.access(closed, os.W_OK) else [*places, str(closed)]:
        message = falls_back(engine, CHAINRULE_CACHE=place)
        assert message.startswith("kernels cannot be kept (")
        assert "): set CHAINRULE_CACHE to your own folder;" in message


@POSIX
@BOTH
@pytest.mark.parametrize(("mode", "which"), [(0o777, "own"), (0o770, "own"), (0o777, "parent")])
def test_a_folder_that_others_can_write(mode: int, which: str, engine: str, tmp_path: Path) -> None:
    own = named(PACKAGE.parent, tmp_path / "cache")
    (own if which == "own" else own.parent).chmod(mode)
    message = falls_back(engine, CHAINRULE_CACHE=str(own.parent))
    assert "can be written by" in message
    assert "set CHAINRULE_CACHE to your own folder" in message


@BOTH
@pytest.mark.parametrize("error", ["ImportError", "AttributeError", "SystemError", "OSError"])
def test_numba_missing_or_broken(error: str, engine: str, tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text(f"raise {error}('it is broken')\n")
    paths = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    message = falls_back(engine, PYTHONPATH=paths, CHAINRULE_CACHE=str(tmp_path / "cache"))
    assert message.startswith("Numba cannot be loaded (it is broken): pip install ")
    assert " numba;" in message


@BOTH
def test_no_threading_layer(engine: str, tmp_path: Path) -> None:
    """Told before anything is compiled, and no kernel is thrown away for it."""
    cache = {"CHAINRULE_CACHE": str(tmp_path / "cache"), "NUMBA_THREADING_LAYER": "unheard-of"}
    message = falls_back(engine, **cache)
    assert message.startswith("Numba cannot be loaded (The threading layer requested 'unheard-of'")
    assert not list(tmp_path.glob("cache/*/*/*/*"))


class OwnLayer(cr.Tanh):
    """Even a layer that only renames a known one: nobody looks into its methods."""


class OwnDense(cr.Dense):
    pass


class OwnSGD(cr.SGD):
    pass


class OwnLoss(cr.SquaredError):
    pass


class OwnPenalty(cr.Penalty):
    def value(self, theta: Array, decay_factor: Array) -> float:
        return 7.0


OWN: dict[str, tuple[list[cr.Layer], dict[str, Any]]] = {
    "OwnLayer": ([cr.Residual((OwnLayer(),)), cr.Dense(1)], {}),
    "OwnDense": ([OwnDense(1)], {}),
    "OwnLoss": ([cr.Dense(1)], {"loss": OwnLoss()}),
    "OwnSGD": ([cr.Dense(1)], {"optimizer": OwnSGD()}),
    "OwnPenalty": ([cr.Dense(1)], {"penalty": OwnPenalty(0.1)}),
}


def own(name: str, engine: str) -> str:
    """The engine that runs an own layer, loss, optimizer or penalty."""
    layers, changed = OWN[name]
    how: dict[str, Any] = {"loss": cr.SquaredError(), "optimizer": cr.SGD(), "lr": 1e-3}
    how |= {"X": ROWS[:8, :3], "y": GOALS[:8], "epochs": 10**6, "rng": 0} | changed
    net = cr.Network(3, layers, rng=0)
    return next(cr.train(net, **how, engine=engine)).engine


@pytest.mark.parametrize("name", OWN)
def test_what_has_no_kernel_is_named(name: str) -> None:
    with pytest.warns(UserWarning, match=rf"{name} has no compiled kernel: the readable") as told:
        assert own(name, "compiled") == "readable"
    assert [warning.filename for warning in told] == [__file__]
    assert "next(cr.train(" in Path(__file__).read_text().splitlines()[told[0].lineno - 1]
    assert own(name, "auto") == "readable"


AUTO = """
import sys
import numpy as np
import chainrule as cr
def run(epochs):
    net = cr.Network.mlp([3, 4, 1], rng=0)
    run = cr.train(net, cr.SquaredError(), cr.SGD(), np.ones((8, 3)), np.ones(8), epochs=epochs,
                   lr=0.1, rng=0)
    engine = next(run).engine
    net.predict(np.ones((2, 3)))
    print(engine, "numba" in sys.modules)
for epochs in map(int, sys.argv[1:]):
    run(epochs)
"""


def test_auto_chooses_by_the_work_alone() -> None:
    """The first epochs would take the readable engine a bit less than it may, the next a bit more;
    what ran before does not matter.
    """
    toy()
    net = cr.Network.mlp([3, 4, 1], rng=0)
    most = int(engines.AUTO_SECONDS / engines.readable_seconds(net, 8, 8, 1))
    done = python(AUTO, most - 1, 1, most + 2, 1, most - 1, most + 2)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[:2] == [["readable", "False"]] * 2
    assert [engine for engine, _ in lines[2:]] == ["compiled", "readable", "readable", "compiled"]
