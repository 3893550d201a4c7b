"""The cosine embedding: each column's number beside d - 1 sums of cosines of it.

The equations are those of `core.embedding_layers`. Parameters stand in the order w, b, V, a.
"""

import math

import numpy as np

from .elementary import FAR, cos_sin
from .jit import at, inlined, jit
from .products import zero

TURN = 2.0 * math.pi


@inlined
def embed_size(k, n, d):
    """How many parameters there are for n columns, k frequencies and d numbers a column."""
    return n * (2 * k + (k + 1) * (d - 1))


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
def embed_forward(memory, x, y, cosines, numbers, p, k, rows, n, d):
    """U = 2π x w + b,  Y = (x, cos U @ V + a); keeps cos U, and sin U behind it."""
    number, sines = memory.dtype.type, cosines + rows * n * k
    turn, b, V, a = number(TURN), p + n * k, p + 2 * n * k, p + n * k * (d + 1)
    for r in range(rows):
        for c in range(n):
            value, kept = memory[at(x + r * n + c)], (r * n + c) * k
            for f in range(k):
                u = turn * value * numbers[at(p + c * k + f)] + numbers[at(b + c * k + f)]
                memory[at(cosines + kept + f)] = u
            waves(memory, cosines + kept, sines + kept, k)
            out = y + (r * n + c) * d
            memory[at(out)] = value
            for o in range(d - 1):
                total = zero(memory)
                for f in range(k):
                    v = numbers[at(V + (c * k + f) * (d - 1) + o)]
                    total += memory[at(cosines + kept + f)] * v
                memory[at(out + 1 + o)] = total + numbers[at(a + c * (d - 1) + o)]


@jit
def embed_backward(memory, x, dy, dx, cosines, p, g, k, rows, n, d, asked):
    """dV = Σ cos U dT, da = Σ dT, dU = -sin U (dT @ Vᵀ), db = Σ dU, dw = 2π Σ x dU, and where it is
    asked for dX = dY_0 + 2π dU @ wᵀ.
    """
    number, sines = memory.dtype.type, cosines + rows * n * k
    turn, V = number(TURN), p + 2 * n * k
    gb, gV, ga = g + n * k, g + 2 * n * k, g + n * k * (d + 1)
    for r in range(rows):
        for c in range(n):
            value, kept = memory[at(x + r * n + c)], (r * n + c) * k
            out, back = dy + (r * n + c) * d, zero(memory)
            for o in range(d - 1):
                memory[at(ga + c * (d - 1) + o)] += memory[at(out + 1 + o)]
            for f in range(k):
                along, cosine = zero(memory), memory[at(cosines + kept + f)]
                for o in range(d - 1):
                    place, dT = (c * k + f) * (d - 1) + o, memory[at(out + 1 + o)]
                    along += dT * memory[at(V + place)]
                    memory[at(gV + place)] += cosine * dT
                dU = -memory[at(sines + kept + f)] * along
                memory[at(gb + c * k + f)] += dU
                memory[at(g + c * k + f)] += turn * value * dU
                back += dU * memory[at(p + c * k + f)]
            if asked:
                memory[at(dx + r * n + c)] = memory[at(out)] + turn * back
