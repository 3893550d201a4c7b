"""`chainrule demo`: a real table that ships with a dependency, from the file to the report."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..models.answers import Answer

FOLDER = Path("chainrule-demo")
HIDDEN = 8
"""So few units that every number of a row's way through the network fits the screen."""
SHOWN_COLUMNS = 5


@click.command(short_help="Train on a real table and show what it learned.")
def demo() -> int:
    """Train on scikit-learn's breast cancer table, and follow one row through the network.

    Table, model and report go to the folder chainrule-demo.
    """
    from ..tables import read_table
    from ..tabular.run import TableRun
    from .account import announce, conclude, show_saved, train_and_test
    from .saving import Files, exit_code, save_model, saved, write_report
    from .screen import screen

    console = screen()
    FOLDER.mkdir(exist_ok=True)
    table = write_table(FOLDER / "breast-cancer.csv")
    command = ["train", table, "--target", "diagnosis", "--preset"]
    by_hand = [*command, "simple", "--hidden", HIDDEN, "--activation", "tanh", "--dropout", 0]
    run = TableRun.read(
        read_table(table), "diagnosis", "simple", hidden=(HIDDEN,), activation="tanh", dropout=0.0
    )
    announce(console, run)
    outcome = train_and_test(run, quiet=False)
    files: Files = {"model": FOLDER / "model.safetensors", "report": FOLDER / "report.html"}
    told = [save_model(outcome, files)]
    with saved(files):
        conclude(console, outcome)
        show_row(console, outcome.example)
        told += write_report(outcome, files, by_hand)
    after = [("info", files["model"]), ("predict", files["model"], table), by_hand,
             [*command, "strong"], ("lesson",)]  # fmt: skip
    show_saved(console, [f"{table} (the table)", *told], after)
    console.print(f"  and open {files['report']} in a browser", soft_wrap=True)
    return exit_code(outcome)


def write_table(path: Path) -> Path:
    """Write the breast cancer table of scikit-learn as CSV: 569 rows, 30 numbers, a diagnosis."""
    from sklearn.datasets import load_breast_cancer  # type: ignore[import-untyped]

    from ..files import write_atomically

    data = load_breast_cancer()
    lines = [[*data.feature_names, "diagnosis"]]
    lines += [
        [*row, data.target_names[label]]
        for row, label in zip(data.data.tolist(), data.target, strict=True)
    ]
    text = "".join(",".join(map(str, line)) + "\n" for line in lines)
    return write_atomically(path, text.encode())


def show_row(console: "Console", found: "Answer") -> None:
    """One row of the table number by number: cells, features, each layer, the answer."""
    from .screen import grid, heading

    heading(console, f"Row {found.row + 1} of the table, which it has not seen, number by number")
    table = grid("Column", "Cell", "(cell - mean) / deviation = X", numbers=("Cell",))
    for step in found.steps[:SHOWN_COLUMNS]:
        table.add_row(step.column, str(step.raw), _numbers(step.scaled))
    table.add_row(f"… {len(found.steps) - SHOWN_COLUMNS} more", "", "")
    console.print(table)
    layers = grid("Name", "Formula", "Numbers")
    for forward in found.forward:
        layers.add_row(forward.name, forward.formula, _numbers(forward.values))
    console.print(layers)
    console.print(found.sentence)


def _numbers(values: Iterable[float]) -> str:
    from ..writing.words import number

    return "  ".join(number(value, 3) for value in values)
