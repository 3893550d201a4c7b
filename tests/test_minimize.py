"""minimize(): minima that are known another way, and a thread that ends with its loop."""

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from support.numeric import Array

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = X @ RNG.normal(size=(4, 2)) + 1.0 + 0.3 * RNG.normal(size=(60, 2))
CLASSES = (X @ np.array([2.0, -1.0, 0.0, 0.5]) + RNG.normal(size=60) > 0).astype(int)
WEIGHT = RNG.uniform(0.5, 2.0, 60)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def linear(outputs: int = 1) -> cr.Network:
    return cr.Network(4, [cr.Dense(outputs)], rng=0)


def least_squares(weight: Array, l2: float) -> Array:
    """(W, b) of Σ w |y - ŷ|² / Σ w + ½ l2 |W|² by the normal equations."""
    A = np.c_[X, np.ones(60)]
    share = weight / weight.sum()
    left = A.T @ (share[:, None] * A) + 0.5 * l2 * np.diag([1, 1, 1, 1, 0])
    return np.linalg.solve(left, A.T @ (share[:, None] * Y))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_least_squares_are_those_of_the_normal_equations(weight: Array | None, l2: float) -> None:
    net, penalty = linear(2), cr.Penalty(l2=l2)
    records = list(
        cr.minimize(net, cr.SquaredError(), X, Y, weight=weight, penalty=penalty, tol=1e-15)
    )
    wanted = least_squares(np.ones(60) if weight is None else weight, l2)
    np.testing.assert_allclose(net["0.W"], wanted[:4], atol=1e-7)
    np.testing.assert_allclose(net["0.b"], wanted[4], atol=1e-7)
    value = cr.SquaredError().value(net.predict(X), Y, weight)
    value += penalty.value(net.theta, net.decay_factor)
    assert records[-1].loss == pytest.approx(value, rel=1e-12)
    assert [r.epoch for r in records] == list(range(len(records)))
    assert np.all(np.diff([r.loss for r in records]) <= 0)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("y", [CLASSES, CLASSES + (X[:, 2] > 1)], ids=["two", "three"])
def test_logistic_regression_is_that_of_scikit_learn(y: Array, weight: Array | None) -> None:
    """Theirs minimises C Σ w l + ½|W|², so ours has l2 = 1 / (C Σ w)."""
    classes = int(y.max()) + 1
    loss: cr.Loss = cr.BinaryCrossEntropy() if classes == 2 else cr.SoftmaxCrossEntropy()
    total = 60.0 if weight is None else weight.sum()
    theirs = LogisticRegression(C=0.7, tol=1e-12, max_iter=10_000).fit(X, y, weight)
    net = linear(1 if classes == 2 else 3)
    penalty = cr.Penalty(l2=1 / (0.7 * total))
    list(cr.minimize(net, loss, X, y, weight=weight, penalty=penalty, tol=1e-16, iterations=999))
    np.testing.assert_allclose(net["0.W"].T, theirs.coef_, atol=1e-6)
    P = loss.link(net.predict(X))
    P = np.c_[1 - P, P] if classes == 2 else P
    np.testing.assert_allclose(P, theirs.predict_proba(X), atol=1e-6)


def test_separable_classes_with_a_penalty_have_a_minimum() -> None:
    inputs, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    net = cr.Network(1, [cr.Dense(1, init=0.0)], rng=0)
    *_, last = cr.minimize(
        net, cr.BinaryCrossEntropy(), inputs, y, penalty=cr.Penalty(l2=0.01), tol=1e-14
    )
    w, b = net.theta
    assert b == pytest.approx(0, abs=1e-6)
    p = 1 / (1 + np.exp(-w * inputs[:, 0]))
    assert np.mean((p - y) * inputs[:, 0]) + 0.01 * w == pytest.approx(0, abs=1e-6)
    assert last.loss < 0.1


def start(**changed: Any) -> tuple[cr.Network, Iterator[cr.Record]]:
    net = changed.pop("net", None) or cr.Network.mlp([4, 5, 1], "tanh", rng=0)
    how: dict[str, Any] = {"loss": cr.BinaryCrossEntropy(), "X": X, "y": CLASSES} | changed
    return net, cr.minimize(net, **how)


def test_records_and_thetas_are_those_of_each_iteration() -> None:
    net, run = start(iterations=7, valid=(X[:9], CLASSES[:9]))
    loss, count = cr.BinaryCrossEntropy(), 0
    for record in run:
        assert record.loss == pytest.approx(loss.value(net.predict(X), CLASSES), rel=1e-12)
        wanted = loss.value(net.predict(X[:9]), CLASSES[:9])
        assert record.valid_loss == pytest.approx(wanted, rel=1e-12)
        assert (record.lr, record.engine, record.seed) == (1.0, "readable", None)
        assert record.seconds > 0
        count += 1
    assert count == 7


def test_it_ends_by_itself_where_the_loss_stops_falling() -> None:
    assert len(list(start(tol=1e-2, iterations=500)[1])) < 50


@pytest.mark.parametrize("end", ["break", "close", ValueError("mine"), KeyboardInterrupt()])
def test_a_loop_that_ends_early_ends_the_thread(end: Any) -> None:
    net, run = start()
    before = threading.active_count()

    def body() -> None:
        for record in run:
            assert threading.active_count() == before + 1
            if record.epoch == 2:
                if isinstance(end, BaseException):
                    raise end
                break

    if isinstance(end, BaseException):
        with pytest.raises(type(end)):
            body()
    else:
        body()
    at_end = net.theta.copy()
    run.close()  # type: ignore[attr-defined]  # `run` is still named here
    assert threading.active_count() == before
    assert np.array_equal(net.theta, at_end)


def test_a_run_never_asked_starts_no_thread() -> None:
    net, run = start()
    before = net.theta.copy()
    run.close()  # type: ignore[attr-defined]
    assert np.array_equal(net.theta, before)


def test_the_best_iteration_is_restored() -> None:
    """Few rows and many weights: the validation loss rises while the training loss falls."""
    valid, kept = (X[20:], CLASSES[20:]), []
    net, run = start(X=X[:10], y=CLASSES[:10], valid=valid, restore="best", iterations=60)
    for record in run:
        kept.append((record.monitored, net.theta.copy()))
    best = int(np.argmin([loss for loss, _ in kept]))
    assert best < len(kept) - 1
    assert np.array_equal(net.theta, kept[best][1])
    few = list(start(X=X[:10], y=CLASSES[:10], valid=valid, patience=2, iterations=60)[1])
    assert len(few) < len(kept)


def test_batch_norm_settles_on_the_statistics_of_all_rows() -> None:
    net = cr.Network(4, [cr.Dense(3), cr.BatchNorm(), cr.Tanh(), cr.Dense(1)], rng=0)
    list(start(net=net, iterations=60)[1])
    Z = X @ net["0.W"] + net["0.b"]
    np.testing.assert_allclose(net["1.mean"], Z.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(net["1.var"], Z.var(axis=0, ddof=1), rtol=1e-9)


def test_float32_networks_are_minimised_in_float64() -> None:
    net = cr.Network(4, [cr.Dense(2)], rng=0, dtype=np.float32)
    list(cr.minimize(net, cr.SquaredError(), X, Y, tol=1e-15))
    assert net.theta.dtype == np.float32
    np.testing.assert_allclose(net["0.W"], least_squares(np.ones(60), 0.0)[:4], rtol=1e-4)


class Fails(cr.Identity):
    """A layer that breaks at its tenth look."""

    looks: list[int] = []

    def forward(self, p: Any, X: Array, *, train: bool = False, rng: Any = None) -> Any:
        self.looks.append(1)
        if len(self.looks) > 10:
            raise RuntimeError("the tenth look")
        return super().forward(p, X, train=train, rng=rng)


def test_an_exception_in_the_objective_reaches_the_caller() -> None:
    net = cr.Network(4, [cr.Dense(3), cr.Tanh(), cr.Dense(1), Fails()], rng=0)
    with pytest.raises(RuntimeError, match="the tenth look"):
        list(start(net=net)[1])


def test_divergence_is_named() -> None:
    net = cr.Network(4, [cr.Dense(1, init=1e308)], rng=0)
    with pytest.raises(cr.Diverged, match=r'made (inf|nan) in "0\.Z"'):
        list(start(net=net)[1])


def wide(dropout: float) -> cr.Network:
    return cr.Network.mlp([4, 5, 1], dropout=dropout, rng=0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda: {"net": wide(0.5)}, "this network has Dropout: use train"),
        (
            lambda: {"net": cr.Network(4, [cr.Residual((cr.Dropout(0.1),)), cr.Dense(1)])},
            "this network has Dropout: use train",
        ),
        (lambda: {"iterations": 0}, "minimize iterations is 0"),
        (lambda: {"patience": 0}, "patience is 0"),
        (lambda: {"threads": 0}, "threads is 0"),
        (lambda: {"restore": "first"}, "restore is 'first'"),
        (lambda: {"tol": -1.0}, "tol is -1.0"),
        (lambda: {"tol": np.nan}, "tol is nan"),
        (lambda: {"loss": cr.SumOfErrors()}, "cannot be trained on"),
        (lambda: {"loss": "log"}, "loss is 'log'"),
        (lambda: {"penalty": 1}, "penalty is 1"),
        (lambda: {"y": CLASSES[:3]}, "y has shape"),
        (lambda: {"weight": np.zeros(60)}, "weight sums to 0"),
        (lambda: {"valid": (X,)}, "valid must be"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(
    changed: Callable[[], dict[str, Any]], said: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        start(**changed())


def test_a_start_at_the_minimum_is_one_record() -> None:
    net = cr.Network(2, [cr.Dense(1)], rng=0)
    net.theta = np.zeros(3)
    (record,) = cr.minimize(net, cr.SquaredError(), np.ones((4, 2)), np.zeros(4))
    assert (record.epoch, record.loss) == (0, 0.0)


def test_a_forked_child_is_told_to_start_its_own() -> None:
    rng = np.random.default_rng(0)
    net = cr.Network.mlp([3, 4, 1], "tanh", rng=0)
    records = cr.minimize(net, cr.SquaredError(), rng.normal(size=(20, 3)), rng.normal(size=20))
    next(records)
    with warnings.catch_warnings():  # Python warns of any fork beside a thread
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            next(records)
        except RuntimeError as error:
            os._exit(7 if "after a fork" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert next(records).epoch == 1
