"""What losses mean: the loss of guessing, and the loss of perfect answers."""

from dataclasses import fields, replace

import numpy as np

from ..core.arrays import Array
from ..core.losses import Hinge, Huber, Loss, SoftmaxCrossEntropy


def by_rows(loss: Loss) -> Loss:
    """The same loss as a mean over rows, so that sets of rows of unequal size can be compared."""
    has_reduction = any(field.name == "reduction" for field in fields(loss))
    return replace(loss, reduction="mean") if has_reduction else loss


def constant_output(loss: Loss, y: Array, n_out: int) -> Array:
    """z (n_out,): the constant raw output with the lowest loss; in closed form if the loss has one.

    The log odds of the base rate, the mean, the median, the quantile, the log of the mean count.
    """
    Y = loss.targets(np.zeros((len(y), n_out)), y)
    constant = loss.constant(Y)
    if constant is None:
        start = np.median if isinstance(loss, Huber) else np.mean
        return _lowest(loss, y, start(Y, axis=0))
    return constant


def _lowest(loss: Loss, y: Array, start: Array) -> Array:
    """The constant output of lowest loss, by BFGS from `start`."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        Z = np.ones((len(y), 1)) * z
        return loss.value(Z, y), loss.grad(Z, y).sum(axis=0)

    with np.errstate(all="ignore"):
        return np.asarray(minimize(value_and_gradient, start, jac=True, tol=0).x)


def guess_loss(loss: Loss, y: Array, n_out: int, train: Array | None = None) -> float:
    """L of the best constant output, chosen on the targets `train`, or on y, and scored on y."""
    z = constant_output(loss, y if train is None else train, n_out)
    with np.errstate(all="ignore"):
        return by_rows(loss).value(np.ones((len(y), 1)) * z, y)


def perfect_loss(loss: Loss, y: Array, n_out: int) -> float:
    """L of an output that meets every target: 0, or the entropy of the targets themselves."""
    Y = loss.targets(np.zeros((len(y), n_out)), y)
    invertible = type(loss).inverse_link is not Loss.inverse_link
    return by_rows(loss).value(loss.inverse_link(Y), y) if invertible else 0.0


def class_codes(loss: Loss, y: Array) -> Array | None:
    """The classes 0 … k-1 (n,) that y holds, or None if it holds numbers."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        hard = isinstance(loss, SoftmaxCrossEntropy | Hinge) and bool(np.isin(y, (0, 1, -1)).all())
        return y.argmax(axis=1) if hard else None
    if isinstance(loss, SoftmaxCrossEntropy) and y.dtype.kind != "f":
        return y.astype(np.int64)  # a class without rows keeps its number
    values, codes = np.unique(y, return_inverse=True)
    repeated = 2 <= len(values) <= 20 and len(y) >= 2 * len(values)
    are_classes = repeated and np.all(values == np.round(values))
    return np.asarray(codes) if are_classes else None
