"""Every number of a trace once more, in plain Python, from the numbers it was made of.

Nothing here is shared with the engines: no NumPy, no layer, no loss of `core`, only the equations.
Each number comes with how many units u = 2^-53 the engine's rounding may have moved it:
4 Σ|terms| of a sum of at most 16 terms, 2√n Σ|terms| of a longer one (added one after the other,
the roundings of n terms walk that far: Higham and Mary 2019), running error analysis for a formula.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ..formulas.equation import Equation, EquationNumbers
from ..formulas.expression import Index, Meaning, meaning
from .arithmetic import BOUNDED, Kind, Rounded, floats, rounded

FEW = 16  # terms of a sum that is within 4u Σ|terms| however it is added
Made = tuple[Any, float]  # a number, and what rounding may have done to it, in u
Slice = tuple[int | None, ...]  # an index with one place left open


class Recomputation:
    """One number at a time by `number(name, index)`, in numbers of one kind.

    It reads the numbers that a number is made of from the trace, or from `fresh` where they have
    been recomputed. A value without an equation (of a layer or loss that states none) is not in
    `names`.
    """

    def __init__(self, trace: Any, kind: Kind | None = None, bounds: bool = True) -> None:
        self.trace, self.kind, self.bounds = trace, kind or floats(), bounds
        self.fresh, self._columns = dict[str, Any](), dict[str, list[list[Any]]]()
        self._given = dict(_given(trace))
        self._rows = cache(lambda name, i: self._plain(self.trace[name][i]))
        self._wholes = cache(lambda name: self._plain(self.trace[name]))
        self._sides = cache(lambda name, j: self._plain(self.trace[name][:, j]))
        self._readers = {
            name: [
                (one, meaning(one.formula.run), _Exact(self, one), _Bounds(self, one))
                for one in equations
            ]
            for name, equations in trace.equations.items()
        }

    @property
    def names(self) -> list[str]:
        """The values that can be recomputed, in the order in which the step made them."""
        return [n for n in self.trace.values if n in self._readers or n in self._given]

    def number(self, name: str, index: Index) -> Made:
        """The number and its bound. Raises KeyError for one that no equation makes."""
        if name in self._given:
            return self.kind.of(float(self._given[name][index])), 0.0
        for one, compute, exact, bounds in self._readers[name]:
            if (at := one.match(index)) is not None:
                value = self.kind.of(compute(at, exact))
                return value, self._bound(compute, at, bounds, value) if self.bounds else 0.0
        raise KeyError(f"no equation makes {name}{list(index)}")

    def _bound(
        self, compute: Meaning, at: Mapping[str, int], numbers: "_Bounds", value: Any
    ) -> float:
        try:
            bound = compute(at, numbers)
        except ArithmeticError:  # a saturated output, whose float is 0
            return 8.0 * abs(float(value))
        return bound.off + abs(bound.value) if isinstance(bound, Rounded) else 0.0

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
            self._columns[name] = [list(column) for column in zip(*self.fresh[name], strict=True)]
        return self._columns[name][j]

    def begin(self, fresh: dict[str, Any]) -> None:
        """Forget what has been recomputed, but for these values."""
        self.fresh = fresh
        self._columns.clear()

    def at(self, name: str, *index: int) -> Any:
        """One number of a value."""
        if name not in self.fresh:
            return self.kind.of(float(self.trace[name][index]))
        return _pick(self.fresh[name], index)

    def along(self, name: str, index: Slice) -> Any:
        """The numbers of a value along the place of the index that is open."""
        if index == (None,):
            return self.all(name)
        if len(index) == 2:
            i, j = index
            return self.column(name, j) if i is None and j is not None else self.row(name, i or 0)
        whole, rest = (self.all(name), index) if index[0] is None else (
            self.row(name, index[0]), index[1:]
        )  # fmt: skip
        return _open(whole, rest)

    def _plain(self, array: Any) -> Any:
        return _each(array.tolist(), self.kind.of)


class _Exact(EquationNumbers):
    """The numbers of one equation, of the recomputation's kind; a row or column at once."""

    def __init__(self, recomputed: Recomputation, one: Equation) -> None:
        kind = recomputed.kind
        super().__init__(one, recomputed.at, kind.of, kind.functions, kind.fsum, kind.dot)
        self.recomputed = recomputed

    def along(self, name: str, index: Slice) -> Any:
        array = self.equation.arrays[name]
        if isinstance(array, str):
            return self.recomputed.along(array, index)
        return super().along(name, index)


class _Bounds(_Exact):
    """The same numbers as floats that know what rounding may have done to them."""

    def __init__(self, recomputed: Recomputation, one: Equation) -> None:
        super().__init__(recomputed, one)
        self.functions, self.total, self.dot = BOUNDED, _bounded_total, _bounded_dot

    def setting(self, name: str, at: Mapping[str, int]) -> Any:
        return rounded(super().setting(name, at))

    def at(self, name: str, index: Index) -> Any:
        return Rounded(float(super().at(name, index)))

    def drawn(self, values: Sequence[Any], at: Mapping[str, int]) -> Any:
        return rounded(super().drawn([*map(rounded, values)], at))


def _bounded_total(terms: Sequence[Any]) -> Rounded:
    """Σ terms: the last rounding of each is part of the sum's own."""
    terms = [rounded(term) for term in terms]
    sizes = [abs(one.value) for one in terms]
    before = sum(max(one.off - size, 0.0) for one, size in zip(terms, sizes, strict=True))
    value = math.fsum(one.value for one in terms)
    return Rounded(value, before + steps(len(sizes)) * sum(sizes))


def _bounded_dot(a: Sequence[Any], b: Sequence[Any]) -> Rounded:
    """Σ a·b of exact numbers."""
    products = [float(x) * float(y) for x, y in zip(a, b, strict=True)]
    return Rounded(math.fsum(products), steps(len(products)) * sum(map(abs, products)))


def steps(n: int) -> float:
    """How far rounding may move a sum of n terms, in u Σ|terms|."""
    return 4.0 if n <= FEW else 2.0 * math.sqrt(n)


def _given(trace: Any) -> Iterator[tuple[str, Any]]:
    """What the step was given, and must have kept: the rows, the optimizer's state, buffers that no
    equation moves.
    """
    yield "X", trace.batch.X
    for key, vector in trace.state.items():
        if vector.shape == trace.net.theta.shape:
            yield from ((f"{n}.{key}_before", v) for n, v in trace.net.views(vector).items())
    for name in trace.net.buffer_shapes:
        if f"{name}.after" not in trace.equations:
            yield f"{name}.after", trace.net[name]


def _pick(lists: Any, index: Sequence[int]) -> Any:
    for i in index:
        lists = lists[i]
    return lists


def _open(lists: Any, index: Slice) -> list[Any]:
    """The numbers in nested lists along the open place of an index."""
    if index[0] is None:
        return [_pick(part, [i for i in index[1:] if i is not None]) for part in lists]
    return _open(lists[index[0]], index[1:])


def _each(lists: Any, of: Callable[[float], Any]) -> Any:
    return [_each(part, of) for part in lists] if isinstance(lists, list) else of(lists)


def places_of(shape: Sequence[int]) -> Iterator[Index]:
    """Every index of an array of this shape."""
    if not shape:
        yield ()
        return
    for i in range(shape[0]):
        for rest in places_of(shape[1:]):
            yield (i, *rest)
