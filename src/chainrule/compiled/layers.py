"""Layers with kernels of their own: forward beside backward, over flat memory.

The equations are those of `core.layers`. A kernel takes a `row` of the table, as
`passes.Row` has it; the derivative is changed in place, from dL/dY at `row.dy` to dL/dX.
"""

import numpy as np

from .jit import at, inlined, jit
from .products import add, fill, scaled_copy, zero


@jit
def scale_forward(row, table, memory, numbers):
    """Y = gamma * X."""
    x, y, gamma, n = row.x, row.y, row.p, row.n
    for r in range(row.rows):
        for j in range(n):
            memory[at(y + r * n + j)] = numbers[at(gamma + j)] * memory[at(x + r * n + j)]


@jit
def scale_backward(row, table, memory):
    """dgamma = Σ_rows dY * X,  dX = gamma * dY."""
    x, d, gamma, d_gamma, n = row.x, row.dy, row.p, row.g, row.n
    for r in range(row.rows):
        for j in range(n):
            dY = memory[at(d + r * n + j)]
            memory[at(d_gamma + j)] += dY * memory[at(x + r * n + j)]
            memory[at(d + r * n + j)] = dY * memory[at(gamma + j)]


@jit
def temper_forward(row, table, memory, numbers):
    """Z = X / T."""
    share = memory.dtype.type(1) / numbers[at(row.buffer)]
    scaled_copy(memory, row.y, share, row.x, row.rows * row.n)


@jit
def temper_backward(row, table, memory):
    """dX = dZ / T. A product in both directions, because vectors divide otherwise than lone numbers
    do, and a row's result must not depend on the rows in the same batch.
    """
    share = memory.dtype.type(1) / memory[at(row.buffer)]
    scaled_copy(memory, row.dy, share, row.dy, row.rows * row.n)


@jit
def prelu_forward(row, table, memory, numbers):
    """A = Z if Z > 0 else alpha * Z."""
    x, y, alpha, n = row.x, row.y, row.p, row.n
    for r in range(row.rows):
        for j in range(n):
            z = memory[at(x + r * n + j)]
            memory[at(y + r * n + j)] = z if z > 0.0 else numbers[at(alpha + j)] * z


@jit
def prelu_backward(row, table, memory):
    """dalpha = Σ_rows dA * min(Z, 0),  dZ = dA * (1 or alpha)."""
    x, d, alpha, d_alpha, n = row.x, row.dy, row.p, row.g, row.n
    for r in range(row.rows):
        for j in range(n):
            z, dA = memory[at(x + r * n + j)], memory[at(d + r * n + j)]
            memory[at(d_alpha + j)] += dA * (zero(memory) if z > 0.0 else z)
            memory[at(d + r * n + j)] = dA if z > 0.0 else dA * memory[at(alpha + j)]


@jit
def blend_forward(row, table, memory, numbers):
    """A = (1 - mix) * Z + mix * F."""
    z, f, y, mix, n = row.extra, row.x, row.y, row.p, row.n
    one = memory.dtype.type(1)
    for r in range(row.rows):
        for j in range(n):
            share, i = numbers[at(mix + j)], r * n + j
            blended = (one - share) * memory[at(z + i)] + share * memory[at(f + i)]
            memory[at(y + i)] = blended


@jit
def blend_backward(row, table, memory):
    """dmix = Σ_rows dA * (F - Z),  dF = mix * dA, and in the place of dA what Z has of its own,
    (1 - mix) * dA.
    """
    z, f, d, df, mix, d_mix, n = row.extra, row.x, row.dy, row.dx, row.p, row.g, row.n
    one = memory.dtype.type(1)
    for r in range(row.rows):
        for j in range(n):
            share, i = memory[at(mix + j)], r * n + j
            dA = memory[at(d + i)]
            memory[at(d_mix + j)] += dA * (memory[at(f + i)] - memory[at(z + i)])
            memory[at(df + i)] = share * dA
            memory[at(d + i)] = (one - share) * dA


@jit
def dropout_forward(row, table, memory, numbers):
    """Y = X * M."""
    for i in range(row.rows * row.n):
        memory[at(row.y + i)] = memory[at(row.x + i)] * memory[at(row.mask + i)]


@jit
def dropout_backward(row, table, memory):
    """dX = dY * M."""
    for i in range(row.rows * row.n):
        memory[at(row.dy + i)] *= memory[at(row.mask + i)]


@jit
def layer_norm_forward(row, table, memory, numbers):
    """H = (X - mean) * S,  S = 1 / √(var + epsilon) of each row,  Y = gamma * H + beta."""
    x, y, h, gamma, rows, n = row.x, row.y, row.extra, row.p, row.rows, row.n
    beta, number = gamma + n, memory.dtype.type
    for r in range(rows):
        start, mean, var = r * n, number(0), number(0)
        for j in range(n):
            mean += memory[at(x + start + j)]
        mean = number(mean / n)
        for j in range(n):
            var += (memory[at(x + start + j)] - mean) ** 2
        S = number(1.0 / np.sqrt(var / n + row.alpha))
        memory[at(h + rows * n + r)] = S
        for j in range(n):
            H = (memory[at(x + start + j)] - mean) * S
            memory[at(h + start + j)] = H
            memory[at(y + start + j)] = numbers[at(gamma + j)] * H + numbers[at(beta + j)]


@jit
def layer_norm_backward(row, table, memory):
    """dgamma = Σ dY * H, dbeta = Σ dY,  dX = S (dH - mean dH - H mean (dH * H)),  dH = gamma dY."""
    d, h, gamma, d_gamma, rows, n = row.dy, row.extra, row.p, row.g, row.rows, row.n
    d_beta, number = d_gamma + n, memory.dtype.type
    for r in range(rows):
        start, mean, along = r * n, number(0), number(0)
        for j in range(n):
            dY, H = memory[at(d + start + j)], memory[at(h + start + j)]
            memory[at(d_gamma + j)] += dY * H
            memory[at(d_beta + j)] += dY
        for j in range(n):
            dH = memory[at(d + start + j)] * memory[at(gamma + j)]
            mean += dH
            along += dH * memory[at(h + start + j)]
        mean, along = number(mean / n), number(along / n)
        S = memory[at(h + rows * n + r)]
        for j in range(n):
            dH = memory[at(d + start + j)] * memory[at(gamma + j)]
            memory[at(d + start + j)] = (dH - mean - memory[at(h + start + j)] * along) * S


@jit
def batch_norm_forward(row, table, memory, numbers):
    """H = (X - mean) * S,  S = 1 / √(var + epsilon) of each column; S, mean, var stand behind H."""
    x, y, h, gamma, rows, n = row.x, row.y, row.extra, row.p, row.rows, row.n
    beta, s, u, v = gamma + n, h + rows * n, h + (rows + 1) * n, h + (rows + 2) * n
    fill(memory, u, 2 * n, zero(memory))
    for r in range(rows):
        for j in range(n):
            memory[at(u + j)] += memory[at(x + r * n + j)]
    for j in range(n):
        memory[at(u + j)] /= rows
    for r in range(rows):
        for j in range(n):
            memory[at(v + j)] += (memory[at(x + r * n + j)] - memory[at(u + j)]) ** 2
    for j in range(n):
        memory[at(v + j)] /= rows
        memory[at(s + j)] = 1.0 / np.sqrt(memory[at(v + j)] + row.alpha)
    for r in range(rows):
        for j in range(n):
            H = (memory[at(x + r * n + j)] - memory[at(u + j)]) * memory[at(s + j)]
            memory[at(h + r * n + j)] = H
            memory[at(y + r * n + j)] = memory[at(gamma + j)] * H + memory[at(beta + j)]


@jit
def batch_norm_backward(row, table, memory):
    """dX = gamma S (dY - dbeta / rows - H dgamma / rows); the shard must be the whole batch."""
    d, h, gamma, d_gamma, rows, n = row.dy, row.extra, row.p, row.g, row.rows, row.n
    d_beta, s = d_gamma + n, h + rows * n
    for r in range(rows):
        for j in range(n):
            dY = memory[at(d + r * n + j)]
            memory[at(d_gamma + j)] += dY * memory[at(h + r * n + j)]
            memory[at(d_beta + j)] += dY
    for r in range(rows):
        for j in range(n):
            centred = memory[at(d + r * n + j)] - memory[at(d_beta + j)] / rows
            along = memory[at(h + r * n + j)] * memory[at(d_gamma + j)] / rows
            scale = memory[at(gamma + j)] * memory[at(s + j)]
            memory[at(d + r * n + j)] = (centred - along) * scale


@jit
def running_norm(row, table, memory, numbers):
    """Y = gamma (X - mean) / √(var + epsilon) + beta with the running mean and variance."""
    x, y, gamma, mean, n = row.x, row.y, row.p, row.buffer, row.n
    beta, var = gamma + n, mean + n
    for r in range(row.rows):
        for j in range(n):
            S = 1.0 / np.sqrt(numbers[at(var + j)] + row.alpha)
            H = (memory[at(x + r * n + j)] - numbers[at(mean + j)]) * S
            memory[at(y + r * n + j)] = numbers[at(gamma + j)] * H + numbers[at(beta + j)]


@jit
def absorb_batch_norm(memory, h, mean, momentum, rows, n):
    """Move the running statistics towards the batch's; its variance counts with rows - 1."""
    if rows < 2:
        return  # one row has no variance
    var, u, v = mean + n, h + (rows + 1) * n, h + (rows + 2) * n
    for j in range(n):
        _move(memory, mean + j, momentum, memory[at(u + j)])
        _move(memory, var + j, momentum, memory[at(v + j)] * (rows / (rows - 1)))


@inlined
def _move(memory, place, momentum, value):
    """running ← momentum running + (1 - momentum) value."""
    memory[at(place)] = momentum * memory[at(place)] + (1.0 - momentum) * value


@inlined
def branch_backward(row, table, memory):
    """dX = the sum of what comes back through all branches."""
    add(memory, row.dx, row.dy, row.rows * row.n)


@inlined
def sum_forward(row, table, memory, numbers):
    """Y = B + share * F, B what has been added up so far."""
    for j in range(row.rows * row.n):
        memory[at(row.y + j)] = memory[at(row.extra + j)] + row.alpha * memory[at(row.x + j)]


@inlined
def sum_backward(row, table, memory):
    """dF = share * dY."""
    scaled_copy(memory, row.dx, row.alpha, row.dy, row.rows * row.n)


@inlined
def first_sum_forward(row, table, memory, numbers):
    """Y = share * F of the first branch."""
    scaled_copy(memory, row.y, row.alpha, row.x, row.rows * row.n)


@inlined
def first_sum_backward(row, table, memory):
    """dF = share * dY of the first branch; empties what all branches then add up in."""
    sum_backward(row, table, memory)
    fill(memory, row.extra, row.rows * row.n_in, zero(memory))
