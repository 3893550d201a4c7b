"""The paths from one number of a trace to the loss: a product of factors each, and their sum.

A path leads from unit to unit, one layer after the other, and each step is a local derivative
∂Y[v]/∂X[u] that the layer's own backward gives. All paths of one row together are the derivative.
Where there are many, the largest are found exactly: of the paths to a unit only the best can be
part of the best beyond it.
"""

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
    to one of its output. Without a stop it is the rest of the path, in all its branches.
    """

    place: Place
    x: str
    start: int
    stop: int | None
    value: float


@dataclass(frozen=True)
class UnitPath:
    """The hops from the raw output, or from a layer that mixes rows, back to the unit at `start`;
    with what comes before and behind them, their product.

    `output` is the unit of the raw output at which the path ends, None where rows are mixed.
    """

    hops: tuple[Hop, ...]
    start: int
    output: int | None
    product: float


@dataclass
class _Level:
    """The best paths to each unit of a value: products (k, m), where each came from, and how many
    paths there are in all (m,).
    """

    products: Array
    origins: list[tuple[str, Array, Array]]  # the value before, its slot and its unit (k, m)
    source: Array  # which origin (k, m)
    count: list[int]


NEARLY = 1e-12  # in the place of a factor 0, where a path is to be found that it blocks


def largest_paths(
    trace: Trace, start: str, first: Array, row: int, most: int, blocked: bool = False
) -> tuple[list[UnitPath], int]:
    """(the paths of the largest product, how many there are in all) from the units of a value to L.

    `first` (m,) is what each unit's path begins with: 1 for the unit itself, ∂Y[v]/∂w for a weight.
    `blocked` takes paths with factors of 0 too, those with the fewest first; their product is 0.
    """
    if blocked:
        first = np.where(first == 0, NEARLY, first)
    levels = {start: _Level(first[None, :].copy(), [], np.zeros((1, len(first)), int),
                            [int(f != 0) for f in first])}  # fmt: skip
    ends: dict[str, tuple[Array, Place | None]] = {}
    for place in trace.places[_after(trace, start) :]:
        sources = [name for name in dict.fromkeys(_sources(place)) if name in levels]
        if not sources:
            continue
        if place.layer.reach == "batch":
            ends[f"{place.x} by {place.name}"] = (_through(trace, place, row), place)
            continue
        levels[place.y] = _next(place, levels, sources, row, most, blocked)
    if trace.output in levels:
        ends[trace.output] = (trace.values[derivative_of(trace.output)][row], None)
    if blocked:
        ends = {key: (np.where(s == 0, NEARLY, s), place) for key, (s, place) in ends.items()}
    paths, count = _collect(trace, levels, ends, row, most)
    return [replace(path, product=0.0) for path in paths] if blocked else paths, count


def _sources(place: Place) -> tuple[str, ...]:
    """The values that a layer's output is made of."""
    if isinstance(place.layer, Branched):
        return (place.x, *place.inside) if place.layer.skip else place.inside
    return (place.x,)


def _after(trace: Trace, value: str) -> int:
    """The number of the first place behind the one that made a value."""
    made = [i for i, place in enumerate(trace.places) if place.y == value]
    return made[0] + 1 if made else 0


def _through(trace: Trace, place: Place, row: int) -> Array:
    """dL/dX of one row by one layer alone, all rows and paths behind it included."""
    dX: Array = place.layer.backward(place.p, place.cache, trace.values[derivative_of(place.y)])[0][
        row
    ]
    return dX


def jacobian(place: Place, row: int, n: int) -> Array:
    """∂Y[v]/∂X[u] of one row for n inputs: (n,) where each unit goes alone, else (n, m)."""
    if isinstance(place.layer, Branched):
        return np.full(n, place.layer.share)
    if isinstance(place.layer, Dense):
        return place.p["W"]
    one = {name: a[row : row + 1] for name, a in place.cache.items()}
    if place.layer.reach == "unit":
        slopes: Array = place.layer.backward(place.p, one, np.ones((1, n)))[0][0]
        return slopes
    outputs = place.layer.shapes(n)[0]
    many = {name: np.repeat(a, outputs, axis=0) for name, a in one.items()}  # a row for each
    by_output: Array = place.layer.backward(place.p, many, np.eye(outputs))[0]
    return by_output.T


def _next(
    place: Place, levels: dict[str, _Level], sources: list[str], row: int, most: int,
    blocked: bool,
) -> _Level:  # fmt: skip
    """The best paths to each unit of a layer's output."""
    products, slots, units, which, count = [], [], [], [], None
    for s, name in enumerate(sources):
        level = levels[name]
        k, n = level.products.shape
        J = jacobian(place, row, n)
        J = np.where(J == 0, NEARLY, J) if blocked else J
        if J.ndim == 1:
            made = level.products * J
            slot, unit = np.divmod(np.arange(k)[:, None] * n + np.arange(n), n)
            counts = [c if j != 0 else 0 for c, j in zip(level.count, J, strict=True)]
        else:
            m = J.shape[1]
            made = (level.products[:, :, None] * J).reshape(k * n, m)
            slot, unit = (
                np.repeat(part[:, None], m, axis=1) for part in np.divmod(np.arange(k * n), n)
            )
            counts = ((J != 0).T.astype(object) @ np.array(level.count, object)).tolist()
        products.append(made)
        slots.append(slot)
        units.append(unit)
        which.append(np.full(made.shape, s))
        count = counts if count is None else [a + b for a, b in zip(count, counts, strict=True)]
    P, S, U, W = (np.concatenate(parts) for parts in (products, slots, units, which))
    if len(P) > most:
        best = np.argpartition(-np.abs(P), most - 1, axis=0)[:most]
        P, S, U, W = (np.take_along_axis(part, best, axis=0) for part in (P, S, U, W))
    return _Level(P, [(name, S, U) for name in sources], W, count or [])


def _collect(
    trace: Trace, levels: dict[str, _Level], ends: dict[str, tuple[Array, Place | None]],
    row: int, most: int,
) -> tuple[list[UnitPath], int]:  # fmt: skip
    """The best of all paths that ended, walked back to where they began."""
    made_by = {place.y: place for place in trace.places}
    ended, total = [], 0
    for key, (slopes, mixing) in ends.items():
        name = key.partition(" by ")[0]
        level = levels[name]
        total += sum(c for c, slope in zip(level.count, slopes, strict=True) if slope != 0)
        for slot, unit in np.argwhere(level.products * slopes != 0).tolist():
            product = float(level.products[slot, unit] * slopes[unit])
            ended.append((product, name, slot, unit, float(slopes[unit]), mixing))
    ended.sort(key=lambda one: -abs(one[0]))
    result = []
    for product, name, slot, unit, slope, mixing in ended[:most]:
        hops: list[Hop] = [] if mixing is None else [Hop(mixing, mixing.x, unit, None, slope)]
        output = unit if mixing is None else None
        while levels[name].origins:
            level, place = levels[name], made_by[name]
            before, slots, units = level.origins[int(level.source[slot, unit])]
            earlier, start = int(slots[slot, unit]), int(units[slot, unit])
            if not (isinstance(place.layer, Branched) and place.layer.skip):
                J = jacobian(place, row, levels[before].products.shape[1])
                value = float(J[unit] if J.ndim == 1 else J[start, unit])
                hops.append(Hop(place, before, start, unit, value))
            name, slot, unit = before, earlier, start
        result.append(UnitPath(tuple(hops), unit, output, product))
    return result, total
