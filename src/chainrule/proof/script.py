"""Copy as Python: a few lines that print one number of a trace, and need nothing but Python.

A small step runs from its input; a large or unusual one starts from the numbers that the number is
made of, by the same rule that proves it.
"""

import ast
import math
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..formulas.expression import FUNCTIONS, Formula, Text, derivative_of
from .arithmetic import Named, Written, written
from .recompute import Recomputation

LINES = 20
WIDTH = 20_000  # characters that the numbers of a script may take
HELPERS = {
    "sigma": "sigma = lambda z: 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))",
    "softplus": "softplus = lambda z: max(z, 0.0) + log1p(exp(-abs(z)))",
    "Phi": "Phi = lambda z: erfc(-z * sqrt(0.5)) / 2",
    "phi": "phi = lambda z: exp(-z * z / 2) / sqrt(2 * pi)",
    "ratio": "ratio = lambda a, b: a / b if a else 0.0",
    "sign": "sign = lambda x: (x > 0) - (x < 0)",
}
PRODUCT = "sum_i(X[r,i] * W[i,j])"
EACH = "each = lambda f, *M: [[f(*v) for v in zip(*rows)] for rows in zip(*M)]"
DOT = "dot = lambda A, B: [[fsum(a * b for a, b in zip(r, c)) for c in zip(*B)] for r in A]"


def to_python(trace: Any, address: str) -> str:
    """At most 20 lines that print one number of a trace; of a parameter, its gradient.

    Raises ValueError for an address that names nothing, and for a number without a formula.
    """
    name, index = trace.find(address)
    if len(index) < len(trace[name].shape):
        raise ValueError(f"{address} is a sum over columns: ask for one number, such as X[0,0]")
    if name in trace.net.shapes:
        name = derivative_of(name)
    whole = _whole(trace, name, index)
    if whole is not None and len(whole) <= LINES and sum(map(len, whole)) <= WIDTH:
        return "\n".join(whole) + "\n"
    return "\n".join(_alone(trace, name, index)) + "\n"


def _plain(trace: Any) -> bool:
    """Whether the step has nothing but Dense layers, activations without numbers of their own and a
    loss that states its formulas, with the same settings for every output.
    """
    loss = trace.settings.loss
    plain = all(_dense(trace, place) or _activation(trace, place) for place in trace.places)
    stated = all((loss.formula, loss.slope_formula, loss.link_formula))
    settings = [getattr(loss, field.name) for field in fields(loss)]
    return plain and stated and not any(isinstance(value, tuple) for value in settings)


def _dense(trace: Any, place: Any) -> bool:
    """Whether a layer states that it is X W, or X W + b."""
    formulas = {one.formula.show for one in trace.stated[place.name] if one.value == place.y}
    return formulas in ({PRODUCT}, {f"{PRODUCT} + b[j]"})


def _activation(trace: Any, place: Any) -> Any:
    """The activation that states its formulas; None for another layer, or one with parameters."""
    layer = None if place.p or not trace.stated[place.name] else place.layer
    return layer if getattr(layer, "formula", "") and getattr(layer, "slope_formula", "") else None


def _whole(trace: Any, name: str, index: tuple[int, ...]) -> list[str] | None:
    """The step from its input to the number; None where it is not that simple."""
    steps = list(_steps(trace)) if _plain(trace) else []
    made = [line.partition(" = ")[0] for line in steps]
    if _variable(name) not in made:
        return None
    where = "".join(f"[{i}]" for i in index)
    body = steps[: made.index(_variable(name)) + 1]
    return _complete([*body, f"print({_variable(name)}{where})"])


def _complete(lines: list[str]) -> list[str]:
    """The lines that the last one needs, below the functions that they call."""
    body = _needed(lines)
    called = {"each": EACH, "dot": DOT} | HELPERS
    used = [line for word, line in called.items() if any(f"{word}(" in one for one in body)]
    words = re.findall(r"\w+", " ".join([*used, *body]))
    return ["from math import *"] * any(word in vars(math) for word in words) + [*used, *body]


def _needed(lines: list[str]) -> list[str]:
    """The last line, and those that make what it names."""
    wanted, kept = set(re.findall(r"\w+", lines[-1])), [lines[-1]]
    for line in reversed(lines[:-1]):
        name, _, value = line.partition("  # ")[0].partition(" = ")
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
            activation = _activation(trace, place)
            formula = Formula.of(activation.formula)
            yield f"{y} = each(lambda z: {_filled(formula, activation)}, {x})"
    yield f"Y = {trace['Y'].tolist()}"
    yield from _loss(trace, _variable(trace.output))
    yield from _back(trace)


def _loss(trace: Any, z: str) -> Iterator[str]:
    """ŷ, l, L and dL/dz."""
    loss = trace.settings.loss
    shares = [row[0] for row in trace["dL_dl"].tolist()]
    if loss.cross_formula:
        yield f"E = [[exp(z - max(row)) for z in row] for row in {z}]"
        yield "Yhat = [[e / fsum(row) for e in row] for row in E]"
        yield f"top = [max(row) + log(fsum(e)) for row, e in zip({z}, E)]"
        yield f"l = [[y * (t - z) for y, z in zip(*rows)] for t, *rows in zip(top, Y, {z})]"
    else:
        yield f"Yhat = each(lambda z: {Formula.of(loss.link_formula).run}, {z})"
        yield f"l = {_of_output(loss.formula, loss, z)}"
    yield f"L_data = fsum(s * t for s, row in zip({shares}, l) for t in row)"
    if "penalty" not in trace.values:
        yield "L = L_data"
    yield f"dl_dZ = {_of_output(loss.slope_formula, loss, z)}"
    dZ = _variable(derivative_of(trace.output))
    yield f"{dZ} = [[s * t for t in row] for s, row in zip({shares}, dl_dZ)]"


def _of_output(text: Text, loss: Any, z: str) -> str:
    """A formula of the loss over every output."""
    formula = Formula.of(text)
    sources = {"z": z, "y": "Y", "p": "Yhat"}
    letters = [letter for letter in sources if letter in formula.letters]
    given = ", ".join(sources[letter] for letter in letters)
    return f"each(lambda {', '.join(letters)}: {_filled(formula, loss)}, {given})"


def _back(trace: Any) -> Iterator[str]:
    """A line for each derivative, from the last layer to the first."""
    for place in reversed(trace.places):
        x, y, dy = _variable(place.x), _variable(place.y), _variable(derivative_of(place.y))
        dx = _variable(derivative_of(place.x))
        if "W" in place.p:
            yield f"dW{place.name} = dot(zip(*{x}), {dy})"
            if "b" in place.p:
                yield f"db{place.name} = [fsum(column) for column in zip(*{dy})]"
            yield f"{dx} = dot({dy}, [*zip(*W{place.name})])"
        else:
            activation = _activation(trace, place)
            slope = _filled(Formula.of(activation.slope_formula), activation)
            yield f"{dx} = each(lambda d, z, a: d * ({slope}), {dy}, {x}, {y})"


def _filled(formula: Formula, owner: Any) -> str:
    """What a formula runs, with the numbers of its layer or loss for their names."""
    text, symbols = formula.run, getattr(owner, "symbols", {})
    for letter in formula.letters - {*"zayp", *FUNCTIONS}:
        value = repr(float(getattr(owner, symbols.get(letter, letter))))
        text = re.sub(rf"\b{letter}\b", value, text)
    return text


def _alone(trace: Any, name: str, index: tuple[int, ...]) -> list[str]:
    """The number from those that it is made of, by its rule."""
    for copied in (Copied(trace), Copied(trace, named=False)):
        if name not in copied.names:
            return [f"print({float(trace[name][index])!r})"]
        try:
            text = copied.number(name, index)[0].text
        except ArithmeticError as error:
            raise ValueError(f"{name} cannot be copied: its formula divides by 0") from error
        lines = [*copied.lines, f"print({ast.unparse(ast.parse(text))})"]
        if len(script := _complete(lines)) <= LINES:
            break
    return script


class Copied(Recomputation):
    """Rules whose numbers know the Python that makes them; what they read becomes a line, unless
    `named` is False.
    """

    def __init__(self, trace: Any, *, named: bool = True) -> None:
        super().__init__(trace, written(), bounds=False)
        self.named, self._lines = named, dict[str, tuple[str, str]]()

    @property
    def lines(self) -> list[str]:
        """A line for each number or list that was read."""
        return [
            f"{variable} = {value}  # {where}" for where, (variable, value) in self._lines.items()
        ]

    def at(self, name: str, *index: int) -> Any:
        """One number of a value."""
        where = f"{name}[{','.join(map(str, index))}]" if index else name
        return self._written(name, where, float(self.trace[name][index]))

    def all(self, name: str) -> Any:
        """Every number of a value."""
        return self._written(name, name, self.trace[name].tolist())

    def row(self, name: str, i: int) -> Any:
        """One row of a matrix."""
        return self._written(name, f"{name}[{i},:]", self.trace[name][i].tolist())

    def column(self, name: str, j: int) -> Any:
        """One column of a matrix."""
        return self._written(name, f"{name}[:,{j}]", self.trace[name][:, j].tolist())

    def _written(self, name: str, where: str, value: Any) -> Any:
        """The value, its variable and line."""
        if self.named and where not in self._lines:
            variable = _variable(name)
            taken = sum(w == name or w.startswith(f"{name}[") for w in self._lines)
            self._lines[where] = (f"{variable}_{taken}" if taken else variable, repr(value))
        return _named(value, self._lines[where][0] if self.named else "")


def _named(lists: Any, name: str) -> Any:
    """Numbers in lists that know where they stand in a variable."""
    if not isinstance(lists, list):
        return Written(lists, name)
    found = Named(_named(one, f"{name}[{i}]" if name else "") for i, one in enumerate(lists))
    found.name = name
    return found
