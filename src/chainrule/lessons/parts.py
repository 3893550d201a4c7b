"""What a lesson is made of: paragraphs, tables, claims, pictures, and the progress of a training.

A lesson is a generator of these parts, so that a terminal can show each as it is computed; the same
parts become Markdown and JSON. A section is a function: its docstring is the heading and the first
paragraph, then come the parts that it yields. Nothing here computes a network's number.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike

from ..writing.blocks import Cell, Picture, Table

Value = float | tuple[float, ...]
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Say:
    """A paragraph in plain text, formulas between backticks; `heading` begins a section."""

    text: str
    heading: str | None = None


@dataclass(frozen=True)
class Claim:
    """|actual - expected| ≤ tolerance, number by number; booleans are claims of a plain fact."""

    sentence: str
    expected: Value
    actual: Value
    tolerance: float = 1e-12

    @property
    def holds(self) -> bool:
        """Whether every number is within the tolerance; nan never is."""
        expected, actual = as_tuple(self.expected), as_tuple(self.actual)
        return len(expected) == len(actual) and all(
            abs(a - e) <= self.tolerance for e, a in zip(expected, actual, strict=True)
        )


@dataclass(frozen=True)
class Progress:
    """`done` of `total` epochs of the training named `task`."""

    done: int
    total: int
    task: str


Content = Say | Table | Claim | Picture
Part = Content | Progress


@dataclass(frozen=True)
class Lesson:
    """One text's system: what it is about, and the generator of its parts.

    `source` names the text. A lesson that `needs_file` works on a table of the reader's; run
    without one it says where to get it.
    """

    name: str
    title: str
    source: str
    summary: str
    parts: Callable[..., Iterator[Part]]
    needs_file: bool = False

    def run(self, file: str | PathLike[str] | None = None) -> Iterator[Part]:
        """The parts, computed as they are asked for. Raises ValueError for a file the lesson has no
        use for; OSError or ValueError where the file cannot be read or is another table.
        """
        if self.needs_file:
            return self.parts(file)
        if file is not None:
            raise ValueError(
                f"the lesson {self.name} takes no file, but got {file}: leave it out, "
                "its data are in the text"
            )
        return self.parts()


def section(parts: Callable[..., Iterator[Part]], *args: object) -> Iterator[Part]:
    """The heading and the paragraph of a section's docstring, then its parts; a docstring of one
    paragraph has no heading and goes on with the section before.

    Raises ValueError under `python -OO`, which leaves docstrings out.
    """
    doc = inspect.getdoc(parts)
    if doc is None:
        raise ValueError("python -OO leaves out the texts of the lessons: run it without -OO")
    heading, _, text = doc.rpartition("\n\n")
    yield say(text, heading or None)
    yield from parts(*args)


def in_sections(*sections: Callable[..., Iterator[Part]]) -> Callable[..., Iterator[Part]]:
    """The parts of a lesson that consists of these sections, which all take its arguments."""
    return lambda *args: chain.from_iterable(section(parts, *args) for parts in sections)


def say(text: str, heading: str | None = None) -> Say:
    """A paragraph from a string that may be broken over lines."""
    return Say(" ".join(text.split()), heading)


def numbers(title: str, *rows: tuple[str, str, str | None, ArrayLike]) -> Table:
    """The table of a text's numbers: rows of (name, formula, as the text prints it, exact)."""
    columns = ("name", "formula", "printed", "exact")
    cells = [(name, formula, printed, _cell(exact)) for name, formula, printed, exact in rows]
    # The column "printed" is left out where the text prints none of the numbers.
    shown = [i for i in range(4) if i != 2 or any(row[2] is not None for row in rows)]
    return Table(title, [columns[i] for i in shown], [[row[i] for i in shown] for row in cells])


def _cell(exact: ArrayLike) -> Cell:
    """A text as it stands, a number or an array of a single one as a float."""
    return exact if isinstance(exact, str) else float(np.asarray(exact).item())


def claim(sentence: str, expected: ArrayLike, actual: ArrayLike, tolerance: float = 1e-12) -> Claim:
    """A claim about numbers of any shape, compared in their order; about a fact where `expected`
    is True.
    """
    return Claim(sentence, _plain(expected), _plain(actual), tolerance)


def as_tuple(value: Value) -> tuple[float, ...]:
    """The numbers of a claim's side, one or many."""
    return value if isinstance(value, tuple) else (value,)


def _plain(value: ArrayLike) -> Value:
    array = np.asarray(value)
    if array.dtype == bool and array.ndim == 0:
        return bool(array)
    flat = tuple(array.astype(np.float64).ravel().tolist())
    return flat[0] if len(flat) == 1 else flat


def sketch(values: Sequence[float], width: int = 40) -> str:
    """A curve as one line of blocks between its first and last value: `2.08 █▅▂▁▁ 0.0017`."""
    curve = np.asarray(values, dtype=np.float64)
    picked = curve[np.linspace(0, len(curve) - 1, min(width, len(curve))).round().astype(int)]
    low, span = float(picked.min()), float(np.ptp(picked))
    heights = np.zeros(len(picked)) if span == 0 else (picked - low) / span
    blocks = "".join(BARS[round(float(h) * (len(BARS) - 1))] for h in heights)
    return f"{curve[0]:.4g} {blocks} {curve[-1]:.4g}"
