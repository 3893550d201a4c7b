"""What was measured, for people: tables on the terminal and on a page."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine_timing import Times, ratios
from engine_work import BASE, PEERS, THREADS
from rich.console import Console
from rich.table import Table
from rich.text import Text

LABELS = {
    "ours": "chainrule", "sklearn": "scikit-learn", "torch": "PyTorch", "jax": "JAX",
    "onnxruntime": "onnxruntime", "floor": "floor",
}  # fmt: skip
TRAINED = ("ours", *PEERS)
RATIO = "best peer / chainrule"
WORDS = {"work", "goals", "dtype", "changed"}  # columns that hold no numbers
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Rows = Sequence[Mapping[str, Any]]


class Shown(NamedTuple):
    """A table of text."""

    title: str
    heads: list[str]
    rows: list[list[str]]


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def ratio_text(times: Times) -> str:
    """The fastest peer's time / ours by best, and by median in parentheses."""
    found = ratios(times, [name for name in times if name not in ("ours", "floor")])
    return f"{number(found['best'])} ({number(found['median'])})"


def goal_text(goal: Mapping[str, Any]) -> str:
    """One goal: what was asked, what was reached."""
    every = tuple(goal["peers"]) == PEERS
    peers = "every peer" if every else " and ".join(LABELS[peer] for peer in goal["peers"])
    word = "met" if goal["met"] else "missed"
    return f"≥ {goal['factor']:g} × {peers}: {number(goal['best'])} {word}"


def timing_table(rows: Rows) -> Shown:
    """Best times of every row, in its unit, the ratios, and each goal with met or missed."""
    names = [name for name in LABELS if any(name in row["times"] for row in rows)]

    def cell(row: Mapping[str, Any], name: str) -> str:
        times = row["times"].get(name)
        return number(times["best"] / row["divide"]) if times else "–"

    return Shown(
        "Best times of the rounds; in parentheses the ratio of the medians",
        ["work", *(LABELS[name] for name in names), RATIO, "goals"],
        [
            [f"{row['name']}, {row['unit']}", *(cell(row, name) for name in names),
             ratio_text(row["times"]), "\n".join(map(goal_text, row["goals"]))]
            for row in rows
        ],
    )  # fmt: skip


def memory_table(found: Rows) -> Shown:
    """Peak memory of whole processes, and the last loss, by which all did the same work."""
    return Shown(
        "Whole processes: peak memory and last loss",
        ["work", *(LABELS[who] for who in TRAINED)],
        [
            [f"{row['name']}, {what}", *(number(row["said"][who][key]) for who in TRAINED)]
            for row in found
            for key, what in (("megabytes", "MB"), ("loss", "loss"))
        ],
    )


def growth_table(found: Rows) -> Shown:
    """Nanoseconds a row and epoch."""
    return Shown(
        f"Growth: ns a row and epoch of {BASE.name}, {BASE.rows:,} rows, batch {BASE.batch}, "
        "with one thing changed; in parentheses the ratio of the medians",
        ["changed", "to", *(LABELS[who] for who in TRAINED), RATIO],
        [
            [point["axis"], f"{point['value']:,}",
             *(number(point["times"][who]["best"]) for who in TRAINED),
             ratio_text(point["times"])]
            for point in found
        ],
    )  # fmt: skip


def validation_table(found: Rows) -> Shown:
    """Largest relative difference of each one's loss curve from the readable engine's."""
    return Shown(
        "Validated: largest relative difference of the losses from the readable engine's",
        ["work", "dtype", *(LABELS[who] for who in TRAINED)],
        [
            [row["name"], row["dtype"],
             *(f"{row['off'][who]:.0e}" if who in row["off"] else "–" for who in TRAINED)]
            for row in found
        ],
    )  # fmt: skip


TABLES: dict[str, Callable[[Rows], Shown]] = {  # by what was found
    "validated": validation_table,
    "rows": timing_table,
    "memory": memory_table,
    "growth": growth_table,
}


def console() -> Console:
    """A terminal, or a pipe wide enough for the tables."""
    found = Console()
    return found if found.is_terminal else Console(width=200)


def on_screen(table: Shown) -> Table:
    """The table for a terminal."""
    found = Table(title=table.title, title_justify="left")
    for head in table.heads:
        found.add_column(head, justify="left" if head in WORDS else "right", overflow="fold")
    for row in table.rows:
        texts = [Text(cell) for cell in row]
        for text in texts:
            text.highlight_words(["met"], "green")
            text.highlight_words(["missed"], "red")
        found.add_row(*texts)
    return found


def markdown(table: Shown) -> str:
    """The table for a page."""
    ends = [":--" if head in WORDS else "--:" for head in table.heads]
    lines = [f"| {' | '.join(row)} |" for row in (table.heads, ends, *table.rows)]
    return "\n".join([f"{table.title}:", "", *(line.replace("\n", "<br>") for line in lines)])


def figures(found: Mapping[str, Any]) -> str:
    """Every table of results that has a row, and how it was measured."""
    keys = [key for key in ("rows", "growth", "memory") if found[key]]
    shown = [markdown(TABLES[key](found[key])) for key in keys]
    return "\n\n".join([*shown, measured(found)])


def measured(found: Mapping[str, Any]) -> str:
    """One line: the machine, the versions, the rounds, the data, the command."""
    versions = ", ".join(f"{name} {which}" for name, which in found["versions"].items())
    command = shlex.join(["python", "benchmarks/engine.py", *found["command"]])
    return (
        f"Measured on {found['processor']}, {THREADS} threads, {found['system']}, with "
        f"{versions}; {found['rounds']} rounds, {found['few_rounds']} for growth and the largest "
        f"process; the data of 784 inputs are {found['data']}; `{command}`."
    )


def placed(file: Path, text: str) -> bytes:
    """The page with the text between its pair of comments; a page that is new holds only these.

    Raises ValueError where an existing page has no such pair.
    """
    page = file.read_bytes().decode() if file.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{file} has no {BEGIN} … {END}: add the pair, or name a new file")
    return f"{before}{BEGIN}\n{text}\n{END}{after}".encode()
