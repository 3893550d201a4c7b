"""Controlled experiments: a configuration is trained on copies that differ in one thing.

Each run starts from the same seed and takes the same number of steps, so that only the change
makes two outcomes differ. Losses are compared as `excess` = (L - L of perfect answers) /
(L of guessing - L of perfect answers): 0 is perfect, 1 is the best constant answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.network import Network
from .baselines import by_rows, constant_output, guess_loss, perfect_loss
from .configuration import Configuration

TINY = 1e-300
WORST = 2.0  # a larger excess, of more than twice guessing, counts as this much


@dataclass(frozen=True, eq=False)
class Setup:
    """An experiment before it is run: the configuration, the training rows, the rows to score on.

    Two setups are equal only if they are the same object.
    """

    config: Configuration
    train: Batch
    held: Batch | None = None

    def change(self, **settings: Any) -> "Setup":
        """The same with other settings of the configuration."""
        return replace(self, config=replace(self.config, **settings))

    def map_rows(self, **functions: Callable[[Array], Array]) -> "Setup":
        """The same with X or y of all rows passed through a function: `map_rows(y=np.log)`."""

        def mapped(rows: Batch) -> Batch:
            return replace(rows, **{name: f(getattr(rows, name)) for name, f in functions.items()})

        held = None if self.held is None else mapped(self.held)
        return replace(self, train=mapped(self.train), held=held)

    @property
    def judged(self) -> Batch:
        """The rows that count: the held-out rows, or the training rows if none are held out."""
        return self.train if self.held is None else self.held

    @property
    def all_rows(self) -> Batch:
        """Training and held-out rows together, without weights."""
        if self.held is None:
            return self.train
        parts = self.train, self.held
        X, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y"))
        return Batch(X, y)

    @property
    def judged_name(self) -> str:
        """The kind of the rows that count: "held-out" or "training"."""
        return "training" if self.held is None else "held-out"

    def yardstick(self, rows: Batch) -> tuple[float, float]:
        """The losses of guessing and of perfect answers on some rows.

        The guess is the best constant for the training rows.
        """
        loss, n_out = self.config.loss, self.config.net.n_out
        guess = guess_loss(loss, rows.y, n_out, self.train.y)
        return guess, perfect_loss(loss, rows.y, n_out)


class Score(NamedTuple):
    """The loss on some rows, a mean over rows without penalty, and its `excess`."""

    loss: float
    excess: float

    @property
    def capped(self) -> float:
        """The excess for sums and differences: at most WORST, also if it is nan."""
        return float(min(self.excess, WORST)) if self.excess == self.excess else WORST


@dataclass(frozen=True, eq=False)
class Outcome:
    """The network at the end of a run of `setup`; its scores are computed when they are asked for.

    `stopped` is the reason if the run stopped at a number that is not finite. `early` is the
    network at the epoch before the end whose loss on the held-out rows was lowest.
    """

    setup: Setup
    net: Network
    steps: int = 0
    stopped: str | None = None
    early: "Outcome | None" = None

    def loss(self, rows: Batch) -> float:
        """The mean loss over some rows; infinite if the run stopped or the loss is not finite."""
        if self.stopped:
            return np.inf
        with np.errstate(all="ignore"):
            value = by_rows(self.setup.config.loss).value(self.net.forward(rows.X)[0], rows.y)
        return value if np.isfinite(value) else np.inf

    def score(self, rows: Batch) -> Score:
        """The loss on some rows and its excess."""
        loss, (guess, perfect) = self.loss(rows), self.setup.yardstick(rows)
        return Score(loss, (loss - perfect) / max(guess - perfect, TINY))

    @cached_property
    def train(self) -> Score:
        """The score on the training rows."""
        return self.score(self.setup.train)

    @cached_property
    def judged(self) -> Score:
        """The score on the held-out rows, or on the training rows if none are held out."""
        return self.train if self.setup.held is None else self.score(self.setup.held)

    @property
    def best(self) -> "Outcome":
        """The early outcome, unless this one has a lower loss on the held-out rows."""
        early = self.early
        return early if early and early.judged.loss <= self.judged.loss else self

    def loss_in_units_of(self, setup: Setup) -> float:
        """The judged loss of a run with a scaled target, in the units of an unscaled setup."""
        guess, perfect = setup.yardstick(setup.judged)
        return perfect + self.judged.excess * (guess - perfect)

    def improves_on(self, before: "Outcome", least: float = 0.1) -> bool:
        """Whether the training loss is clearly lower, and the loss on held-out rows with it.

        Lower by a quarter and by `least` of what separates guessing from perfect answers; on
        held-out rows by half of `least`.
        """
        if self.stopped:
            return False
        a, b = before.train.capped, self.train.capped
        clear = b <= 0.75 * a and a - b >= least
        return clear and before.judged.capped - self.judged.capped >= least / 2

    def lead(self, other: Network | None = None) -> float:
        """How far the held-out rows' losses lie below those of `other`, or of guessing.

        The mean of the differences divided by its standard error; 0 if all are equal.
        """
        rows, loss = self.setup.held, self.setup.config.loss
        if self.stopped or rows is None or len(rows) < 2:
            return 0.0
        with np.errstate(all="ignore"):
            Z = self.net.forward(rows.X)[0]
            if other is None:
                constant = constant_output(loss, self.setup.train.y, self.net.n_out)
                reference = np.ones((len(rows), 1)) * constant
            else:
                reference = other.forward(rows.X)[0]
            Y = loss.targets(Z, rows.y)
            gains = (loss.terms(reference, Y) - loss.terms(Z, Y)).sum(axis=1)
            error = float(gains.std(ddof=1)) / len(gains) ** 0.5
            return float(gains.mean()) / error if error > 0 else 0.0
