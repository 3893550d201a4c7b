"""How options are read: their words become what the library takes."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .names import with_known_names

if TYPE_CHECKING:
    from ..tables import Table
    from ..tabular.run import TableRun

TIME = click.FloatRange(0, min_open=True)
SEED, THREADS = click.IntRange(0, 10**18), click.IntRange(1, 1024)
AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)
TABLE_NAME = click.option("--table", "table_name", metavar="NAME", help="The table of a database.")
COUNT = click.IntRange(1, 10**9)
MOST_SIZES = 1000  # hidden layers that a model file can hold


def filled(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The value of an option or argument; raises ValueError where it is the empty text."""
    if value == "":
        is_option = isinstance(parameter, click.Option)
        name = parameter.opts[0] if is_option else parameter.make_metavar(ctx)
        raise ValueError(f"{name} is empty: give the path of a file")
    return value


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what the columns of a table are."""
    return _with(command, (
        click.option("--target", required=True, metavar="COL", help="Column to predict."),
        click.option("--task", help="classification or regression; inferred by default."),
        click.option("--role", "role", multiple=True, metavar="COL=KIND", help="Kind of a column."),
        click.option("--group", metavar="COL", help="Never split rows that share a value."),
        click.option("--time", metavar="COL", help="Hold out the latest rows by this column."),
        click.option("--weight", metavar="COL", help="Weights of the rows."),
        click.option("--drop", multiple=True, metavar="COL", help="Leave a column out."),
        TABLE_NAME,
        click.option("--seed", type=SEED, help="Of split, weights and batches.  [default: 0]"),
    ))  # fmt: skip


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a network and its training; what is not given the preset chooses."""
    return _with(command, (
        click.option("--preset", type=click.Choice(["strong", "ensemble", "simple"]),
                     default="strong", show_default=True,
                     help="Four networks averaged, sixteen, or one to follow by hand."),
        click.option("--hidden", metavar="SIZES", help="Hidden layers, such as 64,32, or none."),
        click.option("--activation", metavar="NAME", help="Activation of the hidden layers."),
        click.option("--dropout", type=float, metavar="SHARE",
                     help="Share of units left out in training."),
        click.option("--epochs", type=COUNT, help="Maximum number of epochs."),
        click.option("--lr", type=float, metavar="RATE", help="Learning rate."),
        click.option("--batch-size", type=COUNT, help="Rows in a training step."),
        click.option("--optimizer", metavar="NAME", help="sgd, momentum, …, adam, adamw."),
        click.option("--valid", type=float, metavar="SHARE",
                     help="Share of the training rows held out to choose the best epoch."),
    ))  # fmt: skip


def _with(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Any:
    for option in reversed(options):
        command = option(command)
    return command


def built(file: str, options: dict[str, Any]) -> "TableRun":
    """The run that the options describe; what was not given is left to the library."""
    from ..tables import read_table
    from ..tabular.run import TableRun

    settings = {name: value for name, value in options.items() if value not in (None, ())}
    table = read_table(file, table=settings.pop("table_name", None))
    settings = with_known_names(settings)
    if "hidden" in settings:
        settings["hidden"] = hidden_sizes(settings["hidden"])
    settings["roles"] = roles(settings.pop("role", ()))
    test = settings.pop("test", None)
    share = test_share(test)
    if share is None:
        settings["test_table"] = test_rows(test, file, table.reading)
    else:
        settings["test"] = share
    return TableRun.read(table, **settings)


def hidden_sizes(text: str) -> tuple[int, ...]:
    """ "64,32" as (64, 32), "none" as (); raises ValueError for anything else."""
    if text.strip().lower() == "none":
        return ()
    sizes = [part.strip() for part in text.split(",")]
    if len(sizes) > MOST_SIZES:
        raise ValueError(f"--hidden lists {len(sizes)} layers: give at most {MOST_SIZES}")
    for size in sizes:
        if not (size.isascii() and size.isdigit()) or set(size) == {"0"}:
            raise ValueError(
                f'--hidden is "{text}": give sizes of at least 1 such as 64,32, '
                "or none for no layer"
            )
        if len(size) > 9:
            raise ValueError(
                f"--hidden has a layer with a size of {len(size)} digits: give at most 9"
            )
    return tuple(map(int, sizes))


def roles(assignments: tuple[str, ...]) -> dict[str, str]:
    """("Pclass=category", …) as a dict.

    Raises ValueError where there is no "=", or a column is named twice.
    """
    found: dict[str, str] = {}
    for text in assignments:
        name, _, kind = text.rpartition("=")
        if not name or not kind:
            raise ValueError(
                f'--role is "{text}": write COLUMN=KIND, such as --role Pclass=category'
            )
        if name in found:
            raise ValueError(f'--role names the column "{name}" twice: give it one kind')
        found[name] = kind
    return found


def test_share(given: str | None) -> float | None:
    """The share of the rows that `--test` means; None where it is not given or names a file.

    A number is a share, even where a file has that name: `./0.2` is the file.
    """
    try:
        return None if given is None else float(given)
    except ValueError:
        return None


def test_rows(given: str | None, file: str, reading: Mapping[str, str]) -> "Table | None":
    """The table for the test: another file, read as the training table was, or the test part
    beside idx files.
    """
    from ..tables import idx_test_part, read_table

    return idx_test_part(file) if given is None else read_table(given, reading=reading)


def model_path(file: str) -> Path:
    """Where a model goes by default: the table's name in the current folder, `.safetensors`."""
    name = Path(file.rstrip("/")).name.removesuffix(".gz")
    stem = Path(name).stem
    usable = stem and not any(sign in stem for sign in "*?[")
    return Path(f"{stem if usable else 'model'}.safetensors")


def check_apart(
    out: Mapping[str, str | Path | None], inputs: Mapping[str, Iterable[str | Path]]
) -> None:
    """Raise ValueError where two outputs are one file, or an output would overwrite an input.

    `out` maps options to paths, `inputs` options and arguments to the files that are read.
    """
    taken = {_identity(path): option for option, paths in inputs.items() for path in paths}
    for option, path in out.items():
        if path is None:
            continue
        other = taken.get(_identity(path))
        if other is not None:
            raise ValueError(f"{option} is {path}, which is {other} as well: give it another name")
        taken[_identity(path)] = option


def _identity(path: str | Path) -> object:
    """What the names of one file have in common: its number, or the place where it will be."""
    try:
        found = os.stat(path)
    except OSError:  # not there yet, or a link to itself
        return os.path.realpath(path)
    return found.st_dev, found.st_ino
