"""The summary of a diagnosis: what losses are worth, in words of the target."""

import math

import numpy as np

from ..core.arrays import Array
from ..core.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    Loss,
    Pinball,
    Poisson,
    SoftmaxCrossEntropy,
    SquaredError,
)
from .baselines import class_codes, guess_loss
from .examination import Examination
from .experiments import Score, Setup
from .formatting import number


def guessing(setup: Setup) -> tuple[str, ...]:
    """What guessing gives, in words."""
    loss, y = setup.config.loss, setup.train.y
    return (in_words(loss, guess_loss(loss, y, setup.config.net.n_out), y) + ".",)


def summarize(exam: Examination) -> tuple[str, ...]:
    """What guessing, a linear model and this network reach, in plain words."""
    setup, base = exam.first, exam.base
    lines = [*guessing(setup)]
    line = exam.runner.measured.get("linear model")
    if line is not None:
        lines.append(f"A linear model reaches {number(line.loss)} on the {setup.judged_name} rows.")
    if base.stopped:
        lines.append(f"This network's {base.stopped}.")
        return tuple(lines)
    standing = standing_in_words(base.judged)
    lines.append(f"This network reaches {number(base.judged.loss)} on them: {standing}.")
    return (*lines, *constant_predictor(exam), *one_batch_and_shuffled(exam))


def one_batch_and_shuffled(exam: Examination) -> tuple[str, ...]:
    """What one batch alone and shuffled labels are learnt to."""
    one, mixed = (exam.runner.measured.get(name) for name in ("one batch", "shuffled labels"))
    if one is None or mixed is None:
        return ()
    return (
        f"One batch alone is learnt to {number(one.loss)}; with shuffled labels the training rows "
        f"are learnt to {number(mixed.loss)}.",
    )


def constant_predictor(exam: Examination) -> tuple[str, ...]:
    """A sentence if the network answers the same whatever the row; what its loss equals then."""
    setup, base = exam.first, exam.base
    Z = base.net.forward(setup.train.X)[0]
    Y, loss = setup.config.loss.link(Z), base.train.loss
    if len(Y) < 2 or np.ptp(Y, axis=0).max() > 0.02 * max(float(np.ptp(setup.train.y)), 1e-12):
        return ()
    classes = equal_classes(loss, 5e-4)
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


def in_words(loss: Loss, guess: float, y: Array) -> str:
    """ "0.6931 (= ln 2) is what guessing gives: the same answer for every row, …" of the target."""
    k = equal_classes(guess, 1e-6)
    known = "" if k is None else f" (= ln {k})"
    return f"{number(guess)}{known} is what guessing gives: {answer_in_words(loss, y)}"


def equal_classes(loss: float, within: float) -> int | None:
    """The k of which the loss is ln k: the entropy of k equally likely classes."""
    return next((k for k in range(2, 21) if abs(loss - math.log(k)) < within), None)


def answer_in_words(loss: Loss, y: Array) -> str:
    """What the best constant answer is, in words of the target."""
    codes = class_codes(loss, y)
    if isinstance(loss, BinaryCrossEntropy) and y.size == len(y):
        return f"the same answer for every row, the base rate of {100 * float(y.mean()):.4g} %"
    if isinstance(loss, SoftmaxCrossEntropy) and codes is not None:
        shares = ", ".join(f"{100 * s:.3g}" for s in np.bincount(codes)[:6] / len(codes))
        return f"the same answer for every row, the classes' shares of {shares} %"
    named = {
        AbsoluteError: "the median", Pinball: "the quantile", Poisson: "the mean count",
        SquaredError: "the mean",
    }  # fmt: skip
    middle = next((name for kind, name in named.items() if isinstance(loss, kind)), "one number")
    if y.size != len(y):
        return f"{middle} of each output for every row"
    if middle not in ("the median", "the mean", "the mean count"):
        return f"{middle} for every row"
    value = float(np.median(y) if middle == "the median" else np.mean(y))
    return f"{middle}, {number(value)}, for every row"
