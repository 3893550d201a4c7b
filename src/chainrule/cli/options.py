"""How options are read: their words become what the library takes, their defaults come from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..tables import Table

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, no more.")
TABLE_NAME = click.option("--table", "table_name", metavar="NAME", help="The table of a database.")


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


def hidden_sizes(text: str) -> tuple[int, ...]:
    """ "64,32" as (64, 32), "none" as (); raises ValueError for anything else."""
    if text.strip().lower() == "none":
        return ()
    sizes = [part.strip() for part in text.split(",")]
    if not all(size.isascii() and size.isdigit() and int(size) > 0 for size in sizes):
        raise ValueError(
            f'--hidden is "{text}": give sizes of at least 1 such as 64,32, or none for no layer'
        )
    return tuple(map(int, sizes))


def roles(assignments: tuple[str, ...]) -> dict[str, str]:
    """("Pclass=category", …) as a dict; raises ValueError where there is no "="."""
    pairs = [text.rpartition("=") for text in assignments]
    for text, (name, _, kind) in zip(assignments, pairs, strict=True):
        if not name or not kind:
            raise ValueError(
                f'--role is "{text}": write COLUMN=KIND, such as --role Pclass=category'
            )
    return {name: kind for name, _, kind in pairs}


def test_rows(given: str | None, file: str) -> "tuple[float | None, Table | None]":
    """(share, table) for the test: a number, another file, or the test part beside idx files."""
    from ..tables import idx_test_part, read_table

    if given is None:
        return None, idx_test_part(file)
    try:
        return float(given), None
    except ValueError:
        return None, read_table(given)


def model_path(file: str) -> Path:
    """Where a model goes by default: the table's name in the current folder, `.safetensors`."""
    name = Path(file.rstrip("/")).name.removesuffix(".gz")
    stem = Path(name).stem
    usable = stem and not any(sign in stem for sign in "*?[")
    return Path(f"{stem if usable else 'model'}.safetensors")


def check_apart(out: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Raise ValueError where two outputs are one file, or an output would overwrite an input."""
    taken = {Path(path).resolve(): option for option, path in inputs.items() if path is not None}
    for option, path in out.items():
        if path is None:
            continue
        other = taken.get(Path(path).resolve())
        if other is not None:
            raise ValueError(f"{option} is {path}, which is {other} as well: give it another name")
        taken[Path(path).resolve()] = option
