"""What no engine that multiplies matrices gets below: the products alone, and Adam's memory."""

from collections.abc import Callable
from itertools import pairwise
from time import perf_counter, sleep

import numpy as np
import torch
from engine_timing import LEAST, SETTLE
from engine_work import THREADS, Array, Work
from numba import njit, prange, set_num_threads
from threadpoolctl import threadpool_limits

Products = list[tuple[Array, Array, Array]]


def products(work: Work) -> Products:
    """(a, b, out) of every product of a step: forward, each dW, each dX but the first."""
    rng = np.random.default_rng(0)

    def some(n: int, m: int) -> Array:
        return rng.normal(0, 1, (n, m)).astype(np.float32)

    layers = [
        (some(work.batch, n), some(n, m), some(work.batch, m)) for n, m in pairwise(work.sizes)
    ]
    found: Products = [(A, W, np.empty_like(dZ)) for A, W, dZ in layers]
    for i, (A, W, dZ) in reversed(list(enumerate(layers))):
        found.append((A.T, dZ, np.empty_like(W)))
        if i > 0:
            found.append((dZ, W.T, np.empty_like(A)))
    return found


def by_numpy(work: Work) -> Callable[[], None]:
    """The products through NumPy's BLAS."""
    steps = products(work)

    def run() -> None:
        for a, b, out in steps:
            np.matmul(a, b, out=out)

    return run


def by_torch(work: Work) -> Callable[[], None]:
    """The products through PyTorch's BLAS."""
    steps = [tuple(torch.from_numpy(array) for array in step) for step in products(work)]

    def run() -> None:
        for a, b, out in steps:
            torch.mm(a, b, out=out)

    return run


@njit(parallel=True, fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")
def _adam(g: Array, m: Array, v: Array, theta: Array, settings: Array) -> None:
    """Reads g, m, v, theta and writes m, v, theta once; settings are float32: nothing promotes."""
    beta1, one, beta2, two, lr, epsilon = settings
    for i in prange(g.size):
        m[i] = beta1 * m[i] + one * g[i]
        v[i] = beta2 * v[i] + two * g[i] * g[i]
        theta[i] -= lr * m[i] / (np.sqrt(v[i]) + epsilon)


def adam_pass(work: Work) -> Callable[[], None]:
    """One pass of Adam over as many parameters as the net has."""
    count = sum((n + 1) * m for n, m in pairwise(work.sizes))
    arrays = [np.full(count, 0.1, np.float32) for _ in range(4)]
    settings = np.array([0.9, 0.1, 0.999, 0.001, 1e-3, 1e-8], np.float32)
    return lambda: _adam(*arrays, settings)


def floor(work: Work) -> Callable[[], float]:
    """A run that returns the seconds of a step: the faster BLAS's products and Adam's pass.

    A short last batch counts as its share.
    """
    share = work.rows / (work.batch * -(-work.rows // work.batch))
    blas, update = (by_numpy(work), by_torch(work)), adam_pass(work)

    def run() -> float:
        set_num_threads(THREADS)
        with threadpool_limits(limits=THREADS, user_api="blas"):
            return share * min(alone(call) for call in blas) + alone(update)

    return run


def alone(call: Callable[[], None]) -> float:
    """Seconds of one call, the mean of many in a row, after other threads stopped spinning."""
    sleep(SETTLE)
    started, count = perf_counter(), 0
    while perf_counter() < started + LEAST:
        call()
        count += 1
    return (perf_counter() - started) / count
