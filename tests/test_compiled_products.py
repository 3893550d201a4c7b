"""The matrix product of the compiled engine: right for every shape, within its bounds, in an order
that does not depend on the rows beside.
"""

import sys
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.compiled_runs import python
from support.matrix_products import kernel, numbers
from support.numeric import Array

from chainrule.compiled import tile
from chainrule.compiled.products import DEPTH
from chainrule.compiled.products import input_gradient as kernel_gradient
from chainrule.compiled.products import product as kernel_product

DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
LANES = {"float64": tile.VECTOR // 8, "float32": tile.VECTOR // 4}
EPS = {"float64": 2.0**-52, "float32": 2.0**-23}


@cache
def started_by() -> Any:
    @numba.njit
    def call(memory, bias, left, right, M, K, N):  # type: ignore[no-untyped-def]
        kernel_product(memory, 0, bias, 0, 0, left, 0, K, 1, right, 0, M, K, N)

    return call


@cache
def gradient_kernel() -> Any:
    @numba.njit
    def call(memory, dz, dx, scratch, w, rows, n_in, n_out):  # type: ignore[no-untyped-def]
        kernel_gradient(memory, 0, dz, dx, scratch, w, rows, n_in, n_out)

    return call


def input_gradient(dZ: Array, W: Array) -> Array:
    """dZ @ Wᵀ by the kernel; between its operands stands nan."""
    (rows, n_out), n_in = dZ.shape, len(W)
    sizes = (max(n_in, n_out), dZ.size, rows * n_in, min(W.size, rows * (n_in + n_out)), W.size)
    zeros, dz, dx, scratch, w, end = np.cumsum([0, *(size + 5 for size in sizes)]).tolist()
    memory = np.full(end, np.nan, dZ.dtype)
    memory[zeros : dz - 5] = 0.0
    memory[dz : dx - 5], memory[w : end - 5] = dZ.ravel(), W.ravel()
    gradient_kernel()(memory, dz, dx, scratch, w, rows, n_in, n_out)
    for edge in (dz, dx, scratch, w, end):
        assert np.isnan(memory[edge - 5 : edge]).all()
    found: Array = memory[dx : scratch - 5].reshape(rows, n_in)
    return found


def product(C: Array, A: Array, B: Array, transposed: bool = False) -> Array:
    """C + A @ B by the kernel, C and B off a cache line; around each of the three stands nan."""
    (M, K), N = A.shape, B.shape[1]
    stored, steps = (A.T, (1, M)) if transposed else (A, (K, 1))
    memory, left, right = (np.full(a.size + 6, np.nan, C.dtype) for a in (C, A, B))
    memory[3:-3], left[3:-3], right[3:-3] = C.ravel(), stored.ravel(), B.ravel()
    kernel()(memory, 3, left, 3, *steps, right, 3, M, K, N)
    assert np.isnan([memory[:3], memory[-3:]]).all()
    found: Array = memory[3:-3].reshape(M, N)
    return found


def bound(C: Array, A: Array, B: Array) -> Array:
    """What K + 1 roundings of a sum may come to: Higham 2002, (3.5)."""
    size = np.abs(C).astype(float) + np.abs(A).astype(float) @ np.abs(B).astype(float)
    limit: Array = (A.shape[1] + 2) * EPS[str(C.dtype)] * size
    return limit


sizes = st.one_of(
    st.integers(1, 20),
    st.sampled_from([n + d for n in (16, 32, 64, 128) for d in (-1, 0, 1)]),
)


@DTYPES
@pytest.mark.parametrize("transposed", [False, True])
@given(M=st.integers(1, 13), K=st.one_of(sizes, st.just(2 * DEPTH + 3)), N=sizes)
def test_it_is_the_product(dtype: str, transposed: bool, M: int, K: int, N: int) -> None:
    C, A, B = numbers(dtype, M, K, N)
    exact = C.astype(np.longdouble) + A.astype(np.longdouble) @ B.astype(np.longdouble)
    assert np.all(np.abs(product(C, A, B, transposed) - exact) <= bound(C, A, B))


@DTYPES
@given(K=st.integers(0, 2 * DEPTH + 3), N=sizes)
def test_a_row_has_its_bits_alone_and_among_others(dtype: str, K: int, N: int) -> None:
    C, A, B = numbers(dtype, 11, K, N)
    together = product(C, A, B)
    for rows in (slice(0, 1), slice(2, 9), slice(10, 11)):
        np.testing.assert_array_equal(product(C[rows], A[rows], B), together[rows])


@DTYPES
@given(N=sizes)
def test_a_column_has_its_bits_in_every_tile(dtype: str, N: int) -> None:
    C, A, B = numbers(dtype, 5, 30, N)
    together = product(C, A, B)
    for n in {0, N // 2, N - 1}:
        alone = product(C[:, n : n + 1].copy(), A, B[:, n : n + 1].copy())
        np.testing.assert_array_equal(alone[:, 0], together[:, n])


@DTYPES
@given(K=st.one_of(sizes, st.just(2 * DEPTH + 3)), N=sizes)
def test_it_may_begin_with_the_same_row_everywhere(dtype: str, K: int, N: int) -> None:
    """As a bias: whatever C held before."""
    C, A, B = numbers(dtype, 6, K, N)
    expected, bias = product(np.tile(C[0], (6, 1)), A, B), C[0].copy()
    memory = np.full(C.size, np.nan, dtype)
    started_by()(memory, bias, A.ravel(), B.ravel(), 6, K, N)
    np.testing.assert_array_equal(memory.reshape(C.shape), expected)


@DTYPES
def test_inf_and_nan_stay_in_their_row_and_column(dtype: str) -> None:
    C, A, B = numbers(dtype, 9, 20, 2 * LANES[dtype] + 3)
    A[4, 7], B[3, 5] = np.inf, np.nan
    found = product(C, A, B)
    touched = np.zeros(found.shape, bool)
    touched[4], touched[:, 5] = True, True
    np.testing.assert_array_equal(~np.isfinite(found), touched)


@DTYPES
def test_the_tile_in_python_is_the_same(dtype: str) -> None:
    """Where sums are whole numbers, of which no rounding is lost."""
    C, A, B = (np.trunc(9 * a) for a in numbers(dtype, tile.ROWS, 7, LANES[dtype] + 2))
    expected, plain = product(C, A, B), C.ravel().copy()
    N = B.shape[1]
    tile._loops(tile.ROWS, plain, 0, plain, 0, N, A.ravel(), 0, 7, 1, B.ravel(), 0, 7, N, N)
    np.testing.assert_array_equal(plain.reshape(C.shape), expected)


@DTYPES
@given(n_in=sizes, n_out=sizes, seed=st.integers(0, 9))
def test_the_gradient_of_the_input_whichever_matrix_is_transposed(
    dtype: str, n_in: int, n_out: int, seed: int
) -> None:
    """A large W is not for few rows; rows by the dozen choose the other way."""
    C, dZ, B = numbers(dtype, 40, n_out, n_in, seed)
    W = np.ascontiguousarray(B.T)
    exact = dZ.astype(np.longdouble) @ W.T.astype(np.longdouble)
    many, few = input_gradient(dZ, W), input_gradient(dZ[:5], W)
    assert np.all(np.abs(many - exact) <= bound(np.zeros_like(C), dZ, B))
    np.testing.assert_array_equal(few, many[:5])


AT_THE_EDGE = """
import ctypes, mmap
import numpy as np
from support.matrix_products import kernel, numbers
page = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)

def edge(numbers):
    # at the end of a page, behind which one of no access begins
    pages = -(-numbers.nbytes // page)
    memory = mmap.mmap(-1, (pages + 1) * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert libc.mprotect(ctypes.c_void_p(start + pages * page), page, 0) == 0
    put = np.frombuffer(memory, numbers.dtype, numbers.size, pages * page - numbers.nbytes)
    put[:] = numbers.ravel()
    return put

for dtype in ("float64", "float32"):
    for M, K, N in ((1, 1, 1), (4, 3, 17), (5, 130, 33), (7, 9, 64), (9, 20, 65), (3, 5, 130)):
        C, A, B = numbers(dtype, M, K, N)
        c, a, b = edge(C), edge(A), edge(B)
        kernel()(c, 0, a, 0, K, 1, b, 0, M, K, N)
        assert np.allclose(c.reshape(M, N), C + A @ B, atol=1e-3)
print("no access")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mprotect")
def test_nothing_is_read_or_written_behind_the_operands() -> None:
    assert python(AT_THE_EDGE).stdout == "no access\n"
