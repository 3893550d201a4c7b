"""Every path from a number of a trace to the loss, listed one by one with none left out."""

from typing import NamedTuple

import numpy as np

import chainrule as cr
from chainrule.chain.paths import jacobian
from chainrule.core.branch_layers import Branched
from chainrule.formulas.expression import derivative_of
from chainrule.trace.places import Place
from chainrule.trace.step import Trace
from support.numeric import Array

MOST = 100_000  # paths to the units of one value


class AllPaths(NamedTuple):
    """The product of every path, none of them 0; and Σ |terms| of the products, since a factor may
    be a sum of terms which nearly cancel.
    """

    products: Array
    size: float


def every_path(trace: Trace, start: str, first: Array, row: int) -> AllPaths | None:
    """The paths of one row from the units of a value, `first` what each of them begins with; None
    if they are too many to list.
    """
    products, sizes = {start: [np.array([slope]) for slope in first]}, {start: np.abs(first)}
    ended, size = list[Array](), 0.0
    after = next((i + 1 for i, place in enumerate(trace.places) if place.y == start), 0)
    for place in trace.places[after:]:
        skips = not isinstance(place.layer, Branched) or place.layer.skip
        sources = [name for name in {*place.inside, *[place.x] * skips} if name in products]
        if not sources:
            continue
        if place.layer.reach == "batch":
            dY = trace.values[derivative_of(place.y)]
            slopes = place.layer.backward(place.p, place.cache, dY)[0][row]
            ended += [p * slope for p, slope in zip(products[place.x], slopes, strict=True)]
            size += float(sizes[place.x] @ np.abs(slopes))
            continue
        J = {name: matrix(place, row, len(products[name])) for name in sources}
        products[place.y] = [
            np.concatenate([
                p * J[name][u, v] for name in sources for u, p in enumerate(products[name])
                if J[name][u, v]
            ] or [np.zeros(0)])
            for v in range(trace[place.y].shape[1])
        ]  # fmt: skip
        sizes[place.y] = np.sum(
            [sizes[name] @ terms_of(place, row, J[name]) for name in sources], 0
        )
        if sum(map(len, products[place.y])) > MOST:
            return None
    if trace.output in products:
        slopes = trace.values[derivative_of(trace.output)][row]
        ended += [p * slope for p, slope in zip(products[trace.output], slopes, strict=True)]
        size += float(sizes[trace.output] @ np.abs(slopes))
    every = np.concatenate([np.zeros(0), *ended])
    return AllPaths(every[every != 0], size)


def matrix(place: Place, row: int, n: int) -> Array:
    """∂Y[v]/∂X[u] of one row (n, m)."""
    J = jacobian(place, row, n)
    return np.diag(J) if J.ndim == 1 else J


def terms_of(place: Place, row: int, J: Array) -> Array:
    """Σ |terms| of each factor: that of a LayerNorm is S gamma (1 - 1/n - H_u H_v / n)."""
    if not isinstance(place.layer, cr.LayerNorm):
        return np.abs(J)
    H, S = place.cache["H"][row], place.cache["S"][row, 0]
    inner = np.eye(len(H)) + (1 + np.abs(np.outer(H, H))) / len(H)
    return np.asarray(np.abs(S * place.p["gamma"]) * inner)
