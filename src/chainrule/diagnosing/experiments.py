"""Controlled experiments: a configuration is trained on copies, one thing changed at a time.

Each run starts from the same seed and takes the same number of steps, so that two outcomes differ
by the change alone. Losses are compared as `excess` = (L - L of perfect answers) / (L of guessing -
L of perfect answers): 0 is perfect, 1 is what the best constant answer gives.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.network import Network
from .baselines import by_rows, constant_output, guess_loss, perfect_loss
from .configuration import Configuration

TINY = 1e-300
WORST = 2.0  # an excess beyond twice guessing counts as this much: it is no better known


@dataclass(frozen=True, eq=False)
class Setup:
    """One experiment before it is run: how is trained, on which rows, scored on which.

    Two setups are equal where they are the same one.
    """

    config: Configuration
    train: Batch
    held: Batch | None = None

    def change(self, **settings: object) -> "Setup":
        """The same with other settings of the configuration."""
        return replace(self, config=replace(self.config, **settings))  # type: ignore[arg-type]

    def map_rows(self, f: Callable[[Batch], Batch]) -> "Setup":
        """The same with the rows passed through f, held-out rows too."""
        held = None if self.held is None else f(self.held)
        return replace(self, train=f(self.train), held=held)

    def map_inputs(self, f: Callable[[Array], Array]) -> "Setup":
        """The same with X passed through f, held-out rows too."""
        return self.map_rows(lambda rows: replace(rows, X=f(rows.X)))

    def map_targets(self, f: Callable[[Array], Array]) -> "Setup":
        """The same with y passed through f, held-out rows too."""
        return self.map_rows(lambda rows: replace(rows, y=f(rows.y)))

    @property
    def judged(self) -> Batch:
        """The rows that count: those held out, or those trained on where none are."""
        return self.train if self.held is None else self.held

    @property
    def judged_name(self) -> str:
        """ "held-out" or "training": what the rows that count are."""
        return "training" if self.held is None else "held-out"


class Score(NamedTuple):
    """The loss of some rows, a mean over rows without penalty, and what it is in units of
    guessing.
    """

    loss: float
    excess: float

    @property
    def capped(self) -> float:
        """The excess that sums and differences are made of: at most WORST, also for nan."""
        return float(min(self.excess, WORST)) if self.excess == self.excess else WORST


@dataclass(frozen=True)
class Outcome:
    """What a run came to: scores of its rows at the end, of held-out rows, and at their best.

    `lead` is how far the held-out rows' losses lie below those of guessing, in standard errors.
    """

    net: Network
    train: Score
    held: Score | None
    best: Score | None
    stopped: str | None
    steps: int
    lead: float = 0.0
    best_net: Network | None = None

    @property
    def judged(self) -> Score:
        """The score on held-out rows, or on the training rows where none are held out."""
        return self.train if self.held is None else self.held


class Yardstick(NamedTuple):
    """What guessing and what perfect answers give on some rows."""

    guess: float
    perfect: float


def yardstick(setup: Setup, rows: Batch) -> Yardstick:
    """The guess is made on the training rows, whatever rows it is scored on."""
    loss, n_out = setup.config.loss, setup.config.net.n_out
    guess = guess_loss(loss, rows.y, n_out, setup.train.y)
    return Yardstick(guess, perfect_loss(loss, rows.y, n_out))


def score(net: Network, setup: Setup, rows: Batch, ends: Yardstick | None = None) -> Score:
    """The network's loss on these rows and its excess; not finite counts as infinite."""
    loss = setup.config.loss
    guess, perfect = yardstick(setup, rows) if ends is None else ends
    with np.errstate(all="ignore"):
        value = by_rows(loss).value(net.forward(rows.X)[0], rows.y)
    value = value if np.isfinite(value) else np.inf
    return Score(value, (value - perfect) / max(guess - perfect, TINY))


def restated(setup: Setup, outcome: Outcome) -> Score:
    """The judged score of a run with a scaled target, its loss in the units of `setup`."""
    guess, perfect = yardstick(setup, setup.judged)
    excess = outcome.judged.excess
    return Score(perfect + excess * (guess - perfect), excess)


def helps(before: Outcome, after: Outcome, least: float = 0.1) -> bool:
    """Whether a change clearly lowers the training loss, and that of held-out rows with it.

    By a quarter and by `least` of what separates guessing from perfect, half of that on held-out
    rows.
    """
    if after.stopped:
        return False
    a, b = before.train.capped, after.train.capped
    clear = b <= 0.75 * a and a - b >= least
    return clear and before.judged.capped - after.judged.capped >= least / 2


def finish(setup: Setup, net: Network, best: Score | None = None, steps: int = 0) -> Outcome:
    """The outcome of a network as it stands after its steps."""
    held = None if setup.held is None else score(net, setup, setup.held)
    if held is not None and (best is None or held.loss < best.loss):
        best = held
    return Outcome(net, score(net, setup, setup.train), held, best, None, steps, lead(net, setup))


def diverged(setup: Setup, net: Network, best: Score | None, reason: str, steps: int) -> Outcome:
    """The outcome of a run that stopped at a number that is not finite."""
    lost = Score(np.inf, np.inf)
    return Outcome(net, lost, None if setup.held is None else lost, best, reason, steps)


def lead(net: Network, setup: Setup, other: Network | None = None) -> float:
    """Mean of (loss of `other`, or of guessing, - loss of `net`) over the held-out rows, by its
    standard error; 0 where all are equal.
    """
    rows, loss = setup.held, setup.config.loss
    if rows is None or len(rows) < 2:
        return 0.0
    with np.errstate(all="ignore"):
        Z = net.forward(rows.X)[0]
        if other is None:
            reference = np.ones((len(rows), 1)) * constant_output(loss, setup.train.y, net.n_out)
        else:
            reference = other.forward(rows.X)[0]
        Y = loss.targets(Z, rows.y)
        gains = (loss.terms(reference, Y) - loss.terms(Z, Y)).sum(axis=1)
        error = float(gains.std(ddof=1)) / len(gains) ** 0.5
        return float(gains.mean()) / error if error > 0 else 0.0
