"""What classes state about themselves: the language of their equations, and their registries."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
EquationText = str | tuple[str, str]
"""How a number is computed: the textbook form, or a pair of it and a numerically stable form.

A Python expression such as "Z[r,j] = sum_i(X[r,i] * W[i,j]) + b[j]", r the row: X is the layer's
input (or the letter in `takes`); other names with an index are what `forward` puts into its cache,
parameters and buffers; dW is the derivative of the loss by W, `mean_before` and `mean_after` a
buffer before and after the step. `sum_i` runs over every i. A name without index is a setting of
the layer, a buffer of one number, or n: how many numbers are pooled (the rows if `reach` is
"batch", else the units). `drawn(a, b)` is a or b, as a random draw decided. Functions: exp, expm1,
log, sqrt, tanh, cos, sin, abs, min, max, sign, sigma, softplus, Phi, phi, ratio."""


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
