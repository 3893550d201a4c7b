"""Activations as data: a name, a function, its slope, and both as formulas.

A layer, the trace, the explanation and the documentation all read the same row of one table, so the
formula on the page cannot drift from the code that is run. Textbook formulas are rearranged only
where float arithmetic would overflow or cancel; the comment beside the function says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Array

SELU_SCALE = 1.0507009873554805  # λ and α of Klambauer et al. 2017, "Self-normalizing networks"
SELU_ALPHA = 1.6732632423543772
SQRT_HALF = math.sqrt(0.5)
SQRT_2PI = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Activation:
    """A = function(Z, alpha),  dA/dZ = slope(Z, A, alpha),  elementwise on any shape.

    `formula` of z and `slope_formula` of z and a are the textbook's, in the language of
    `arrays.Equation`; a `stable` one is what to compute where the textbook's overflows or cancels.
    `kinks` lists the z at which the slope jumps: there no derivative exists and `slope` takes one
    of the two sides (ReLU: 0 at 0). `init` names the initializer for the weights before it, which
    keeps the variance from layer to layer. `alpha` is the layer's setting, for those that have one.
    """

    name: str
    function: Callable[[Array, float], Array]
    slope: Callable[[Array, Array, float], Array]
    formula: str
    slope_formula: str
    stable: str = ""
    slope_stable: str = ""
    kinks: tuple[float, ...] = ()
    init: str = "glorot_uniform"


def sigmoid(Z: Array) -> Array:
    """A = 1 / (1 + e^-Z), without overflow: only e^-|Z|, which lies in (0, 1], is ever computed."""
    e = np.exp(-np.abs(Z))
    return np.where(Z >= 0, 1.0, e) / (1.0 + e)


def softplus(Z: Array) -> Array:
    """A = ln(1 + e^Z) = max(Z, 0) + ln(1 + e^-|Z|): exact at both ends (softplus(40) = 40)."""
    return np.maximum(Z, 0.0) + np.log1p(np.exp(-np.abs(Z)))


def log_sum_exp(Z: Array) -> Array:
    """ln Σ_k e^Z[:,k] (n, 1), shifted by the row's largest value so that no term overflows."""
    top = Z.max(axis=1, keepdims=True)
    return np.asarray(top + np.log(np.exp(Z - top).sum(axis=1, keepdims=True)))


def softmax(Z: Array) -> Array:
    """P[:,k] = e^Z[:,k] / Σ_j e^Z[:,j], rows sum to 1. Not a layer: a loss owns it as its link."""
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return np.asarray(E / E.sum(axis=1, keepdims=True))


def normal_cdf(Z: Array) -> Array:
    """Φ(Z) = erfc(-Z/√2) / 2; erfc and not 1 + erf, which loses every digit of the left tail."""
    erfc = np.frompyfunc(math.erfc, 1, 1)
    return np.asarray(0.5 * np.asarray(erfc(-Z * SQRT_HALF), dtype=np.float64), dtype=Z.dtype)


def _normal_pdf(Z: Array) -> Array:
    Z = np.clip(Z, -40.0, 40.0)  # e^-800 is 0 in float64, and Z² cannot overflow
    return np.asarray(np.exp(-0.5 * np.square(Z)) / SQRT_2PI)


def _exp_negative(Z: Array) -> Array:
    return np.expm1(np.minimum(Z, 0.0))  # e^z - 1 for z < 0; the positive side never overflows


def _mish_slope(Z: Array) -> Array:
    T = np.tanh(softplus(Z))
    return T + Z * sigmoid(Z) * (1.0 - T) * (1.0 + T)


_ROWS = (
    Activation(
        "identity",
        lambda Z, _: Z.copy(),
        lambda Z, A, _: np.ones_like(Z),
        "z",
        "1",
    ),
    Activation(
        "step",
        lambda Z, _: np.where(Z > 0, 1.0, 0.0).astype(Z.dtype),
        lambda Z, A, _: np.zeros_like(Z),
        "1 if z > 0 else 0",
        "0",
        kinks=(0.0,),
    ),
    Activation(
        "sigmoid",
        lambda Z, _: sigmoid(Z),
        lambda Z, A, _: A * (1.0 - A),
        "1 / (1 + exp(-z))",
        "a * (1 - a)",
        stable="sigma(z)",
    ),
    Activation(
        "tanh",
        lambda Z, _: np.tanh(Z),
        lambda Z, A, _: (1.0 - A) * (1.0 + A),
        "tanh(z)",
        "1 - a**2",
        slope_stable="(1 - a) * (1 + a)",
    ),
    Activation(
        "relu",
        lambda Z, _: np.maximum(Z, 0.0),
        lambda Z, A, _: (Z > 0).astype(Z.dtype),
        "max(z, 0)",
        "1 if z > 0 else 0",
        kinks=(0.0,),
        init="he_uniform",
    ),
    Activation(
        "leaky_relu",
        lambda Z, alpha: np.where(Z > 0, Z, alpha * Z),
        lambda Z, A, alpha: np.where(Z > 0, 1.0, alpha).astype(Z.dtype),
        "z if z > 0 else alpha * z",
        "1 if z > 0 else alpha",
        kinks=(0.0,),
        init="he_uniform",
    ),
    Activation(
        "elu",
        lambda Z, alpha: np.where(Z > 0, Z, alpha * _exp_negative(Z)),
        lambda Z, A, alpha: np.where(Z > 0, 1.0, A + alpha).astype(Z.dtype),
        "z if z > 0 else alpha * (exp(z) - 1)",
        "1 if z > 0 else a + alpha",
        stable="z if z > 0 else alpha * expm1(z)",
        kinks=(0.0,),  # none for α = 1, where both sides have slope 1
        init="he_uniform",
    ),
    Activation(
        "selu",
        lambda Z, _: SELU_SCALE * np.where(Z > 0, Z, SELU_ALPHA * _exp_negative(Z)),
        lambda Z, A, _: np.where(Z > 0, SELU_SCALE, A + SELU_SCALE * SELU_ALPHA).astype(Z.dtype),
        f"{SELU_SCALE} * (z if z > 0 else {SELU_ALPHA} * (exp(z) - 1))",
        f"{SELU_SCALE} if z > 0 else a + {SELU_SCALE} * {SELU_ALPHA}",
        stable=f"{SELU_SCALE} * (z if z > 0 else {SELU_ALPHA} * expm1(z))",
        kinks=(0.0,),
        init="lecun_normal",
    ),
    Activation(
        "gelu",
        lambda Z, _: Z * normal_cdf(Z),
        lambda Z, A, _: normal_cdf(Z) + Z * _normal_pdf(Z),
        "z * Phi(z)",
        "Phi(z) + z * phi(z)",
        init="he_uniform",
    ),
    Activation(
        "silu",
        lambda Z, _: Z * sigmoid(Z),
        lambda Z, A, _: sigmoid(Z) + A * sigmoid(-Z),
        "z * sigma(z)",
        "sigma(z) + a * (1 - sigma(z))",
        slope_stable="sigma(z) + a * sigma(-z)",
        init="he_uniform",
    ),
    Activation(
        "mish",
        lambda Z, _: Z * np.tanh(softplus(Z)),
        lambda Z, A, _: _mish_slope(Z),
        "z * tanh(log(1 + exp(z)))",
        "tanh(softplus(z)) + z * sigma(z) * (1 - tanh(softplus(z))**2)",
        stable="z * tanh(softplus(z))",
        slope_stable="tanh(softplus(z)) + z * sigma(z)"
        " * (1 - tanh(softplus(z))) * (1 + tanh(softplus(z)))",
        init="he_uniform",
    ),
    Activation(
        "softplus",
        lambda Z, _: softplus(Z),
        lambda Z, A, _: sigmoid(Z),
        "log(1 + exp(z))",
        "sigma(z)",
        stable="softplus(z)",
        init="he_uniform",
    ),
    Activation(
        "softsign",
        lambda Z, _: Z / (1.0 + np.abs(Z)),
        lambda Z, A, _: np.square(1.0 - np.abs(A)),
        "z / (1 + abs(z))",
        "(1 - abs(a))**2",
    ),
    Activation(
        "hard_sigmoid",
        lambda Z, _: np.clip(Z / 6.0 + 0.5, 0.0, 1.0),
        lambda Z, A, _: np.where(np.abs(Z) < 3.0, 1.0 / 6.0, 0.0).astype(Z.dtype),
        "min(max(z / 6 + 1 / 2, 0), 1)",
        "1 / 6 if abs(z) < 3 else 0",
        kinks=(-3.0, 3.0),
    ),
    Activation(
        "hard_tanh",
        lambda Z, _: np.clip(Z, -1.0, 1.0),
        lambda Z, A, _: (np.abs(Z) < 1.0).astype(Z.dtype),
        "min(max(z, -1), 1)",
        "1 if abs(z) < 1 else 0",
        kinks=(-1.0, 1.0),
    ),
)

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in _ROWS}
