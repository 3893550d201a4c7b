"""The compiled engine as `training` sees it: the epochs of a run, one after the other.

A call of the kernel runs one epoch, or for toys a chunk of them, and keeps the numbers of each.
What the caller does to the network between two records counts: then the chunk is run once more, up
to there.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import numpy as np

from ..core.arrays import Array, ceil_div
from ..core.branch_layers import walk
from ..core.epoch import Batch, EpochResult, StepSettings, Trainer, ordered, start_state
from ..core.layers import Dropout
from ..core.network import Network, multiply_adds
from ..core.nonfinite import ADVICE, Diverged
from ..core.normalisation_layers import BatchNorm
from ..core.optimizers import State
from ..core.schedules import Schedule
from ..training.plan import Plan
from .draws import draws_of
from .epochs import DONE, MEAN, RESULTS, train
from .kernels import frozen, linked_program
from .operations import STATE_PLACES
from .program import BLOCK
from .rules import loss_setting, rules, targets
from .step import DECAY, LANES, LR, RATES, Work
from .threads import several_threads

CHUNK_SECONDS = 0.005  # that a chunk of epochs takes at most, roughly
CHUNK_NUMBERS = 2**16  # that a chunk keeps at most: they stay in the cache
STEP_SECONDS, PAIR_SECONDS = 5e-7, 1e-10  # of these kernels: a step, a multiply-add forwards
ONE_SHARD = 600_000  # multiply-adds forwards up to which a batch is not cut
SHARD, MOST_ROWS, LANE_NUMBERS = 64, 256, 2**15  # rows of a shard; numbers of a lane in the cache
GRADIENTS = 2**26  # numbers that all lanes together hold as gradients, if there are several
THREADED = ONE_SHARD  # from which a batch is cut, several threads pay


class Run:
    """A run of training: the network, its data and the memory of the kernel.

    `ahead` says that nobody but this run draws from `rng`, so that it may draw ahead of the
    records.
    """

    def __init__(
        self, net: Network, settings: StepSettings, data: Batch, plan: Plan,
        rng: np.random.Generator, *, ahead: bool, state: State | None = None,
    ) -> None:  # fmt: skip
        self.net, self.settings, self.data, self.rng = net, settings, data, rng
        self.total, self.batch_size, self.state = plan.epochs, plan.batch_rows(len(data)), state
        self.user_order = plan.shuffle if callable(plan.shuffle) else None
        self.ahead = ahead and self.user_order is None and state is None
        self.per_epoch = ceil_div(len(data), self.batch_size)
        shuffles = plan.shuffle is True and self.batch_size < len(data)
        self.rules = rules(settings, data.y, self.batch_size, shuffles)
        self.Y = targets(net, settings.loss, data)
        self.history = np.empty((0, net.numbers.size), net.dtype)
        self.order, self.clock = np.arange(len(data)), np.zeros(1, np.int64)
        layers = (layer for layer, _, _ in walk(net.layers, net.n_in))
        dropouts = [layer.rate for layer in layers if isinstance(layer, Dropout)]
        self.drawn = deepcopy(rng.bit_generator)  # for kernels alone: nobody else draws from it
        self.draws = draws_of(self.drawn)
        self.dropout_rates = [rate if isinstance(rate, Schedule) else -1.0 for rate in dropouts]
        work = multiply_adds(net.layers, net.n_in)
        self.threads = plan.threads if work * self.batch_size >= THREADED else 1
        self.epoch_seconds = self.per_epoch * STEP_SECONDS + len(data) * work * PAIR_SECONDS
        self._lay_out(one_lr=bool(np.all(net.lr_factor == 1.0)))
        start = start_state(settings.optimizer, net.theta, state)
        self.state_places = {name: STATE_PLACES[name] for name in start if name != "t"}
        self._set_optimizer_state(start)

    def epochs(self, losses: Sequence[float]) -> Iterator[EpochResult]:
        """Mean loss, learning rate and seconds of each epoch, while the network has its numbers.
        `losses` are those that schedules may look at.

        Raises Diverged in the words of the readable engine.
        """
        epoch = 0
        while epoch < self.total:
            rates = self._rates(epoch, losses)
            if len(rates) == self.per_epoch:
                yield self._one_epoch(rates, epoch)
                epoch += 1
            else:
                epoch += yield from self._chunk(rates, epoch)

    def _one_epoch(self, rates: Array, epoch: int) -> EpochResult:
        start, before, results = self.net.numbers, self._snapshot(), np.full((1, RESULTS), np.nan)
        if self.user_order is not None:
            self.order[...] = ordered(self.user_order, epoch, len(self.order))
        began = time.perf_counter()
        self._load(start)
        try:
            stopped = self._call(rates, results)
        finally:
            if not np.isnan(results[0, MEAN]):  # also where Ctrl-C came while the kernel ran
                self._unload()
        if stopped != DONE:
            self._return_to(before, start)
            self._fail(rates, epoch, stopped)
        if self.state is not None:
            self.state.update(self._snapshot()["state"])
        mean, lr = results[0].tolist()
        return mean, lr, time.perf_counter() - began

    def _chunk(self, rates: Array, epoch: int) -> Iterator[EpochResult]:
        """Many epochs in one call, handed out one by one; returns how many there were."""
        numbers, before = self.net.numbers, self._snapshot()
        start, numbers_bytes = numbers.copy(), memoryview(numbers.view(np.uint8))
        count = len(rates) // self.per_epoch
        results, history = np.zeros((count, RESULTS)), self._room(count)
        began = time.perf_counter()
        self._load(start)
        stopped = self._call(rates, results, history)
        complete = count if stopped == DONE else stopped // self.per_epoch
        seconds = (time.perf_counter() - began) / max(1, complete)
        epochs = zip(_bytes(history[:complete]), *results[:complete].T.tolist(), strict=True)
        for i, (row, mean, lr) in enumerate(epochs):
            numbers_bytes[:] = row
            yield mean, lr, seconds
            if numbers.tobytes() != row:  # the caller has changed them: once more, to here
                self.ahead = False  # and from here on epoch by epoch
                self._return_to(before, start)
                self._call(rates, results[: i + 1])
                return i + 1
        if stopped != DONE:
            self._return_to(before, start)
            self._fail(rates, epoch, stopped)
        return complete

    def _room(self, count: int) -> Array:
        """Room for the network's numbers after each epoch of a chunk."""
        if count > len(self.history):
            self.history = np.tile(self.net.numbers, (count, 1))
        return self.history[:count]

    def _rates(self, epoch: int, losses: Sequence[float]) -> Array:
        """Learning rate, decay and dropout rates of each step of the next call: of one epoch, or of
        as many as can be run ahead.
        """
        count = self._count(epoch)
        first, steps = epoch * self.per_epoch, self.total * self.per_epoch
        rates = np.empty((count * self.per_epoch, RATES + len(self.dropout_rates)))
        settings = (self.settings.lr, self.settings.optimizer.decay, *self.dropout_rates)
        seen = losses if count == 1 else _Unread()
        try:
            for column, setting in enumerate(settings):
                if isinstance(setting, Schedule):
                    rates[:, column] = [
                        setting.at(first + i, steps, seen) for i in range(len(rates))
                    ]
                else:
                    rates[:, column] = setting
        except _LossesRead:
            self.ahead = False
            return self._rates(epoch, losses)
        return rates

    def _count(self, epoch: int) -> int:
        """How many epochs the next call runs: one, or as many short ones as can be run ahead."""
        if not self.ahead:
            return 1
        in_time = int(CHUNK_SECONDS / self.epoch_seconds)
        in_cache = CHUNK_NUMBERS // max(1, self.net.numbers.size)
        return max(1, min(in_time, in_cache, self.total - epoch))

    def _lay_out(self, one_lr: bool) -> None:
        """Write the program and take the memory it needs."""
        net, rows = self.net, shard_rows(self.net, self.batch_size)
        lanes = lane_count(net, ceil_div(self.batch_size, rows))
        table, self.memory, self.layouts = linked_program(
            net, rows, lanes=lanes, batch=self.batch_size, y_width=self.Y.shape[1], one_lr=one_lr,
        )  # fmt: skip
        self.layout, weight = self.layouts[0], self.data.weight
        self.work = Work(
            table, self.memory, frozen(self.data.X).reshape(-1), frozen(self.Y).reshape(-1),
            frozen(np.zeros(0) if weight is None else weight.astype(np.float64)), self.order,
        )  # fmt: skip
        self._at("loss_settings", net.n_out)[...] = loss_setting(self.settings.loss, self.data.y)
        self._at("lr_factor", min(BLOCK, net.theta.size))[...] = 1.0

    def _at(self, place: str, size: int) -> Array:
        """A view of the numbers at a place of the layout."""
        start = int(self.layout[place])
        return self.memory[start : start + size]

    def _load(self, numbers: Array) -> None:
        """Copy a network's numbers to the memory; lay it out again once lr_factor is not 1."""
        p, q = self.net.theta.size, self.net.buffers.size
        theta, buffers, lr_factor, decay_factor = np.split(numbers, (p, p + q, p + q + p))
        if self.layout.one_lr and not np.all(lr_factor == 1.0):
            before = self._snapshot()
            self._lay_out(one_lr=False)
            self._restore(before)
        if not self.layout.one_lr:
            self._at("lr_factor", p)[...] = lr_factor
        self._at("theta", p)[...], self._at("buffers", q)[...] = theta, buffers
        self._at("decay_factor", p)[...] = decay_factor

    def _unload(self) -> None:
        """Copy theta and buffers back to the network: at once, so Ctrl-C finds both or none."""
        p, q = self.net.theta.size, self.net.buffers.size
        self.net.numbers[: p + q] = np.concatenate([self._at("theta", p), self._at("buffers", q)])

    def _snapshot(self) -> dict[str, Any]:
        """What a call changes besides theta and buffers, which `_load` brings back."""
        state = {name: value.copy() for name, value in self._optimizer_state().items()}
        drawn = self.rng.bit_generator.state if self._draws() else None
        return {"state": state, "drawn": drawn}

    def _restore(self, before: dict[str, Any]) -> None:
        self._set_optimizer_state(before["state"])
        if before["drawn"] is not None:
            self.rng.bit_generator.state = before["drawn"]

    def _return_to(self, before: dict[str, Any], numbers: Array) -> None:
        """Undo a call: as the snapshot says, with these numbers of the network."""
        self._restore(before)
        self._load(numbers)

    def _draws(self) -> bool:
        """Whether a call draws from rng."""
        return bool(self.rules[0].shuffle or self.dropout_rates)

    def _optimizer_state(self) -> dict[str, Array]:
        """What the optimizer keeps, as the readable engine names it: views."""
        clock = {"t": self.clock.reshape(())} if self.rules[0].corrects else {}
        size = self.net.theta.size
        return clock | {name: self._at(place, size) for name, place in self.state_places.items()}

    def _set_optimizer_state(self, state: State) -> None:
        for name, view in self._optimizer_state().items():
            view[...] = state[name]

    def _call(
        self, rates: Array, results: Array, history: Array | None = None, limit: int = -1
    ) -> int:
        """The kernel, on the threads there are; returns DONE or the step at which it stopped."""
        history = self.history[:0] if history is None else history
        threads = nullcontext(False) if self.threads == 1 else several_threads(self.threads)
        if self._draws():
            self.drawn.state = self.rng.bit_generator.state
        with threads as several:
            self.rules[0].threaded = several
            try:
                stopped: int = train(
                    self.layouts, self.rules, *self.work, rates, self.clock, limit, results,
                    history, *self.draws,
                )  # fmt: skip
            finally:
                if self._draws():
                    self.rng.bit_generator.state = self.drawn.state
        return stopped

    def _fail(self, rates: Array, epoch: int, stopped: int) -> None:
        """Run up to the step at which the kernel stopped, and make that one in the readable engine,
        which finds the words for what went wrong.
        """
        epochs, k = divmod(stopped, self.per_epoch)
        self._call(rates, np.zeros((len(rates) // self.per_epoch, RESULTS)), limit=stopped)
        self._unload()
        scheduled = rates[stopped, RATES:]
        scheduled = scheduled[scheduled >= 0]
        for name, rate in zip(self.net.schedules(), scheduled, strict=True):
            self.net[name] = rate
        batch = self.data.take(self.order[k * self.batch_size : (k + 1) * self.batch_size])
        place = f"training diverged at epoch {epoch + epochs + 1}, step {k + 1}"
        try:
            with np.errstate(all="ignore"):
                trainer = Trainer(self.net, self.settings, self._optimizer_state(), self.rng)
                trainer.step(batch, float(rates[stopped, LR]), float(rates[stopped, DECAY]))
        except Diverged as stop:
            raise Diverged(f"{place}: {stop}") from None
        self._unload()  # what that step, which is sound there, has changed
        raise Diverged(f"{place}: a number became inf or nan in the compiled engine: {ADVICE}")


class _LossesRead(BaseException):  # a schedule's own `except Exception` lets it pass
    pass


class _Unread(Sequence[float]):
    """Stands for the losses of epochs that have not run yet; a schedule that looks is found out."""

    def _read(self, *_: Any) -> Any:
        raise _LossesRead

    __getitem__ = __len__ = __iter__ = __contains__ = __reversed__ = __bool__ = _read
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __mul__ = _read
    __array__ = __hash__ = __repr__ = __copy__ = __deepcopy__ = __reduce_ex__ = _read


def shard_rows(net: Network, batch_size: int) -> int:
    """The rows of a shard: by shapes and batch alone, so that no sum depends on the machine."""
    layers = list(walk(net.layers, net.n_in))
    if any(isinstance(layer, BatchNorm) for layer, _, _ in layers):  # it looks at the whole batch
        return batch_size
    fits = max(SHARD, LANE_NUMBERS // (net.n_in + sum(2 * n_out for _, _, n_out in layers)))
    if batch_size * multiply_adds(net.layers, net.n_in) <= ONE_SHARD:
        return min(batch_size, fits)
    even = ceil_div(batch_size, LANES)  # a shard for every lane
    rows = min(batch_size, fits, max(SHARD, min(even, MOST_ROWS)))
    return ceil_div(batch_size, ceil_div(batch_size, rows))  # none much shorter than the others


def lane_count(net: Network, shards: int) -> int:
    """The number of lanes for these shards; it depends on shapes only. Each lane has a gradient."""
    return max(1, min(shards, LANES, GRADIENTS // max(1, net.theta.size)))


def _bytes(rows: Array) -> list[bytes]:
    """Each row of a matrix as bytes."""
    size = rows.shape[1] * rows.itemsize
    return rows.view(f"V{size}").ravel().tolist() if size and len(rows) else [b""] * len(rows)
