"""Dense forwards and backwards: matrix products over flat memory, by BLAS where it pays.

Below `blas_from` multiply-adds the call of BLAS costs more than it saves: there four rows of the
result are built at once from four rows of the right factor, so that each number loaded is used
four times. Prediction never calls BLAS, because there a row of a result depends, in its last bits,
on how many rows stand beside it.
"""

import numpy as np

from .jit import at, exact, inlined, jit
from .program import ALIGNED

DEPTH = 64  # rows of the right factor that stay in the cache while they serve every row of A
DEEP = 256  # inputs from which on our own product beats BLAS on a few rows
WIDE = 4  # columns from which on a loop over a row's columns beats a sum for each number


@jit
def add_product(memory, c, left, a, step_m, step_k, right, b, M, K, N):
    """C += A @ B   A (M, K) in `left`, with these steps between its rows and its columns, B (K, N)
    in `right`, C (M, N) in `memory`.

    A row of C is the same to the last bit whatever rows stand beside it.
    """
    whole, four = K // 4 * 4, M // 4 * 4
    for deep in range(0, whole, DEPTH):
        for m in range(0, four, 4):
            for k in range(deep, min(whole, deep + DEPTH), 4):
                _add_four_rows(memory, c + m * N, left, a + m * step_m + k * step_k, step_m, step_k,
                               right, b + k * N, N)  # fmt: skip
        for row in range(four, M):
            for k in range(deep, min(whole, deep + DEPTH), 4):
                _add_row(memory, c + row * N, left, a + row * step_m + k * step_k, step_k,
                         right, b + k * N, N)  # fmt: skip
    for row in range(M):
        _add_rest(memory, c + row * N, left, a + row * step_m, step_k, right, b, whole, K, N)


@exact
def _add_four_rows(memory, c, left, a, step_m, step_k, right, b, N):
    """Four rows of C += four by four numbers of A times four rows of B."""
    a00, a01 = left[at(a)], left[at(a + step_k)]
    a02, a03 = left[at(a + 2 * step_k)], left[at(a + 3 * step_k)]
    a += step_m
    a10, a11 = left[at(a)], left[at(a + step_k)]
    a12, a13 = left[at(a + 2 * step_k)], left[at(a + 3 * step_k)]
    a += step_m
    a20, a21 = left[at(a)], left[at(a + step_k)]
    a22, a23 = left[at(a + 2 * step_k)], left[at(a + 3 * step_k)]
    a += step_m
    a30, a31 = left[at(a)], left[at(a + step_k)]
    a32, a33 = left[at(a + 2 * step_k)], left[at(a + 3 * step_k)]
    c1, c2, c3 = c + N, c + 2 * N, c + 3 * N
    for n in range(N):
        b0, b1 = right[at(b + n)], right[at(b + N + n)]
        b2, b3 = right[at(b + 2 * N + n)], right[at(b + 3 * N + n)]
        memory[at(c + n)] = memory[at(c + n)] + a00 * b0 + a01 * b1 + a02 * b2 + a03 * b3
        memory[at(c1 + n)] = memory[at(c1 + n)] + a10 * b0 + a11 * b1 + a12 * b2 + a13 * b3
        memory[at(c2 + n)] = memory[at(c2 + n)] + a20 * b0 + a21 * b1 + a22 * b2 + a23 * b3
        memory[at(c3 + n)] = memory[at(c3 + n)] + a30 * b0 + a31 * b1 + a32 * b2 + a33 * b3


@exact
def _add_row(memory, c, left, a, step_k, right, b, N):
    """One row of C += four numbers of a row of A times four rows of B."""
    a0, a1 = left[at(a)], left[at(a + step_k)]
    a2, a3 = left[at(a + 2 * step_k)], left[at(a + 3 * step_k)]
    for n in range(N):
        b0, b1 = right[at(b + n)], right[at(b + N + n)]
        b2, b3 = right[at(b + 2 * N + n)], right[at(b + 3 * N + n)]
        memory[at(c + n)] = memory[at(c + n)] + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3


@exact
def _add_rest(memory, c, left, a, step_k, right, b, start, stop, N):
    """One row of C += the numbers start to stop of a row of A times those rows of B."""
    for k in range(start, stop):
        factor = left[at(a + k * step_k)]
        for n in range(N):
            memory[at(c + n)] = memory[at(c + n)] + factor * right[at(b + k * N + n)]


@inlined
def zero(memory):
    """0 in the memory's dtype: a plain 0 would turn float32 sums into float64."""
    return memory.dtype.type(0)


@inlined
def fill(memory, start, n, value):
    """Set n numbers to one value."""
    for i in range(n):
        memory[at(start + i)] = value


@inlined
def matrix(memory, start, rows, columns):
    """A view of flat memory as a matrix."""
    return memory[start : start + rows * columns].reshape(rows, columns)


@inlined
def dense_forward(blas_from, memory, x, numbers, w, bias, z, rows, n_in, n_out):
    """Z = X @ W + b; W stands at w of `numbers`, b behind it."""
    # Our own product packs nothing, which pays where W is large and few rows meet it.
    own = n_in >= DEEP and rows >= 16 and n_out % ALIGNED == 0 and w % ALIGNED == 0
    if rows * n_in * n_out >= blas_from and not own:
        _blas_forward(memory, x, numbers, w, bias, z, rows, n_in, n_out)
    elif n_out >= WIDE:
        b = w + n_in * n_out
        for r in range(rows):
            for j in range(n_out):
                memory[at(z + r * n_out + j)] = numbers[at(b + j)] if bias else zero(memory)
        add_product(memory, z, memory, x, n_in, 1, numbers, w, rows, n_in, n_out)
    elif n_in == 2 and n_out == 1:
        _pair_forward(memory, x, numbers, w, bias, z, rows)
    else:
        _narrow_forward(memory, x, numbers, w, bias, z, rows, n_in, n_out)


@jit
def _blas_forward(memory, x, numbers, w, bias, z, rows, n_in, n_out):
    np.dot(matrix(memory, x, rows, n_in), matrix(numbers, w, n_in, n_out),
           matrix(memory, z, rows, n_out))  # fmt: skip
    if bias:
        b = w + n_in * n_out
        for r in range(rows):
            for j in range(n_out):
                memory[at(z + r * n_out + j)] += numbers[at(b + j)]


@inlined
def _narrow_forward(memory, x, numbers, w, bias, z, rows, n_in, n_out):
    for r in range(rows):
        for j in range(n_out):
            total = numbers[at(w + n_in * n_out + j)] if bias else zero(memory)
            for i in range(n_in):
                total += memory[at(x + r * n_in + i)] * numbers[at(w + i * n_out + j)]
            memory[at(z + r * n_out + j)] = total


@inlined
def _pair_forward(memory, x, numbers, w, bias, z, rows):
    """As _narrow_forward, for two inputs and one output: so few numbers stay in registers."""
    w0, w1 = numbers[at(w)], numbers[at(w + 1)]
    b = numbers[at(w + 2)] if bias else zero(memory)
    for r in range(rows):
        memory[at(z + r)] = b + memory[at(x + 2 * r)] * w0 + memory[at(x + 2 * r + 1)] * w1


@inlined
def dense_backward(blas_from, memory, x, dz, dx, scratch, w, g, bias, first, rows, n_in, n_out):
    """dW = Xᵀ @ dZ and db = Σ_rows dZ at g, added to what earlier shards left unless this is the
    first; dX = dZ @ Wᵀ where dx is a place.
    """
    size = n_in * n_out
    large = rows * size >= blas_from
    if first:
        fill(memory, g + size, n_out if bias else 0, zero(memory))
        if not large:  # BLAS overwrites
            fill(memory, g, size, zero(memory))
    if large:
        _blas_backward(memory, x, dz, scratch, g, first, rows, n_in, n_out)
    elif n_out >= WIDE:
        add_product(memory, g, memory, x, 1, n_in, memory, dz, n_in, rows, n_out)
    elif n_in == 2 and n_out == 1:
        _pair_backward(memory, x, dz, g, rows)
    else:
        _narrow_backward(memory, x, dz, g, rows, n_in, n_out)
    if bias:
        _add_columns(memory, dz, g + size, rows, n_out)
    if dx:
        _input_gradient(blas_from, memory, dz, dx, w, rows, n_in, n_out)


@jit
def _blas_backward(memory, x, dz, scratch, g, first, rows, n_in, n_out):
    out = g if first else scratch
    np.dot(matrix(memory, x, rows, n_in).T, matrix(memory, dz, rows, n_out),
           matrix(memory, out, n_in, n_out))  # fmt: skip
    if not first:
        for i in range(n_in * n_out):
            memory[at(g + i)] += memory[at(scratch + i)]


@inlined
def _narrow_backward(memory, x, dz, g, rows, n_in, n_out):
    for j in range(n_out):
        for i in range(n_in):
            total = zero(memory)
            for r in range(rows):
                total += memory[at(x + r * n_in + i)] * memory[at(dz + r * n_out + j)]
            memory[at(g + i * n_out + j)] += total


@inlined
def _pair_backward(memory, x, dz, g, rows):
    first, second = zero(memory), zero(memory)
    for r in range(rows):
        slope = memory[at(dz + r)]
        first += memory[at(x + 2 * r)] * slope
        second += memory[at(x + 2 * r + 1)] * slope
    memory[at(g)] += first
    memory[at(g + 1)] += second


@inlined
def _add_columns(memory, dz, g, rows, n_out):
    if n_out == 1:  # a sum of its own is vectorised
        total = zero(memory)
        for r in range(rows):
            total += memory[at(dz + r)]
        memory[at(g)] += total
    else:
        for r in range(rows):
            for j in range(n_out):
                memory[at(g + j)] += memory[at(dz + r * n_out + j)]


@jit
def _input_gradient(blas_from, memory, dz, dx, w, rows, n_in, n_out):
    if rows * n_in * n_out >= blas_from:
        np.dot(matrix(memory, dz, rows, n_out), matrix(memory, w, n_in, n_out).T,
               matrix(memory, dx, rows, n_in))  # fmt: skip
        return
    for r in range(rows):
        for i in range(n_in):
            total = zero(memory)
            for j in range(n_out):
                total += memory[at(dz + r * n_out + j)] * memory[at(w + i * n_out + j)]
            memory[at(dx + r * n_in + i)] = total
