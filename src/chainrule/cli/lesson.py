"""`chainrule lesson`: the texts' systems, explained and checked as they run."""

from typing import TYPE_CHECKING

import click

from .errors import NO
from .json_output import AS_JSON, print_json

if TYPE_CHECKING:
    from .screen import Screen


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
    from ..lessons.terminal import render_terminal, render_title
    from .screen import screen

    if name is None:
        facts = ("name", "title", "source", "summary", "needs_file")
        rows = [{key: getattr(lesson, key) for key in facts} for lesson in LESSONS.values()]
        if as_json:
            print_json({"lessons": rows, "texts": TEXTS})
        else:
            _show_list(screen(plain=plain))
        return 0
    chosen = get_lesson(name)
    if as_json:
        document = to_json(chosen.run(file), chosen)
        print_json(document)
        return 0 if document["holds"] else NO
    console, parts = screen(plain=plain), chosen.run(file)
    render_title(chosen, console)
    return 0 if render_terminal(parts, console, pictures) else NO


def _show_list(console: "Screen") -> None:
    from ..lessons import LESSONS, TEXTS

    rows = [
        (row.name, row.source, row.summary + " (give its table with --file)" * row.needs_file)
        for row in LESSONS.values()
    ]
    console.show_table(("Lesson", "From", "About"), rows)
    console.heading("The five texts")
    console.show_table(("Text", "About"), TEXTS.items())
    console.show_next(("lesson", "alice"))
