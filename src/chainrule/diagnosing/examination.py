"""An examination: the setup that is diagnosed, its repairs so far, and what has been found.

Faults are repaired one after the other: a later experiment runs with the earlier repairs in place,
so that unscaled inputs are not reported once more as a learning rate too high.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.arrays import ceil_div
from .experiments import Outcome, Setup, helps
from .findings import Finding, Gain, gain_of
from .formatting import training_loss
from .runner import Runner

FRESH_STARTS = 3
LONG = 1000  # steps that can be called a run
UNFINISHED = 0.3  # a run that has come closer than this to perfect answers has learnt


class Trial(NamedTuple):
    """A changed setup and what it came to."""

    setup: Setup
    outcome: Outcome


@dataclass
class Examination:
    """What is under examination: the setup with its repairs so far, and how it fares.

    `first` and `base` are the setup as it came and its outcome; `repairs` names what was changed.
    Of a `trained` network `base` is how it stands, and `setup` trains the same layers afresh.
    `own_held_out` is whether the held-out rows were handed in.
    """

    runner: Runner
    first: Setup
    base: Outcome
    setup: Setup
    now: Outcome
    trained: bool = False
    own_held_out: bool = False
    rated: bool = False
    repairs: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def recovered(self) -> bool:
        """Whether the repairs so far made most of the difference.

        What is left is then another run's: it is diagnosed once the repairs are made.
        """
        return bool(self.repairs) and self.base.judged.capped - self.now.judged.capped >= 0.3

    @property
    def in_common(self) -> str:
        """What the measured pair of runs has in common that the user's run has not."""
        return f"both with {' and '.join(self.repairs)}" if self.repairs else ""

    def gain(self, after: Outcome) -> Gain:
        """The gain from the present state to `after`."""
        return gain_of(self.setup, self.now, after, self.in_common)

    def gain_in_all(self, after: Outcome) -> Gain:
        """The gain from the run as it came to `after`."""
        return gain_of(self.first, self.base, after)

    def add(
        self, cause: str, evidence: Iterable[str], fix: str, gain: Gain | None,
        layer: int | None = None, columns: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        """Report a cause."""
        self.findings.append(Finding(cause, tuple(evidence), fix, gain, layer, columns))

    def accept(self, repair: str, setup: Setup, outcome: Outcome) -> None:
        """Go on with this repair in place."""
        self.setup, self.now = setup, outcome
        self.repairs.append(repair)

    def has_found(self, *causes: str) -> bool:
        """Whether one of the causes has been reported."""
        return any(finding.cause in causes for finding in self.findings)

    def run(self, setup: Setup) -> Trial:
        """A changed setup, run."""
        return Trial(setup, self.runner.run(setup))

    def measure(self, name: str, setup: Setup) -> Trial:
        """A changed setup, run and measured by name."""
        return Trial(setup, self.runner.measure(name, setup))

    def best(self, trials: dict[str, Trial], least: float = 0.1) -> str | None:
        """The trial of least loss, by name; None where it does not help."""
        name = least_loss(trials)
        return name if helps(self.now, trials[name].outcome, least) else None


def least_loss(trials: dict[str, Trial]) -> str:
    """The trial of least loss on the rows that count, by name."""
    return min(trials, key=lambda name: trials[name].outcome.judged.capped)


def training_losses(trials: dict[str, Trial]) -> str:
    """Each trial's training loss: "ReLU: 0.1, one hidden layer: 0.2"."""
    return ", ".join(f"{name}: {training_loss(trial.outcome)}" for name, trial in trials.items())


def three_starts(exam: Examination, change: Callable[[Setup, int], Setup]) -> tuple[Trial, str]:
    """A change run from three seeds, as one start may be lucky: the trial of middle training loss,
    and what all of them reach, in words.
    """
    trials = []
    for seed in range(FRESH_STARTS):
        setup = change(exam.setup, exam.runner.seed + seed)
        trials.append(Trial(setup, exam.runner.run(setup, seed=seed)))
    trials.sort(key=lambda trial: trial.outcome.train.capped)
    words = [training_loss(trial.outcome) for trial in trials]
    return trials[FRESH_STARTS // 2], f"{', '.join(words[:-1])} and {words[-1]}"


def long_enough(exam: Examination) -> int:
    """The epochs that make up LONG steps, or those of the run where they are more."""
    epochs = exam.runner.epochs(exam.setup)
    return max(epochs, ceil_div(LONG * epochs, max(1, exam.now.steps)))
