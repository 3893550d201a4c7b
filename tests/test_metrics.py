"""Metrics against scikit-learn on random data with ties and weights, and the edges by hand."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as theirs
from support.numeric import Array
from support.tables import METRICS

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
    with pytest.raises(ValueError, match=r"P has shape \(2,\): give a probability for each class"):
        ours.log_loss([0, 1], [0.2, 0.9])


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


def of_classes(draw: st.DrawFn, n: int) -> tuple[Array, Array]:
    """Classes, each with a row, and probabilities on a coarse grid: many scores tie."""
    k = draw(st.integers(2, min(4, n)))
    rest = draw(st.lists(st.integers(0, k - 1), min_size=n - k, max_size=n - k))
    parts = draw(hnp.arrays(np.int64, (n, k), elements=st.integers(1, 3)))
    return np.array([*range(k), *rest]), parts / parts.sum(axis=1, keepdims=True)


@st.composite
def any_case(draw: st.DrawFn) -> tuple[str, Array, Array, Array | None]:
    """A metric with answers that it takes, with ties, and weights, some of which are 0."""
    name = draw(st.sampled_from(["accuracy", "log_loss", "auc", "rmse", "mae"]))
    n = draw(st.integers(2, 25))
    grid = hnp.arrays(np.float64, n, elements=st.integers(-3, 3).map(float))
    in_classes = name in ours.FOR_CLASSES
    y, answers = of_classes(draw, n) if in_classes else (draw(grid), draw(grid) / 2)
    w = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.25, 1.0, 3.0])))
    if not in_classes:
        w[0] = draw(st.sampled_from([0.0, 2.0]))
    return name, y, answers, draw(st.sampled_from([None, w]))


@settings(max_examples=300)
@given(any_case())
def test_the_mean_of_the_shares_is_the_metric(case: tuple[str, Array, Array, Any]) -> None:
    name, y, answers, w = case
    shares = ours.shares(name, y, answers, w)
    assert shares.shape == y.shape
    guess = answers.argmax(axis=1) if name == "accuracy" else answers
    mean, error = ours.mean_and_error(shares, w)
    assert mean == pytest.approx(METRICS[name](y, guess, w), rel=1e-9, abs=1e-12)
    assert error >= 0


def test_no_row_has_a_share_of_r2() -> None:
    with pytest.raises(ValueError, match="metric is 'r2': no row has a share of it"):
        ours.shares("r2", np.zeros(3), np.ones(3))
    assert set(ours.METRICS) == {*ours.FOR_CLASSES, *ours.FOR_NUMBERS}
    better = {name for name, metric in ours.METRICS.items() if metric.more_is_better}
    assert better == {"accuracy", "auc", "r2"}


def delong(positive: Array, score: Array) -> float:
    """The variance of an AUC by every pair of rows, as DeLong et al. 1988 write it."""
    a, b = score[positive], score[~positive]
    pairs = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    by_positive, by_negative = pairs.mean(axis=1), pairs.mean(axis=0)
    return float(by_positive.var() / len(a) + by_negative.var() / len(b))


@pytest.mark.parametrize("ties", [False, True])
def test_the_error_of_an_auc_is_that_of_delong(ties: bool, rng: np.random.Generator) -> None:
    for n, rate in ((40, 0.5), (200, 0.1)):
        y = (np.arange(n) < rate * n).astype(int)
        score = y + rng.normal(size=n)
        score = np.round(score * 2) / 2 if ties else score
        P = np.column_stack([-score, score])
        mean, error = ours.mean_and_error(ours.shares("auc", y, P))
        wanted = delong(y == 1, score) * n / (n - 1)
        assert mean == pytest.approx(theirs.roc_auc_score(y, score), rel=1e-12)
        assert error == pytest.approx(math.sqrt(wanted), rel=1e-9)


def test_the_error_of_several_classes_is_that_of_the_mean_of_their_aucs() -> None:
    """Each row's share is the mean of its shares of the classes, so that they may cancel."""
    y, P, _ = chances(0, False, 3)
    each = [ours.shares("auc", (y == k).astype(int), np.column_stack([-P[:, k], P[:, k]]))
            for k in range(3)]  # fmt: skip
    np.testing.assert_allclose(ours.shares("auc", y, P), np.mean(each, axis=0), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["rmse", "auc", "mae", "log_loss"])
def test_the_error_is_that_of_the_jackknife(name: str, weighted: bool) -> None:
    """Leaving out each row in turn (Efron 1982) has the same error, to the order of 1 / n."""
    rng, n = np.random.default_rng(1), 400
    w = rng.uniform(0.5, 2.0, n) if weighted else np.ones(n)
    if name in ours.FOR_NUMBERS:
        y, answers = rng.normal(size=n), rng.normal(size=n)
    else:
        y, answers = rng.integers(0, 2, n), rng.dirichlet(np.ones(2), n)
    keep = ~np.eye(n, dtype=bool)
    left_out = np.array([METRICS[name](y[k], answers[k], w[k]) for k in keep])
    wanted = math.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    error = ours.mean_and_error(ours.shares(name, y, answers, w), w)[1]
    assert error == pytest.approx(wanted, rel=0.02)


def test_mean_and_error_by_hand() -> None:
    values = np.array([1.0, 3.0, 8.0])
    assert ours.mean_and_error(values) == pytest.approx((4.0, np.std(values, ddof=1) / 3**0.5))
    w = np.array([1.0, 1.0, 2.0])  # mean 5: w (v - mean) = -4, -2, 6
    assert ours.mean_and_error(values, w) == pytest.approx((5.0, 56**0.5 / 4 * 1.5**0.5))
    nought = np.array([1.0, 1.0, 2.0, 0.0])
    assert ours.mean_and_error(np.append(values, 99.0), nought) == pytest.approx(
        ours.mean_and_error(values, w)
    )
    assert ours.mean_and_error(np.array([2.0])) == (2.0, math.inf)
    assert ours.mean_and_error(np.array([2.0, 7.0]), [3.0, 0.0]) == (2.0, math.inf)
    assert ours.mean_and_error(3 * values, 7 * w) == pytest.approx(
        np.multiply(3, ours.mean_and_error(values, w))
    )


def test_a_perfect_rmse_has_no_error() -> None:
    y = np.arange(5.0)
    assert ours.mean_and_error(ours.shares("rmse", y, y)) == (0.0, 0.0)
    assert ours.mean_and_error(ours.shares("rmse", y, y + 2.0)) == pytest.approx((2.0, 0.0))


def test_shares_of_an_auc_that_cannot_be_told_are_nan() -> None:
    assert np.isnan(ours.shares("auc", np.zeros(4, int), np.full((4, 2), 0.5))).all()
