"""The elementwise layers: one class for each activation, so that it is a factor of its own."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .activations import ACTIVATIONS, Activation
from .arrays import Array, Arrays, Equation, Shapes, defined_below
from .checks import require_limits
from .layers import Layer

LARGEST = 1e30  # a start that float32 holds


class ElementwiseLayer(Layer):
    """A = f(Z)   Z (n, k)  A (n, k),  dZ = dA * f′(Z); f is a row of `ACTIVATIONS`."""

    activation: ClassVar[Activation] = ACTIVATIONS["identity"]
    alpha: float = 0.0  # LeakyReLU and ELU make it a setting
    reach, takes = "unit", "Z"

    def forward(
        self, p: Arrays, Z: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        A = self.activation.function(Z, self.alpha)
        return A, {"Z": Z, "A": A}

    def backward(self, p: Arrays, cache: Arrays, dA: Array) -> tuple[Array, dict[str, Array]]:
        return dA * self.activation.slope(cache["Z"], cache["A"], self.alpha), {}

    def equations(self, n_in: int) -> tuple[Equation, ...]:
        row = self.activation
        return (
            of_units("A[r,j] = {}", row.formula, row.stable),
            of_units("dZ[r,j] = dA[r,j] * ({})", row.slope_formula, row.slope_stable),
        )

    @property
    def init_before(self) -> str:
        return self.activation.init

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.activation.kinks


def of_units(pattern: str, formula: str, stable: str, A: str = "A") -> Equation:
    """An equation of one unit from a formula of z and a."""
    units = {r"\bz\b": "Z[r,j]", r"\ba\b": f"{A}[r,j]"}
    for letter, unit in units.items():
        formula, stable = (re.sub(letter, unit, text) for text in (formula, stable))
    return pattern.format(formula), pattern.format(stable or formula)


@dataclass(frozen=True)
class Identity(ElementwiseLayer):
    """A = Z,  slope 1."""

    activation = ACTIVATIONS["identity"]


@dataclass(frozen=True)
class Step(ElementwiseLayer):
    """A = 1 if Z > 0 else 0,  slope 0: nothing below it can learn by gradients. Rosenblatt 1958."""

    activation = ACTIVATIONS["step"]


@dataclass(frozen=True)
class Sigmoid(ElementwiseLayer):
    """A = 1 / (1 + e^-Z),  slope A (1 - A)."""

    activation = ACTIVATIONS["sigmoid"]


@dataclass(frozen=True)
class Tanh(ElementwiseLayer):
    """A = tanh Z,  slope 1 - A²."""

    activation = ACTIVATIONS["tanh"]


@dataclass(frozen=True)
class ReLU(ElementwiseLayer):
    """A = max(Z, 0),  slope 1 if Z > 0 else 0 (0 at the kink Z = 0)."""

    activation = ACTIVATIONS["relu"]


@dataclass(frozen=True)
class LeakyReLU(ElementwiseLayer):
    """A = Z if Z > 0 else alpha Z,  slope 1 or alpha. Maas et al. 2013."""

    alpha: float = 0.01
    activation = ACTIVATIONS["leaky_relu"]


@dataclass(frozen=True)
class ELU(ElementwiseLayer):
    """A = Z if Z > 0 else alpha (e^Z - 1),  slope 1 or A + alpha. Clevert et al. 2016."""

    alpha: float = 1.0
    activation = ACTIVATIONS["elu"]

    @property
    def kinks(self) -> tuple[float, ...]:
        return () if self.alpha == 1.0 else (0.0,)


@dataclass(frozen=True)
class SELU(ElementwiseLayer):
    """A = λ Z if Z > 0 else λ α (e^Z - 1), λ = 1.0507…, α = 1.6732…. Klambauer et al. 2017."""

    activation = ACTIVATIONS["selu"]


@dataclass(frozen=True)
class GELU(ElementwiseLayer):
    """A = Z Φ(Z), Φ the standard normal distribution; exact, by erfc. Hendrycks and Gimpel 2016."""

    activation = ACTIVATIONS["gelu"]


@dataclass(frozen=True)
class SiLU(ElementwiseLayer):
    """A = Z σ(Z), also called Swish. Elfwing et al. 2018."""

    activation = ACTIVATIONS["silu"]


@dataclass(frozen=True)
class Mish(ElementwiseLayer):
    """A = Z tanh(ln(1 + e^Z)). Misra 2019."""

    activation = ACTIVATIONS["mish"]


@dataclass(frozen=True)
class Softplus(ElementwiseLayer):
    """A = ln(1 + e^Z),  slope σ(Z)."""

    activation = ACTIVATIONS["softplus"]


@dataclass(frozen=True)
class Softsign(ElementwiseLayer):
    """A = Z / (1 + |Z|),  slope (1 - |A|)²."""

    activation = ACTIVATIONS["softsign"]


@dataclass(frozen=True)
class HardSigmoid(ElementwiseLayer):
    """A = min(max(Z/6 + 1/2, 0), 1),  slope 1/6 for |Z| < 3."""

    activation = ACTIVATIONS["hard_sigmoid"]


@dataclass(frozen=True)
class HardTanh(ElementwiseLayer):
    """A = min(max(Z, -1), 1),  slope 1 for |Z| < 1."""

    activation = ACTIVATIONS["hard_tanh"]


@dataclass(frozen=True)
class PReLU(Layer):
    """A = Z if Z > 0 else alpha * Z   alpha (k,) is learned, one for each unit. He et al. 2015.

    dalpha = Σ_rows dA * Z where Z ≤ 0; `start` is where every alpha begins.
    """

    start: float = 0.25
    reach, takes = "unit", "Z"

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {"alpha": (n_in,)}, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["alpha"][...] = self.start

    def forward(
        self, p: Arrays, Z: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        A = np.where(Z > 0, Z, p["alpha"] * Z)
        return A, {"Z": Z, "A": A}

    def backward(self, p: Arrays, cache: Arrays, dA: Array) -> tuple[Array, dict[str, Array]]:
        below = np.minimum(cache["Z"], 0.0)
        slope = np.where(cache["Z"] > 0, 1.0, p["alpha"]).astype(dA.dtype)
        return dA * slope, {"alpha": (dA * below).sum(axis=0)}

    def equations(self, n_in: int) -> tuple[Equation, ...]:
        return (
            "A[r,j] = Z[r,j] if Z[r,j] > 0 else alpha[j] * Z[r,j]",
            "dZ[r,j] = dA[r,j] * (1 if Z[r,j] > 0 else alpha[j])",
            "dalpha[j] = sum_r(dA[r,j] * min(Z[r,j], 0))",
        )

    @property
    def init_before(self) -> str:
        return "he_uniform"

    @property
    def kinks(self) -> tuple[float, ...]:
        return (0.0,)


@dataclass(frozen=True)
class ParametricActivation(Layer):
    """A = (1 - mix) * Z + mix * f(Z)   Z, A (n, k)  mix (k,) is learned, f an activation.

    dZ = dA * (1 - mix + mix * f′(Z)),  dmix = Σ_rows dA * (f(Z) - Z); `start` is where every mix
    begins. `activation` is a name of `ACTIVATIONS`. Holzmüller et al. 2024, who train mix at a
    tenth of the learning rate.
    """

    activation: str = "selu"
    start: float = 1.0
    reach, takes = "unit", "Z"

    def __post_init__(self) -> None:
        if not isinstance(self.activation, str) or self.activation not in ACTIVATIONS:
            raise ValueError(
                f"ParametricActivation activation is {self.activation!r}: use one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        require_limits(self, {"start": (-LARGEST, LARGEST)})

    @property
    def bend(self) -> ElementwiseLayer:
        """The layer of f."""
        layer = ACTIVATION_LAYERS[self.activation]()
        assert isinstance(layer, ElementwiseLayer)
        return layer

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {"mix": (n_in,)}, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["mix"][...] = self.start

    def forward(
        self, p: Arrays, Z: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        F = self.bend.forward({}, Z)[0]
        A = (1.0 - p["mix"]) * Z + p["mix"] * F
        return A, {"Z": Z, "F": F, "A": A}

    def backward(self, p: Arrays, cache: Arrays, dA: Array) -> tuple[Array, dict[str, Array]]:
        Z, F, mix = cache["Z"], cache["F"], p["mix"]
        bent = self.bend.backward({}, {"Z": Z, "A": F}, mix * dA)[0]
        return (1.0 - mix) * dA + bent, {"mix": (dA * (F - Z)).sum(axis=0)}

    def equations(self, n_in: int) -> tuple[Equation, ...]:
        row, slope = self.bend.activation, "dZ[r,j] = dA[r,j] * (1 - mix[j] + mix[j] * ({}))"
        return (
            of_units("F[r,j] = {}", row.formula, row.stable),
            "A[r,j] = (1 - mix[j]) * Z[r,j] + mix[j] * F[r,j]",
            of_units(slope, row.slope_formula, row.slope_stable, "F"),
            "dmix[j] = sum_r(dA[r,j] * (F[r,j] - Z[r,j]))",
        )

    @property
    def alpha(self) -> float:
        """The setting of f."""
        return self.bend.alpha

    @property
    def init_before(self) -> str:
        return self.bend.init_before

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.bend.kinks


ACTIVATION_LAYERS: dict[str, type[Layer]] = {
    layer.activation.name: layer for layer in defined_below(ElementwiseLayer, globals()).values()
} | {"prelu": PReLU}
"""Every activation by its name: "relu"."""


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
