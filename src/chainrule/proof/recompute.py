"""Recomputes every number of a trace in plain Python from the numbers that it depends on.

Nothing here is shared with the engines: no NumPy, no layer, no loss of `core`, only the equations.
Each number comes with how many units u = 2^-53 the engine's rounding may have moved it:
4 Σ|terms| of a sum of at most 16 terms, 2√n Σ|terms| of a longer one (added one after the other,
the roundings of n terms walk that far: Higham and Mary 2019), running error analysis for a formula.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ..formulas.equation import Equation, EquationNumbers, Index
from ..formulas.expression import FLOATS, Kind, Meaning, meaning
from .arithmetic import BOUNDED, Rounded

Slice = tuple[int | None, ...]  # an index with one place left open
Reader = tuple[Equation, Meaning, EquationNumbers, EquationNumbers]
"""An equation, what it computes, its numbers, and its numbers with bounds."""


class Recomputation:
    """One number at a time by `number(name, index)`, in numbers of one kind.

    It reads the numbers that a number is made of from the trace, or from `fresh`, nested lists of
    the values that have been recomputed. A value without an equation (of a layer or loss that
    states none) is not in `names`.
    """

    def __init__(self, trace: Any, kind: Kind = FLOATS, bounds: bool = True) -> None:
        self.trace, self.kind, self.bounds = trace, kind, bounds
        self.fresh, self._fresh_lines = dict[str, Any](), dict[tuple[str, Slice], list[Any]]()
        self._inputs = dict(_inputs(trace))
        self._traced_line = cache(self._read_line)
        self._readers = {
            name: [self._reader(stated) for stated in equations]
            for name, equations in trace.equations.items()
        }

    def _reader(self, stated: Equation) -> Reader:
        exact = EquationNumbers(stated, self.at, self.kind, self.along)
        bounded = EquationNumbers(stated, lambda *at: BOUNDED.of(self.at(*at)), BOUNDED, self.along)
        return stated, meaning(stated.formula.run), exact, bounded

    @property
    def names(self) -> list[str]:
        """The values that can be recomputed, in the order in which the step made them."""
        return [n for n in self.trace.values if n in self._readers or n in self._inputs]

    def number(self, name: str, index: Index) -> tuple[Any, float]:
        """The number, and its bound in u. Raises KeyError for one that no equation makes."""
        if name in self._inputs:
            return self.kind.of(float(self._inputs[name][index])), 0.0
        for stated, compute, numbers, bounded in self._readers[name]:
            if (at := stated.match(index)) is not None:
                value = self.kind.of(compute(at, numbers))
                return value, _bound(compute, at, bounded, value) if self.bounds else 0.0
        raise KeyError(f"no equation makes {name}{list(index)}")

    def begin(self, fresh: dict[str, Any]) -> None:
        """Forget all recomputed values except these."""
        self.fresh = fresh
        self._fresh_lines.clear()

    def at(self, name: str, *index: int) -> Any:
        """One number of a value."""
        if name not in self.fresh:
            return self.kind.of(float(self.trace[name][index]))
        return pick(self.fresh[name], index)

    def along(self, name: str, index: Slice) -> Any:
        """The numbers of a value along the place of the index that is open."""
        if name not in self.fresh:
            return self._traced_line(name, index)
        if (name, index) not in self._fresh_lines:
            self._fresh_lines[name, index] = line(self.fresh[name], index)
        return self._fresh_lines[name, index]

    def _read_line(self, name: str, index: Slice) -> list[Any]:
        numbers = self.trace[name][tuple(slice(None) if i is None else i for i in index)]
        return [self.kind.of(number) for number in numbers.tolist()]


def _bound(compute: Meaning, at: Mapping[str, int], numbers: EquationNumbers, value: Any) -> float:
    """What rounding may have done to a number, in u."""
    try:
        bound = compute(at, numbers)
    except ArithmeticError:  # a saturated output, whose float is 0
        return 8.0 * abs(float(value))
    return bound.off + abs(bound.value) if isinstance(bound, Rounded) else 0.0


def _inputs(trace: Any) -> Iterator[tuple[str, Any]]:
    """What the step was given and must have kept: the rows, the optimizer's state, and the buffers
    that no equation moves.
    """
    yield "X", trace.batch.X
    for key, vector in trace.state.items():
        if vector.shape == trace.net.theta.shape:
            yield from ((f"{n}.{key}_before", v) for n, v in trace.net.views(vector).items())
    for name in trace.net.buffer_shapes:
        if f"{name}.after" not in trace.equations:
            yield f"{name}.after", trace.net[name]


def pick(lists: Any, index: Sequence[int]) -> Any:
    """One number, or a list of numbers, of nested lists."""
    for i in index:
        lists = lists[i]
    return lists


def line(lists: Any, index: Slice) -> Any:
    """The numbers in nested lists along the open place of an index."""
    first, *rest = index
    if first is not None:
        return line(lists[first], tuple(rest))
    return [pick(part, [i for i in rest if i is not None]) for part in lists] if rest else lists
