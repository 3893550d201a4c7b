"""The base of the activations: one function, applied to each number."""

import re
from typing import ClassVar

from .arrays import Array, Arrays, Pass, Random
from .equations import EquationText, forget_overridden
from .layers import Layer


class ElementwiseLayer(Layer):
    """A = f(Z)   Z (n, k)  A (n, k),  dZ = dA * f′(Z).

    An activation defines `values` and `slopes`, and states both as formulas: `formula` of z and
    `slope_formula` of z and a, in the language of `equations.EquationText`. `kinks` lists the z at
    which the slope jumps: there no derivative exists and `slopes` takes one of the two sides (ReLU:
    0 at 0). `init_before` names the initializer that keeps the variance from layer to layer.
    """

    name: ClassVar[str] = ""
    formula: ClassVar[EquationText] = ""
    slope_formula: ClassVar[EquationText] = ""
    reach, takes = "unit", "Z"

    def __init_subclass__(cls) -> None:
        """An activation that overrides a method states its formula itself, or none."""
        super().__init_subclass__()
        slope = {"slope_formula": "", "kinks": ()}
        forget_overridden(cls, {"values": {"formula": ""}, "slopes": slope})

    def values(self, Z: Array) -> Array:
        """f(Z), in an array of its own."""
        raise TypeError(f"{type(self).__name__} has no values: define values(Z)")

    def slopes(self, Z: Array, A: Array) -> Array:
        """f′(Z), from Z and A = f(Z)."""
        raise TypeError(f"{type(self).__name__} has no slopes: define slopes(Z, A)")

    def forward(self, p: Arrays, Z: Array, *, train: bool = False, rng: Random = None) -> Pass:
        A = self.values(Z)
        return A, {"Z": Z, "A": A}

    def backward(self, p: Arrays, cache: Arrays, dA: Array) -> Pass:
        return dA * self.slopes(cache["Z"], cache["A"]), {}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        stated = (("A[r,j] = {}", self.formula), ("dZ[r,j] = dA[r,j] * ({})", self.slope_formula))
        return tuple(of_units(pattern, formula) for pattern, formula in stated if formula)


def of_units(pattern: str, formula: EquationText, A: str = "A") -> EquationText:
    """An equation of one unit from a formula of z and a."""
    units = {"z": "Z[r,j]", "a": f"{A}[r,j]"}
    texts = (formula, formula) if isinstance(formula, str) else formula
    shown, run = (re.sub(r"\b[za]\b", lambda match: units[match[0]], text) for text in texts)
    return pattern.format(shown), pattern.format(run)
