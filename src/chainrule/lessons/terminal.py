"""A lesson on the terminal: each part as it is computed, a bar while a network trains."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table as Grid
from rich.text import Text

from ..writing.blocks import Cell, Picture, Table
from .documents import TICK, cell_text, checked, claim_text, sections, verdict
from .parts import Claim, Content, Lesson, Part, Progress, Say

MEASURE = 88
"""Characters to a line of prose, however wide the terminal is."""


def render_terminal(
    parts: Iterable[Part], console: Console, pictures: str | PathLike[str] | None = None
) -> bool:
    """Print the parts section by section, with a bar for each training; True if every claim holds.

    `pictures` names a folder for the pictures as PNG files, which is created if necessary. Raises
    OSError if it cannot be created.
    """
    folder = None if pictures is None else Path(pictures)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    claims, own_lines = list[Claim](), 0
    with _bar(console) as bar:
        task = bar.add_task("", visible=False)
        for section in sections(parts):
            if isinstance(section, Progress):
                unfinished = section.done < section.total
                bar.update(task, description=section.task, visible=unfinished)
                bar.update(task, total=section.total, completed=section.done)
            else:
                bar.update(task, visible=False, refresh=True)
                claims += [part for part in section if isinstance(part, Claim)]
                own_lines += _print(console, checked(section), folder)
    holds = all(claim.holds for claim in claims)
    if claims:
        console.print()
        console.print(Text(verdict(claims), "bold green" if holds else "bold red"))
    if own_lines < len(claims):
        console.print(Text(TICK, "dim"), width=min(MEASURE, console.width))
    return holds


def _print(console: Console, parts: Sequence[Content], folder: Path | None) -> int:
    """Print the parts; returns how many claims have a line of their own."""
    previous: Content | None = None
    for part in parts:
        if not (isinstance(part, Claim) and isinstance(previous, Claim)):
            console.print()
        previous = part
        if isinstance(part, Table):
            console.print(Text(part.title, "italic"))
            console.print(_grid(part), highlight=False)
        else:
            width = min(MEASURE, console.width)
            console.print(_drawn(part, folder), width=width, highlight=False)
    return sum(isinstance(part, Claim) for part in parts)


def render_title(lesson: Lesson, console: Console) -> None:
    """Print a lesson's title and the text it is from."""
    console.print(Text.assemble((lesson.title, "bold"), (f"  {lesson.source}", "dim")))


def _bar(console: Console) -> Bar:
    percent = TextColumn("{task.percentage:3.0f} %")
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(32), percent)
    return Bar(*columns, console=console, transient=True, disable=not console.is_terminal)


def _drawn(part: Say | Claim | Picture, folder: Path | None) -> Text | Grid:
    if isinstance(part, Say):
        heading = Text(f"{part.heading}\n" if part.heading else "", "bold")
        return heading.append_text(_formulas(part.text))
    if isinstance(part, Claim):
        mark = ("✓ ", "green") if part.holds else ("✗ ", "bold red")
        line = Grid.grid(padding=(0, 0))
        line.add_row(Text(*mark), Text(claim_text(part), "dim" if part.holds else "bold red"))
        return line
    return _picture(part, folder)


def _formulas(text: str) -> Text:
    """What stands between backticks in colour, without them."""
    pieces = ((piece, "cyan" if i % 2 else "") for i, piece in enumerate(text.split("`")))
    return Text.assemble(*pieces, style="not bold")


def _grid(part: Table) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    columns = [_aligned(column) for column in zip(*part.rows, strict=True)]
    for name, cells in zip(part.columns, columns, strict=True):
        grid.add_column(Text(name), no_wrap=max(map(len, cells), default=0) < 25)
    for row in zip(*columns, strict=True):
        grid.add_row(*map(Text, row))
    return grid


def _aligned(column: Sequence[Cell]) -> list[str]:
    """Cells of a column; if some begin with a minus, the other numbers begin with a space."""
    cells = [cell_text(cell) for cell in column]
    if not any(cell[:1] == "-" and cell[1:2].isdigit() for cell in cells):
        return cells
    return [f" {cell}" if cell[:1].isdigit() else cell for cell in cells]


def _picture(part: Picture, folder: Path | None) -> Text:
    text = Text(part.title, "italic")
    if part.sketch:
        text.append(f"\n{part.sketch}", "not italic cyan")
    if folder is not None:
        from ..report.pictures import save_picture

        place = save_picture(part.make(), folder / f"{part.name}.png")
        text.append(f"\nsaved as {place}", "not italic dim")
    elif not part.sketch:
        text.append("  (--pictures FOLDER saves it)", "not italic dim")
    return text
