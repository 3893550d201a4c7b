"""The base of every loss: its protocol, and the reduction over rows and outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from .arrays import Array
from .checks import as_dtype, as_real
from .equations import EquationText, forget_overridden
from .targets import check_weight


@dataclass(frozen=True)
class Loss:
    """L = scale · Σ_i w_i Σ_k l(Z_ik, Y_ik) / Σ_i w_i   Z (n, k)  Y (n, k)  w (n,).

    Your own loss defines `terms` and `slopes` (elementwise), and `link` if Ŷ is not Z.
    `check_loss` tests it.

    The formulas say the same for explanations and the proof, in the language of `EquationText`:
    `formula` l and `slope_formula` dl/dz of z, y and p = ŷ, `link_formula` ŷ of z; where ŷ is not
    z also `outer_formula` dl/dŷ, `inner_formula` dŷ/dz and, where an output depends on the others,
    `cross_formula` dŷ/dz of another output, whose ŷ is q. `symbols` explains further letters;
    `kinks` are expressions whose sign turns where dl/dz jumps. `classifies`: whether the targets
    are classes; `best_constant` says in words what `constant` gives; `positive` lists the settings
    that must be above 0.
    """

    scale: float = field(default=1.0, kw_only=True)
    reduction: str = field(default="mean", kw_only=True)
    wants_logits: ClassVar[bool] = False
    formula: ClassVar[EquationText] = ""
    slope_formula: ClassVar[EquationText] = ""
    link_formula: ClassVar[EquationText] = "z"
    outer_formula: ClassVar[EquationText] = ""
    inner_formula: ClassVar[EquationText] = "1"
    cross_formula: ClassVar[EquationText] = ""
    symbols: ClassVar[Mapping[str, str]] = {}
    kinks: ClassVar[tuple[str, ...]] = ()
    classifies: ClassVar[bool] = False
    positive: ClassVar[tuple[str, ...]] = ("scale",)
    best_constant: ClassVar[str] = "one number"

    def __init_subclass__(cls) -> None:
        """A loss that overrides a method states its formula itself, or none."""
        chain = {"outer_formula": "", "inner_formula": ""}
        forget_overridden(cls, {
            "terms": {"formula": ""}, "slopes": {"slope_formula": "", "kinks": ()},
            "link": {"link_formula": ""}, "factors": chain, "unfused": chain,
        })  # fmt: skip

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f'reduction is {self.reduction!r}: it must be "mean" or "sum"')
        for name in self.positive:
            if not 0.0 < (value := getattr(self, name)) < np.inf:
                raise ValueError(f"{name} is {value}: it must be a finite number above 0")

    def link(self, Z: Array) -> Array:
        """Ŷ (n, k), the prediction in the target's own terms: the identity unless the loss says
        otherwise.
        """
        return Z

    def inverse_link(self, Y: Array) -> Array:
        """Z (n, k) whose link is Ŷ; the nearest finite Z if the exact one is infinite."""
        return Y

    def constant(self, Y: Array) -> Array | None:
        """z (k,): the constant output of least loss, where it is known in closed form."""
        return None

    def terms(self, Z: Array, Y: Array) -> Array:
        """l(Z, Y) (n, k), the loss of each output of each row before it is summed."""
        raise TypeError(f"{type(self).__name__} has no terms: define terms(Z, Y)")

    def slopes(self, Z: Array, Y: Array) -> Array:
        """dl/dZ (n, k)."""
        raise TypeError(f"{type(self).__name__} has no slopes: define slopes(Z, Y)")

    def targets(self, Z: Array, y: Array) -> Array:
        """Y (n, k) from targets in any accepted form. Raises ValueError where they do not fit Z or
        the loss.
        """
        y = as_real("y", y)
        if Z.ndim != 2:
            raise ValueError(f"Z has shape {Z.shape}: a network's output is (rows, outputs)")
        Y = y[:, None] if y.ndim == 1 and Z.shape[1] == 1 else y
        if Y.shape != Z.shape:
            raise ValueError(
                f"y has shape {y.shape}, but the network's output is {Z.shape}: {self._hint}"
            )
        Y = as_dtype("y", Y, Z.dtype)
        if not np.isfinite(Y).all():
            raise ValueError("y holds a target that is nan or inf: fill or drop such rows")
        return Y

    _hint: ClassVar[str] = "give one row of targets for each row and one column for each output"

    def value(self, Z: Array, y: Array, weight: Array | None = None) -> float:
        """L as a number."""
        Y = self.targets(Z, y)
        return float(np.sum(self._shares(Z, weight) * self.terms(Z, Y)))

    def grad(self, Z: Array, y: Array, weight: Array | None = None) -> Array:
        """dL/dZ (n, k), the gradient of exactly `value`."""
        Y = self.targets(Z, y)
        return np.asarray(self._shares(Z, weight) * self.slopes(Z, Y))

    def factors(self, Z: Array, y: Array, weight: Array | None = None) -> dict[str, Array]:
        """dL/dZ unfused: "dL_dl" (n, 1) · "dl_dYhat" (n, k) · "dYhat_dZ" (n, k); their product is
        `grad`.

        Where the link mixes the outputs, as softmax does, "dYhat_dZ" is (n, k, k): [i, a, b] =
        dŶ_ia/dZ_ib.
        """
        outer, inner = self.unfused(Z, self.targets(Z, y))
        return {"dL_dl": self._shares(Z, weight), "dl_dYhat": outer, "dYhat_dZ": inner}

    def unfused(self, Z: Array, Y: Array) -> tuple[Array, Array]:
        """(dl/dŶ, dŶ/dZ), the factors of `slopes`; override it if Ŷ is not Z."""
        return self.slopes(Z, Y), np.ones_like(Z)

    def _shares(self, Z: Array, weight: Array | None) -> Array:
        """scale · w_i / Σw (n, 1), what one row's loss counts in L."""
        n = len(Z)
        w = np.ones(n, Z.dtype) if weight is None else check_weight(weight, n).astype(Z.dtype)
        total = w.sum() if self.reduction == "mean" else Z.dtype.type(1.0)
        if total == 0:
            raise ValueError("weight sums to 0: at least one row must count")
        return np.asarray(w * (Z.dtype.type(self.scale) / total))[:, None]
