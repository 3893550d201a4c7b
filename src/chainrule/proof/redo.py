"""Every number of a trace once more, in plain Python, from the numbers it was made of.

Nothing here is shared with the engines: no NumPy, no layer, no loss of `core`, only the formulas.
Each rule gives a number and how many units u = 2^-53 the engine's rounding may have moved it:
4 Σ|terms| of a sum of at most 16 terms, 2√n Σ|terms| of a longer one (added one after the other,
the roundings of n terms walk that far: Higham and Mary 2019), running error analysis for a formula.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from ..formulas import Formula, evaluate
from .arithmetic import BOUNDED, Kind, Rounded, floats

FEW = 16  # terms of a sum that is within 4u Σ|terms| however it is added
Made = tuple[Any, float]  # the number, and what rounding may have done to it, in u
Rule = Callable[..., Made]


class Redo:
    """One number at a time by `number(name, index)`, in numbers of one kind.

    It reads the numbers that a number is made of from the trace, or from `fresh` where they have
    been made anew. A name without a rule (of somebody's own layer or loss) is not in `rules`.
    """

    def __init__(self, trace: Any, kind: Kind | None = None, bounds: bool = True) -> None:
        self.trace, self.kind, self.bounds = trace, kind or floats(), bounds
        self.fresh, self._columns = dict[str, Any](), dict[str, list[list[Any]]]()
        self.rules = dict[str, Rule]()
        self._rows = cache(lambda name, i: self._plain(self.trace[name][i]))
        self._wholes = cache(lambda name: self._plain(self.trace[name]))
        self._sides = cache(lambda name, j: self._plain(self.trace[name][:, j]))

    def number(self, name: str, index: tuple[int, ...]) -> Made:
        """The number and its bound."""
        return self.rules[name](*index)

    def all(self, name: str) -> Any:
        """Every number of a value as nested lists."""
        return self.fresh[name] if name in self.fresh else self._wholes(name)

    def row(self, name: str, i: int) -> Any:
        """One row of a matrix."""
        return self.fresh[name][i] if name in self.fresh else self._rows(name, i)

    def column(self, name: str, j: int) -> Any:
        """One column of a matrix."""
        if name not in self.fresh:
            return self._sides(name, j)
        if name not in self._columns:
            self._columns[name] = _turn(self.fresh[name])
        return self._columns[name][j]

    def begin(self, fresh: dict[str, Any]) -> None:
        """Forget what has been made anew, but for these values."""
        self.fresh = fresh
        self._columns.clear()

    def at(self, name: str, *index: int) -> Any:
        """One number of a value."""
        if name not in self.fresh:
            return self.kind.of(float(self.trace[name][index]))
        found = self.fresh[name]
        for i in index:
            found = found[i]
        return found

    def _plain(self, array: Any) -> Any:
        return _each(array.tolist(), self.kind.of)

    def formula(self, formula: Formula, **names: Any) -> Made:
        """A formula of exact numbers."""
        given = {letter: self.kind.of(number) for letter, number in names.items()}
        value = evaluate(formula, given, self.kind.functions)
        if not self.bounds:
            return self.kind.of(value), 0.0
        try:
            bound = evaluate(formula, {k: Rounded(float(v)) for k, v in names.items()}, BOUNDED)
        except ArithmeticError:  # a saturated output, whose float is 0
            return self.kind.of(value), 8.0 * abs(float(value))
        off = bound.off + abs(bound.value) if isinstance(bound, Rounded) else 0.0
        return self.kind.of(value), off

    def sum(self, terms: Sequence[Any]) -> Made:
        """Σ of exact numbers."""
        size = sum(abs(float(term)) for term in terms) if self.bounds else 0.0
        return self.kind.fsum(terms), steps(len(terms)) * size

    def dot(self, a: Sequence[Any], b: Sequence[Any], *more: Any) -> Made:
        """Σ a·b + …"""
        value = self.kind.fsum([self.kind.dot(a, b), *more])
        if not self.bounds:
            return value, 0.0
        size = sum(abs(float(x) * float(y)) for x, y in zip(a, b, strict=True))
        return value, steps(len(a) + len(more)) * (size + sum(abs(float(term)) for term in more))


def steps(n: int) -> float:
    """How far rounding may move a sum of n terms, in u Σ|terms|."""
    return 4.0 if n <= FEW else 2.0 * math.sqrt(n)


def _turn(rows: list[list[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _each(lists: Any, of: Callable[[float], Any]) -> Any:
    return [_each(part, of) for part in lists] if isinstance(lists, list) else of(lists)


def places_of(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every index of an array of this shape."""
    if not shape:
        yield ()
        return
    for i in range(shape[0]):
        for rest in places_of(shape[1:]):
            yield (i, *rest)
