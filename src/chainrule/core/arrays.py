"""The types that every file of the mathematics uses."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

T = TypeVar("T")
Array = NDArray[Any]
Arrays = Mapping[str, Array]
Shapes = dict[str, tuple[int, ...]]
Pass = tuple[Array, dict[str, Array]]
"""What a layer gives: forwards its output and its cache, backwards dX and the gradients by name."""
Random = np.random.Generator | None
"""What a layer draws from when it trains; None in prediction."""
Equation = str | tuple[str, str]
"""How a number is computed: the textbook form, or a pair of it and a numerically stable form.

A Python expression such as "Z[r,j] = sum_i(X[r,i] * W[i,j]) + b[j]", r the row: X is the layer's
input (or the letter in `takes`); other names with an index are what `forward` puts into its cache,
parameters and buffers; dW is the derivative of the loss by W, `mean_before` and `mean_after` a
buffer before and after the step. `sum_i` runs over every i. A name without index is a setting of
the layer, a buffer of one number, or n: how many numbers are pooled (the rows if `reach` is
"batch", else the units). `drawn(a, b)` is a or b, as a random draw decided. Functions: exp, expm1,
log, sqrt, tanh, cos, sin, abs, min, max, sign, sigma, softplus, Phi, phi, ratio."""


def ceil_div(n: int, d: int) -> int:
    """n / d rounded up."""
    return -(-n // d)


def aligned_zeros(n: int, dtype: DTypeLike) -> Array:
    """A vector (n,) of zeros that begins on a cache line of 64 bytes, which doubles the speed at
    which vector registers read it.
    """
    kind = np.dtype(dtype)
    longer = np.zeros(n + 64 // kind.itemsize, kind)
    skipped: int = -longer.__array_interface__["data"][0] % 64 // kind.itemsize
    aligned: Array = longer[skipped : skipped + n]
    return aligned


def forget_overridden(kind: type, statements: Mapping[str, Mapping[str, object]]) -> None:
    """If a subclass overrides a method but does not restate the formulas that describe it, reset
    them to empty, so that an explanation never shows the parent's formula. `statements` has, for
    each method, the attributes that describe it with their empty values.
    """
    for method, described in statements.items():
        for name, empty in described.items():
            if method in vars(kind) and name not in vars(kind):
                setattr(kind, name, empty)


def defined_below(base: type[T], module: Mapping[str, object]) -> dict[str, type[T]]:
    """The classes of a module that derive from a base, by name, in their order."""
    return {
        name: value
        for name, value in module.items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
        if not name.startswith("_")
    }
