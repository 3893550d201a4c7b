"""Weights of rows and classes as targets: what a loss accepts."""

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array
from .checks import as_real

LARGEST_WEIGHT = 1e30  # its inverse and its sum stay finite in float32 too


def check_weight(weight: ArrayLike, n: int) -> Array:
    """The sample weights (n,) if they are finite and ≥ 0; raises ValueError otherwise."""
    w = as_real("weight", weight)
    if w.shape != (n,):
        raise ValueError(
            f"weight has shape {w.shape}, but there are {n} rows: give one number a row"
        )
    if not np.all((w >= 0) & (w < np.inf)):
        raise ValueError("weight holds a negative or non-finite number: weights are finite and ≥ 0")
    with np.errstate(over="ignore"):
        total = float(np.sum(w, dtype=np.float64))
    if total != 0 and not 1 / LARGEST_WEIGHT < total < LARGEST_WEIGHT:
        raise ValueError(f"weight sums to {total:.3g}: scale the weights to about 1")
    return w


def class_targets(Z: Array, y: Array, owner: str) -> Array | None:
    """One-hot rows (n, k) from integer classes (n,), or None if y is not a vector."""
    y, k = np.asarray(y), Z.shape[1]
    if k < 2:
        raise ValueError(
            f"{owner} needs an output for each class, at least 2, but the network has {k}"
        )
    if y.ndim != 1:
        return None
    if y.shape != (len(Z),) or not (np.issubdtype(y.dtype, np.integer) or y.dtype == bool):
        raise ValueError(
            f"y has shape {y.shape} and type {y.dtype}, but the network's output is {Z.shape}: "
            "give integer classes (rows,) or one-hot rows (rows, outputs)"
        )
    y = y.astype(np.int64)
    if len(y) and not (y.min() >= 0 and y.max() < k):
        raise ValueError(
            f"y holds classes {y.min()} to {y.max()}, but the network has {k} outputs: 0 to {k - 1}"
        )
    return np.asarray(y[:, None] == np.arange(k), dtype=Z.dtype)
