"""An explanation as plain text, Markdown, LaTeX, HTML or JSON."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..chain.contributions import Contribution, Contributions
from ..chain.explanation import Explanation, Number, Path, Rounding, Sum, Term
from ..chain.numbers import SHARED
from ..core.losses import SquaredError
from ..core.nonfinite import finite
from ..formulas.expression import Formula
from ..trace.address import Address
from ..trace.notation import Notation
from .formats import Format, Html, LatexBody, Markdown, Text
from .page import Seen, page


def write(
    form: type[Format],
    explanation: Explanation,
    notation: Notation | None = None,
    paper: Rounding | None = None,
) -> str:
    """An explanation in a format; with `paper` its numbers as rounded there."""
    notation = notation or Notation()
    return form(notation).write(page(explanation, _seen(explanation, notation, paper)))


to_text, to_markdown = partial(write, Text), partial(write, Markdown)
to_latex, to_html = partial(write, LatexBody), partial(write, Html)


FIELDS = {
    Explanation: (
        "address value row equation sum paths path_count rest proof steps blocked inputs".split()
    ),
    Number: ["symbol", "value", "formula", "names", "note"],
    Sum: ["parts", "count", "rest"],
    Path: ["factors", "product"],
    Contributions: ["output", "against", "parts", "gaps"],
    Contribution: ["name", "gradient", "integrated", "exact"],
}
"""What JSON has of each part of an explanation."""


def to_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as lists, texts and finite numbers; None for inf and nan."""
    blocked = explanation.blocked and _plain(explanation.blocked.factors)
    plain = {**_plain(explanation), "blocked": blocked}
    old = {"made": plain["equation"], "count": plain["path_count"]}  # names until the next version
    return dict(finite(plain | old))


def _plain(value: Any) -> Any:
    if isinstance(value, Term):
        return {"value": value.value, "address": value.address or None}
    if type(value) in FIELDS:
        return {name: _plain(getattr(value, name)) for name in FIELDS[type(value)]}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Formula):
        return value.show
    return str(value) if isinstance(value, Address) else value


def _seen(explanation: Explanation, notation: Notation, paper: Rounding | None) -> Seen:
    """How each number is written: on paper, as half squares."""
    squared = type(explanation.trace.settings.loss) is SquaredError and notation.half_squares
    shown = _halved if squared else lambda number: number
    if paper is None:
        return shown

    def seen(number: Number) -> Number:
        exact, rounded = shown(number), shown(paper(number))
        return replace(rounded, note=exact.note or paper.lost(exact, rounded.value))

    return seen


def _halved(one: Number) -> Number:
    """A number of the squared error as one of half squares."""
    if one.formula == Formula(SquaredError.formula):
        return replace(one, formula=Formula("(z - y)**2 / 2"), value=one.value / 2)
    if one.formula == Formula(SquaredError.slope_formula):
        return replace(one, formula=Formula("z - y"), value=one.value / 2)
    if isinstance(one.symbol, tuple) and one.symbol[0] == "L" and one.symbol[1].startswith("l["):
        return replace(one, value=2 * one.value, note=one.note and f"{one.note}, doubled")
    if one.formula == SHARED:
        names = {"share": Term(2 * one.names["share"].value), "l": Term(one.names["l"].value / 2)}
        return replace(one, names=names)
    return one
