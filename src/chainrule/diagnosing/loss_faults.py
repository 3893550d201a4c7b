"""Losses and outputs that do not fit the target: refused, out of reach, or classes as numbers."""

from collections.abc import Callable

import numpy as np

from ..core.arrays import Array
from ..core.epoch import Batch, check_batch
from ..core.losses import BinaryCrossEntropy, Loss, Poisson, SoftmaxCrossEntropy, SquaredError
from ..core.network import Network
from . import variants
from .baselines import class_codes
from .case import Case, told
from .experiments import Setup, helps
from .findings import Finding, Gain, gain_of, percent
from .row_faults import CLASSIFIES, everything, recalls
from .variants import RANGES


def refusal(net: Network, loss: Loss, X: Array, y: Array) -> str | None:
    """Why `train` would not begin with this network, loss and target; None where it would."""
    try:
        check_batch(net, loss, X, y)
        loss.grad(np.zeros((1, net.n_out)), y[:1])
    except ValueError as reason:
        return str(reason)
    return None


Repair = tuple[Setup, Callable[[Array], Array], str]


def repairs(setup: Setup) -> list[Repair]:
    """(setup, what is done to y, the fix in words): what might make a refused target fit."""
    y, seed = setup.train.y, setup.config.net.seed or 0
    codes, n_out = class_codes(SquaredError(), y), setup.config.net.n_out
    found: list[Repair] = []
    if codes is not None:
        values = np.unique(y)
        to_codes = lambda a: np.searchsorted(values, a.ravel())  # noqa: E731
        k = int(codes.max()) + 1
        last = type(setup.config.net.layers[-1]).__name__
        if k == 2 and n_out == 1:
            done = (
                f"leave the last {last}() out: the loss applies its own link"
                if set(values) == {0, 1}
                else f"call the classes 0 and 1: y = (y == {values[1]:g})"
            )
            changed = variants.with_loss(setup, BinaryCrossEntropy(), 1, seed)
            found.append((changed, to_codes, done))
        changed = variants.with_loss(setup, SoftmaxCrossEntropy(), k, seed)
        done = f"use SoftmaxCrossEntropy() with {k} outputs and integer classes from 0"
        found.append((changed, to_codes, done))
    else:
        changed = variants.with_loss(setup, SquaredError(), n_out, seed)
        found.append((changed, lambda a: a, "use SquaredError(): the target is a number"))
    return found


def mend_refused(setup: Setup, reason: str) -> tuple[Setup, Finding] | None:
    """The first repair that `train` would take, and the finding; None where there is none."""
    for changed, f, fix in repairs(setup):
        mended = changed.map_targets(f)
        rows = mended.train
        if refusal(mended.config.net, mended.config.loss, rows.X, rows.y) is None:
            evidence = (f"`train` refuses to begin: {reason}.",)
            return mended, Finding("wrong_loss", evidence, fix, None)
    return None


def nothing_to_learn(setup: Setup) -> Finding:
    """Every row has the same target: the rarest share is 0, and a constant is perfect."""
    n = len(setup.train)
    evidence = (f"The target is the same in {'the only row' if n == 1 else f'all {n:,} rows'}.",)
    return Finding("imbalance", evidence, "give rows with different targets", None)


def out_of_reach(case: Case) -> None:
    """Targets outside the range of the last activation; the experiment leaves it out."""
    setup = case.setup
    last, loss = setup.config.net.layers[-1], setup.config.loss
    low, high = RANGES.get(type(last), (-np.inf, np.inf))
    if isinstance(loss, CLASSIFIES) or loss.wants_logits or len(setup.config.net.layers) < 2:
        return
    y = setup.train.y
    beyond = float(np.mean((y < low - 1e-9) | (y > high + 1e-9)))
    if beyond < 0.01:
        return
    free = variants.unbounded(setup)
    after = case.bench.run(free)
    case.bench.measured["without the last activation"] = after.judged
    if not helps(case.now, after):
        return
    evidence = [
        f"The network ends in {last!r}, which answers between {low:g} and {high:g}, but "
        f"{percent(beyond)} of the targets lie outside, from {y.min():.4g} to {y.max():.4g}.",
        f"Training loss without it: {told(after)}; with it: {told(case.now)}.",
    ]
    case.add(
        "wrong_loss", evidence, f"leave the last {last!r} out, so that it ends in Dense", after
    )
    case.accept("no last activation", free, after)


def classes_as_numbers(case: Case) -> None:
    """Classes under a loss for numbers; the experiment takes cross-entropy and compares classes."""
    setup, loss = case.setup, case.setup.config.loss
    codes = class_codes(loss, setup.train.y)
    if codes is None or isinstance(loss, (*CLASSIFIES, Poisson)) or setup.train.y.ndim > 1:
        return
    rows = everything(setup)
    k, counts = int(codes.max()) + 1, np.bincount(codes)
    if k > 10 or counts.min() < 10 or len(np.unique(rows.y)) != k:
        return
    values = np.unique(rows.y)
    other: Loss = BinaryCrossEntropy() if k == 2 else SoftmaxCrossEntropy()
    changed = variants.with_loss(setup, other, 1 if k == 2 else k, setup.config.net.seed or 0)
    changed = changed.map_targets(lambda y: np.searchsorted(values, y))
    after = case.bench.run(changed)
    judged = Batch(rows.X, np.searchsorted(values, rows.y))
    a = recalls(case.now.net, loss, rows)
    b = recalls(after.net, other, judged)
    if b.mean() - a.mean() < 0.05 or after.stopped:
        return
    measure = "mean of the classes' shares answered rightly"
    name = type(other).__name__
    evidence = (
        f"The target has {k} values, {', '.join(f'{v:g}' for v in values)}, which "
        f"{type(loss).__name__} takes for numbers: their order and distance count.",
        f"The classes' shares answered rightly are {', '.join(percent(x) for x in a)} with it and "
        f"{', '.join(percent(x) for x in b)} with {name}.",
    )
    outputs = "" if k == 2 else f" and {k} outputs"
    fix = f"if these are classes, use {name}(){outputs}"
    gain = Gain(measure, float(a.mean()), float(b.mean()), float(b.mean() - a.mean()), case.other)
    case.findings.append(Finding("wrong_loss", evidence, fix, gain))
    case.accept(name, changed, after)


def diverged(case: Case) -> None:
    """A run whose numbers stopped being finite: where, and which repair ended it."""
    if case.base.stopped is None or case.trained:
        return
    causes = [finding.cause.replace("_", " ") for finding in case.findings]
    evidence = (f"Of the run as it is: {case.base.stopped}.",)
    ended = case.now.stopped is None
    fix = f"see {causes[0]}: with that repaired the run stays finite" if ended and causes else (
        "lower the learning rate, scale the inputs, or clip the gradient")  # fmt: skip
    gain = gain_of(case.first, case.base, case.now) if ended else None
    case.findings.append(Finding("nonfinite", evidence, fix, gain))
