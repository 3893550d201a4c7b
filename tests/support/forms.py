"""The same numbers in other forms: what a caller may hand in."""

import numpy as np

from support.numeric import Array


def strided(a: Array) -> Array:
    """Rows that do not stand next to each other in memory."""
    return np.repeat(a, 2, axis=0)[::2]


def read_only(a: Array) -> Array:
    """A copy that cannot be written to."""
    a = a.copy()
    a.flags.writeable = False
    return a
