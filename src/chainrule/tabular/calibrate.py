"""Calibration: after training, the held-out rows set the temperature and the width of intervals.

Each row that members held out is answered by the mean of those members alone. A row that no member
held out is not used.
"""

from collections.abc import Sequence

import numpy as np

from ..core.arrays import Array
from ..core.losses import SoftmaxCrossEntropy
from .member import Member

COLDEST, HOTTEST = 0.05, 20.0  # temperatures


def held_out(members: Sequence[Member], n: int) -> tuple[Array, Array, Array]:
    """(Z (m, k), which of the n rows these are, V (m,)): the mean answer of the members that held
    each out, and how much larger its variance is than that of all M members together.

    Answers of members on the same row differ with variance v, so the mean of c has v / c: V is
    v (1 / c - 1 / M), of the middle output; v is measured on the rows that several held out.
    """
    k, count = members[0].net.n_out, np.zeros(n)
    total, squares = np.zeros((n, k)), np.zeros(n)
    for member in members:
        total[member.places] += member.answers
        squares[member.places] += member.answers[:, k // 2] ** 2
        count[member.places] += 1
    places = np.flatnonzero(count)
    c, Z = count[places], total[places] / count[places, None]
    variances = (squares[places] - c * Z[:, k // 2] ** 2)[c > 1] / (c[c > 1] - 1)
    v = max(0.0, float(variances.mean())) if len(variances) else 0.0
    return Z, places, v * (1.0 / c - 1.0 / len(members))


def temperature(Z: Array, y: Array, weight: Array | None) -> float:
    """T = argmin of the log loss of softmax(Z / T)   Z (n, k), classes y (n,), weight (n,) or None.

    Labels are smoothed by 1 / (n + 1), as if there were one more row of unknown class: a few rows
    without a mistake do not make the network certain. Guo et al. 2017.
    """
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

    loss = SoftmaxCrossEntropy(label_smoothing=1.0 / (len(Z) + 1))

    def log_loss(log_t: float) -> float:
        return loss.value(Z / np.exp(log_t), y, weight)

    bounds = np.log([COLDEST, HOTTEST])
    minimum = minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(minimum.x))


def margin(Z: Array, y: Array, weight: Array | None, share: float, V: Array | float = 0.0) -> float:
    """How far both ends of intervals Z (n, 3) = [low, median, high] move outwards, or inwards where
    it is below 0, so that they hold `share` of the targets of new rows like these, y (n,).

    It is the (n share + ½)-th smallest of low - y below the median and y - high above it, by weight
    where there are weights, inwards at most half the median width; 0 without rows. Rows drawn at
    random would need (n + 1) share, but those from strips of the target vary less. Romano et al.
    2019, "Conformalized quantile regression". V (n,) is the part of the variance of
    y - median that all members together would not have: the distances shrink by it.
    """
    w = np.ones(len(y)) if weight is None else weight
    used, r = w > 0, y - Z[:, 1]
    if not used.any():
        return 0.0
    r = r * np.sqrt(np.maximum(0.0, 1.0 - V / max(1e-300, w @ r**2 / w.sum())))
    off = np.where(r < 0, Z[:, 0] - Z[:, 1] - r, r + Z[:, 1] - Z[:, 2])
    order, n = np.argsort(off[used]), np.count_nonzero(used)
    rank = np.cumsum(w[used][order]) * n / w.sum()
    outwards = float(np.interp(n * share + 0.5, rank, off[used][order]))
    return max(outwards, -0.5 * float(np.median(np.abs(Z[:, 2] - Z[:, 0]))))
