"""The optimizers: one pass over a block of theta, with all that a step still has to do.

Sum of the lanes' gradients in their order, penalty, clipping, the optimizer's state, theta. Each
number is read and written once. The equations are those of `core.optimizers`.
"""

import numpy as np

from .jit import at, inlined, jit


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
def sgd(T, G, F, M, V, E, rule, step):
    """θ ← θ - lr g.

    A kernel takes views of a block: theta, the gradient, factors of the learning rate, the state m
    and v, factors of the decay.
    """
    rate = T.dtype.type(step.lr)
    for i in range(len(T)):
        T[i] -= rate * F[i] * G[i]


@inlined
def momentum(T, G, F, M, V, E, rule, step):
    """v ← β v - lr g,  θ ← θ + v."""
    rate, beta = T.dtype.type(step.lr), T.dtype.type(rule.beta)
    for i in range(len(T)):
        V[i] = beta * V[i] - rate * F[i] * G[i]
        T[i] += V[i]


@inlined
def nesterov(T, G, F, M, V, E, rule, step):
    """v ← β v - lr g,  θ ← θ + β v - lr g."""
    rate, beta = T.dtype.type(step.lr), T.dtype.type(rule.beta)
    for i in range(len(T)):
        V[i] = beta * V[i] - rate * F[i] * G[i]
        T[i] += beta * V[i] - rate * F[i] * G[i]


@inlined
def adagrad(T, G, F, M, V, E, rule, step):
    """s ← s + g²,  θ ← θ - lr g / (√s + ε)."""
    rate, e = T.dtype.type(step.lr), T.dtype.type(rule.epsilon)
    for i in range(len(T)):
        V[i] += G[i] * G[i]
        T[i] -= rate * F[i] * G[i] / (np.sqrt(V[i]) + e)


@inlined
def rmsprop(T, G, F, M, V, E, rule, step):
    """s ← ρ s + (1 - ρ) g²,  θ ← θ - lr g / (√s + ε)."""
    number = T.dtype.type
    rate, rho, e = number(step.lr), number(rule.rho), number(rule.epsilon)
    rest = number(rule.rest_rho)
    for i in range(len(T)):
        V[i] = rho * V[i] + rest * G[i] * G[i]
        T[i] -= rate * F[i] * G[i] / (np.sqrt(V[i]) + e)


@inlined
def adam(T, G, F, M, V, E, rule, step):
    """m ← β₁ m + (1 - β₁) g,  v ← β₂ v + (1 - β₂) g²,  θ ← θ - lr c₁ m / (√(c₂ v) + ε)."""
    _adam(T, G, F, M, V, rule, step, rule.epsilon)


@inlined
def adam_hat(T, G, F, M, V, E, rule, step):
    """As adam with ε beside √v in place of √(c₂ v)."""
    _adam(T, G, F, M, V, rule, step, rule.epsilon * np.sqrt(step.c2))


@inlined
def adamw(T, G, F, M, V, E, rule, step):
    """θ ← θ - lr decay θ, then as adam."""
    rate, decay = T.dtype.type(step.lr), T.dtype.type(step.decay)
    for i in range(len(T)):
        T[i] -= rate * F[i] * (decay * E[i]) * T[i]
    _adam(T, G, F, M, V, rule, step, rule.epsilon)


@jit
def _adam(T, G, F, M, V, rule, step, epsilon):
    number = T.dtype.type
    rate, b1, b2, e = number(step.lr), number(rule.beta1), number(rule.beta2), number(epsilon)
    # LLVM turns the line of m, but not that of v, into g + beta1 (m - g): see step.REAL.
    a1, a2 = number(1.0 - rule.beta1), number(rule.rest_beta2)
    k1, k2 = number(step.c1), number(step.c2)
    for i in range(len(T)):
        M[i] = b1 * M[i] + a1 * G[i]
        V[i] = b2 * V[i] + a2 * G[i] * G[i]
        T[i] -= rate * F[i] * (M[i] * k1) / (np.sqrt(V[i] * k2) + e)


@inlined
def all_finite(memory, start, n):
    """Whether n numbers are all finite."""
    sound = True
    for i in range(n):
        sound &= abs(memory[at(start + i)]) < np.inf
    return sound
