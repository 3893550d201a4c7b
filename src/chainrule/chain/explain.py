"""The chain rule for one number of a trace: its factors, every path that leads there, their sum,
and what the update made of it.
"""

import math
from dataclasses import replace

import numpy as np

from ..core.activation_layers import ParametricActivation
from ..core.arrays import Array
from ..core.branch_layers import Average
from ..core.checks import require_count
from ..core.embedding_layers import CategoryEmbedding, CosineEmbedding
from ..core.layers import BatchNorm, Dense, LayerNorm, Scale, Temperature
from ..formulas import ACTIVATIONS, LOSSES, Formula, d, kind, mixed_slope
from ..trace.address import Address, resolve
from ..trace.step import Place, Trace
from . import made
from .explanation import FEW, Explanation, Number, Path, Term, add_up, term
from .stored import share_note, stored
from .ways import Hop, Way, ways

MOST = 8  # parts that are listed before "all others", where not all are
U = 2.0**-53
MANY = 4096  # paths of which all can be listed


def explain(trace: Trace, address: str, *, row: int | None = None, most: int = MOST) -> Explanation:
    """The chain behind one number of a trace.

    `row` is the row whose paths are shown, the one that counts most if None; `most` how many
    parts are listed where there are too many. Raises ValueError for an address that names nothing.
    """
    at = resolve(trace, address)
    require_count("explain", "most", most)
    if row is not None:
        _row(trace, row)
    behind = {d(place.y): place.y for place in trace.places} | {"dX": "X"}
    places = {place.y: place for place in trace.places}
    if at.column is not None:
        return made.input_column(trace, at)
    slopes = {d(name): name for name in trace.net.shapes}
    if at.name in trace.net.shapes or at.name in slopes:
        return _parameter(trace, Address(slopes.get(at.name, at.name), at.index), row, most)
    if at.name in behind:
        return _slope(trace, at, behind[at.name], most)
    if at.name in places:
        return made.unit(trace, places[at.name], at, most)
    if at.name == "L":
        return made.whole_loss(trace, most)
    if at.name in ("Yhat", "l", "dl_dZ", "dl_dYhat"):
        return made.of_output(trace, at)
    value = float(trace[at.name][at.index])
    steps = made.update(trace, at.owner) if at.owner.name in trace.net.shapes else ()
    found = next((step for step in steps if step.symbol == str(at)), None)
    if found is None and at.own == "g":  # neither penalty nor clipping
        names = {"gradient": term(trace, d(at.owner.name), *at.index)}
        found = Number(str(at), value, Formula("gradient"), names)
    return stored(trace, at, most) if found is None else Explanation(trace, at, value, made=found)


def _parameter(trace: Trace, at: Address, row: int | None, most: int) -> Explanation:
    """The gradient of a parameter: each row's share of it, the paths of one row, the update."""
    place = next(place for place in trace.places if place.name == at.owner.name)
    value = float(trace.values[d(at.name)][at.index])
    by_row = _shares(trace, place, at)
    chosen = int(np.abs(by_row).argmax()) if row is None else _row(trace, row)
    first = _local(trace, place, at, chosen)
    parts = [Number(f"row {r}", share) for r, share in enumerate(by_row.tolist())]
    return replace(
        _along(trace, at, place.y, first, chosen, float(by_row[chosen]), most, place),
        value=value, sum=add_up(parts, value, most) if len(parts) > 1 else None,
        steps=made.update(trace, at),
    )  # fmt: skip


def _slope(trace: Trace, at: Address, name: str, most: int) -> Explanation:
    """The derivative of the loss by a unit of one row: its paths."""
    row, unit = at.index
    first = np.zeros(trace[name].shape[1])
    first[unit] = 1.0
    return _along(trace, at, name, first, row, float(trace[at.name][at.index]), most)


def _along(
    trace: Trace, at: Address, name: str, first: Array, row: int, value: float, most: int,
    place: Place | None = None,
) -> Explanation:  # fmt: skip
    """What all paths of one row from the units of a value to the loss add up to; `first` is what
    each unit's derivative is multiplied by, for a parameter of the layer `place`.
    """

    def path(way: Way) -> Path:
        factors = [*_loss_factors(trace, way, row), *(_hop(trace, hop, row) for hop in way.hops)]
        last = [] if place is None else [_last(trace, place, at, row, way, first)]
        return Path((*factors, *last), way.product)

    listed = min(max(FEW, most), MANY)
    found, count = ways(trace, name, first, row, listed)
    paths = tuple(path(way) for way in (found if count <= listed else found[:most]))
    blocked = () if count else ways(trace, name, first, row, 1, blocked=True)[0]
    rest = value - math.fsum(one.product for one in paths) if count > len(paths) else 0.0
    return Explanation(
        trace, at, value, row, paths=paths, count=count, rest=rest, proof=_proof(trace, row),
        blocked=path(blocked[0]) if blocked else None,
    )  # fmt: skip


def _row(trace: Trace, row: int) -> int:
    if not isinstance(row, int | np.integer) or not 0 <= row < len(trace.batch):
        last = len(trace.batch) - 1
        raise ValueError(f"there is no row {row!r}: this trace has rows 0 to {last}")
    return row


def _shares(trace: Trace, place: Place, at: Address) -> Array:
    """What each row adds to the gradient of one parameter (n,)."""
    dY, own = trace.values[d(place.y)], at.own
    if isinstance(place.layer, Dense):
        shares: Array = dY[:, at.index[-1]] * (
            trace[place.x][:, at.index[0]] if own == "W" else 1.0
        )
        return shares
    shares = np.zeros(len(dY))
    for r in range(len(dY)):
        alone = np.zeros_like(dY)
        alone[r] = dY[r]
        shares[r] = place.layer.backward(place.p, place.cache, alone)[1][own][at.index]
    return shares


def _local(trace: Trace, place: Place, at: Address, row: int) -> Array:
    """∂Y[row, v] / ∂(the parameter) for each unit v (m,)."""
    dY = np.zeros_like(trace.values[d(place.y)])
    slopes = np.zeros(dY.shape[1])
    if isinstance(place.layer, Dense):
        slopes[at.index[-1]] = trace[place.x][row, at.index[0]] if at.own == "W" else 1.0
        return slopes
    for v in range(len(slopes)):
        dY[row, v] = 1.0
        slopes[v] = place.layer.backward(place.p, place.cache, dY)[1][at.own][at.index]
        dY[row, v] = 0.0
    return slopes


def _last(trace: Trace, place: Place, at: Address, row: int, way: Way, first: Array) -> Number:
    """∂ Y[row, unit] / ∂(the parameter), where the way begins."""
    symbol, value = (f"{place.y}[{row},{way.start}]", str(at)), float(first[way.start])
    if isinstance(place.layer, Dense | Scale) and at.own in ("W", "gamma"):
        return Number(symbol, value, Formula("x"), {"x": term(trace, place.x, row, at.index[0])})
    if isinstance(place.layer, ParametricActivation):
        names = {"f": term(trace, f"{place.name}.F", row, way.start)}
        names |= {"z": term(trace, place.x, row, way.start)}
        return Number(symbol, value, Formula("f - z"), names)
    if isinstance(place.layer, CategoryEmbedding):
        first_column = place.layer.groups[int(at.own[1:])][0]
        x = term(trace, place.x, row, first_column + at.index[0])
        return Number(symbol, value, Formula("x"), {"x": x})
    plain = {Dense: "b", LayerNorm: "beta", BatchNorm: "beta", CosineEmbedding: "a"}
    return Number(symbol, value, Formula("1") if plain.get(type(place.layer)) == at.own else None)


def _loss_factors(trace: Trace, way: Way, row: int) -> list[Number]:
    """∂L/∂l and ∂l/∂z; none where a layer that mixes rows comes first."""
    if way.output is None:
        return []
    unit, goal = way.output, LOSSES.get(kind(trace.settings.loss))
    share, slope = term(trace, "dL_dl", row, 0), term(trace, "dl_dZ", row, unit)
    one, z = f"l[{row},{unit}]", f"{trace.output}[{row},{unit}]"
    formula = None if goal is None else goal.slope
    return [
        Number(("L", one), share.value, note=share_note(trace)),
        Number((one, z), slope.value, formula, made.output(trace, row, unit)),
    ]


def _hop(trace: Trace, hop: Hop, row: int) -> Number:
    """One local derivative as a factor."""
    place, bottom = hop.place, f"{hop.x}[{row},{hop.start}]"
    if hop.stop is None:
        return Number(("L", bottom), hop.value, note=f"every way through {place.layer}")
    symbol = f"{place.y}[{row},{hop.stop}]", bottom
    if isinstance(place.layer, Dense):
        weight = term(trace, f"{place.name}.W", hop.start, hop.stop)
        return Number(symbol, hop.value, Formula("w"), {"w": weight})
    if isinstance(place.layer, Scale):
        gamma = term(trace, f"{place.name}.gamma", hop.start)
        return Number(symbol, hop.value, Formula("gamma"), {"gamma": gamma})
    if isinstance(place.layer, Temperature):
        names = {"T": term(trace, f"{place.name}.T", 0)}
        return Number(symbol, hop.value, Formula("1 / T"), names)
    if f"{place.name}.M" in trace.values:
        mask = term(trace, f"{place.name}.M", row, hop.start)
        return Number(symbol, hop.value, Formula("m"), {"m": mask})
    if isinstance(place.layer, Average):
        return Number(symbol, hop.value, Formula("1 / k"), {"k": Term(float(len(place.inside)))})
    if isinstance(place.layer, ParametricActivation):
        return Number(symbol, hop.value, *_mixed(trace, place, row, hop.start))
    bend = ACTIVATIONS.get(kind(place.layer))
    if bend is None:
        return Number(symbol, hop.value)
    names = {"z": term(trace, place.x, row, hop.start), "a": term(trace, place.y, row, hop.start)}
    return Number(symbol, hop.value, bend.slope, names | made.settings(trace, place, hop.start))


def _mixed(trace: Trace, place: Place, row: int, j: int) -> tuple[Formula, dict[str, Term]]:
    """The slope of a unit of a ParametricActivation."""
    assert isinstance(place.layer, ParametricActivation)
    bend = place.layer.bend
    names = {"z": term(trace, place.x, row, j), "a": term(trace, f"{place.name}.F", row, j)}
    names |= {"mix": term(trace, f"{place.name}.mix", j), "alpha": Term(bend.alpha)}
    return mixed_slope(ACTIVATIONS[kind(bend)]), names


def _proof(trace: Trace, row: int) -> tuple[Number, ...]:
    """For each output dl/dz as simplified, and the product dl/dŷ · dŷ/dz that it stands for."""
    goal = LOSSES.get(kind(trace.settings.loss))
    if goal is None or goal.link.show == "z":
        return ()
    inner, outer = trace.values["dYhat_dZ"][row], trace.values["dl_dYhat"][row]
    jacobian, proof = inner if inner.ndim == 2 else np.diag(inner), list[Number]()
    for k, fused in enumerate(trace.values["dl_dZ"][row].tolist()):
        symbol = f"l[{row}]", f"{trace.output}[{row},{k}]"
        proof.append(Number(symbol, fused, goal.slope, made.output(trace, row, k)))
        if not np.isfinite(outer).all():
            note = "∂l/∂ŷ is beyond the largest float: only so can it be computed"
            proof[-1] = replace(proof[-1], note=note)
            continue
        used = np.flatnonzero(outer * jacobian[:, k])
        terms = (outer[used] * jacobian[used, k]).tolist()
        product, same = math.fsum(terms), 16 * U * math.fsum(map(abs, terms))
        agree = "the same" if abs(product - fused) <= same else f"{product - fused:.2g} apart"
        note, names, formula = f"Σ ∂l/∂ŷ · ∂ŷ/∂z of the outputs: {agree}", dict[str, Term](), None
        if len(terms) == 1:
            note = agree
            (a,) = used.tolist()
            formula = Formula("outer * inner")
            names = {"outer": Term(float(outer[a])), "inner": Term(float(jacobian[a, k]))}
        proof.append(Number(symbol, product, formula, names, note))
    return tuple(proof)
