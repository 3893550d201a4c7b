"""A case: what is under examination, its repairs so far, and what has been found.

Faults are repaired one after the other: a later experiment runs with the earlier repairs in place,
so that unscaled inputs are not reported once more as a learning rate too high.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.arrays import ceil_div
from .baselines import number
from .experiments import Bench, Outcome, Setup, worth
from .findings import Finding, gain_of

FRESH_STARTS = 3
LONG = 1000  # steps that can be called a run
UNFINISHED = 0.3  # a run that has come closer than this to perfect answers has learnt


@dataclass
class Case:
    """What is under examination: the setup with its repairs so far, and how it fares.

    `first` and `base` are the setup as it came and its outcome; `repairs` names what was changed.
    Of a `trained` network `base` is how it stands, and `setup` trains the same layers afresh.
    """

    bench: Bench
    first: Setup
    base: Outcome
    setup: Setup
    now: Outcome
    repairs: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    trained: bool = False
    rated: bool = False

    @property
    def recovered(self) -> bool:
        """Whether the repairs so far made most of the difference.

        What is left is then another run's: it is diagnosed once the repairs are made.
        """
        before, after = worth(self.base.judged.excess), worth(self.now.judged.excess)
        return bool(self.repairs) and before - after >= 0.3

    @property
    def other(self) -> str:
        """What the measured pair of runs has in common that the user's run has not."""
        return f"both with {' and '.join(self.repairs)}" if self.repairs else ""

    def accept(self, repair: str, setup: Setup, outcome: Outcome) -> None:
        """Go on with this repair in place."""
        self.setup, self.now = setup, outcome
        self.repairs.append(repair)

    def add(
        self, cause: str, evidence: list[str], fix: str, after: Outcome, layer: int | None = None
    ) -> None:
        """Report a cause with the gain from the present state to `after`."""
        gain = gain_of(self.setup, self.now, after, self.other)
        self.findings.append(Finding(cause, tuple(evidence), fix, gain, layer))

    def found(self, *causes: str) -> bool:
        """Whether one of the causes has been reported."""
        return any(finding.cause in causes for finding in self.findings)


class Starts(NamedTuple):
    """Of three starts the one of middle training loss, and what all of them reach, in words."""

    setup: Setup
    outcome: Outcome
    words: str


def three_starts(bench: Bench, setup: Setup, change: Callable[[Setup, int], Setup]) -> Starts:
    """A changed setup run from three seeds: one start may be lucky."""
    tried = []
    for seed in range(FRESH_STARTS):
        started = change(setup, bench.seed + seed)
        tried.append((started, bench.run(started, seed=seed)))
    tried.sort(key=lambda pair: worth(pair[1].train.excess))
    words = [told(outcome) for _, outcome in tried]
    return Starts(*tried[FRESH_STARTS // 2], f"{', '.join(words[:-1])} and {words[-1]}")


def long_enough(case: Case) -> int:
    """The epochs that make up LONG steps, or those of the run where they are more."""
    steps = max(1, case.now.steps)
    epochs = case.bench.epochs(case.setup)
    return max(epochs, ceil_div(LONG * epochs, steps))


def told(outcome: Outcome) -> str:
    """The training loss of an outcome, or that it diverged."""
    return "diverged" if outcome.stopped else number(outcome.train.loss)
