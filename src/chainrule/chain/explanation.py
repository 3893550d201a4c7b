"""What an explanation is made of: numbers with their formulas, sums, paths."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ..core.showing import show
from ..formulas.expression import Formula, derivative_of
from ..renamed import RenamedAttribute
from ..trace.address import Address
from ..trace.notation import Notation
from ..trace.step import Trace
from .contributions import Contributions

ALWAYS_LISTED = 64  # parts of which all are listed


class Term(NamedTuple):
    """A number in a formula, with its address if it is one of the trace's."""

    value: float
    address: str = ""


@dataclass(frozen=True)
class Number:
    """One named number and where it comes from: a formula over the terms in `names`.

    `symbol` is an address, or a pair (top, bottom) for ∂top/∂bottom. Without a formula it is a
    stored number, such as a weight. Names that the formula does not use are dropped.
    """

    symbol: str | tuple[str, str]
    value: float
    formula: Formula | None = None
    names: Mapping[str, Term] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        letters = frozenset[str]() if self.formula is None else self.formula.letters
        used = {letter: term for letter, term in self.names.items() if letter in letters}
        object.__setattr__(self, "names", used)


class Rounding(Protocol):
    """What a writer needs of a `Paper`: numbers rounded at every step."""

    def __call__(self, one: Number) -> Number:
        """A number from its rounded terms."""

    def lost(self, one: Number, value: float) -> str:
        """What a number is exactly, if rounding has changed it."""


@dataclass(frozen=True)
class Sum:
    """`value` as a sum: its parts, or the largest of them and `rest`, what all others add exactly.

    `count` is how many parts there are in all.
    """

    parts: tuple[Number, ...]
    count: int
    rest: float
    value: float


@dataclass(frozen=True)
class Path:
    """A product: the factors from the loss back to the number, and what they come to."""

    factors: tuple[Number, ...]
    product: float


@dataclass(frozen=True)
class Explanation:
    """Why a number is what it is.

    `value` is the number itself, or dL/d(parameter) for a parameter. `equation` computes it, `sum`
    is the sum that it is. `paths` are all `path_count` paths of one row to it, or the largest, with
    `rest` for the others. `factors` are those of the largest path or, if every path has a factor of
    0, of `blocked`, a path with the fewest of them. `steps` is the update: penalty, clipping,
    optimizer, the new number. `proof` is, for each output, a product after and before it is
    simplified. `inputs` is what each input added to a prediction.
    """

    trace: Trace = field(repr=False)
    address: Address
    value: float
    row: int | None = None
    equation: Number | None = None
    sum: Sum | None = None
    paths: tuple[Path, ...] = ()
    path_count: int = 0
    rest: float = 0.0
    proof: tuple[Number, ...] = ()
    steps: tuple[Number, ...] = ()
    blocked: Path | None = None
    inputs: Contributions | None = None
    made, count = RenamedAttribute("equation"), RenamedAttribute("path_count")

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, notation: Notation | None = None, paper: Rounding | None = None) -> str:
        """As plain text, for a terminal."""
        return str(show(self, "text", notation, paper))

    def to_markdown(self, notation: Notation | None = None, paper: Rounding | None = None) -> str:
        """As Markdown, the equations in LaTeX between dollar signs."""
        return str(show(self, "markdown", notation, paper))

    def to_latex(self, notation: Notation | None = None, paper: Rounding | None = None) -> str:
        """As LaTeX for the body of a document that loads amsmath."""
        return str(show(self, "latex", notation, paper))

    def to_html(self, notation: Notation | None = None, paper: Rounding | None = None) -> str:
        """As HTML for the body of a page, the equations in MathML."""
        return str(show(self, "html", notation, paper))

    _repr_html_, _repr_markdown_ = to_html, to_markdown

    def to_json(self) -> dict[str, Any]:
        """As lists, texts and numbers that JSON can hold."""
        return dict(show(self, "json"))

    @property
    def is_slope(self) -> bool:
        """Whether the value is a derivative of the loss."""
        slopes = {derivative_of(place.y) for place in self.trace.places} | {"dX"}
        return self.address.name in self.trace.net.shapes or self.address.name in slopes

    @property
    def factors(self) -> tuple[Number, ...]:
        """The factors of the largest path, or of a blocked one if there is no other."""
        first = self.paths[0] if self.paths else self.blocked
        return () if first is None else first.factors


def term(trace: Trace, name: str, *index: int) -> Term:
    """One number of a trace with its address."""
    return Term(float(trace[name][index]), str(Address(name, index)))


def add_up(parts: Sequence[Number], value: float, max_listed: int) -> Sum:
    """All parts of a sum or, if there are many, the largest and what the others add."""
    listed = list(parts)
    if len(listed) > ALWAYS_LISTED:
        listed = sorted(listed, key=lambda part: -abs(part.value))[:max_listed]
    rest = value - math.fsum(part.value for part in listed) if len(listed) < len(parts) else 0.0
    return Sum(tuple(listed), len(parts), rest, value)
