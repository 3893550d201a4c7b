"""How the forward numbers and those of the update were made: a formula each, or a sum."""

import math
from dataclasses import fields

import numpy as np

from ..core.activation_layers import ParametricActivation
from ..core.branch_layers import Average, Residual
from ..core.embedding_layers import CategoryEmbedding, CosineEmbedding
from ..core.layers import BatchNorm, Dense, Dropout, LayerNorm, Scale, Temperature
from ..core.losses import Huber, Pinball, SoftmaxCrossEntropy
from ..formulas import (
    ACTIVATIONS,
    AFTER,
    CLIPPED,
    LOSSES,
    MIXED,
    OPTIMIZERS,
    PENALTY,
    SCALED,
    TEMPERED,
    Formula,
    d,
    kind,
)
from ..trace.address import Address
from ..trace.step import Place, Trace
from .contributions import Contributions, contributions
from .explanation import Explanation, Number, Sum, Term, add_up, term

SHARED = Formula("share * l")  # what one output adds to L


def unit(trace: Trace, place: Place, at: Address, most: int) -> Explanation:
    """A unit's pre-activation as a sum over its inputs, or its activation as a formula."""
    row, j = at.index
    value = float(trace[at.name][at.index])
    if isinstance(place.layer, Dense):
        return Explanation(trace, at, value, row, sum=pre_activation(trace, place, row, j, most))
    if isinstance(place.layer, CosineEmbedding):
        return _embedded(trace, place, at, most)
    if isinstance(place.layer, CategoryEmbedding):
        return _picked(trace, place, at, most)
    if isinstance(place.layer, Average):
        return Explanation(trace, at, value, row, sum=_mean(trace, place, row, j, most))
    return Explanation(
        trace, at, value, row, Number(str(at), value, *_formula(trace, place, row, j))
    )


def _embedded(trace: Trace, place: Place, at: Address, most: int) -> Explanation:
    """One of the numbers that a column became: itself, or Σ_f cos u_f v_f + a."""
    assert isinstance(place.layer, CosineEmbedding)
    (row, j), value = at.index, float(trace[at.name][at.index])
    n = trace[place.x].shape[1]
    if j < n:
        names = {"x": term(trace, place.x, row, j)}
        return Explanation(trace, at, value, row, Number(str(at), value, Formula("x"), names))
    c, o = divmod(j - n, place.layer.size - 1)
    parts = []
    for f in range(place.layer.frequencies):
        wave = term(trace, f"{place.name}.C", row, c, f)
        v = term(trace, f"{place.name}.V", c, f, o)
        parts.append(_product(c=wave, v=v))
    a = term(trace, f"{place.name}.a", c, o)
    parts.append(Number(a.address, a.value, Formula("a"), {"a": a}))
    return Explanation(trace, at, value, row, sum=add_up(parts, value, most))


def _picked(trace: Trace, place: Place, at: Address, most: int) -> Explanation:
    """A column of no group, or one of the numbers that a group's columns add up to: Σ_i x_i e_i."""
    assert isinstance(place.layer, CategoryEmbedding)
    (row, j), value = at.index, float(trace[at.name][at.index])
    alone = place.layer.alone(trace[place.x].shape[1])
    if j < len(alone):
        names = {"x": term(trace, place.x, row, alone[j])}
        return Explanation(trace, at, value, row, Number(str(at), value, Formula("x"), names))
    g, o = divmod(j - len(alone), place.layer.size)
    first, behind = place.layer.groups[g]
    parts = []
    for i in range(first, behind):
        e = term(trace, f"{place.name}.E{g}", i - first, o)
        parts.append(_product(x=term(trace, place.x, row, i), e=e))
    return Explanation(trace, at, value, row, sum=add_up(parts, value, most))


def _product(**names: Term) -> Number:
    """One term of a sum of products, such as x * w."""
    (a, first), (b, second) = names.items()
    symbol, value = f"{first.address} · {second.address}", first.value * second.value
    return Number(symbol, value, Formula(f"{a} * {b}"), names)


def _mean(trace: Trace, place: Place, row: int, j: int, most: int) -> Sum:
    """y = Σ_m f_m / k."""
    parts, k = [], len(place.inside)
    for name in place.inside:
        names = {"f": term(trace, name, row, j), "k": Term(float(k))}
        made = names["f"].value / k
        parts.append(Number(f"{names['f'].address} / {k}", made, Formula("f / k"), names))
    return add_up(parts, float(trace[place.y][row, j]), most)


def pre_activation(trace: Trace, place: Place, row: int, j: int, most: int) -> Sum:
    """z = Σ_i x_i w_ij + b_j."""
    parts = []
    for i in range(trace[place.x].shape[1]):
        w = term(trace, f"{place.name}.W", i, j)
        parts.append(_product(x=term(trace, place.x, row, i), w=w))
    if f"{place.name}.b" in trace.net.shapes:
        bias = term(trace, f"{place.name}.b", j)
        parts.append(Number(bias.address, bias.value, Formula("b"), {"b": bias}))
    return add_up(parts, float(trace[place.y][row, j]), most)


def _formula(
    trace: Trace, place: Place, row: int, j: int
) -> tuple[Formula | None, dict[str, Term]]:
    """The formula of a layer in which each unit goes alone, and its terms."""
    x = term(trace, place.x, row, j)
    if kind(place.layer) in ACTIVATIONS:
        names = {"z": x} | settings(trace, place, j)
        return ACTIVATIONS[kind(place.layer)].value, names
    if isinstance(place.layer, Residual):
        return Formula("x + f"), {"x": x, "f": term(trace, place.inside[0], row, j)}
    if isinstance(place.layer, ParametricActivation):
        names = {"mix": term(trace, f"{place.name}.mix", j)}
        return MIXED, names | {"z": x, "f": term(trace, f"{place.name}.F", row, j)}
    if isinstance(place.layer, Scale):
        return SCALED, {"gamma": term(trace, f"{place.name}.gamma", j), "x": x}
    if isinstance(place.layer, Temperature):
        return TEMPERED, {"x": x, "T": term(trace, f"{place.name}.T", 0)}
    if isinstance(place.layer, Dropout):
        return Formula("x * m"), {"x": x, "m": term(trace, f"{place.name}.M", row, j)}
    if isinstance(place.layer, BatchNorm | LayerNorm):
        names = {name: term(trace, f"{place.name}.{name}", j) for name in ("gamma", "beta")}
        return Formula("gamma * h + beta"), names | {"h": term(trace, f"{place.name}.H", row, j)}
    return None, {}


def settings(trace: Trace, place: Place, j: int) -> dict[str, Term]:
    """The setting alpha that an activation's formulas name; a PReLU's is a parameter."""
    if "alpha" in place.p:
        return {"alpha": term(trace, f"{place.name}.alpha", j)}
    return {"alpha": Term(float(getattr(place.layer, "alpha", 0.0)))}


def output(trace: Trace, row: int, k: int) -> dict[str, Term]:
    """z, y and ŷ of one output of one row, with what else the loss's formulas name."""
    names = {name: term(trace, source, row, k)
             for name, source in (("z", trace.output), ("y", "Y"), ("p", "Yhat"))}  # fmt: skip
    loss = trace.settings.loss
    if isinstance(loss, SoftmaxCrossEntropy):
        Z = trace[trace.output][row]
        level = float(Z.max() + np.log(np.exp(Z - Z.max()).sum()))
        with np.errstate(over="ignore"):
            return names | {"total": Term(float(np.exp(Z).sum())), "level": Term(level)}
    if isinstance(loss, Huber):
        return names | {"delta": Term(loss.delta)}
    if isinstance(loss, Pinball):
        quantiles = np.broadcast_to(loss.quantile, trace.values["l"].shape[1])
        return names | {"q": Term(float(quantiles[k]))}
    return names


def of_output(trace: Trace, at: Address) -> Explanation:
    """ŷ, l or dl/dz of one output of one row, by the loss's formula."""
    value, (row, k) = float(trace[at.name][at.index]), at.index
    goal = LOSSES.get(kind(trace.settings.loss))
    formulas = (
        {}
        if goal is None
        else {"Yhat": goal.link, "l": goal.value, "dl_dZ": goal.slope, "dl_dYhat": goal.outer}
    )
    made = Number(str(at), value, formulas.get(at.name), output(trace, row, k))
    inputs = prediction(trace, row, k) if at.name == "Yhat" else None
    return Explanation(trace, at, value, row, made, inputs=inputs)


def prediction(trace: Trace, row: int, k: int) -> Contributions:
    """What each input added to an output of one row; of a class, against the likeliest other."""
    against = None
    if isinstance(trace.settings.loss, SoftmaxCrossEntropy):
        against = next((int(j) for j in np.argsort(-trace["Yhat"][row]) if j != k), None)
    return contributions(
        trace.net, trace["X"][row], output=k, against=against, columns=trace.columns
    )


def input_column(trace: Trace, at: Address) -> Explanation:
    """One input of one row: gradient × input of the loss, Σ x · dL/dx over the columns of X that it
    became.
    """
    assert at.column is not None
    (row,), parts = at.index, []
    for i in trace.columns[at.column]:
        names = {"x": term(trace, "X", row, i), "slope": term(trace, "dX", row, i)}
        product = names["x"].value * names["slope"].value
        parts.append(Number(f"X[{row},{i}] · dX[{row},{i}]", product, Formula("x * slope"), names))
    value = math.fsum(part.value for part in parts)
    return Explanation(trace, at, value, row, sum=add_up(parts, value, len(parts)))


def loss_parts(trace: Trace) -> list[Number]:
    """What each output of each row adds to the loss."""
    parts = []
    for row, outputs in enumerate(trace.values["l"].tolist()):
        for k, _ in enumerate(outputs):
            names = {"share": term(trace, "dL_dl", row, 0), "l": term(trace, "l", row, k)}
            product = names["share"].value * names["l"].value
            parts.append(Number(f"l[{row},{k}]", product, SHARED, names))
    return parts


def whole_loss(trace: Trace, most: int) -> Explanation:
    """L as the sum of what each row's outputs cost, and the penalty."""
    parts = loss_parts(trace)
    if "penalty" in trace.values:
        penalty = term(trace, "penalty")
        parts.append(Number("penalty", penalty.value, Formula("P"), {"P": penalty}))
    value = trace.loss
    return Explanation(trace, Address("L", ()), value, sum=add_up(parts, value, most))


def update(trace: Trace, at: Address) -> tuple[Number, ...]:
    """From the gradient of a parameter to its new number: penalty, clipping, the optimizer."""
    given = _given(trace, at)
    chosen, steps = trace.settings, list[Number]()

    def add(stage: str, formula: Formula, names: dict[str, Term]) -> None:
        made = term(trace, f"{at.name}.{stage}", *at.index)
        steps.append(Number(made.address, made.value, formula, names))

    if chosen.penalty is not None:
        add("penalty", PENALTY, given)
    if chosen.penalty is not None or chosen.clip is not None:
        add("g", CLIPPED, given)
    for stage in OPTIMIZERS.get(kind(chosen.optimizer), ()):
        if f"{at.name}.{stage.name}" in trace.values:
            add(stage.name, stage.value, given)
    add("after", AFTER, given)
    return tuple(steps)


def _given(trace: Trace, at: Address) -> dict[str, Term]:
    """Every term that the formulas of an update may name."""
    optimizer, penalty, prefix = trace.settings.optimizer, trace.settings.penalty, f"{at.name}."
    names = {
        f.name: Term(float(getattr(optimizer, f.name)))
        for f in fields(optimizer) if isinstance(getattr(optimizer, f.name), float | int)
    }  # fmt: skip
    names |= {k: Term(float(v) + 1) for k, v in trace.state.items() if k == "t"}
    names |= {
        key[len(prefix) :]: term(trace, key, *at.index)
        for key in trace.values if key.startswith(prefix)
    }  # fmt: skip
    lr, decay = (_factor(trace, at, vector) for vector in ("lr_factor", "decay_factor"))
    names |= {"lr": Term(trace.lr * lr), "decay": Term(trace.decay * decay), "f": Term(decay)}
    names |= {"theta": term(trace, at.name, *at.index)}
    names |= {"gradient": term(trace, d(at.name), *at.index)}
    names |= {"scale": Term(trace.clip_scale), "change": names["delta"]}
    if penalty is None:
        return names | {"penalty": Term(0.0)}
    return names | {"l1": Term(penalty.l1), "l2": Term(penalty.l2)}


def _factor(trace: Trace, at: Address, vector: str) -> float:
    """The learning-rate or decay factor of one parameter."""
    return float(trace.net.views(getattr(trace.net, vector))[at.name][at.index])
