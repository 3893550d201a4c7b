"""Training while a person watches: the bar, and what Ctrl-C does."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..writing.words import number, percent
from .screen import is_live, screen
from .signals import handled

if TYPE_CHECKING:
    from ..tabular.run import TableRun
    from ..training.loop import Record

PLAIN_EVERY = 10.0
"""Seconds between two plain lines where no bar can be drawn."""
LEAST_BAR, USUAL = 4, 64
"""Characters: the bar's at least, and those of the losses and the time left as a rule."""
STOPPING = "stopping after this {}; Ctrl-C again saves nothing"


@dataclass
class Interrupt:
    """Ctrl-C or SIGTERM: if armed, the first sets `requested`; else it raises KeyboardInterrupt."""

    armed: bool = False
    requested: int | None = None

    def __call__(self, number: int) -> None:
        if not self.armed or self.requested is not None:
            raise KeyboardInterrupt
        self.requested = number


def train_watched(run: "TableRun", *, quiet: bool = False) -> None:
    """Train `run` to its end, showing how it goes on standard error.

    The first Ctrl-C (or SIGTERM) after an epoch ends training with that epoch, the second raises
    KeyboardInterrupt, as does one before any epoch has ended.
    """
    stop = Interrupt()
    with handled(stop), _display(run, stop, quiet) as show, closing(run.train()) as records:
        for record in records:
            stop.armed = True
            show(record)
            if stop.requested is not None:
                break


@contextmanager
def _display(run: "TableRun", stop: Interrupt, quiet: bool) -> "Iterator[_Silence]":
    from ..training import engines

    show = _Silence() if quiet else Bar(run, stop) if is_live(sys.stderr) else _Lines(run)

    def compiling(share: float) -> None:
        stop.armed = share < 1.0  # LLVM would swallow a KeyboardInterrupt
        if stop.requested is not None:
            raise KeyboardInterrupt
        show.compiling(share)

    engines.on_compile = compiling
    try:
        with show.live:
            yield show
    finally:
        engines.on_compile = None


class _Silence:
    """Nothing is shown."""

    live: Any = nullcontext()

    def __call__(self, record: "Record") -> None:
        """Take what an epoch gave."""

    def compiling(self, share: float) -> None:
        """Take which share of the engine is compiled."""


@dataclass
class _Lines(_Silence):
    """A plain line at most every PLAIN_EVERY seconds, and one before the engine is compiled."""

    run: "TableRun"
    last: float = field(default_factory=time.monotonic)

    def compiling(self, share: float) -> None:
        if share == 0.0:
            what = "compiling the engine, once for this machine (about 20 seconds)"
            click.echo(f"chainrule: {what}", err=True)

    def __call__(self, record: "Record") -> None:
        if time.monotonic() - self.last >= PLAIN_EVERY:
            self.last = time.monotonic()
            done = f"{record.epoch + 1:,} of at most {self.run.preset.epochs:,} epochs done"
            line = f"{done}: loss {number(record.loss)}"
            if record.valid_loss is not None:
                line += f", {self.run.valid_loss_name} {number(record.valid_loss)}"
            click.echo(line, err=True)


class Bar(_Silence):
    """A live line: the epoch, a bar, the losses, the time left; first the engine's compilation.

    It is made for each picture, not for each record: there may be thousands of those a second.
    """

    def __init__(self, run: "TableRun", stop: Interrupt) -> None:
        self.run, self.stop = run, stop
        self.record: Record | None = None
        self.best: Record | None = None
        self.started, self.compiled = 0.0, 1.0
        self.console = screen(stderr=True)
        self.live = Live(
            get_renderable=self._line, console=self.console, refresh_per_second=10, transient=True
        )

    def __call__(self, record: "Record") -> None:
        if self.record is None:
            self.started = time.monotonic() - record.seconds
        if self.best is None or record.monitored < self.best.monitored:
            self.best = record
        self.record = record

    def compiling(self, share: float) -> None:
        self.compiled = share
        self.live.refresh()

    def _line(self) -> Table:
        stopping, share = self.stop.requested is not None, self.compiled
        if self.record is None and share < 1.0:
            what = "Compiling the engine" + ", once for this machine" * (not stopping)
            return self._row(what, share, [STOPPING.format("part") if stopping else percent(share)])
        done, epochs = 0 if self.record is None else self.record.epoch + 1, self.run.preset.epochs
        members = len(self.run.members)
        what = f"Epoch {done:>{len(f'{epochs:,}')},}/{epochs:,}"
        what += f" of {members} networks" * (members > 1)
        parts = [STOPPING.format("epoch")] if stopping else self._losses(epochs)
        return self._row(what, done / epochs, parts, USUAL)

    def _row(self, what: str, share: float, parts: list[str], usual: int = 0) -> Table:
        """The line; where the terminal is narrow, the first parts are left out."""
        room = self.console.width - len(what) - 2
        while len(parts) > 1 and len("  ".join(parts)) > room - LEAST_BAR:
            del parts[0]
        words = Text("  ".join(parts), "yellow" if self.stop.requested else "")
        width = min(30, max(LEAST_BAR, room - max(usual, len(words))))
        line = Table.grid(padding=(0, 1))
        line.add_row(what, ProgressBar(1.0, share, width), words)
        return line

    def _losses(self, epochs: int) -> list[str]:
        """Loss, held-out score, the best so far and its epoch, and the time left: at most, as
        training may stop.
        """
        record, best = self.record, self.best
        if record is None or best is None:
            return ["first epoch"]
        parts = [f"loss {number(record.loss, 3)}"]
        if record.valid_loss is not None:
            parts.append(f"held out {number(record.valid_loss, 3)}")
        parts.append(f"best {number(best.monitored, 3)} at {best.epoch + 1:,}")
        done = record.epoch + 1
        gone = time.monotonic() - self.started
        return [*parts, f"≤ {_clock(gone / done * (epochs - done))} left"]


def _clock(seconds: float) -> str:
    """4:07, or 1:04:07 from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
