"""Initializers: where the weights start. Each is a function (shape, rng) -> array, found by its
name.

For a weight of shape (inputs, outputs) fan_in is `shape[0]` and fan_out is `shape[-1]`.
"""

from collections.abc import Callable

import numpy as np

from .arrays import Array

Initializer = Callable[[tuple[int, ...], np.random.Generator], Array]


def constant(value: float) -> Initializer:
    """W = value everywhere; `constant(1.0)` is the start of text 003."""
    return lambda shape, rng: np.full(shape, float(value))


def uniform(limit: float) -> Initializer:
    """W ~ U(-limit, limit)."""
    return lambda shape, rng: rng.uniform(-limit, limit, shape)


def normal(std: float) -> Initializer:
    """W ~ N(0, std²); `normal(0.01)` is the start of text 002-B."""
    return lambda shape, rng: rng.normal(0.0, std, shape)


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ U(-l, l), l = √(6 / (fan_in + fan_out)). Glorot and Bengio 2010."""
    return uniform(np.sqrt(6.0 / (shape[0] + shape[-1])))(shape, rng)


def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ N(0, 2 / (fan_in + fan_out)). Glorot and Bengio 2010."""
    return normal(np.sqrt(2.0 / (shape[0] + shape[-1])))(shape, rng)


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ U(-l, l), l = √(6 / fan_in): keeps the variance through ReLU. He et al. 2015."""
    return uniform(np.sqrt(6.0 / shape[0]))(shape, rng)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ N(0, 2 / fan_in): keeps the variance through ReLU. He et al. 2015."""
    return normal(np.sqrt(2.0 / shape[0]))(shape, rng)


def lecun_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ U(-l, l), l = √(3 / fan_in). LeCun et al. 1998, "Efficient BackProp"."""
    return uniform(np.sqrt(3.0 / shape[0]))(shape, rng)


def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ N(0, 1 / fan_in): what SELU wants. LeCun et al. 1998."""
    return normal(np.sqrt(1.0 / shape[0]))(shape, rng)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W with orthonormal rows or columns, whichever are fewer. Saxe et al. 2014."""
    rows, columns = shape[0], shape[-1]
    Q, R = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    Q = Q * np.where(np.diagonal(R) < 0, -1.0, 1.0)  # without this Q is not uniformly distributed
    return np.asarray((Q if rows >= columns else Q.T).reshape(shape))


INITIALIZERS: dict[str, Initializer] = {
    "zeros": constant(0.0),
    "ones": constant(1.0),
    "uniform": uniform(0.05),
    "normal": normal(0.01),
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}


def get_initializer(init: str | float | Initializer) -> Initializer:
    """The initializer of a name, a constant's value, or a function of one's own.

    Raises ValueError for a name that is not in `INITIALIZERS`.
    """
    if callable(init):
        return init
    if isinstance(init, int | float | np.number):
        return constant(float(init))
    if init not in INITIALIZERS:
        raise ValueError(
            f"init is {init!r}, which is no initializer: use one of {', '.join(INITIALIZERS)}, "
            "a number, or a function (shape, rng) -> array"
        )
    return INITIALIZERS[init]
