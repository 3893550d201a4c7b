"""The compiled engine's matrix product as a kernel of its own, and matrices for it."""

from functools import cache
from typing import Any

import numba
import numpy as np

from chainrule.compiled.products import product as kernel_product
from support.numeric import Array


@cache
def kernel() -> Any:
    @numba.njit
    def call(memory, c, left, a, step_m, step_k, right, b, M, K, N):  # type: ignore[no-untyped-def]
        kernel_product(memory, c, memory, c, N, left, a, step_m, step_k, right, b, M, K, N)

    return call


def numbers(dtype: str, M: int, K: int, N: int, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(M, N)).astype(dtype),
        rng.normal(size=(M, K)).astype(dtype),
        rng.normal(size=(K, N)).astype(dtype),
    )
