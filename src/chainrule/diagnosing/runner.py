"""Runs experiments: trains copies of setups under a budget, from one seed."""

import re
import time
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ..core.arrays import ceil_div
from ..core.epoch import StepSettings, Trainer
from ..core.network import multiply_adds
from ..core.nonfinite import Diverged
from . import changes
from .experiments import Outcome, Setup

MOST_STEPS = 3000
MOST_WORK = 1e10  # multiply-adds of one run: about a second
LOOKS = 40  # how many times a run is scored on its held-out rows
FUNCTION = re.compile(r"<function (\w+).*? at 0x\w+>")  # an address in memory is not evidence


class OutOfTime(Exception):
    """The `time_limit` of `diagnose` is reached: the current experiment ends."""


class Stream(IntEnum):
    """The uses of random numbers besides the shuffles and masks of a run."""

    HELD_OUT = 1
    HALVED = 2
    DRAWN = 3
    SHUFFLED = 4


@dataclass
class Runner:
    """Trains setups; keeps what was left out (`notes`) and the loss of every experiment by name."""

    seed: int
    deadline: float = np.inf
    notes: list[str] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    _linear: dict[Setup, Outcome] = field(default_factory=dict)
    _shuffled: dict[Setup, Outcome] = field(default_factory=dict)

    def rng(self, stream: Stream) -> np.random.Generator:
        """A generator at the start of one of the seed's streams."""
        return np.random.default_rng([self.seed, stream])

    def epochs(self, setup: Setup) -> int:
        """How many of the configured epochs are affordable."""
        config, n = setup.config, len(setup.train)
        work = 3 * multiply_adds(config.net.layers, config.net.n_in) * n
        affordable = min(MOST_STEPS // steps_per_epoch(setup), int(MOST_WORK // work))
        return max(1, min(config.epochs, affordable))

    def run(self, setup: Setup, *, epochs: int | None = None, seed: int = 0) -> Outcome:
        """Train a copy; a run that diverges has an infinite loss and says why.

        Raises OutOfTime at the deadline.
        """
        config, held, losses = setup.config, setup.held, list[float]()
        net, rng = config.net.copy(), np.random.default_rng([self.seed, seed])
        settings = StepSettings(
            config.loss, config.optimizer, config.lr, config.penalty, config.clip
        )
        trainer = Trainer(net, settings, config.optimizer.init(net.theta), rng)
        epochs = self.epochs(setup) if epochs is None else epochs
        steps, lowest = epochs * steps_per_epoch(setup), np.inf
        early: Outcome | None = None
        for epoch in range(epochs):
            if time.perf_counter() > self.deadline:
                raise OutOfTime
            try:
                L, _ = trainer.epoch(
                    setup.train, epoch, epochs, batch_size(setup), config.shuffle, losses
                )
            except Diverged as reason:
                return Outcome(setup, net, steps, FUNCTION.sub(r"\1(…)", str(reason)), early)
            losses.append(L)
            if held is not None and epoch % ceil_div(epochs, LOOKS) == 0:
                loss = Outcome(setup, net).loss(held)
                if loss < lowest:
                    lowest, early = loss, Outcome(setup, net.copy())
        return Outcome(setup, net, steps, early=early)

    def measure(self, name: str, setup: Setup) -> Outcome:
        """Run a setup, and keep its loss by name."""
        outcome = self.run(setup)
        self.measured[name] = outcome.judged.loss
        return outcome

    def linear(self, setup: Setup) -> Outcome:
        """The linear model of a setup, run once; its losses may be those of a scaled target."""
        if setup not in self._linear:
            self._linear[setup] = self.run(changes.linear(setup), epochs=changes.LINEAR_STEPS)
        return self._linear[setup]

    def shuffled(self, setup: Setup) -> Outcome:
        """The run with the training rows' targets shuffled, run once for a setup."""
        if setup not in self._shuffled:
            rng = self.rng(Stream.SHUFFLED)
            self._shuffled[setup] = self.run(changes.shuffled_targets(setup, rng))
        return self._shuffled[setup]


def batch_size(setup: Setup) -> int:
    """The rows of a batch: all if no size is set or there are fewer."""
    return min(setup.config.batch_size or len(setup.train), len(setup.train))


def steps_per_epoch(setup: Setup) -> int:
    """How many batches an epoch has."""
    return ceil_div(len(setup.train), batch_size(setup))
