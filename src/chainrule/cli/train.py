"""`chainrule train`: from a table to a saved network, with held-out scores beside two baselines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .document import emit
from .errors import NO, sentence
from .names import with_known_names
from .options import (
    AS_JSON,
    TABLE_NAME,
    Setting,
    check_apart,
    filled,
    hidden_sizes,
    model_path,
    network_options,
    roles,
    test_rows,
    test_share,
)
from .signals import held

if TYPE_CHECKING:
    from ..tabular import TableRun
    from ..tabular_verdict import HeldOut
    from .progress import Ending

Files = dict[str, Path | None]
SEED, THREADS = click.IntRange(0, 10**18), click.IntRange(1, 1024)


@click.command(short_help="Train a network on a table.")
@click.argument("file", callback=filled)
@click.option("--target", required=True, cls=Setting, metavar="COL", help="Column to predict.")
@click.option("--task", cls=Setting, help="classification or regression, if not as inferred.")
@click.option("--role", "role", multiple=True, metavar="COL=KIND", help="What a column is.")
@click.option("--group", cls=Setting, metavar="COL", help="Keep rows of one value on one side.")
@click.option("--time", cls=Setting, metavar="COL", help="Test on the latest rows by this column.")
@click.option("--weight", cls=Setting, metavar="COL", help="Weights of the rows.")
@click.option("--drop", cls=Setting, multiple=True, metavar="COL", help="Leave a column out.")
@network_options
@click.option("--valid", cls=Setting, type=float, metavar="SHARE", help="Rows for validation.")
@click.option(
    "--test",
    cls=Setting,
    metavar="SHARE|FILE",
    callback=filled,
    help="Rows for the test, or their file.",
)
@TABLE_NAME
@click.option("--seed", cls=Setting, type=SEED, help="Fixes split, weights, batches.")
@click.option("--threads", cls=Setting, type=THREADS, help="Threads that compute.")
@click.option(
    "--out",
    metavar="PATH",
    callback=filled,
    help="The model file; by default FILE's name.safetensors.",
)
@click.option(
    "--report", metavar="PATH.html", callback=filled, help="Write a report that opens offline."
)
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
    from ..tables import source_files

    model = Path(out) if out else model_path(file)
    test_file = options["test"] if test_share(options["test"]) is None else None
    inputs = {"FILE": file} | ({} if test_file is None else {"--test": test_file})
    check_apart(
        {"--out": model, "--report": report},
        {option: source_files(source) for option, source in inputs.items()},
    )
    for path in (model, report):
        if path is not None:
            check_writable(path)
    run = build(file, options)
    files = {"model": model, "report": None if report is None else Path(report)}
    if as_json:
        return _as_json(run, files, quiet)
    database = ("--table", options["table_name"]) if options["table_name"] else ()
    return _on_screen(run, files, quiet, (test_file,) if test_file else (file, *database))


def _as_json(run: "TableRun", files: Files, quiet: bool) -> int:
    from ..tabular_report import summary
    from .account import train_and_score

    ending, tested = train_and_score(run, quiet=quiet)
    save_model(run, tested, files)
    with saved(files):
        write_report(run, ending, tested, files, click.get_current_context().obj)
    document = summary(run, tested.scores)
    document["training"] |= {"stopped": ending.why, "told": ending.told}
    emit({**document, "files": files})
    return exit_code(ending)


def _on_screen(run: "TableRun", files: Files, quiet: bool, rows: tuple[str, ...]) -> int:
    from .account import announce, conclude, show_results, train_and_score
    from .screen import heading, screen, show_next

    console, model = screen(), files["model"]
    if not quiet:
        announce(console, run)
    ending, tested = train_and_score(run, quiet=quiet)
    told = [save_model(run, tested, files)]
    with saved(files):
        if quiet:
            show_results(console, run, tested)
        else:
            conclude(console, run, ending, tested)
        told += write_report(run, ending, tested, files, click.get_current_context().obj)
    heading(console, "Saved")
    for line in told:
        console.print(f"  {line}", soft_wrap=True)
    if not quiet:
        show_next(console, ("predict", model, *rows), ("evaluate", model, *rows), ("info", model))
    return exit_code(ending)


def save_model(run: "TableRun", tested: "HeldOut", files: Files) -> str:
    """Save the network before anything else can go wrong; says what was written.

    Ctrl-C and SIGTERM wait for it; then they raise KeyboardInterrupt.
    """
    from ..storage import save

    model = files["model"]
    assert model is not None
    told = _written(model, "model")
    with held() as waiting:
        save(run.model(tested.scores), model)
    with saved(files):
        if waiting:
            raise KeyboardInterrupt
    return told


def write_report(
    run: "TableRun", ending: "Ending", tested: "HeldOut", files: Files, command: Sequence[object]
) -> list[str]:
    """Make the report in full, then write it; says what was written, nothing without a report."""
    report = files["report"]
    if report is None:
        return []
    from ..files import write_atomically
    from ..report.html import report_html
    from ..tabular_report import training_report

    told = _written(report, "report")
    command = ["chainrule", *command]
    page = report_html(training_report(run, tested, told=ending.told, command=command))
    write_atomically(report, page.encode())
    return [told]


@contextmanager
def saved(files: Files) -> Iterator[None]:
    """Whatever ends the work within it, its words begin with the model that is saved."""
    lost = f", but not the report {files['report']}" if files["report"] else ""
    told = f"the model is saved in {files['model']}{lost}"
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(told) from None
    except Exception as error:
        why = sentence(error)
        raise (RuntimeError if why is None else ValueError)(f"{told}: {why or error}") from error


def _written(path: Path, what: str) -> str:
    return f"{path} ({what}{', replacing the old one' * path.exists()})"


def exit_code(ending: "Ending") -> int:
    """1 where training diverged and only what it had before was kept, else 0."""
    return NO if ending.why == "diverged" else 0


def build(file: str, options: dict[str, Any]) -> "TableRun":
    """The run that the options describe; what was not given is left to TableRun."""
    from ..storage.spec import check_count
    from ..tables import read_table
    from ..tabular import TableRun

    settings = {name: value for name, value in options.items() if value not in (None, ())}
    table_name = settings.pop("table_name", None)
    settings = with_known_names(settings)
    if "hidden" in settings:
        settings["hidden"] = hidden_sizes(settings["hidden"])
    settings["roles"] = roles(settings.pop("role", ()))
    given = settings.pop("test", None)
    share = test_share(given)
    table = read_table(file, table=table_name)
    test_table = None
    if share is None:
        test_table = test_rows(given, file, table.reading)
    else:
        settings["test"] = share
    run = TableRun(table, test_table=test_table, **settings)
    check_count(run.net.layers)
    return run
