"""Where compiled kernels are kept between processes.

Numba looks only at the file of the kernel itself, so a kernel whose constants or callees changed in
another file would be taken from an old cache. Therefore the folder is named by a hash of all
sources and versions that go into the machine code. Below it each processor has a folder of its own:
Numba keeps the machine code of several in one, but two of them that write at once can leave one's
code under the other's name.
"""

import hashlib
import os
import platform
import shutil
import stat
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

SOURCES = ("compiled/*.py", "core/activations.py", "core/activation_layers.py", "core/targets.py")
LIBRARIES = ("numba", "llvmlite", "numpy")


def root() -> Path:
    """$CHAINRULE_CACHE, or the user's folder for caches. Raises OSError if there is no home."""
    if chosen := os.environ.get("CHAINRULE_CACHE"):
        place = Path(chosen)
    elif sys.platform == "win32":
        place = Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")) / "chainrule"
    elif sys.platform == "darwin":
        place = Path("~/Library/Caches/chainrule")
    else:
        place = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "chainrule"
    try:
        return place.expanduser().absolute()  # the process may go to another folder later
    except RuntimeError as error:
        raise FileNotFoundError(f"{place}: {error}") from None


@cache
def folder() -> Path:
    """The folder of these kernels, made if it is not there.

    Raises OSError if it cannot be written, or if others can: what is in it is run.
    """
    package, digest = Path(__file__).parent.parent, hashlib.sha256()
    for pattern in SOURCES:
        for file in sorted(package.glob(pattern)):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    for name in LIBRARIES:
        digest.update(f"{name} {version(name)} ".encode())
    digest.update(f"{platform.python_implementation()} {platform.python_version()}".encode())
    place = root() / f"kernels-{digest.hexdigest()[:16]}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    probe = place / f".probe-{os.getpid()}"
    probe.touch()
    probe.unlink()
    if hasattr(os, "getuid"):
        status, around = place.stat(), place.parent.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(f"{place} belongs to, or can be written by, somebody else")
        if around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX:
            raise PermissionError(f"{place.parent} can be written by everybody")
    return place


@cache
def processor() -> str:
    """A short name for the processor that Numba compiles for: this one, or that of NUMBA_CPU_NAME
    and NUMBA_CPU_FEATURES.
    """
    from numba.core.registry import cpu_target

    name = repr(cpu_target.target_context.codegen().magic_tuple())
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def kernels_folder() -> Path:
    """The folder of this processor's kernels, made if it is not there, as it may be deleted."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder() / processor()
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def empty() -> None:
    """Throw this processor's kernels away."""
    for entry in kernels_folder().iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
