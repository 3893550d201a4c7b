"""The account of a run that `train` and `demo` print: the table, the network, what came of it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..tabular.outcome import Outcome
from ..writing.words import number, plural, task_in_words
from .progress import train_watched
from .screen import heading, is_live, screen, show_next, show_notes, show_profile, show_scores

if TYPE_CHECKING:
    from ..tabular.run import TableRun

PARTS = {"train": "for training", "valid": "held out for the best epoch", "test": "for the test"}


def announce(console: Console, run: "TableRun", *, verbose: bool = False) -> None:
    """The table's profile, what happened to its rows, the split, the network and the settings;
    `verbose` with the reason for each setting.
    """
    table, schema, preset = run.data.table, run.data.schema, run.preset
    size = f"{plural(len(table), 'row')}, {plural(len(table.names), 'column')}"
    console.print(f"{table.source}: {size}", style="bold")
    show_profile(console, schema.columns, folded=True)
    show_notes(console, run.data.notes)
    rows = ", ".join(f"{n:,} {PARTS[part]}" for part, n in run.rows.items() if n)
    each = " of each network" if len(run.members) > 1 and run.rows["valid"] else ""
    console.print(f"\nRows{each}: {rows} (seed {run.data.seed})")
    heading(console, f"Network for {schema.target}: {task_in_words(schema.classes)}")
    console.print(run.layers)
    if verbose:
        for name, why in run.reasons.items():
            console.print(f"  {name}: {why}", soft_wrap=True)
    else:
        console.print(
            f"preset {preset.name}: {preset.optimizer}, learning rate {preset.lr:g}, batches of "
            f"{preset.batch_size} rows, at most {plural(preset.epochs, 'epoch')}"
        )


def train_and_test(run: "TableRun", *, quiet: bool, compared: bool = True) -> Outcome:
    """Train while showing how it goes; then the test of the network and of other models."""
    train_watched(run, quiet=quiet)
    console = screen(stderr=True)

    def watch(name: str) -> AbstractContextManager[Any]:
        if quiet or not is_live(console.file):
            return nullcontext()
        return console.status(f"Training a {name} to compare with (Ctrl-C leaves it out)")

    return run.outcome(compared=compared, watch=watch)


def conclude(console: Console, outcome: Outcome, *, brief: bool = False) -> None:
    """How training ended and what the network is worth on rows it has not seen; `brief` leaves out
    how it ended.
    """
    if not brief:
        heading(console, f"Trained in {number(outcome.model.facts['seconds'], 2)} s")
        well = outcome.ended in ("epochs", "patience", "time") and not outcome.diverged
        style = "" if well else "bold yellow"
        console.print(outcome.told, style=style)
    if outcome.scores:
        heading(
            console, f"On {plural(outcome.model.facts['rows']['test'], 'test row')} not seen before"
        )
    show_notes(console, outcome.warnings)
    if outcome.scores:
        show_scores(console, outcome.named_scores, ahead=outcome.ahead)
    for line in (*outcome.coverage, outcome.verdict):
        console.print(line)


def show_saved(
    console: Console, told: Sequence[str], after: Sequence[Sequence[object]] = ()
) -> None:
    """The files that were written, and the commands to type next."""
    heading(console, "Saved")
    for line in told:
        console.print(f"  {line}", soft_wrap=True)
    if after:
        show_next(console, *after)
