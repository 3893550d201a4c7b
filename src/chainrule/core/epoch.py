"""The readable engine: one step of training on one screen, and one epoch of steps.

This is the oracle that every faster engine must agree with.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .activation_layers import HardSigmoid, Sigmoid
from .arrays import Array, ceil_div
from .checks import as_real
from .losses import Loss, SumOfErrors
from .network import Network
from .nonfinite import Diverged, name_nonfinite
from .optimizers import Optimizer, State
from .penalty import Penalty
from .schedules import Schedule, value_at
from .targets import check_weight

Order = Callable[[int], ArrayLike]  # from the number of an epoch to the order of its rows
EpochResult = tuple[float, float, float]  # mean loss, learning rate of the last step, seconds


@dataclass(frozen=True)
class StepSettings:
    """What one step is made of, apart from the numbers: loss, optimizer, learning rate, penalty,
    clipping.
    """

    loss: Loss
    optimizer: Optimizer
    lr: float | Schedule
    penalty: Penalty | None = None
    clip: float | None = None


@dataclass(frozen=True)
class Batch:
    """X (n, n_in), y, weight (n,) or None, as `check_batch` has found them fit."""

    X: Array
    y: Array
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    @property
    def mass(self) -> float:
        """Σw, the number of rows where they have no weights."""
        return len(self) if self.weight is None else float(self.weight.sum(dtype=np.float64))

    def take(self, rows: Any) -> "Batch":
        """The batch of these rows."""
        return Batch(self.X[rows], self.y[rows], None if self.weight is None else self.weight[rows])


@dataclass(frozen=True)
class Trainer:
    """Makes the steps of a training: they change `net` and the optimizer's `state`, in place, and
    draw from `rng`.
    """

    net: Network
    settings: StepSettings
    state: State
    rng: np.random.Generator

    def step(self, batch: Batch, lr: float, decay: float) -> float:
        """One update of net.theta from one batch; returns the loss before it, penalty included.

        Raises Diverged, and leaves theta and buffers as they were, at the first number that is not
        finite.
        """
        net, settings, loss = self.net, self.settings, self.settings.loss
        penalty = settings.penalty and settings.penalty.of(batch.mass)
        X, y, weight = batch.X, batch.y, batch.weight
        Z, caches = net.forward(X, train=True, rng=self.rng)
        L = loss.value(Z, y, weight)
        dX, grad = net.backward(caches, loss.grad(Z, y, weight))
        if penalty is not None:
            L += penalty.value(net.theta, net.decay_factor)
            grad += penalty.grad(net.theta, net.decay_factor)
        if settings.clip is not None:
            grad = clip_by_norm(grad, settings.clip)
        rates = lr * net.lr_factor, decay * net.decay_factor
        delta = settings.optimizer.update(grad, self.state, net.theta, *rates)
        before = net.theta.copy(), net.buffers.copy()
        net.theta += delta
        net.absorb(caches)
        if not (np.isfinite(L) and np.isfinite(net.theta).all() and np.isfinite(net.buffers).all()):
            net.theta, net.buffers = before
            raise Diverged(name_nonfinite(net, loss, X, caches, Z, L, grad))
        return L

    def scheduled_step(
        self, batch: Batch, step: int, steps: int, losses: Sequence[float]
    ) -> tuple[float, float]:
        """`step` with the rates that the schedules give for step number `step` of `steps`; returns
        (the loss before it, the learning rate).
        """
        lr = value_at(self.settings.lr, step, steps, losses)
        decay = value_at(self.settings.optimizer.decay, step, steps, losses)
        for name, schedule in self.net.schedules().items():
            self.net[name] = schedule.at(step, steps, losses)
        with np.errstate(all="ignore"):  # what overflows is found and named by the step itself
            return self.step(batch, lr, decay), lr

    def epoch(
        self,
        data: Batch,
        epoch: int,
        epochs: int,
        batch_size: int,
        shuffle: bool | Order,
        losses: Sequence[float] = (),
    ) -> tuple[float, float]:
        """One pass over the rows; returns (mean of the batch losses weighted by Σw, learning rate
        of the last step).

        Draws one permutation, none for a full batch or without `shuffle`; where that is a function,
        it gives the order of the rows. A batch of zero weight is skipped.
        """
        n = len(data)
        order: Array | None = None
        if callable(shuffle):
            order = ordered(shuffle, epoch, n)
        elif shuffle and batch_size < n:
            order = self.rng.permutation(n)
        per_epoch = ceil_div(n, batch_size)
        total, counted, lr = 0.0, 0.0, 0.0
        for k in range(per_epoch):
            rows = slice(k * batch_size, (k + 1) * batch_size)
            batch = data.take(rows if order is None else order[rows])
            if batch.mass == 0:
                continue
            step, steps = epoch * per_epoch + k, epochs * per_epoch
            try:
                L, lr = self.scheduled_step(batch, step, steps, losses)
            except Diverged as stop:
                raise Diverged(
                    f"training diverged at epoch {epoch + 1}, step {k + 1}: {stop}"
                ) from None
            total, counted = total + L * batch.mass, counted + batch.mass
        return total / counted, lr


def ordered(order: Order, epoch: int, n: int) -> Array:
    """The rows (n,) in the order that a function gives for an epoch. Raises ValueError where they
    are not each row once.
    """
    rows = np.asarray(order(epoch))
    whole = rows.shape == (n,) and rows.dtype.kind in "iu"
    if not (whole and np.array_equal(np.sort(rows), np.arange(n))):
        raise ValueError(f"shuffle({epoch}) gave no order of {n} rows: give each row once")
    return rows


def start_state(optimizer: Optimizer, theta: Array, state: State | None) -> State:
    """The optimizer's state to start from, in arrays of its own: a copy of `state`, or its start
    where that is None or empty. Raises ValueError for one that does not fit.
    """
    start = optimizer.init(theta)
    if not state:
        return start
    if {k: np.shape(v) for k, v in state.items()} != {k: np.shape(v) for k, v in start.items()}:
        wanted = ", ".join(f"{k} {np.shape(v)}" for k, v in start.items()) or "nothing"
        raise ValueError(f"state does not fit {optimizer}: it keeps {wanted}")
    return {k: np.array(state[k], np.asarray(v).dtype) for k, v in start.items()}


def _scale_and_norm(grad: Array) -> tuple[Any, float]:
    """(c, ‖g / c‖) of a gradient (p,): c is 1 unless the squares overflow, and then max |g|."""
    norm = float(np.sqrt(np.sum(np.square(grad))))
    if not np.isinf(norm):
        return 1.0, norm
    top = np.abs(grad).max()
    return top, float(np.sqrt(np.sum(np.square(grad / top))))


def norm_of(grad: Array) -> float:
    """‖g‖ of a gradient (p,)."""
    scale, norm = _scale_and_norm(grad)
    return float(scale) * norm


def clip_by_norm(grad: Array, limit: float) -> Array:
    """g · min(1, limit / ‖g‖): the gradient (p,) with its direction kept. Pascanu et al. 2013."""
    scale, norm = _scale_and_norm(grad)
    if scale * norm <= limit:
        return grad
    return np.asarray(grad / scale * grad.dtype.type(limit / norm))


def check_settings(settings: StepSettings) -> None:
    """Raise TypeError or ValueError for a setting of the wrong kind, a loss that cannot be trained
    on, or a learning rate or clip that makes no sense.
    """
    for name, kind, example in (
        ("loss", Loss, "SquaredError()"),
        ("optimizer", Optimizer, "Adam()"),
        ("penalty", Penalty | None, "Penalty(l2=0.01)"),
        ("lr", float | int | np.number | Schedule, "0.01 or Cosine(0.01)"),
    ):
        value = getattr(settings, name)
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}: give an instance, such as {example}")
    if isinstance(settings.loss, SumOfErrors):
        settings.loss.slopes(np.zeros(1), np.zeros(1))  # raises, and says why
    lr = settings.lr.value if isinstance(settings.lr, Schedule) else settings.lr
    if not 0 < lr < math.inf:
        raise ValueError(f"lr is {lr}: the learning rate must be a finite number above 0")
    if settings.clip is not None and not 0 < settings.clip < math.inf:
        raise ValueError(f"clip is {settings.clip}: the gradient's largest norm must be above 0")


def check_batch(
    net: Network, loss: Loss, X: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None
) -> Batch:
    """The data as arrays that fit the network and the loss; raises ValueError with what does not
    fit.
    """
    if loss.wants_logits and isinstance(net.layers[-1], Sigmoid | HardSigmoid):
        raise ValueError(
            f"{type(loss).__name__} wants logits, but the network ends in {net.layers[-1]}: "
            "leave that layer out, the loss applies its own link"
        )
    matrix, targets = net.as_input(X), as_real("y", y)
    if len(matrix) == 0:
        raise ValueError("X has no rows: give at least one")
    if targets.ndim == 0 or len(targets) != len(matrix):
        raise ValueError(
            f"y has shape {targets.shape}, but X has {len(matrix)} rows: give one target for each"
        )
    for name, array in (("X", matrix), ("y", targets)):
        with np.errstate(all="ignore"):
            total = array.sum()  # half the time of looking at each number
        if not (np.isfinite(total) or np.isfinite(array).all()):
            place = np.argwhere(~np.isfinite(array))[0].tolist()
            raise ValueError(
                f"{name} holds {array[tuple(place)]} at {place}: fill or drop non-finite numbers"
            )
    outputs = np.broadcast_to(np.zeros((), net.dtype), (len(matrix), net.n_out))
    loss.targets(outputs, targets)
    if weight is None:
        return Batch(matrix, targets)
    checked = check_weight(weight, len(matrix))
    if checked.sum() == 0:
        raise ValueError("weight sums to 0: at least one row must count")
    return Batch(matrix, targets, checked)
