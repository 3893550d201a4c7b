"""`chainrule lesson`: the texts' systems, explained and checked as they run."""

from typing import TYPE_CHECKING

import click

from .document import emit
from .errors import NO
from .options import AS_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..lessons import Lesson


@click.command(short_help="List the lessons, or run one.")
@click.argument("name", required=False)
@click.option("--file", metavar="PATH", help="The table, for a lesson that works on one.")
@click.option("--pictures", metavar="FOLDER", help="Save the pictures there, as PNG files.")
@click.option("--plain", is_flag=True, help="No colours and no progress, whatever the terminal.")
@AS_JSON
def lesson(
    name: str | None, file: str | None, pictures: str | None, plain: bool, as_json: bool
) -> int:
    """List the lessons, or run the lesson NAME; exits 1 if one of its claims fails."""
    from ..lessons import LESSONS, TEXTS, get_lesson, to_json

    if name is None:
        if as_json:
            emit({"lessons": [_row(lesson) for lesson in LESSONS.values()], "texts": TEXTS})
        else:
            _show_list(LESSONS.values(), plain)
        return 0
    chosen = get_lesson(name)
    if as_json:
        document = to_json(chosen.run(file), chosen)
        emit(document)
        return 0 if document["holds"] else NO
    from ..lessons.terminal import render_terminal, render_title
    from .screen import screen

    console, parts = screen(plain=plain), chosen.run(file)
    render_title(chosen, console)
    return 0 if render_terminal(parts, console, pictures) else NO


def _row(lesson: "Lesson") -> dict[str, object]:
    words = {key: getattr(lesson, key) for key in ("name", "title", "source", "summary")}
    return {**words, "needs_file": lesson.needs_file}


def _show_list(lessons: "Iterable[Lesson]", plain: bool) -> None:
    from ..lessons import TEXTS
    from .screen import grid, heading, screen, show_next

    console = screen(plain=plain)
    table = grid("Lesson", "From", "About")
    for lesson in lessons:
        needs = " (give its table with --file)" if lesson.needs_file else ""
        table.add_row(lesson.name, lesson.source, lesson.summary + needs)
    console.print(table)
    heading(console, "The five texts")
    texts = grid("Text", "About")
    for name, about in TEXTS.items():
        texts.add_row(name, about)
    console.print(texts)
    show_next(console, ("lesson", "alice"))
