"""The formats that blocks are written in: plain text, Markdown, LaTeX, HTML."""

from collections.abc import Iterable
from html import escape

from ..trace.notation import Notation
from .blocks import Block, Cell, Equation, Heading, Note, Picture, Prose, Table
from .mathematics import ATOM, Writer, number
from .typeset import Latex, MathML


class Format:
    """Writes blocks; a subclass has a method for each kind of block, named after it."""

    mathematics: type[Writer] = Writer
    between, end = "\n", ""  # between blocks, and after the last
    inline = paragraph = "%s"  # mathematics within words; prose
    equals, displayed, note_after = " = ", "%s%s", " (%s)"  # an equation: its sides and its note

    def __init__(self, notation: Notation | None = None) -> None:
        self.writer = self.mathematics(notation or Notation())

    def write(self, blocks: Iterable[Block]) -> str:
        """All blocks as one text."""
        return self.between.join(map(self.block, blocks)) + self.end

    def block(self, block: Block) -> str:
        """One block, by the method for its kind (as `ast.NodeVisitor` finds its methods)."""
        return str(getattr(self, type(block).__name__.lower())(block))

    def words(self, text: str) -> str:
        """A text that holds no markup."""
        return text

    def number(self, value: float) -> str:
        """A number in a table."""
        return self.inline % self.writer(number(value))

    def cell(self, cell: Cell) -> str:
        """A cell of a table."""
        if cell is None or isinstance(cell, str):
            return self.words(cell or "")
        return self.number(cell)

    def line(self, block: Heading) -> str:
        """A heading's text, with its address as the notation has it in plain text."""
        address = Writer(self.writer.notation).named(block.address) if block.address else ""
        return self.words(f"{block.text} {address}".rstrip())

    def prose(self, block: Prose) -> str:
        """A paragraph."""
        return self.paragraph % self.words(block.text)

    def equation(self, block: Equation) -> str:
        """side = side = …, and its note."""
        note = self.note_after % self.words(block.note) if block.note else ""
        return self.displayed % (self.equals.join(map(self.writer, block.sides)), note)

    def rows(self, block: Table, between: str) -> list[str]:
        """The names of a table's columns, then its rows, each as a line of cells."""
        return [between.join(map(self.cell, row)) for row in (block.columns, *block.rows)]


class Text(Format):
    """For a terminal: equations in columns, no markup."""

    paragraph, displayed, note_after = "  %s", "  %s%s", "   (%s)"

    def heading(self, block: Heading) -> str:
        """A line, after an empty one within a page."""
        return "\n" * (block.level > 2) + self.line(block)

    def table(self, block: Table) -> str:
        """Columns as wide as their widest cell."""
        rows = [block.columns, *([self.cell(cell) for cell in row] for row in block.rows)]
        columns = []
        for i, cells in enumerate(zip(*rows, strict=True)):
            width = max(map(len, cells))
            pad = str.rjust if i in block.numeric else str.ljust
            columns.append([pad(cell, width) for cell in cells])
        return "\n".join(f"  {'  '.join(line)}".rstrip() for line in zip(*columns, strict=True))


class Markdown(Format):
    """Equations in LaTeX between dollar signs."""

    mathematics = Latex
    between, end = "\n\n", "\n"
    inline, displayed = "$%s$", "$%s$%s"

    def heading(self, block: Heading) -> str:
        """As many # as its level."""
        return f"{'#' * block.level} {self.line(block)}"

    def rule(self, block: Table) -> str:
        """The line below the names of the columns."""
        marks = ("---:" if i in block.numeric else "---" for i in range(len(block.columns)))
        return f"| {' | '.join(marks)} |"

    def table(self, block: Table) -> str:
        """A pipe table under its title."""
        lines = [f"| {line} |" for line in self.rows(block, " | ")]
        lines.insert(1, self.rule(block))
        title = f"**{self.words(block.title)}**\n\n" if block.title else ""
        return title + "\n".join(lines)

    def picture(self, block: Picture) -> str:
        """What stands in for the picture."""
        sketch = f"  \n`{block.sketch}`" if block.sketch else ""
        return f"*Picture `{block.name}`: {self.words(block.title)}.*{sketch}"


class LatexBody(Format):
    """For the body of a document that loads amsmath."""

    mathematics = Latex
    end = "\n"
    inline, displayed, note_after = "$%s$", r"\[ %s%s \]", r"\quad\text{(%s)}"
    signs = {"←": r"\leftarrow", "·": r"\cdot", "∂": r"\partial", "ŷ": r"\hat y", "Σ": r"\Sigma"}
    escapes = str.maketrans(
        {c: rf"\{c}" for c in "&%$#_{}"} | {c: f"${sign}$" for c, sign in signs.items()}
    )

    def words(self, text: str) -> str:
        return text.translate(self.escapes)

    def heading(self, block: Heading) -> str:
        """The start of a paragraph."""
        return rf"\paragraph{{{self.line(block)}}}"

    def table(self, block: Table) -> str:
        """A tabular."""
        columns = "".join("r" if i in block.numeric else "l" for i in range(len(block.columns)))
        body = " \\\\\n".join(self.rows(block, " & "))
        return f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}"


class Html(Format):
    """For the body of a page, equations in MathML."""

    mathematics = MathML
    end, paragraph = "\n", "<p>%s</p>"
    equals, note_after = "<mo>=</mo>", "<mtext>  (%s)</mtext>"
    displayed = '<math display="block"><mrow>%s%s</mrow></math>'

    def words(self, text: str) -> str:
        return escape(text)

    def heading(self, block: Heading) -> str:
        """h2 or h3."""
        return f"<h{block.level}>{self.line(block)}</h{block.level}>"

    def number(self, value: float) -> str:
        return f"<math>{self.writer(number(value), ATOM)}</math>"

    def table(self, block: Table) -> str:
        """A table without classes."""
        head = "".join(f"<th>{self.words(name)}</th>" for name in block.columns)
        rows = "".join(
            f"<tr>{''.join(f'<td>{self.cell(cell)}</td>' for cell in row)}</tr>"
            for row in block.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def note(self, block: Note) -> str:
        """An aside."""
        return f'<aside class="note">{self.prose(Prose(block.text))}</aside>'
