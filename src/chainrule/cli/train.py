"""`chainrule train`: from a table to a saved network, with held-out scores beside other models."""

from pathlib import Path
from typing import Any

import click

from .json_output import AS_JSON
from .options import (
    SECONDS,
    TABLE_FILE,
    THREADS,
    LazyChoice,
    model_path,
    network_options,
    not_empty,
    run_from_options,
    table_options,
    test_share,
)


@click.command(short_help="Train a network on a table.")
@TABLE_FILE
@table_options
@click.option("--test", metavar="SHARE|FILE", callback=not_empty,
              help="Share of rows for the test, or a file of them.  [default: 0.2]")  # fmt: skip
@network_options
@click.option("--metric", type=LazyChoice("verdict", "COMPARED_BY"),
              help="What to optimise and compare by.  [default: accuracy or rmse]")  # fmt: skip
@click.option("--interval", type=float, metavar="SHARE",
              help="Predict intervals too, which hold this share of the values.")  # fmt: skip
@click.option("--class-weight", type=click.Choice(["balanced"]),
              help="Give every class the same weight in all.")  # fmt: skip
@click.option("--time-limit", type=SECONDS, metavar="SECONDS", help="Train for about this long.")
@click.option("--threads", type=THREADS, help="Number of threads.  [default: all]")
@click.option("--no-compare", "compared", is_flag=True, flag_value=False, default=True,
              help="Do not train other models to compare with.")  # fmt: skip
@click.option("--out", metavar="PATH", callback=not_empty,
              help="The model file.  [default: FILE's name.safetensors]")  # fmt: skip
@click.option("--report", metavar="PATH.html", callback=not_empty,
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
    from .train_and_save import OutputFiles, train_and_save

    test = options["test"] if test_share(options["test"]) is None else None
    inputs = {"FILE": file} | ({"--test": test} if test else {})
    files = OutputFiles.checked(Path(out) if out else model_path(file), report, inputs)
    database = ("--table", options["table_name"]) if options["table_name"] else ()
    rows = (test,) if test else (file, *database)
    commands = [("predict", files.model, *rows), ("evaluate", files.model, *rows)]
    return train_and_save(
        run_from_options(file, options), files, click.get_current_context().obj,
        [*commands, ("info", files.model)], as_json=as_json, quiet=quiet, verbose=verbose,
        compared=compared,
    )  # fmt: skip
