"""JAX: the whole run in one jitted scan over epochs and batches, compiled before it is timed.

It computes in float64 only where enable_x64 says so, around the making of arrays and the run.
"""

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from engine_ours import Run
from engine_work import Array, Weights, Work
from jax import lax

Parameters = list[tuple[jax.Array, jax.Array]]


def output(work: Work, params: Parameters, X: jax.Array) -> jax.Array:
    """The net's output (rows, outputs)."""
    hidden = jax.nn.relu if work.hidden == "relu" else jax.nn.sigmoid
    for i, (W, b) in enumerate(params):
        X = X @ W + b
        if i < len(params) - 1 or work.sigmoid_output:
            X = hidden(X)
    return X


def loss_of(work: Work, params: Parameters, X: jax.Array, y: jax.Array) -> jax.Array:
    """The mean loss of a batch."""
    Z = output(work, params, X)
    if work.loss == "softmax":
        picked = jnp.take_along_axis(Z, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(Z, axis=1) - picked)
    if work.loss == "bce":
        return jnp.mean(jax.nn.softplus(Z[:, 0]) - y * Z[:, 0])
    return jnp.mean(jnp.square(Z[:, 0] - y))


def step(work: Work, carry: Any, X: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
    """One update of (parameters, m, v, t); returns the loss before it."""
    params, m, v, t = carry
    loss, grad = jax.value_and_grad(lambda p: loss_of(work, p, X, y))(params)
    if work.optimizer == "sgd":
        moved = jax.tree.map(lambda a, g: a - work.lr * g, params, grad)
        return (moved, m, v, t), loss
    t = t + 1
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grad)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grad)
    one, two = 1 - 0.9**t, 1 - 0.999**t

    def update(p: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
        return p - work.lr * (a / one) / (jnp.sqrt(b / two) + 1e-8)

    return (jax.tree.map(update, params, m, v), m, v, t), loss


def whole_run(work: Work) -> Callable[..., tuple[Any, jax.Array]]:
    """(carry, X, y, orders) -> (carry, loss of each epoch); orders (epochs, rows) or None."""
    n, b = work.rows, min(work.batch, work.rows)
    whole = n // b * b

    def epoch(carry: Any, X: jax.Array, y: jax.Array, order: Any) -> tuple[Any, jax.Array]:
        if b == n:
            return step(work, carry, X, y)
        if order is None:
            batches: Any = (X[:whole].reshape(-1, b, X.shape[1]), y[:whole].reshape(-1, b))
            rest: Any = (X[whole:], y[whole:])
        else:
            batches, rest = order[:whole].reshape(-1, b), (X[order[whole:]], y[order[whole:]])

        def one(carry: Any, rows: Any) -> tuple[Any, jax.Array]:
            return step(work, carry, *((X[rows], y[rows]) if order is not None else rows))

        carry, losses = lax.scan(one, carry, batches)
        total = losses.sum() * b
        if whole < n:
            carry, loss = step(work, carry, *rest)
            total += loss * (n - whole)
        return carry, total / n

    def run(carry: Any, X: jax.Array, y: jax.Array, orders: Any) -> tuple[Any, jax.Array]:
        return lax.scan(lambda c, o: epoch(c, X, y, o), carry, orders, length=work.epochs)

    return jax.jit(run)


def training(work: Work, start: Weights, X: Array, y: Array) -> Run:
    """A function that trains from the start and returns (seconds, loss of each epoch)."""
    double = work.dtype == "float64"
    with jax.enable_x64(double):
        T, t = jnp.asarray(X), jnp.asarray(y)
        params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in start]
        zeros = jax.tree.map(jnp.zeros_like, params) if work.optimizer == "adam" else None
        carry = (params, zeros, zeros, jnp.zeros((), T.dtype))
    compiled, rng = whole_run(work), np.random.default_rng(0)
    shuffled = work.shuffle and not work.full_batch

    @jax.enable_x64(double)
    def run() -> tuple[float, list[float]]:
        started = perf_counter()
        orders = None
        if shuffled:
            orders = np.array([rng.permutation(work.rows) for _ in range(work.epochs)], np.int32)
        _, losses = jax.block_until_ready(compiled(carry, T, t, orders))
        return perf_counter() - started, losses.tolist()

    return run


def prediction(work: Work, start: Weights, X: Array) -> Callable[[], Array]:
    """A function that predicts X: the raw output."""
    params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in start]
    compiled = jax.jit(lambda p, X: output(work, p, X))
    return lambda: np.asarray(compiled(params, X))
