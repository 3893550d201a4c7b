"""Dense forwards and backwards: matrix products over flat memory.

Nearly all are made of tiles that add up their sums in one order. So is every row of a result
forwards, whatever rows stand beside it; backwards the order depends on the shard's rows.
"""

from .jit import at, inlined, jit
from .tile import ROWS, VECTOR, VECTORS, tile

DEPTH = 128  # rows of B that stay in the cache while they serve every row of A
STRIP = 8  # rows 2^n apart fall on one set of the first cache, which has eight places

tile_of_rows, tile_of_one_row = tile(ROWS), tile(1)


@jit
def product(memory, c, first, s, step_s, left, a, step_m, step_k, right, b, M, K, N):
    """C = S + A @ B   A (M, K) in `left`, with these steps between its rows and its columns, B
    (K, N) in `right`, C (M, N) in `memory`, S in `first`, its rows step_s apart: 0 for one row.
    """
    columns = VECTORS * (VECTOR // memory.itemsize)
    whole = M // ROWS * ROWS
    for k in range(0, K, DEPTH):
        depth = min(DEPTH, K - k)
        if k > 0:  # what has been added up so far
            first, s, step_s = memory, c, N
        for n in range(0, N, columns):
            width = min(columns, N - n)
            for m in range(0, whole, ROWS):
                tile_of_rows(memory, c + m * N + n, first, s + m * step_s + n, step_s,
                             left, a + m * step_m + k * step_k, step_m, step_k,
                             right, b + k * N + n, depth, N, width)  # fmt: skip
            for m in range(whole, M):
                tile_of_one_row(memory, c + m * N + n, first, s + m * step_s + n, step_s,
                                left, a + m * step_m + k * step_k, step_m, step_k,
                                right, b + k * N + n, depth, N, width)  # fmt: skip


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
def copy(target, to, source, start, n):
    """Copy n numbers from a place of one array to a place of another."""
    for i in range(n):
        target[at(to + i)] = source[at(start + i)]


@inlined
def add(memory, to, start, n):
    """Add n numbers to n others."""
    for i in range(n):
        memory[at(to + i)] += memory[at(start + i)]


@inlined
def scaled_copy(memory, to, factor, start, n):
    """Copy n numbers times a factor from one place to another."""
    for i in range(n):
        memory[at(to + i)] = factor * memory[at(start + i)]


@inlined
def dense_forward(row, table, memory, numbers):
    """Z = X @ W + b; W is stored at p of `numbers`, b after it. `row.whole`: whether there is b.

    With two inputs and one output, the numbers stay in registers.
    """
    x, z, w, rows, n_in, n_out = row.x, row.y, row.p, row.rows, row.n_in, row.n
    b = w + n_in * n_out
    if n_out == 1:
        start = numbers[at(b)] if row.whole else zero(memory)
        if n_in == 2:
            w0, w1 = numbers[at(w)], numbers[at(w + 1)]
            for r in range(rows):
                pair = start + memory[at(x + 2 * r)] * w0
                memory[at(z + r)] = pair + memory[at(x + 2 * r + 1)] * w1
            return
        for r in range(rows):
            total = start
            for i in range(n_in):
                total += memory[at(x + r * n_in + i)] * numbers[at(w + i)]
            memory[at(z + r)] = total
    elif row.whole:
        product(memory, z, numbers, b, 0, memory, x, n_in, 1, numbers, w, rows, n_in, n_out)
    else:
        product(memory, z, memory, row.zeros, 0, memory, x, n_in, 1, numbers, w, rows, n_in, n_out)


@inlined
def dense_backward(row, table, memory):
    """dX = dZ @ Wᵀ,  dW = Xᵀ @ dZ and db = Σ_rows dZ, at g: added to what stands there unless the
    gradient is `fresh`.
    """
    x, dz, g, rows, n_in, n_out = row.x, row.dy, row.g, row.rows, row.n_in, row.n
    size = n_in * n_out
    s, step_s = (row.zeros, 0) if row.fresh else (g, n_out)
    if row.fresh:
        fill(memory, g + size, n_out if row.whole else 0, zero(memory))
    if n_out == 1 and n_in == 2:
        _pair_backward(memory, x, dz, g, row.fresh, rows)
    elif n_out == 1:  # dWᵀ = dZᵀ @ X: the rows of X are longer than those of dZ
        product(memory, g, memory, s, 0, memory, dz, 1, 1, memory, x, 1, rows, n_in)
    else:
        product(memory, g, memory, s, step_s, memory, x, 1, n_in, memory, dz, n_in, rows, n_out)
    if row.whole:
        _add_columns(memory, dz, g + size, rows, n_out)
    if row.wants_dx:
        input_gradient(memory, row.zeros, dz, row.dx, row.scratch, row.p, rows, n_in, n_out)


@inlined
def _pair_backward(memory, x, dz, g, fresh, rows):
    """dW for two inputs and one output: these few numbers stay in registers."""
    first = zero(memory) if fresh else memory[at(g)]
    second = zero(memory) if fresh else memory[at(g + 1)]
    for r in range(rows):
        slope = memory[at(dz + r)]
        first += memory[at(x + 2 * r)] * slope
        second += memory[at(x + 2 * r + 1)] * slope
    memory[at(g)], memory[at(g + 1)] = first, second


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
def input_gradient(memory, zeros, dz, dx, scratch, w, rows, n_in, n_out):
    """dX = dZ @ Wᵀ, or for a large W dXᵀ = W @ dZᵀ; the transposes stand in the scratch memory. A
    few rows need no transpose.
    """
    if rows < ROWS:
        for r in range(rows):
            for i in range(n_in):
                total = zero(memory)
                for j in range(n_out):
                    total += memory[at(dz + r * n_out + j)] * memory[at(w + i * n_out + j)]
                memory[at(dx + r * n_in + i)] = total
    elif n_in * n_out <= rows * (n_in + n_out):
        _transpose(memory, w, scratch, n_in, n_out)
        product(memory, dx, memory, zeros, 0, memory, dz, n_out, 1, memory, scratch, rows, n_out,
                n_in)  # fmt: skip
    else:
        dx_t = scratch + rows * n_out
        _transpose(memory, dz, scratch, rows, n_out)
        product(memory, dx_t, memory, zeros, 0, memory, w, n_out, 1, memory, scratch, n_in, n_out,
                rows)  # fmt: skip
        _transpose(memory, dx_t, dx, n_in, rows)


@inlined
def _transpose(memory, source, target, n, m):
    """The transpose of a matrix (n, m), in strips of STRIP rows that stay in the cache."""
    for strip in range(0, n, STRIP):
        stop = min(n, strip + STRIP)
        for j in range(m):
            for i in range(strip, stop):
                memory[at(target + j * n + i)] = memory[at(source + i * m + j)]
