"""diagnose(): why a network does not learn, by experiments; cause → evidence → fix → gain."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import ceil_div
from ..core.checks import as_real
from ..core.epoch import Batch
from ..core.losses import AbsoluteError, Loss, Pinball, SquaredError
from ..core.network import Network, multiply_adds
from ..core.nonfinite import finite
from ..core.optimizers import Adam
from . import (
    data_faults,
    layer_faults,
    loss_faults,
    rate_faults,
    row_faults,
    scale_faults,
    start_faults,
    trained_faults,
    variants,
)
from .baselines import class_codes, guess_loss, in_words, number
from .case import Case
from .configuration import Configuration
from .experiments import (
    MOST_WORK,
    WORST,
    Bench,
    OutOfTime,
    Score,
    Setup,
    finish,
    worth,
    yardstick,
)
from .findings import Finding, Gain, order

LINEAR_STEPS = 300
MOST_ROWS, FEWEST_EPOCHS = 2000, 20
OF_A_RUN = {
    "initialisation", "saturation", "dead units", "depth", "learning rate", "overfitting", "rows",
    "underfitting", "nonfinite",
}  # fmt: skip
"""Experiments that ask how a run was made, which a trained network does not tell."""


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found: findings by gain, what the losses are worth in words, what was run.

    `findings` is empty for a healthy run. `summary` says what guessing, a linear model and this
    network reach; `measured` holds every experiment's loss on the rows that count, by name; `notes`
    what was left out and why. `bool(diagnosis)` is whether something was found.
    """

    findings: tuple[Finding, ...]
    summary: tuple[str, ...]
    measured: dict[str, float]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def causes(self) -> list[str]:
        """The causes found, those of the largest gain first."""
        return [finding.cause for finding in self.findings]

    def __str__(self) -> str:
        lines = [*self.summary, ""]
        if not self.findings and self.measured:
            cut = any("not tried" in note for note in self.notes)
            lines.append(
                "Nothing wrong was found by the experiments that were run."
                if cut
                else "Nothing is wrong that an experiment could show."
            )
        lines += [f"{i}. {finding}" for i, finding in enumerate(self.findings, 1)]
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it; a loss that is not finite becomes None."""
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "summary": list(self.summary),
            "measured": {name: finite(loss) for name, loss in self.measured.items()},
            "notes": list(self.notes),
        }


def diagnose(
    configuration: Any,
    X: ArrayLike,
    y: ArrayLike,
    valid: tuple[ArrayLike, ArrayLike] | None = None,
    rng: int = 0,
    seconds: float | None = None,
) -> Diagnosis:
    """Run controlled experiments on copies and report cause → evidence → fix → measured gain.

    `configuration` is a `Configuration`, or a trained `Model` (its net and its loss). X (n, n_in)
    and y are what `train` would get, `valid` rows to score on; without them a fifth of the rows is
    held out where there are at least 50. Everything is determined by the seed `rng`, unless
    `seconds` ends the experiments early: `notes` says which are missing. Nothing that is handed in
    is changed.

    Raises ValueError for what `train` would not take and no other loss would either.
    """
    asked, trained = as_configuration(configuration)
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise ValueError(f"rng is {rng!r}: use a whole number ≥ 0")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds is {seconds!r}: give a number above 0, or None for no limit")
    deadline = np.inf if seconds is None else time.perf_counter() + seconds
    bench = Bench(int(rng), deadline)
    setup, findings = prepare(bench, asked, X, y, valid, trained is not None)
    if same_target(setup):
        findings.append(loss_faults.nothing_to_learn(setup))
        return Diagnosis(tuple(findings), guessing(setup), {}, tuple(bench.notes))
    try:
        case = begin(bench, setup, trained)
    except OutOfTime:
        bench.notes.append(f"{seconds:g} s were not enough for the run itself: nothing was tried")
        return Diagnosis(tuple(findings), guessing(setup), {}, tuple(bench.notes))
    with np.errstate(all="ignore"):
        examine(case, seconds, valid is not None)
    losses = {name: result.loss for name, result in bench.measured.items()}
    found = tuple(order([*(mended_gain(f, case) for f in findings), *case.findings]))
    return Diagnosis(found, summarize(case), losses, tuple(bench.notes))


def same_target(setup: Setup) -> bool:
    """Whether every row has the same target, so that the best constant answer is perfect."""
    guess, perfect = yardstick(setup, setup.train)
    return guess - perfect <= 1e-9 * max(1.0, abs(guess))


def mended_gain(finding: Finding, case: Case) -> Finding:
    """A fault that let no run begin, with what the run comes to without it."""
    rows = "held-out" if case.first.held is not None else "training"
    reached = case.base.judged
    share = WORST - worth(reached.excess)
    return replace(finding, gain=Gain(f"loss on {rows} rows", np.nan, reached.loss, share))


def as_configuration(given: Any) -> tuple[Configuration, Network | None]:
    """(how experiments train, the trained network or None) from whatever `diagnose` was given."""
    if isinstance(given, Configuration):
        return given, None
    net = given if isinstance(given, Network) else getattr(given, "net", None)
    loss = getattr(given, "loss", None)
    if not isinstance(net, Network):
        raise ValueError(
            f"diagnose got {type(given).__name__}: give a Configuration(net, loss, …) or a Model"
        )
    if not isinstance(loss, Loss):
        raise ValueError(
            "the loss is not known: give Configuration(net, loss, …), or a Model with its loss"
        )
    return Configuration(net, loss, Adam(), lr=0.01, epochs=60), net


def prepare(
    bench: Bench,
    asked: Configuration,
    X: ArrayLike,
    y: ArrayLike,
    valid: tuple[ArrayLike, ArrayLike] | None,
    trained: bool,
) -> tuple[Setup, list[Finding]]:
    """The rows as experiments take them: finite, not too many, a fifth held out; with what was
    found on the way. What a trained network has seen cannot be held out.
    """
    findings = []
    matrix, target = asked.net.as_input(X), as_real("y", y)
    if target.ndim == 0 or len(target) != len(matrix) or len(matrix) == 0:
        raise ValueError(
            f"y has shape {target.shape} and X {matrix.shape}: give at least one row, and one "
            "target for each"
        )
    matrix, target, holes = data_faults.drop_nonfinite(matrix, target)
    findings += [holes] if holes else []
    setup = Setup(asked, Batch(matrix, target))
    if valid is not None:
        rows = asked.net.as_input(valid[0]), as_real("y", valid[1])
        setup = replace(setup, held=Batch(*data_faults.drop_nonfinite(*rows)[:2]))
    reason = loss_faults.refusal(asked.net, asked.loss, matrix, target)
    if reason is not None:
        mended = loss_faults.mend_refused(setup, reason)
        if mended is None:
            raise ValueError(reason)
        setup = mended[0]
        findings.append(mended[1])
    setup = fewer_rows(bench, setup)
    if valid is None and not trained:
        codes = class_codes(setup.config.loss, setup.train.y)
        setup = data_faults.hold_out(bench, setup, codes)
    epochs, wanted = bench.epochs(setup), setup.config.epochs
    if epochs < wanted:
        bench.notes.append(f"every experiment ran {epochs:,} of the {wanted:,} epochs asked for")
    return setup, findings


def fewer_rows(bench: Bench, setup: Setup) -> Setup:
    """As many rows as FEWEST_EPOCHS passes over them are affordable, drawn by the seed."""
    config, n = setup.config, len(setup.train)
    work = 3 * multiply_adds(config.net.layers, config.net.n_in) * FEWEST_EPOCHS
    most = int(min(MOST_ROWS, max(300, MOST_WORK // work)))
    if setup.held is not None and len(setup.held) > MOST_ROWS:
        setup = replace(setup, held=drawn(bench, setup.held, MOST_ROWS))
        bench.notes.append(f"scored on {MOST_ROWS:,} of the validation rows, drawn by the seed")
    if n <= most:
        return setup
    bench.notes.append(f"the experiments used {most:,} of the {n:,} rows, drawn by the seed")
    return replace(setup, train=drawn(bench, setup.train, most))


def drawn(bench: Bench, rows: Batch, most: int) -> Batch:
    """So many of the rows, in their order."""
    order = np.random.default_rng([bench.seed, 3]).permutation(len(rows))
    return rows.take(np.sort(order[:most]))


def begin(bench: Bench, setup: Setup, trained: Network | None) -> Case:
    """The run as it was asked for; for a trained network, it as it stands beside a fresh one."""
    with np.errstate(all="ignore"):
        if trained is None:
            base = bench.run(setup)
            bench.measured["as it is"] = base.judged
            return Case(bench, setup, base, setup, base)
        stands = replace(setup, config=replace(setup.config, net=trained.copy()))
        given = finish(stands, trained.copy(), None, None, 0)
        bench.measured["as it is"] = given.judged
        afresh = variants.fresh(setup, bench.seed)
        now = bench.run(afresh)
        bench.measured["trained afresh"] = now.judged
        return Case(bench, stands, given, afresh, now, trained=True)


def examine(case: Case, seconds: float | None, given: bool) -> None:
    """Every experiment in turn, each with the earlier repairs in place; ends when time is up."""
    stages: list[tuple[str, Callable[[], None]]] = [
        ("duplicates", lambda: data_faults.duplicates(case, given)),
        ("baselines", lambda: baselines(case)),
        ("constant columns", lambda: data_faults.constant_columns(case)),
        ("last activation", lambda: loss_faults.out_of_reach(case)),
        ("scaled target", lambda: scale_faults.unscaled_target(case)),
        ("identifiers", lambda: data_faults.identifiers(case)),
        ("scaled inputs", lambda: scale_faults.unscaled_inputs(case)),
        ("initialisation", lambda: start_faults.initialization(case)),
        ("scaled inputs", lambda: scale_faults.unscaled_inputs(case)),
        ("saturation", lambda: layer_faults.saturation(case)),
        ("dead units", lambda: layer_faults.dead_relu(case)),
        ("depth", lambda: layer_faults.vanishing(case)),
        ("learning rate", lambda: rate_faults.learning_rate(case)),
        ("dead units", lambda: layer_faults.dead_relu(case)),
        ("loss", lambda: loss_faults.classes_as_numbers(case)),
        ("leaks", lambda: data_faults.leaking_columns(case)),
        ("class weights", lambda: row_faults.imbalance(case)),
        ("rows", lambda: row_faults.too_few_rows(case)),
        ("noise", lambda: row_faults.noise_floor(case)),
        ("overfitting", lambda: row_faults.overfitting(case)),
        ("underfitting", lambda: row_faults.underfitting(case)),
        ("nonfinite", lambda: loss_faults.diverged(case)),
    ]
    if case.trained:
        stages = [s for s in stages if s[0] not in OF_A_RUN]
        stages.insert(2, ("trained afresh", lambda: trained_faults.trained_faults(case)))
        case.bench.notes.append(
            "how this network was trained is not known: the experiments train with "
            f"{case.setup.config.optimizer!r} at {case.setup.config.rate:g} for "
            f"{case.bench.epochs(case.setup)} epochs"
        )
    for place, (_, stage) in enumerate(stages):
        try:
            stage()
        except OutOfTime:
            left = list(dict.fromkeys(name for name, _ in stages[place:]))
            case.bench.notes.append(f"{seconds:g} s were up, not tried: {', '.join(left)}")
            return


def baselines(case: Case) -> None:
    """Inputs zeroed, labels shuffled, one batch, a linear model: what any run is compared with."""
    bench, setup = case.bench, case.first
    config = setup.config
    guess = guess_loss(config.loss, setup.judged.y, config.net.n_out, setup.train.y)
    bench.measured["base rate"] = Score(guess, 1.0)
    bench.measured["linear model"] = linear_model(bench, setup)
    if case.trained:
        setup = variants.fresh(setup, bench.seed)
    bench.measured["zeroed inputs"] = bench.run(variants.zeroed_inputs(setup)).judged
    rng = np.random.default_rng([bench.seed, 4])
    bench.measured["shuffled labels"] = bench.run(variants.shuffled_targets(setup, rng)).train
    rows = min(config.batch_size or 32, 32, len(setup.train))
    batch = Setup(replace(config, batch_size=None), setup.train.take(slice(0, rows)))
    steps = bench.epochs(setup) * ceil_div(len(setup.train), config.batch_size or len(setup.train))
    bench.measured["one batch"] = bench.run(batch, epochs=min(300, steps)).train


def linear_model(bench: Bench, setup: Setup) -> Score:
    """The linear model on scaled inputs, and a scaled target where the loss scales with it."""
    changed = variants.linear(setup)
    if isinstance(setup.config.loss, SquaredError | AbsoluteError | Pinball):
        changed = variants.scaled_targets(changed)
    excess = bench.run(changed, epochs=LINEAR_STEPS).judged.excess
    guess, perfect = yardstick(setup, setup.judged)
    return Score(perfect + excess * (guess - perfect), excess)


def guessing(setup: Setup) -> tuple[str, ...]:
    """What guessing gives, in words."""
    loss, y = setup.config.loss, setup.train.y
    return (in_words(loss, guess_loss(loss, y, setup.config.net.n_out), y) + ".",)


def summarize(case: Case) -> tuple[str, ...]:
    """What guessing, a linear model and this network reach, in plain words."""
    setup, base = case.first, case.base
    rows = "held-out" if setup.held is not None else "training"
    lines = [*guessing(setup)]
    line = case.bench.measured.get("linear model")
    if line is not None:
        lines.append(f"A linear model reaches {number(line.loss)} on the {rows} rows.")
    if base.stopped:
        lines.append(f"This network's {base.stopped}.")
        return tuple(lines)
    standing = standing_in_words(base.judged)
    lines.append(f"This network reaches {number(base.judged.loss)} on them: {standing}.")
    return (*lines, *constant_predictor(case), *by_heart(case))


def by_heart(case: Case) -> tuple[str, ...]:
    """What one batch alone and shuffled labels are learnt to."""
    one, mixed = (case.bench.measured.get(name) for name in ("one batch", "shuffled labels"))
    if one is None or mixed is None:
        return ()
    return (
        f"One batch alone is learnt to {number(one.loss)}; with shuffled labels the training rows "
        f"are learnt to {number(mixed.loss)}.",
    )


def constant_predictor(case: Case) -> tuple[str, ...]:
    """A sentence if the network answers the same whatever the row; what its loss equals then."""
    setup, base = case.first, case.base
    Z = base.net.forward(setup.train.X)[0]
    Y, loss = setup.config.loss.link(Z), base.train.loss
    if len(Y) < 2 or np.ptp(Y, axis=0).max() > 0.02 * max(float(np.ptp(setup.train.y)), 1e-12):
        return ()
    classes = next((k for k in range(2, 21) if abs(loss - np.log(k)) < 5e-4), None)
    if abs(base.train.excess - 1) > 0.01:
        value = f"and the loss, {number(loss)}, is above that of the best constant"
    elif classes is not None and setup.config.loss.wants_logits:
        value = f"the loss equals ln {classes} = {number(loss)}"
    else:
        value = f"the loss equals what guessing gives, {number(loss)}"
    low, high = number(Y.min()), number(Y.max())
    between = (
        f"all its answers are {low}" if low == high else f"its answers lie from {low} to {high}"
    )
    return (f"It is a constant predictor: {value}; {between}.",)


def standing_in_words(judged: Score) -> str:
    """Where a loss lies between guessing and perfect answers."""
    share = 1 - judged.excess
    if share < -0.02:
        return "worse than guessing"
    if share < 0.02:
        return "no better than guessing"
    return f"{100 * share:.0f} % of the way from guessing to perfect answers"
