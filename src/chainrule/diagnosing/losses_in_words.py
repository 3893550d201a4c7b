"""The summary of a diagnosis: what its losses mean for this target, in words."""

import math

import numpy as np

from ..core.arrays import Array
from ..core.losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from ..writing.words import in_text
from .baselines import class_codes, guess_loss
from .examination import Examination
from .experiments import Score, Setup


def guessing(setup: Setup) -> tuple[str, ...]:
    """The loss of guessing: "0.6931 (= ln 2) is what guessing gives: the same answer for …"."""
    loss, y = setup.config.loss, setup.train.y
    guess = guess_loss(loss, y, setup.config.net.n_out)
    k = equal_classes(guess, 1e-6)
    logarithm = "" if k is None else f" (= ln {k})"
    return (f"{in_text(guess)}{logarithm} is what guessing gives: {constant_in_words(loss, y)}.",)


def summarize(exam: Examination) -> tuple[str, ...]:
    """What guessing, a linear model and this network reach, in plain words."""
    base, measured, lines = exam.base, exam.runner.measured, [*guessing(exam.first)]
    if "linear model" in measured:
        linear, rows = in_text(measured["linear model"]), exam.first.judged_name
        lines.append(f"A linear model reaches {linear} on the {rows} rows.")
    if base.stopped:
        return (*lines, f"This network's {base.stopped}.")
    reached = in_text(base.judged.loss)
    lines.append(f"This network reaches {reached} on them: {standing_in_words(base.judged)}.")
    lines += constant_predictor(exam)
    if "one batch" in measured and "shuffled labels" in measured:
        batch, shuffled = (in_text(measured[name]) for name in ("one batch", "shuffled labels"))
        lines.append(
            f"One batch alone is learnt to {batch}; with shuffled labels the training rows are "
            f"learnt to {shuffled}."
        )
    return tuple(lines)


def constant_predictor(exam: Examination) -> list[str]:
    """A sentence if the network gives every row the same answer, with what its loss equals."""
    rows, loss, score = exam.first.train, exam.first.config.loss, exam.base.train
    Y = loss.link(exam.base.net.forward(rows.X)[0])
    if len(Y) < 2 or np.ptp(Y, axis=0).max() > 0.02 * max(float(np.ptp(rows.y)), 1e-12):
        return []
    classes = equal_classes(score.loss, 5e-4)
    if abs(score.excess - 1) > 0.01:
        value = f"and the loss, {in_text(score.loss)}, is above that of the best constant"
    elif classes is not None and loss.wants_logits:
        value = f"the loss equals ln {classes} = {in_text(score.loss)}"
    else:
        value = f"the loss equals what guessing gives, {in_text(score.loss)}"
    low, high = in_text(Y.min()), in_text(Y.max())
    answers = (
        f"all its answers are {low}" if low == high else f"its answers lie from {low} to {high}"
    )
    return [f"It is a constant predictor: {value}; {answers}."]


def standing_in_words(judged: Score) -> str:
    """Where a loss lies between guessing and perfect answers."""
    share = 1 - judged.excess
    if share < -0.02:
        return "worse than guessing"
    if share < 0.02:
        return "no better than guessing"
    return f"{100 * share:.0f} % of the way from guessing to perfect answers"


def equal_classes(loss: float, within: float) -> int | None:
    """The k with loss = ln k, the entropy of k equally likely classes."""
    return next((k for k in range(2, 21) if abs(loss - math.log(k)) < within), None)


def constant_in_words(loss: Loss, y: Array) -> str:
    """The best constant answer, in words."""
    codes = class_codes(loss, y)
    if isinstance(loss, BinaryCrossEntropy) and y.size == len(y):
        return f"the same answer for every row, the base rate of {100 * float(y.mean()):.4g} %"
    if isinstance(loss, SoftmaxCrossEntropy) and codes is not None:
        shares = ", ".join(f"{100 * s:.3g}" for s in np.bincount(codes)[:6] / len(codes))
        return f"the same answer for every row, the classes' shares of {shares} %"
    constant = loss.best_constant
    if y.size != len(y):
        return f"{constant} of each output for every row"
    if constant in ("one number", "the quantile"):
        return f"{constant} for every row"
    value = np.median(y) if constant == "the median" else y.mean()
    return f"{constant}, {in_text(value)}, for every row"
