"""Formulas as data: Python expressions, which are shown as mathematics, filled in with numbers, run
on their own as a proof, and copied into a script. `core/equations.py` describes the language.

Nothing is passed to `eval`: the expression's syntax tree is walked. `sigma`, `softplus`, `Phi` and
`phi` stand for σ, ln(1 + e^z) and the normal distribution, `ratio` for a / b where 0 / 0 is 0.
"""

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

Names = Mapping[str, Any]
Text = str | tuple[str, str]  # as in a textbook, or (textbook, numerically stable)
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.Gt: operator.gt, ast.Lt: operator.lt, ast.LtE: operator.le,
}  # fmt: skip


def sigma(z: float) -> float:
    """1 / (1 + e^-z), without overflow."""
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def softplus(z: float) -> float:
    """ln(1 + e^z), without overflow."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


FUNCTIONS: dict[str, Any] = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh,
    "cos": math.cos, "sin": math.sin,
    "abs": abs, "min": min, "max": max, "sign": lambda x: (x > 0) - (x < 0), "sigma": sigma,
    "softplus": softplus, "Phi": lambda z: math.erfc(-z * math.sqrt(0.5)) / 2,
    "phi": lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "ratio": lambda a, b: a / b if a else 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Numbers of one kind: how to make one of a float, their functions, sums, sums of products."""

    of: Callable[[float], Any]
    functions: Names
    total: Callable[[Sequence[Any]], Any]
    dot: Callable[[Sequence[Any], Sequence[Any]], Any]


FLOATS = Kind(
    float, FUNCTIONS, math.fsum, lambda a, b: math.fsum(x * y for x, y in zip(a, b, strict=True))
)
"""Python's floats and `math`; sums without intermediate rounding."""


@dataclass(frozen=True)
class Formula:
    """An expression of single numbers: the one that is shown, and the one that is run."""

    show: str
    stable: str = ""

    @classmethod
    def of(cls, text: Text) -> "Formula":
        """A formula as the classes of `core` state it."""
        return cls(text) if isinstance(text, str) else cls(*text)

    @property
    def run(self) -> str:
        """The expression to evaluate."""
        return self.stable or self.show

    @property
    def letters(self) -> frozenset[str]:
        """The names in it."""
        return letters_of(self.show) | letters_of(self.run)


@cache
def parsed(text: str) -> ast.expr:
    """The syntax tree of an expression. It is shared: copy it before you change it."""
    return ast.parse(text, mode="eval").body


@cache
def letters_of(expression: str) -> frozenset[str]:
    """The names in an expression."""
    nodes = ast.walk(parsed(expression))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))


def evaluate(formula: Formula, names: Names) -> Any:
    """The value of a formula for numbers by name."""
    letters = SimpleNamespace(kind=FLOATS, setting=lambda name, _: names[name])
    return meaning(formula.run)({}, letters)


Meaning = Callable[[Mapping[str, int], Any], Any]
"""A function of the indices by letter, and of an `EquationNumbers` that has the numbers."""


@cache
def meaning(expression: str) -> Meaning:
    """An expression as a function of its indices and numbers."""
    return build(parsed(expression))


def build(node: ast.expr) -> Meaning:
    """A syntax tree as a function of its indices and numbers."""
    match node:
        case ast.Name(id=name):
            return lambda at, numbers: at[name] if name in at else numbers.setting(name, at)
        case ast.Constant(value=value):
            return lambda *_: value
        case ast.UnaryOp(operand=operand):
            inner = build(operand)
            return lambda at, numbers: -inner(at, numbers)
        case (
            ast.BinOp(left=left, op=op, right=right)
            | ast.Compare(left=left, ops=[op], comparators=[right])
        ):
            one, act, two = build(left), OPERATORS[type(op)], build(right)
            return lambda at, numbers: act(one(at, numbers), two(at, numbers))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            holds, then, other = build(test), build(body), build(orelse)
            return lambda at, numbers: (then if holds(at, numbers) else other)(at, numbers)
        case ast.Subscript(value=ast.Name(id=name)):
            return _number(name, indices(node))
        case ast.Subscript(value=ast.Tuple() as listed, slice=where):
            items, place = ast.literal_eval(listed), build(where)
            return lambda at, numbers: items[place(at, numbers)]
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, args)
    raise TypeError(f"{ast.unparse(node)} is no formula")


def _number(name: str, parts: Sequence[ast.expr]) -> Meaning:
    """One number of an array."""
    letters = [part.id for part in parts if isinstance(part, ast.Name)]
    if len(letters) == len(parts):  # nothing but letters, which is quicker
        return lambda at, numbers: numbers.at(name, tuple([at[letter] for letter in letters]))
    index = [build(part) for part in parts]
    return lambda at, numbers: numbers.at(name, tuple(i(at, numbers) for i in index))


def _call(name: str, args: Sequence[ast.expr]) -> Meaning:
    kind, _, letters = name.partition("_")
    if letters and kind in ("sum", "max"):
        return _reduced(kind, letters, args[0])
    parts = [build(part) for part in args]
    if name == "drawn":
        return lambda at, numbers: numbers.drawn([part(at, numbers) for part in parts], at)
    return lambda at, numbers: numbers.kind.functions[name](*(p(at, numbers) for p in parts))


def _reduced(kind: str, letters: str, body: ast.expr) -> Meaning:
    """The sum or the largest of an expression over every value of some indices."""
    term, sources = build(body), [source_of(body, letter) for letter in letters]
    factors = [body]
    if isinstance(body, ast.BinOp) and isinstance(body.op, ast.Mult):
        factors = [body.left, body.right]
    lines = [line for factor in factors if (line := _along(factor, letters)) is not None]
    if kind == "sum" and len(letters) == 1 and len(lines) == len(factors):
        return lambda at, numbers: (numbers.kind.dot if len(lines) == 2 else numbers.kind.total)(
            *(line(at, numbers) for line in lines)
        )

    def terms(at: Mapping[str, int], numbers: Any) -> list[Any]:
        ranges = [range(numbers.size(*source)) for source in sources]
        choices = (dict(zip(letters, index, strict=True)) for index in itertools.product(*ranges))
        return [term({**at, **choice}, numbers) for choice in choices]

    if kind == "max":
        return lambda at, numbers: numbers.kind.functions["max"](*terms(at, numbers))
    return lambda at, numbers: numbers.kind.total(terms(at, numbers))


def source_of(body: ast.expr, letter: str) -> tuple[str, int]:
    """The array, and the place in its index, that says how far an index runs."""
    for node in ast.walk(body):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            for place, part in enumerate(indices(node)):
                if isinstance(part, ast.Name) and part.id == letter:
                    return node.value.id, place
    raise ValueError(f"{ast.unparse(body)} does not say how far {letter} runs")


def _along(node: ast.expr, letter: str) -> Meaning | None:
    """The numbers of an array along an index that stands on its own in one place only."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)):
        return None
    name, parts = node.value.id, indices(node)
    is_open = [isinstance(part, ast.Name) and part.id == letter for part in parts]
    places = [part for part in parts if letter in letters_of(ast.unparse(part))]
    if is_open.count(True) != 1 or len(places) != 1:
        return None
    index = [None if free else build(part) for part, free in zip(parts, is_open, strict=True)]
    return lambda at, numbers: numbers.along(
        name, tuple(None if i is None else i(at, numbers) for i in index)
    )


def indices(node: ast.Subscript) -> list[ast.expr]:
    """The indices between the brackets."""
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def derivative_of(name: str) -> str:
    """The name of the derivative of the loss by a value: "0.W" -> "0.dW", "X" -> "dX"."""
    layer, dot, own = name.rpartition(".")
    return f"{layer}{dot}d{own}"


def indexed(formula: str, places: Mapping[str, str]) -> str:
    """A formula with an index behind some of its letters."""
    if not places:
        return formula
    letters = "|".join(places)
    return re.sub(rf"\b({letters})\b(?!\[)", lambda letter: letter[0] + places[letter[0]], formula)
