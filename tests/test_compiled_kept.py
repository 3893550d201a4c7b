"""Kernels that are kept on the disk: what is said when they are compiled, and what happens where a
file is damaged, the disk is full, or several processes write at once.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.compiled_runs import environment, python, toy, work
from support.fallbacks import BOTH, POSIX, falls_back
from support.processes import PATIENCE, end, start


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A copy of this processor's kernels for float64, in a cache of its own."""
    toy()
    from chainrule.compiled import cache

    own = cache.kernels_folder()
    place = tmp_path / "cache" / own.parent.name
    shutil.copytree(own, place / own.name)
    place.chmod(0o700)
    return place


def remove(kept: Path) -> None:
    """Let the kernel that compiles soonest, and the mark that all are there, be missing."""
    for file in [*kept.glob("*/*/predict.predict-*"), *kept.glob("*/float64.ready")]:
        file.unlink()


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
"""


@POSIX
@BOTH
def test_a_disk_that_is_full(engine: str, kept: Path) -> None:
    remove(kept)
    message = falls_back(engine, FULL, CHAINRULE_CACHE=str(kept.parent))
    assert "File too large" in message
    assert "set CHAINRULE_CACHE" in message


WORK = "from support.compiled_runs import work; print(work())"
LINE = "chainrule: compiling its engine for float64, once for this machine"


def test_compiling_is_told_in_one_line_on_standard_error(kept: Path) -> None:
    bits, variables = work(), {"CHAINRULE_CACHE": str(kept.parent)}
    remove(kept)
    first, second = (python(WORK, **variables) for _ in range(2))
    assert first.stdout == second.stdout == f"{bits}\n"
    assert first.stderr.startswith(LINE)
    assert first.stderr.count("\n") == 1
    assert second.stderr == ""


def test_another_processor_is_told_of_its_own_compilation(kept: Path) -> None:
    """Machine code for another processor lies in another folder, and is never loaded."""
    ask = "from chainrule.compiled import kernels; print(kernels.stamp('float64'))"
    variables = {"CHAINRULE_CACHE": str(kept.parent)}
    own = Path(python(ask, **variables).stdout.strip())
    other = Path(python(ask, **variables, NUMBA_CPU_NAME="generic").stdout.strip())
    assert own.exists()
    assert not other.exists()
    assert other.parent != own.parent
    assert other.parent.parent == own.parent.parent
    assert not list(other.parent.rglob("*.nb*"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: np.random.default_rng(0).bytes(len(data)),
    "half zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
}


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_thrown_away(damage: str, ending: str, kept: Path) -> None:
    bits = work()
    files = list(kept.glob(f"*/*/predict.predict_in_parallel-*.{ending}"))
    for file in files:
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
    broken = {file: file.read_bytes() for file in files}
    assert python(WORK, CHAINRULE_CACHE=str(kept.parent)).stdout == f"{bits}\n"
    assert files
    assert not any(file.exists() and file.read_bytes() == broken[file] for file in files)


HELD = """
import os, sys, time
real, place, written = os.replace, int(sys.argv[1]), []
def replace(old, new):
    written.append(new)
    while len(written) == place:
        print("held", flush=True)
        time.sleep(1e9)
    real(old, new)
os.replace = replace
from support.compiled_runs import work
work()
"""
"""A process that stops before it puts the given file of a kernel, counted from 1, in its place."""


@pytest.mark.parametrize("place", [1, 2], ids=["index", "machine code"])
def test_a_process_killed_while_it_writes(place: int, kept: Path) -> None:
    bits, variables = work(), {"CHAINRULE_CACHE": str(kept.parent)}
    remove(kept)
    command, where = [sys.executable, "-c", HELD, str(place)], environment(**variables)
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = start(command, env=where, **how)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    end(process)
    assert len(list(kept.glob("*/*/predict.predict-*"))) == place  # the last by a name for a while
    assert not list(kept.glob("*/float64.ready"))
    done = python(WORK, **variables)
    assert done.stdout == f"{bits}\n"
    assert done.stderr.startswith(LINE)
    assert list(kept.glob("*/float64.ready"))


TOGETHER = """
import sys
from chainrule.compiled import kernels
real = kernels.addresses
def addresses(*arguments):
    kernels.addresses = real
    print("ready", flush=True)
    sys.stdin.readline()
    return real(*arguments)
kernels.addresses = addresses
from support.compiled_runs import work
print(work())
"""
"""A process that waits for a line before it looks for its kernels."""


def test_processes_that_compile_at_once(kept: Path) -> None:
    bits, variables = work(), environment(CHAINRULE_CACHE=str(kept.parent))
    remove(kept)
    started = [
        start([sys.executable, "-c", TOGETHER], env=variables, stdin=subprocess.PIPE,
              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(3)
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        assert process.communicate(timeout=PATIENCE)[0] == f"{bits}\n"
        assert process.returncode == 0
    assert python(WORK, **variables).stderr == ""


DELETED = """
import os, shutil
import chainrule as cr
from chainrule.compiled import cache
os.umask(0o002)
assert cr.load_engine("float64")
shutil.rmtree(cache.folder())
from chainrule.compiled import kernels
kernels._kernels = lambda dtype: {}
assert cr.load_engine("float32")
print(oct(cache.folder().stat().st_mode & 0o777))
"""


def test_a_folder_deleted_meanwhile_is_made_anew_for_its_owner_alone(kept: Path) -> None:
    assert python(DELETED, CHAINRULE_CACHE=str(kept.parent)).stdout == "0o700\n"
