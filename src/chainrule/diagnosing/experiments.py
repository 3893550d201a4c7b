"""Controlled experiments: a configuration is trained on copies, one thing changed at a time.

Each run starts from the same seed and takes the same number of steps, so that two outcomes differ
by the change alone. Losses are compared as `excess` = (L - L of perfect answers) / (L of guessing -
L of perfect answers): 0 is perfect, 1 is what the best constant answer gives.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..core.arrays import Array, ceil_div
from ..core.epoch import Batch, StepSettings, run_epoch
from ..core.network import Network, multiply_adds
from ..core.nonfinite import Diverged
from .baselines import by_rows, constant_output, guess_loss, perfect_loss
from .configuration import Configuration

MOST_STEPS = 3000
MOST_WORK = 1e10  # multiply-adds of one run: about a second
LOOKS = 40  # how often a run is scored on its held-out rows
FUNCTION = re.compile(r"<function (\w+)[^>]*>+( at 0x\w+>)?")  # an address is no evidence
WORST = 2.0  # an excess beyond twice guessing counts as this much: it is no better known


class OutOfTime(Exception):
    """The seconds given to `diagnose` are used up; what is running is given up."""


@dataclass(frozen=True)
class Setup:
    """One experiment before it is run: how is trained, on which rows, scored on which."""

    config: Configuration
    train: Batch
    held: Batch | None = None

    def change(self, **settings: object) -> "Setup":
        """The same with other settings of the configuration."""
        return replace(self, config=replace(self.config, **settings))  # type: ignore[arg-type]

    def map_inputs(self, f: Callable[[Array], Array]) -> "Setup":
        """The same with X passed through f, held-out rows too."""
        held = None if self.held is None else replace(self.held, X=f(self.held.X))
        return replace(self, train=replace(self.train, X=f(self.train.X)), held=held)

    def map_targets(self, f: Callable[[Array], Array]) -> "Setup":
        """The same with y passed through f, held-out rows too."""
        held = None if self.held is None else replace(self.held, y=f(self.held.y))
        return replace(self, train=replace(self.train, y=f(self.train.y)), held=held)

    @property
    def judged(self) -> Batch:
        """The rows that count: those held out, or those trained on where none are."""
        return self.train if self.held is None else self.held


class Score(NamedTuple):
    """The loss of some rows, a mean over rows without penalty, and what it is in units of
    guessing.
    """

    loss: float
    excess: float


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
    return Score(value, (value - perfect) / max(guess - perfect, 1e-12))


def worth(excess: float) -> float:
    """An excess that sums and differences can be made of."""
    return float(min(excess, WORST)) if excess == excess else WORST


def helps(before: Outcome, after: Outcome, least: float = 0.1) -> bool:
    """Whether a change clearly lowers the training loss, and that of held-out rows with it.

    By a quarter and by `least` of what separates guessing from perfect, half of that on held-out
    rows.
    """
    if after.stopped:
        return False
    a, b = worth(before.train.excess), worth(after.train.excess)
    clear = b <= 0.75 * a and a - b >= least
    return clear and worth(before.judged.excess) - worth(after.judged.excess) >= least / 2


@dataclass
class Bench:
    """Where experiments are run: it keeps the seed, the clock and what was found out on the way."""

    seed: int
    deadline: float = np.inf
    notes: list[str] = field(default_factory=list)
    measured: dict[str, Score] = field(default_factory=dict)
    runs: int = 0

    def check_time(self) -> None:
        """Raise OutOfTime once the seconds are used up."""
        if time.perf_counter() > self.deadline:
            raise OutOfTime

    def epochs(self, setup: Setup) -> int:
        """How many epochs are affordable; as many as asked for where the work is small."""
        config, n = setup.config, len(setup.train)
        batch = min(config.batch_size or n, n)
        per_epoch = ceil_div(n, batch)
        work = 3 * multiply_adds(config.net.layers, config.net.n_in) * n
        return max(1, min(config.epochs, MOST_STEPS // per_epoch, int(MOST_WORK // work)))

    def run(self, setup: Setup, *, epochs: int | None = None, seed: int = 0) -> Outcome:
        """Train a copy and score it; a run that diverges has an infinite loss and says why."""
        config, n = setup.config, len(setup.train)
        net, rng = config.net.copy(), np.random.default_rng([self.seed, seed])
        steps = StepSettings(config.loss, config.optimizer, config.lr, config.penalty, config.clip)
        state = config.optimizer.init(net.theta)
        epochs = self.epochs(setup) if epochs is None else epochs
        ends = None if setup.held is None else yardstick(setup, setup.held)
        batch, best, stopped, losses = min(config.batch_size or n, n), None, None, list[float]()
        best_net: Network | None = None
        for epoch in range(epochs):
            self.check_time()
            try:
                L, _ = run_epoch(
                    net, steps, state, setup.train, epoch=epoch, epochs=epochs, batch_size=batch,
                    shuffle=config.shuffle, rng=rng, losses=losses,
                )  # fmt: skip
            except Diverged as reason:
                stopped = FUNCTION.sub(r"\1(…)", str(reason))
                break
            losses.append(L)
            if setup.held is not None and epoch % ceil_div(epochs, LOOKS) == 0:
                now = score(net, setup, setup.held, ends)
                if best is None or now.loss < best.loss:
                    best, best_net = now, net.copy()
        self.runs += 1
        outcome = finish(setup, net, best, stopped, epochs * ceil_div(n, batch))
        return outcome if outcome.best is not best else replace(outcome, best_net=best_net)


def finish(
    setup: Setup, net: Network, best: Score | None, stopped: str | None, steps: int
) -> Outcome:
    """The outcome of a network as it stands after its steps."""
    if stopped is not None:
        lost = Score(np.inf, np.inf)
        return Outcome(net, lost, None if setup.held is None else lost, best, stopped, steps)
    held = None if setup.held is None else score(net, setup, setup.held)
    if held is not None:
        best = held if best is None or held.loss < best.loss else best
    return Outcome(net, score(net, setup, setup.train), held, best, None, steps, lead(net, setup))


def lead(net: Network, setup: Setup) -> float:
    """Mean of (loss of guessing - loss) over the held-out rows, by its standard error."""
    rows, loss = setup.held, setup.config.loss
    if rows is None or len(rows) < 2:
        return 0.0
    with np.errstate(all="ignore"):
        Z = net.forward(rows.X)[0]
        guess = np.ones((len(rows), 1)) * constant_output(loss, setup.train.y, net.n_out)
        Y = loss.targets(Z, rows.y)
        return standard_errors((loss.terms(guess, Y) - loss.terms(Z, Y)).sum(axis=1))


def standard_errors(gains: Array) -> float:
    """The mean of some gains (n,) in units of its standard error; 0 where they are all equal."""
    error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    return float(gains.mean()) / error if error > 0 else 0.0
