"""Every loss: its value and its derivative by the network's output, in one pass over a shard.

`share` holds for each number of the output what its row counts in the loss, scale · w / Σw. The
equations are those of `core.losses`.
"""

import numpy as np

from .elementary import exp, log1p_unit
from .jit import at, inlined, jit

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
        return _softmax_classes(memory[setting], memory, z, y, share, dz, rows, k)
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
            e = exp(-abs(Z[i]))  # softplus and sigmoid from one exponential
            total += S[i] * ((0.0 if Z[i] < 0.0 else Z[i]) + log1p_unit(e) - Y[i] * Z[i])
            D[i] = S[i] * ((e if Z[i] < 0.0 else 1.0) / (1.0 + e) - Y[i])
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
    else:
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


@jit
def _exponentials(memory, z, dz, k):
    """Leaves e^(z - top) of one row in dz; returns (top, their sum)."""
    top = memory[at(z)]
    for j in range(1, k):
        top = max(top, memory[at(z + j)])
    total = 0.0
    for j in range(k):
        memory[at(dz + j)] = exp(memory[at(z + j)] - top)
        total += memory[at(dz + j)]
    return top, total


@jit
def _softmax(Z, Y, S, D, rows, k):
    """l = Σ_k y_k (ln Σ_j e^z_j - z_k),  dl/dz = p - y."""
    loss = 0.0
    for row in range(rows):
        start = row * k
        top, total = Z[start], 0.0
        for i in range(start + 1, start + k):
            top = max(top, Z[i])
        for i in range(start, start + k):
            D[i] = exp(Z[i] - top)
            total += D[i]
        level, own = top + np.log(total), 0.0
        for i in range(start, start + k):
            own += Y[i] * (level - Z[i])
            D[i] = S[i] * (D[i] / total - Y[i])
        loss += S[start] * own
    return loss


@jit
def _softmax_classes(smoothing, memory, z, y, share, dz, rows, k):
    """As _softmax, with y = 1 at the row's class; smoothing s makes it y (1 - s) + s / k."""
    loss = 0.0
    for r in range(rows):
        row, slope = z + r * k, dz + r * k
        S, hit = memory[at(share + r * k)], int(memory[at(y + r)])
        top, total = _exponentials(memory, row, slope, k)
        level = top + np.log(total)
        factor = S / total
        for j in range(k):
            memory[at(slope + j)] *= factor
        if smoothing == 0.0:
            loss += S * (level - memory[at(row + hit)])
            memory[at(slope + hit)] -= S
        else:
            spread, own = smoothing / k, 0.0
            for j in range(k):
                own += level - memory[at(row + j)]
                memory[at(slope + j)] -= S * spread
            loss += S * ((1.0 - smoothing) * (level - memory[at(row + hit)]) + spread * own)
            memory[at(slope + hit)] -= S * (1.0 - smoothing)
    return loss
