"""Losses: each starts from the network's raw output Z, owns its link, and has value and grad as one
function.

Reduction, stated once: L = scale · Σ_i w_i Σ_k l(Z_ik, Y_ik) / Σ_i w_i, the weighted mean over rows
of the sum over outputs; with `reduction="sum"` the division is left out. The gradient is always the
gradient of exactly that number. So ½Σ(t-o)² is `SquaredError(scale=0.5)` and Σ(y-ŷ)² over a batch
`SquaredError(reduction="sum")`.

Targets: (n,) or (n, 1) numbers for one output, (n, k) for k; classes as integers (n,) or one-hot
(n, k).
"""

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from .activations import log_sum_exp, sigmoid, softmax, softplus
from .arrays import Array
from .equations import defined_below
from .loss import Loss as Loss
from .targets import class_targets

TINY = 1e-12  # the smallest probability or count whose logarithm is taken


@dataclass(frozen=True)
class SquaredError(Loss):
    """l = (z - y)²,  dl/dz = 2 (z - y)."""

    formula, slope_formula, best_constant = "(z - y)**2", "2 * (z - y)", "the mean"

    def constant(self, Y: Array) -> Array:
        return np.asarray(Y.mean(axis=0))

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(np.square(Z - Y))

    def slopes(self, Z: Array, Y: Array) -> Array:
        return 2.0 * (Z - Y)


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """l = |z - y|,  dl/dz = sign(z - y), 0 at the kink z = y; its minimum is the median."""

    formula, slope_formula, kinks = "abs(z - y)", "sign(z - y)", ("z - y",)
    best_constant = "the median"

    def constant(self, Y: Array) -> Array:
        return np.asarray(np.median(Y, axis=0))

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(np.abs(Z - Y))

    def slopes(self, Z: Array, Y: Array) -> Array:
        return np.asarray(np.sign(Z - Y))


@dataclass(frozen=True)
class SumOfErrors(Loss):
    """l = y - z: the plain sum of errors of text 001. It can be read but not trained on.

    Errors of opposite sign cancel, so 0 does not mean right, and it has no minimum: a larger z
    always makes it smaller. `slopes` and so `grad` raise ValueError with that reason.
    """

    reduction: str = field(default="sum", kw_only=True)
    formula, slope_formula = "y - z", "-1"

    def terms(self, Z: Array, Y: Array) -> Array:
        return Y - Z

    def slopes(self, Z: Array, Y: Array) -> Array:
        raise ValueError(
            "SumOfErrors cannot be trained on: errors of opposite sign cancel and a larger output "
            "always lowers it, so it has no minimum; use SquaredError or AbsoluteError"
        )


@dataclass(frozen=True)
class Huber(Loss):
    """l = ½ r² if |r| ≤ delta else delta (|r| - ½ delta),  r = z - y,  dl/dz = clip(r, ±delta).
    Huber 1964.
    """

    delta: float = 1.0
    formula = "(z - y)**2 / 2 if abs(z - y) <= delta else delta * (abs(z - y) - delta / 2)"
    slope_formula = "min(max(z - y, -delta), delta)"
    positive = ("scale", "delta")

    def terms(self, Z: Array, Y: Array) -> Array:
        r = np.abs(Z - Y)
        clipped = np.minimum(r, self.delta)
        return np.asarray(clipped * (r - 0.5 * clipped))

    def slopes(self, Z: Array, Y: Array) -> Array:
        return np.asarray(np.clip(Z - Y, -self.delta, self.delta))


@dataclass(frozen=True)
class Pinball(Loss):
    """l = max(q r, (q - 1) r),  r = y - z; its minimum is the quantile q. Koenker and Bassett 1978.

    `quantile` is one number in (0, 1), or a tuple of k, one for each output.
    """

    quantile: float | tuple[float, ...] = 0.5
    formula = "max(q * (y - z), (q - 1) * (y - z))"
    slope_formula = "-q if y > z else (1 - q if y < z else 0)"
    symbols, kinks, best_constant = {"q": "quantile"}, ("z - y",), "the quantile"

    def __post_init__(self) -> None:
        super().__post_init__()
        quantiles = np.atleast_1d(self.quantile)
        if quantiles.size == 0 or not all(0.0 < q < 1.0 for q in quantiles):
            raise ValueError(f"quantile is {self.quantile}: it must lie between 0 and 1")

    def targets(self, Z: Array, y: Array) -> Array:
        Y = super().targets(Z, y)
        if np.size(self.quantile) not in (1, Z.shape[1]):
            raise ValueError(
                f"Pinball has {np.size(self.quantile)} quantiles for {Z.shape[1]} outputs: "
                "give one for each"
            )
        return Y

    def constant(self, Y: Array) -> Array:
        q = np.broadcast_to(np.asarray(self.quantile), Y.shape[1])
        return np.array([np.quantile(column, q[k]) for k, column in enumerate(Y.T)])

    def terms(self, Z: Array, Y: Array) -> Array:
        q, r = np.asarray(self.quantile, Z.dtype), Y - Z
        return np.asarray(np.maximum(q * r, (q - 1) * r))

    def slopes(self, Z: Array, Y: Array) -> Array:
        q = np.asarray(self.quantile, Z.dtype)
        return np.where(Y > Z, -q, np.where(Y < Z, 1 - q, 0)).astype(Z.dtype)


class _CanonicalLoss(Loss):
    """dl/dz = ŷ - y: the negative log-likelihood of a target whose mean is ŷ, with the link that
    makes the slope this simple. McCullagh and Nelder 1989.
    """

    wants_logits, slope_formula = True, "p - y"

    def inverse_link(self, Y: Array) -> Array:
        return np.asarray(np.log(np.maximum(Y, TINY)))

    def constant(self, Y: Array) -> Array:
        return self.inverse_link(Y.mean(axis=0))

    def slopes(self, Z: Array, Y: Array) -> Array:
        return self.link(Z) - Y


@dataclass(frozen=True)
class BinaryCrossEntropy(_CanonicalLoss):
    """l = -(y ln p + (1 - y) ln(1 - p)) = ln(1 + e^z) - y z,  p = σ(z),  dl/dz = p - y.

    y in [0, 1]; each output is a yes-or-no question of its own. Finite at every finite z. Also
    called log loss.
    """

    link_formula = "1 / (1 + exp(-z))", "sigma(z)"
    formula = "-(y * log(p) + (1 - y) * log(1 - p))", "softplus(z) - y * z"
    outer_formula = "(1 - y) / (1 - p) - y / p", "ratio(1 - y, sigma(-z)) - ratio(y, sigma(z))"
    inner_formula = "p * (1 - p)", "sigma(z) * sigma(-z)"
    classifies = True

    def link(self, Z: Array) -> Array:
        return sigmoid(Z)

    def inverse_link(self, Y: Array) -> Array:
        P = np.clip(Y, TINY, 1 - TINY)
        return np.asarray(np.log(P) - np.log1p(-P))

    def targets(self, Z: Array, y: Array) -> Array:
        Y = super().targets(Z, y)
        if not np.all((Y >= 0) & (Y <= 1)):
            raise ValueError(
                f"BinaryCrossEntropy got targets between {Y.min()} and {Y.max()}: they must "
                "lie in [0, 1]; for more than two classes use SoftmaxCrossEntropy"
            )
        return Y

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(softplus(Z) - Y * Z)

    def unfused(self, Z: Array, Y: Array) -> tuple[Array, Array]:
        P, Q = sigmoid(Z), sigmoid(-Z)  # Q = 1 - P to the last digit
        return _ratio(1 - Y, Q) - _ratio(Y, P), P * Q


@dataclass(frozen=True)
class SoftmaxCrossEntropy(_CanonicalLoss):
    """l = -Σ_k y_k ln p_k = ln Σ_k e^z_k - Σ_k y_k z_k,  p = softmax(z),  dl/dz = p - y.

    Targets: integers (n,) from 0 to k-1, or rows of k probabilities that sum to 1.
    `label_smoothing` s puts y (1 - s) + s/k in their place (Szegedy et al. 2016). Finite at every
    finite z.
    """

    label_smoothing: float = 0.0
    link_formula = "exp(z) / total", "exp(z - level)"
    formula = "-y * log(p)", "y * (level - z)"
    outer_formula = "-y / p", "-ratio(y, p)"
    inner_formula, cross_formula = "p * (1 - p)", "-p * q"
    symbols = {
        "total": "sum_k(exp(Z[r,k]))",
        "top": "max_k(Z[r,k])",
        "level": "log(sum_k(exp(Z[r,k] - top))) + top",
    }
    classifies = True
    _hint: ClassVar[str] = "give integer classes (rows,) or one-hot rows (rows, outputs)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"label_smoothing is {self.label_smoothing}: it must be in [0, 1)")

    def link(self, Z: Array) -> Array:
        return softmax(Z)

    def targets(self, Z: Array, y: Array) -> Array:
        Y = class_targets(Z, y, "SoftmaxCrossEntropy") if Z.ndim == 2 else None
        if Y is None:
            Y = super().targets(Z, y)
            if not (np.all(Y >= 0) and np.allclose(Y.sum(axis=1), 1.0, rtol=0, atol=1e-5)):
                raise ValueError(
                    "SoftmaxCrossEntropy got target rows that are no probabilities: "
                    "each must sum to 1"
                )
        s = self.label_smoothing
        return Y if s == 0 else np.asarray(Y * (1 - s) + s / Z.shape[1], dtype=Z.dtype)

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(Y * (log_sum_exp(Z) - Z))

    def unfused(self, Z: Array, Y: Array) -> tuple[Array, Array]:
        P = softmax(Z)
        jacobian = P[:, :, None] * (np.eye(Z.shape[1], dtype=Z.dtype) - P[:, None, :])
        return -_ratio(Y, P), jacobian


@dataclass(frozen=True)
class Poisson(_CanonicalLoss):
    """l = e^z - y z,  ŷ = e^z,  dl/dz = e^z - y: counts y ≥ 0; the constant ln y! is left out.

    e^z overflows to inf above z ≈ 709 (88 in float32); training then stops and names this loss.
    """

    link_formula, formula = "exp(z)", "p - y * z"
    outer_formula, inner_formula = ("1 - y / p", "1 - ratio(y, p)"), "p"
    best_constant = "the mean count"

    def link(self, Z: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(Z)

    def targets(self, Z: Array, y: Array) -> Array:
        Y = super().targets(Z, y)
        if not np.all(Y >= 0):
            raise ValueError(f"Poisson got a target of {Y.min()}: counts are ≥ 0")
        return Y

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(self.link(Z) - Y * Z)

    def unfused(self, Z: Array, Y: Array) -> tuple[Array, Array]:
        rate = self.link(Z)
        return 1 - _ratio(Y, rate), rate


@dataclass(frozen=True)
class Hinge(Loss):
    """l = max(0, 1 - s z),  s = ±1 the class,  dl/dz = -s where s z < 1. Cortes and Vapnik 1995.

    Targets: 0/1 or -1/1 for one output; integers (n,) or one-hot (n, k) for k, each against the
    rest.
    """

    formula, slope_formula = "max(0, 1 - y * z)", "-y if y * z < 1 else 0"
    wants_logits, kinks, classifies = True, ("1 - y * z",), True

    def constant(self, Y: Array) -> Array:
        return np.asarray(np.where(Y.mean(axis=0) >= 0, 1.0, -1.0))

    def targets(self, Z: Array, y: Array) -> Array:
        Y = class_targets(Z, y, "Hinge") if Z.ndim == 2 and Z.shape[1] > 1 else None
        Y = super().targets(Z, y) if Y is None else Y
        if not np.all((np.abs(Y) == 1) | (Y == 0)):
            raise ValueError("Hinge got targets other than 0/1 or -1/1: it wants classes")
        return np.asarray(np.where(Y > 0, 1, -1), dtype=Z.dtype)

    def terms(self, Z: Array, Y: Array) -> Array:
        return np.asarray(np.maximum(0.0, 1 - Y * Z))

    def slopes(self, Z: Array, Y: Array) -> Array:
        return np.where(Y * Z < 1, -Y, 0).astype(Z.dtype)


def _ratio(a: Array, b: Array) -> Array:
    """a / b, and 0 where a is 0 even if b is 0 too (an absent term of a cross-entropy)."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.divide(a, b, out=np.zeros_like(b), where=a != 0)


LOSSES: dict[str, type[Loss]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): loss
    for name, loss in defined_below(Loss, globals()).items()
}
"""Every loss by its name: "squared_error"."""
