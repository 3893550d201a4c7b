"""The activations: one class for each, with its function, its slope, and both as formulas."""

from dataclasses import dataclass

import numpy as np

from . import activations as f
from .activations import SELU_ALPHA, SELU_SCALE
from .arrays import Array, Arrays, Pass, Random
from .elementwise_layer import ElementwiseLayer, of_units
from .equations import EquationText, defined_below
from .layers import Layer, LearnedPerUnit

LARGEST = 1e30  # a start that float32 holds


@dataclass(frozen=True)
class Identity(ElementwiseLayer):
    """A = Z,  slope 1."""

    name, formula, slope_formula = "identity", "z", "1"

    def values(self, Z: Array) -> Array:
        return Z.copy()

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.ones_like(Z)


@dataclass(frozen=True)
class Step(ElementwiseLayer):
    """A = 1 if Z > 0 else 0,  slope 0: nothing below it can learn by gradients. Rosenblatt 1958."""

    name, formula, slope_formula = "step", "1 if z > 0 else 0", "0"
    kinks = (0.0,)

    def values(self, Z: Array) -> Array:
        return np.where(Z > 0, 1.0, 0.0).astype(Z.dtype)

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.zeros_like(Z)


@dataclass(frozen=True)
class Sigmoid(ElementwiseLayer):
    """A = 1 / (1 + e^-Z),  slope A (1 - A)."""

    name, formula = "sigmoid", ("1 / (1 + exp(-z))", "sigma(z)")
    slope_formula = "a * (1 - a)"

    def values(self, Z: Array) -> Array:
        return f.sigmoid(Z)

    def slopes(self, Z: Array, A: Array) -> Array:
        return A * (1.0 - A)


@dataclass(frozen=True)
class Tanh(ElementwiseLayer):
    """A = tanh Z,  slope 1 - A²."""

    name, formula, slope_formula = "tanh", "tanh(z)", ("1 - a**2", "(1 - a) * (1 + a)")

    def values(self, Z: Array) -> Array:
        return np.tanh(Z)

    def slopes(self, Z: Array, A: Array) -> Array:
        return (1.0 - A) * (1.0 + A)


@dataclass(frozen=True)
class ReLU(ElementwiseLayer):
    """A = max(Z, 0),  slope 1 if Z > 0 else 0 (0 at the kink Z = 0)."""

    name, formula, slope_formula = "relu", "max(z, 0)", "1 if z > 0 else 0"
    kinks, init_before = (0.0,), "he_uniform"

    def values(self, Z: Array) -> Array:
        return np.maximum(Z, 0.0)

    def slopes(self, Z: Array, A: Array) -> Array:
        return (Z > 0).astype(Z.dtype)


@dataclass(frozen=True)
class LeakyReLU(ElementwiseLayer):
    """A = Z if Z > 0 else alpha Z,  slope 1 or alpha. Maas et al. 2013."""

    alpha: float = 0.01
    name, formula = "leaky_relu", "z if z > 0 else alpha * z"
    slope_formula = "1 if z > 0 else alpha"
    kinks, init_before = (0.0,), "he_uniform"

    def values(self, Z: Array) -> Array:
        return np.where(Z > 0, Z, self.alpha * Z)

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.where(Z > 0, 1.0, self.alpha).astype(Z.dtype)


@dataclass(frozen=True)
class ELU(ElementwiseLayer):
    """A = Z if Z > 0 else alpha (e^Z - 1),  slope 1 or A + alpha. Clevert et al. 2016."""

    alpha: float = 1.0
    name = "elu"
    formula = "z if z > 0 else alpha * (exp(z) - 1)", "z if z > 0 else alpha * expm1(z)"
    slope_formula = "1 if z > 0 else a + alpha"
    init_before = "he_uniform"

    def values(self, Z: Array) -> Array:
        return np.where(Z > 0, Z, self.alpha * f.expm1_negative(Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.where(Z > 0, 1.0, A + self.alpha).astype(Z.dtype)

    @property
    def kinks(self) -> tuple[float, ...]:
        return () if self.alpha == 1.0 else (0.0,)


@dataclass(frozen=True)
class SELU(ElementwiseLayer):
    """A = λ Z if Z > 0 else λ α (e^Z - 1), λ = 1.0507…, α = 1.6732…. Klambauer et al. 2017."""

    name = "selu"
    formula = (
        f"{SELU_SCALE} * (z if z > 0 else {SELU_ALPHA} * (exp(z) - 1))",
        f"{SELU_SCALE} * (z if z > 0 else {SELU_ALPHA} * expm1(z))",
    )
    slope_formula = f"{SELU_SCALE} if z > 0 else a + {SELU_SCALE} * {SELU_ALPHA}"
    kinks, init_before = (0.0,), "lecun_normal"

    def values(self, Z: Array) -> Array:
        return SELU_SCALE * np.where(Z > 0, Z, SELU_ALPHA * f.expm1_negative(Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.where(Z > 0, SELU_SCALE, A + SELU_SCALE * SELU_ALPHA).astype(Z.dtype)


@dataclass(frozen=True)
class GELU(ElementwiseLayer):
    """A = Z Φ(Z), Φ the standard normal distribution; exact, by erfc. Hendrycks and Gimpel 2016."""

    name, formula, slope_formula = "gelu", "z * Phi(z)", "Phi(z) + z * phi(z)"
    init_before = "he_uniform"

    def values(self, Z: Array) -> Array:
        return np.asarray(Z * f.normal_cdf(Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.asarray(f.normal_cdf(Z) + Z * f.normal_pdf(Z))


@dataclass(frozen=True)
class SiLU(ElementwiseLayer):
    """A = Z σ(Z), also called Swish. Elfwing et al. 2018."""

    name, formula = "silu", "z * sigma(z)"
    slope_formula = ("sigma(z) + a * (1 - sigma(z))", "sigma(z) + a * sigma(-z)")
    init_before = "he_uniform"

    def values(self, Z: Array) -> Array:
        return np.asarray(Z * f.sigmoid(Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.asarray(f.sigmoid(Z) + A * f.sigmoid(-Z))


@dataclass(frozen=True)
class Mish(ElementwiseLayer):
    """A = Z tanh(ln(1 + e^Z)). Misra 2019."""

    name, formula = "mish", ("z * tanh(log(1 + exp(z)))", "z * tanh(softplus(z))")
    slope_formula = (
        "tanh(softplus(z)) + z * sigma(z) * (1 - tanh(softplus(z))**2)",
        "tanh(softplus(z)) + z * sigma(z) * (1 - tanh(softplus(z))) * (1 + tanh(softplus(z)))",
    )
    init_before = "he_uniform"

    def values(self, Z: Array) -> Array:
        return Z * np.tanh(f.softplus(Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        T = np.tanh(f.softplus(Z))
        return T + Z * f.sigmoid(Z) * (1.0 - T) * (1.0 + T)


@dataclass(frozen=True)
class Softplus(ElementwiseLayer):
    """A = ln(1 + e^Z),  slope σ(Z)."""

    name, formula = "softplus", ("log(1 + exp(z))", "softplus(z)")
    slope_formula = "sigma(z)"
    init_before = "he_uniform"

    def values(self, Z: Array) -> Array:
        return f.softplus(Z)

    def slopes(self, Z: Array, A: Array) -> Array:
        return f.sigmoid(Z)


@dataclass(frozen=True)
class Softsign(ElementwiseLayer):
    """A = Z / (1 + |Z|),  slope (1 - |A|)²."""

    name, formula, slope_formula = "softsign", "z / (1 + abs(z))", "(1 - abs(a))**2"

    def values(self, Z: Array) -> Array:
        return Z / (1.0 + np.abs(Z))

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.square(1.0 - np.abs(A))


@dataclass(frozen=True)
class HardSigmoid(ElementwiseLayer):
    """A = min(max(Z/6 + 1/2, 0), 1),  slope 1/6 for |Z| < 3."""

    name, formula = "hard_sigmoid", "min(max(z / 6 + 1 / 2, 0), 1)"
    slope_formula = "1 / 6 if abs(z) < 3 else 0"
    kinks = (-3.0, 3.0)

    def values(self, Z: Array) -> Array:
        return np.clip(Z / 6.0 + 0.5, 0.0, 1.0)

    def slopes(self, Z: Array, A: Array) -> Array:
        return np.where(np.abs(Z) < 3.0, 1.0 / 6.0, 0.0).astype(Z.dtype)


@dataclass(frozen=True)
class HardTanh(ElementwiseLayer):
    """A = min(max(Z, -1), 1),  slope 1 for |Z| < 1."""

    name, formula, slope_formula = "hard_tanh", "min(max(z, -1), 1)", "1 if abs(z) < 1 else 0"
    kinks = (-1.0, 1.0)

    def values(self, Z: Array) -> Array:
        return np.clip(Z, -1.0, 1.0)

    def slopes(self, Z: Array, A: Array) -> Array:
        return (np.abs(Z) < 1.0).astype(Z.dtype)


@dataclass(frozen=True)
class PReLU(LearnedPerUnit):
    """A = Z if Z > 0 else alpha * Z   alpha (k,) is learned, one for each unit. He et al. 2015.

    dalpha = Σ_rows dA * Z where Z ≤ 0; `start` is where every alpha begins.
    """

    start: float = 0.25
    learned, takes, kinks, init_before = "alpha", "Z", (0.0,), "he_uniform"

    def forward(self, p: Arrays, Z: Array, *, train: bool = False, rng: Random = None) -> Pass:
        A = np.where(Z > 0, Z, p["alpha"] * Z)
        return A, {"Z": Z, "A": A}

    def backward(self, p: Arrays, cache: Arrays, dA: Array) -> Pass:
        below = np.minimum(cache["Z"], 0.0)
        slope = np.where(cache["Z"] > 0, 1.0, p["alpha"]).astype(dA.dtype)
        return dA * slope, {"alpha": (dA * below).sum(axis=0)}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            "A[r,j] = Z[r,j] if Z[r,j] > 0 else alpha[j] * Z[r,j]",
            "dZ[r,j] = dA[r,j] * (1 if Z[r,j] > 0 else alpha[j])",
            "dalpha[j] = sum_r(dA[r,j] * min(Z[r,j], 0))",
        )


@dataclass(frozen=True)
class ParametricActivation(LearnedPerUnit):
    """A = (1 - mix) * Z + mix * f(Z)   Z, A (n, k)  mix (k,) is learned, f an activation.

    dZ = dA * (1 - mix + mix * f′(Z)),  dmix = Σ_rows dA * (f(Z) - Z); `start` is where every mix
    begins. `activation` is a name of `ACTIVATIONS`. Holzmüller et al. 2024, who train mix at a
    tenth of the learning rate.
    """

    activation: str = "selu"
    start: float = 1.0
    learned, takes = "mix", "Z"
    limits = {"start": (-LARGEST, LARGEST)}

    def __post_init__(self) -> None:
        if not isinstance(self.activation, str) or self.activation not in ACTIVATIONS:
            raise ValueError(
                f"ParametricActivation activation is {self.activation!r}: use one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        super().__post_init__()

    @property
    def activation_layer(self) -> ElementwiseLayer:
        """The layer of f."""
        return ACTIVATIONS[self.activation]()

    def forward(self, p: Arrays, Z: Array, *, train: bool = False, rng: Random = None) -> Pass:
        F = self.activation_layer.values(Z)
        A = (1.0 - p["mix"]) * Z + p["mix"] * F
        return A, {"Z": Z, "F": F, "A": A}

    def backward(self, p: Arrays, cache: Arrays, dA: Array) -> Pass:
        Z, F, mix = cache["Z"], cache["F"], p["mix"]
        dZ = (1.0 - mix) * dA + mix * dA * self.activation_layer.slopes(Z, F)
        return dZ, {"mix": (dA * (F - Z)).sum(axis=0)}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        layer, slope = self.activation_layer, "dZ[r,j] = dA[r,j] * (1 - mix[j] + mix[j] * ({}))"
        return (
            of_units("F[r,j] = {}", layer.formula),
            "A[r,j] = (1 - mix[j]) * Z[r,j] + mix[j] * F[r,j]",
            of_units(slope, layer.slope_formula, "F"),
            "dmix[j] = sum_r(dA[r,j] * (F[r,j] - Z[r,j]))",
        )

    @property
    def alpha(self) -> float:
        """The setting of f."""
        return float(getattr(self.activation_layer, "alpha", 0.0))

    @property
    def init_before(self) -> str:
        return self.activation_layer.init_before

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.activation_layer.kinks


ACTIVATIONS: dict[str, type[ElementwiseLayer]] = {
    layer.name: layer for layer in defined_below(ElementwiseLayer, globals()).values()
}
"""Every activation without numbers of its own by its name: "relu"."""
ACTIVATION_LAYERS: dict[str, type[Layer]] = {**ACTIVATIONS, "prelu": PReLU}
"""Every activation by its name."""


def get_activation(activation: "str | Layer") -> Layer:
    """The layer of an activation's name ("relu" -> ReLU()), or the layer itself.

    Raises ValueError for a name that is not in `ACTIVATION_LAYERS`.
    """
    if isinstance(activation, Layer):
        return activation
    if not isinstance(activation, str) or activation not in ACTIVATION_LAYERS:
        names = ", ".join(sorted(ACTIVATION_LAYERS))
        raise ValueError(
            f"activation is {activation!r}: use a layer, such as Tanh(), or one of {names}"
        )
    return ACTIVATION_LAYERS[activation]()
