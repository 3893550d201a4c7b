"""What each input contributed to one prediction: three methods to divide z(x) - z(baseline), each
with its error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..core.branch_layers import Branched
from ..core.embedding_layers import CosineEmbedding
from ..core.layers import Layer, within
from ..core.network import Network

POINTS = 256  # on the straight line from the baseline to the input


@dataclass(frozen=True)
class Contribution:
    """What one input added to the raw output z, by each method. `exact` is None if a layer mixes
    units other than by a sum.
    """

    name: str
    gradient: float
    integrated: float
    exact: float | None


@dataclass(frozen=True)
class Contributions:
    """z(x) - z(baseline) of one output, or of one less another, input by input.

    `gradient` is dz/dx · (x - baseline), true for small steps; `integrated` the mean of dz/dx on
    the straight line between the two times (x - baseline), Sundararajan et al. 2017; `exact` goes
    path by path with each activation's own ratio (a(z) - a(z₀)) / (z - z₀), Shrikumar et al. 2017,
    and adds up except for rounding. The gaps are the errors of the three.
    """

    parts: tuple[Contribution, ...]
    output: int
    against: int | None
    start: float
    end: float

    @property
    def gaps(self) -> dict[str, float | None]:
        """z(x) - z(baseline) less the sum of the parts, by each method."""
        whole, gaps = self.end - self.start, dict[str, float | None]()
        for method in ("gradient", "integrated", "exact"):
            values = [getattr(part, method) for part in self.parts]
            gaps[method] = None if None in values else whole - math.fsum(values)
        return gaps

    @property
    def largest(self) -> tuple[Contribution, ...]:
        """The parts, the largest first, by the exact method if it applies."""

        def size(part: Contribution) -> float:
            return abs(part.integrated if part.exact is None else part.exact)

        return tuple(sorted(self.parts, key=size, reverse=True))


def contributions(
    net: Network, x: ArrayLike, *, output: int = 0, against: int | None = None,
    columns: Mapping[str, Sequence[int]] | None = None, baseline: ArrayLike | None = None,
) -> Contributions:  # fmt: skip
    """What each input of one row x (n_in,) contributed to one raw output in prediction mode.

    `against` another output it is z_output - z_against: for classes ln(p_output / p_against).
    `columns` says which columns of X each input became; by default each is one. The baseline is 0,
    the training mean where inputs are standardised. Raises ValueError for rows that do not fit or
    an output that is not there.
    """
    twin = net.astype(np.float64)
    row = twin.as_input(np.atleast_2d(np.asarray(x, np.float64)))
    base = np.zeros((1, net.n_in)) if baseline is None else twin.as_input(np.atleast_2d(baseline))
    if len(row) != 1 or len(base) != 1:
        raise ValueError(f"x has {len(row)} rows, the baseline {len(base)}: give one row each")
    direction = np.zeros((1, twin.n_out))
    for sign, k in ((1.0, output), (-1.0, against)):
        if k is None:
            continue
        if not 0 <= k < twin.n_out:
            raise ValueError(f"there is no output {k}: this network has {twin.n_out}")
        direction[0, k] += sign
    difference = (row - base)[0]
    gradient = _slopes(twin, row, direction)[0] * difference
    line = base + (np.arange(POINTS)[:, None] + 0.5) / POINTS * (row - base)
    integrated = _slopes(twin, line, direction).mean(axis=0) * difference
    pair = np.vstack([row, base])
    ends = twin.forward(pair)[0] @ direction[0]
    p = {name: twin[name] for name in (*twin.shapes, *twin.buffer_shapes)}
    ratios = _back(twin.layers, p, pair, direction)
    exact = None if ratios is None else ratios[0] * difference

    def added(by_column: Array, at: Sequence[int]) -> float:
        return float(by_column[list(at)].sum())

    columns_by_name = columns or {f"x{i}": [i] for i in range(twin.n_in)}
    parts = tuple(
        Contribution(
            name, added(gradient, at), added(integrated, at),
            None if exact is None else added(exact, at),
        )
        for name, at in columns_by_name.items()
    )  # fmt: skip
    return Contributions(parts, output, against, float(ends[1]), float(ends[0]))


def _slopes(net: Network, X: Array, direction: Array) -> Array:
    """d(z · direction)/dX (n, n_in), in prediction mode."""
    Z, caches = net.forward(X)
    return net.backward(caches, np.repeat(direction, len(Z), axis=0))[0]


def _back(layers: Sequence[Layer], p: Mapping[str, Array], X: Array, M: Array) -> Array | None:
    """(z(x) - z(x₀)) / (x - x₀), path by path, by the layers' input from that by their output
    (1, n), for the rows x, x₀ of X.
    """
    inputs = [X]
    for i, layer in enumerate(layers):
        inputs.append(layer.forward(within(p, f"{i}."), inputs[-1])[0])
    for i in range(len(layers) - 1, -1, -1):
        passed = _through(layers[i], within(p, f"{i}."), inputs[i], inputs[i + 1], M)
        if passed is None:
            return None
        M = passed
    return M


def _through(layer: Layer, p: Mapping[str, Array], X: Array, Y: Array, M: Array) -> Array | None:
    """One layer of it."""
    if isinstance(layer, Branched):
        back = [
            _back(chain, within(p, prefix), X, layer.shared(M))
            for prefix, chain in layer.branches.items()
        ]
        passed_back = [branch for branch in back if branch is not None]
        return layer.combine_dX(M, passed_back) if len(passed_back) == len(back) else None
    if layer.linear:
        return layer.backward(p, layer.forward(p, X[:1])[1], M)[0]
    if layer.reach != "unit" and not isinstance(layer, CosineEmbedding):
        return None
    change, slopes = X[:1] - X[1:], layer.backward(p, layer.forward(p, X[:1])[1], M)[0]
    same = np.abs(change) < 1e-12 * np.maximum(1.0, np.abs(X[:1]))  # the ratio becomes the slope
    rise = _by_input(layer, change.shape[1], M * (Y[:1] - Y[1:]))
    return np.where(same, slopes, rise / np.where(same, 1.0, change))


def _by_input(layer: Layer, n: int, rise: Array) -> Array:
    """From what each output rose (1, m) to what all outputs of each of n inputs did (1, n)."""
    if not isinstance(layer, CosineEmbedding):
        return rise
    own, columns = rise[:, :n].copy(), list(layer.embedded(n))
    own[:, columns] += rise[:, n:].reshape(1, len(columns), -1).sum(axis=2)
    return own
