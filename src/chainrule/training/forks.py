"""What a fork takes from a process: the threads that Numba has started, here or in a parent."""

import os
import sys

_lost = False


def threads_lost() -> bool:
    """Whether Numba's threads, ours or anybody's, were left behind by a fork."""
    return _lost


def note_fork() -> None:
    """In the child of a fork: remember whether threads stayed in the parent."""
    global _lost
    pool = sys.modules.get("numba.np.ufunc.parallel")
    _lost = _lost or bool(pool and pool._is_initialized)


def note_start() -> None:
    """When Numba's threads are first needed: whether somebody has started them, but in a process
    that was forked since.
    """
    global _lost
    pool = sys.modules["numba.np.ufunc.parallel"]
    try:
        _lost = _lost or (pool._is_initialized and len(os.listdir("/proc/self/task")) == 1)
    except OSError:  # no Linux
        pass
