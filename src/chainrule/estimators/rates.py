"""Learning rates and row orders as scikit-learn's MLP has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.optimizers import State
from ..core.schedules import Schedule


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """value / (t + 1)^power, t the rows seen in the epochs before this one; value in the first.

    `per_epoch` steps and `rows` rows are an epoch, `seen` the rows of trainings before.
    """

    power: float = 0.5
    per_epoch: int = 1
    rows: int = 1
    seen: int = 0

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        t = self.seen + step // self.per_epoch * self.rows
        return float((t + 1) ** -self.power)

    def after(self, t: int) -> float:
        """The rate of the epoch after t rows."""
        return float(self.value * (t + 1) ** -self.power)


@dataclass
class OptimizerMemory:
    """What the optimizer has after a training: its state, its learning rate, and how often that was
    divided by 5.
    """

    learning_rate: float
    state: State = field(default_factory=dict)
    divisions: int = 0


@dataclass(frozen=True)
class Adaptive(Schedule):
    """value / 5^k, k how often training has got stuck so far."""

    memory: OptimizerMemory

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return 5.0**-self.memory.divisions


class ShuffledOrder:
    """Each epoch shuffles the rows' order of the epoch before, by NumPy's old generator."""

    def __init__(self, n: int, random_state: Any) -> None:
        self.rows, self.random_state = np.arange(n), random_state

    def __call__(self, epoch: int) -> Array:
        """The rows in the order of the next epoch."""
        shuffled = np.arange(len(self.rows))
        self.random_state.shuffle(shuffled)
        self.rows = self.rows[shuffled]
        return self.rows
