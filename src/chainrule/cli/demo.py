"""`chainrule demo`: a real table that ships with a dependency, from the file to the report."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..writing.words import number

if TYPE_CHECKING:
    from ..tabular.outcome import Outcome
    from .screen import Screen

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
    from .train_and_save import OutputFiles, train_and_save

    FOLDER.mkdir(exist_ok=True)
    table = write_table(FOLDER / "breast-cancer.csv")
    command = ["train", table, "--target", "diagnosis", "--preset"]
    by_hand = [*command, "simple", "--hidden", HIDDEN, "--activation", "tanh", "--dropout", 0]
    run = TableRun.read(
        read_table(table), "diagnosis", "simple", hidden=(HIDDEN,), activation="tanh", dropout=0.0
    )
    files = OutputFiles(FOLDER / "model.safetensors", FOLDER / "report.html")
    commands = [("info", files.model), ("predict", files.model, table), by_hand,
                [*command, "strong"], ("lesson",)]  # fmt: skip
    code = train_and_save(
        run, files, by_hand, commands, written=[f"{table} (the table)"], show_more=show_row
    )
    click.echo(f"  and open {files.report} in a browser")
    return code


def write_table(path: Path) -> Path:
    """Write the breast cancer table of scikit-learn as CSV: 569 rows, 30 numbers, a diagnosis."""
    from sklearn.datasets import load_breast_cancer  # type: ignore[import-untyped]

    from ..files import write_atomically

    data = load_breast_cancer()
    labels = data.target_names[data.target]
    lines = [[*data.feature_names, "diagnosis"]]
    lines += [[*row, label] for row, label in zip(data.data.tolist(), labels, strict=True)]
    text = "".join(",".join(map(str, line)) + "\n" for line in lines)
    return write_atomically(path, text.encode())


def show_row(console: "Screen", outcome: "Outcome") -> None:
    """One row of the table number by number: cells, features, each layer, the answer."""
    answer = outcome.example
    console.heading(f"Row {answer.row + 1} of the table, which it has not seen, number by number")
    shown = answer.steps[:SHOWN_COLUMNS]
    cells = [(step.column, str(step.raw), _numbers(step.scaled)) for step in shown]
    cells.append((f"… {len(answer.steps) - SHOWN_COLUMNS} more", "", ""))
    console.show_table(("Column", "Cell", "(cell - mean) / deviation = X"), cells, ["Cell"])
    layers = [(value.name, value.formula, _numbers(value.values)) for value in answer.forward]
    console.show_table(("Name", "Formula", "Numbers"), layers)
    console.print(answer.sentence)


def _numbers(values: Iterable[float]) -> str:
    return "  ".join(number(value, 3) for value in values)
