"""Copy as Python: a few lines that print one number of a trace, and need nothing but Python.

A small step runs from its input; a large or unusual one starts from the numbers that the number is
made of.
"""

import re
from collections.abc import Iterator
from typing import Any

from .formulas import ACTIVATIONS, LOSSES, Formula, d, kind

LINES = 20
WIDTH = 20_000  # characters that the numbers of a script may take
HELPERS = {
    "sigma": "sigma = lambda z: 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))",
    "softplus": "softplus = lambda z: max(z, 0.0) + log1p(exp(-abs(z)))",
    "Phi": "Phi = lambda z: erfc(-z * sqrt(0.5)) / 2",
    "phi": "phi = lambda z: exp(-z * z / 2) / sqrt(2 * pi)",
    "sign": "sign = lambda x: (x > 0) - (x < 0)",
}
EACH = "each = lambda f, *M: [[f(*v) for v in zip(*rows)] for rows in zip(*M)]"
DOT = "dot = lambda A, B: [[fsum(a * b for a, b in zip(r, c)) for c in zip(*B)] for r in A]"


def to_python(trace: Any, address: str) -> str:
    """At most 20 lines that print one number of a trace. Raises ValueError for an address that
    names nothing, or a number of the update.
    """
    name, index = trace.find(address)
    whole = _whole(trace, name, index)
    if whole is not None and len(whole) <= LINES and sum(map(len, whole)) <= WIDTH:
        return "\n".join(whole) + "\n"
    return "\n".join(_last(trace, name, index)) + "\n"


def _plain(trace: Any) -> bool:
    """Whether the step has nothing but Dense layers, activations and a loss that is known."""
    kinds = {kind(place.layer) for place in trace.places}
    if isinstance(getattr(trace.settings.loss, "quantile", None), tuple):
        return False  # a setting for each output
    return kinds <= {"Dense", *ACTIVATIONS} - {"PReLU"} and _kind(trace) in LOSSES


def _kind(trace: Any) -> str:
    return kind(trace.settings.loss)


def _whole(trace: Any, name: str, index: tuple[int, ...]) -> list[str] | None:
    """The step from its input to the number; None where it is not that simple."""
    steps = list(_steps(trace)) if _plain(trace) else []
    made = [line.partition(" = ")[0] for line in steps]
    if _variable(name) not in made:
        return None
    body = _needed(steps[: made.index(_variable(name)) + 1])
    called = {"each": EACH, "dot": DOT} | HELPERS
    used = [line for word, line in called.items() if any(f"{word}(" in one for one in body)]
    where = "".join(f"[{i}]" for i in index)
    return ["from math import *", *used, *body, f"print({_variable(name)}{where})"]


def _needed(body: list[str]) -> list[str]:
    """The lines that the last one needs."""
    wanted, kept = {body[-1].partition(" = ")[0]}, list[str]()
    for line in reversed(body):
        name, _, value = line.partition(" = ")
        if name in wanted:
            kept.append(line)
            wanted |= set(re.findall(r"\w+", value))
    return kept[::-1]


def _variable(name: str) -> str:
    """A Python name for a value: "0.dW" -> "dW0", "3.A" -> "A3"."""
    layer, _, own = name.rpartition(".")
    return own + layer.replace(".", "_")


def _steps(trace: Any) -> Iterator[str]:
    """A line for each value, forwards and backwards."""
    yield f"X = {trace['X'].tolist()}"
    for place in trace.places:
        x, y = _variable(place.x), _variable(place.y)
        if "W" in place.p:
            yield f"W{place.name} = {trace[f'{place.name}.W'].tolist()}"
            product = f"dot({x}, W{place.name})"
            if "b" in place.p:
                b = trace[f"{place.name}.b"].tolist()
                product = f"[[z + b for z, b in zip(row, {b})] for row in {product}]"
            yield f"{y} = {product}"
        else:
            bend = ACTIVATIONS[kind(place.layer)]
            yield f"{y} = each(lambda z: {_filled(bend.value, place.layer)}, {x})"
    yield f"Y = {trace['Y'].tolist()}"
    yield from _loss(trace, _variable(trace.output))
    yield from _back(trace)


def _loss(trace: Any, z: str) -> Iterator[str]:
    """ŷ, l, L and dL/dz."""
    loss, goal = trace.settings.loss, LOSSES[_kind(trace)]
    shares = [row[0] for row in trace["dL_dl"].tolist()]
    if _kind(trace) == "SoftmaxCrossEntropy":
        yield f"E = [[exp(z - max(row)) for z in row] for row in {z}]"
        yield "Yhat = [[e / fsum(row) for e in row] for row in E]"
        yield "l = each(lambda y, p: -y * log(p) if y else 0.0, Y, Yhat)"
    else:
        yield f"Yhat = each(lambda z: {goal.link.run}, {z})"
        yield f"l = {_of_output(goal.value, loss, z)}"
    yield f"L_data = fsum(s * t for s, row in zip({shares}, l) for t in row)"
    yield f"dl_dZ = {_of_output(goal.slope, loss, z)}"
    dZ = _variable(d(trace.output))
    yield f"{dZ} = [[s * t for t in row] for s, row in zip({shares}, dl_dZ)]"


def _of_output(formula: Formula, loss: Any, z: str) -> str:
    """A formula of the loss over every output."""
    sources = {"z": z, "y": "Y", "p": "Yhat"}
    letters = [letter for letter in sources if letter in formula.letters]
    given = ", ".join(sources[letter] for letter in letters)
    return f"each(lambda {', '.join(letters)}: {_filled(formula, loss)}, {given})"


def _back(trace: Any) -> Iterator[str]:
    """A line for each derivative, from the last layer to the first."""
    for place in reversed(trace.places):
        x, y, dy = _variable(place.x), _variable(place.y), _variable(d(place.y))
        dx = _variable(d(place.x))
        if "W" in place.p:
            yield f"dW{place.name} = dot(zip(*{x}), {dy})"
            if "b" in place.p:
                yield f"db{place.name} = [fsum(column) for column in zip(*{dy})]"
            yield f"{dx} = dot({dy}, [*zip(*W{place.name})])"
        else:
            bend = ACTIVATIONS[kind(place.layer)]
            slope = _filled(bend.slope, place.layer)
            yield f"{dx} = each(lambda d, z, a: d * ({slope}), {dy}, {x}, {y})"


def _filled(formula: Formula, owner: Any) -> str:
    """What a formula runs, with the numbers of its layer or loss for their names."""
    text = formula.run
    for name in ("alpha", "delta"):
        if name in formula.letters:
            text = text.replace(name, repr(float(getattr(owner, name))))
    if "q" in formula.letters:
        text = text.replace("q", repr(owner.quantile))
    return text


def _last(trace: Any, name: str, index: tuple[int, ...]) -> list[str]:
    """The number from those it is made of."""
    made = {place.y: place for place in trace.places}
    behind = {d(f"{place.name}.W"): place for place in trace.places if "W" in place.p}
    biases = {d(f"{place.name}.b"): place for place in trace.places if "b" in place.p}
    head = ["from math import fsum"]
    if name in behind:
        place, (i, j) = behind[name], index
        x, dz = trace[place.x][:, i].tolist(), trace[d(place.y)][:, j].tolist()
        return [*head, f"x = {x}  # {place.x}[:,{i}]", f"dz = {dz}  # {d(place.y)}[:,{j}]",
                "print(fsum(a * b for a, b in zip(x, dz)))"]  # fmt: skip
    if name in biases:
        dz = trace[d(biases[name].y)][:, index[0]].tolist()
        return [*head, f"dz = {dz}", "print(fsum(dz))"]
    if name in made and "W" in made[name].p:
        place, (r, j) = made[name], index
        x, w = trace[place.x][r].tolist(), place.p["W"][:, j].tolist()
        b = float(place.p["b"][j]) if "b" in place.p else 0.0
        return [*head, f"x = {x}  # {place.x}[{r},:]", f"w = {w}  # {place.name}.W[:,{j}]",
                f"print(fsum([*(a * b for a, b in zip(x, w)), {b!r}]))"]  # fmt: skip
    raise ValueError(
        f'"{name}" has no script of its own: ask for a gradient such as 0.dW[0,0], or a '
        "pre-activation such as 0.Z[0,0]"
    )
