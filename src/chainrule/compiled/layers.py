"""Every layer but Dense: its forward beside its backward, over flat memory.

The equations are those of `core.layers` and `core.activations`; the derivative is changed in place,
from dL/dY to dL/dX.
"""

import numpy as np

from ..core.activations import SELU_ALPHA, SELU_SCALE
from .elementary import (
    expm1_negative,
    mish_slope,
    normal_cdf,
    normal_pdf,
    sigmoid,
    softplus,
    tanh,
    tanh_softplus,
)  # fmt: skip
from .jit import at, inlined, jit
from .products import fill, zero
from .program import (
    ELU,
    GELU,
    HARD_SIGMOID,
    HARD_TANH,
    IDENTITY,
    LEAKY_RELU,
    MISH,
    RELU,
    SELU,
    SIGMOID,
    SILU,
    SOFTPLUS,
    SOFTSIGN,
    STEP,
    TANH,
)  # fmt: skip


@jit
def elementwise_forward(op, alpha, memory, x, y, n):
    """A = f(Z) of n numbers."""
    Z, A = memory[x : x + n], memory[y : y + n]
    none, one = zero(memory), memory.dtype.type(1)
    if op == RELU:
        for i in range(n):
            A[i] = none if Z[i] < none else Z[i]  # nan passes
    elif op == SIGMOID:
        for i in range(n):
            A[i] = sigmoid(Z[i])
    elif op == TANH:
        for i in range(n):
            A[i] = tanh(Z[i])
    elif op == IDENTITY:
        for i in range(n):
            A[i] = Z[i]
    elif op == STEP:
        for i in range(n):
            A[i] = one if Z[i] > none else none
    elif op == LEAKY_RELU:
        for i in range(n):
            A[i] = Z[i] if Z[i] > none else alpha * Z[i]
    elif op == HARD_TANH:
        for i in range(n):
            A[i] = min(max(Z[i], -one), one) if Z[i] == Z[i] else Z[i]
    elif op == HARD_SIGMOID:
        for i in range(n):
            A[i] = min(max(Z[i] / 6.0 + 0.5, 0.0), 1.0) if Z[i] == Z[i] else Z[i]
    elif op == SOFTSIGN:
        for i in range(n):
            A[i] = Z[i] / (one + abs(Z[i]))
    else:
        _smooth_forward(op, alpha, Z, A, n)


@jit
def _smooth_forward(op, alpha, Z, A, n):
    """A = f(Z) for the activations made of several elementary functions."""
    if op == ELU:
        for i in range(n):
            A[i] = Z[i] if Z[i] > 0.0 else alpha * expm1_negative(Z[i])
    elif op == SELU:
        for i in range(n):
            A[i] = SELU_SCALE * (Z[i] if Z[i] > 0.0 else SELU_ALPHA * expm1_negative(Z[i]))
    elif op == GELU:
        for i in range(n):
            A[i] = Z[i] * normal_cdf(Z[i])
    elif op == SILU:
        for i in range(n):
            A[i] = Z[i] * sigmoid(Z[i])
    elif op == MISH:
        for i in range(n):
            A[i] = Z[i] * tanh_softplus(Z[i])
    elif op == SOFTPLUS:
        for i in range(n):
            A[i] = softplus(Z[i])


@jit
def elementwise_backward(op, alpha, memory, x, y, d, n):
    """dZ = dA * f′(Z) of n numbers."""
    Z, A, D = memory[x : x + n], memory[y : y + n], memory[d : d + n]
    none, one = zero(memory), memory.dtype.type(1)
    if op == RELU:
        for i in range(n):
            D[i] *= one if Z[i] > none else none
    elif op == SIGMOID:
        for i in range(n):
            D[i] *= A[i] * (one - A[i])
    elif op == TANH:
        for i in range(n):
            D[i] *= (one - A[i]) * (one + A[i])
    elif op == STEP:
        for i in range(n):
            D[i] *= none
    elif op == LEAKY_RELU:
        for i in range(n):
            D[i] *= 1.0 if Z[i] > none else alpha
    elif op == HARD_TANH:
        for i in range(n):
            D[i] *= one if abs(Z[i]) < one else none
    elif op == HARD_SIGMOID:
        for i in range(n):
            D[i] *= 1.0 / 6.0 if abs(Z[i]) < 3.0 else 0.0
    elif op == SOFTSIGN:
        for i in range(n):
            D[i] *= (one - abs(A[i])) * (one - abs(A[i]))
    elif op != IDENTITY:
        _smooth_backward(op, alpha, Z, A, D, n)


@jit
def _smooth_backward(op, alpha, Z, A, D, n):
    """dZ = dA * f′(Z) for the activations made of several elementary functions."""
    if op == ELU:
        for i in range(n):
            D[i] *= 1.0 if Z[i] > 0.0 else A[i] + alpha
    elif op == SELU:
        for i in range(n):
            D[i] *= SELU_SCALE if Z[i] > 0.0 else A[i] + SELU_SCALE * SELU_ALPHA
    elif op == GELU:
        for i in range(n):
            D[i] *= normal_cdf(Z[i]) + Z[i] * normal_pdf(Z[i])
    elif op == SILU:
        for i in range(n):
            D[i] *= sigmoid(Z[i]) + A[i] * sigmoid(-Z[i])
    elif op == MISH:
        for i in range(n):
            D[i] *= mish_slope(Z[i])
    elif op == SOFTPLUS:
        for i in range(n):
            D[i] *= sigmoid(Z[i])


@jit
def scale_forward(memory, x, y, numbers, gamma, rows, n):
    """Y = gamma * X."""
    for r in range(rows):
        for j in range(n):
            memory[at(y + r * n + j)] = numbers[at(gamma + j)] * memory[at(x + r * n + j)]


@jit
def scale_backward(memory, x, d, gamma, d_gamma, rows, n):
    """dgamma = Σ_rows dY * X,  dX = gamma * dY."""
    for r in range(rows):
        for j in range(n):
            dY = memory[at(d + r * n + j)]
            memory[at(d_gamma + j)] += dY * memory[at(x + r * n + j)]
            memory[at(d + r * n + j)] = dY * memory[at(gamma + j)]


@jit
def temper(memory, x, y, numbers, temperature, n):
    """Z = X / T of n numbers; backwards dX = dZ / T. A product, since vectors divide otherwise than
    lone numbers do, and a row must not depend on the rows beside it.
    """
    share = memory.dtype.type(1) / numbers[at(temperature)]
    for i in range(n):
        memory[at(y + i)] = share * memory[at(x + i)]


@jit
def prelu_forward(memory, x, y, numbers, alpha, rows, n):
    """A = Z if Z > 0 else alpha * Z."""
    for r in range(rows):
        for j in range(n):
            z = memory[at(x + r * n + j)]
            memory[at(y + r * n + j)] = z if z > 0.0 else numbers[at(alpha + j)] * z


@jit
def prelu_backward(memory, x, d, alpha, d_alpha, rows, n):
    """dalpha = Σ_rows dA * min(Z, 0),  dZ = dA * (1 or alpha)."""
    for r in range(rows):
        for j in range(n):
            z, dA = memory[at(x + r * n + j)], memory[at(d + r * n + j)]
            memory[at(d_alpha + j)] += dA * (zero(memory) if z > 0.0 else z)
            memory[at(d + r * n + j)] = dA if z > 0.0 else dA * memory[at(alpha + j)]


@jit
def blend_forward(memory, z, f, y, numbers, mix, rows, n):
    """A = (1 - mix) * Z + mix * F."""
    one = memory.dtype.type(1)
    for r in range(rows):
        for j in range(n):
            share, i = numbers[at(mix + j)], r * n + j
            blended = (one - share) * memory[at(z + i)] + share * memory[at(f + i)]
            memory[at(y + i)] = blended


@jit
def blend_backward(memory, z, f, d, df, mix, d_mix, rows, n):
    """dmix = Σ_rows dA * (F - Z),  dF = mix * dA, and in the place of dA what Z has of its own,
    (1 - mix) * dA.
    """
    one = memory.dtype.type(1)
    for r in range(rows):
        for j in range(n):
            share, i = memory[at(mix + j)], r * n + j
            dA = memory[at(d + i)]
            memory[at(d_mix + j)] += dA * (memory[at(f + i)] - memory[at(z + i)])
            memory[at(df + i)] = share * dA
            memory[at(d + i)] = (one - share) * dA


@inlined
def dropout(memory, source, target, mask, n):
    """Y = X * M forwards, dX = dY * M backwards."""
    for i in range(n):
        memory[at(target + i)] = memory[at(source + i)] * memory[at(mask + i)]


@jit
def layer_norm_forward(memory, x, y, h, numbers, gamma, epsilon, rows, n):
    """H = (X - mean) * S,  S = 1 / √(var + epsilon) of each row,  Y = gamma * H + beta."""
    beta, number = gamma + n, memory.dtype.type
    for r in range(rows):
        row, mean, var = r * n, number(0), number(0)
        for j in range(n):
            mean += memory[at(x + row + j)]
        mean = number(mean / n)
        for j in range(n):
            var += (memory[at(x + row + j)] - mean) ** 2
        S = number(1.0 / np.sqrt(var / n + epsilon))
        memory[at(h + rows * n + r)] = S
        for j in range(n):
            H = (memory[at(x + row + j)] - mean) * S
            memory[at(h + row + j)] = H
            memory[at(y + row + j)] = numbers[at(gamma + j)] * H + numbers[at(beta + j)]


@jit
def layer_norm_backward(memory, d, h, gamma, d_gamma, rows, n):
    """dgamma = Σ dY * H, dbeta = Σ dY,  dX = S (dH - mean dH - H mean (dH * H)),  dH = gamma dY."""
    d_beta, number = d_gamma + n, memory.dtype.type
    for r in range(rows):
        row, mean, along = r * n, number(0), number(0)
        for j in range(n):
            dY, H = memory[at(d + row + j)], memory[at(h + row + j)]
            memory[at(d_gamma + j)] += dY * H
            memory[at(d_beta + j)] += dY
        for j in range(n):
            dH = memory[at(d + row + j)] * memory[at(gamma + j)]
            mean += dH
            along += dH * memory[at(h + row + j)]
        mean, along = number(mean / n), number(along / n)
        S = memory[at(h + rows * n + r)]
        for j in range(n):
            dH = memory[at(d + row + j)] * memory[at(gamma + j)]
            memory[at(d + row + j)] = (dH - mean - memory[at(h + row + j)] * along) * S


@jit
def batch_norm_forward(memory, x, y, h, gamma, epsilon, rows, n):
    """H = (X - mean) * S,  S = 1 / √(var + epsilon) of each column; S, mean, var stand behind H."""
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
        memory[at(s + j)] = 1.0 / np.sqrt(memory[at(v + j)] + epsilon)
    for r in range(rows):
        for j in range(n):
            H = (memory[at(x + r * n + j)] - memory[at(u + j)]) * memory[at(s + j)]
            memory[at(h + r * n + j)] = H
            memory[at(y + r * n + j)] = memory[at(gamma + j)] * H + memory[at(beta + j)]


@jit
def batch_norm_backward(memory, d, h, gamma, d_gamma, rows, n):
    """dX = gamma S (dY - dbeta / rows - H dgamma / rows); the shard must be the whole batch."""
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
def running_norm(memory, x, y, numbers, gamma, mean, epsilon, rows, n):
    """Y = gamma (X - mean) / √(var + epsilon) + beta with the running mean and variance."""
    beta, var = gamma + n, mean + n
    for r in range(rows):
        for j in range(n):
            S = 1.0 / np.sqrt(numbers[at(var + j)] + epsilon)
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
