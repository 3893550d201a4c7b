"""Losses and outputs that do not fit the target: refused, out of reach, or classes as numbers."""

from collections.abc import Iterator

import numpy as np

from ..core.epoch import check_batch
from ..core.losses import BinaryCrossEntropy, Loss, Poisson, SoftmaxCrossEntropy, SquaredError
from ..writing.words import in_text, percent
from . import changes
from .baselines import class_codes
from .examination import Examination
from .experiments import Setup
from .findings import Finding
from .formatting import training_loss
from .row_faults import gain_in_recall, recalls
from .symptoms import output_range


def refusal(setup: Setup) -> str | None:
    """Why `train` would refuse this network, loss and target; None if it would not."""
    net, loss, rows = setup.config.net, setup.config.loss, setup.train
    try:
        check_batch(net, loss, rows.X, rows.y)
        loss.grad(np.zeros((1, net.n_out)), rows.y[:1])
    except ValueError as reason:
        return str(reason)
    return None


def repairs(setup: Setup) -> Iterator[tuple[Setup, str]]:
    """(repaired setup, the fix in words) for what may make a refused target fit."""
    values, net = np.unique(setup.train.y), setup.config.net
    if class_codes(SquaredError(), setup.train.y) is None:
        changed = changes.with_loss(setup, SquaredError(), net.n_out)
        yield changed, "use SquaredError(): the target is a number"
        return
    coded, k = changes.coded(setup, values), len(values)
    if k == 2 and net.n_out == 1:
        fix = (
            f"leave the last {type(net.layers[-1]).__name__}() out: the loss applies its own link"
            if set(values) == {0, 1}
            else f"call the classes 0 and 1: y = (y == {values[1]:g})"
        )
        yield changes.with_loss(coded, BinaryCrossEntropy(), 1), fix
    fix = f"use SoftmaxCrossEntropy() with {k} outputs and integer classes from 0"
    yield changes.with_loss(coded, SoftmaxCrossEntropy(), k), fix


def as_train_takes_it(setup: Setup) -> tuple[Setup, list[Finding]]:
    """The setup, or the first repair of it that `train` would not refuse, with the finding.

    Raises ValueError with the refusal if no repair helps.
    """
    if (reason := refusal(setup)) is None:
        return setup, []
    for changed, fix in repairs(setup):
        if refusal(changed) is None:
            evidence = (f"`train` refuses to begin: {reason}.",)
            return changed, [Finding("wrong_loss", evidence, fix)]
    raise ValueError(reason)


def no_experiment(setup: Setup) -> Finding | None:
    """The finding if no experiment is possible: every row has the same target, so that a constant
    is perfect; or the target is so large that the loss overflows.
    """
    y, n = setup.train.y, len(setup.train)
    with np.errstate(all="ignore"):
        guess = setup.yardstick(setup.train)[0]
        same = np.ptp(y.astype(np.float64), axis=0) <= 1e-12 * np.abs(y).max(axis=0)
    if np.all(same):
        rows = "the only row" if n == 1 else f"all {n:,} rows"
        evidence = (f"The target is the same in {rows}.",)
        return Finding("imbalance", evidence, "give rows with different targets")
    if np.isfinite(guess):
        return None
    evidence = (f"The target reaches {in_text(np.abs(y).max())}: its loss is beyond every float.",)
    return Finding("unscaled_target", evidence, "train on (y - mean) / standard deviation")


def out_of_reach(exam: Examination) -> None:
    """Targets outside the range of the last activation; the experiment leaves it out."""
    config, y = exam.setup.config, exam.setup.train.y
    last, loss = config.net.layers[-1], config.loss
    low, high = output_range(last)
    if loss.classifies or loss.wants_logits or len(config.net.layers) < 2:
        return
    outside = float(np.mean((y < low - 1e-9) | (y > high + 1e-9)))
    if outside < 0.01:
        return
    after = exam.runner.measure("without the last activation", changes.unbounded(exam.setup))
    if not after.improves_on(exam.now):
        return
    evidence = [
        f"The network ends in {last!r}, which answers between {low:g} and {high:g}, but "
        f"{percent(outside)} of the targets lie outside, from {y.min():.4g} to {y.max():.4g}.",
        f"Training loss without it: {training_loss(after)}; with it: {training_loss(exam.now)}.",
    ]
    fix = f"leave the last {last!r} out, so that it ends in Dense"
    exam.add("wrong_loss", evidence, fix, exam.gain(after))
    exam.accept("no last activation", after)


def classes_as_numbers(exam: Examination) -> None:
    """Classes under a loss for numbers; the experiment is cross-entropy."""
    setup, loss = exam.setup, exam.setup.config.loss
    codes = class_codes(loss, setup.train.y)
    if codes is None or loss.classifies or isinstance(loss, Poisson) or setup.train.y.ndim > 1:
        return
    rows, counts = setup.all_rows, np.bincount(codes)
    values, k = np.unique(rows.y), len(counts)
    if k > 10 or counts.min() < 10 or len(values) != k:
        return
    other: Loss = BinaryCrossEntropy() if k == 2 else SoftmaxCrossEntropy()
    name, n_out = type(other).__name__, 1 if k == 2 else k
    after = exam.runner.run(changes.with_loss(changes.coded(setup, values), other, n_out))
    coded = after.setup.all_rows
    a = recalls(exam.now.net, loss, rows, coded.y)
    b = recalls(after.net, other, coded, coded.y)
    gain = gain_in_recall(a, b, exam.in_common)
    if gain.share < 0.05 or after.stopped:
        return
    evidence = (
        f"The target has {k} values, {', '.join(f'{v:g}' for v in values)}, which "
        f"{type(loss).__name__} takes for numbers: their order and distance count.",
        f"The classes' shares answered rightly are {', '.join(percent(x) for x in a)} with it and "
        f"{', '.join(percent(x) for x in b)} with {name}.",
    )
    outputs = "" if k == 2 else f" and {k} outputs"
    exam.add("wrong_loss", evidence, f"if these are classes, use {name}(){outputs}", gain)
    exam.accept(name, after)


def diverged(exam: Examination) -> None:
    """A run whose numbers became infinite or nan: where, and which repair prevents it."""
    if exam.base.stopped is None:
        return
    evidence, repaired = [f"Of the run as it is: {exam.base.stopped}."], exam.now.stopped is None
    fix = "lower the learning rate, scale the inputs, or clip the gradient"
    if repaired and exam.findings:
        cause = exam.findings[0].cause.replace("_", " ")
        fix = f"see {cause}: with that repaired the run stays finite"
    exam.add("nonfinite", evidence, fix, exam.gain_in_all(exam.now) if repaired else None)
