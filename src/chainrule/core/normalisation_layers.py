"""Layers that normalise: over each column of a batch, over each row."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .arrays import Array, Arrays, Pass, Random, Shapes
from .checks import BELOW_ONE
from .equations import EquationText
from .layers import Layer


class Normalisation(Layer):
    """Y = gamma * H + beta,  H = (X - mean) * S,  S = 1 / √(var + epsilon): BatchNorm over each
    column (`axis` 0), LayerNorm over each row.
    """

    axis: ClassVar[int] = 0
    epsilon: float

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {"gamma": (n_in,), "beta": (n_in,)}, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        for name, view in p.items():
            view[...] = 1.0 if name in ("gamma", "var") else 0.0

    def normalise(self, p: Arrays, X: Array, mean: Array, var: Array) -> Pass:
        """Y, and what else the cache holds: S and H."""
        S = 1.0 / np.sqrt(var + X.dtype.type(self.epsilon))
        H = (X - mean) * S
        return p["gamma"] * H + p["beta"], {"S": S, "H": H}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        H, S = cache["H"], cache["S"]
        grads = {"gamma": (dY * H).sum(axis=0), "beta": dY.sum(axis=0)}
        dH = dY * p["gamma"]
        if "mean" in cache:  # mean and variance depend on X too, unless they are running ones
            level, along = (part.mean(axis=self.axis, keepdims=True) for part in (dH, dH * H))
            dH = dH - level - H * along
        return dH * S, grads

    def normalised(self, mean: str, var: str, S: str, pooled: str) -> tuple[EquationText, ...]:
        """The equations of all numbers but dX; `pooled` is the index that is averaged over."""
        return (
            f"{mean} = sum_{pooled}(X[r,j] / n)",
            f"{var} = sum_{pooled}((X[r,j] - {mean})**2 / n)",
            f"{S} = 1 / sqrt({var} + epsilon)",
            f"H[r,j] = (X[r,j] - {mean}) * {S}",
            "Y[r,j] = gamma[j] * H[r,j] + beta[j]",
            "dgamma[j] = sum_r(dY[r,j] * H[r,j])",
            "dbeta[j] = sum_r(dY[r,j])",
        )


@dataclass(frozen=True)
class BatchNorm(Normalisation):
    """Y = gamma * H + beta,  H = (X - mean) / √(var + epsilon), mean and var of each column of the
    batch.

    In prediction the running mean and variance (buffers) take their place; a training step moves
    them by buffer ← momentum * buffer + (1 - momentum) * batch, the variance with n - 1. Ioffe and
    Szegedy 2015.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    linear = True
    limits = {"momentum": (0, BELOW_ONE), "epsilon": (0, math.inf)}

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {"gamma": (n_in,), "beta": (n_in,)}, {"mean": (n_in,), "var": (n_in,)}

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        if not train:
            return self.normalise(p, X, p["mean"], p["var"])
        mean, var = X.mean(axis=0), X.var(axis=0)
        Y, cache = self.normalise(p, X, mean, var)
        return Y, {"mean": mean, "var": var, **cache}

    def absorb(self, p: Arrays, cache: Arrays) -> None:
        n = len(cache["H"])
        if n < 2:
            return  # one row has no variance
        for name, batch in (("mean", cache["mean"]), ("var", cache["var"] * (n / (n - 1)))):
            p[name][...] = self.momentum * p[name] + (1.0 - self.momentum) * batch

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        moved = "momentum * {0}_before[j] + (1 - momentum) * {0}[j]{1} if n > 1 else {0}_before[j]"
        return (
            *self.normalised("mean[j]", "var[j]", "S[j]", "r"),
            "dX[r,j] = S[j] * gamma[j] * (dY[r,j] - sum_k(dY[k,j]) / n"
            " - H[r,j] * sum_k(dY[k,j] * H[k,j]) / n)",
            f"mean_after[j] = {moved.format('mean', '')}",
            f"var_after[j] = {moved.format('var', ' * n / (n - 1)')}",
        )


@dataclass(frozen=True)
class LayerNorm(Normalisation):
    """Y = gamma * H + beta,  H = (X - mean) / √(var + epsilon), mean and var of each row. Ba et al.
    2016.
    """

    epsilon: float = 1e-5
    axis, reach = 1, "row"
    limits = {"epsilon": (0, math.inf)}

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        mean, var = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
        Y, cache = self.normalise(p, X, mean, var)
        return Y, {"mean": mean, "var": var, **cache}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            *self.normalised("mean[r,0]", "var[r,0]", "S[r,0]", "j"),
            "dX[r,j] = S[r,0] * (dY[r,j] * gamma[j] - sum_k(dY[r,k] * gamma[k]) / n"
            " - H[r,j] * sum_k(dY[r,k] * gamma[k] * H[r,k]) / n)",
        )
