"""train(): yields one record per epoch; validation, patience, the best epoch.

A callback is the body of the caller's `for` loop, early stopping by hand is `break`.
"""

import math
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core.epoch import Batch, Order, StepSettings, check_batch, check_settings, start_state
from ..core.losses import Loss
from ..core.network import RNG, Network, make_rng
from ..core.nonfinite import Diverged
from ..core.optimizers import Optimizer, State
from ..core.penalty import Penalty
from ..core.schedules import Schedule
from . import engines
from .engines import limit_threads
from .plan import Plan


class Record(NamedTuple):
    """What one epoch gave: its losses, the learning rate of its last step, its time in seconds.

    `loss` is the mean of the batch losses before each update, penalty included; `valid_loss` the
    loss of the validation rows after the epoch, penalty left out, None without such rows. `epoch`
    counts from 0. `engine` is the one that ran, "readable" or "compiled". `seed` repeats the run;
    None where a generator was handed in.
    """

    epoch: int
    loss: float
    valid_loss: float | None
    lr: float
    seconds: float
    engine: str
    seed: int | None = None

    @property
    def monitored(self) -> float:
        """The loss that patience, `restore` and Plateau look at: validation where there is any."""
        return self.loss if self.valid_loss is None else self.valid_loss

    @classmethod
    def mean(cls, records: "Sequence[Record]", epoch: int, seconds: float, seed: int) -> "Record":
        """The mean losses of several trainings' latest records, as one of its own epoch."""
        held_out = [r.valid_loss for r in records if r.valid_loss is not None]
        loss = np.mean([r.loss for r in records]).item()
        valid = np.mean(held_out).item() if held_out else None
        latest = max(records, key=lambda record: record.epoch)
        return cls(epoch, loss, valid, latest.lr, seconds, latest.engine, seed)


class Recorded:
    """What is known of a training from its records."""

    records: list[Record]

    @property
    def engine(self) -> str | None:
        """The engine that ran, "readable" or "compiled"; None before training."""
        return self.records[-1].engine if self.records else None

    @property
    def seconds(self) -> float:
        """How long its epochs took; what loads or compiles the engine comes before them."""
        return sum((record.seconds for record in self.records), 0.0)


def train(
    net: Network,
    loss: Loss,
    optimizer: Optimizer,
    X: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int,
    batch_size: int | None = 32,
    lr: float | Schedule,
    weight: ArrayLike | None = None,
    valid: tuple[ArrayLike, ...] | None = None,
    penalty: Penalty | None = None,
    clip: float | None = None,
    patience: int | None = None,
    restore: str = "last",
    shuffle: bool | Order = True,
    state: State | None = None,
    rng: RNG = None,
    threads: int | None = None,
    engine: str = "auto",
) -> Generator[Record, None, None]:
    """Train `net` in place by mini-batches; yields a Record after each epoch, with net.theta of
    that epoch.

    X (n, n_in), y as the loss takes it, weight (n,) or None. `batch_size=None` takes all rows at
    once. `valid` is (X, y) or (X, y, weight). `patience` stops after that many epochs without a new
    best loss; `restore="best"` puts the best epoch's theta back when the loop ends, however it
    ends: last epoch, break, Ctrl-C or divergence (after a break, once nothing refers to the
    iterator; `.close()` does it at once). `threads` limits the threads that compute. What the
    loop does to `net` counts from the next epoch on; X, y and weight must stay as they are.

    `shuffle` may be a function that gives the rows' order for an epoch, counted from 0. `state`, a
    dict, receives the optimizer's state after each epoch; if it is not empty, training continues
    from it.

    `engine` is "readable", "compiled", or "auto": the compiled one for work that would take the
    readable one ten seconds. Where the compiled one cannot run, a warning says why.

    Raises ValueError at the call for anything that does not fit, Diverged while running.
    """
    settings = StepSettings(loss, optimizer, lr, penalty, clip)
    check_settings(settings)
    plan = Plan(epochs, batch_size, shuffle, patience, restore, threads, engine)
    data = check_batch(net, loss, X, y, weight)
    start_state(optimizer, net.theta, state)
    held_out = check_valid(net, loss, valid)
    return _records(net, settings, plan, data, held_out, state, *make_rng(rng))


def _records(
    net: Network, settings: StepSettings, plan: Plan, data: Batch, valid: Batch | None,
    state: State | None, rng: np.random.Generator, seed: int | None,
) -> Generator[Record, None, None]:  # fmt: skip
    losses = list[float]()
    best = Best(net) if plan.patience is not None or plan.restore == "best" else None
    engine, epochs = engines.start(
        net, settings, data, plan, rng, ahead=seed is not None, losses=losses, state=state
    )
    try:
        for epoch, (monitored, lr, seconds) in enumerate(epochs):
            loss, valid_loss = monitored, None
            if valid is not None:
                started = time.perf_counter()
                with limit_threads(plan.threads):
                    monitored = valid_loss = evaluate(net, settings.loss, valid, epoch, engine)
                seconds += time.perf_counter() - started
            losses.append(monitored)
            if best is not None:
                best.see(monitored, epoch)
            yield Record(epoch, loss, valid_loss, lr, seconds, engine, seed)
            waited = 0 if best is None else epoch - best.epoch
            if plan.patience is not None and waited >= plan.patience:
                return
    finally:
        if best is not None and plan.restore == "best":
            best.put_back()


class Best:
    """The numbers of a network at its best epoch so far. Of equally good epochs it keeps the first,
    or the last if `latest`: there a falling learning rate has settled further.
    """

    def __init__(self, net: Network, *, latest: bool = False) -> None:
        self.net, self.epoch, self.loss, self.latest = net, -1, math.inf, latest
        self._theta, self._buffers = net.theta.copy(), net.buffers.copy()

    def see(self, loss: float, epoch: int) -> None:
        """Keep the network's numbers if this loss is lower than every one before."""
        if loss < self.loss or (self.latest and loss == self.loss):
            self.loss, self.epoch = loss, epoch
            self._theta[...], self._buffers[...] = self.net.theta, self.net.buffers

    def put_back(self) -> None:
        """Set the network to its best epoch; to where it started if no epoch ended."""
        self.net.theta, self.net.buffers = self._theta, self._buffers


def together(
    streams: Sequence[Generator[Record, None, None]], threads: int
) -> Generator[list[Record], None, None]:
    """The records of several trainings, epoch by epoch; at most `threads` run at once. A training
    that has ended counts with its last record. The generator ends when all trainings have ended.

    However it ends, no training is running then and every stream is closed. Ctrl-C takes effect
    when the running epoch has ended and its records have been yielded; a single training, which
    needs no other thread, stops at once.
    """
    if len(streams) == 1:
        with closing(streams[0]) as records:
            yield from ([record] for record in records)
        return
    pool, latest = ThreadPoolExecutor(min(threads, len(streams))), dict[int, Record]()
    try:
        while True:
            results, stopped = _results([pool.submit(next, stream, None) for stream in streams])
            new = {i: record for i, record in enumerate(results) if record is not None}
            if not new:
                return
            latest |= new
            yield [latest[i] for i in range(len(streams))]
            if stopped is not None:
                raise stopped
    finally:
        _settle(pool)
        for stream in streams:
            stream.close()


def _results(
    futures: "list[Future[Record | None]]",
) -> tuple[list[Record | None], KeyboardInterrupt | None]:
    """(the result of each, a Ctrl-C that came in the meantime). The running epoch is finished
    first, because its numbers may be the best.
    """
    stopped: KeyboardInterrupt | None = None
    while True:
        try:
            wait(futures)
            return [future.result() for future in futures], stopped
        except KeyboardInterrupt as interrupt:
            stopped = interrupt
            if any(f.done() and isinstance(f.exception(), KeyboardInterrupt) for f in futures):
                raise


def _settle(pool: ThreadPoolExecutor) -> None:
    """Wait until no thread works, whatever signals come: a working generator cannot be closed."""
    while True:
        try:
            return pool.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            continue


def check_valid(net: Network, loss: Loss, valid: tuple[ArrayLike, ...] | None) -> Batch | None:
    """The validation rows as arrays; raises ValueError with what does not fit."""
    if valid is None:
        return None
    if not isinstance(valid, tuple | list) or len(valid) not in (2, 3):
        raise ValueError("valid must be (X, y) or (X, y, weight): give such a tuple")
    try:
        return check_batch(net, loss, *valid)
    except ValueError as error:
        raise ValueError(f"in the validation rows, {error}") from None


def evaluate(
    net: Network, loss: Loss, data: Batch, epoch: int = 0, engine: str = "readable"
) -> float:
    """The loss of these rows in prediction mode, without penalty. Raises Diverged if it is not
    finite.
    """
    with np.errstate(all="ignore"):
        Z = engines.forward(net, data.X, engine)
        value = loss.value(Z, data.y, data.weight)
    if not math.isfinite(value):
        raise Diverged(
            f"training diverged at epoch {epoch + 1}: the validation loss became {value}"
        )
    return value
