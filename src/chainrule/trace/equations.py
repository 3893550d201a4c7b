"""The equation of every number of a trace, as the layers, the loss, the penalty and the optimizer
state it, with the names of its numbers in this trace.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from itertools import chain
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..formulas.equation import Equation, equation
from ..formulas.expression import Formula, Text, derivative_of, indexed
from .places import Place, StepNumbers

OUTPUT = {"z": "[r,k]", "y": "[r,k]", "p": "[r,k]"}  # the letters of a loss, of one output
CROSSED = {"p": "[r,a]", "q": "[r,b]"}  # of one output and another


def equations(
    trace: StepNumbers, of_layers: Mapping[str, Sequence[Equation]]
) -> dict[str, list[Equation]]:
    """The equations of each value by its name; inputs and values without a statement have none.

    Raises ValueError for a loss, penalty or optimizer that names something unknown.
    """
    by_value: dict[str, list[Equation]] = {}
    for stated in (*chain(*of_layers.values()), *_of_loss(trace), *_of_update(trace)):
        if stated.value in trace.values:
            by_value.setdefault(stated.value, []).append(stated)
    return by_value


def of_layer(trace: StepNumbers, place: Place) -> Iterator[Equation]:
    """The equations of one layer. Raises ValueError for one that names something unknown."""
    for text in place.layer.equations(trace[place.x].shape[1]):
        with _stated_by(place.layer, text):
            stated = _of_place(trace, place, text)
        yield from stated


@contextmanager
def _stated_by(owner: object, text: Text) -> Iterator[None]:
    """Turn a failure to read a text into a sentence that names the class which states it."""
    try:
        yield
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError) as error:
        name = type(owner).__name__
        raise ValueError(f"{name} states {text!r}, which cannot be read: {error}") from error


def _of_place(trace: StepNumbers, place: Place, text: Text) -> Iterator[Equation]:
    layer, name = place.layer, place.name
    special: dict[str, Any] = {
        layer.takes: place.x,
        f"d{layer.takes}": f"{name[:-2]}.dX" if name.endswith(".0") else derivative_of(place.x),
        "F": place.inside,
        "dF": tuple(map(derivative_of, place.inside)),
        "dB": tuple(f"{name}.{prefix}dX" for prefix in layer.branches),
    }

    def array(own: str) -> Any:
        if own.endswith("_before"):
            return trace.net[f"{name}.{own.removesuffix('_before')}"]
        return special.get(own) or f"{name}.{own.replace('_after', '.after')}"

    def setting(letter: str) -> Any:
        if letter == "n":
            return len(trace.batch) if layer.reach == "batch" else trace[place.x].shape[1]
        if letter == "pi":
            return math.pi
        return f"{name}.{letter}" if letter in place.p else getattr(layer, letter)

    stated = equation(text, array, setting, trace)
    if isinstance(stated.value, str):
        return iter([stated])
    # one for each branch, which the first index counts
    return (replace(stated, value=value, index=stated.index[1:]) for value in stated.value)


def _of_loss(trace: StepNumbers) -> Iterator[Equation]:
    """ŷ, l and its derivatives of one output; each row's share; L."""
    loss, batch, symbols = trace.settings.loss, trace.batch, dict(trace.settings.loss.symbols)
    numbers: dict[str, Any] = {"n": len(batch), "L_data": "L_data", "penalty": "penalty"}
    arrays: dict[str, Any] = dict.fromkeys("zZ", trace.output) | dict.fromkeys("pq", "Yhat")
    arrays |= {"y": "Y", "weight": batch.weight, "dZ": derivative_of(trace.output)}
    for field in fields(loss):
        value = getattr(loss, field.name)
        if isinstance(value, tuple):  # one for each output
            arrays[field.name] = np.array(value)
            symbols = {s: indexed(text, {field.name: "[k]"}) for s, text in symbols.items()}

    def array(own: str) -> Any:
        return arrays.get(own, own)

    def stated(left: str, right: Text, places: Mapping[str, str] = OUTPUT) -> Iterator[Equation]:
        formula = Formula.of(right)
        if formula.show:
            show, run = (f"{left} = {indexed(f, places)}" for f in (formula.show, formula.run))
            with _stated_by(loss, right):
                bound = equation((show, run), array, _setting(numbers, loss), trace, symbols)
            yield bound

    yield from stated("Yhat[r,k]", loss.link_formula)
    yield from stated("l[r,k]", loss.formula)
    yield from stated("dl_dZ[r,k]", loss.slope_formula)
    yield from stated("dl_dYhat[r,k]", loss.outer_formula or loss.slope_formula)
    yield from stated(f"dYhat_dZ[r,k{',k' * bool(loss.cross_formula)}]", loss.inner_formula)
    yield from stated("dYhat_dZ[r,a,b]", loss.cross_formula, CROSSED)
    share = "scale" if batch.weight is None else "scale * weight[r]"
    if loss.reduction == "mean":
        share += " / n" if batch.weight is None else " / sum_q(weight[q])"
    yield from stated("dL_dl[r,0]", share, {})
    yield from stated("dZ[r,k]", "dL_dl[r,0] * dl_dZ[r,k]", {})
    yield from stated("L_data", "sum_rk(dL_dl[r,0] * l[r,k])", {})
    yield from stated("L", "L_data + penalty" if "penalty" in trace.values else "L_data", {})


def _of_update(trace: StepNumbers) -> Iterator[Equation]:
    """The penalty and the norm of all parameters; what the update made of each."""
    net, penalty, values = trace.net, trace.settings.penalty, trace.values
    rates, decays = net.views(net.lr_factor), net.views(net.decay_factor)
    arrays: dict[str, Any] = {name: name for name in values}
    costs, squares = list[str](), list[str]()
    for p, name in enumerate(net.shapes):
        letters = "ijkm"[: len(net.shapes[name])]
        at = f"[{','.join(letters)}]" if letters else ""
        arrays |= {f"theta{p}": name, f"f{p}": decays[name], f"g{p}": derivative_of(name)}
        arrays |= {f"c{p}": f"{name}.penalty"}
        total = f"sum_{letters}" if letters else ""
        if penalty is not None and penalty.formula:
            own = indexed(penalty.formula, {"theta": f"{p}{at}", "f": f"{p}{at}"})
            costs.append(f"{total}({own})")
        cost = f" + c{p}{at}" if penalty is not None else ""
        squares.append(f"{total}((g{p}{at}{cost})**2)")
        yield from _of_parameter(trace, name, at, trace.lr * rates[name], decays[name])
    numbers = {"limit": trace.settings.clip, "norm": "norm"}
    stated: dict[str, Text] = {"penalty": f"penalty = {' + '.join(costs)}"} if costs else {}
    stated |= {
        "norm": f"norm = sqrt({' + '.join(squares)})",
        "clip": ("clip = min(1, limit / norm)", "clip = min(1, limit / norm) if norm > 0 else 1"),
    }
    for name in stated.keys() & values.keys():
        with _stated_by(penalty, stated[name]):
            bound = equation(stated[name], arrays.__getitem__, _setting(numbers, penalty), trace)
        yield bound


def _of_parameter(
    trace: StepNumbers, name: str, at: str, lr: Array, factor: Array
) -> Iterator[Equation]:
    """Penalty, clipping, the optimizer's stages, the new number."""
    optimizer, penalty, values = trace.settings.optimizer, trace.settings.penalty, trace.values
    arrays: dict[str, Any] = {"theta": name, "gradient": derivative_of(name), "lr": lr, "f": factor}
    arrays |= {"decay": trace.decay * factor, "change": f"{name}.delta"}
    arrays |= {key[len(name) + 1 :]: key for key in values if key.startswith(f"{name}.")}
    numbers = arrays | {"t": int(trace.state["t"]) + 1 if "t" in trace.state else 0}
    numbers |= {"scale": "clip" if "clip" in values else 1.0}
    numbers |= {"penalty": 0.0} if penalty is None else {}
    changed = penalty is not None or "clip" in values
    stages: list[tuple[object, str, str]] = [
        (penalty, "penalty", "" if penalty is None else penalty.slope_formula),
        (None, "g", "scale * (gradient + penalty)" if changed else "gradient"),
        *((optimizer, stage, formula) for stage, formula in optimizer.stages),
        (None, "after", "theta + change"),
    ]
    for owner, stage, formula in stages:
        if formula and f"{name}.{stage}" in values:
            with _stated_by(owner, formula):
                text = f"{stage}{at} = {indexed(formula, dict.fromkeys(arrays, at))}"
                bound = equation(text, arrays.__getitem__, _setting(numbers, owner), trace)
            yield bound


def _setting(numbers: Mapping[str, Any], owner: object) -> Callable[[str], Any]:
    """What a name without index is: a number of the step, or a setting of its owner."""
    return lambda letter: numbers[letter] if letter in numbers else getattr(owner, letter)
