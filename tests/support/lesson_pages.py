"""A lesson as the terminal shows it."""

import io

from rich.console import Console

from chainrule.lessons import Part
from chainrule.lessons.terminal import render_terminal


def shown(found: list[Part], **options: object) -> tuple[str, bool]:
    console = Console(file=io.StringIO(), **{"width": 80, **options})  # type: ignore[arg-type]
    holds = render_terminal(found, console)
    return console.file.getvalue(), holds  # type: ignore[attr-defined]
