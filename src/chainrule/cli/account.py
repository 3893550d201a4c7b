"""The account of a run that `train` and `demo` print: the table, the network, how it ended."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ..report.words import clean, number, plural
from ..tabular_report import layers_in_words, task_of
from ..tabular_verdict import HeldOut, held_out, model_names, verdict
from .progress import Ending, train_watched
from .screen import heading, is_live, screen, show_notes, show_profile, show_scores

if TYPE_CHECKING:
    from ..tabular import TableRun


def announce(console: Console, run: "TableRun") -> None:
    """The table's profile, what happened to its rows, the split, the network and the settings."""
    table, schema = run.table, run.schema
    size = f"{plural(len(table), 'row')}, {plural(len(table.names), 'column')}"
    console.print(Text(f"{clean(table.source)}: {size}", "bold"))
    show_profile(console, schema.columns, folded=True)
    show_notes(console, run.notes())
    rows = ", ".join(f"{count:,} {part}" for part, count in _parts(run).items() if count)
    console.print(f"\nRows: {rows} (seed {run.seed})")
    heading(console, f"Network for {run.target}: {task_of(run)}")
    console.print(layers_in_words(run))
    console.print(
        f"{run.optimizer}, learning rate {run.lr:g}, batches of {run.batch_size} rows, "
        f"at most {plural(run.epochs, 'epoch')}"
    )


def _parts(run: "TableRun") -> dict[str, int]:
    """The rows of each part under the names that a person is shown."""
    rows = run.rows
    named = {"train": "for training", "valid": "for validation", "test": "held out for the test"}
    return {named[part]: count for part, count in rows.items()}


def train_and_score(run: "TableRun", *, quiet: bool = False) -> tuple[Ending, HeldOut]:
    """Train while showing how it goes; then the test of the network and its baselines.

    Where the linear model fails, or Ctrl-C stops it, that one is left out: it must not cost the
    network. Ctrl-C that also stopped training raises KeyboardInterrupt.
    """
    from ..core.nonfinite import Diverged

    ending = train_watched(run, quiet=quiet)
    console = screen(stderr=True)
    try:
        if quiet or not is_live(console.file):
            return ending, held_out(run)
        with console.status("Fitting a linear model to compare with (Ctrl-C leaves it out)"):
            return ending, held_out(run)
    except KeyboardInterrupt:
        if ending.why == "interrupted":
            raise
        console.print("The linear model is left out: stopped by you")
    except (Diverged, MemoryError) as error:
        console.print(f"The linear model is left out: {clean(error)}")
    return ending, held_out(run, linear=False)


def conclude(console: Console, run: "TableRun", ending: Ending, tested: HeldOut) -> None:
    """How training ended and what the network is worth on rows it has not seen."""
    heading(console, f"Trained in {number(run.seconds, 2)} s")
    style = "" if ending.why in ("epochs", "patience") else "bold yellow"
    console.print(Text(clean(ending.told), style))
    show_results(console, run, tested)


def show_results(console: Console, run: "TableRun", tested: HeldOut) -> None:
    """The held-out scores beside the baselines', and what they say in words."""
    if tested.scores:
        heading(console, f"On {plural(run.rows['test'], 'test row')} that it has not seen")
        names = model_names(run)
        show_scores(console, {names[name]: values for name, values in tested.scores.items()})
    console.print(clean(verdict(run, tested)))
