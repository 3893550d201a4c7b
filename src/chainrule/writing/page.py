"""An explanation as a page: headings, sentences, equations and tables, for any format to write."""

import ast
import math
from collections.abc import Callable, Iterable, Iterator

from ..chain.contributions import Contributions
from ..chain.explain import explain
from ..chain.explanation import Explanation, Number, Path, Sum
from ..trace.address import Address
from .blocks import Block, Cell, Equation, Heading, Prose, Table
from .mathematics import Expression, add, fill, multiply, name, number, parse, rename, slope

TERMS = 6  # of a sum that are written out
Seen = Callable[[Number], Number]  # a number as it is, or as rounded on paper


def page(explanation: Explanation, see: Seen = lambda one: one) -> Iterator[Block]:
    """The blocks of an explanation; `see` changes each number before it is written."""
    parameter = explanation.address.name in explanation.trace.net.shapes
    what = "How the loss changes with" if parameter else "What makes"
    yield Heading(what, str(explanation.address), level=2)
    if explanation.equation is not None:
        yield from _output(explanation, see)
        yield equation(see(explanation.equation))
    if explanation.inputs is not None:
        yield from _inputs(explanation, explanation.inputs)
    if explanation.is_slope:
        if not explanation.paths:
            yield Prose("It is 0: a factor of every path from it to the loss is 0, as on this one.")
        yield from _forward(explanation, see)
        yield from _backward(explanation, see)
        yield from _paths(explanation)
        if explanation.sum is not None:
            yield Heading("What each row adds")
            yield _summed("row", "share of the gradient", explanation.sum)
        yield from _equations("Simplified, and before", explanation.proof)
    elif explanation.sum is not None:
        yield from _cell(explanation)
        yield total(str(explanation.address), explanation.sum, see)
    yield from _equations("The update", map(see, explanation.steps))


def _equations(heading: str, numbers: Iterable[Number]) -> Iterator[Block]:
    """Numbers under a heading, if there are any."""
    equations = [equation(number) for number in numbers]
    if equations:
        yield Heading(heading)
        yield from equations


def _output(explanation: Explanation, see: Seen) -> Iterator[Block]:
    """Before a prediction or a loss: the raw output that it is made of, back to the last sum."""
    trace, at = explanation.trace, explanation.address
    if at.name not in ("Yhat", "l") or len(at.index) != 2:
        return
    lines, name = list[Block](), trace.output
    input_of = {place.y: place.x for place in trace.places}
    while name in input_of:
        unit = explain(trace, str(Address(name, at.index)))
        lines += _unit(unit, see)
        if unit.sum is not None:
            break
        name = input_of[name]
    yield from reversed(lines)


def _unit(explanation: Explanation, see: Seen) -> Iterator[Block]:
    """The formula or the sum that makes a unit."""
    if explanation.equation is not None:
        yield equation(see(explanation.equation))
    elif explanation.sum is not None:
        yield total(str(explanation.address), explanation.sum, see)


def _inputs(explanation: Explanation, inputs: Contributions) -> Iterator[Block]:
    """What each input added to a prediction, by three methods, and the error of each."""
    name, scale = explanation.trace.unit
    what = name if name and inputs.against is None else f"the raw output {inputs.output}"
    if inputs.against is not None:
        what, scale = f"the log-odds of {inputs.output} against {inputs.against}", 1.0
    yield Heading(f"What each input adds to {what}, from the inputs' zero")

    def row(name: str, *values: float | None) -> list[Cell]:
        return [name, *("–" if value is None else scale * value for value in values)]

    rows = [row(part.name, part.exact, part.integrated, part.gradient) for part in inputs.largest]
    gaps = (inputs.gaps[method] for method in ("exact", "integrated", "gradient"))
    header = ("input", "along the paths", "integrated gradients", "gradient × input")
    yield Table("", header, [*rows, row("left over", *gaps)], frozenset({1, 2, 3}))


def _cell(explanation: Explanation) -> Iterator[Block]:
    """The cell of the table that an input came from, on its way into the network."""
    trace, at = explanation.trace, explanation.address
    if at.column is None or not trace.rows:
        return
    cell = next(cell for cell in trace.rows[at.index[0]] if cell.column == at.column)
    raw = "missing" if cell.raw is None else cell.raw
    pairs = zip(cell.features, cell.encoded, cell.scaled, strict=True)
    steps = ", ".join(f"{name}: {encoded:.6g} → {scaled:.6g}" for name, encoded, scaled in pairs)
    yield Prose(f"The cell {raw} becomes {steps}.")


def equation(one: Number) -> Equation:
    """symbol = formula = the formula with numbers = value."""
    sides: list[Expression] = [_symbol(one)]
    if one.formula is not None:
        shown = parse(one.formula, _values(one))
        if isinstance(shown, ast.Name) and one.names[shown.id].address:
            sides.append(name(one.names[shown.id].address))
        elif not isinstance(shown, ast.Constant):
            sides += [shown, fill(shown, _values(one))]
    return Equation((*sides, number(one.value)), one.note)


def total(symbol: str, whole: Sum, see: Seen) -> Equation:
    """symbol = Σ of the parts = their numbers = value."""
    listed = whole.parts[:TERMS]
    pairs = [_part(see(part)) for part in listed]
    formulas, numbers = [formula for formula, _ in pairs], [filled for _, filled in pairs]
    if len(listed) < whole.count:
        formulas.append(name(f"({whole.count - len(listed)} more)"))
        numbers.append(number(whole.value - sum(part.value for part in listed)))
    result = see(Number(symbol, whole.value))
    sides = (name(symbol), add(formulas), add(numbers), number(result.value))
    return Equation(sides, result.note)


def _part(part: Number) -> tuple[Expression, Expression]:
    """A part of a sum: its formula over addresses, and with numbers; a plain number as itself."""
    if part.formula is None:
        return _symbol(part), number(part.value)
    addresses = {letter: term.address for letter, term in part.names.items()}
    return rename(parse(part.formula), addresses), fill(parse(part.formula), _values(part))


def _values(one: Number) -> dict[str, float]:
    return {letter: term.value for letter, term in one.names.items()}


def _symbol(one: Number) -> Expression:
    return slope(*one.symbol) if isinstance(one.symbol, tuple) else name(one.symbol)


def _forward(explanation: Explanation, see: Seen) -> Iterator[Block]:
    """The units on the largest path, from the input to the loss."""
    trace, factors = explanation.trace, reversed(explanation.factors)
    symbols = dict.fromkeys(symbol for factor in factors for symbol in reversed(factor.symbol))
    inputs = (*trace.net.shapes, "X", "L")
    shown = [symbol for symbol in symbols if symbol.partition("[")[0] not in inputs]
    if not shown:
        return
    yield Heading("Forwards" + (f", row {explanation.row}" if len(trace.batch) > 1 else ""))
    for address in shown:
        yield from _unit(explain(trace, address), see)


def _backward(explanation: Explanation, see: Seen) -> Iterator[Block]:
    """The factors of the largest path and their product."""
    largest = explanation.paths[0] if explanation.paths else explanation.blocked
    if largest is None:
        return
    which = (
        ""
        if explanation.path_count < 2
        else f", along the largest of {explanation.path_count} paths"
    )
    yield Heading(f"Backwards{which}")
    factors = [see(factor) for factor in largest.factors]
    yield from map(equation, factors)
    yield _product(explanation, largest, factors, see)


def _product(explanation: Explanation, path: Path, factors: list[Number], see: Seen) -> Equation:
    """∂L/∂ = the product of the factors = value."""
    whole = see(Number(("L", path.factors[-1].symbol[1]), path.product))
    symbol = _symbol(whole) if explanation.path_count < 2 else name("product")
    numbers = [number(f.value) for f in factors]
    value = whole.value
    if [f.value for f in factors] != [f.value for f in path.factors]:
        value = see(Number(symbol="product", value=math.prod(f.value for f in factors))).value
    return Equation((symbol, multiply(numbers), number(value)), whole.note)


def _paths(explanation: Explanation) -> Iterator[Block]:
    """Every path with its product, and what they add up to."""
    if explanation.path_count < 2 or not explanation.paths:
        return
    which = f" of row {explanation.row}" if len(explanation.trace.batch) > 1 else ""
    yield Heading(f"All {explanation.path_count} paths{which}")
    parts = []
    for path in explanation.paths:
        units = [factor.symbol[1] for factor in path.factors if isinstance(factor.symbol, tuple)]
        parts.append(Number(" ← ".join(units), path.product))
    whole = sum(part.value for part in parts) + explanation.rest
    every = Sum(tuple(parts), explanation.path_count, explanation.rest, whole)
    yield _summed("from the output back", "product", every)


def _summed(name: str, share: str, whole: Sum) -> Table:
    """The parts of a sum that are listed, what all others add, and the sum."""
    rows = [(str(part.symbol), part.value) for part in whole.parts]
    others = [(f"all {whole.count - len(rows)} others", whole.rest)] * (whole.count > len(rows))
    return Table("", (name, share), [*rows, *others, ("sum", whole.value)], frozenset({1}))
