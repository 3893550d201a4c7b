"""`chainrule train`: from a table to a saved network, with held-out scores beside other models."""

from pathlib import Path
from typing import Any

import click

from .document import emit
from .options import (
    AS_JSON,
    THREADS,
    TIME,
    built,
    filled,
    model_path,
    network_options,
    table_options,
    test_share,
)


@click.command(short_help="Train a network on a table.")
@click.argument("file", callback=filled)
@table_options
@click.option("--test", metavar="SHARE|FILE", callback=filled,
              help="Share of rows for the test, or a file of them.  [default: 0.2]")  # fmt: skip
@network_options
@click.option("--metric", type=click.Choice(["accuracy", "log_loss", "auc", "rmse", "mae"]),
              help="What to optimise and compare by.  [default: accuracy or rmse]")  # fmt: skip
@click.option("--interval", type=float, metavar="SHARE",
              help="Predict intervals too, which hold this share of the values.")  # fmt: skip
@click.option("--class-weight", type=click.Choice(["balanced"]),
              help="Give every class the same weight in all.")  # fmt: skip
@click.option("--time-limit", type=TIME, metavar="SECONDS", help="Train for about this long.")
@click.option("--threads", type=THREADS, help="Number of threads.  [default: all]")
@click.option("--no-compare", "compared", is_flag=True, flag_value=False, default=True,
              help="Do not train other models to compare with.")  # fmt: skip
@click.option("--out", metavar="PATH", callback=filled,
              help="The model file.  [default: FILE's name.safetensors]")  # fmt: skip
@click.option("--report", metavar="PATH.html", callback=filled,
              help="Write a one-file HTML report.")  # fmt: skip
@AS_JSON
@click.option("--quiet", is_flag=True, help="Print only scores, verdict and files written.")
@click.option("--verbose", is_flag=True, help="Print every setting with its reason.")
def train(
    file: str, out: str | None, report: str | None, compared: bool, as_json: bool, quiet: bool,
    verbose: bool, **options: Any,
) -> int:  # fmt: skip
    """Train a network on the table FILE and score it on rows it has not seen.

    FILE is delimited text, JSON lines, Parquet, SQLite, a folder of idx images, or a pattern in
    quotes that names several of them.
    """
    from .account import announce, conclude, show_saved, train_and_test
    from .saving import exit_code, files_of, save_model, saved, write_report
    from .screen import screen

    test = options["test"] if test_share(options["test"]) is None else None
    inputs = {"FILE": file} | ({} if test is None else {"--test": test})
    files = files_of(Path(out) if out else model_path(file), report, inputs)
    run, console = built(file, options), screen()
    if not (quiet or as_json):
        announce(console, run, verbose=verbose)
    outcome = train_and_test(run, quiet=quiet, compared=compared)
    told = [save_model(outcome, files)]
    with saved(files):
        if not as_json:
            conclude(console, outcome, brief=quiet)
        told += write_report(outcome, files, click.get_current_context().obj)
    if not as_json:
        database = ("--table", options["table_name"]) if options["table_name"] else ()
        rows, model = (test,) if test else (file, *database), files["model"]
        after = [("predict", model, *rows), ("evaluate", model, *rows), ("info", model)]
        show_saved(console, told, [] if quiet else after)
    else:
        emit(outcome.to_dict() | {"files": files})
    return exit_code(outcome)
