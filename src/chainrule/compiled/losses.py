"""The losses: value and derivative by the network's output, in one pass over a shard.

A kernel takes `settings`, a number for each output; the outputs Z and targets Y of `rows` rows with
k columns; S, what each output's row counts in the loss: scale · w / Σw, or scale · w where the loss
is a sum. It returns Σ S · l(Z, Y) and writes D = S · dl/dZ. The equations are those of
`core.losses`.
"""

from typing import Any

import numpy as np

from .elementary import exp, softplus_and_sigmoid
from .jit import inlined, jit


def elementwise(function: Any) -> Any:
    """The kernel of a loss in which each output counts separately, from (l, dl/dz) of z, y and the
    loss's setting.
    """
    function = inlined(function)

    @jit
    def kernel(settings, Z, Y, S, D, rows, k):
        total, setting = 0.0, settings[0]
        for i in range(rows * k):
            term, slope = function(Z[i], Y[i], setting)
            total += S[i] * term
            D[i] = S[i] * slope
        return total

    return kernel


@elementwise
def squared(z, y, _):
    """l = r²,  dl/dz = 2 r,  r = z - y."""
    r = z - y
    return r * r, r + r


@elementwise
def absolute(z, y, _):
    """l = |z - y|,  dl/dz = sign(z - y)."""
    return abs(z - y), np.sign(z - y)


@jit
def huber(settings, Z, Y, S, D, rows, k):
    """l = ½ r² if |r| ≤ delta else delta (|r| - ½ delta),  r = z - y."""
    total, delta = 0.0, settings[0]
    for i in range(rows * k):  # with its sum in one expression, which fixes the order of products
        r = Z[i] - Y[i]
        clipped = abs(r) if abs(r) < delta else delta
        total += S[i] * (clipped * (abs(r) - 0.5 * clipped))
        D[i] = S[i] * (r if abs(r) < delta else delta * np.sign(r))
    return total


@elementwise
def binary(z, y, _):
    """l = ln(1 + e^z) - y z,  dl/dz = σ(z) - y."""
    level, p = softplus_and_sigmoid(z)
    return level - y * z, p - y


@elementwise
def poisson(z, y, _):
    """l = e^z - y z,  dl/dz = e^z - y."""
    rate = exp(z)
    return rate - y * z, rate - y


@elementwise
def hinge(z, y, _):
    """l = max(0, 1 - y z),  dl/dz = -y where y z < 1."""
    margin = 1.0 - y * z
    return 0.0 if margin < 0.0 else margin, -y if margin > 0.0 else 0.0


@jit
def pinball(quantiles, Z, Y, S, D, rows, k):
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
def softmax(_, Z, Y, S, D, rows, k):
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
def softmax_of_classes(settings, Z, Y, S, D, rows, k):
    """As softmax, with y = 1 at the class of each row, which Y holds; label smoothing s makes it
    y (1 - s) + s / k.
    """
    _exponentials(Z, D, rows, k)
    loss, smoothing = 0.0, settings[0]
    spread = smoothing / k
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
