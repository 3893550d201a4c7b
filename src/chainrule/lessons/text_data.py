"""The data of the five texts."""

from typing import NamedTuple

import numpy as np

from ..core.arrays import Array

LN_2 = 0.6931471805599453


class Rows(NamedTuple):
    """A text's data: inputs (n, k) and targets (n,)."""

    X: Array
    y: Array


# Text 001: F = x y + not z, the inputs from 111 down to 000.
TRUTH_TABLE = Rows(
    np.array([[x, y, z] for x in (1.0, 0.0) for y in (1.0, 0.0) for z in (1.0, 0.0)]),
    np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]),
)
XOR = Rows(
    np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0, 1.0, 0.0])
)
# Text 003: weight - 135 pounds, height - 66 inches; 1 is female, 0 male.
NAMES = ("Alice", "Bob", "Charlie", "Diana")
PEOPLE = Rows(
    np.array([[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]]),
    np.array([1.0, 0.0, 0.0, 1.0]),
)
