"""Where the numbers of a column lie, and how far they reach."""

import math

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def mean_and_deviation(name: str, x: Matrix) -> tuple[float, float]:
    """Mean and standard deviation of x (n,); a constant has deviation 1. ValueError: overflow."""
    if x.min() == x.max() and np.isfinite(x[0]):
        return float(x[0]), 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(name, float(x.mean()), float(x.std()))


def median_and_range(name: str, x: Matrix) -> tuple[float, float]:
    """The median of x (n,) and what lies between its quartiles, half of its range if that is 0; 1
    for a constant. Holzmüller et al. 2024. ValueError: overflow.
    """
    low, median, high = (float(q) for q in np.quantile(x, [0.25, 0.5, 0.75]))
    with np.errstate(over="ignore"):
        return _finite(name, median, high - low or float(x.max() - x.min()) / 2.0)


def _finite(name: str, center: float, scale: float) -> tuple[float, float]:
    if not (math.isfinite(center) and math.isfinite(scale)):
        raise ValueError(f'the numbers of column "{name}" are too large to scale: divide them')
    return center, scale or 1.0
