"""`chainrule train`: from a table to a saved network, with held-out scores beside other models."""

from typing import Any

import click

from .json_output import AS_JSON
from .options import TABLE_FILE, run_from_options, test_file, train_options


@click.command(short_help="Train a network on a table.")
@TABLE_FILE
@train_options
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

    files = OutputFiles.beside(file, options["test"], out, report)
    database = ("--table", options["table_name"]) if options["table_name"] else ()
    rows = (test,) if (test := test_file(options["test"])) else (file, *database)
    commands = [("predict", files.model, *rows), ("evaluate", files.model, *rows)]
    return train_and_save(
        run_from_options(file, options), files, click.get_current_context().obj,
        [*commands, ("info", files.model)], as_json=as_json, quiet=quiet, verbose=verbose,
        compared=compared,
    )  # fmt: skip
