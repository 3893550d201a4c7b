"""Writing files so that a failure at any moment leaves the old file whole."""

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write data to a file next to `path` and move it into place; returns the path.

    A symbolic link stays one: the file that it leads to is replaced. An existing file keeps its
    permissions, a new one gets those of the umask. Raises OSError with one sentence where the place
    cannot be written; an existing file stays as it is.
    """
    place = check_writable(path)
    target = Path(os.path.realpath(place))
    temporary = _beside(target)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _in_a_sentence(place, error) from None
        raise
    return place


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there; asked before long work, so that none is lost.

    Raises OSError with one sentence that says why not: a folder, no folder to write in, a device or
    pipe, a write-protected file, a link to itself.
    """
    place = Path(path)
    try:
        target = Path(os.path.realpath(place))
        if target.is_dir():
            raise IsADirectoryError(f"{place} is a folder: give the name of a file in it")
        if not target.parent.is_dir():
            raise FileNotFoundError(
                f"{target.parent} is no folder: make it first, or write elsewhere"
            )
        if target.is_symlink():
            raise OSError(f"{place} is a link that leads to itself: write elsewhere")
        if target.exists() and not target.is_file():
            raise OSError(f"{place} is a device or a pipe: give the name of an ordinary file")
        if target.exists():
            open(target, "r+b").close()  # the move would replace a write-protected file too
        probe = _beside(target)
        try:
            open(probe, "xb").close()
        finally:  # Ctrl-C may come in between
            with contextlib.suppress(FileNotFoundError):
                os.unlink(probe)
    except (OSError, ValueError) as error:
        raise _in_a_sentence(place, error) from None
    return place


def _beside(target: Path) -> Path:
    """A new name in the same folder, so that the last move stays within one file system."""
    return target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}")


def _in_a_sentence(path: Path, error: OSError | ValueError) -> OSError:
    """The error as a sentence; those without an error number are ours and have one already."""
    if isinstance(error, OSError) and error.errno is None:
        return error
    kind = type(error) if isinstance(error, OSError) else OSError
    why = error.strerror if isinstance(error, OSError) else error
    return kind(f"{str(path)!r} cannot be written: {why}; write elsewhere or make room")
