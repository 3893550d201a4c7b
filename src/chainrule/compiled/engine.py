"""The compiled engine as `training` sees it: the epochs of a run, one after the other.

A call of the kernel runs one epoch, or for toys a chunk of them, and keeps the numbers of each.
What the caller does to the network between two records counts: then the chunk is run once more, up
to there.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..core.arrays import Array, aligned_zeros
from ..core.epoch import Batch, StepSettings, train_step
from ..core.layers import Dropout, Layer, Residual
from ..core.network import Network, multiply_adds
from ..core.nonfinite import ADVICE, Diverged
from ..core.schedules import Schedule
from .epochs import DECAY, DONE, LANES, LR, RATES, Data, train
from .kernels import frozen, prepare
from .program import BLOCK, has_batch_norm, program
from .rules import STATE, loss_settings, rules, targets
from .threads import several_threads

SECONDS = 0.005  # that a chunk of epochs takes at most, roughly
NUMBERS = 2**16  # that a chunk keeps at most: they stay in the cache
STEP_SECONDS, PAIR_SECONDS = 5e-7, 1e-10  # rough cost of a step, and of a multiply-add forwards
ONE_SHARD = 600_000  # multiply-adds forwards up to which a batch is not cut
SHARD, MOST_ROWS, LANE_NUMBERS = 64, 256, 2**15  # rows of a shard; numbers of a lane in the cache
THREADED = 2_000_000  # multiply-adds forwards in a batch from which several threads pay


class Run:
    """A run of training: the network, its data and the memory of the kernel.

    `epochs` is the number planned, which schedules look at. `ahead` says that nobody but this run
    draws from `rng`, so that it may draw ahead of the records.
    """

    def __init__(
        self, net: Network, settings: StepSettings, data: Batch, *, epochs: int, batch_size: int,
        shuffle: bool, threads: int | None, rng: np.random.Generator, ahead: bool,
    ) -> None:  # fmt: skip
        self.net, self.settings, self.data, self.rng = net, settings, data, rng
        self.total, self.ahead, self.batch_size = epochs, ahead, batch_size
        self.per_epoch = -(-len(data) // batch_size)
        self.rules = rules(settings, data.y, batch_size, shuffle and batch_size < len(data))
        Y = targets(net, settings.loss, data)
        self.rows, self.y_width = (
            Data(
                frozen(data.X).reshape(-1),
                frozen(Y).reshape(-1),
                frozen(np.zeros(0) if data.weight is None else data.weight.astype(np.float64)),
            ),
            Y.shape[1],
        )
        self.kept = np.empty((0, net.numbers.size), net.dtype)
        self.order, self.clock = np.arange(len(data)), np.zeros(1, np.int64)
        self.rates = list(dropout_rates(net.layers))
        work = multiply_adds(net.layers, net.n_in)
        self.threads = (threads or 2**16) if work * batch_size >= THREADED else 1
        self.epoch_seconds = self.per_epoch * STEP_SECONDS + len(data) * work * PAIR_SECONDS
        self._lay_out(uniform=bool(np.all(net.lr_factor == 1.0)))

    def epochs(self, losses: Sequence[float]) -> Iterator[tuple[float, float, float]]:
        """(mean loss, learning rate of the last step, seconds) of each epoch, with the network's
        numbers of that epoch. `losses` are those that schedules may look at.

        Raises Diverged in the words of the readable engine.
        """
        epoch, numbers = 0, self.net.numbers
        own = memoryview(numbers.view(np.uint8))
        while epoch < self.total:
            course = self._course(epoch, losses)
            count = len(course) // self.per_epoch
            start, before = numbers if count == 1 else numbers.copy(), self._snapshot()
            means, kept = np.zeros((count, 2)), self._rows(count)
            self._load(start)
            began = time.perf_counter()
            stopped = self._call(course, means, kept)
            complete = count if stopped == DONE else stopped // self.per_epoch
            seconds, changed = (time.perf_counter() - began) / max(1, complete), False
            if count == 1 and complete:
                self._unload()
                yield *means[0].tolist(), seconds
            told = zip(_bytes(kept[:complete]), *means[:complete].T.tolist(), strict=count > 1)
            for i, (row, mean, lr) in enumerate(told):
                own[:] = row
                yield mean, lr, seconds
                if changed := numbers.tobytes() != row:
                    complete = i + 1
                    break
            if changed or stopped != DONE:
                self._return_to(before)
                self._load(start)
            if changed:  # from here on epoch by epoch
                self.ahead = False
                self._call(course, means[:complete], kept[:0])
            elif stopped != DONE:
                self._call(course, means, kept[:0], limit=stopped)
                self._fail(course[stopped], epoch + complete, stopped % self.per_epoch)
            epoch += complete

    def _rows(self, count: int) -> Array:
        """Room for the network's numbers after each epoch of a chunk; none for a single epoch."""
        if count > len(self.kept):
            self.kept = np.tile(self.net.numbers, (count if count > 1 else 0, 1))
        return self.kept[: count if count > 1 else 0]

    def _course(self, epoch: int, losses: Sequence[float]) -> Array:
        """Learning rate, decay and dropout rates of each step of the next call: of one epoch, or of
        as many as can be run ahead.
        """
        count = 1
        if self.ahead and 2 * self.epoch_seconds < SECONDS:
            count = int(min(SECONDS / self.epoch_seconds, NUMBERS / max(1, self.net.numbers.size)))
            count = max(1, min(count, self.total - epoch))
        first, steps = epoch * self.per_epoch, self.total * self.per_epoch
        course = np.empty((count * self.per_epoch, RATES + len(self.rates)))
        settings = (self.settings.lr, self.settings.optimizer.decay, *self.rates)
        try:
            for column, setting in enumerate(settings):
                if isinstance(setting, Schedule):
                    seen = losses if count == 1 else _Unread()
                    course[:, column] = [
                        setting.at(first + i, steps, seen) for i in range(len(course))
                    ]
                else:
                    course[:, column] = setting
        except _LossesRead:
            self.ahead = False
            return self._course(epoch, losses)
        return course

    def _lay_out(self, uniform: bool) -> None:
        """Write the program and take the memory it needs."""
        net, rows = self.net, shard_rows(self.net, self.batch_size)
        written = program(
            net, rows, lanes=min(LANES, -(-self.batch_size // rows)), batch=self.batch_size,
            y_width=self.y_width, uniform=uniform,
        )  # fmt: skip
        prepare(written, net.dtype)
        self.programs, self.places, self.table = written.places, written.places[0], written.table
        self.memory, self.uniform = aligned_zeros(int(self.places.whole), net.dtype), uniform
        self._at("settings", len(written.settings))[...] = written.settings
        self._at("loss_settings", net.n_out)[...] = loss_settings(self.settings.loss, net.n_out)
        self._at("lr_factor", min(BLOCK, net.theta.size))[...] = 1.0

    def _at(self, name: str, size: int) -> Array:
        """A view of what stands at a place of the program."""
        start = int(self.places[name])
        return self.memory[start : start + size]

    def _load(self, numbers: Array) -> None:
        """Copy a network's numbers to the memory."""
        p, q = self.net.theta.size, self.net.buffers.size
        if self.uniform and not np.all(numbers[p + q : p + q + p] == 1.0):
            kept = self._snapshot()
            self._lay_out(uniform=False)
            self._return_to(kept)
        if not self.uniform:
            self._at("lr_factor", p)[...] = numbers[p + q : p + q + p]
        self._at("theta", p)[...], self._at("buffers", q)[...] = numbers[:p], numbers[p : p + q]
        self._at("decay_factor", p)[...] = numbers[p + q + p :]

    def _unload(self) -> None:
        """Copy theta and buffers back to the network."""
        self.net.theta[...] = self._at("theta", self.net.theta.size)
        self.net.buffers[...] = self._at("buffers", self.net.buffers.size)

    def _snapshot(self) -> dict[str, Any]:
        """What a call changes besides theta and buffers, which `_load` brings back."""
        kept = {place: self._at(place, self.net.theta.size).copy() for place in self._state()}
        drawn = self.rules[0].shuffle or self.rates
        state = self.rng.bit_generator.state if drawn else None
        return {"kept": kept, "clock": self.clock.copy(), "state": state}

    def _state(self) -> dict[str, str]:
        return STATE[int(self.rules[0].optimizer)]

    def _return_to(self, before: dict[str, Any]) -> None:
        for name, values in before["kept"].items():
            self._at(name, len(values))[...] = values
        self.clock[...] = before["clock"]
        if before["state"] is not None:
            self.rng.bit_generator.state = before["state"]

    def _call(self, course: Array, means: Array, kept: Array, limit: int = -1) -> int:
        """The kernel, on the threads there are; returns DONE or the step at which it stopped."""
        with ExitStack() as stack:
            if self.threads > 1:
                self.rules[0].threaded = stack.enter_context(several_threads(self.threads))
            stopped: int = train(
                self.programs, self.rules, self.table, self.rows, self.order, self.memory, course,
                self.clock, limit, means, kept, self.rng,
            )  # fmt: skip
        return stopped

    def _fail(self, course: Array, epoch: int, k: int) -> None:
        """Make the step at which the kernel stopped in the readable engine, which finds the words
        for what went wrong.
        """
        self._unload()
        scheduled = self.net.schedules()
        for name, rate in zip(scheduled, course[RATES:][course[RATES:] >= 0], strict=True):
            self.net[name] = rate
        size = self.net.theta.size
        state = {own: self._at(place, size) for place, own in self._state().items()}
        batch = self.data.take(self.order[k * self.batch_size : (k + 1) * self.batch_size])
        place = f"training diverged at epoch {epoch}, step {k}"
        try:
            with np.errstate(all="ignore"):
                train_step(self.net, self.settings, state | {"t": self.clock.reshape(())}, batch,
                           float(course[LR]), float(course[DECAY]), self.rng)  # fmt: skip
        except Diverged as stop:
            raise Diverged(f"{place}: {stop}") from None
        raise Diverged(f"{place}: a number became inf or nan in the compiled engine: {ADVICE}")


class _LossesRead(BaseException):  # a schedule's own `except Exception` lets it pass
    pass


class _Unread(Sequence[float]):
    """Stands for the losses of epochs that have not run yet; a schedule that looks is found out."""

    def __getitem__(self, index: Any) -> Any:
        raise _LossesRead

    def __len__(self) -> int:
        raise _LossesRead


def dropout_rates(layers: Sequence[Layer]) -> Iterator[Schedule | float]:
    """What drives the rate of each dropout layer, in order: its schedule, or -1 for none."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from dropout_rates(layer.layers)
        elif isinstance(layer, Dropout):
            yield layer.rate if isinstance(layer.rate, Schedule) else -1.0


def shard_rows(net: Network, batch_size: int) -> int:
    """The rows of a shard: by shapes and batch alone, so that no sum depends on the machine."""
    if has_batch_norm(net.layers):
        return batch_size
    widths, n = net.n_in, net.n_in
    for layer in net.layers:
        n = layer.shapes(n)[0]
        widths += 2 * n
    fits = max(SHARD, LANE_NUMBERS // widths)
    if batch_size * multiply_adds(net.layers, net.n_in) <= ONE_SHARD:
        return min(batch_size, fits)
    even = -(-batch_size // LANES)  # a shard for every lane
    return min(batch_size, fits, max(SHARD, min(even, MOST_ROWS)))


def _bytes(rows: Array) -> list[bytes]:
    """Each row of a matrix as bytes."""
    size = rows.shape[1] * rows.itemsize
    return rows.view(f"V{size}").ravel().tolist() if size and len(rows) else [b""] * len(rows)
