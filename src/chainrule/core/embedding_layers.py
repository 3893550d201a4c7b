"""Layers that give a column more room than one number."""

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Array, Arrays, Shapes
from .checks import require_count, require_limits
from .layers import Layer

TURN = 2.0 * math.pi


@dataclass(frozen=True)
class CosineEmbedding(Layer):
    """Y_c = (x_c, cos(2π x_c w_c + b_c) @ V_c + a_c) for each column c, one beside the other.

    X (rows, n)  w, b (n, k)  V (n, k, d - 1)  a (n, d - 1)  Y (rows, n d), k `frequencies`, d
    `size`. w starts at N(0, spread²), b at U(-π, π), V and a at U(±1/√k). Holzmüller et al. 2024,
    who call it PBLD and train it at a tenth of the learning rate.
    """

    frequencies: int = 16
    size: int = 4
    spread: float = 0.1

    def __post_init__(self) -> None:
        require_count("CosineEmbedding", "frequencies", self.frequencies)
        require_count("CosineEmbedding", "size", self.size)
        require_limits(self, {"spread": (0, math.inf), "size": (2, math.inf)})

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        k, d = self.frequencies, self.size
        shapes: Shapes = {"w": (n_in, k), "b": (n_in, k), "V": (n_in, k, d - 1), "a": (n_in, d - 1)}
        return n_in * d, shapes, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["w"][...] = self.spread * rng.normal(size=p["w"].shape)
        p["b"][...] = rng.uniform(-math.pi, math.pi, p["b"].shape)
        near = 1.0 / math.sqrt(self.frequencies)
        p["V"][...] = rng.uniform(-near, near, p["V"].shape)
        p["a"][...] = rng.uniform(-near, near, p["a"].shape)

    def forward(
        self, p: Arrays, X: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        U = X.dtype.type(TURN) * X[:, :, None] * p["w"] + p["b"]  # (rows, n, k)
        C = np.cos(U)
        T = np.einsum("rck,cko->rco", C, p["V"]) + p["a"]
        Y = np.concatenate([X[:, :, None], T], axis=2).reshape(len(X), -1)
        return Y, {"X": X, "C": C, "S": np.sin(U)}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> tuple[Array, dict[str, Array]]:
        X, C, S = cache["X"], cache["C"], cache["S"]
        dY = dY.reshape(*X.shape, self.size)
        dT = dY[:, :, 1:]
        dU = -S * np.einsum("rco,cko->rck", dT, p["V"])
        turn = X.dtype.type(TURN)
        grads = {
            "w": turn * np.einsum("rck,rc->ck", dU, X),
            "b": dU.sum(axis=0),
            "V": np.einsum("rck,rco->cko", C, dT),
            "a": dT.sum(axis=0),
        }
        return dY[:, :, 0] + turn * np.einsum("rck,ck->rc", dU, p["w"]), grads
