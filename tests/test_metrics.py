"""Metrics against scikit-learn on random data with ties and weights, and the edges by hand."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numeric import Array
from sklearn import metrics as theirs
from tables import METRICS

from chainrule import metrics as ours

SEEDS = range(5)
Case = tuple[Array, Array, Array | None]


def weights(rng: np.random.Generator, n: int, weighted: bool) -> Array | None:
    return rng.integers(0, 4, n).astype(float) + 0.25 if weighted else None


def numbers(seed: int, weighted: bool, outputs: int) -> Case:
    rng = np.random.default_rng(seed)
    shape = (40, outputs) if outputs else (40,)
    y, P = rng.normal(size=shape), rng.integers(-2, 3, size=shape).astype(float)
    return y, P, weights(rng, 40, weighted)


def chances(seed: int, weighted: bool, k: int) -> Case:
    """Classes and probabilities on a coarse grid, so that many scores tie."""
    rng = np.random.default_rng(seed)
    P = rng.integers(1, 5, size=(60, k)).astype(float)
    y = np.r_[np.arange(k), rng.integers(0, k, 60 - k)]
    return y, P / P.sum(axis=1, keepdims=True), weights(rng, 60, weighted)


NUMBERS: dict[str, Callable[..., float]] = {
    "mse": theirs.mean_squared_error,
    "rmse": theirs.root_mean_squared_error,
    "mae": theirs.mean_absolute_error,
    "r2": theirs.r2_score,
}
TESTED = {*NUMBERS, "accuracy", "confusion_matrix", "log_loss", "auc"}


def test_every_metric_is_tested() -> None:
    assert set(METRICS) == TESTED


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [0, 1, 3])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_scored_as_scikit_learn_does(name: str, outputs: int, weighted: bool) -> None:
    for seed in SEEDS:
        y, P, w = numbers(seed, weighted, outputs)
        wanted = NUMBERS[name](y, P, sample_weight=w)
        if name == "rmse" and outputs > 1:  # theirs is the mean of the outputs' roots
            wanted = math.sqrt(theirs.mean_squared_error(y, P, sample_weight=w))
        assert METRICS[name](y, P, w) == pytest.approx(wanted, rel=1e-12)
        assert METRICS[name](y, y, w) == (1.0 if name == "r2" else 0.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_classes_are_scored_as_scikit_learn_does(k: int, weighted: bool) -> None:
    for seed in SEEDS:
        y, P, w = chances(seed, weighted, k)
        guess = P.argmax(axis=1)
        assert ours.accuracy(y, guess, w) == pytest.approx(
            theirs.accuracy_score(y, guess, sample_weight=w), rel=1e-12
        )
        C = ours.confusion_matrix(y, guess, k, w)
        wanted = theirs.confusion_matrix(y, guess, labels=range(k), sample_weight=w)
        assert C.dtype == (np.int64 if w is None else np.float64)
        np.testing.assert_allclose(C, wanted, rtol=1e-12)
        assert ours.log_loss(y, P, w) == pytest.approx(
            theirs.log_loss(y, P, sample_weight=w, labels=range(k)), rel=1e-12
        )


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_is_that_of_scikit_learn(weighted: bool) -> None:
    for seed in SEEDS:
        y, P, w = chances(seed, weighted, 2)
        wanted = theirs.roc_auc_score(y, P[:, 1], sample_weight=w)
        assert ours.auc(y, P, w) == pytest.approx(wanted, rel=1e-12)
        assert ours.auc(y, P[:, 1], w) == pytest.approx(wanted, rel=1e-12)
        assert ours.auc(y, -P[:, 1], w) == pytest.approx(1 - wanted, rel=1e-12)
        y, P, w = chances(seed, weighted, 4)
        each = [theirs.roc_auc_score(y == c, P[:, c], sample_weight=w) for c in range(4)]
        assert ours.auc(y, P, w) == pytest.approx(np.mean(each), rel=1e-12)
    y, P, _ = chances(0, False, 4)
    wanted = theirs.roc_auc_score(y, P, multi_class="ovr", average="macro")
    assert ours.auc(y, P) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("y", "score", "wanted"),
    [
        ([0, 1], [0.2, 0.8], 1.0),
        ([1, 0], [0.2, 0.8], 0.0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([0, 1, 1], [0.5, 0.5, 0.9], 0.75),
        ([1, 1], [0.1, 0.9], math.nan),
        ([0], [0.1], math.nan),
    ],
)
def test_auc_by_hand(y: list[int], score: list[float], wanted: float) -> None:
    assert ours.auc(y, score) == pytest.approx(wanted, nan_ok=True)


def test_auc_of_a_class_without_rows_is_nan() -> None:
    y, P, _ = chances(0, False, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(ours.auc(np.minimum(y, 1), P))


@pytest.mark.parametrize(
    ("y", "guess", "wanted"),
    [([2, 2, 2], [2, 2, 2], 1.0), ([2, 2, 2], [2, 2, 3], 0.0), ([5], [5], 1.0), ([5], [4], 0.0)],
)
def test_r2_of_a_constant_target(y: list[float], guess: list[float], wanted: float) -> None:
    assert ours.r2(y, guess) == wanted


@pytest.mark.parametrize("n", [3, 7, 10, 39])
def test_r2_of_a_constant_that_binary_cannot_hold(n: int, rng: np.random.Generator) -> None:
    """The mean of many 0.1 is not exactly 0.1; the target is constant all the same."""
    weight = rng.uniform(size=n)
    weight[0] = 0.0
    for c in (0.1, -7.7, 1e8 / 3):
        y = np.full(n, c)
        y[0] = 5.0
        for rows, w in ((slice(1, None), None), (slice(1, None), weight[1:]), (slice(n), weight)):
            assert ours.r2(y[rows], y[rows], w) == 1.0
            assert ours.r2(y[rows], y[rows] + 0.1, w) == 0.0


def test_r2_of_the_mean_is_0() -> None:
    y, _, w = numbers(0, True, 0)
    assert ours.r2(y, np.full(40, np.average(y, weights=w)), w) == pytest.approx(0, abs=1e-12)


def test_log_loss_of_a_sure_mistake_is_finite() -> None:
    assert ours.log_loss([0], [[0.0, 1.0]]) == -math.log(np.finfo(float).tiny)
    assert ours.log_loss([1], [[0.0, 1.0]]) == 0.0


PAIRS = ("accuracy", "mse", "rmse", "mae", "r2")
CALLS: dict[str, Callable[..., Any]] = {name: METRICS[name] for name in PAIRS} | {
    "log_loss": ours.log_loss,
    "auc": ours.auc,
    "confusion_matrix": lambda y, P, w=None: ours.confusion_matrix(y, P, 2, w),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_cannot_be_scored_is_refused(name: str) -> None:
    empty = np.zeros((0, 2)) if name in ("log_loss", "auc") else np.zeros(0, int)
    guess = np.full((3, 2), 0.5) if name in ("log_loss", "auc") else np.zeros(3, int)
    y = np.array([0, 1, 1])
    with pytest.raises(ValueError, match="at least one row"):
        CALLS[name](np.zeros(0, int), empty)
    for bad in (np.zeros(3), np.ones(2), np.ones((3, 1)), [1, np.nan, 1], [1, -1, 2]):
        with pytest.raises(ValueError, match="metric needs"):
            CALLS[name](y, guess, bad)
    with pytest.raises(ValueError, match="same shape|rows"):
        CALLS[name](y[:2], guess)


@pytest.mark.parametrize("name", ["accuracy", "confusion_matrix"])
def test_a_column_of_classes_is_refused(name: str) -> None:
    """(n, 2) against (n, 2) would be summed with the weights broadcast the wrong way."""
    y = np.zeros((2, 2), int)
    with pytest.raises(ValueError, match=r"classes .* \(2, 2\)"):
        CALLS[name](y, y)


@pytest.mark.parametrize(
    ("y", "k", "said"),
    [([0, 2], 2, "classes 0 to 2"), ([-1, 0], 2, "classes -1 to 0")],
)
def test_a_class_out_of_range_is_refused(y: list[int], k: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ours.confusion_matrix(y, [0, 0], k)
    with pytest.raises(ValueError, match=said):
        ours.log_loss(y, np.full((2, k), 1 / k))
