"""`chainrule train`: from a table to a saved network, with held-out scores beside two baselines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .document import emit
from .errors import NO
from .options import (
    AS_JSON,
    TABLE_NAME,
    Setting,
    check_apart,
    hidden_sizes,
    model_path,
    roles,
    test_rows,
)

if TYPE_CHECKING:
    from ..tabular import TableRun
    from .progress import Ending

Files = dict[str, Path | None]
CHOSEN = "by the number of rows"


@click.command(short_help="Train a network on a table.")
@click.argument("file")
@click.option("--target", required=True, cls=Setting, metavar="COL", help="Column to predict.")
@click.option("--task", cls=Setting, help="classification or regression, if not as inferred.")
@click.option("--role", "role", multiple=True, metavar="COL=KIND", help="What a column is.")
@click.option("--group", cls=Setting, metavar="COL", help="Keep rows of one value on one side.")
@click.option("--time", cls=Setting, metavar="COL", help="Test on the latest rows by this column.")
@click.option("--weight", cls=Setting, metavar="COL", help="Weights of the rows.")
@click.option("--drop", cls=Setting, multiple=True, metavar="COL", help="Leave a column out.")
@click.option("--hidden", cls=Setting, metavar="SIZES", help="Hidden layers, or none.")
@click.option("--activation", cls=Setting, help="Of the hidden layers.")
@click.option("--dropout", cls=Setting, type=float, help="Share of units left out in training.")
@click.option("--epochs", cls=Setting, type=int, help="At most so many.")
@click.option("--lr", cls=Setting, type=float, help="Learning rate; chosen by the optimizer.")
@click.option("--batch-size", cls=Setting, type=int, help=f"Rows a step; chosen {CHOSEN}.")
@click.option("--optimizer", cls=Setting, help="sgd, momentum, …, adam, adamw.")
@click.option("--valid", cls=Setting, type=float, metavar="SHARE", help="Rows for validation.")
@click.option("--test", cls=Setting, metavar="SHARE|FILE", help="Rows for the test, or their file.")
@TABLE_NAME
@click.option("--seed", cls=Setting, type=click.IntRange(0), help="Fixes split, weights, batches.")
@click.option("--threads", cls=Setting, type=int, help="Threads of the matrix products.")
@click.option("--out", metavar="PATH", help="The model file; by default FILE's name.safetensors.")
@click.option("--report", metavar="PATH.html", help="Write a report that opens offline.")
@AS_JSON
@click.option("--quiet", is_flag=True, help="Print the scores and the files written, no more.")
def train(
    file: str, out: str | None, report: str | None, as_json: bool, quiet: bool, **options: Any
) -> int:
    """Train a network on the table FILE and score it on rows it has not seen.

    FILE is delimited text, JSON lines, Parquet, SQLite, a folder of idx images, or a pattern in
    quotes that names several of them.
    """
    from ..files import check_writable

    model = Path(out) if out else model_path(file)
    test_file = options["test"] if options["test"] and Path(options["test"]).exists() else None
    check_apart({"--out": model, "--report": report}, {"FILE": file, "--test": test_file})
    for path in (model, report):
        if path is not None:
            check_writable(path)
    run = build(file, options)
    files = {"model": model, "report": None if report is None else Path(report)}
    if as_json:
        return _as_json(run, files, quiet)
    return _on_screen(run, files, quiet, test_file or file)


def _as_json(run: "TableRun", files: Files, quiet: bool) -> int:
    from ..tabular_report import summary
    from .account import train_and_score

    ending, scores = train_and_score(run, quiet=quiet)
    write(run, ending, scores, files, click.get_current_context().obj)
    document = summary(run, scores)
    document["training"] |= {"stopped": ending.why, "told": ending.told}
    emit({**document, "files": files})
    return exit_code(ending)


def _on_screen(run: "TableRun", files: Files, quiet: bool, file: str) -> int:
    from .account import announce, conclude, show_results, train_and_score
    from .screen import heading, screen, show_next

    console = screen()
    if not quiet:
        announce(console, run)
    ending, scores = train_and_score(run, quiet=quiet)
    if quiet:
        show_results(console, run, scores)
    else:
        conclude(console, run, ending, scores)
    told = write(run, ending, scores, files, click.get_current_context().obj)
    heading(console, "Saved")
    for line in told:
        console.print(f"  {line}", soft_wrap=True)
    if quiet:
        return exit_code(ending)
    model = files["model"]
    show_next(console, ("predict", model, file), ("evaluate", model, file), ("info", model))
    return exit_code(ending)


def write(
    run: "TableRun",
    ending: "Ending",
    scores: dict[str, dict[str, float]],
    files: Files,
    command: Sequence[object],
) -> list[str]:
    """Write the model and the report, the latter first made in full; says what was written.

    `command` are the words after `chainrule` that repeat the run.
    """
    from ..files import write_atomically
    from ..storage import save
    from ..tabular_report import training_report

    model, report = files["model"], files["report"]
    assert model is not None
    page = None
    if report is not None:
        from ..report.html import report_html

        command = ["chainrule", *command]
        page = report_html(training_report(run, scores, told=ending.told, command=command))
    old = {path for path in (model, report) if path is not None and path.exists()}
    save(run.model(scores), model)
    if report is not None and page is not None:
        write_atomically(report, page.encode())
    whats = {model: "model"} | ({} if report is None else {report: "report"})
    return [f"{p} ({what}{', replacing the old one' * (p in old)})" for p, what in whats.items()]


def exit_code(ending: "Ending") -> int:
    """1 where training diverged and only what it had before was kept, else 0."""
    return NO if ending.why == "diverged" else 0


def build(file: str, options: dict[str, Any]) -> "TableRun":
    """The run that the options describe; what was not given is left to TableRun."""
    from ..tables import read_table
    from ..tabular import TableRun

    settings = {name: value for name, value in options.items() if value not in (None, ())}
    table_name = settings.pop("table_name", None)
    if "hidden" in settings:
        settings["hidden"] = hidden_sizes(settings["hidden"])
    settings["roles"] = roles(settings.pop("role", ()))
    share, test_table = test_rows(settings.pop("test", None), file)
    if share is not None:
        settings["test"] = share
    table = read_table(file, table=table_name)
    return TableRun(table, test_table=test_table, **settings)
