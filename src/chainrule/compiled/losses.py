"""Every loss: its value and its derivative by the network's output, in one pass over a shard.

`share` holds for each number of the output what its row counts in the loss: scale · w / Σw, or
scale · w where the loss is a sum. The equations are those of `core.losses`.
"""

import numpy as np

from .elementary import exp, softplus_and_sigmoid
from .jit import inlined, jit

SQUARED, ABSOLUTE, HUBER, PINBALL, BINARY, SOFTMAX, CLASSES, POISSON, HINGE = range(9)


@jit
def loss_and_slope(kind, setting, memory, z, y, share, dz, rows, k):
    """Σ share · l(Z, Y); writes dZ = share · dl/dZ.

    At `setting` stands delta of Huber, the quantile of each output, or the label smoothing. For
    CLASSES the targets are one class number a row, for all others a number for each output.
    """
    n = rows * k
    Z, Y = memory[z : z + n], memory[y : y + n]
    S, D = memory[share : share + n], memory[dz : dz + n]
    if kind == CLASSES:
        return _softmax_classes(memory[setting], Z, Y, S, D, rows, k)
    if kind == SOFTMAX:
        return _softmax(Z, Y, S, D, rows, k)
    if kind == PINBALL:
        return _pinball(memory[setting : setting + k], Z, Y, S, D, rows, k)
    return _elementwise(kind, memory[setting], Z, Y, S, D, n)


@inlined
def _elementwise(kind, delta, Z, Y, S, D, n):
    """The losses of which each output is a matter of its own."""
    total = 0.0
    if kind == SQUARED:
        for i in range(n):
            r = Z[i] - Y[i]
            total += S[i] * (r * r)
            D[i] = S[i] * (r + r)
    elif kind == BINARY:
        for i in range(n):
            level, p = softplus_and_sigmoid(Z[i])
            total += S[i] * (level - Y[i] * Z[i])
            D[i] = S[i] * (p - Y[i])
    elif kind == ABSOLUTE:
        for i in range(n):
            total += S[i] * abs(Z[i] - Y[i])
            D[i] = S[i] * np.sign(Z[i] - Y[i])
    elif kind == HUBER:
        for i in range(n):
            r = Z[i] - Y[i]
            near = abs(r) if abs(r) < delta else delta
            total += S[i] * (near * (abs(r) - 0.5 * near))
            D[i] = S[i] * (r if abs(r) < delta else delta * np.sign(r))
    elif kind == POISSON:
        for i in range(n):
            rate = exp(Z[i])
            total += S[i] * (rate - Y[i] * Z[i])
            D[i] = S[i] * (rate - Y[i])
    elif kind == HINGE:
        for i in range(n):
            margin = 1.0 - Y[i] * Z[i]
            total += S[i] * (0.0 if margin < 0.0 else margin)
            D[i] = S[i] * (-Y[i] if margin > 0.0 else 0.0)
    return total


@jit
def _pinball(quantiles, Z, Y, S, D, rows, k):
    """l = max(q r, (q - 1) r),  r = y - z."""
    total = 0.0
    for row in range(rows):
        for j in range(k):
            i, q = row * k + j, quantiles[j]
            r = Y[i] - Z[i]
            total += S[i] * max(q * r, (q - 1.0) * r)
            D[i] = S[i] * (-q if r > 0.0 else (1.0 - q if r < 0.0 else 0.0))
    return total


@inlined
def _exponentials(Z, D, rows, k):
    """Leaves e^(z - top) in D, with the top of each row."""
    for row in range(rows):
        top = Z[row * k]
        for i in range(row * k + 1, row * k + k):
            top = max(top, Z[i])
        for i in range(row * k, row * k + k):
            D[i] = Z[i] - top
    for i in range(rows * k):  # of all rows in one loop, which fills the vector registers
        D[i] = exp(D[i])


@inlined
def _level(Z, D, start, k):
    """(ln Σ e^z, Σ e^(z - top)) of the row at start, where D holds e^(z - top)."""
    top, total = Z[start], 0.0
    for i in range(start, start + k):
        top = max(top, Z[i])
        total += D[i]
    return top + np.log(total), total


@jit
def _softmax(Z, Y, S, D, rows, k):
    """l = Σ_k y_k (ln Σ_j e^z_j - z_k),  dl/dz = p - y."""
    _exponentials(Z, D, rows, k)
    loss = 0.0
    for row in range(rows):
        start, own = row * k, 0.0
        level, total = _level(Z, D, start, k)
        for i in range(start, start + k):
            own += Y[i] * (level - Z[i])
            D[i] = S[i] * (D[i] / total - Y[i])
        loss += S[start] * own
    return loss


@jit
def _softmax_classes(smoothing, Z, Y, S, D, rows, k):
    """As _softmax, with y = 1 at the row's class; smoothing s makes it y (1 - s) + s / k."""
    _exponentials(Z, D, rows, k)
    loss, spread = 0.0, smoothing / k
    for row in range(rows):
        start, hit, own = row * k, row * k + int(Y[row]), 0.0
        level, total = _level(Z, D, start, k)
        weight, share = S[start], S[start] / total
        for i in range(start, start + k):
            own += level - Z[i]
            D[i] = share * D[i] - weight * spread
        loss += weight * ((1.0 - smoothing) * (level - Z[hit]) + spread * own)
        D[hit] -= weight * (1.0 - smoothing)
    return loss
