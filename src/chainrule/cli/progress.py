"""Training while a person watches: the bar, Ctrl-C, divergence; what ended it is handed back."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.text import Text

from ..report.words import number
from .screen import is_live, screen

if TYPE_CHECKING:
    from ..tabular import TableRun
    from ..training import Record

PLAIN_EVERY = 10.0
"""Seconds between two plain lines where no bar can be drawn."""


@dataclass
class Interrupt:
    """Ctrl-C, counted: armed, the first only sets `requested`; else it raises KeyboardInterrupt."""

    armed: bool = False
    requested: bool = False

    def __call__(self, *_: Any) -> None:
        if not self.armed or self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def interrupt() -> Iterator[Interrupt]:
    """Within it Ctrl-C asks the returned Interrupt; only the main thread can have that."""
    asked = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, asked)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Ending:
    """Why training ended: "epochs", "patience", "interrupted" or "diverged", in a sentence too."""

    why: str
    told: str


def train_watched(run: "TableRun", *, quiet: bool = False) -> Ending:
    """Train `run` to its end, showing how it goes on standard error; says what ended it.

    The first Ctrl-C after an epoch ends training with that epoch, the second raises
    KeyboardInterrupt, as does one before any epoch has ended. A divergence before any epoch has
    ended raises Diverged, a later one ends the training.
    """
    from ..core.nonfinite import Diverged

    diverged = ""
    with interrupt() as asked, _watch(run, asked, quiet) as show, closing(run.train()) as records:
        try:
            for record in records:
                asked.armed = True
                show(record)
                if asked.requested:
                    break
        except Diverged as error:
            if not run.records:
                raise
            diverged = str(error)
        stopped = asked.requested
    return _ending(run, stopped, diverged)


def _ending(run: "TableRun", stopped: bool, diverged: str) -> Ending:
    last, kept = run.records[-1].epoch, f"kept epoch {run.best_epoch}"
    if diverged:
        return Ending("diverged", f"Diverged after epoch {last}, {kept}: {diverged}")
    if stopped:
        return Ending("interrupted", f"Stopped by you at epoch {last}; {kept}, the best so far")
    if len(run.records) < run.epochs:
        waited = last - (run.best_epoch or 0)
        why = f"the validation loss had not fallen for {waited} epochs"
        return Ending("patience", f"Stopped at epoch {last}, {why}; {kept}")
    return Ending("epochs", f"All {run.epochs} epochs done; {kept}, the best")


@contextmanager
def _watch(run: "TableRun", asked: Interrupt, quiet: bool) -> "Iterator[Callable[[Record], None]]":
    if quiet:
        yield lambda record: None
    elif not is_live(sys.stderr):
        yield _Lines(run)
    else:
        console = screen(stderr=True)
        bar = BarColumn(max(4, min(30, console.width - 72)))
        columns = (TextColumn("Epoch {task.completed}/{task.total}"), bar, _Losses(asked))
        with Progress(*columns, console=console, transient=True) as progress:
            yield _Bar(run, progress, progress.add_task("", total=run.epochs, started=time.time()))


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
        if record is None:
            return Text("first epoch")
        if self.asked.requested:
            return Text("stopping after this epoch; Ctrl-C again leaves at once", "yellow")
        told = f"loss {number(record.loss, 3)}"
        if record.valid_loss is not None:
            told += f"  valid {number(record.valid_loss, 3)}"
        told += f"  best {number(best.monitored, 3)} at {best.epoch}"
        gone = time.time() - task.fields["started"]
        left = round(gone / task.completed * (task.total - task.completed))
        return Text(f"{told}  ≤ {left // 60}:{left % 60:02d} left")
