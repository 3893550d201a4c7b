"""The options and arguments of the verbs, and what the library takes for them."""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..models.model import TableModel
    from ..tables import Table
    from ..tabular.run import TableRun

Decorator = Callable[[Any], Any]
SEED, THREADS = click.IntRange(0, 10**18), click.IntRange(1, 1024)
COUNT = click.IntRange(1, 10**9)
MOST_SIZES = 1000  # hidden layers that a model file can hold


class LazyChoice(click.Choice[str]):
    """A choice of the names that a module of `tabular` lists, which is loaded when they are
    needed: help of other verbs stays quick.
    """

    def __init__(self, module: str, listing: str) -> None:
        self.module, self.listing, self.case_sensitive = module, listing, True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names."""
        return tuple(getattr(import_module(f"chainrule.tabular.{self.module}"), self.listing))


def nonempty(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The value of an option or argument; raises ValueError where it is the empty text."""
    if value == "":
        is_option = isinstance(parameter, click.Option)
        name = parameter.opts[0] if is_option else parameter.make_metavar(ctx)
        raise ValueError(f"{name} is empty: give the path of a file")
    return value


TABLE_FILE = click.argument("file", callback=nonempty)
MODEL_FILE = click.argument("model_file", metavar="MODEL", callback=nonempty)
TABLE_NAME = click.option("--table", "table_name", metavar="NAME", help="The table of a database.")


def time_limit(words: str, default: float | None = None, longest: float | None = None) -> Decorator:
    """The option `--time-limit`, of which `words` is the help."""
    return click.option(
        "--time-limit", type=click.FloatRange(0, longest, min_open=True), metavar="SECONDS",
        default=default, show_default=default is not None, help=words,
    )  # fmt: skip


def _all_of(*decorators: Decorator) -> Decorator:
    """The decorators as one, which lists their options in this order."""
    return lambda command: reduce(lambda done, more: more(done), reversed(decorators), command)


# The options that say what the columns of a table are.
table_options = _all_of(
    click.option("--target", required=True, metavar="COL", help="Column to predict."),
    click.option("--task", help="classification or regression; inferred by default."),
    click.option("--role", "role", multiple=True, metavar="COL=KIND", help="Kind of a column."),
    click.option("--group", metavar="COL", help="Never split rows that share a value."),
    click.option("--time", metavar="COL", help="Hold out the latest rows by this column."),
    click.option("--weight", metavar="COL", help="Weights of the rows."),
    click.option("--drop", multiple=True, metavar="COL", help="Leave a column out."),
    TABLE_NAME,
    click.option("--seed", type=SEED, help="Of split, weights and batches.  [default: 0]"),
)


# The options of a network and its training; the preset chooses what is left out.
network_options = _all_of(
    click.option("--preset", type=LazyChoice("presets", "PRESETS"),
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
)  # fmt: skip


# The options of a table, its test rows, a network and how it is judged, and the files.
train_options = _all_of(
    table_options,
    click.option("--test", metavar="SHARE|FILE", callback=nonempty,
                 help="Share of rows for the test, or a file of them.  [default: 0.2]"),
    network_options,
    click.option("--metric", type=LazyChoice("verdict", "COMPARED_BY"),
                 help="What to optimise and compare by.  [default: accuracy or rmse]"),
    click.option("--interval", type=float, metavar="SHARE",
                 help="Predict intervals too, which hold this share of the values."),
    click.option("--class-weight", type=click.Choice(["balanced"]),
                 help="Give every class the same weight in all."),
    time_limit("Train for about this long."),
    click.option("--threads", type=THREADS, help="Number of threads.  [default: all]"),
    click.option("--no-compare", "compared", is_flag=True, flag_value=False, default=True,
                 help="Do not train other models to compare with."),
    click.option("--out", metavar="PATH", callback=nonempty,
                 help="The model file.  [default: FILE's name.safetensors]"),
    click.option("--report", metavar="PATH.html", callback=nonempty,
                 help="Write a one-file HTML report."),
)  # fmt: skip


def run_from_options(file: str, options: dict[str, Any]) -> "TableRun":
    """The run that the options describe; the library chooses what they leave out."""
    from ..core.activation_layers import ACTIVATION_LAYERS
    from ..core.optimizers import OPTIMIZERS
    from ..tables import idx_test_part, read_table
    from ..tabular.run import TableRun

    settings = {name: value for name, value in options.items() if value not in (None, ())}
    table = read_table(file, table=settings.pop("table_name", None))
    for name, names in (("activation", ACTIVATION_LAYERS), ("optimizer", OPTIMIZERS)):
        if name in settings:
            settings[name] = library_name(name, settings[name], list(names))
    if "hidden" in settings:
        settings["hidden"] = hidden_sizes(settings["hidden"])
    settings["roles"] = roles(settings.pop("role", ()))
    test = settings.pop("test", None)
    if (share := test_share(test)) is not None:
        settings["test"] = share
    elif test is not None:
        settings["test_table"] = read_table(test, reading=table.reading)
    else:
        settings["test_table"] = idx_test_part(file)
    return TableRun.read(table, **settings)


def library_name(setting: str, text: str, names: Sequence[str]) -> str:
    """The library's name, leaky_relu for "Leaky-ReLU"; raises ValueError if there is none."""
    by_letters = {name.replace("_", ""): name for name in names}
    letters = re.sub(r"[\s_-]", "", text.lower())
    if letters in by_letters:
        return by_letters[letters]
    close = difflib.get_close_matches(letters, list(by_letters), n=2)
    advice = f"use one of {', '.join(names)}"
    if close:
        advice = f"did you mean {' or '.join(by_letters[match] for match in close)}?"
    raise ValueError(f"--{setting} is '{text}': {advice}")


def hidden_sizes(text: str) -> tuple[int, ...]:
    """ "64,32" as (64, 32), "none" as (); raises ValueError for anything else."""
    if text.strip().lower() == "none":
        return ()
    sizes = [part.strip() for part in text.split(",")]
    if len(sizes) > MOST_SIZES:
        raise ValueError(f"--hidden lists {len(sizes)} layers: give at most {MOST_SIZES}")
    if not all(re.fullmatch("0*[1-9][0-9]*", size) for size in sizes):
        raise ValueError(
            f'--hidden is "{text}": give sizes of at least 1 such as 64,32, or none for no layer'
        )
    if (digits := max(map(len, sizes))) > 9:
        raise ValueError(f"--hidden has a layer with a size of {digits} digits: give at most 9")
    return tuple(map(int, sizes))


def roles(assignments: tuple[str, ...]) -> dict[str, str]:
    """("Pclass=category", …) as a dict.

    Raises ValueError if the "=" is missing or a column is named twice.
    """
    kinds: dict[str, str] = {}
    for text in assignments:
        name, _, kind = text.rpartition("=")
        if not name or not kind:
            raise ValueError(
                f'--role is "{text}": write COLUMN=KIND, such as --role Pclass=category'
            )
        if name in kinds:
            raise ValueError(f'--role names the column "{name}" twice: give it one kind')
        kinds[name] = kind
    return kinds


def test_share(text: str | None) -> float | None:
    """The share of the rows that `--test` means; None where it is not given or names a file.

    A number is a share, even where a file has that name: `./0.2` is the file.
    """
    with suppress(ValueError):
        return None if text is None else float(text)
    return None


def test_file(text: str | None) -> str | None:
    """The file that `--test` means; None where it is not given or a share."""
    return text if test_share(text) is None else None


def model_path(file: str) -> Path:
    """Where a model goes by default: the table's name in the current folder, `.safetensors`."""
    name = Path(file.rstrip("/")).name.removesuffix(".gz")
    stem = Path(name).stem
    usable = stem and not any(sign in stem for sign in "*?[")
    return Path(f"{stem if usable else 'model'}.safetensors")


def check_distinct(
    out: Mapping[str, str | Path | None], inputs: Mapping[str, Iterable[str | Path]]
) -> None:
    """Raise ValueError where two outputs are one file, or an output would overwrite an input.

    `out` maps options to paths, `inputs` options and arguments to the files that are read.
    """
    taken = {_identity(path): option for option, paths in inputs.items() for path in paths}
    for option, path in out.items():
        if path is not None:
            other = taken.setdefault(_identity(path), option)
            if other != option:
                raise ValueError(
                    f"{option} is {path}, which is {other} as well: give it another name"
                )


def _identity(path: str | Path) -> object:
    """What the names of one file have in common: its number, or the place where it will be."""
    try:
        status = os.stat(path)
    except OSError:  # not there yet, or a link to itself
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def read_inputs(model_file: str, file: str, table_name: str | None) -> "tuple[TableModel, Table]":
    """The model, and the table, read as the one that the model was trained on.

    Raises ValueError where that was no table.
    """
    from ..models.model import TableModel
    from ..models.modelfile import load
    from ..tables import read_table

    model = load(model_file)
    if not isinstance(model, TableModel):
        raise ValueError(
            f"{model_file} holds a network without a table's preparation: use it from Python, "
            "or train a model with chainrule train"
        )
    return model, read_table(file, table=table_name, reading=model.schema.reading)
