"""CosineEmbedding and CategoryEmbedding: their forward beside their backward, over flat memory.

The equations are those of `core.embedding_layers`. Parameters stand in the order w, b, V, a; E of
one group behind that of another.
"""

import numpy as np

from ..core.embedding_layers import TURN
from .elementary import FAR, cos_sin
from .jit import at, inlined, jit
from .products import copy, fill, zero


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
def embed_forward(memory, x, y, cosines, numbers, p, columns, k, rows, n, n_out):
    """Y = (X, T), T_c = cos U_c @ V_c + a_c with U_c = 2π x_c w_c + b_c of each embedded column;
    keeps cos U, and sin U behind it.

    At `columns` stands how many columns are embedded, m, and behind it which.
    """
    number, m = memory.dtype.type, int(memory[at(columns)])
    sums, sines, turn = (n_out - n) // m, cosines + rows * m * k, number(TURN)
    b, V, a = p + m * k, p + 2 * m * k, p + m * k * (sums + 2)
    for r in range(rows):
        copy(memory, y + r * n_out, memory, x + r * n, n)
        for c in range(m):
            value = memory[at(x + r * n + int(memory[at(columns + 1 + c)]))]
            kept, out = (r * m + c) * k, y + r * n_out + n + c * sums
            for f in range(k):
                u = turn * value * numbers[at(p + c * k + f)] + numbers[at(b + c * k + f)]
                memory[at(cosines + kept + f)] = u
            waves(memory, cosines + kept, sines + kept, k)
            for o in range(sums):
                total = zero(memory)
                for f in range(k):
                    v = numbers[at(V + (c * k + f) * sums + o)]
                    total += memory[at(cosines + kept + f)] * v
                memory[at(out + o)] = total + numbers[at(a + c * sums + o)]


@jit
def embed_backward(memory, x, dy, dx, cosines, p, g, columns, k, rows, n, n_out, asked):
    """dV = Σ cos U dT, da = Σ dT, dU = -sin U (dT @ Vᵀ), db = Σ dU, dw = 2π Σ x dU, and where it is
    asked for dX = dY's own part + 2π dU @ wᵀ.
    """
    number, m = memory.dtype.type, int(memory[at(columns)])
    sums, sines, turn = (n_out - n) // m, cosines + rows * m * k, number(TURN)
    V, gb, gV, ga = p + 2 * m * k, g + m * k, g + 2 * m * k, g + m * k * (sums + 2)
    for r in range(rows):
        if asked:
            copy(memory, dx + r * n, memory, dy + r * n_out, n)
        for c in range(m):
            column = int(memory[at(columns + 1 + c)])
            value, kept = memory[at(x + r * n + column)], (r * m + c) * k
            out, back = dy + r * n_out + n + c * sums, zero(memory)
            for o in range(sums):
                memory[at(ga + c * sums + o)] += memory[at(out + o)]
            for f in range(k):
                along, cosine = zero(memory), memory[at(cosines + kept + f)]
                for o in range(sums):
                    place, dT = (c * k + f) * sums + o, memory[at(out + o)]
                    along += dT * memory[at(V + place)]
                    memory[at(gV + place)] += cosine * dT
                dU = -memory[at(sines + kept + f)] * along
                memory[at(gb + c * k + f)] += dU
                memory[at(g + c * k + f)] += turn * value * dU
                back += dU * memory[at(p + c * k + f)]
            if asked:
                memory[at(dx + r * n + column)] += turn * back


@jit
def pick_forward(memory, x, y, numbers, p, groups, rows, n, n_out):
    """Y = (X of no group, X_g @ E_g for each group g).

    At `groups` stands how many there are, and behind it the first column of each and the one behind
    its last.
    """
    count = int(memory[at(groups)])
    alone, d = split_of(memory, groups, count, n, n_out)
    for r in range(rows):
        row, out, weights, done, passed = x + r * n, y + r * n_out, p, 0, 0
        for g in range(count):
            first, behind = int(memory[at(groups + 1 + 2 * g)]), int(memory[at(groups + 2 + 2 * g)])
            copy(memory, out + passed, memory, row + done, first - done)
            passed, done = passed + first - done, behind
            fill(memory, out + alone + g * d, d, zero(memory))
            for i in range(first, behind):
                value = memory[at(row + i)]
                for o in range(d):
                    memory[at(out + alone + g * d + o)] += value * numbers[at(weights + o)]
                weights += d
        copy(memory, out + passed, memory, row + done, n - done)


@jit
def pick_backward(memory, x, dy, dx, p, grad, groups, rows, n, n_out, asked):
    """dE_g = Σ X_gᵀ dG, and where it is asked for dX = dY's own part and dG @ E_gᵀ."""
    count = int(memory[at(groups)])
    alone, d = split_of(memory, groups, count, n, n_out)
    for r in range(rows):
        row, out, back, weight, done, passed = x + r * n, dy + r * n_out, dx + r * n, 0, 0, 0
        for g in range(count):
            first, behind = int(memory[at(groups + 1 + 2 * g)]), int(memory[at(groups + 2 + 2 * g)])
            if asked:
                copy(memory, back + done, memory, out + passed, first - done)
            passed, done = passed + first - done, behind
            for i in range(first, behind):
                value, total = memory[at(row + i)], zero(memory)
                for o in range(d):
                    dG = memory[at(out + alone + g * d + o)]
                    total += dG * memory[at(p + weight + o)]
                    memory[at(grad + weight + o)] += value * dG
                if asked:
                    memory[at(back + i)] = total
                weight += d
        if asked:
            copy(memory, back + done, memory, out + passed, n - done)


@inlined
def split_of(memory, groups, count, n, n_out):
    """(how many columns are in no group, how many numbers stand for each group)."""
    alone = n
    for g in range(count):
        alone += int(memory[at(groups + 1 + 2 * g)]) - int(memory[at(groups + 2 + 2 * g)])
    return alone, (n_out - alone) // count
