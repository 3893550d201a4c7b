"""The functions that activations and losses are made of, on arrays of any shape.

Textbook formulas are rearranged only where float arithmetic would overflow or cancel; the docstring
or the comment of the function says so.
"""

import math

import numpy as np

from .arrays import Array

SELU_SCALE = 1.0507009873554805  # λ and α of Klambauer et al. 2017, "Self-normalizing networks"
SELU_ALPHA = 1.6732632423543772
SQRT_HALF = math.sqrt(0.5)
SQRT_2PI = math.sqrt(2.0 * math.pi)


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


def normal_pdf(Z: Array) -> Array:
    """φ(Z) = e^(-Z²/2) / √(2π)."""
    Z = np.clip(Z, -40.0, 40.0)  # e^-800 is 0 in float64, and Z² cannot overflow
    return np.asarray(np.exp(-0.5 * np.square(Z)) / SQRT_2PI)


def expm1_negative(Z: Array) -> Array:
    """e^Z - 1 where Z < 0, else 0: the positive side cannot overflow."""
    return np.expm1(np.minimum(Z, 0.0))
