"""Threads: who may run the parallel kernels, and a BLAS that stays on one thread meanwhile."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba
import scipy.linalg.cython_blas  # noqa: F401  the BLAS that kernels call; it must be there to be limited
from threadpoolctl import ThreadpoolController

# OpenMP's threads burn their core for milliseconds while they wait, and where other work shares the
# machine each step then waits for the scheduler: 15 times slower. A short wait costs 5 % on a quiet
# machine. GNU's OpenMP reads the setting when it is loaded.
SPINS = {"GOMP_SPINCOUNT": "1000"}

_one_at_a_time = threading.Lock()  # Numba's workqueue aborts the process if two threads enter it
_blas_lock = threading.Lock()
_blas: dict[str, Any] = {"users": 0, "limits": None}
_state = {"started": False, "forked": False}


@contextmanager
def several_threads(wanted: int) -> Iterator[bool]:
    """Whether parallel kernels may run here and now, on so many threads.

    Not after a fork of a process that ran them, because OpenMP ends a child that tries, and not
    while another thread runs them. The serial kernels give the same bits.
    """
    wanted = min(wanted, numba.config.NUMBA_NUM_THREADS)
    if wanted < 2 or _state["forked"] or not _one_at_a_time.acquire(blocking=False):
        yield False
        return
    try:
        _state["started"], before = True, numba.get_num_threads()
        numba.set_num_threads(wanted)
        try:
            yield True
        finally:
            numba.set_num_threads(before)
    finally:
        _one_at_a_time.release()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A BLAS that starts no threads of its own: the kernels have theirs.

    Several Python threads may be here at once; the last one out sets the limits back.
    """
    with _blas_lock:
        if _blas["users"] == 0:
            _blas["limits"] = _controller().limit(limits=1)
        _blas["users"] += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas["users"] -= 1
            if _blas["users"] == 0:
                _blas["limits"].restore_original_limits()


def _load_openmp() -> None:
    chosen = {name: value for name, value in SPINS.items() if name not in os.environ}
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ.update(chosen)
    try:
        from numba.np.ufunc import omppool  # noqa: F401
    except ImportError:  # Numba takes another layer then
        pass
    finally:
        for name in chosen:
            del os.environ[name]


def _after_fork() -> None:
    global _one_at_a_time, _blas_lock
    _one_at_a_time, _blas_lock = threading.Lock(), threading.Lock()
    _blas["users"] = 0
    _state["forked"] = _state["started"]


_load_openmp()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
