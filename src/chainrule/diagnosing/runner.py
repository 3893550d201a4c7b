"""Where experiments are run: copies of setups are trained under a budget, from one seed."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from ..core.arrays import ceil_div
from ..core.epoch import StepSettings, run_epoch
from ..core.network import Network, multiply_adds
from ..core.nonfinite import Diverged
from . import changes
from .experiments import Outcome, Score, Setup, finish, score, yardstick

MOST_STEPS = 3000
MOST_WORK = 1e10  # multiply-adds of one run: about a second
LOOKS = 40  # how often a run is scored on its held-out rows
FUNCTION = re.compile(r"<function (\w+).*? at 0x\w+>")  # an address is no evidence


class OutOfTime(Exception):
    """The seconds given to `diagnose` are used up; what is running is given up."""


class Stream(IntEnum):
    """What random numbers are drawn for, besides the shuffles and masks of a run."""

    HELD_OUT = 1
    HALVED = 2
    DRAWN = 3
    SHUFFLED = 4


@dataclass
class Runner:
    """The seed, the clock, and what was found out on the way."""

    seed: int
    deadline: float = np.inf
    notes: list[str] = field(default_factory=list)
    measured: dict[str, Score] = field(default_factory=dict)
    known: dict[tuple[str, Setup], Outcome] = field(default_factory=dict)

    def rng(self, stream: Stream) -> np.random.Generator:
        """A generator at the start of one of the seed's streams."""
        return np.random.default_rng([self.seed, stream])

    def epochs(self, setup: Setup) -> int:
        """How many epochs are affordable; as many as asked for where the work is small."""
        config, n = setup.config, len(setup.train)
        batch = min(config.batch_size or n, n)
        per_epoch = ceil_div(n, batch)
        work = 3 * multiply_adds(config.net.layers, config.net.n_in) * n
        return max(1, min(config.epochs, MOST_STEPS // per_epoch, int(MOST_WORK // work)))

    def run(self, setup: Setup, *, epochs: int | None = None, seed: int = 0) -> Outcome:
        """Train a copy and score it; a run that diverges has an infinite loss and says why.

        Raises OutOfTime once the seconds are used up.
        """
        config, n = setup.config, len(setup.train)
        net, rng = config.net.copy(), np.random.default_rng([self.seed, seed])
        steps = StepSettings(config.loss, config.optimizer, config.lr, config.penalty, config.clip)
        state = config.optimizer.init(net.theta)
        epochs = self.epochs(setup) if epochs is None else epochs
        ends = None if setup.held is None else yardstick(setup, setup.held)
        batch, best, stopped, losses = min(config.batch_size or n, n), None, None, list[float]()
        best_net: Network | None = None
        for epoch in range(epochs):
            if time.perf_counter() > self.deadline:
                raise OutOfTime
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
        outcome = finish(setup, net, best, stopped, epochs * ceil_div(n, batch))
        return outcome if outcome.best is not best else replace(outcome, best_net=best_net)

    def linear(self, setup: Setup) -> Outcome:
        """The linear model of a setup; its losses may be those of a scaled target."""
        steps = changes.LINEAR_STEPS
        return self._once("linear", setup, lambda: self.run(changes.linear(setup), epochs=steps))

    def shuffled(self, setup: Setup) -> Outcome:
        """The run with the training rows' targets dealt out anew."""
        rng = self.rng(Stream.SHUFFLED)
        return self._once("shuffled", setup, lambda: self.run(changes.shuffled_targets(setup, rng)))

    def _once(self, kind: str, setup: Setup, run: Callable[[], Outcome]) -> Outcome:
        """The outcome of this kind of run of this very setup, run the first time only."""
        if (kind, setup) not in self.known:
            self.known[kind, setup] = run()
        return self.known[kind, setup]
