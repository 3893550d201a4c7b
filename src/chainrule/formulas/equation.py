"""Equations: how every number of one value is made, in the language of `arrays.Equation`."""

import ast
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .expression import FUNCTIONS, Formula, Index, Names, Text, indices, letters_of, meaning


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
    arrays: Names = field(default_factory=dict)
    settings: Names = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)

    def match(self, index: Index) -> dict[str, int] | None:
        """Each letter of the left side for one number's index; None where it does not fit."""
        if self._plain is not None:
            return dict(zip(self._plain, index, strict=True))
        at: dict[str, int] = {}
        for pattern, i in zip(self.index, index, strict=True):
            fitted = self._solved(pattern, i)
            if fitted is None or any(at.get(letter, j) != j for letter, j in fitted.items()):
                return None
            at |= fitted
        return at

    @cached_property
    def _plain(self) -> list[str] | None:
        """The index, where it is nothing but different letters."""
        letters = [part.id for part in self.index if isinstance(part, ast.Name)]
        return letters if len(set(letters)) == len(self.index) else None

    def _solved(self, pattern: ast.expr, i: int) -> Mapping[str, int] | None:
        if isinstance(pattern, ast.Name):
            return {pattern.id: i}
        if pattern not in self._tables:
            self._tables[pattern] = self._table(ast.unparse(pattern))
        return self._tables[pattern].get(i)

    def _table(self, text: str) -> dict[int, dict[str, int]]:
        """What each value of an index such as `3 + 2 * c + o` is made of."""
        letters = sorted(letters_of(text))
        value, table = meaning(text), dict[int, dict[str, int]]()
        for choice in itertools.product(*(range(self.lengths[letter]) for letter in letters)):
            at = dict(zip(letters, choice, strict=True))
            table.setdefault(value(at, None), at)
        return table

    @cached_property
    def _tables(self) -> dict[ast.expr, dict[int, dict[str, int]]]:
        return {}

    @cached_property
    def reads(self) -> set[str]:
        """The values of the trace that its numbers are made of."""
        named = [*self.arrays.values(), *self.settings.values()]
        return {name for one in named for name in (one if isinstance(one, tuple) else (one,))
                if isinstance(name, str)}  # fmt: skip


class EquationNumbers:
    """The numbers of one equation, of any kind: `read(name, *index)` takes one from the trace, `of`
    makes one of a float, `total` and `dot` add them up.
    """

    def __init__(
        self, one: Equation, read: Callable[..., Any], of: Callable[[float], Any] = float,
        functions: Names = FUNCTIONS, total: Callable[[Sequence[Any]], Any] = math.fsum,
        dot: Callable[[Sequence[Any], Sequence[Any]], Any] | None = None,
    ) -> None:  # fmt: skip
        self.equation, self.read, self.of, self.functions = one, read, of, functions
        self.total = total
        self.dot = dot or (lambda a, b: total([x * y for x, y in zip(a, b, strict=True)]))
        self._constants = {
            name: of(float(value))
            for name, value in one.settings.items()
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
        return self.of(float(array[index]))

    def along(self, name: str, index: tuple[int | None, ...]) -> Sequence[Any]:
        """The numbers of an array along the open place of an index."""
        count = self.size(name, index.index(None))
        return [self.at(name, tuple(k if i is None else i for i in index)) for k in range(count)]

    def drawn(self, values: Sequence[Any], at: Mapping[str, int]) -> Any:
        """The value that the draw decided for: the one nearest to the trace's."""
        index = tuple(meaning(ast.unparse(part))(at, self) for part in self.equation.index)
        there = float(self.read(self.equation.value, *index))
        return min(values, key=lambda value: abs(float(value) - there))


def equation(
    text: Text,
    array: Callable[[str], Any],
    setting: Callable[[str], Any],
    shape: Callable[[Any], tuple[int, ...]],
    symbols: Mapping[str, str] | None = None,
) -> Equation:
    """An equation from its text: `array` and `setting` say what a name in it is in the trace, with
    an index and without one, `shape` how large an array is.
    """
    texts = (text,) if isinstance(text, str) else text
    left, show = texts[0].split(" = ", 1)
    stable = texts[-1].split(" = ", 1)[1]
    target = ast.parse(left, mode="eval").body
    index = indices(target) if isinstance(target, ast.Subscript) else []
    own = left.partition("[")[0]
    used = _used_symbols(f"({show}, {stable})", symbols or {})
    names = _Names()
    for part in (left, show, stable, *used.values()):
        names.visit(ast.parse(part))
    arrays, shapes, lengths = dict[str, Any](), dict[str, tuple[int, ...]](), dict[str, int]()
    for subscript in names.subscripts:
        owner = subscript.value
        if isinstance(owner, ast.Tuple):
            (letter,) = letters_of(ast.unparse(subscript.slice))
            lengths[letter] = len(owner.elts)
        elif isinstance(owner, ast.Name) and owner.id != own:
            name = owner.id
            arrays[name] = array(name)
            shapes[name] = shape(arrays[name])
            for place, length in zip(indices(subscript), shapes[name], strict=True):
                if isinstance(place, ast.Name):
                    lengths.setdefault(place.id, length)
    left_letters = {part.id for part in index if isinstance(part, ast.Name)}
    bare = names.bare - set(lengths) - set(used) - left_letters
    settings = {letter: setting(letter) for letter in bare - {own}}
    formula = Formula(show, stable if stable != show else "")
    return Equation(array(own), own, tuple(index), formula, arrays, settings, used, shapes, lengths)


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
        """An array; of its index only what has an index itself counts."""
        self.subscripts.append(node)
        for part in ast.walk(node.slice):
            if isinstance(part, ast.Subscript):
                self.subscripts.append(part)

    def visit_Call(self, node: ast.Call) -> None:
        """A function of its arguments."""
        for part in node.args:
            self.visit(part)

    def visit_Name(self, node: ast.Name) -> None:
        """A name without index."""
        self.bare.add(node.id)
