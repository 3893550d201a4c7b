"""Equations: how every number of one value is made, in the language of `equations.EquationText`."""

import ast
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .expression import FLOATS, Formula, Kind, Text, build, indices, letters_of, meaning, parsed

Index = tuple[int, ...]


@dataclass(frozen=True)
class Equation:
    """How every number of one value of a trace is made.

    `value` is its name in the trace, `own` that in the equation. `arrays` gives each array's name
    in the trace, several for one whose first index counts them, or the numbers themselves;
    `settings` the numbers without index, `symbols` the expressions that further letters stand for,
    `shapes` the sizes of the arrays, `lengths` how many values each index on the left has.
    """

    value: str
    own: str
    index: tuple[ast.expr, ...]
    formula: Formula
    arrays: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)

    def match(self, index: Index) -> dict[str, int] | None:
        """Each letter of the left side for one number's index; None if the index does not fit."""
        if self._letters is not None:
            return dict(zip(self._letters, index, strict=True))
        at: dict[str, int] = {}
        for part, table, i in zip(self.index, self._tables, index, strict=True):
            fitted = {part.id: i} if isinstance(part, ast.Name) else table.get(i)
            if fitted is None or any(at.get(letter, j) != j for letter, j in fitted.items()):
                return None
            at |= fitted
        return at

    @cached_property
    def _letters(self) -> list[str] | None:
        """The index if it consists of different letters, which is the usual case."""
        letters = [part.id for part in self.index if isinstance(part, ast.Name)]
        return letters if len(set(letters)) == len(self.index) else None

    @cached_property
    def _tables(self) -> list[dict[int, dict[str, int]]]:
        return [{} if isinstance(part, ast.Name) else self._table(part) for part in self.index]

    def _table(self, part: ast.expr) -> dict[int, dict[str, int]]:
        """The letters behind each value of an index such as `3 + 2 * c + o`."""
        letters = sorted(letters_of(ast.unparse(part)))
        value, table = build(part), dict[int, dict[str, int]]()
        for choice in itertools.product(*(range(self.lengths[letter]) for letter in letters)):
            at = dict(zip(letters, choice, strict=True))
            table.setdefault(value(at, None), at)
        return table

    @cached_property
    def reads(self) -> set[str]:
        """The values of the trace that its numbers are computed from."""
        sources = [*self.arrays.values(), *self.settings.values()]
        names = itertools.chain(*(s if isinstance(s, tuple) else (s,) for s in sources))
        return {name for name in names if isinstance(name, str)}


class EquationNumbers:
    """The numbers of one equation, all of one kind; `read(name, *index)` takes one from the trace.

    Where the equation adds up an array, `read_along(name, index)` takes all of them, with None at
    the open place of the index.
    """

    def __init__(
        self, stated: Equation, read: Callable[..., Any], kind: Kind = FLOATS,
        read_along: Callable[[str, tuple[int | None, ...]], Sequence[Any]] | None = None,
    ) -> None:  # fmt: skip
        self.equation, self.read, self.kind, self.read_along = stated, read, kind, read_along
        self._constants = {
            name: kind.of(float(value))
            for name, value in stated.settings.items()
            if not isinstance(value, str)
        }

    def size(self, name: str, place: int) -> int:
        """How many values an index of an array has."""
        return self.equation.shapes[name][place]

    def setting(self, name: str, at: Mapping[str, int]) -> Any:
        """The number of a name without index."""
        if name in self._constants:
            return self._constants[name]
        if name in self.equation.symbols:
            return meaning(self.equation.symbols[name])(at, self)
        return self.read(self.equation.settings[name])

    def at(self, name: str, index: Index) -> Any:
        """One number of an array."""
        array = self.equation.arrays[name]
        if isinstance(array, str):
            return self.read(array, *index)
        if isinstance(array, tuple):
            return self.read(array[index[0]], *index[1:])
        return self.kind.of(float(array[index]))

    def along(self, name: str, index: tuple[int | None, ...]) -> Sequence[Any]:
        """The numbers of an array along the open place of an index."""
        array = self.equation.arrays[name]
        if self.read_along is not None and isinstance(array, str):
            return self.read_along(array, index)
        count = self.size(name, index.index(None))
        return [self.at(name, tuple(k if i is None else i for i in index)) for k in range(count)]

    def drawn(self, values: Sequence[Any], at: Mapping[str, int]) -> Any:
        """The value that a random draw decided for: the one closest to the trace's."""
        index = (build(part)(at, self) for part in self.equation.index)
        traced = float(self.read(self.equation.value, *index))
        return min(values, key=lambda value: abs(float(value) - traced))


def equation(
    text: Text,
    array: Callable[[str], Any],
    setting: Callable[[str], Any],
    trace: Any,
    symbols: Mapping[str, str] | None = None,
) -> Equation:
    """An equation from its text. `array` and `setting` say what a name in it is in the trace, with
    an index and without one.
    """
    texts = (text,) if isinstance(text, str) else text
    left, show = texts[0].split(" = ", 1)
    stable = texts[-1].split(" = ", 1)[1]
    target, own = parsed(left), left.partition("[")[0]
    index = indices(target) if isinstance(target, ast.Subscript) else []
    used = _used_symbols(f"({show}, {stable})", symbols or {})
    names = _Names()
    for part in (left, show, stable, *used.values()):
        names.visit(parsed(part))
    arrays, shapes, lengths = dict[str, Any](), dict[str, tuple[int, ...]](), dict[str, int]()
    for subscript in names.subscripts:
        owner = subscript.value
        if isinstance(owner, ast.Tuple):
            (letter,) = letters_of(ast.unparse(subscript.slice))
            lengths[letter] = len(owner.elts)
        elif isinstance(owner, ast.Name) and (name := owner.id) != own:
            arrays[name] = array(name)
            shapes[name] = _shape(arrays[name], trace)
            for place, length in zip(indices(subscript), shapes[name], strict=True):
                if isinstance(place, ast.Name):
                    lengths.setdefault(place.id, length)
    others = {own, *lengths, *used, *(part.id for part in index if isinstance(part, ast.Name))}
    settings = {letter: setting(letter) for letter in names.bare - others}
    formula = Formula(show, stable if stable != show else "")
    return Equation(array(own), own, tuple(index), formula, arrays, settings, used, shapes, lengths)


def _shape(array: Any, trace: Any) -> tuple[int, ...]:
    """The shape of an array, of a value by its name, or of several values."""
    if isinstance(array, tuple):
        return (len(array), *trace[array[0]].shape)
    return tuple((trace[array] if isinstance(array, str) else array).shape)


def _used_symbols(text: str, symbols: Mapping[str, str]) -> dict[str, str]:
    """The symbols in an expression, and those in what they stand for."""
    used: dict[str, str] = {}
    while fresh := (letters_of(text) & set(symbols)) - set(used):
        used |= {letter: symbols[letter] for letter in fresh}
        text = f"({text}, {', '.join(used.values())})"
    return used


class _Names(ast.NodeVisitor):
    """What an expression names: arrays with their indices, and names without index."""

    def __init__(self) -> None:
        self.subscripts = list[ast.Subscript]()
        self.bare = set[str]()

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """An array, and the arrays in its index."""
        self.subscripts += [part for part in ast.walk(node) if isinstance(part, ast.Subscript)]

    def visit_Call(self, node: ast.Call) -> None:
        """A function of its arguments."""
        for part in node.args:
            self.visit(part)

    def visit_Name(self, node: ast.Name) -> None:
        """A name without index."""
        self.bare.add(node.id)
