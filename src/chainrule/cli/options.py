"""How options are read: their words become what the library takes, their defaults come from it."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..tables import Table

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, no more.")
TABLE_NAME = click.option("--table", "table_name", metavar="NAME", help="The table of a database.")
COUNT = click.IntRange(1, 10**9)
MOST_SIZES = 1000
"""A model file holds no more layers."""


def filled(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The value of an option or argument; raises ValueError where it is the empty text."""
    if value == "":
        is_option = isinstance(parameter, click.Option)
        name = parameter.opts[0] if is_option else parameter.make_metavar(ctx)
        raise ValueError(f"{name} is empty: give the path of a file")
    return value


class Setting(click.Option):
    """An option that is handed to TableRun; its help names the default that stands there."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option's line of help, with TableRun's default."""
        from dataclasses import MISSING, fields

        from ..tabular import TableRun

        record = super().get_help_record(ctx)
        default = {field.name: field.default for field in fields(TableRun)}.get(str(self.name))
        if record is None or default in (None, (), MISSING):
            return record
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        return record[0], f"{record[1]}  [default: {shown}]"


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a network and its training, which TableRun takes."""
    for option in reversed((
        click.option("--hidden", cls=Setting, metavar="SIZES", help="Hidden layers, or none."),
        click.option("--activation", cls=Setting, help="Of the hidden layers."),
        click.option("--dropout", cls=Setting, type=float,
                     help="Share of units left out in training."),
        click.option("--epochs", cls=Setting, type=COUNT, help="At most so many."),
        click.option("--lr", cls=Setting, type=float,
                     help="Learning rate; chosen by the optimizer."),
        click.option("--batch-size", cls=Setting, type=COUNT,
                     help="Rows a step; chosen by the number of rows."),
        click.option("--optimizer", cls=Setting, help="sgd, momentum, …, adam, adamw."),
    )):  # fmt: skip
        command = option(command)
    return command


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
