"""Threads: who may run the parallel kernels, and how they wait."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numba
from numba.np.ufunc import parallel  # noqa: F401

from ..training.forks import note_start, threads_lost

# OpenMP's threads burn their core for milliseconds while they wait, and where other work shares the
# machine each step then waits for the scheduler: 15 times slower. A short wait costs 5 % on a quiet
# machine. GNU's OpenMP reads the setting when it is loaded.
SPINS = ("GOMP_SPINCOUNT", "1000")

_one_at_a_time = threading.Lock()  # Numba's workqueue aborts the process if two threads enter it


@contextmanager
def several_threads(wanted: int | None = None) -> Iterator[bool]:
    """Whether parallel kernels may run here and now, on `wanted` threads; None means all.

    Not after a fork, because OpenMP ends a child that tries even if its parent has only started
    it, and not while another thread runs them. The serial kernels give the same bits.
    """
    most = numba.config.NUMBA_NUM_THREADS
    wanted = most if wanted is None else min(wanted, most)
    if wanted < 2 or threads_lost() or not _one_at_a_time.acquire(blocking=False):
        yield False
        return
    try:
        before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        try:
            yield True
        finally:
            numba.set_num_threads(before)
    finally:
        _one_at_a_time.release()


def _load_openmp() -> None:
    name, spins = SPINS
    chosen = name not in os.environ and "OMP_WAIT_POLICY" not in os.environ
    if chosen:
        os.environ[name] = spins
    try:
        from numba.np.ufunc import omppool  # noqa: F401
    except ImportError:  # Numba takes another layer then
        pass
    finally:
        if chosen:
            del os.environ[name]


note_start()
_load_openmp()
numba.get_num_threads()  # raises here, and not from a kernel, where no threading layer can be had
