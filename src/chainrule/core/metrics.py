"""Metrics: what a model's predictions are worth, with scikit-learn's meanings. All take sample
weights.

y_true and y_pred are (n,) or (n, k) for numbers; classes are integers (n,), probabilities P (n, k),
rows summing to 1, columns in the order of the classes 0 … k-1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array


class Metric(NamedTuple):
    """How a metric is called, and whether more of it is better."""

    name: str
    more_is_better: bool


METRICS = {
    "accuracy": Metric("accuracy", True),
    "log_loss": Metric("log loss", False),
    "auc": Metric("AUC", True),
    "r2": Metric("R²", True),
    "rmse": Metric("RMSE", False),
    "mae": Metric("MAE", False),
}
FOR_CLASSES, FOR_NUMBERS = ("accuracy", "log_loss", "auc"), ("r2", "rmse", "mae")


def _weights(n: int, weight: ArrayLike | None) -> Array:
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    if n == 0 or w.shape != (n,) or not (np.all(w >= 0) and 0 < w.sum() < np.inf):
        raise ValueError(
            f"a metric needs at least one row and one finite weight ≥ 0 for each, not all 0: got "
            f"{n} rows, weights {w.shape}"
        )
    return w


def _mean(values: Array, weight: ArrayLike | None) -> float:
    w = _weights(len(values), weight)
    return float(np.sum(w * values) / w.sum())


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(y_true), np.asarray(y_pred)
    if a.shape != b.shape:
        raise ValueError(
            f"y_true has shape {a.shape} and y_pred {b.shape}: give both the same shape"
        )
    return a, b


def _classes(y: ArrayLike, n_classes: int | None = None) -> Array:
    """Classes (n,) as they are; with `n_classes`, none beyond it."""
    a = np.asarray(y)
    if a.ndim != 1:
        raise ValueError(f"classes have shape {a.shape}: give one integer a row, not one-hot rows")
    if n_classes is not None and len(a) and not (a.min() >= 0 and a.max() < n_classes):
        raise ValueError(
            f"y holds classes {a.min()} to {a.max()}, but there are {n_classes}: "
            f"0 to {n_classes - 1}"
        )
    return a.astype(np.int64) if a.dtype == bool else a


def _scores(y_true: ArrayLike, P: ArrayLike) -> tuple[Array, Array]:
    """Classes (n,) beside their scores (n,) or (n, k)."""
    scores = np.asarray(P, dtype=np.float64)
    y = _classes(y_true, scores.shape[1] if scores.ndim == 2 else None)
    if scores.ndim not in (1, 2) or len(scores) != len(y):
        raise ValueError(f"y_true has {len(y)} rows and P is {scores.shape}: give as many rows")
    return y, scores


def accuracy(y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Σ w [y = ŷ] / Σ w, the share of rows predicted rightly."""
    a, b = _pair(_classes(y_true), _classes(y_pred))
    return _mean(a == b, weight)


def log_loss(y_true: ArrayLike, P: ArrayLike, weight: ArrayLike | None = None) -> float:
    """-Σ w ln P[i, y_i] / Σ w in nats; P is raised to the smallest float, so it stays finite."""
    return _mean(shares("log_loss", y_true, P), weight)


def auc(y_true: ArrayLike, P: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting
    half.

    P is (n,) scores of class 1 or (n, k); for k > 2 the mean over the classes, each against the
    rest. nan where a class has no rows, since nothing can be ranked.
    """
    return _mean(_auc_shares(y_true, P, weight), weight)


def _auc_shares(y_true: ArrayLike, P: ArrayLike, weight: ArrayLike | None) -> Array:
    """What each row adds to the AUC (n,): their mean is the AUC, their deviation over √n its
    standard error. DeLong et al. 1988.
    """
    y, P = _scores(y_true, P)
    w = _weights(len(y), weight)
    if P.ndim == 1 or P.shape[1] == 2:
        return _auc_of_one(y == 1, P if P.ndim == 1 else P[:, 1], w)
    whole = [_auc_of_one(y == k, P[:, k], w) for k in range(P.shape[1])]
    return np.asarray(np.mean(whole, axis=0))


def _auc_of_one(positive: Array, score: Array, w: Array) -> Array:
    """A + [positive] (B - A) Σw/Σw⁺ + [negative] (C - A) Σw/Σw⁻ of each row, where B is the share
    of negatives below a positive, C of positives above a negative, ties half, and A the mean of B.
    """
    _, rank = np.unique(score, return_inverse=True)  # equal scores rank as one
    pos, neg = np.bincount(rank, w * positive), np.bincount(rank, w * ~positive)
    p, n = pos.sum(), neg.sum()
    if p == 0 or n == 0:
        return np.full(len(score), np.nan)
    below, above = (np.cumsum(neg) - 0.5 * neg) / n, 1.0 - (np.cumsum(pos) - 0.5 * pos) / p
    area = float(np.sum(pos * below) / p)
    own = np.where(positive, (below[rank] - area) / p, (above[rank] - area) / n)
    return np.asarray(area + own * (p + n))


def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, n_classes: int, weight: ArrayLike | None = None
) -> Array:
    """C (k, k): C[a, b] rows of true class a predicted as b (sum of their weights where given)."""
    a, b = _pair(_classes(y_true, n_classes), _classes(y_pred, n_classes))
    _weights(len(a), weight)  # refuses no rows and bad weights
    C = np.zeros((n_classes, n_classes), np.int64 if weight is None else np.float64)
    np.add.at(C, (a, b), 1 if weight is None else np.asarray(weight))
    return C


def mse(y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Σ w mean_k (y - ŷ)² / Σ w, the mean squared error over rows and outputs."""
    a, b = _pair(y_true, y_pred)
    return _mean(_row_mean(np.square(a - b)), weight)


def rmse(y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike | None = None) -> float:
    """√ mse, in the target's own units."""
    return float(np.sqrt(mse(y_true, y_pred, weight)))


def mae(y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Σ w mean_k |y - ŷ| / Σ w, the mean absolute error in the target's own units."""
    a, b = _pair(y_true, y_pred)
    return _mean(_row_mean(np.abs(a - b)), weight)


def r2(y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike | None = None) -> float:
    """1 - Σw(y - ŷ)² / Σw(y - ȳ)², mean over outputs: 1 is perfect, 0 as good as the mean.

    A constant target gives 1 where it is met exactly, else 0, as scikit-learn has it.
    """
    a, b = _pair(y_true, y_pred)
    w = _weights(len(a), weight)
    w = w / w.sum()
    A, B = a.reshape(len(a), -1), b.reshape(len(b), -1)
    D = A - A[np.argmax(w)]  # so that a constant target has exactly no variance
    total = np.sum(w[:, None] * np.square(D - w @ D), axis=0)
    error = np.sum(w[:, None] * np.square(A - B), axis=0)
    constant = total == 0
    scores = np.where(constant, error == 0, 1.0 - error / np.where(constant, 1.0, total))
    return float(np.mean(scores))


def _row_mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=tuple(range(1, values.ndim))))


def shares(
    metric: str, y_true: ArrayLike, answers: ArrayLike, weight: ArrayLike | None = None
) -> Array:
    """What each row adds to a metric of `METRICS` (n,), to first order: their weighted mean is the
    metric, and the mean of the differences of two models on the same rows has the standard error
    of `mean_and_error`. `answers` are P (n, k) for classes, else ŷ (n,).

    The influence of a row, as in the infinitesimal jackknife (Efron 1982).
    """
    y, a = np.asarray(y_true), np.asarray(answers)
    if metric == "auc":
        return _auc_shares(y, a, weight)
    if metric == "accuracy":
        return np.asarray(a.argmax(axis=1) == y, float)
    if metric == "log_loss":
        y, a = _scores(y, a)
        if a.ndim != 2:
            raise ValueError(f"P has shape {a.shape}: give a probability for each class")
        right = a[np.arange(len(y)), y]
        return np.asarray(-np.log(np.maximum(right, np.finfo(np.float64).tiny)))
    if metric == "mae":
        return np.asarray(np.abs(y - a))
    squares = np.asarray(np.square(y - a))
    level = float(np.sqrt(_mean(squares, weight)))
    if metric == "rmse":
        return level + (squares - level**2) / (2.0 * level or 1.0)
    raise ValueError(f"metric is {metric!r}: no row has a share of it")


def held_out_score(
    metric: str, y_true: ArrayLike, P: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """What the best epoch minimises on held-out rows of classes: the log loss ℓ if that is the
    metric or the AUC is undefined, else e + s ℓ / ln k with s = √(e (1 - e) / n), at least 1 / n.

    e is the share of wrong answers, or 1 - AUC, of n rows and k classes: s is the standard error of
    e, so ℓ decides where few rows leave e to chance.
    """
    y, P = _scores(y_true, P)
    loss, n = log_loss(y, P, weight), len(y)
    right = auc(y, P, weight) if metric == "auc" else accuracy(y, P.argmax(axis=1), weight)
    if metric == "log_loss" or np.isnan(right):
        return loss
    s = np.sqrt(max(right * (1.0 - right), 1.0 / n) / n)
    return float(1.0 - right + s * loss / np.log(P.shape[1]))


def mean_and_error(values: Array, weight: ArrayLike | None = None) -> tuple[float, float]:
    """(Σ w v / Σ w, its standard error): √(Σ w² (v - mean)²) / Σ w · √(n / (n - 1)), n the rows of
    weight above 0; the error of a single row is infinite.
    """
    w = _weights(len(values), weight)
    mean, n = float(np.sum(w * values) / w.sum()), int(np.count_nonzero(w))
    deviation = float(np.sqrt(np.sum((w * (values - mean)) ** 2)) / w.sum())
    return mean, np.inf if n < 2 else deviation * float(np.sqrt(n / (n - 1)))
