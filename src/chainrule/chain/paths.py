"""The paths from one number of a trace to the loss: a product of factors each, and their sum.

A path leads from unit to unit, layer by layer, and each step is a local derivative ∂Y[v]/∂X[u] that
the layer's own backward gives. The paths of one row add up to the derivative. If there are many,
the largest are found exactly: only the best paths to a unit can be part of the best beyond it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import Array
from ..core.branch_layers import Branched
from ..core.layers import Dense
from ..formulas.expression import derivative_of
from ..trace.places import Place
from ..trace.step import Trace


@dataclass(frozen=True)
class Hop:
    """∂ y[row, stop] / ∂ x[row, start]: one factor, from a unit of the value `x` that a layer took
    to one of its output. Without a stop it is the rest of the path, through all its branches.
    """

    place: Place
    x: str
    start: int
    stop: int | None
    value: float


@dataclass(frozen=True)
class UnitPath:
    """The hops from the raw output, or from a layer that mixes rows, back to the unit at `start`.

    `product` includes the factors before and after the hops. `output` is the unit of the raw output
    at which the path ends, None if rows are mixed.
    """

    hops: tuple[Hop, ...]
    start: int
    output: int | None
    product: float


@dataclass
class _Level:
    """The best paths to each of the m units of a value.

    `products` (k, m); the values that the paths come from; for each path the number of that value,
    its slot and its unit there (3, k, m); the number of all paths (m,), as Python's integers.
    """

    products: Array
    sources: list[str]
    origins: Array
    count: Array


NEARLY = 1e-12  # replaces a factor of 0 to find a path that it blocks
Slopes = Callable[[Array], Array]


def largest_paths(
    trace: Trace, start: str, first: Array, row: int, max_listed: int, blocked: bool = False
) -> tuple[list[UnitPath], int]:
    """(the paths of the largest product, how many there are in all) from the units of a value to L.

    `first` (m,) is what each unit's path begins with: 1 for the unit itself, ∂Y[v]/∂w for a weight.
    `blocked` includes paths with factors of 0, those with the fewest first; their product is 0.
    """

    def passable(slopes: Array) -> Array:
        return np.where(slopes == 0, NEARLY, slopes) if blocked else slopes

    first = passable(first)
    count = np.array([int(slope != 0) for slope in first], object)
    levels = {start: _Level(first[None, :].copy(), [], np.zeros((3, 1, len(first)), int), count)}
    ends = list[tuple[str, Array, Place | None]]()
    after = next((i + 1 for i, place in enumerate(trace.places) if place.y == start), 0)
    for place in trace.places[after:]:
        sources = [name for name in dict.fromkeys(_sources(place)) if name in levels]
        if not sources:
            continue
        if place.layer.reach == "batch":
            dY = trace.values[derivative_of(place.y)]
            dX = place.layer.backward(place.p, place.cache, dY)[0]  # by this layer alone
            ends.append((place.x, passable(dX[row]), place))
        else:
            levels[place.y] = _next(place, levels, sources, row, max_listed, passable)
    if trace.output in levels:
        slopes = trace.values[derivative_of(trace.output)][row]
        ends.append((trace.output, passable(slopes), None))
    paths, total = _collect(trace, levels, ends, row, max_listed)
    return [replace(path, product=0.0) for path in paths] if blocked else paths, total


def _sources(place: Place) -> tuple[str, ...]:
    """The values that a layer's output is made of."""
    if isinstance(place.layer, Branched):
        return (place.x, *place.inside) if place.layer.skip else place.inside
    return (place.x,)


def jacobian(place: Place, row: int, n: int) -> Array:
    """∂Y[v]/∂X[u] of one row for n inputs: (n,) for a layer of single units, else (n, m)."""
    if isinstance(place.layer, Branched):
        return np.full(n, place.layer.share)
    if isinstance(place.layer, Dense):
        return place.p["W"]
    cache = {name: a[row : row + 1] for name, a in place.cache.items()}
    if place.layer.reach == "unit":
        slopes: Array = place.layer.backward(place.p, cache, np.ones((1, n)))[0][0]
        return slopes
    outputs = place.layer.shapes(n)[0]
    by_output = {name: np.repeat(a, outputs, axis=0) for name, a in cache.items()}
    rows: Array = place.layer.backward(place.p, by_output, np.eye(outputs))[0]
    return rows.T


def _next(
    place: Place, levels: dict[str, _Level], sources: list[str], row: int, max_listed: int,
    passable: Slopes,
) -> _Level:  # fmt: skip
    """The best paths to each unit of a layer's output."""
    products, origins, counts = list[Array](), list[Array](), list[Array]()
    for s, name in enumerate(sources):
        level = levels[name]
        k, n = level.products.shape
        J = passable(jacobian(place, row, n))
        slot, unit = np.indices((k, n))
        if J.ndim == 1:
            longer = level.products * J
            counts.append(np.where(J != 0, level.count, 0))
        else:
            longer = (level.products[:, :, None] * J).reshape(k * n, -1)
            slot, unit = slot.reshape(-1, 1), unit.reshape(-1, 1)
            counts.append((J != 0).T.astype(object) @ level.count)
        products.append(longer)
        origins.append(np.stack(np.broadcast_arrays(s, slot, unit, longer)[:3]))
    best, origin = np.concatenate(products), np.concatenate(origins, axis=1)
    if len(best) > max_listed:
        chosen = np.argpartition(-np.abs(best), max_listed - 1, axis=0)[:max_listed]
        best = np.take_along_axis(best, chosen, axis=0)
        origin = np.take_along_axis(origin, chosen[None], axis=1)
    return _Level(best, sources, origin, np.sum(counts, axis=0))


def _collect(
    trace: Trace, levels: dict[str, _Level], ends: list[tuple[str, Array, Place | None]],
    row: int, max_listed: int,
) -> tuple[list[UnitPath], int]:  # fmt: skip
    """The best of all paths that ended, walked back to where they began."""
    place_of = {place.y: place for place in trace.places}
    ended, total, result = [], 0, list[UnitPath]()
    for name, slopes, mixing in ends:
        level = levels[name]
        total += int(sum(level.count[slopes != 0]))
        for slot, unit in np.argwhere(level.products * slopes != 0).tolist():
            product = float(level.products[slot, unit] * slopes[unit])
            ended.append((product, name, slot, unit, float(slopes[unit]), mixing))
    ended.sort(key=lambda end: -abs(end[0]))
    for product, name, slot, unit, slope, mixing in ended[:max_listed]:
        hops: list[Hop] = [] if mixing is None else [Hop(mixing, mixing.x, unit, None, slope)]
        output = unit if mixing is None else None
        while (level := levels[name]).sources:
            place = place_of[name]
            s, slot, start = level.origins[:, slot, unit].tolist()
            name = level.sources[s]
            if not (isinstance(place.layer, Branched) and place.layer.skip):
                J = jacobian(place, row, levels[name].products.shape[1])
                slope = float(J[unit] if J.ndim == 1 else J[start, unit])
                hops.append(Hop(place, name, start, unit, slope))
            unit = start
        result.append(UnitPath(tuple(hops), unit, output, product))
    return result, total
