"""The chain rule for one number of a trace: its factors, every path that leads there, their sum,
and what the update made of it.
"""

import math
from dataclasses import replace

import numpy as np

from ..core.arrays import Array
from ..core.checks import require_count
from ..core.layers import Dense
from ..formulas.expression import Formula, derivative_of
from ..renamed import renamed_arguments
from ..trace.address import Address, resolve
from ..trace.places import Place
from ..trace.step import Trace
from .explanation import ALWAYS_LISTED, Explanation, Number, Path, Term, add_up, term
from .numbers import Filled, input_column, number, of_value, share_note, update
from .paths import Hop, UnitPath, largest_paths

MAX_LISTED = 8  # parts listed before "all others", if not all are listed
U = 2.0**-53
MAX_PATHS = 4096  # paths of which all can be listed


@renamed_arguments(most="max_listed")
def explain(
    trace: Trace, address: str, *, row: int | None = None, max_listed: int = MAX_LISTED
) -> Explanation:
    """The chain behind one number of a trace.

    `row` is the row whose paths are shown, by default the one that adds most. If there are too many
    paths or parts of a sum to list them all, the `max_listed` largest are listed. Raises ValueError
    for an address that names nothing.
    """
    at = resolve(trace, address)
    require_count("explain", "max_listed", max_listed)
    last = len(trace.batch) - 1
    if row is not None and not (isinstance(row, int | np.integer) and 0 <= row <= last):
        raise ValueError(f"there is no row {row!r}: this trace has rows 0 to {last}")
    value_of = {derivative_of(place.y): place.y for place in trace.places} | {"dX": "X"}
    if at.column is not None:
        return input_column(trace, at, at.column)
    slopes = {derivative_of(name): name for name in trace.net.shapes}
    if at.name in trace.net.shapes or at.name in slopes:
        return _parameter(trace, Address(slopes.get(at.name, at.name), at.index), row, max_listed)
    if at.name in value_of:
        return _slope(trace, at, value_of[at.name], max_listed)
    return of_value(trace, at, max_listed)


def _parameter(trace: Trace, at: Address, row: int | None, max_listed: int) -> Explanation:
    """The gradient of a parameter: each row's share of it, the paths of one row, the update."""
    place = next(place for place in trace.places if place.name == at.owner.name)
    value = float(trace.values[derivative_of(at.name)][at.index])
    by_row = _shares(trace, place, at)
    chosen = int(np.abs(by_row).argmax()) if row is None else row
    first = _local(trace, place, at, chosen)
    parts = [Number(f"row {r}", share) for r, share in enumerate(by_row.tolist())]
    return replace(
        _along(trace, at, place.y, first, chosen, float(by_row[chosen]), max_listed, place),
        value=value, sum=add_up(parts, value, max_listed) if len(parts) > 1 else None,
        steps=update(trace, at),
    )  # fmt: skip


def _slope(trace: Trace, at: Address, name: str, max_listed: int) -> Explanation:
    """The derivative of the loss by a unit of one row: its paths."""
    row, unit = at.index
    first = np.eye(trace[name].shape[1])[unit]
    return _along(trace, at, name, first, row, float(trace[at.name][at.index]), max_listed)


def _along(
    trace: Trace, at: Address, name: str, first: Array, row: int, value: float, max_listed: int,
    place: Place | None = None,
) -> Explanation:  # fmt: skip
    """What all paths of one row from the units of a value to the loss add up to; `first` is what
    each unit's derivative is multiplied by, for a parameter of the layer `place`.
    """

    def path(units: UnitPath) -> Path:
        hops = (_hop(trace, hop, row) for hop in units.hops)
        last, unit = list[Number](), (row, units.start)
        if place is not None:  # where the path begins
            target, slope = Address(f"d{at.own}", at.index), float(first[units.start])
            last = [_local_slope(trace, place, target, unit, str(at), slope)]
        return Path((*_loss_factors(trace, units, row), *hops, *last), units.product)

    listed = min(max(ALWAYS_LISTED, max_listed), MAX_PATHS)
    largest, count = largest_paths(trace, name, first, row, listed)
    paths = tuple(path(units) for units in (largest if count <= listed else largest[:max_listed]))
    blocked = () if count else largest_paths(trace, name, first, row, 1, blocked=True)[0]
    rest = value - math.fsum(one.product for one in paths) if count > len(paths) else 0.0
    return Explanation(
        trace, at, value, row, paths=paths, path_count=count, rest=rest, proof=_proof(trace, row),
        blocked=path(blocked[0]) if blocked else None,
    )  # fmt: skip


def _dense_inputs(trace: Trace, place: Place, at: Address) -> Array | None:
    """The derivative of each row's output by a weight or bias of a Dense; None for other layers."""
    if not isinstance(place.layer, Dense):
        return None
    X: Array = trace[place.x]
    return X[:, at.index[0]] if at.own == "W" else np.ones(len(X))


def _gradient(place: Place, at: Address, dY: Array) -> float:
    """The gradient of a parameter for a derivative by the output of its layer."""
    return float(place.layer.backward(place.p, place.cache, dY)[1][at.own][at.index])


def _shares(trace: Trace, place: Place, at: Address) -> Array:
    """What each row adds to the gradient of one parameter (n,)."""
    dY, inputs = trace.values[derivative_of(place.y)], _dense_inputs(trace, place, at)
    if inputs is not None:
        return np.asarray(dY[:, at.index[-1]] * inputs)
    rows = np.arange(len(dY))[:, None]
    return np.array([_gradient(place, at, np.where(rows == r, dY, 0.0)) for r in range(len(dY))])


def _local(trace: Trace, place: Place, at: Address, row: int) -> Array:
    """∂Y[row, v] / ∂(the parameter) for each unit v (m,)."""
    dY, inputs = np.zeros_like(trace[place.y]), _dense_inputs(trace, place, at)
    slopes = np.zeros(dY.shape[1])
    if inputs is not None:
        slopes[at.index[-1]] = inputs[row]
        return slopes
    for v in range(len(slopes)):
        dY[row, v] = 1.0
        slopes[v] = _gradient(place, at, dY)
        dY[row, v] = 0.0
    return slopes


def _hop(trace: Trace, hop: Hop, row: int) -> Number:
    """One local derivative as a factor."""
    place, bottom = hop.place, f"{hop.x}[{row},{hop.start}]"
    if hop.stop is None:
        return Number(("L", bottom), hop.value, note=f"every way through {place.layer}")
    target = Address(f"d{place.layer.takes}" if hop.x == place.x else "dF", (row, hop.start))
    return _local_slope(trace, place, target, (row, hop.stop), bottom, hop.value)


def _local_slope(
    trace: Trace, place: Place, target: Address, unit: tuple[int, int], bottom: str, value: float
) -> Number:
    """∂Y[unit] / ∂(something): the factor of dY[unit] in the equation that the layer states for
    that derivative of the loss.
    """
    output = Address(place.y, unit)
    symbol = str(output), bottom
    for stated in trace.stated[place.name]:
        at = stated.match(target.index) if stated.own == target.name else None
        if at is not None:
            return Filled(trace, stated, at).multiplier(f"d{output.own}", unit, symbol, value)
    return Number(symbol, value)


def _loss_factors(trace: Trace, units: UnitPath, row: int) -> list[Number]:
    """∂L/∂l and ∂l/∂z; none where a layer that mixes rows comes first."""
    if units.output is None:
        return []
    share, one = term(trace, "dL_dl", row, 0), f"l[{row},{units.output}]"
    slope = replace(
        number(trace, Address("dl_dZ", (row, units.output))),
        symbol=(one, f"{trace.output}[{row},{units.output}]"),
    )
    return [Number(("L", one), share.value, note=share_note(trace)), slope]


def _proof(trace: Trace, row: int) -> tuple[Number, ...]:
    """For each output dl/dz as simplified, and the product dl/dŷ · dŷ/dz that it stands for."""
    if not trace.settings.loss.outer_formula:
        return ()
    inner, outer = trace.values["dYhat_dZ"][row], trace.values["dl_dYhat"][row]
    jacobian, proof = inner if inner.ndim == 2 else np.diag(inner), list[Number]()
    for k, fused in enumerate(trace.values["dl_dZ"][row].tolist()):
        symbol = f"l[{row}]", f"{trace.output}[{row},{k}]"
        proof.append(replace(number(trace, Address("dl_dZ", (row, k))), symbol=symbol))
        if not np.isfinite(outer).all():
            note = "∂l/∂ŷ is beyond the largest float: only so can it be computed"
            proof[-1] = replace(proof[-1], note=note)
            continue
        used = np.flatnonzero(outer * jacobian[:, k])
        terms = (outer[used] * jacobian[used, k]).tolist()
        product, same = math.fsum(terms), 16 * U * math.fsum(map(abs, terms))
        agree = "the same" if abs(product - fused) <= same else f"{product - fused:.2g} apart"
        unfused = Number(symbol, product, note=f"Σ ∂l/∂ŷ · ∂ŷ/∂z of the outputs: {agree}")
        if len(used) == 1:
            names = {
                "outer": Term(float(outer[used[0]])),
                "inner": Term(float(jacobian[used[0], k])),
            }
            unfused = Number(symbol, product, Formula("outer * inner"), names, agree)
        proof.append(unfused)
    return tuple(proof)
