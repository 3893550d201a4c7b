"""CosineEmbedding and CategoryEmbedding: forward beside backward, over flat memory.

The equations are those of `core.embedding_layers`. Parameters stand in the order w, b, V, a; the E
of one group after that of another. `row.spans` rows of the table say which columns are meant:
`table[s, FIRST]` is the first one, `table[s, END]` the one after the last.
"""

import numpy as np

from ..core.embedding_layers import TURN
from .elementary import FAR, cos_sin
from .jit import at, jit
from .products import copy, fill, zero

FIRST, END = range(2)  # columns of a row that holds a span


@jit
def waves(memory, cosines, sines, k):
    """From k angles to their cosines, in their place, and their sines."""
    U, S = memory[cosines : cosines + k], memory[sines : sines + k]
    far = False
    for f in range(k):
        far |= abs(U[f]) > FAR
    if far:
        for f in range(k):
            U[f], S[f] = np.cos(U[f]), np.sin(U[f])
    else:
        for f in range(k):
            U[f], S[f] = cos_sin(U[f])


@jit
def embed_forward(row, table, memory, numbers):
    """Y = (X, T), T_c = cos U_c @ V_c + a_c with U_c = 2π x_c w_c + b_c of each embedded column;
    keeps cos U, and sin U after it.
    """
    n, n_out, m, k, p = row.n_in, row.n, row.span_count, row.whole, row.p
    sums, turn = (n_out - n) // m, memory.dtype.type(TURN)
    cosines, sines = row.extra, row.extra + row.rows * m * k
    b, V, a = p + m * k, p + 2 * m * k, p + m * k * (sums + 2)
    for r in range(row.rows):
        x, y = row.x + r * n, row.y + r * n_out
        copy(memory, y, memory, x, n)
        for c in range(m):
            value = memory[at(x + table[row.spans + c, FIRST])]
            start, out = (r * m + c) * k, y + n + c * sums
            for f in range(k):
                u = turn * value * numbers[at(p + c * k + f)] + numbers[at(b + c * k + f)]
                memory[at(cosines + start + f)] = u
            waves(memory, cosines + start, sines + start, k)
            for o in range(sums):
                total = zero(memory)
                for f in range(k):
                    v = numbers[at(V + (c * k + f) * sums + o)]
                    total += memory[at(cosines + start + f)] * v
                memory[at(out + o)] = total + numbers[at(a + c * sums + o)]


@jit
def embed_backward(row, table, memory):
    """dV = Σ cos U dT, da = Σ dT, dU = -sin U (dT @ Vᵀ), db = Σ dU, dw = 2π Σ x dU, and where it is
    wanted dX = dY's own part + 2π dU @ wᵀ.
    """
    n, n_out, m, k, p, g = row.n_in, row.n, row.span_count, row.whole, row.p, row.g
    sums, turn = (n_out - n) // m, memory.dtype.type(TURN)
    cosines, sines = row.extra, row.extra + row.rows * m * k
    V, gb, gV, ga = p + 2 * m * k, g + m * k, g + 2 * m * k, g + m * k * (sums + 2)
    for r in range(row.rows):
        x, dx, dy = row.x + r * n, row.dx + r * n, row.dy + r * n_out
        if row.wants_dx:
            copy(memory, dx, memory, dy, n)
        for c in range(m):
            column = table[row.spans + c, FIRST]
            value, start = memory[at(x + column)], (r * m + c) * k
            out, back = dy + n + c * sums, zero(memory)
            for o in range(sums):
                memory[at(ga + c * sums + o)] += memory[at(out + o)]
            for f in range(k):
                along, cosine = zero(memory), memory[at(cosines + start + f)]
                for o in range(sums):
                    place, dT = (c * k + f) * sums + o, memory[at(out + o)]
                    along += dT * memory[at(V + place)]
                    memory[at(gV + place)] += cosine * dT
                dU = -memory[at(sines + start + f)] * along
                memory[at(gb + c * k + f)] += dU
                memory[at(g + c * k + f)] += turn * value * dU
                back += dU * memory[at(p + c * k + f)]
            if row.wants_dx:
                memory[at(dx + column)] += turn * back


@jit
def pick_forward(row, table, memory, numbers):
    """Y = (X of no group, X_g @ E_g for each group g)."""
    d = row.whole
    alone = row.n - d * row.span_count
    for r in range(row.rows):
        x, y, weights, done, passed = row.x + r * row.n_in, row.y + r * row.n, row.p, 0, 0
        for g in range(row.span_count):
            first, end = table[row.spans + g, FIRST], table[row.spans + g, END]
            copy(memory, y + passed, memory, x + done, first - done)
            passed, done, out = passed + first - done, end, y + alone + g * d
            fill(memory, out, d, zero(memory))
            for i in range(first, end):
                value = memory[at(x + i)]
                for o in range(d):
                    memory[at(out + o)] += value * numbers[at(weights + o)]
                weights += d
        copy(memory, y + passed, memory, x + done, row.n_in - done)


@jit
def pick_backward(row, table, memory):
    """dE_g = Σ X_gᵀ dG, and where it is wanted dX = dY's own part and dG @ E_gᵀ."""
    d = row.whole
    alone = row.n - d * row.span_count
    for r in range(row.rows):
        x, dx, dy = row.x + r * row.n_in, row.dx + r * row.n_in, row.dy + r * row.n
        weight, done, passed = 0, 0, 0
        for g in range(row.span_count):
            first, end = table[row.spans + g, FIRST], table[row.spans + g, END]
            if row.wants_dx:
                copy(memory, dx + done, memory, dy + passed, first - done)
            passed, done, out = passed + first - done, end, dy + alone + g * d
            for i in range(first, end):
                value, total = memory[at(x + i)], zero(memory)
                for o in range(d):
                    dG = memory[at(out + o)]
                    total += dG * memory[at(row.p + weight + o)]
                    memory[at(row.g + weight + o)] += value * dG
                if row.wants_dx:
                    memory[at(dx + i)] = total
                weight += d
        if row.wants_dx:
            copy(memory, dx + done, memory, dy + passed, row.n_in - done)
