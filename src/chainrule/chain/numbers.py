"""What made a number: its equation with the numbers of the trace, a formula or a sum."""

import ast
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..core.losses import SoftmaxCrossEntropy
from ..core.penalty import Penalty
from ..formulas.equation import Equation, EquationNumbers
from ..formulas.expression import Formula, Meaning, build, evaluate, indices, parsed, source_of
from ..trace.address import Address
from ..trace.step import Trace
from .contributions import Contributions, contributions
from .explanation import Explanation, Number, Sum, Term, add_up, term

SHARED = Formula("share * l")  # what one output adds to L


def of_value(trace: Trace, at: Address, max_listed: int) -> Explanation:
    """The formula or the sum behind one number; a note for what was given."""
    value, row = float(trace[at.name][at.index]), _row(trace, at)
    note = _note(trace, at)
    if at.name in ("L", "L_data"):
        return Explanation(
            trace, at, value, sum=add_up(_loss_parts(trace, at.name), value, max_listed)
        )
    if note is not None:
        return Explanation(trace, at, value, row, Number(str(at), value, note=note))
    computed = _by_equation(trace, at, value, max_listed)
    if isinstance(computed, Sum):
        return Explanation(trace, at, value, row, sum=computed)
    inputs = prediction(trace, *at.index) if at.name == "Yhat" else None
    return Explanation(trace, at, value, row, computed, inputs=inputs)


def _row(trace: Trace, at: Address) -> int | None:
    """The row of a number that belongs to one: a unit's, or one of the loss's."""
    units = {place.y for place in trace.places} | {"Yhat", "l", "dl_dZ", "dl_dYhat"}
    return at.index[0] if at.name in units else None


def _note(trace: Trace, at: Address) -> str | None:
    """In words where a number comes from, for which no formula is shown; None for others."""
    if at.name == "norm":
        return "√ Σ g² of all parameters"
    if at.name == "penalty":
        return _penalty_note(trace.settings.penalty)
    if at.name == "dL_dl":
        return share_note(trace)
    if at.own == "dX" and at.name != "dX":
        return "through the branch alone"
    moved = at.own == "after" and at.owner.name in trace.net.buffer_shapes
    if moved and (at.name not in trace.equations or len(trace.batch) < 2):
        return "as before the step"
    known = at.name in trace.equations or at.name in {place.y for place in trace.places}
    return None if known else "given"


def _penalty_note(penalty: Penalty | None) -> str:
    """What the penalty is the sum of."""
    formula = "" if penalty is None else penalty.formula
    if formula == Penalty.formula:
        return "Σ f (l1 |θ| + l2 θ² / 2) of all parameters"
    return f"the sum of {formula} over all parameters" if formula else "given"


def _by_equation(trace: Trace, at: Address, value: float, max_listed: int) -> Number | Sum:
    """The number by its equation."""
    for one in trace.equations.get(at.name, []):
        if (letters := one.match(at.index)) is not None:
            return Filled(trace, one, letters).number_or_sum(str(at), value, max_listed)
    return Number(str(at), value)


def number(trace: Trace, at: Address) -> Number:
    """A number by its formula."""
    computed = _by_equation(trace, at, float(trace[at.name][at.index]), 0)
    return computed if isinstance(computed, Number) else Number(str(at), computed.value)


def update(trace: Trace, at: Address) -> tuple[Number, ...]:
    """From the gradient of a parameter to its new number: penalty, clipping, the optimizer."""
    settings = trace.settings
    changed = settings.penalty is not None or settings.clip is not None
    stages = ["penalty", *["g"] * changed, *(n for n, _ in settings.optimizer.stages), "after"]
    steps = [Address(f"{at.name}.{stage}", at.index) for stage in stages]
    return tuple(number(trace, step) for step in steps if step.name in trace.values)


class Filled:
    """An equation for one number: letters in the place of its arrays, and their terms by letter."""

    def __init__(self, trace: Trace, stated: Equation, at: Mapping[str, int]) -> None:
        self.trace, self.equation, self.at = trace, stated, dict(at)
        self.numbers = EquationNumbers(stated, lambda name, *index: float(trace[name][index]))

    def number_or_sum(self, symbol: str, value: float, max_listed: int) -> Number | Sum:
        """The number: a sum of the terms on the right side, or a formula."""
        formula = self.equation.formula
        shown, run = addends(formula.show), addends(formula.run)
        if not any(letters for letters, _ in shown):
            return self.number(symbol, value, formula.show, formula.run)
        parts = list[Number]()
        for (letters, body), (_, computed) in zip(shown, run, strict=True):
            for at in self._choices(letters, body):
                self.at = at
                parts.append(self.number("", None, body, computed))
        return add_up(parts, value, max_listed)

    def number(
        self, symbol: str | tuple[str, str], value: float | None, shown: str, run: str
    ) -> Number:
        """A number by a formula; its value by the formula if None."""
        names: dict[str, Term] = {}
        show = self._lettered(shown, names)
        stable = show if run == shown else self._lettered(run, names)
        formula = Formula(show, "" if stable == show else stable)
        if value is None:
            value = float(evaluate(formula, {letter: term.value for letter, term in names.items()}))
            symbol = _symbol(show, names)
        return Number(symbol, value, formula, names)

    def multiplier(
        self, name: str, index: tuple[int, ...], symbol: tuple[str, str], value: float
    ) -> Number:
        """What one number of an array is multiplied by on the right side; without a formula if that
        is not a single product.
        """
        formula = self.equation.formula
        shown, run = without(formula.show, name), without(formula.run, name)
        if shown is not None and run is not None:
            for at in self._choices(*addends(formula.show)[0]):
                if index == tuple(part(at, self.numbers) for part in shown[0]):
                    self.at = at
                    return self.number(symbol, value, shown[1], run[1])
        return Number(symbol, value)

    def _choices(self, letters: str, body: str) -> Iterator[dict[str, int]]:
        """The indices for every term of a sum."""
        ranges = [range(self.numbers.size(*source_of(parsed(body), letter))) for letter in letters]
        for choice in itertools.product(*ranges):
            yield self.at | dict(zip(letters, choice, strict=True))

    def _lettered(self, text: str, names: dict[str, Term]) -> str:
        """The formula with letters for its numbers, which are added to `names`."""
        form = template(text)
        if form.undecided:
            decided = _Decided(self.at, self.numbers).visit(deepcopy(parsed(text)))
            form = template(ast.unparse(decided))
        for letter, name, index in form.names:
            names[letter] = self._term(name, index)
        return form.formula

    def _term(self, name: str, index: tuple[Meaning, ...] | None) -> Term:
        """The number that a name stands for, with its address in the trace if it has one."""
        if index is None:
            source = self.equation.settings.get(name)
            try:
                value = float(self.numbers.setting(name, self.at))
            except OverflowError:
                value = math.inf
            return Term(value, source if isinstance(source, str) else "")
        array, at = self.equation.arrays[name], tuple(i(self.at, self.numbers) for i in index)
        if isinstance(array, tuple):
            array, at = array[at[0]], at[1:]
        return term(self.trace, array, *at) if isinstance(array, str) else Term(float(array[at]))


def _is_undecided(node: ast.AST) -> bool:
    """Whether it is an inner sum, a draw, or a case distinction without numbers of the trace."""
    if isinstance(node, ast.IfExp):
        return not any(isinstance(part, ast.Subscript) for part in ast.walk(node.test))
    return isinstance(node, ast.Call) and (bool(summed(node)) or ast.unparse(node.func) == "drawn")


class _Decided(ast.NodeTransformer):
    """Resolves what depends on no traced number: draws, cases, indices; inner sums as values."""

    def __init__(self, at: Mapping[str, int], numbers: EquationNumbers) -> None:
        self.at, self.numbers = at, numbers

    def _value(self, node: ast.expr) -> Any:
        return build(node)(self.at, self.numbers)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """A number of the trace stays."""
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """An index becomes its number."""
        return ast.Constant(self.at[node.id]) if node.id in self.at else node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        """The case that applies, if no number of the trace decides it."""
        if not _is_undecided(node):
            return self.generic_visit(node)
        return self.visit(node.body if self._value(node.test) else node.orelse)

    def visit_Call(self, node: ast.Call) -> Any:
        """A draw, an inner sum, or a function of its arguments."""
        if summed(node):
            return ast.Constant(self._value(node))
        if _is_undecided(node):
            values = [self._value(part) for part in node.args]
            return self.visit(node.args[values.index(self.numbers.drawn(values, self.at))])
        node.args = [self.visit(part) for part in node.args]
        return node


class Template(NamedTuple):
    """An expression with a letter for each of its names: (letter, name, index), the index None for
    a setting. `undecided` if cases, draws or inner sums must be decided first.
    """

    formula: str
    names: tuple[tuple[str, str, tuple[Meaning, ...] | None], ...]
    undecided: bool


@cache
def template(text: str) -> Template:
    """The letters of an expression: x for X[r,i], e for E0[i,o]; a setting keeps its name."""
    names: dict[str, tuple[str, str, tuple[Meaning, ...] | None]] = {}

    class Lettered(ast.NodeTransformer):
        def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
            array = ast.unparse(node.value)
            letter = array.rstrip("0123456789")
            index = tuple(map(build, indices(node)))
            return self.noted(letter if letter == "T" else letter.lower(), array, node, index)

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return self.noted(node.id, node.id, node, None)

        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(node.func, [self.visit(part) for part in node.args], [])

        def noted(self, letter: str, name: str, node: ast.expr, index: Any) -> ast.Name:
            free, count, written = letter, 1, ast.unparse(node)
            while names.setdefault(free, (written, name, index))[0] != written:
                count += 1
                free = f"{letter}{count}"
            return ast.Name(free)

    undecided = any(map(_is_undecided, ast.walk(parsed(text))))
    formula = ast.unparse(Lettered().visit(deepcopy(parsed(text)))).replace(" ** ", "**")
    listed = tuple((letter, name, index) for letter, (_, name, index) in names.items())
    return Template(formula, listed, undecided)


@cache
def addends(text: str) -> tuple[tuple[str, str], ...]:
    """The parts of a sum, each as (the indices that it is summed over, its terms)."""
    match parsed(text):
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return addends(ast.unparse(left)) + addends(ast.unparse(right))
        case ast.Call(args=[body]) as node if letters := summed(node):
            return ((letters, ast.unparse(body)),)
        case node:
            return (("", ast.unparse(node)),)


def summed(node: ast.expr) -> str:
    """The indices over which an expression is a sum; "" for another."""
    name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return name.removeprefix("sum_") if name.startswith("sum_") else ""


@cache
def without(text: str, name: str) -> tuple[tuple[Meaning, ...], str] | None:
    """The index of an array in a product, and the other factors; None if the expression is not a
    product with a single number of it.
    """
    (letters, product), *others = addends(text)
    body = parsed(product)
    nodes = [
        node for node in ast.walk(body)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == name
    ]  # fmt: skip
    if others or len(nodes) != 1 or not set(letters) <= set(ast.unparse(nodes[0])):
        return None
    rest, index = _divided(body, nodes[0]), tuple(map(build, indices(nodes[0])))
    return None if rest is None else (index, ast.unparse(rest))


def _divided(body: ast.expr, factor: ast.expr) -> ast.expr | None:
    """The other factors of a product; None if it is not a product."""
    if body is factor:
        return ast.Constant(1)
    if not isinstance(body, ast.BinOp) or not isinstance(body.op, ast.Mult | ast.Div):
        return None
    left, right = body.left, body.right
    if factor in ast.walk(left):
        rest = _divided(left, factor)
        alone = isinstance(body.op, ast.Mult) and isinstance(rest, ast.Constant)
        return rest and (right if alone else ast.BinOp(rest, body.op, right))
    rest = _divided(right, factor) if isinstance(body.op, ast.Mult) else None
    return rest and (left if isinstance(rest, ast.Constant) else ast.BinOp(left, body.op, rest))


def _symbol(formula: str, names: Mapping[str, Term]) -> str:
    """A part of a sum by the addresses of its terms: "X[0,1] · 0.W[1,2]"."""
    shown = {k: one.address or f"{one.value:g}" for k, one in names.items()}
    words = re.sub(r"\w+", lambda word: shown.get(word[0], word[0]), formula)
    return words.replace(" * ", " · ")


def prediction(trace: Trace, row: int, k: int) -> Contributions:
    """What each input added to an output of one row; of a class, against the likeliest other."""
    against = None
    if isinstance(trace.settings.loss, SoftmaxCrossEntropy):
        against = next((int(j) for j in np.argsort(-trace["Yhat"][row]) if j != k), None)
    return contributions(
        trace.net, trace["X"][row], output=k, against=against, columns=trace.columns
    )


def input_column(trace: Trace, at: Address, column: str) -> Explanation:
    """One input of one row: gradient × input of the loss, Σ x · dL/dx over the columns of X that it
    became.
    """
    (row,), parts = at.index, []
    for i in trace.columns[column]:
        names = {"x": term(trace, "X", row, i), "slope": term(trace, "dX", row, i)}
        product = names["x"].value * names["slope"].value
        parts.append(Number(f"X[{row},{i}] · dX[{row},{i}]", product, Formula("x * slope"), names))
    value = math.fsum(part.value for part in parts)
    return Explanation(trace, at, value, row, sum=add_up(parts, value, len(parts)))


def _loss_parts(trace: Trace, name: str) -> list[Number]:
    """What each output of each row adds to the loss, and the penalty."""
    parts = []
    for row, outputs in enumerate(trace.values["l"].tolist()):
        for k, _ in enumerate(outputs):
            names = {"share": term(trace, "dL_dl", row, 0), "l": term(trace, "l", row, k)}
            product = names["share"].value * names["l"].value
            parts.append(Number(f"l[{row},{k}]", product, SHARED, names))
    if name == "L" and "penalty" in trace.values:
        penalty = term(trace, "penalty")
        parts.append(Number("penalty", penalty.value, Formula("P"), {"P": penalty}))
    return parts


def share_note(trace: Trace) -> str:
    """Where a row's share in the loss comes from."""
    loss, n = trace.settings.loss, len(trace.batch)
    if n == 1 and loss.scale == 1:
        return ""
    scale = "" if loss.scale == 1 else f"{loss.scale:g} "
    weighted, summed_up = trace.batch.weight is not None, loss.reduction == "sum"
    if n == 1 or (summed_up and not weighted):
        return f"{loss.scale:g}"
    return scale + ("weight" if summed_up else "weight / Σ weight" if weighted else f"1/{n}")
