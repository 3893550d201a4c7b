"""`chainrule lesson`: the texts' systems, explained and checked as they run."""

from functools import partial
from typing import Any

import click

from .errors import NO
from .json_output import AS_JSON, print_document, print_json


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
        print_document({"lessons": rows, "texts": TEXTS}, as_json, partial(_show_list, plain))
        return 0
    chosen = get_lesson(name)
    if as_json:
        document = to_json(chosen.run(file), chosen)
        print_json(document)
        return 0 if document["holds"] else NO
    console, parts = screen(plain=plain), chosen.run(file)
    render_title(chosen, console)
    return 0 if render_terminal(parts, console, pictures) else NO


def _show_list(plain: bool, document: dict[str, Any]) -> None:
    from .screen import grid, heading, screen, show_next

    console = screen(plain=plain)
    table = grid("Lesson", "From", "About")
    for row in document["lessons"]:
        needs = " (give its table with --file)" if row["needs_file"] else ""
        table.add_row(row["name"], row["source"], row["summary"] + needs)
    console.print(table)
    heading(console, "The five texts")
    texts = grid("Text", "About")
    for name, about in document["texts"].items():
        texts.add_row(name, about)
    console.print(texts)
    show_next(console, ("lesson", "alice"))
