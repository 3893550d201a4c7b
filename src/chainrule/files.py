"""Writing files so that a failure at any moment leaves the old file whole."""

import os
import tempfile
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write data beside `path` and put it in place in one move; returns the path.

    Raises OSError with one sentence where the place cannot be written; an existing file stays as it
    is.
    """
    target = check_writable(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(target))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return target


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there; asked before long work, so that none is lost.

    Raises OSError with one sentence that says why not.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is no folder: make it first, or write elsewhere")
    try:
        handle, probe = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
    except OSError as error:
        raise OSError(f"{target} cannot be written: {error.strerror or error}") from None
    os.close(handle)
    os.unlink(probe)
    return target


def _mode_of(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
