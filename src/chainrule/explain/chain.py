"""The chain rule for one number of a trace: its factors, every way that leads there, their sum, and
what the update made of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from ..core.arrays import Array
from ..core.layers import BatchNorm, Dense, LayerNorm, Residual
from ..core.losses import Huber, Pinball, SoftmaxCrossEntropy
from .address import Address, resolve
from .formulas import ACTIVATIONS, LOSSES, OPTIMIZERS, Formula
from .trace import Place, Trace, d
from .ways import Hop, Way, ways

MOST = 8  # ways, rows and terms that are listed before "all others", unless all fit
FEW = 64  # ways of which all are listed


@dataclass(frozen=True)
class Number:
    """One named number and where it comes from: a formula over the numbers in `names`.

    `symbol` is an address, or a pair (top, bottom) for ∂top/∂bottom. Without a formula it is a
    stored number, such as a weight.
    """

    symbol: str | tuple[str, str]
    value: float
    formula: Formula | None = None
    names: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Sum:
    """`value` as a sum: the largest parts, and `rest`, which is exactly what the others add.

    `kind` says what the parts are, `count` how many there are in all.
    """

    kind: str
    parts: tuple[Number, ...]
    count: int
    rest: float
    value: float


@dataclass(frozen=True)
class Path:
    """A product: the factors from the loss back to the number, and what they come to."""

    factors: tuple[Number, ...]
    product: float


@dataclass(frozen=True)
class Explanation:
    """Why a number is what it is.

    `value` is the number: of a parameter dL/d(parameter), of all else itself. `made` is the formula
    that made it, `sums` is what it adds up from. `paths` are all paths of one row to it, or the
    largest, with `rest` for the others; `factors` those of the largest. `steps` is what the update
    made of it: penalty, clipping, optimizer, the new number. `proof` is a product before and after
    it is simplified.
    """

    address: Address
    value: float
    row: int | None = None
    made: Number | None = None
    paths: tuple[Path, ...] = ()
    count: int = 0
    rest: float = 0.0
    sums: tuple[Sum, ...] = ()
    proof: tuple[Number, ...] = ()
    steps: tuple[Number, ...] = ()

    @property
    def factors(self) -> tuple[Number, ...]:
        """The factors of the largest path."""
        return self.paths[0].factors if self.paths else ()


def explain(trace: Trace, address: str, *, row: int | None = None, most: int = MOST) -> Explanation:
    """The chain behind one number of a trace.

    `row` is the row whose paths are shown, the one that counts most if None; `most` how many
    parts are listed where there are too many. Raises ValueError for an address that names nothing.
    """
    found = resolve(trace, address)
    if found.name in trace.net.shapes:
        return _parameter(trace, found, row, most)
    return _value(trace, found, most)


def _parameter(trace: Trace, at: Address, row: int | None, most: int) -> Explanation:
    """The gradient of a parameter: each row's share of it, the paths of one row, the update."""
    place, own = _owner(trace, at.name)
    value = float(trace.values[d(at.name)][at.index])
    by_row = _shares(trace, place, own, at.index)
    chosen = int(np.abs(by_row).argmax()) if row is None else _row(trace, row)
    first = _local(trace, place, own, at.index, chosen)
    found, count = ways(trace, place.y, first, chosen, FEW)
    shown = found if count <= FEW else found[:most]
    paths = tuple(
        _path(trace, way, chosen, _last(trace, place, at, chosen, way, first)) for way in shown
    )
    rest = _rest(float(by_row[chosen]), paths) if count > FEW else 0.0
    parts = [Number(f"row {r}", share) for r, share in enumerate(by_row.tolist())]
    rows = _sum("row", parts, value, most)
    return Explanation(
        at, value, chosen, None, paths, count, rest, (rows,) if len(by_row) > 1 else (),
        _fused(trace, chosen), _update(trace, at),
    )  # fmt: skip


def _rest(value: float, paths: tuple[Path, ...]) -> float:
    """What the paths that are not listed add up to."""
    return value - math.fsum(path.product for path in paths)


def _owner(trace: Trace, name: str) -> tuple[Place, str]:
    """The place whose parameter it is, and its own name there."""
    layer, _, own = name.rpartition(".")
    return next(place for place in trace.places if place.name == layer), own


def _row(trace: Trace, row: int) -> int:
    if not 0 <= row < len(trace.batch):
        raise ValueError(f"there is no row {row}: this trace has rows 0 to {len(trace.batch) - 1}")
    return row


def _shares(trace: Trace, place: Place, own: str, index: tuple[int, ...]) -> Array:
    """What each row adds to the gradient of one parameter (n,)."""
    dY = trace.values[d(place.y)]
    if isinstance(place.layer, Dense):
        shares: Array = dY[:, index[-1]] * (1.0 if own == "b" else trace[place.x][:, index[0]])
        return shares
    shares = np.zeros(len(dY))
    for r in range(len(dY)):
        alone = np.zeros_like(dY)
        alone[r] = dY[r]
        shares[r] = place.layer.backward(place.p, place.cache, alone)[1][own][index]
    return shares


def _local(trace: Trace, place: Place, own: str, index: tuple[int, ...], row: int) -> Array:
    """∂Y[row, v] / ∂(the parameter) for each unit v (m,)."""
    dY = np.zeros_like(trace.values[d(place.y)])
    slopes = np.zeros(dY.shape[1])
    if isinstance(place.layer, Dense):
        slopes[index[-1]] = 1.0 if own == "b" else trace[place.x][row, index[0]]
        return slopes
    for v in range(len(slopes)):
        dY[row, v] = 1.0
        slopes[v] = place.layer.backward(place.p, place.cache, dY)[1][own][index]
        dY[row, v] = 0.0
    return slopes


def _path(trace: Trace, way: Way, row: int, last: Number | None) -> Path:
    """A way as factors, from the loss back to the unit it begins at, and one more to a parameter of
    that unit.
    """
    factors = [*_loss_factors(trace, way, row), *(_hop(trace, hop, row) for hop in way.hops)]
    return Path(tuple(factors if last is None else [*factors, last]), way.product)


def _last(trace: Trace, place: Place, at: Address, row: int, way: Way, first: Array) -> Number:
    """∂ Y[row, unit] / ∂(the parameter), where the way begins."""
    symbol, value = (f"{place.y}[{row},{way.start}]", str(at)), float(first[way.start])
    if not isinstance(place.layer, Dense):
        return Number(symbol, value)
    if at.name.endswith(".b"):
        return Number(symbol, value, Formula("1"))
    return Number(symbol, value, Formula("x"), {"x": value}, f"{place.x}[{row},{at.index[0]}]")


def _loss_factors(trace: Trace, way: Way, row: int) -> list[Number]:
    """∂L/∂l and ∂l/∂z; none where a layer that mixes rows comes first."""
    if way.output is None:
        return []
    output, unit, goal = trace.places[-1].y, way.output, LOSSES.get(type(trace.settings.loss))
    one = f"l[{row},{unit}]"
    return [
        Number(("L", one), float(trace.values["dL_dl"][row, 0]), note=_share_note(trace)),
        Number((one, f"{output}[{row},{unit}]"), float(trace.values["dl_dZ"][row, unit]),
               None if goal is None else goal.slope, _output_names(trace, row, unit)),
    ]  # fmt: skip


def _loss_settings(trace: Trace, unit: int) -> dict[str, float]:
    """The settings of a loss that its formulas name."""
    loss = trace.settings.loss
    found = {"delta": loss.delta} if isinstance(loss, Huber) else {}
    if isinstance(loss, Pinball):
        found = {"q": np.broadcast_to(loss.quantile, trace.values["l"].shape[1])[unit]}
    return {name: float(value) for name, value in found.items()}


def _share_note(trace: Trace) -> str:
    loss, n = trace.settings.loss, len(trace.batch)
    scale = "" if loss.scale == 1 else f"{loss.scale:g} "
    if loss.reduction == "sum":
        return f"{scale}weight" if trace.batch.weight is not None else f"{loss.scale:g}"
    return f"{scale or ''}1/{n}" if trace.batch.weight is None else f"{scale}weight / Σ weight"


def _hop(trace: Trace, hop: Hop, row: int) -> Number:
    """One local derivative as a factor."""
    place = hop.place
    bottom = f"{place.x}[{row},{hop.start}]"
    if hop.stop is None:
        return Number(("L", bottom), hop.value, note=f"every way through {place.layer}")
    symbol = f"{place.y}[{row},{hop.stop}]", bottom
    if isinstance(place.layer, Dense):
        weight = f"{place.name}.W[{hop.start},{hop.stop}]"
        return Number(symbol, hop.value, Formula("w"), {"w": hop.value}, weight)
    bend = ACTIVATIONS.get(type(place.layer))
    names = {"z": float(trace[place.x][row, hop.start]), "a": float(trace[place.y][row, hop.start])}
    names |= settings_of(place, hop.start)
    return Number(symbol, hop.value, None if bend is None else bend.slope, names)


def settings_of(place: Place, unit: int) -> dict[str, float]:
    """The settings of a layer that its formulas name, a PReLU's own alpha among them."""
    if "alpha" in place.p:
        return {"alpha": float(place.p["alpha"][unit])}
    alpha = getattr(place.layer, "alpha", None)
    return {} if alpha is None else {"alpha": float(alpha)}


def _fused(trace: Trace, row: int) -> tuple[Number, ...]:
    """For each output dl/dz, and the unfused product dl/dŷ · dŷ/dz that it stands for."""
    goal = LOSSES.get(type(trace.settings.loss))
    if goal is None or goal.link.show == "z":
        return ()
    output, found = trace.places[-1].y, []
    inner = trace.values["dYhat_dZ"][row]
    outer = trace.values["dl_dYhat"][row]
    for k, fused in enumerate(trace.values["dl_dZ"][row].tolist()):
        parts = outer * (
            inner[:, k] if inner.ndim == 2 else inner[k] * (np.arange(len(outer)) == k)
        )
        bottom = f"{output}[{row},{k}]"
        found += [
            Number((f"l[{row}]", bottom), fused, goal.slope),
            Number((f"l[{row}]", bottom), math.fsum(parts.tolist()), note="∂l/∂ŷ · ∂ŷ/∂z"),
        ]
    return tuple(found)


def _update(trace: Trace, at: Address) -> tuple[Number, ...]:
    """From the gradient to the new number: penalty, clipping, the optimizer."""
    read = {stage: float(trace.values[f"{at.name}.{stage}"][at.index])
            for stage in _stages(trace, at.name)}  # fmt: skip
    optimizer, penalty = trace.settings.optimizer, trace.settings.penalty
    theta, gradient = float(trace.net[at.name][at.index]), float(trace.values[d(at.name)][at.index])
    factor = float(trace.net.views(trace.net.decay_factor)[at.name][at.index])
    rate = float(trace.net.views(trace.net.lr_factor)[at.name][at.index])
    steps = []
    if penalty is not None:
        names = {"f": factor, "l1": penalty.l1, "l2": penalty.l2, "theta": theta}
        steps.append(Number(f"{at}.penalty", read["penalty"],
                            Formula("f * (l1 * sign(theta) + l2 * theta)"), names))  # fmt: skip
    if penalty is not None or trace.settings.clip is not None:
        names = {"gradient": gradient, "penalty": read.get("penalty", 0.0)}
        steps.append(Number(f"{at}.g", read["g"], Formula("scale * (gradient + penalty)"),
                            names | {"scale": trace.clip_scale}))  # fmt: skip
    names = {f.name: getattr(optimizer, f.name) for f in fields(optimizer)} | read
    names |= {"lr": trace.lr * rate, "decay": trace.decay * factor, "theta": theta}
    names |= {k: float(v) for k, v in trace.state.items() if np.ndim(v) == 0}
    if "t" in names:
        names["t"] += 1
    for stage in OPTIMIZERS.get(type(optimizer), ()):
        if stage.name in read:
            steps.append(Number(f"{at}.{stage.name}", read[stage.name], stage.value, names))
    steps.append(Number(f"{at}.after", read["after"], Formula("theta + delta"),
                        {"theta": theta, "delta": read["delta"]}))  # fmt: skip
    return tuple(steps)


def _stages(trace: Trace, name: str) -> list[str]:
    prefix = f"{name}."
    return [key[len(prefix) :] for key in trace.values if key.startswith(prefix)]


def _sum(kind: str, parts: Sequence[Number], value: float, most: int) -> Sum:
    """The largest parts of a sum, and what the others add."""
    listed = list(parts)
    if len(listed) > FEW:
        listed = sorted(listed, key=lambda part: -abs(part.value))[:most]
    rest = value - math.fsum(part.value for part in listed) if len(listed) < len(parts) else 0.0
    return Sum(kind, tuple(listed), len(parts), rest, value)


def _value(trace: Trace, at: Address, most: int) -> Explanation:
    """Any other number: the formula or the sum that it was made by."""
    value = float(trace[at.name][at.index])
    if at.name == "L":
        return _whole_loss(trace, at, value, most)
    behind = {d(place.y): place for place in trace.places}
    if at.name in behind or at.name == "dX":
        return _slope(trace, at, value, most)
    made = {place.y: place for place in trace.places}
    if at.name in made:
        return _unit(trace, made[at.name], at, value, most)
    goal = LOSSES.get(type(trace.settings.loss))
    formula = {"Yhat": "link", "l": "value", "dl_dZ": "slope"}.get(at.name)
    if goal is None or formula is None:
        return Explanation(at, value)
    names = _output_names(trace, *at.index)
    return Explanation(
        at, value, at.index[0], Number(str(at), value, getattr(goal, formula), names)
    )


def _slope(trace: Trace, at: Address, value: float, most: int) -> Explanation:
    """The derivative of the loss by a unit of one row: its paths."""
    row, unit = at.index
    name = next((place.y for place in trace.places if d(place.y) == at.name), "X")
    first = np.zeros(trace[name].shape[1])
    first[unit] = 1.0
    found, count = ways(trace, name, first, row, FEW)
    shown = found if count <= FEW else found[:most]
    paths = tuple(_path(trace, way, row, None) for way in shown)
    rest = _rest(value, paths) if count > FEW else 0.0
    return Explanation(at, value, row, None, paths, count, rest, (), _fused(trace, row))


def _unit(trace: Trace, place: Place, at: Address, value: float, most: int) -> Explanation:
    """A unit's pre-activation as a sum over its inputs, or its activation as a formula."""
    row, unit = at.index
    x = trace[place.x][row]
    if isinstance(place.layer, Dense):
        W, name = place.p["W"][:, unit], place.name
        products = zip(x.tolist(), W.tolist(), strict=True)
        parts = [
            Number(f"{place.x}[{row},{i}] · {name}.W[{i},{unit}]", a * w, Formula("x * w"),
                   {"x": a, "w": w})
            for i, (a, w) in enumerate(products)
        ]  # fmt: skip
        if place.layer.bias:
            parts.append(Number(f"{name}.b[{unit}]", float(place.p["b"][unit])))
        return Explanation(at, value, row, sums=(_sum("term", parts, value, most),))
    if isinstance(place.layer, Residual):
        inside = float(trace[place.inside][row, unit])
        names = {"x": float(x[unit]), "f": inside}
        return Explanation(at, value, row, Number(str(at), value, Formula("x + f"), names))
    return Explanation(at, value, row, Number(str(at), value, *_bend(place, trace, row, unit)))


def _bend(
    place: Place, trace: Trace, row: int, unit: int
) -> tuple[Formula | None, dict[str, float]]:
    """The formula of a layer in which each unit goes alone, and its numbers."""
    z = float(trace[place.x][row, unit])
    bend = ACTIVATIONS.get(type(place.layer))
    if bend is not None:
        return bend.value, {"z": z} | settings_of(place, unit)
    if "M" in place.cache:
        return Formula("x * m"), {"x": z, "m": float(place.cache["M"][row, unit])}
    if isinstance(place.layer, BatchNorm | LayerNorm):
        names = {name: float(place.p[name][unit]) for name in ("gamma", "beta")}
        return Formula("gamma * h + beta"), names | {"h": float(place.cache["H"][row, unit])}
    return None, {"x": z}


def _whole_loss(trace: Trace, at: Address, value: float, most: int) -> Explanation:
    """L as the sum of what each row's outputs cost, and the penalty."""
    shares, terms = trace.values["dL_dl"], trace.values["l"]
    parts = [
        Number(f"l[{r},{k}]", float(shares[r, 0]) * term, Formula("share * l"),
               {"share": float(shares[r, 0]), "l": term})
        for r, row in enumerate(terms.tolist()) for k, term in enumerate(row)
    ]  # fmt: skip
    if "penalty" in trace.values:
        parts.append(Number("penalty", float(trace.values["penalty"])))
    return Explanation(at, value, sums=(_sum("term", parts, value, most),))


def _output_names(trace: Trace, row: int, unit: int) -> dict[str, float]:
    """z, y and ŷ of one output of one row, with the settings of the loss."""
    sources = (("z", trace.places[-1].y), ("y", "Y"), ("p", "Yhat"))
    names = {name: float(trace[source][row, unit]) for name, source in sources}
    if isinstance(trace.settings.loss, SoftmaxCrossEntropy):
        names["total"] = math.fsum(np.exp(trace[trace.places[-1].y][row]).tolist())
    return names | _loss_settings(trace, unit)
