"""An explanation as plain text, Markdown, LaTeX, HTML or JSON."""

from collections.abc import Iterable
from dataclasses import replace
from html import escape
from typing import Any

from ..chain.explanation import Explanation, Number, Rounding, Term
from ..chain.numbers import SHARED
from ..core.losses import SquaredError
from ..core.nonfinite import finite
from ..formulas.expression import Formula
from ..trace.notation import Notation
from .mathematics import ATOM, Writer
from .page import Equation, Grid, Heading, Prose, Seen, page
from .typeset import Latex, MathML


def to_text(
    found: Explanation, notation: Notation | None = None, paper: Rounding | None = None
) -> str:
    """For a terminal: equations in columns, no markup."""
    writer, lines = Writer(notation or Notation()), list[str]()
    for block in page(found, _seen(found, writer.notation, paper)):
        if isinstance(block, Heading):
            lines += ["", _heading(block, writer)] if lines else [_heading(block, writer)]
        elif isinstance(block, Prose):
            lines.append(f"  {block.text}")
        elif isinstance(block, Equation):
            note = f"   ({block.note})" if block.note else ""
            lines.append(f"  {_sides(block, writer)}{note}")
        else:
            lines += [f"  {line}" for line in _columns(block, writer)]
    return "\n".join(lines)


def to_markdown(
    found: Explanation, notation: Notation | None = None, paper: Rounding | None = None
) -> str:
    """Markdown with the equations in LaTeX between dollar signs."""
    writer, lines = Latex(notation or Notation()), list[str]()
    for block in page(found, _seen(found, writer.notation, paper)):
        if isinstance(block, Heading):
            lines += [f"{'###' if lines else '##'} {_heading(block, writer)}", ""]
        elif isinstance(block, Prose):
            lines += [block.text, ""]
        elif isinstance(block, Equation):
            note = f" ({block.note})" if block.note else ""
            lines += [f"${_sides(block, writer)}${note}", ""]
        else:
            cells = [[_cell(c, writer, "$") for c in row] for row in block.rows]
            marks = ["---:" if i else "---" for i in range(len(block.header))]
            table = [list(block.header), marks, *cells]
            lines += [f"| {' | '.join(row)} |" for row in table] + [""]
    return "\n".join(lines)


def to_latex(
    found: Explanation, notation: Notation | None = None, paper: Rounding | None = None
) -> str:
    r"""LaTeX for the body of a document that loads amsmath."""
    writer, lines = Latex(notation or Notation()), list[str]()
    for block in page(found, _seen(found, writer.notation, paper)):
        if isinstance(block, Heading):
            lines.append(rf"\paragraph{{{_escaped(_heading(block, writer))}}}")
        elif isinstance(block, Prose):
            lines.append(_escaped(block.text))
        elif isinstance(block, Equation):
            note = rf"\quad\text{{({_escaped(block.note)})}}" if block.note else ""
            lines.append(rf"\[ {_sides(block, writer)}{note} \]")
        else:
            rows = [block.header, *block.rows]
            body = " \\\\\n".join(
                " & ".join(_escaped(c) if isinstance(c, str) else f"${writer(c)}$" for c in row)
                for row in rows
            )
            columns = "l" + "r" * (len(block.header) - 1)
            lines.append(f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}")
    return "\n".join(lines) + "\n"


def to_html(
    found: Explanation, notation: Notation | None = None, paper: Rounding | None = None
) -> str:
    """HTML with the equations in MathML, for the body of a page."""
    writer, lines = MathML(notation or Notation()), list[str]()
    for block in page(found, _seen(found, writer.notation, paper)):
        if isinstance(block, Heading):
            level = 3 if lines else 2
            lines.append(f"<h{level}>{escape(_heading(block, writer))}</h{level}>")
        elif isinstance(block, Prose):
            lines.append(f"<p>{escape(block.text)}</p>")
        elif isinstance(block, Equation):
            note = f"<mtext>  ({escape(block.note)})</mtext>" if block.note else ""
            inside = "<mo>=</mo>".join(writer(side) for side in block.sides)
            lines.append(f'<math display="block"><mrow>{inside}{note}</mrow></math>')
        else:
            head = "".join(f"<th>{escape(text)}</th>" for text in block.header)
            rows = "".join(
                f"<tr>{''.join(f'<td>{_html(c, writer)}</td>' for c in row)}</tr>"
                for row in block.rows
            )
            lines.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
    return "\n".join(lines) + "\n"


def to_json(found: Explanation) -> dict[str, Any]:
    """The explanation as lists, texts and finite numbers; None for inf and nan."""
    told = {
        "address": str(found.address),
        "value": found.value,
        "row": found.row,
        "made": None if found.made is None else _plain(found.made),
        "sum": None if found.sum is None else {
            "parts": [_plain(part) for part in found.sum.parts], "count": found.sum.count,
            "rest": found.sum.rest,
        },
        "paths": [
            {"factors": [_plain(f) for f in path.factors], "product": path.product}
            for path in found.paths
        ],
        "count": found.count,
        "rest": found.rest,
        "proof": [_plain(one) for one in found.proof],
        "steps": [_plain(one) for one in found.steps],
        "blocked": found.blocked and [_plain(one) for one in found.blocked.factors],
        "inputs": None if found.inputs is None else {
            "output": found.inputs.output, "against": found.inputs.against,
            "parts": [vars(part) for part in found.inputs.parts], "gaps": found.inputs.gaps,
        },
    }  # fmt: skip
    return dict(finite(told))


def _plain(one: Number) -> dict[str, Any]:
    return {
        "symbol": one.symbol if isinstance(one.symbol, str) else list(one.symbol),
        "value": one.value,
        "formula": None if one.formula is None else one.formula.show,
        "names": {k: {"value": t.value, "address": t.address or None}
                  for k, t in one.names.items()},
        "note": one.note,
    }  # fmt: skip


def _seen(found: Explanation, notation: Notation, paper: Rounding | None) -> Seen:
    """How each number is written: on paper, as half squares."""
    squared = type(found.trace.settings.loss) is SquaredError and notation.half_squares

    def seen(one: Number) -> Number:
        exact = _halved(one) if squared else one
        if paper is None:
            return exact
        rounded = _halved(paper(one)) if squared else paper(one)
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


def _heading(block: Heading, writer: Writer) -> str:
    """The line, with the address as the notation has it in plain text."""
    if not block.address:
        return block.text
    return f"{block.text} {Writer(writer.notation).named(block.address)}"


def _sides(block: Equation, writer: Writer) -> str:
    return " = ".join(writer(side) for side in block.sides)


def _cell(cell: Any, writer: Writer, mark: str = "") -> str:
    return cell if isinstance(cell, str) else f"{mark}{writer(cell)}{mark}"


def _html(cell: Any, writer: Writer) -> str:
    if isinstance(cell, str):
        return escape(cell)
    return f"<math>{writer(cell, ATOM)}</math>"


def _columns(block: Grid, writer: Writer) -> Iterable[str]:
    """The table's lines, text to the left and numbers to the right."""
    rows = [block.header, *(tuple(_cell(c, writer) for c in row) for row in block.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(block.header))]
    for row in rows:
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


_SPECIAL = {c: rf"\{c}" for c in "&%$#_{}"} | {"←": r"$\leftarrow$", "·": r"$\cdot$",
                                               "∂": r"$\partial$", "ŷ": r"$\hat y$",
                                               "Σ": r"$\Sigma$"}  # fmt: skip


def _escaped(text: str) -> str:
    """A text for LaTeX."""
    return "".join(_SPECIAL.get(c, c) for c in text)
