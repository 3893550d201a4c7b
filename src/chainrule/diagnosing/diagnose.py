"""diagnose(): why a network does not learn, by experiments; cause → evidence → fix → gain."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.losses import Loss
from ..core.network import Network
from ..core.nonfinite import finite
from ..core.optimizers import Adam
from ..renamed import renamed_arguments
from . import changes, data_faults, layer_faults, loss_faults, rate_faults, row_faults
from .configuration import Configuration
from .examination import Examination
from .experiments import Outcome, Score, Setup
from .findings import Finding, gain_of, order
from .losses_in_words import guessing, summarize
from .prepare import prepare
from .runner import OutOfTime, Runner, steps_per_epoch

BATCH_STEPS = 300  # when the network is trained on a single batch

OUT_OF_TIME = "Time ran out before: "


@dataclass(frozen=True)
class Diagnosis:
    """The answer of `diagnose`: findings by gain, what the losses are worth, what was run.

    `findings` is empty for a healthy run. `summary` says what guessing, a linear model and this
    network reach; `measured` holds every experiment's loss on the rows that count, by name; `notes`
    what was left out and why. `bool(diagnosis)` is whether there are findings.
    """

    findings: tuple[Finding, ...]
    summary: tuple[str, ...]
    measured: dict[str, float]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def causes(self) -> list[str]:
        """The causes of the findings, largest gain first."""
        return [finding.cause for finding in self.findings]

    def __str__(self) -> str:
        lines = [*self.summary, ""]
        if not self.findings and self.measured:
            cut = any(note.startswith(OUT_OF_TIME) for note in self.notes)
            lines.append(
                "Nothing wrong was found by the experiments that were run."
                if cut
                else "Nothing is wrong that an experiment could show."
            )
        lines += [f"{i}. {finding}" for i, finding in enumerate(self.findings, 1)]
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as a JSON document; numbers that are not finite become None."""

        def renamed(fields: list[tuple[str, Any]]) -> dict[str, Any]:
            return {"with" if name == "in_common" else name: value for name, value in fields}

        document: dict[str, Any] = finite(asdict(self, dict_factory=renamed))
        return document


@renamed_arguments(rng="seed")
def diagnose(
    configuration: Any,
    X: ArrayLike,
    y: ArrayLike,
    valid: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    time_limit: float | None = None,
) -> Diagnosis:
    """Run controlled experiments on copies and report cause → evidence → fix → measured gain.

    `configuration` is a `Configuration`, or a trained `Model` (its net and its loss). X (n, n_in)
    and y are the arguments of `train`, `valid` the rows to score on; without them a fifth of the
    rows is held out if there are at least 50. The `seed` determines everything, unless
    `time_limit`, in seconds, ends the experiments early: `notes` says which are missing. Your
    arguments are not changed.

    Raises ValueError for data that `train` would refuse under this loss and every other.
    """
    config, trained = as_configuration(configuration)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}: use a whole number ≥ 0")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(
            f"time_limit is {time_limit!r}: give a number above 0, or None for no limit"
        )
    deadline = np.inf if time_limit is None else time.perf_counter() + time_limit
    runner = Runner(int(seed), deadline)
    setup, findings = prepare(runner, config, X, y, valid, trained is not None)
    if hopeless := loss_faults.no_experiment(setup):
        findings.append(hopeless)
        return Diagnosis(tuple(findings), guessing(setup), {}, tuple(runner.notes))
    with np.errstate(all="ignore"):
        try:
            exam = begin(runner, setup, trained, valid is not None)
        except OutOfTime:
            runner.notes.append(
                f"{time_limit:g} s were not enough for the run itself: nothing was tried"
            )
            return Diagnosis(tuple(findings), guessing(setup), {}, tuple(runner.notes))
        examine(exam)
        # A fault with which no run can begin gains the whole loss of the run without it.
        gain = gain_of(exam.first, Score(np.nan, np.nan), exam.base.judged)
        findings = order([*(replace(fault, gain=gain) for fault in findings), *exam.findings])
        summary = summarize(exam)
    return Diagnosis(tuple(findings), summary, runner.measured, tuple(runner.notes))


def as_configuration(configuration: Any) -> tuple[Configuration, Network | None]:
    """(how experiments train, the trained network or None) for the argument of `diagnose`."""
    if isinstance(configuration, Configuration):
        return configuration, None
    is_network = isinstance(configuration, Network)
    net = configuration if is_network else getattr(configuration, "net", None)
    loss = getattr(configuration, "loss", None)
    if not isinstance(net, Network):
        kind = type(configuration).__name__
        raise ValueError(f"diagnose got {kind}: give a Configuration(net, loss, …) or a Model")
    if not isinstance(loss, Loss):
        raise ValueError(
            "the loss is not known: give Configuration(net, loss, …), or a Model with its loss"
        )
    return Configuration(net, loss, Adam(), lr=0.01, epochs=60), net


def begin(runner: Runner, setup: Setup, trained: Network | None, own_held_out: bool) -> Examination:
    """The run as the user configured it; or a trained network, and its layers trained afresh."""
    if trained is None:
        base = now = runner.measure("as it is", setup)
    else:
        base = Outcome(setup.change(net=trained), trained)
        runner.measured["as it is"] = base.judged.loss
        now = runner.measure("trained afresh", changes.fresh(setup, runner.seed))
    return Examination(runner, base, now, trained is not None, own_held_out)


def baselines(exam: Examination) -> None:
    """Zeroed inputs, shuffled labels, one batch, a linear model: the reference for every run."""
    runner, setup, config = exam.runner, exam.setup, exam.first.config
    runner.measured["base rate"] = setup.yardstick(setup.judged)[0]
    runner.measured["linear model"] = runner.linear(setup).loss_in_units_of(setup)
    runner.measure("zeroed inputs", changes.zeroed_inputs(setup))
    runner.measured["shuffled labels"] = runner.shuffled(setup).train.loss
    rows = setup.train.take(slice(0, min(32, config.batch_size or 32)))
    steps = min(BATCH_STEPS, runner.epochs(setup) * steps_per_epoch(exam.first))
    batch = Setup(replace(config, batch_size=None), rows)
    runner.measured["one batch"] = runner.run(batch, epochs=steps).train.loss


# What an experiment examines. A trained network does not show how it was trained.
ALL, UNTRAINED, TRAINED = "all networks", "untrained networks", "trained networks"
# Every experiment with its name, in the order they run.
STAGES: tuple[tuple[str, Callable[[Examination], None], str], ...] = (
    ("duplicates", data_faults.duplicates, ALL),
    ("baselines", baselines, ALL),
    ("trained afresh", layer_faults.trained_faults, TRAINED),
    ("constant columns", data_faults.constant_columns, ALL),
    ("last activation", loss_faults.out_of_reach, ALL),
    ("scaled target", data_faults.unscaled_target, ALL),
    ("identifiers", data_faults.identifiers, ALL),
    ("scaled inputs", data_faults.unscaled_inputs, ALL),
    ("initialisation", layer_faults.initialization, UNTRAINED),
    ("scaled inputs", data_faults.unscaled_inputs, ALL),
    ("saturation", layer_faults.saturation, UNTRAINED),
    ("dead units", layer_faults.dead_relu, UNTRAINED),
    ("depth", layer_faults.vanishing, UNTRAINED),
    ("learning rate", rate_faults.learning_rate, UNTRAINED),
    ("dead units", partial(layer_faults.dead_relu, at_end=True), UNTRAINED),
    ("loss", loss_faults.classes_as_numbers, ALL),
    ("leaks", data_faults.leaking_columns, ALL),
    ("class weights", row_faults.imbalance, ALL),
    ("rows", row_faults.too_few_rows, UNTRAINED),
    ("noise", row_faults.noise_floor, ALL),
    ("overfitting", row_faults.overfitting, UNTRAINED),
    ("underfitting", row_faults.underfitting, UNTRAINED),
    ("nonfinite", loss_faults.diverged, UNTRAINED),
)


def examine(exam: Examination) -> None:
    """Every experiment in turn, each with the earlier repairs in place; ends when time is up."""
    kinds, notes = (ALL, TRAINED if exam.trained else UNTRAINED), exam.runner.notes
    stages = [(name, experiment) for name, experiment, kind in STAGES if kind in kinds]
    if exam.trained:
        notes.append(
            "how this network was trained is not known: the experiments train with "
            f"{exam.setup.config.optimizer!r} at {exam.setup.config.rate:g} for "
            f"{exam.runner.epochs(exam.setup)} epochs"
        )
    for place, (_, experiment) in enumerate(stages):
        try:
            experiment(exam)
        except OutOfTime:
            left = dict.fromkeys(name for name, _ in stages[place:])
            notes.append(f"{OUT_OF_TIME}{', '.join(left)}")
            return
