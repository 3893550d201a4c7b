"""Layers: one layer is one factor of the chain rule, its forward written beside its backward.

A layer is a frozen dataclass of settings and holds no numbers. Its parameters and buffers come in
as the dict of named arrays `p`; what forward computed goes out as the dict of named arrays `cache`,
and backward reads it. Your own layers derive from `Layer`; `check_layer` tests them. Activations
are in `activation_layers.py`, norms in `normalisation_layers.py`, layers that contain layers in
`branch_layers.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from .arrays import Array, Arrays, Pass, Random, Shapes
from .checks import Limits, require_count, require_limits
from .equations import EquationText, forget_overridden
from .initializers import Initializer, get_initializer
from .schedules import Schedule

V = TypeVar("V")


class Layer:
    """Y = f(X; p)   X (n, n_in)  Y (n, n_out); the protocol of every layer, yours included.

    `reach` says what the numbers of one row of Y depend on: "unit" on the same unit of the same
    row, "row" on the row, "batch" on other rows too. `linear`: whether Y is affine in X in
    prediction. `takes` is the letter of the input. `limits` gives the range of each setting; raises
    ValueError outside it.
    """

    reach: ClassVar[str] = "batch"
    linear: ClassVar[bool] = False
    takes: ClassVar[str] = "X"
    limits: ClassVar[Limits] = {}

    def __init_subclass__(cls) -> None:
        """A layer that overrides forward or backward states its equations itself, or none."""
        silent = {"equations": Layer.equations}
        forget_overridden(cls, {"forward": silent, "backward": silent})

    def __post_init__(self) -> None:
        require_limits(self, self.limits)

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        """(n_out, parameter shapes by name, buffer shapes by name) for n_in inputs."""
        return n_in, {}, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        """Fill the parameters and buffers of `p` in place; X, where given, is data to look at."""

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        """(Y, cache) with X (n, n_in), Y (n, n_out). Changes nothing, neither X nor p."""
        raise TypeError(
            f"{type(self).__name__} has no forward: define forward(p, X, *, train, rng)"
        )

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        """(dX, gradients by parameter name) from dY, the derivative of the loss by Y."""
        raise TypeError(f"{type(self).__name__} has no backward: define backward(p, cache, dY)")

    def absorb(self, p: Arrays, cache: Arrays) -> None:
        """Update the buffers of `p` in place from a training step's cache (running statistics)."""

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        """How a training step computes each number, in the language of `EquationText`; () if not
        stated. If two equations match an index, the first one applies.
        """
        return ()

    def schedules(self) -> dict[str, Schedule]:
        """Buffers that a schedule drives, by name; the training step sets them before it runs."""
        return {}

    @property
    def branches(self) -> "Mapping[str, tuple[Layer, ...]]":
        """Chains of inner layers by the prefix of their names; empty for most layers."""
        return {}

    @property
    def init_before(self) -> str:
        """The initializer for the weights before this layer, if this layer is their activation."""
        return "glorot_uniform"

    @property
    def kinks(self) -> tuple[float, ...]:
        """The inputs at which the layer has no derivative."""
        return ()

    @property
    def random(self) -> bool:
        """Whether forward draws random numbers when it trains."""
        return False


@dataclass(frozen=True)
class Dense(Layer):
    """Z = X @ W + b   X (rows, i)  W (i, n)  b (n,)  Z (rows, n).

    dW = Xᵀ @ dZ,  db = Σ_rows dZ,  dX = dZ @ Wᵀ. `n` is the number of units, `init` the initializer
    of W: a name of `INITIALIZERS`, a number for a constant, or a function (shape, rng) -> array. b
    starts at 0.
    """

    n: int
    bias: bool = True
    init: str | float | Initializer = "glorot_uniform"
    reach, linear = "row", True

    def __post_init__(self) -> None:
        require_count("Dense", "n", self.n)
        get_initializer(self.init)

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        params: Shapes = {"W": (n_in, self.n)}
        if self.bias:
            params["b"] = (self.n,)
        return self.n, params, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["W"][...] = get_initializer(self.init)(p["W"].shape, rng)
        if self.bias:
            p["b"][...] = 0.0

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        Z = X @ p["W"]
        if self.bias:
            Z = Z + p["b"]
        return Z, {"X": X, "Z": Z}

    def backward(self, p: Arrays, cache: Arrays, dZ: Array) -> Pass:
        grads = {"W": cache["X"].T @ dZ}
        if self.bias:
            grads["b"] = dZ.sum(axis=0)
        return dZ @ p["W"].T, grads

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            "Z[r,j] = sum_i(X[r,i] * W[i,j])" + (" + b[j]" if self.bias else ""),
            "dX[r,i] = sum_j(dZ[r,j] * W[i,j])",
            "dW[i,j] = sum_r(X[r,i] * dZ[r,j])",
            "db[j] = sum_r(dZ[r,j])",
        )


class LearnedPerUnit(Layer):
    """A layer that learns one number for each unit: the vector `learned`, all `start` at first."""

    learned: ClassVar[str] = ""
    start: float
    reach = "unit"

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {self.learned: (n_in,)}, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p[self.learned][...] = self.start


@dataclass(frozen=True)
class Scale(LearnedPerUnit):
    """Y = gamma * X   gamma (n,), one for each column: a soft choice of columns before a Dense.

    dgamma = Σ_rows dY * X,  dX = gamma * dY; `start` is where every gamma begins. Holzmüller et al.
    2024 ("Better by default") train it at six times the learning rate.
    """

    start: float = 1.0
    learned, linear = "gamma", True
    limits = {"start": (-math.inf, math.inf)}

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        return p["gamma"] * X, {"X": X}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        return dY * p["gamma"], {"gamma": (dY * cache["X"]).sum(axis=0)}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            "Y[r,j] = gamma[j] * X[r,j]",
            "dX[r,j] = dY[r,j] * gamma[j]",
            "dgamma[j] = sum_r(dY[r,j] * X[r,j])",
        )


@dataclass(frozen=True)
class Dropout(Layer):
    """Y = X * M,  M = 0 with probability rate, else 1 / (1 - rate); in prediction Y = X.

    Srivastava et al. 2014, scaled while training. `rate` is a number in [0, 1) or a schedule of
    one; the rate of the step is the buffer "rate". Draws one float64 `rng.random()` for every
    number of X.
    """

    rate: float | Schedule = 0.5
    reach, linear, random = "unit", True, True

    def __post_init__(self) -> None:
        peak = self.rate.value if isinstance(self.rate, Schedule) else self.rate
        if not isinstance(peak, int | float | np.number) or not 0.0 <= peak < 1.0:
            raise ValueError(f"Dropout rate is {peak!r}: it must be at least 0 and below 1")

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {}, {"rate": ()}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["rate"][...] = self.rate.value if isinstance(self.rate, Schedule) else self.rate

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        if not train:
            return X, {}
        if rng is None:
            raise ValueError("Dropout draws random numbers when it trains: pass rng=")
        rate = float(p["rate"])
        M = (rng.random(X.shape) >= rate).astype(X.dtype) / X.dtype.type(1.0 - rate)
        return X * M, {"M": M}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        return (dY * cache["M"] if "M" in cache else dY), {}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            "M[r,j] = drawn(0, 1 / (1 - rate))",
            "Y[r,j] = X[r,j] * M[r,j]",
            "dX[r,j] = dY[r,j] * M[r,j]",
        )

    def schedules(self) -> dict[str, Schedule]:
        return {"rate": self.rate} if isinstance(self.rate, Schedule) else {}


@dataclass(frozen=True)
class Temperature(Layer):
    """Z = X / T   X, Z (rows, n)  T (1,): T > 1 makes probabilities less extreme, T < 1 more.
    The order of the classes stays.

    dX = dZ / T. T is a buffer that begins at `start`. Training leaves it alone: it is fitted
    afterwards, on rows that were not used for training. Guo et al. 2017, "On calibration of modern
    neural networks".
    """

    start: float = 1.0
    reach, linear = "unit", True
    limits = {"start": (1e-30, 1e30)}

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {}, {"T": (1,)}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["T"][...] = self.start

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        Z = X / p["T"]
        return Z, {"Z": Z}

    def backward(self, p: Arrays, cache: Arrays, dZ: Array) -> Pass:
        return dZ / p["T"], {}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return "Z[r,j] = X[r,j] / T[0]", "dX[r,j] = dZ[r,j] / T[0]"


def within(named: Mapping[str, V], prefix: str) -> dict[str, V]:
    """The entries whose names begin with the prefix, without it: {"0.W": W, "2.b": b} -> {"W": W}
    for "0.".
    """
    return {key[len(prefix) :]: value for key, value in named.items() if key.startswith(prefix)}


def prefixed(prefix: str, named: Mapping[str, V]) -> dict[str, V]:
    """The entries with the prefix before their names: the inverse of `within`."""
    return {f"{prefix}{key}": value for key, value in named.items()}
