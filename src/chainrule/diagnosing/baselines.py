"""What a loss is worth: what guessing gives, what a perfect answer gives, and both in words."""

import math
from dataclasses import fields, replace

import numpy as np

from ..core.arrays import Array
from ..core.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    Hinge,
    Huber,
    Loss,
    Pinball,
    Poisson,
    SoftmaxCrossEntropy,
    SquaredError,
)

TINY = 1e-12


def by_rows(loss: Loss) -> Loss:
    """The same loss as a mean over rows, so that unequal numbers of rows can be compared."""
    known = {field.name for field in fields(loss)}
    return replace(loss, reduction="mean") if "reduction" in known else loss


def constant_output(loss: Loss, y: Array, n_out: int) -> Array:
    """z (n_out,): the constant raw output of least loss, found in closed form for each own loss.

    The log odds of the base rate, the mean, the median, the quantile, the log of the mean count.
    """
    Y = loss.targets(np.zeros((len(y), n_out)), y)
    mean = Y.mean(axis=0)
    if isinstance(loss, BinaryCrossEntropy):
        p = np.clip(mean, TINY, 1 - TINY)
        return np.asarray(np.log(p) - np.log1p(-p))
    if isinstance(loss, SoftmaxCrossEntropy | Poisson):
        return np.asarray(np.log(np.maximum(mean, TINY)))
    if isinstance(loss, AbsoluteError):
        return np.asarray(np.median(Y, axis=0))
    if isinstance(loss, Pinball):
        q = np.broadcast_to(np.asarray(loss.quantile), n_out)
        return np.array([np.quantile(Y[:, k], q[k]) for k in range(n_out)])
    if isinstance(loss, Hinge):
        return np.asarray(np.where(mean >= 0, 1.0, -1.0))
    if isinstance(loss, Huber):
        return _descend(loss, y, np.median(Y, axis=0))
    return np.asarray(mean) if isinstance(loss, SquaredError) else _descend(loss, y, mean)


def _descend(loss: Loss, y: Array, start: Array) -> Array:
    """The constant of least loss by gradient steps that are halved where they do not help."""
    z, step = np.array(start, float), 1.0
    ones = np.ones((len(y), 1))
    with np.errstate(all="ignore"):
        best = loss.value(ones * z, y)
        for _ in range(200):
            trial = z - step * loss.grad(ones * z, y).sum(axis=0)
            value = loss.value(ones * trial, y)
            if value < best:
                z, best, step = trial, value, 1.5 * step
            else:
                step /= 2
    return z


def guess_loss(loss: Loss, y: Array, n_out: int, train: Array | None = None) -> float:
    """L of the best constant output, chosen on the targets `train` if given and scored on y."""
    z = constant_output(loss, y if train is None else train, n_out)
    return by_rows(loss).value(np.ones((len(y), 1)) * z, y)


def perfect_loss(loss: Loss, y: Array, n_out: int) -> float:
    """L of an output that meets every target: 0, or the entropy of the targets themselves."""
    Y = loss.targets(np.zeros((len(y), n_out)), y)
    if isinstance(loss, BinaryCrossEntropy):
        P = np.clip(Y, TINY, 1 - TINY)
        return by_rows(loss).value(np.log(P) - np.log1p(-P), y)
    if isinstance(loss, SoftmaxCrossEntropy | Poisson):
        return by_rows(loss).value(np.log(np.maximum(Y, TINY)), y)
    return 0.0


def class_codes(loss: Loss, y: Array) -> Array | None:
    """The classes 0 … k-1 (n,) that y holds, or None where it holds numbers."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        hard = isinstance(loss, SoftmaxCrossEntropy | Hinge) and bool(np.isin(y, (0, 1, -1)).all())
        return y.argmax(axis=1) if hard else None
    if isinstance(loss, SoftmaxCrossEntropy) and y.dtype.kind != "f":
        return y.astype(np.int64)  # a class without rows keeps its number
    values, codes = np.unique(y, return_inverse=True)
    few = 2 <= len(values) <= 20 and len(y) >= 2 * len(values)
    whole = bool(np.all(values == np.round(values)))
    return np.asarray(codes) if few and whole else None


def number(value: float, digits: int = 4) -> str:
    """`digits` significant digits: 0.6931, 12,346, 1.2e+09."""
    value = float(value)
    if not math.isfinite(value):
        return "none" if math.isnan(value) else "not finite"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}g}"
    size = 0 if value == 0 else math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_words(loss: Loss, guess: float, y: Array) -> str:
    """ "0.6931 (= ln 2) is what guessing gives: the same answer for every row, …" of the target."""
    return f"{number(guess)}{special(guess)} is what guessing gives: {answer_in_words(loss, y)}"


def special(value: float) -> str:
    """ " (= ln k)" where the loss is the entropy of k equally likely classes."""
    for k in range(2, 21):
        if abs(value - math.log(k)) < 1e-6:
            return f" (= ln {k})"
    return ""


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
