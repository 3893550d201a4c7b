"""Numbers as on paper: rounded at every step, as a textbook does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from ..formulas.expression import Formula, derivative_of, evaluate
from ..trace.address import Address, resolve
from ..trace.step import Trace
from .explain import MAX_PATHS, explain
from .explanation import Number, Term

ALL = 10**9  # parts of a sum: every one


@dataclass(frozen=True)
class Paper:
    """What each number of a trace becomes where every step is rounded.

    Numbers are rounded to `digits` significant digits, and to the number of decimals that
    `decimals` has for a value ("3.A") or a kind of values ("A", "Z"). Inputs, targets, parameters
    and the learning rate are not rounded. `changed` replaces some numbers by others. Raises
    ValueError for digits out of range and for a value that the trace lacks.
    """

    trace: Trace
    digits: int = 4
    decimals: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str | tuple[str, str], float] = field(default_factory=dict)
    _rounded: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = {*self.trace.values}
        kinds = names | {name.rpartition(".")[2] for name in names}
        if type(self.digits) is not int or not 1 <= self.digits <= 17:
            raise ValueError(f"digits is {self.digits!r}: round to 1 to 17 significant digits")
        for kind, places in self.decimals.items():
            if kind not in kinds:
                raise ValueError(f'decimals names "{kind}", which is no value here: use "A" or "Z"')
            if type(places) is not int or not 0 <= places <= 17:
                raise ValueError(f'decimals of "{kind}" is {places!r}: use 0 to 17 places')

    def __call__(self, one: Number) -> Number:
        """A number recomputed from its rounded terms; the note says what rounding lost."""
        names = {letter: Term(self.term(t), t.address) for letter, t in one.names.items()}
        value = self.value(one)
        return replace(one, names=names, value=value, note=one.note or self.lost(one, value))

    def value(self, one: Number) -> float:
        """A number from its rounded terms, rounded itself."""
        if one.symbol in self.changed:
            return self.changed[one.symbol]
        if one.formula is not None:
            names = {letter: self.term(term) for letter, term in one.names.items()}
            exact = _computed(one.formula, names)
        else:
            exact = self.at(one.symbol) if _is_value(one.symbol) else one.value
        return self.round(_kind(one.symbol), exact)

    def lost(self, one: Number, value: float) -> str:
        """What a number is exactly, if rounding has changed it."""
        return "" if value == one.value else f"exactly {one.value:.{self.digits + 2}g}"

    def term(self, term: Term) -> float:
        """A term, rounded; a setting as it is."""
        return self.at(term.address) if term.address else term.value

    def at(self, address: str) -> float:
        """The number at an address, recomputed from what it depends on."""
        if address in self.changed:
            return self.changed[address]
        if address not in self._rounded:
            self._rounded[address] = self._make(address)
        return self._rounded[address]

    def round(self, kind: str, value: float) -> float:
        """A number, rounded like its kind."""
        places = self.decimals.get(kind, self.decimals.get(kind.rpartition(".")[2]))
        if places is not None:
            return round(value, places)
        return float(f"{value:.{self.digits}g}")

    def _make(self, address: str) -> float:
        at = resolve(self.trace, address)
        given = (*self.trace.net.shapes, *self.trace.net.buffer_shapes, "X", "Y", "dL_dl")
        if at.name in given or at.own == "M" or at.own.endswith("_before"):
            return float(self.trace[at.name][at.index])
        exact = explain(self.trace, address, max_listed=ALL)
        if exact.equation is not None:
            return exact.value if exact.equation.formula is None else self.value(exact.equation)
        if exact.sum is not None:
            return self.round(_kind(address), sum(self.value(part) for part in exact.sum.parts))
        gradients = {derivative_of(name): name for name in self.trace.net.shapes}
        gradients |= {f"{name}.g": name for name in self.trace.net.shapes}
        if at.name not in gradients:
            return exact.value
        return self._gradient(Address(gradients[at.name], at.index))

    def _gradient(self, at: Address) -> float:
        """The sum over all paths of all rows, each factor and product rounded."""
        products = []
        for row in range(len(self.trace.batch)):
            of_row = explain(self.trace, str(at), row=row, max_listed=ALL)
            if of_row.path_count > len(of_row.paths):
                raise ValueError(
                    f"{at} has {of_row.path_count} paths: rounding at every step is for at most "
                    f"{MAX_PATHS}"
                )
            for path in of_row.paths:
                product = math.prod(self.value(factor) for factor in path.factors)
                products.append(self.round("product", product))
        return self.round(_kind(str(at)), sum(products))


def _computed(formula: Formula, names: Mapping[str, float]) -> float:
    """The value of what a formula shows, or of what it runs if floats cannot compute that."""
    try:
        return float(evaluate(Formula(formula.show), names))
    except (ArithmeticError, ValueError):
        try:
            return float(evaluate(formula, names))
        except (ArithmeticError, ValueError) as error:
            raise ValueError(f"{formula.show} is beyond the largest float here: {error}") from None


def _kind(symbol: str | tuple[str, str]) -> str:
    """What a number is, for its rounding: "3.A", a product, a slope."""
    if not isinstance(symbol, str) or "·" in symbol:
        return ""
    return symbol.partition("[")[0]


def _is_value(symbol: str | tuple[str, str]) -> TypeGuard[str]:
    """Whether a symbol is an address."""
    return isinstance(symbol, str) and "[" in symbol and "·" not in symbol
