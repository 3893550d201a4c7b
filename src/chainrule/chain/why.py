"""Why is my number different? Mis-steps of a calculation by hand, tried one by one."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.activation_layers import PReLU
from ..core.elementwise_layer import ElementwiseLayer
from ..core.layers import Dense
from ..core.optimizers import SGD
from ..formulas.expression import Formula, derivative_of, evaluate
from ..trace.address import Address, resolve
from ..trace.places import Place
from ..trace.step import Trace
from .explain import explain
from .explanation import Number
from .paper import Paper

EXACT = 17  # significant digits: as good as not rounded
FEW_ROWS, FEW_UNITS = 8, 250  # of a batch that is recomputed with each mis-step; its outputs


@dataclass(frozen=True)
class Reason:
    """A mis-step that makes the reader's number: its name, in words, and what it gives exactly."""

    cause: str
    text: str
    value: float


@dataclass(frozen=True)
class Why:
    """The result of `why`: the right value and the mis-steps that give the other, likeliest first.

    `what` names the number, ∂L/∂(it) for a parameter. `right` says that the reader's number is the
    value, rounded; `whole` that the mis-steps that require recomputing the step were tried too.
    """

    what: str
    mine: float
    value: float
    right: bool
    reasons: tuple[Reason, ...]
    whole: bool

    def __str__(self) -> str:
        if self.right:
            return f"{self.mine} is {self.what}, rounded: exactly {self.value!r}"
        if self.reasons:
            text = self.reasons[0].text
            return f"{self.what} is {self.value!r}; {self.mine} is what comes out {text}"
        known = "mis-step that is known here"
        if not self.whole:
            known = "mis-step of one number (the step is too large to be made anew with others)"
        return f"{self.what} is {self.value!r}; no {known} makes {self.mine} of it"


def why(trace: Trace, address: str, mine: float | str) -> Why:
    """Find the slip that explains a number calculated by hand; for a parameter, its gradient.

    Mis-steps that require recomputing the step (rounding on the way, a bias forgotten, another
    slope) are tried on batches of at most 8 rows and 250 outputs of layers. `mine` as text,
    "0.250", keeps its last digits; a number counts as written. Raises ValueError for an address
    that names nothing and for a `mine` that is not a number.
    """
    at = resolve(trace, address)
    if at.column is not None:
        raise ValueError(f"{at} is a sum over columns: ask for one number, such as X[0,0]")
    try:
        number = math.nan if isinstance(mine, bool) else float(mine)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{mine!r} is no number: give it as 0.25 or as text '0.250'")
    value = explain(trace, address).value
    tolerance = 1.0000001 * 10.0 ** -_places(mine) + 16 * math.ulp(number)  # rounded, or cut off
    right = abs(number - value) <= 0.5000001 * 10.0 ** -_places(mine)
    by_cause, whole = dict[str, Reason](), is_small(trace)
    for reason in [] if right else _reasons(trace, at, value, whole):
        if reason.cause == "neighbour" and _digits(mine) < 3:
            continue  # some other number always has these two digits
        off, best = abs(reason.value - number), by_cause.get(reason.cause)
        if off <= tolerance and (best is None or off < abs(best.value - number)):
            by_cause[reason.cause] = reason
    what = f"∂L/∂{at}" if at.name in trace.net.shapes else str(at)
    return Why(what, number, value, right, tuple(by_cause.values()), whole)


def is_small(trace: Trace) -> bool:
    """Whether a step is small enough to be recomputed with each mis-step."""
    units = sum(trace.values[place.y].size for place in trace.places)
    return len(trace.batch) <= FEW_ROWS and units <= FEW_UNITS


def _places(mine: float | str) -> int:
    """The number of decimals that a number is written with."""
    mantissa, _, power = str(mine).lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(power or 0)


def _digits(mine: float | str) -> int:
    """The number of significant digits that a number is written with."""
    mantissa = str(mine).lower().partition("e")[0]
    return len(mantissa.strip("+- ").replace(".", "").lstrip("0"))


def _reasons(trace: Trace, at: Address, value: float, whole: bool) -> Iterator[Reason]:
    """Every mis-step that can be tried, the likeliest first."""
    yield from _scaled(trace, value)
    for tried in (_update, *((_changed, _rounded) if whole else ()), _factors, _neighbours):
        yield from tried(trace, at)


def _scaled(trace: Trace, value: float) -> Iterator[Reason]:
    """Sign, ½, the number of rows."""
    m, outputs = len(trace.batch), trace.values["l"].shape[1]
    yield Reason("sign", "with the sign turned round", -value)
    yield Reason("half", "without the ½ of half squares", 2 * value)
    yield Reason("half", "with the ½ of half squares", value / 2)
    if m > 1:
        yield Reason("rows", f"without the division by the {m} rows", value * m)
        yield Reason("rows", f"divided by the {m} rows once more", value / m)
    if outputs > 1:
        yield Reason("outputs", f"divided by the {outputs} outputs", value / outputs)


def _update(trace: Trace, at: Address) -> Iterator[Reason]:
    """The learning rate forgotten, or the step in the wrong direction."""
    if at.own not in ("after", "delta") or at.owner.name not in trace.net.shapes:
        return
    theta = float(trace.net[at.owner.name][at.index])
    g = float(trace.values[f"{at.owner.name}.g"][at.index])
    delta = float(trace.values[f"{at.owner.name}.delta"][at.index])
    start = theta if at.own == "after" else 0.0
    yield Reason("learning_rate", "without the learning rate", start - g)
    yield Reason("direction", "with the step uphill instead of down", start - delta)
    if type(trace.settings.optimizer) is SGD:  # whose step is in proportion to the gradient
        for reason in _scaled(trace, delta):
            if reason.cause != "sign":
                yield Reason(reason.cause, reason.text, start + reason.value)


def _changed(trace: Trace, at: Address) -> Iterator[Reason]:
    """One number replaced by another: no activation, no bias, a slope taken elsewhere."""
    yield from _without_biases(trace, at)
    for place in trace.places:
        if not isinstance(place.layer, ElementwiseLayer | PReLU):
            continue
        inputs = {str(unit): float(trace[place.x][unit.index]) for unit in _outputs(trace, place)}
        text = f"with z in the place of a in all of layer {place.name}"
        yield _with(trace, at, inputs, "activation", text)
        for unit in _outputs(trace, place):
            z, a = (float(trace[name][unit.index]) for name in (place.x, place.y))
            text = f"with z in the place of a, of {unit}"
            yield _with(trace, at, {str(unit): z}, "activation", text)
            symbol = str(unit), str(Address(place.x, unit.index))
            for value, words in _slopes(place, z, a):
                yield _with(trace, at, {symbol: value}, "slope", f"{words} of {unit}")


def _slopes(place: Place, z: float, a: float) -> Iterator[tuple[float, str]]:
    """Values that may replace an activation's slope, in words."""
    layer = place.layer
    if isinstance(layer, ElementwiseLayer) and layer.formula and layer.slope_formula:
        value, slope = Formula.of(layer.formula), Formula.of(layer.slope_formula)

        def of(formula: Formula, z: float, a: float) -> float:
            try:
                return float(evaluate(formula, {"z": z, "a": a, **vars(layer)}))
            except (ArithmeticError, ValueError):
                return math.nan

        yield of(slope, z, z), "with z for a in the slope"
        yield of(slope, a, of(value, a, a)), "with the slope taken at a, not at z,"
    yield 1.0, "without the slope"


def _without_biases(trace: Trace, at: Address) -> Iterator[Reason]:
    """One bias forgotten, those of a layer, all of them."""
    every: dict[str, float] = {}
    for place in trace.places:
        if not isinstance(place.layer, Dense) or not place.layer.bias:
            continue
        biases = {f"{place.name}.b[{j}]": 0.0 for j in range(len(place.p["b"]))}
        for bias in biases:
            yield _with(trace, at, {bias: 0.0}, "bias", f"without the bias {bias}")
        yield _with(trace, at, biases, "bias", f"without the biases of layer {place.name}")
        every |= biases
    yield _with(trace, at, every, "bias", "without any bias")


def _with(trace: Trace, at: Address, changed: Mapping[Any, float], cause: str, text: str) -> Reason:
    """The number recomputed with some numbers changed."""
    return Reason(cause, text, _on_paper(Paper(trace, EXACT, changed=changed), at))


def _on_paper(paper: Paper, at: Address) -> float:
    """A number as this paper has it, or the gradient of a parameter."""
    is_parameter = at.name in paper.trace.net.shapes
    return paper.at(str(Address(derivative_of(at.name), at.index) if is_parameter else at))


def _rounded(trace: Trace, at: Address) -> Iterator[Reason]:
    """Rounding on the way: one number alone, one kind of numbers, or every step."""
    for places in range(4, 0, -1):
        for unit in _outputs(trace):
            value = round(float(trace[unit.name][unit.index]), places)
            text = f"with {unit} rounded to {value:g} on the way"
            yield _with(trace, at, {str(unit): value}, "rounding", text)
        hidden = {place.y: places for place in trace.places[:-1] if place.y.endswith(".A")}
        kinds = {place.y.rpartition(".")[2] for place in trace.places}
        for which, words in (
            (hidden, "hidden activations"), ({"A": places}, "activations"),
            ({"Z": places}, "pre-activations"),
            ({"A": places, "Z": places}, "activations and pre-activations"),
        ):  # fmt: skip
            if {name.rpartition(".")[2] for name in which} <= kinds:
                text = f"with all {words} rounded to {places} decimals on the way"
                yield Reason("rounding", text, _on_paper(Paper(trace, EXACT, which), at))
    for digits in range(5, 1, -1):
        text = f"with every step rounded to {digits} significant digits"
        yield Reason("rounding", text, _on_paper(Paper(trace, digits), at))


def _outputs(trace: Trace, *places: Place) -> Iterator[Address]:
    """Every output of every layer, or of these."""
    for place in places or trace.places:
        for index in np.ndindex(trace[place.y].shape):
            yield Address(place.y, tuple(int(i) for i in index))


def _factors(trace: Trace, at: Address) -> Iterator[Reason]:
    """A factor of the largest path left out."""
    explanation = explain(trace, str(at))
    if explanation.path_count != 1 or len(trace.batch) > 1:
        return
    for places in range(4, 0, -1):
        value = math.prod(round(factor.value, places) for factor in explanation.factors)
        yield Reason("rounding", f"with each factor rounded to {places} decimals", value)
    for left in explanation.factors:
        value = math.prod(factor.value for factor in explanation.factors if factor is not left)
        yield Reason("factor", f"without the factor {_symbol(left)}", value)


def _symbol(one: Number) -> str:
    return f"∂{one.symbol[0]}/∂{one.symbol[1]}" if isinstance(one.symbol, tuple) else one.symbol


def _neighbours(trace: Trace, at: Address) -> Iterator[Reason]:
    """Another number of the same value: rows and columns confused, or the next one taken."""
    name = derivative_of(at.name) if at.name in trace.net.shapes else at.name
    array, swapped = trace[name], at.index[::-1]
    if len(at.index) == 2 and all(i < n for i, n in zip(swapped, array.shape, strict=True)):
        text = f"at {Address(at.name, swapped)}: rows and columns confused"
        yield Reason("transposed", text, float(array[swapped]))
    for index in np.ndindex(array.shape):
        if index != at.index:
            other = Address(at.name, tuple(int(i) for i in index))
            yield Reason("neighbour", f"at {other}", float(array[index]))
