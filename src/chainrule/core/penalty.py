"""The penalty on large weights that is added to the loss, both to its value and its gradient."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from .arrays import Array
from .equations import forget_overridden


@dataclass(frozen=True)
class Penalty:
    """P = l1 Σ f|θ| + ½ l2 Σ f θ²   θ (p,), f (p,) the decay factor: 1 for matrices, 0 for vectors.

    Added to the loss of every batch whole, whatever its number of rows; with `per_row` divided by
    the batch's Σw, its number of rows if they have no weights, as scikit-learn's alpha is. Both at
    once is the elastic net. `formula` is what one parameter theta adds, `slope_formula` its
    derivative, in the language of `equations.EquationText`.
    """

    formula: ClassVar[str] = "f * (l1 * abs(theta) + l2 * theta**2 / 2)"
    slope_formula: ClassVar[str] = "f * (l1 * sign(theta) + l2 * theta)"

    l1: float = 0.0
    l2: float = 0.0
    per_row: bool = False

    def __init_subclass__(cls) -> None:
        """A penalty that overrides a method states its formula itself, or none."""
        forget_overridden(cls, {"value": {"formula": ""}, "grad": {"slope_formula": ""}})

    def __post_init__(self) -> None:
        if not (0.0 <= self.l1 < np.inf and 0.0 <= self.l2 < np.inf):
            raise ValueError(f"Penalty got l1={self.l1}, l2={self.l2}: both must be finite and ≥ 0")

    def of(self, mass: float) -> "Penalty":
        """The penalty on a batch of this Σw."""
        if not self.per_row:
            return self
        return replace(self, l1=self.l1 / mass, l2=self.l2 / mass, per_row=False)

    def value(self, theta: Array, factor: Array) -> float:
        """P as a number."""
        return float(
            self.l1 * np.sum(factor * np.abs(theta)) + 0.5 * self.l2 * np.sum(factor * theta**2)
        )

    def grad(self, theta: Array, factor: Array) -> Array:
        """dP/dθ (p,) = f (l1 sign θ + l2 θ); 0 at the kink of |θ|."""
        return np.asarray(factor * (self.l1 * np.sign(theta) + self.l2 * theta), dtype=theta.dtype)
