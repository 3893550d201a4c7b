"""What a page is made of. Explanations, lessons and reports become these blocks, which every format
can write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .mathematics import Expression

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | float | None


@dataclass(frozen=True)
class Heading:
    """A line above what follows, which may end in an address; `level` 2 is that of a page."""

    text: str
    address: str = ""
    level: int = 3


@dataclass(frozen=True)
class Prose:
    """A sentence or more."""

    text: str


@dataclass(frozen=True)
class Equation:
    """side = side = …, the last one a number; `note` says what the number is."""

    sides: tuple[Expression, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns, of which those whose index is in `numeric` stand at the
    right. A str is shown as it is (so that "0.10" keeps its digits), a float as the format writes
    numbers, None as an empty cell.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure, drawn only when `make` is called; `name` serves as its file name and
    `sketch` is one line that stands in for it in a terminal.
    """

    name: str
    title: str
    make: "Callable[[], Figure]"
    sketch: str = ""


@dataclass(frozen=True)
class Code:
    """Lines of a program or of a shell."""

    text: str


@dataclass(frozen=True)
class Note:
    """Prose at the margin of what it is about."""

    text: str


Block = Heading | Prose | Equation | Table | Picture | Code | Note
