"""What made the numbers that are neither units nor slopes: statistics, masks, shares, norms."""

import math

from ..core.activation_layers import ParametricActivation
from ..core.embedding_layers import CosineEmbedding
from ..core.layers import BatchNorm, LayerNorm
from ..formulas import (
    ACTIVATIONS,
    CLIP,
    CROSSED,
    KEPT,
    LOSSES,
    MOVED,
    NORMALISED,
    WAVES,
    Formula,
    kind,
)
from ..trace.address import Address
from ..trace.step import Place, Trace
from .explanation import Explanation, Number, Term, add_up, term
from .made import loss_parts, output

ALL_PARAMETERS = {
    "norm": "√ Σ g² of all parameters",
    "penalty": "Σ f (l1 |θ| + l2 θ² / 2) of all parameters",
}


def stored(trace: Trace, at: Address, most: int) -> Explanation:
    """The formula or the sum behind one of them; a note for what was given."""
    value = float(trace[at.name][at.index])
    place = next((one for one in trace.places if one.name == at.owner.name), None)
    if at.name == "L_data":
        return Explanation(trace, at, value, sum=add_up(loss_parts(trace), value, most))
    if place is not None and at.name in trace.values and at.own in ("mean", "var"):
        parts = _moments(trace, place, at)
        return Explanation(trace, at, value, sum=add_up(parts, value, most))
    return Explanation(trace, at, value, made=_made(trace, at, value, place))


def _made(trace: Trace, at: Address, value: float, place: Place | None) -> Number:
    """The number with its formula, or with where it comes from in words."""
    symbol, settings = str(at), trace.settings
    if place is not None and at.own in ("H", "S"):
        return Number(symbol, value, NORMALISED[at.own], _normalised(trace, place, at))
    if place is not None and isinstance(place.layer, CosineEmbedding) and at.own in WAVES:
        r, *wave = at.index
        names = {key: term(trace, f"{place.name}.{key}", *wave) for key in ("w", "b")}
        column = place.layer.embedded(trace[place.x].shape[1])[wave[0]]
        names |= {"x": term(trace, place.x, r, column), "pi": Term(math.pi)}
        return Number(symbol, value, WAVES[at.own], names)
    if place is not None and isinstance(place.layer, ParametricActivation) and at.own == "F":
        names = {"z": term(trace, place.x, *at.index)} | {"alpha": Term(place.layer.bend.alpha)}
        return Number(symbol, value, ACTIVATIONS[kind(place.layer.bend)].value, names)
    if place is not None and at.own == "M":
        rate = {"rate": term(trace, f"{place.name}.rate")}
        return Number(symbol, value, KEPT if value else Formula("0"), rate)
    if at.own == "after" and at.owner.name in trace.net.buffer_shapes:
        return _buffer(trace, at, value)
    if at.name == "clip":
        names = {"limit": Term(float(settings.clip or 0.0)), "norm": term(trace, "norm")}
        return Number(symbol, value, CLIP, names)
    if at.name == "dYhat_dZ":
        return Number(symbol, value, *_slope_of_link(trace, at))
    if at.name == "dL_dl":
        return Number(symbol, value, note=share_note(trace))
    inside = at.own == "dX" and at.name != "dX"
    note = "through the branch alone" if inside else ALL_PARAMETERS.get(at.name, "given")
    return Number(symbol, value, note=note)


def _moments(trace: Trace, place: Place, at: Address) -> list[Number]:
    """What the mean or the variance of a row (LayerNorm) or column (BatchNorm) adds up from."""
    X, formula = trace[place.x], Formula("x / n" if at.own == "mean" else "(x - mean)**2 / n")
    by_row = isinstance(place.layer, LayerNorm)
    i, n = at.index[0], X.shape[1 if by_row else 0]
    names = {"n": Term(float(n)), "mean": term(trace, f"{place.name}.mean", *at.index)}
    parts = []
    for k in range(n):
        x = term(trace, place.x, *((i, k) if by_row else (k, i)))
        apart = x.value if at.own == "mean" else (x.value - names["mean"].value) ** 2
        parts.append(Number(f"{x.address} / {n}", apart / n, formula, names | {"x": x}))
    return parts


def _normalised(trace: Trace, place: Place, at: Address) -> dict[str, Term]:
    """The terms of h and s."""
    layer, name = place.layer, place.name
    assert isinstance(layer, BatchNorm | LayerNorm)
    group = at.index
    if at.own == "H":
        group = (at.index[0], 0) if isinstance(layer, LayerNorm) else at.index[1:]
    names = {key: term(trace, f"{name}.{key}", *group) for key in ("mean", "var")}
    names |= {"s": term(trace, f"{name}.S", *group), "epsilon": Term(layer.epsilon)}
    return names | ({"x": term(trace, place.x, *at.index)} if at.own == "H" else {})


def _buffer(trace: Trace, at: Address, value: float) -> Number:
    """A running mean or variance after the step; a dropout's rate stays."""
    name, n = at.owner.name, len(trace.batch)
    if name not in trace.values or n < 2:
        return Number(str(at), value, note="as before the step")
    place = next(one for one in trace.places if one.name == at.owner.owner.name)
    assert isinstance(place.layer, BatchNorm)
    share = n / (n - 1) if at.owner.own == "var" else 1.0
    batch = Term(float(trace[name][at.index]) * share)
    before = Term(float(trace.net[name][at.index]))
    names = {"momentum": Term(place.layer.momentum), "before": before, "batch": batch}
    return Number(str(at), value, MOVED, names)


def _slope_of_link(trace: Trace, at: Address) -> tuple[Formula | None, dict[str, Term]]:
    """dŷ/dz of one output, of softmax dŷ_a/dz_b."""
    row, *units = at.index
    goal = LOSSES.get(kind(trace.settings.loss))
    if len(set(units)) == 1:
        return goal and goal.inner, output(trace, row, units[0])
    p, q = (term(trace, "Yhat", row, unit) for unit in units)
    return CROSSED, {"p": p, "q": q}


def share_note(trace: Trace) -> str:
    """Where a row's share in the loss comes from."""
    loss, n = trace.settings.loss, len(trace.batch)
    if n == 1 and loss.scale == 1:
        return ""
    scale = "" if loss.scale == 1 else f"{loss.scale:g} "
    if n == 1:
        return f"{loss.scale:g}"
    if loss.reduction == "sum":
        return f"{scale}weight" if trace.batch.weight is not None else f"{loss.scale:g}"
    return f"{scale}1/{n}" if trace.batch.weight is None else f"{scale}weight / Σ weight"
