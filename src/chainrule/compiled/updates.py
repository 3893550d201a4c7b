"""The optimizers: one pass over a block of theta, with all that a step still has to do.

Sum of the lanes' gradients in their order, penalty, clipping, the optimizer's state, theta. Each
number is read and written once. The equations are those of `core.optimizers`.
"""

import numpy as np

from .jit import at, inlined, jit

SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, ADAM_HAT, ADAMW = range(8)


@inlined
def combine(memory, theta, decay_factor, l1, l2, g, lanes, stride, n, sums):
    """Leaves the sum of the lanes' gradients, penalty included, in the first lane, at g.

    The places are those of a block of n numbers. `sums` receives Σ f|θ| and Σ f θ².
    """
    for lane in range(1, lanes):
        other = g + lane * stride
        for i in range(n):
            memory[at(g + i)] += memory[at(other + i)]
    if l1 != 0.0 or l2 != 0.0:
        absolute, squares = 0.0, 0.0
        for i in range(n):
            f, t = memory[at(decay_factor + i)], memory[at(theta + i)]
            absolute += f * abs(t)
            squares += f * t * t
            memory[at(g + i)] += f * (l1 * np.sign(t) + l2 * t)
        sums[0], sums[1] = absolute, squares


@jit
def square_sum(memory, g, n, divisor):
    """Σ (g / divisor)² of n numbers, in float64."""
    total = 0.0
    for i in range(n):
        ratio = np.float64(memory[at(g + i)]) / divisor
        total += ratio * ratio
    return total


@jit
def largest(memory, g, n):
    """max |g| of n numbers; nan where there is one."""
    top = 0.0
    for i in range(n):
        size = np.float64(abs(memory[at(g + i)]))
        top = size if size > top or size != size else top
    return top


@inlined
def update(rule, memory, theta, lr_factor, decay_factor, m, v, g, n, step, scale):
    """A block of n numbers of theta and of its state m and v; `scale` is what clipping multiplies
    the gradient by.
    """
    number, kind = memory.dtype.type, rule.optimizer
    T, G, F = memory[theta : theta + n], memory[g : g + n], memory[lr_factor : lr_factor + n]
    M, V = memory[m : m + n], memory[v : v + n]
    rate, b1, b2 = number(step.lr), number(rule.beta1), number(rule.beta2)
    a1, a2, e = number(1.0 - rule.beta1), number(1.0 - rule.beta2), number(step.epsilon)
    for i in range(n if scale != 1.0 else 0):
        G[i] *= number(scale)
    if kind in (ADAM, ADAM_HAT, ADAMW):
        if kind == ADAMW:
            shrink, E = number(step.decay), memory[decay_factor : decay_factor + n]
            for i in range(n):
                T[i] -= rate * F[i] * (shrink * E[i]) * T[i]
        k1, k2 = number(step.c1), number(step.c2)
        for i in range(n):
            M[i] = b1 * M[i] + a1 * G[i]
            V[i] = b2 * V[i] + a2 * G[i] * G[i]
            T[i] -= rate * F[i] * (M[i] * k1) / (np.sqrt(V[i] * k2) + e)
    elif kind == SGD:
        for i in range(n):
            T[i] -= rate * F[i] * G[i]
    elif kind == MOMENTUM:
        for i in range(n):
            M[i] = b1 * M[i] - rate * F[i] * G[i]
            T[i] += M[i]
    elif kind == NESTEROV:
        for i in range(n):
            M[i] = b1 * M[i] - rate * F[i] * G[i]
            T[i] += b1 * M[i] - rate * F[i] * G[i]
    elif kind == ADAGRAD:
        for i in range(n):
            V[i] += G[i] * G[i]
            T[i] -= rate * F[i] * G[i] / (np.sqrt(V[i]) + e)
    elif kind == RMSPROP:
        for i in range(n):
            V[i] = b2 * V[i] + a2 * G[i] * G[i]
            T[i] -= rate * F[i] * G[i] / (np.sqrt(V[i]) + e)


@inlined
def all_finite(memory, start, n):
    """Whether n numbers are all finite."""
    found = False
    for i in range(n):
        found |= not abs(memory[at(start + i)]) < np.inf
    return not found
