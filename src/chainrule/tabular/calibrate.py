"""Calibration: after training, the held-out rows set the temperature and the width of intervals.

Each row that members held out is answered by the mean of those members alone. A row that no member
held out is not used.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from ..core.arrays import Array
from ..core.losses import SoftmaxCrossEntropy
from .member import Member

COLDEST, HOTTEST = 0.05, 20.0  # temperatures


def held_out(members: Sequence[Member], n: int) -> tuple[Array, Array]:
    """(Z (m, k), which of the n rows these are): the mean output of the members that held each out.

    A single one answers at the epoch that the other held-out rows find best, as a row must not
    choose what it is measured by. With several that is made up for: fewer answer it than a new row.
    """
    total, count = np.zeros((n, members[0].net.n_out)), np.zeros(n)
    for member in members:
        if member.held_out is not None:
            Z = member.answers if len(members) == 1 else member.net.predict(member.held_out.X)
            total[member.places] += Z
            count[member.places] += 1
    places = np.flatnonzero(count)
    return total[places] / count[places, None], places


def temperature(Z: Array, y: Array, weight: Array | None) -> float:
    """T = argmin of the log loss of softmax(Z / T)   Z (n, k), classes y (n,), weight (n,) or None.

    Labels are smoothed by 1 / (n + 1), as if there were one more row of unknown class: a few rows
    without a mistake do not make the network certain. Guo et al. 2017; n = 0 gives 1.
    """
    if len(Z) == 0:
        return 1.0
    loss = SoftmaxCrossEntropy(label_smoothing=1.0 / (len(Z) + 1))
    found = minimize_scalar(
        lambda log_t: loss.value(Z / np.exp(log_t), y, weight),
        bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-4},
    )  # fmt: skip
    return float(np.exp(found.x))


def margin(Z: Array, y: Array, weight: Array | None, share: float) -> float:
    """How far both ends of intervals Z (n, 3) = [low, median, high] move outwards, or inwards where
    it is below 0, so that they hold `share` of the targets y (n,) and of one more row.

    It is the (n + 1) share-th smallest of low - y below the median and y - high above it, between
    two ranks in proportion, by weight where there are weights, the largest where there are too few
    rows; inwards at most half the median width. Romano, Patterson and Candès 2019, "Conformalized
    quantile regression"; n = 0 gives 0.
    """
    w = np.ones(len(y)) if weight is None else weight
    used, off = w > 0, np.where(y < Z[:, 1], Z[:, 0] - y, y - Z[:, 2])
    if not used.any():
        return 0.0
    order, n = np.argsort(off[used]), np.count_nonzero(used)
    rank = np.cumsum(w[used][order]) * n / w.sum()
    found = float(np.interp((n + 1) * share, rank, off[used][order]))
    return max(found, -0.5 * float(np.median(np.abs(Z[:, 2] - Z[:, 0]))))
