"""`chainrule demo`: a real table that ships with a dependency, from the file to the report."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..tabular import TableRun

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
    from ..tabular import TableRun
    from .account import announce, conclude, train_and_score
    from .screen import heading, screen, show_next
    from .train import Files, exit_code, save_model, saved, write_report

    console = screen()
    FOLDER.mkdir(exist_ok=True)
    table = write_table(FOLDER / "breast-cancer.csv")
    command = ["train", table, "--target", "diagnosis", "--hidden", HIDDEN]
    command += ["--activation", "tanh", "--dropout", 0]
    run = TableRun(read_table(table), "diagnosis", hidden=(HIDDEN,), activation="tanh", dropout=0.0)
    announce(console, run)
    ending, tested = train_and_score(run)
    files: Files = {"model": FOLDER / "model.safetensors", "report": FOLDER / "report.html"}
    told = [save_model(run, tested, files)]
    with saved(files):
        conclude(console, run, ending, tested)
        show_row(console, run, int(run.split.test[0]))
        told += write_report(run, ending, tested, files, command)
    heading(console, "Saved")
    for line in (f"{table} (the table)", *told):
        console.print(f"  {line}", soft_wrap=True)
    show_next(
        console, ("info", files["model"]), ("predict", files["model"], table), command, ("lesson",)
    )
    console.print(f"  and open {files['report']} in a browser", soft_wrap=True)
    return exit_code(ending)


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


def show_row(console: "Console", run: "TableRun", row: int) -> None:
    """One row of the table number by number: cells, features, each layer, the answer."""
    from ..tabular_report import answer_of, forward_steps
    from .screen import grid, heading

    heading(console, f"Row {row + 1} of the table, which it has not seen, number by number")
    table = grid("Column", "Cell", "(cell - mean) / deviation = X", numbers=("Cell",))
    steps = run.preparation.steps(run.table, row)
    for step in steps[:SHOWN_COLUMNS]:
        table.add_row(step.column, str(step.raw), _numbers(step.scaled))
    table.add_row(f"… {len(steps) - SHOWN_COLUMNS} more", "", "")
    console.print(table)
    x = run.preparation.transform(run.table.take([row]))[0]
    grid_of_steps = grid("Name", "Formula", "Numbers")
    for forward in forward_steps(run.net, x):
        grid_of_steps.add_row(forward.name, forward.formula, _numbers(forward.values))
    console.print(grid_of_steps)
    console.print(answer_of(run, run.table, row))


def _numbers(values: Iterable[float]) -> str:
    from ..report.words import number

    return "  ".join(number(value, 3) for value in values)
