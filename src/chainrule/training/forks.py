"""Whether a fork has left behind the threads that Numba had started, here or in a parent."""

import os
import sys

_lost = False


def threads_lost() -> bool:
    """Whether a fork left Numba's threads behind, whoever started them."""
    return _lost


def note_fork() -> None:
    """In the child of a fork: remember whether threads stayed in the parent."""
    global _lost
    pool = sys.modules.get("numba.np.ufunc.parallel")
    _lost = _lost or bool(pool and pool._is_initialized)


def note_start() -> None:
    """When Numba's threads are first needed: note whether they were started in a parent process,
    before the fork that made this one.
    """
    global _lost
    pool = sys.modules["numba.np.ufunc.parallel"]
    try:
        _lost = _lost or (pool._is_initialized and len(os.listdir("/proc/self/task")) == 1)
    except OSError:  # no Linux
        pass
