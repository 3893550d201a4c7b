"""The data of the broken runs: small, made from a seed, each learnable unless its run says no."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Data = tuple[Array, Array]


def blobs(n: int, d: int, *, share: float = 0.5, apart: float = 1.0, seed: int = 0) -> Data:
    """Two clouds `apart` standard deviations from each other's middle in every column."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    return rng.normal(size=(n, d)) + apart * (y[:, None] - 0.5), y


def moons(n: int, *, noise: float = 0.15, seed: int = 0) -> Data:
    """Two half circles, one hanging into the other."""
    rng = np.random.default_rng(seed)
    y, t = rng.integers(0, 2, n), np.pi * rng.random(n)
    x = np.where(y == 0, np.cos(t), 1 - np.cos(t)) - 0.5
    z = np.where(y == 0, np.sin(t), 0.5 - np.sin(t)) - 0.25
    return np.column_stack([x, z]) + noise * rng.normal(size=(n, 2)), y


def circles(n: int, *, noise: float = 0.15, seed: int = 0) -> Data:
    """A disc inside a ring."""
    rng = np.random.default_rng(seed)
    y, t = rng.integers(0, 2, n), 2 * np.pi * rng.random(n)
    r = np.where(y == 0, 1.6, 0.6)
    X = np.column_stack([r * np.cos(t), r * np.sin(t)])
    return X + noise * rng.normal(size=(n, 2)), y


def xor_cloud(n: int, *, seed: int = 0) -> Data:
    """Two normal columns; the class is whether their signs differ."""
    X = np.random.default_rng(seed).normal(size=(n, 2))
    return X, (X[:, 0] * X[:, 1] < 0).astype(int)


def xor_table() -> Data:
    """The four rows of XOR."""
    return np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


def thirds(n: int, *, noise: float = 0.3, scattered: bool = False, seed: int = 0) -> Data:
    """Three clouds on a circle; `scattered` puts the middle code at two opposite ends."""
    rng = np.random.default_rng(seed)
    places = 4 if scattered else 3
    place = rng.integers(0, places, n)
    angle = 2 * np.pi * place / places
    X = 1.5 * np.column_stack([np.cos(angle), np.sin(angle)]) + noise * rng.normal(size=(n, 2))
    return X, np.array([0, 2, 1, 1])[place] if scattered else place


def wave(n: int, *, noise: float = 0.1, seed: int = 0) -> Data:
    """y = sin 2a + bc + noise, of mean about 0 and spread about 1."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + noise * rng.normal(size=n)


def curved(n: int, *, noise: float = 0.2, seed: int = 0) -> Data:
    """y = a + ½(b² - 1) + ½c d + noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    bend = 0.5 * (X[:, 1] ** 2 - 1) + 0.5 * X[:, 2] * X[:, 3]
    return X, X[:, 0] + bend + noise * rng.normal(size=n)


def counts(n: int, *, seed: int = 0) -> Data:
    """Counts with ln rate = ½ + 0.8a - ½b."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, rng.poisson(np.exp(0.5 + 0.8 * X[:, 0] - 0.5 * X[:, 1])).astype(float)


def people() -> Data:
    """The four people of text 003, centred and not scaled."""
    X = np.array([[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]])
    return X, np.array([1.0, 0.0, 0.0, 1.0])
