"""An explanation as plain text, Markdown, LaTeX, HTML or JSON."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..chain.explanation import Explanation, Number, Rounding, Term
from ..chain.made import SHARED
from ..core.nonfinite import finite
from ..formulas import LOSSES, Formula, kind
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


def to_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as lists, texts and finite numbers; None for inf and nan."""
    inputs, blocked, paths = explanation.inputs, explanation.blocked, explanation.paths
    document = {
        "address": str(explanation.address),
        "value": explanation.value,
        "row": explanation.row,
        "made": explanation.made and _plain(explanation.made),
        "sum": explanation.sum
        and {
            "parts": _all_plain(explanation.sum.parts),
            "count": explanation.sum.count,
            "rest": explanation.sum.rest,
        },
        "paths": [{"factors": _all_plain(p.factors), "product": p.product} for p in paths],
        "count": explanation.count,
        "rest": explanation.rest,
        "proof": _all_plain(explanation.proof),
        "steps": _all_plain(explanation.steps),
        "blocked": blocked and _all_plain(blocked.factors),
        "inputs": inputs
        and {
            "output": inputs.output,
            "against": inputs.against,
            "parts": [vars(part) for part in inputs.parts],
            "gaps": inputs.gaps,
        },
    }
    return dict(finite(document))


def _all_plain(numbers: Sequence[Number]) -> list[dict[str, Any]]:
    return [_plain(one) for one in numbers]


def _plain(one: Number) -> dict[str, Any]:
    return {
        "symbol": one.symbol if isinstance(one.symbol, str) else list(one.symbol),
        "value": one.value,
        "formula": one.formula and one.formula.show,
        "names": {
            letter: {"value": term.value, "address": term.address or None}
            for letter, term in one.names.items()
        },
        "note": one.note,
    }


def _seen(found: Explanation, notation: Notation, paper: Rounding | None) -> Seen:
    """How each number is written: on paper, as half squares."""
    squared = kind(found.trace.settings.loss) == "SquaredError" and notation.half_squares

    def seen(one: Number) -> Number:
        exact = _halved(one) if squared else one
        if paper is None:
            return exact
        rounded = _halved(paper(one)) if squared else paper(one)
        return replace(rounded, note=exact.note or paper.lost(exact, rounded.value))

    return seen


def _halved(one: Number) -> Number:
    """A number of the squared error as one of half squares."""
    goal = LOSSES["SquaredError"]
    if one.formula == goal.value:
        return replace(one, formula=Formula("(z - y)**2 / 2"), value=one.value / 2)
    if one.formula == goal.slope:
        return replace(one, formula=Formula("z - y"), value=one.value / 2)
    if isinstance(one.symbol, tuple) and one.symbol[0] == "L" and one.symbol[1].startswith("l["):
        return replace(one, value=2 * one.value, note=one.note and f"{one.note}, doubled")
    if one.formula == SHARED:
        names = {"share": Term(2 * one.names["share"].value), "l": Term(one.names["l"].value / 2)}
        return replace(one, names=names)
    return one
