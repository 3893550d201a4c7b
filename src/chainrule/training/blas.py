"""How many threads matrix products may use, counted for the whole process.

Python threads that train at the same time start and end in any order. While one of them trains, the
lowest limit counts; the last one restores the setting from before.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_limits: list[tuple[int, int]] = []  # (Python thread, most threads of a product)
_before: dict[str, tuple[Any, int]] = {}  # library and its threads without us, by its file


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """A context in which a matrix product uses at most this number of threads."""
    own = (threading.get_ident(), threads)
    with _lock:
        _limits.append(own)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _limits.remove(own)
            _apply()


def _apply() -> None:
    """Set every library to the lowest limit, or back if there is none."""
    if _limits:
        for library in _libraries():
            _before.setdefault(library.filepath, (library, library.num_threads))
    for library, threads in _before.values():
        library.set_num_threads(min([threads, *(limit for _, limit in _limits)]))
    if not _limits:
        _before.clear()


@cache
def _libraries() -> list[Any]:
    """NumPy's BLAS, and others that are loaded."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    controllers = ThreadpoolController().select(user_api="blas")  # which takes milliseconds
    return list(controllers.lib_controllers)


def _after_fork() -> None:
    """Forget the threads that the child does not have."""
    global _lock
    _lock = threading.Lock()
    _limits[:] = [own for own in _limits if own[0] == threading.get_ident()]
    _apply()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
