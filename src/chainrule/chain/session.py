"""A training that can be stepped, paused, rewound and explained from a page or a notebook."""

import math
import threading
from array import array
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import Array, ceil_div
from ..core.checks import require_count
from ..core.epoch import Batch, StepSettings, Trainer, check_batch, check_settings
from ..core.losses import Loss
from ..core.network import RNG, Network, make_rng
from ..core.nonfinite import Diverged
from ..core.optimizers import Optimizer, State
from ..core.penalty import Penalty
from ..core.schedules import Schedule, value_at
from ..renamed import renamed_arguments
from ..trace.step import Cells, Trace, trace_step
from .explain import explain
from .explanation import Explanation

UNITS = ("operation", "sample", "batch", "epoch")
KEYFRAMES = 64  # kept at most: every step, then every second, fourth … of a longer training


class Step(NamedTuple):
    """A past step: its number, epoch and batch, the loss before it, its learning rate.

    The loss is nan for a batch of zero weight, which is skipped.
    """

    step: int
    epoch: int
    batch: int
    loss: float
    lr: float


@dataclass(frozen=True)
class _Frame:
    """All that the next step depends on."""

    theta: Array
    buffers: Array
    state: State
    random: Mapping[str, Any]
    order: Array | None
    epochs: int
    total: float
    counted: float


class Session:
    """The readable engine's training, one step at a time, on a copy of the network.

    `epochs` is the planned number, which schedules depend on. `seek` returns to any past step, bit
    for bit: it starts from one of at most `keyframes` keyframes and repeats the steps after it.
    With a `preparation` X is a table, whose cells a trace shows on their way into the network.
    Change numbers by `fork(numbers=…)`: `seek` loses what is written into `net` itself.
    Raises ValueError for data and settings that do not fit.
    """

    def __init__(
        self, net: Network, loss: Loss, optimizer: Optimizer, X: Any, y: ArrayLike, *,
        lr: float | Schedule, epochs: int = 100, batch_size: int | None = None,
        weight: ArrayLike | None = None, penalty: Penalty | None = None, clip: float | None = None,
        shuffle: bool = True, rng: RNG = None, keyframes: int = KEYFRAMES,
        preparation: Cells | None = None,
    ) -> None:  # fmt: skip
        self.settings = StepSettings(loss, optimizer, lr, penalty, clip)
        check_settings(self.settings)
        for name, value in (("batch_size", 1 if batch_size is None else batch_size),
                            ("epochs", epochs), ("keyframes", keyframes)):  # fmt: skip
            require_count("Session", name, value)
        self.net, self.preparation, self._table = net.copy(), preparation, X
        matrix = X if preparation is None else preparation.transform(X)
        self.data: Batch = check_batch(self.net, loss, np.array(matrix), np.array(y), weight)
        rows = len(self.data)
        self.batch_size = rows if batch_size is None else min(rows, int(batch_size))
        self.per_epoch = ceil_div(rows, self.batch_size)
        self.planned, self.shuffle, self.keyframes = epochs * self.per_epoch, shuffle, keyframes
        generator, self.seed = make_rng(rng)
        self.rng = _copied(generator)
        self.state = optimizer.init(self.net.theta)
        self.order: Array | None = None
        self._losses, self._rates = array("d"), array("d")
        self.epoch_losses: list[float] = []
        self.sample = self.operation = 0
        self._total = self._counted = 0.0
        self._every, self._paused = 1, threading.Event()
        self._frames = {0: self._frame()}

    @property
    def done(self) -> int:
        """How many steps have been made."""
        return len(self._losses)

    @property
    def history(self) -> list[Step]:
        """Every step so far. Its loss and learning rate are kept, 16 bytes a step."""
        return [self._past(n) for n in range(self.done)]

    def _past(self, n: int) -> Step:
        return Step(n, *divmod(n, self.per_epoch), self._losses[n], self._rates[n])

    @property
    def position(self) -> dict[str, int]:
        """Where the session stands: steps made, epoch, batch, and inside the batch the sample and
        the operation that come next.
        """
        epoch, batch = divmod(self.done, self.per_epoch)
        return {"step": self.done, "epoch": epoch, "batch": batch, "sample": self.sample,
                "operation": self.operation}  # fmt: skip

    def step(self, n: int = 1, unit: str = "batch") -> dict[str, int]:
        """Advance by n units: operations or samples inside a batch, batches (steps), or epochs.

        The step is made when its last sample or operation has been passed. Returns the position.
        Raises Diverged if a step makes a number that is not finite; the session stays before it.
        """
        if unit not in UNITS or not isinstance(n, int | np.integer) or n < 0:
            raise ValueError(f"step got {n} of {unit!r}: give a number ≥ 0 of {', '.join(UNITS)}")
        for _ in range(n):
            if unit == "epoch":
                for _ in range(self.per_epoch - self.done % self.per_epoch):
                    self._step()
            elif unit == "batch":
                self._step()
            else:
                self._inside(unit)
        return self.position

    def run(self, until: int | Callable[[Step], bool] | None = None) -> dict[str, int]:
        """Make steps up to a number of steps, until a function of the last step returns True, or
        to the planned end. `pause` ends it after the current step; called before, it ends it at
        once.
        """
        last = self.planned if until is None or callable(until) else until
        if not isinstance(last, int) or last < 0:
            raise ValueError(f"until is {until!r}: give a number of steps or a function of a step")
        while self.done < last and not self._paused.is_set():
            self._step()
            if callable(until) and until(self._past(self.done - 1)):
                break
        self._paused.clear()
        return self.position

    def pause(self) -> None:
        """End `run` after the current step; may be called from another thread."""
        self._paused.set()

    def seek(self, step: int) -> dict[str, int]:
        """Go to the state after this many steps, from the nearest keyframe or from here."""
        if not isinstance(step, int | np.integer) or step < 0:
            raise ValueError(f"there is no step {step}: steps count from 0")
        if step < self.done:
            start = max((number for number in self._frames if number <= step), default=None)
            if start is None:
                first = min(self._frames)
                raise ValueError(f"this session forked at step {first}: ask the one it came from")
            self._restore(self._frames[start])
            del self._losses[start:], self._rates[start:]
        while self.done < step:
            self._step()
        self.sample = self.operation = 0
        return self.position

    def trace(self, step: int | None = None) -> Trace:
        """The trace of the step that comes next, or of a past or later one."""
        if step is not None and step != self.done:
            other = self._copy()
            other.seek(step)
            return other.trace()
        random, _, rows = self._next_rows()
        batch = self.data.take(rows)
        if batch.mass == 0:
            raise ValueError(f"step {self.done} has a batch of zero weight, which is skipped")
        lr = value_at(self.settings.lr, self.done, self.planned, self.epoch_losses)
        X = batch.X if self.preparation is None else self._table.take(rows)
        return trace_step(
            self.net, self.settings.loss, self.settings.optimizer, X, batch.y, lr=lr,
            weight=batch.weight, penalty=self.settings.penalty, clip=self.settings.clip,
            state=self.state, rng=random, preparation=self.preparation, step=self.done,
            steps=self.planned,
        )  # fmt: skip

    @renamed_arguments(sample="row")
    def explain(self, address: str, row: int | None = None, step: int | None = None) -> Explanation:
        """Explain a number of the next step, or of `step`; `row` counts in its batch."""
        return explain(self.trace(step), address, row=row)

    def predict(self, X: ArrayLike) -> Array:
        """Ŷ = link(Z) (n, n_out) as the network stands."""
        return self.settings.loss.link(self.net.predict(X))

    def grid(
        self, x: int = 0, y: int = 1, *, size: int = 50, at: ArrayLike | None = None
    ) -> tuple[Array, Array, Array]:
        """(xs (size,), ys (size,), Ŷ (size, size, n_out)) over two columns of X, the others as in
        `at` (n_in,), or their means.
        """
        X = self.data.X
        require_count("grid", "size", size)
        if not (0 <= x < X.shape[1] and 0 <= y < X.shape[1] and x != y and size >= 2):
            raise ValueError(
                f"grid got the columns {x} and {y} and size {size}: X has columns 0 to "
                f"{X.shape[1] - 1}; give two of them and a size of at least 2"
            )
        low, high = X.min(axis=0), X.max(axis=0)
        apart = np.maximum(high - low, 1e-9)
        xs, ys = (
            np.linspace(low[c] - 0.1 * apart[c], high[c] + 0.1 * apart[c], size) for c in (x, y)
        )
        rows = np.tile(X.mean(axis=0) if at is None else np.asarray(at, float), (size * size, 1))
        rows[:, x], rows[:, y] = np.tile(xs, size), np.repeat(ys, size)
        return xs, ys, self.predict(rows).reshape(size, size, -1)

    def fork(self, **changes: Any) -> "Session":
        """A session that continues from here, with the same step numbers but without the past.

        `changes` are settings (loss, optimizer, lr, penalty, clip) or `numbers`, a dict by address
        such as {"0.W[0,1]": 0.5}. Another kind of optimizer starts with its own initial state.
        """
        numbers = changes.pop("numbers", {})
        settings = [field.name for field in fields(StepSettings)]
        if unknown := ", ".join(sorted(set(changes) - set(settings))):
            raise ValueError(f"fork got {unknown}: it changes {', '.join(settings)} and numbers")
        other = self._copy()
        other.settings = replace(self.settings, **changes)
        check_settings(other.settings)
        if type(other.settings.optimizer) is not type(self.settings.optimizer):
            other.state = other.settings.optimizer.init(other.net.theta)
        for address, value in numbers.items():
            name, index = self.trace().find(address)
            if name not in other.net.shapes:
                raise ValueError(f"{address} is no parameter: change weights and biases")
            if not isinstance(value, int | float | np.number) or not math.isfinite(value):
                raise ValueError(f"{address} is to become {value!r}: give a finite number")
            other.net[name][index] = value
        other._frames, other._every = {self.done: other._frame()}, 1
        return other

    def _copy(self) -> "Session":
        """A session that stands where this one does and shares only what never changes."""
        other = copy(self)
        other.net, other.rng, other._paused = self.net.copy(), _copied(self.rng), threading.Event()
        other._losses, other._rates = copy(self._losses), copy(self._rates)
        other._frames = copy(self._frames)
        other._restore(self._frame())
        return other

    def export(self) -> dict[str, Any]:
        """Where the session stands and how it got there, as texts, numbers and lists."""
        return {
            "position": self.position, "seed": self.seed, "planned": self.planned,
            "batch_size": self.batch_size, "loss": repr(self.settings.loss),
            "optimizer": repr(self.settings.optimizer), "lr": repr(self.settings.lr),
            "network": repr(self.net), "history": [
                step._asdict() | {"loss": None if step.loss != step.loss else step.loss}
                for step in self.history
            ],
            "numbers": {name: self.net[name].tolist()
                        for name in (*self.net.shapes, *self.net.buffer_shapes)},
        }  # fmt: skip

    def _inside(self, unit: str) -> None:
        """Advance by a sample or operation; the last one makes the step. A batch of zero weight has
        none.
        """
        rows = self._next_rows()[2]
        if self.data.take(rows).mass == 0:
            is_last = True
        elif unit == "sample":
            self.operation, self.sample = 0, self.sample + 1
            is_last = self.sample >= len(rows)
        else:
            self.operation += 1
            is_last = self.operation >= len(self.trace().values)
        if is_last:
            self._step()

    def _next_rows(self) -> tuple[np.random.Generator, Array | None, Array]:
        """The random generator for the next step, the order of its epoch, the rows of its batch."""
        random, order, n = _copied(self.rng), self.order, len(self.data)
        k = self.done % self.per_epoch
        if k == 0:
            order = random.permutation(n) if self.shuffle and self.batch_size < n else None
        rows = np.arange(k * self.batch_size, min(n, (k + 1) * self.batch_size))
        return random, order, rows if order is None else order[rows]

    def _step(self) -> None:
        """One step, as `core.epoch.Trainer.epoch` makes it."""
        random, order, rows = self._next_rows()
        batch = self.data.take(rows)
        loss, lr = math.nan, value_at(self.settings.lr, self.done, self.planned, self.epoch_losses)
        if batch.mass != 0:
            state, before = {k: v.copy() for k, v in self.state.items()}, self.net.buffers.copy()
            try:
                trainer = Trainer(self.net, self.settings, state, random)
                loss, lr = trainer.scheduled_step(batch, self.done, self.planned, self.epoch_losses)
            except Diverged:
                self.net.buffers = before  # a rate that a schedule has set
                raise
            self.state = state  # only now: a step that diverged leaves everything as it was
            self._total += loss * batch.mass
            self._counted += batch.mass
        self.rng, self.order = random, order
        self._losses.append(loss)
        self._rates.append(lr)
        self.sample = self.operation = 0
        if self.done % self.per_epoch == 0:
            self.epoch_losses.append(self._total / self._counted)
            self._total = self._counted = 0.0
        self._keep()

    def _keep(self) -> None:
        """Save a keyframe if one is due; drop every second one if there are too many."""
        if self.done % self._every == 0:
            self._frames[self.done] = self._frame()
        if len(self._frames) > self.keyframes:
            self._every *= 2
            first = min(self._frames)
            self._frames = {
                number: frame for number, frame in self._frames.items()
                if number % self._every == 0 or number == first
            }  # fmt: skip

    def _frame(self) -> _Frame:
        return _Frame(
            self.net.theta.copy(), self.net.buffers.copy(),
            {name: value.copy() for name, value in self.state.items()},
            self.rng.bit_generator.state, self.order, len(self.epoch_losses), self._total,
            self._counted,
        )  # fmt: skip

    def _restore(self, frame: _Frame) -> None:
        self.net.theta, self.net.buffers = frame.theta, frame.buffers
        self.state = {name: value.copy() for name, value in frame.state.items()}
        self.rng.bit_generator.state = frame.random
        self.order, self.epoch_losses = frame.order, self.epoch_losses[: frame.epochs]
        self._total, self._counted = frame.total, frame.counted
        self.sample = self.operation = 0


def _copied(generator: np.random.Generator) -> np.random.Generator:
    """A generator that draws the same numbers and shares nothing with this one."""
    twin = np.random.Generator(type(generator.bit_generator)())
    twin.bit_generator.state = generator.bit_generator.state
    return twin
