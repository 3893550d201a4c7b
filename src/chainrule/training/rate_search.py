"""find_lr(): the learning rate at which the loss falls steepest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import require_count
from ..core.epoch import Batch, StepSettings, Trainer, check_batch, check_settings
from ..core.losses import Loss
from ..core.network import RNG, Network, make_rng
from ..core.nonfinite import Diverged
from ..core.optimizers import Optimizer


@dataclass(frozen=True)
class LearningRates:
    """What `find_lr` saw: learning rates (k,), the smoothed loss at each (k,), and the one it
    suggests.
    """

    lrs: NDArray[Any]
    losses: NDArray[Any]
    suggestion: float


def find_lr(
    net: Network,
    loss: Loss,
    optimizer: Optimizer,
    X: ArrayLike,
    y: ArrayLike,
    *,
    batch_size: int = 32,
    weight: ArrayLike | None = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    rng: RNG = None,
) -> LearningRates:
    """Train a copy for `steps` steps while lr grows from low to high by a constant factor; net
    stays as it is.

    Each batch's loss is compared with that of the untrained net on the same batch, so that easy and
    hard batches do not look like learning, and smoothed (0.9 of the past); the run ends where it
    exceeds 4 × the lowest or is not finite. The suggestion is where it falls steepest over log lr,
    at most a tenth of where it is lowest. Smith 2017, "Cyclical learning rates".
    """
    if not 0 < low < high < math.inf or steps < 10:
        raise ValueError(
            f"find_lr got low={low}, high={high}, steps={steps}: use 0 < low < high, steps ≥ 10"
        )
    require_count("find_lr", "batch_size", batch_size)
    settings = StepSettings(loss, optimizer, low)
    check_settings(settings)
    data, (generator, _) = check_batch(net, loss, X, y, weight), make_rng(rng)
    rates = np.geomspace(low, high, steps).tolist()
    lrs, losses = _sweep(net, settings, data, rates, min(batch_size, len(data)), generator)
    return LearningRates(np.array(lrs), np.array(losses), _steepest(lrs, losses))


def _sweep(
    net: Network,
    settings: StepSettings,
    data: Batch,
    rates: Sequence[float],
    size: int,
    rng: np.random.Generator,
) -> tuple[list[float], list[float]]:
    """The rates that a copy of net was trained at, one step each, and the smoothed loss at each."""
    trainer = Trainer(net.copy(), settings, settings.optimizer.init(net.theta), rng)
    average = 0.0
    lrs, starts, gains = list[float](), list[float](), list[float]()
    for lr in rates:
        batch = data.take(rng.choice(len(data), size, replace=False))
        if batch.weight is not None and batch.weight.sum() == 0:
            continue
        try:
            with np.errstate(all="ignore"):
                Z = net.forward(batch.X, train=True, rng=rng)[0]
                value = trainer.step(batch, lr, 0.0)
        except Diverged:
            if not lrs:
                raise  # at the lowest rate already: nothing can be said
            break
        lrs.append(lr)
        starts.append(settings.loss.value(Z, batch.y, batch.weight))
        average = 0.9 * average + 0.1 * (value - starts[-1])
        gains.append(average / (1.0 - 0.9 ** len(lrs)))
        level = float(np.mean(starts))
        if level + gains[-1] > 4 * (level + min(gains)) > 0:
            break
    if not lrs:
        raise ValueError("no batch held a row of positive weight: use a larger batch_size")
    return lrs, [level + gain for gain in gains]


def _steepest(lrs: Sequence[float], losses: Sequence[float]) -> float:
    lowest = int(np.argmin(losses))
    if lowest < 2:
        raise ValueError(
            "find_lr saw no rate at which the loss falls: check the data, or lower low"
        )
    fall = np.gradient(np.array(losses[: lowest + 1]), np.log(lrs[: lowest + 1]))
    steepest = lrs[int(np.argmin(fall))]
    return min(lrs, key=lambda lr: abs(lr - min(steepest, lrs[lowest] / 10)))
