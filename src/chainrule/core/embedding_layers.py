"""Layers that represent a column by several numbers."""

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Array, Arrays, Pass, Random, Shapes
from .checks import require_count
from .equations import EquationText
from .layers import Layer

TURN = 2.0 * math.pi


@dataclass(frozen=True)
class CosineEmbedding(Layer):
    """Y = [X | T_1 … T_m],  T_c = C_c @ V_c + a_c,  C_c = cos U_c,  U_c = 2π x_c w_c + b_c.

    X (rows, n)  w, b (m, k)  V (m, k, d - 1)  a (m, d - 1)  Y (rows, n + m (d - 1)); k
    `frequencies`, d `size` with x itself, m `columns`, all n if None.
    dV_c = C_cᵀ @ dT_c, da_c = Σ_rows dT_c, dU_c = -sin U_c * (dT_c @ V_cᵀ), db_c = Σ_rows dU_c,
    dw_c = 2π Σ_rows x_c dU_c. w starts at N(0, spread²), b at U(-π, π), V and a at U(±1/√k).
    Holzmüller et al. 2024, who call it PBLD and train it at a tenth of the learning rate.
    """

    frequencies: int = 16
    size: int = 4
    spread: float = 0.1
    columns: tuple[int, ...] | None = None
    reach, limits = "row", {"spread": (0, math.inf), "size": (2, math.inf)}

    def __post_init__(self) -> None:
        require_count("CosineEmbedding", "frequencies", self.frequencies)
        require_count("CosineEmbedding", "size", self.size)
        super().__post_init__()
        if self.columns is not None:
            columns = tuple(np.atleast_1d(np.array(self.columns, object)).tolist())
            whole = all(isinstance(c, int | np.integer) and c >= 0 for c in columns)
            whole = whole and not any(isinstance(c, bool) for c in columns)
            if not columns or not whole or len(set(columns)) < len(columns):
                raise ValueError(
                    f"CosineEmbedding columns is {columns}: give numbers from 0 up, none twice"
                )
            object.__setattr__(self, "columns", tuple(int(c) for c in columns))

    def embedded(self, n_in: int) -> tuple[int, ...]:
        """The columns of n_in that are embedded."""
        return tuple(range(n_in)) if self.columns is None else self.columns

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        if max(self.columns or (0,)) >= n_in:
            raise ValueError(
                f"CosineEmbedding columns is {self.columns}, but it gets {n_in} columns: give "
                f"numbers below {n_in}"
            )
        m, k, d = len(self.embedded(n_in)), self.frequencies, self.size
        shapes: Shapes = {"w": (m, k), "b": (m, k), "V": (m, k, d - 1), "a": (m, d - 1)}
        return n_in + m * (d - 1), shapes, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["w"][...] = self.spread * rng.normal(size=p["w"].shape)
        p["b"][...] = rng.uniform(-math.pi, math.pi, p["b"].shape)
        limit = 1.0 / math.sqrt(self.frequencies)
        p["V"][...] = rng.uniform(-limit, limit, p["V"].shape)
        p["a"][...] = rng.uniform(-limit, limit, p["a"].shape)

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        x = X[:, self.embedded(X.shape[1])]
        U = X.dtype.type(TURN) * x[:, :, None] * p["w"] + p["b"]  # (rows, m, k)
        C = np.cos(U)
        T = np.einsum("rck,cko->rco", C, p["V"]) + p["a"]
        return np.hstack([X, T.reshape(len(X), -1)]), {"X": X, "C": C, "S": np.sin(U)}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        X, C, S = cache["X"], cache["C"], cache["S"]
        columns, turn = list(self.embedded(X.shape[1])), X.dtype.type(TURN)
        dT = dY[:, X.shape[1] :].reshape(len(X), len(columns), self.size - 1)
        dU = -S * np.einsum("rco,cko->rck", dT, p["V"])
        grads = {
            "w": turn * np.einsum("rck,rc->ck", dU, X[:, columns]),
            "b": dU.sum(axis=0),
            "V": np.einsum("rck,rco->cko", C, dT),
            "a": dT.sum(axis=0),
        }
        dX = dY[:, : X.shape[1]].copy()
        dX[:, columns] += turn * np.einsum("rck,ck->rc", dU, p["w"])
        return dX, grads

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        more, column = self.size - 1, f"{self.embedded(n_in)}[c]"
        u, t = f"2 * pi * X[r,{column}] * w[c,f] + b[c,f]", f"{n_in} + {more} * c + o"
        return (
            f"C[r,c,f] = cos({u})",
            f"S[r,c,f] = sin({u})",
            f"Y[r,{t}] = sum_f(C[r,c,f] * V[c,f,o]) + a[c,o]",
            "Y[r,i] = X[r,i]",
            f"dV[c,f,o] = sum_r(C[r,c,f] * dY[r,{t}])",
            f"da[c,o] = sum_r(dY[r,{t}])",
            f"db[c,f] = sum_ro(-S[r,c,f] * dY[r,{t}] * V[c,f,o])",
            f"dw[c,f] = sum_ro(2 * pi * X[r,{column}] * -S[r,c,f] * dY[r,{t}] * V[c,f,o])",
            f"dX[r,{column}] = dY[r,{column}]"
            f" + sum_fo(2 * pi * w[c,f] * -S[r,c,f] * dY[r,{t}] * V[c,f,o])",
            "dX[r,i] = dY[r,i]",
        )


@dataclass(frozen=True)
class CategoryEmbedding(Layer):
    """Y = [X_alone | X_1 @ E_1 … X_g @ E_g],  dE_g = X_gᵀ @ dY_g,  dX_g = dY_g @ E_gᵀ.

    X (rows, n)  E_g (columns of group g, d)  Y (rows, columns of no group + d for each group), d
    `size`; a group is (start, stop), the columns of one category. For one-hot columns it selects
    the row of E_g that belongs to the level: d learned numbers represent it. E starts at N(0, 1).
    """

    groups: tuple[tuple[int, int], ...]
    size: int = 8
    reach, linear = "row", True

    def __post_init__(self) -> None:
        require_count("CategoryEmbedding", "size", self.size)
        groups = self.groups if isinstance(self.groups, tuple | list) else ()
        pairs = all(isinstance(group, tuple | list) and len(group) == 2 for group in groups)
        ends = [end for group in groups for end in group] if pairs else []
        whole = ends and all(isinstance(end, int | np.integer) for end in ends)
        stops = [0, *ends[1::2]]
        if not (whole and all(stop <= a < b for stop, (a, b) in zip(stops, groups, strict=False))):
            raise ValueError(
                f"CategoryEmbedding groups is {self.groups!r}: give (start, stop) of the columns "
                "of each, in order, without overlap"
            )
        object.__setattr__(self, "groups", tuple((int(first), int(end)) for first, end in groups))

    def alone(self, n_in: int) -> tuple[int, ...]:
        """The columns of n_in that are in no group."""
        grouped = {column for group in self.groups for column in range(*group)}
        return tuple(column for column in range(n_in) if column not in grouped)

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        if self.groups[-1][1] > n_in:
            raise ValueError(
                f"CategoryEmbedding groups is {self.groups}, but it gets {n_in} columns: give "
                "groups of these"
            )
        levels = [end - first for first, end in self.groups]
        shapes: Shapes = {f"E{g}": (count, self.size) for g, count in enumerate(levels)}
        return n_in - sum(levels) + self.size * len(levels), shapes, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        for E in p.values():
            E[...] = rng.normal(size=E.shape)

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        parts = [X[:, self.alone(X.shape[1])]]
        parts += [X[:, a:b] @ p[f"E{g}"] for g, (a, b) in enumerate(self.groups)]
        return np.hstack(parts), {"X": X}

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        X, d = cache["X"], self.size
        alone, dX, grads = list(self.alone(X.shape[1])), np.empty_like(X), dict[str, Array]()
        dX[:, alone] = dY[:, : len(alone)]
        for g, (a, b) in enumerate(self.groups):
            start = len(alone) + g * d
            dG = dY[:, start : start + d]
            dX[:, a:b], grads[f"E{g}"] = dG @ p[f"E{g}"].T, X[:, a:b].T @ dG
        return dX, grads

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        alone, stated = self.alone(n_in), list[EquationText]()
        for g, (first, _) in enumerate(self.groups):
            x, y = f"r,{first} + i", f"r,{len(alone) + g * self.size} + o"
            stated += [
                f"Y[{y}] = sum_i(X[{x}] * E{g}[i,o])",
                f"dE{g}[i,o] = sum_r(X[{x}] * dY[{y}])",
                f"dX[{x}] = sum_o(dY[{y}] * E{g}[i,o])",
            ]
        if alone:
            stated += [f"Y[r,c] = X[r,{alone}[c]]", f"dX[r,{alone}[c]] = dY[r,c]"]
        return tuple(stated)
