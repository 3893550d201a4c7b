"""An examination: the diagnosed run, its repairs so far, and the findings.

Faults are repaired one after the other: a later experiment runs with the earlier repairs in place,
so that unscaled inputs are not also reported as a learning rate too high.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..core.arrays import ceil_div
from .experiments import Outcome, Setup
from .findings import Finding, Gain, gain_of
from .formatting import training_loss
from .runner import Runner

FRESH_STARTS = 3
LONG = 1000  # steps of a run that is long enough
UNFINISHED = 0.3  # the excess below which a run counts as having learnt


@dataclass
class Examination:
    """A run under examination: its outcome with and without the repairs so far, and the findings.

    `base` is the outcome of the run as the user configured it, `now` that with the `repairs`. For
    a `trained` network `base` is that network, and `now` trains the same layers from a fresh start.
    `own_held_out` is whether the user gave the held-out rows.
    """

    runner: Runner
    base: Outcome
    now: Outcome
    trained: bool = False
    own_held_out: bool = False
    repairs: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def first(self) -> Setup:
        """The setup as the user configured it."""
        return self.base.setup

    @property
    def setup(self) -> Setup:
        """The setup with the repairs so far."""
        return self.now.setup

    @property
    def recovered(self) -> bool:
        """Whether the repairs so far made most of the difference.

        What is still wrong then belongs to a later diagnosis, of the repaired run.
        """
        return bool(self.repairs) and self.base.judged.capped - self.now.judged.capped >= 0.3

    @property
    def in_common(self) -> str:
        """The repairs that the run as it is now and every later run have, in words."""
        return f"both with {' and '.join(self.repairs)}" if self.repairs else ""

    def gain(self, after: Outcome) -> Gain:
        """The gain from the run with the repairs so far to `after`."""
        return gain_of(self.setup, self.now.judged, after.judged, self.in_common)

    def gain_in_all(self, after: Outcome) -> Gain:
        """The gain from the run as the user configured it to `after`."""
        return gain_of(self.first, self.base.judged, after.judged)

    def add(
        self, cause: str, evidence: Iterable[str], fix: str, gain: Gain | None,
        layer: int | None = None, columns: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        """Report a cause."""
        self.findings.append(Finding(cause, tuple(evidence), fix, gain, layer, columns))

    def accept(self, repair: str, outcome: Outcome) -> None:
        """Go on with this repair in place."""
        self.now = outcome
        self.repairs.append(repair)

    def has_found(self, *causes: str) -> bool:
        """Whether one of the causes has been reported."""
        return any(finding.cause in causes for finding in self.findings)

    def best(self, trials: dict[str, Outcome], least: float = 0.1) -> str | None:
        """The name of the trial with the lowest loss; None if it does not help."""
        name = lowest_loss(trials)
        return name if trials[name].improves_on(self.now, least) else None


def lowest_loss(trials: dict[str, Outcome]) -> str:
    """The name of the trial with the lowest loss on the rows that count."""
    return min(trials, key=lambda name: trials[name].judged.capped)


def training_losses(trials: dict[str, Outcome]) -> str:
    """Each trial's training loss: "ReLU: 0.1, one hidden layer: 0.2"."""
    return ", ".join(f"{name}: {training_loss(outcome)}" for name, outcome in trials.items())


def three_starts(exam: Examination, change: Callable[[Setup, int], Setup]) -> tuple[Outcome, str]:
    """A change run from three seeds, because one start may be lucky: the outcome with the middle
    training loss, and all three losses in words.
    """
    runner, setup = exam.runner, exam.setup
    seeds = range(FRESH_STARTS)
    outcomes = [runner.run(change(setup, runner.seed + seed), seed=seed) for seed in seeds]
    outcomes.sort(key=lambda outcome: outcome.train.capped)
    *others, highest = map(training_loss, outcomes)
    return outcomes[FRESH_STARTS // 2], f"{', '.join(others)} and {highest}"


def long_enough(exam: Examination) -> int:
    """The epochs that LONG steps take, or those of the run if they are more."""
    epochs = exam.runner.epochs(exam.setup)
    return max(epochs, ceil_div(LONG * epochs, max(1, exam.now.steps)))
