"""Training while a person watches: the bar, Ctrl-C, divergence; what ended it is handed back."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.text import Text

from ..report.words import number, plural
from .screen import is_live, screen
from .signals import handled

if TYPE_CHECKING:
    from ..tabular import TableRun
    from ..training import Record

PLAIN_EVERY = 10.0
"""Seconds between two plain lines where no bar can be drawn."""


@dataclass
class Interrupt:
    """Ctrl-C or SIGTERM: armed, the first is only kept in `requested`; else KeyboardInterrupt."""

    armed: bool = False
    requested: int | None = None

    def __call__(self, number: int) -> None:
        if not self.armed or self.requested is not None:
            raise KeyboardInterrupt
        self.requested = number


@dataclass
class Ending:
    """Why training ended: "epochs", "patience", "interrupted" or "diverged", in a sentence too."""

    why: str
    told: str


def train_watched(run: "TableRun", *, quiet: bool = False) -> Ending:
    """Train `run` to its end, showing how it goes on standard error; says what ended it.

    The first Ctrl-C (or SIGTERM) after an epoch ends training with that epoch, the second raises
    KeyboardInterrupt, as does one before any epoch has ended. A divergence before any epoch has
    ended raises Diverged, a later one ends the training.
    """
    from ..core.nonfinite import Diverged

    diverged, asked = "", Interrupt()
    with handled(asked), _watch(run, asked, quiet) as show, closing(run.train()) as records:
        try:
            for record in records:
                asked.armed = True
                show(record)
                if asked.requested is not None:
                    break
        except Diverged as error:
            if not run.records:
                raise
            diverged = str(error)
    return _ending(run, asked.requested, diverged)


def _ending(run: "TableRun", stopped: int | None, diverged: str) -> Ending:
    done = plural(len(run.records), "epoch")
    kept = f"kept the numbers of epoch {run.best_epoch} (counted from 0)"
    if diverged:
        return Ending("diverged", f"Diverged after {done}; {kept}: {diverged}")
    if stopped is not None:
        who = "SIGTERM" if stopped == signal.SIGTERM else "you"
        return Ending("interrupted", f"Stopped by {who} after {done}; {kept}, the best so far")
    if len(run.records) < run.epochs:
        waited = plural(run.records[-1].epoch - (run.best_epoch or 0), "epoch")
        why = f"the validation loss had not fallen for {waited}"
        return Ending("patience", f"Stopped after {done}, as {why}; {kept}")
    all_done = f"All {done} done" if len(run.records) > 1 else "The one epoch is done"
    return Ending("epochs", f"{all_done}; {kept}, the best")


@contextmanager
def _watch(run: "TableRun", asked: Interrupt, quiet: bool) -> "Iterator[Callable[[Record], None]]":
    from .. import engines

    with ExitStack() as stack:
        stack.callback(setattr, engines, "on_compile", None)
        if quiet:
            engines.on_compile = lambda share: None
            yield lambda record: None
        elif not is_live(sys.stderr):
            yield _Lines(run)
        else:
            console = screen(stderr=True)
            bar = BarColumn(max(4, min(30, console.width - 72)))
            columns = (TextColumn("Epoch {task.completed}/{task.total}"), bar, _Losses(asked))
            progress = stack.enter_context(Progress(*columns, console=console, transient=True))
            task = progress.add_task("", total=run.epochs, started=time.time(), compiled=1.0)
            engines.on_compile = lambda share: progress.update(task, compiled=share)
            yield _Bar(run, progress, task)


@dataclass
class _Lines:
    """A plain line at most every PLAIN_EVERY seconds."""

    run: "TableRun"
    last: float = field(default_factory=time.monotonic)

    def __call__(self, record: "Record") -> None:
        if time.monotonic() - self.last >= PLAIN_EVERY:
            self.last = time.monotonic()
            done = f"{record.epoch + 1} of at most {self.run.epochs} epochs done"
            told = f"{done}: loss {number(record.loss)}"
            if record.valid_loss is not None:
                told += f", validation loss {number(record.valid_loss)}"
            print(told, file=sys.stderr, flush=True)


@dataclass
class _Bar:
    run: "TableRun"
    progress: Progress
    task: TaskID
    best: "Record | None" = None

    def __call__(self, record: "Record") -> None:
        if self.best is None or record.monitored < self.best.monitored:
            self.best = record
        self.progress.update(self.task, completed=record.epoch + 1, record=record, best=self.best)


class _Losses(ProgressColumn):
    """Loss, validation loss, best epoch and the time left: at most, since training may stop."""

    def __init__(self, asked: Interrupt) -> None:
        super().__init__()
        self.asked = asked

    def render(self, task: Any) -> Text:
        record, best = task.fields.get("record"), task.fields.get("best")
        if record is None and (share := task.fields["compiled"]) < 1.0:
            return Text(f"compiling the engine, once for this machine: {share:.0%}")
        if record is None:
            return Text("first epoch")
        if self.asked.requested is not None:
            return Text("stopping after this epoch; Ctrl-C again leaves at once", "yellow")
        told = f"loss {number(record.loss, 3)}"
        if record.valid_loss is not None:
            told += f"  valid {number(record.valid_loss, 3)}"
        told += f"  best {number(best.monitored, 3)} at {best.epoch}"
        gone = time.time() - task.fields["started"]
        left = round(gone / task.completed * (task.total - task.completed))
        return Text(f"{told}  ≤ {left // 60}:{left % 60:02d} left")
