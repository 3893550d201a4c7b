"""The readable engine: one step by hand, the order of the random draws, what a batch may be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.numeric import Array

import chainrule as cr
from chainrule.core.epoch import (
    Batch,
    StepSettings,
    Trainer,
    check_batch,
    clip_by_norm,
)
from chainrule.core.optimizers import State

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)), RNG.normal(size=(10, 2))
WEIGHT = RNG.uniform(0.5, 2.0, 10)


def epoch(
    net: cr.Network, settings: StepSettings, data: Batch, rng: Any, **changed: Any
) -> tuple[float, float]:
    how: dict[str, Any] = {"epoch": 0, "epochs": 1, "batch_size": 4, "shuffle": True} | changed
    state = settings.optimizer.init(net.theta)
    return Trainer(net, settings, state, np.random.default_rng(rng)).epoch(data, **how)


@dataclass(frozen=True)
class Spy(cr.SGD):
    """SGD that records the learning rate and decay vectors it is given."""

    seen: tuple[list[Array], list[Array]] = ((), ())  # type: ignore[assignment]
    weight_decay: float | cr.Schedule = 0.0

    def update(
        self, grad: Array, state: State, theta: Array, lr: float | Array, decay: float | Array = 0.0
    ) -> Array:
        self.seen[0].append(np.array(lr))
        self.seen[1].append(np.array(decay))
        return super().update(grad, state, theta, lr, decay)

    @property
    def decay(self) -> float | cr.Schedule:
        return self.weight_decay


def test_one_step_by_hand() -> None:
    """z = 2·1 + 0.5 = 2.5, L = (2.5 - 1)² = 2.25, dL/dw = 2·1.5·2 = 6, dL/db = 3."""
    net = cr.Network(1, [cr.Dense(1, init=1.0)], rng=0)
    net["0.b"] = [0.5]
    settings = StepSettings(cr.SquaredError(), cr.SGD(), 0.1)
    data = Batch(np.array([[2.0]]), np.array([1.0]))
    L = Trainer(net, settings, {}, RNG).step(data, 0.1, 0.0)
    assert L == 2.25
    assert net.theta.tolist() == pytest.approx([0.4, 0.2], rel=1e-15)


def test_penalty_clip_and_decay_by_hand() -> None:
    """L = 2.25 + ½·4·1² = 4.25; g = (6 + 4·1, 3) = (10, 3) cut to norm 1; decay spares b."""
    net = cr.Network(1, [cr.Dense(1, init=1.0)], rng=0)
    net["0.b"] = [0.5]
    settings = StepSettings(cr.SquaredError(), cr.AdamW(), 0.1, cr.Penalty(l2=4.0), clip=1.0)
    data = Batch(np.array([[2.0]]), np.array([1.0]))
    state = settings.optimizer.init(net.theta)
    assert Trainer(net, settings, state, RNG).step(data, 0.1, 0.5) == 4.25
    norm = (10**2 + 3**2) ** 0.5
    np.testing.assert_allclose(state["m"], [0.1 * 10 / norm, 0.1 * 3 / norm], rtol=1e-14)
    np.testing.assert_allclose(net.theta, [1 - 0.1 - 0.1 * 0.5, 0.5 - 0.1], rtol=1e-7)


def test_lr_factor_and_decay_factor_are_followed() -> None:
    net, spy = cr.Network.mlp([3, 2, 2], rng=0), Spy(seen=([], []), weight_decay=0.3)
    net.lr_factor[...] = np.linspace(0, 1, net.theta.size)
    net.decay_factor[3] = 9.0
    before = net.theta.copy()
    epoch(net, StepSettings(cr.SquaredError(), spy, 0.2), Batch(X, Y), 0, batch_size=10)
    np.testing.assert_allclose(spy.seen[0][0], 0.2 * np.linspace(0, 1, net.theta.size))
    np.testing.assert_allclose(spy.seen[1][0], 0.3 * net.decay_factor)
    assert net.theta[0] == before[0]
    assert (net.theta[1:] != before[1:]).any()


class Counting(np.random.Generator):
    """A generator that lists what is drawn from it."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.calls: list[tuple[str, Any]] = []

    def permutation(self, x: Any, axis: int = 0) -> Any:
        self.calls.append(("permutation", x))
        return super().permutation(x, axis)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        assert dtype is np.float64
        self.calls.append(("random", size))
        return super().random(size, dtype, out)


@pytest.mark.parametrize(
    ("batch_size", "shuffle", "permutations", "batches"),
    [(4, True, 1, [4, 4, 2]), (4, False, 0, [4, 4, 2]), (10, True, 0, [10]), (5, True, 1, [5, 5])],
)
def test_draws_are_one_permutation_then_each_dropout_in_layer_order(
    batch_size: int, shuffle: bool, permutations: int, batches: list[int]
) -> None:
    block = cr.Residual((cr.Dropout(0.2), cr.Dense(5)))
    layers = [cr.Dropout(0.1), cr.Dense(5), block, cr.Dropout(0.3), cr.Dense(2)]
    net, rng = cr.Network(3, layers, rng=0), Counting(1)
    settings = StepSettings(cr.SquaredError(), cr.SGD(), 0.01)
    Trainer(net, settings, {}, rng).epoch(Batch(X, Y), 0, 1, batch_size, shuffle)
    masks = [("random", (n, k)) for n in batches for k in (3, 5, 5)]
    assert rng.calls == [("permutation", 10)] * permutations + masks


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_three_epochs_by_hand_to_the_last_bit(shuffle: bool, batch_size: int) -> None:
    """3–Dense–Sigmoid–Dropout–Dense, momentum: every number again from a twin generator."""
    layers = [cr.Dense(4), cr.Sigmoid(), cr.Dropout(0.3), cr.Dense(2)]
    net = cr.Network(3, layers, rng=0)
    W1, b1, W2, b2 = (net[name].copy() for name in ("0.W", "0.b", "3.W", "3.b"))
    loss, v, rng = cr.SquaredError(), np.zeros(net.theta.size), np.random.default_rng(9)
    list(
        cr.train(
            net, loss, cr.Momentum(0.8), X, Y, epochs=3, batch_size=batch_size, lr=0.1,
            shuffle=shuffle, weight=WEIGHT, rng=np.random.default_rng(9),
        )
    )  # fmt: skip
    for _ in range(3):
        order = rng.permutation(10) if shuffle and batch_size < 10 else np.arange(10)
        for start in range(0, 10, batch_size):
            rows = order[start : start + batch_size]
            x, y, w = X[rows], Y[rows], WEIGHT[rows]
            e = np.exp(-np.abs(x @ W1 + b1))
            A = np.where(x @ W1 + b1 >= 0, 1.0, e) / (1.0 + e)
            M = (rng.random(A.shape) >= 0.3).astype(float) / (1.0 - 0.3)
            H = A * M
            Z = H @ W2 + b2
            dZ = (w * (1.0 / w.sum()))[:, None] * (2.0 * (Z - y))
            dA = (dZ @ W2.T) * M * (A * (1.0 - A))
            parts = [x.T @ dA, dA.sum(axis=0), H.T @ dZ, dZ.sum(axis=0)]
            v = 0.8 * v - 0.1 * np.concatenate([part.ravel() for part in parts])
            W1, b1, W2, b2 = W1 + v[:12].reshape(3, 4), b1 + v[12:16], W2, b2
            W2, b2 = W2 + v[16:24].reshape(4, 2), b2 + v[24:]
    theta = np.concatenate([part.ravel() for part in (W1, b1, W2, b2)])
    assert net.theta.tobytes() == theta.tobytes()


def test_schedules_are_followed_step_by_step() -> None:
    """3 epochs of 3 steps: learning rate, decay and dropout rate each take their value of 9."""
    rates: list[float] = []

    @dataclass(frozen=True)
    class SpyDropout(cr.Dropout):
        def forward(self, p: Any, X: Array, *, train: bool = False, rng: Any = None) -> Any:
            if train:
                rates.append(float(p["rate"]))
            return super().forward(p, X, train=train, rng=rng)

    lr, decay, rate = cr.OneCycle(0.1), cr.Cosine(0.4), cr.Exponential(0.5)
    spy = Spy(seen=([], []), weight_decay=decay)
    net = cr.Network(3, [cr.Dense(2), cr.Residual((SpyDropout(rate),))], rng=0)
    run = cr.train(net, cr.SquaredError(), spy, X, Y, epochs=3, batch_size=4, lr=lr, rng=0)
    records = list(run)
    assert [v[0] for v in spy.seen[0]] == [lr.at(step, 9) for step in range(9)]
    assert [v.max() for v in spy.seen[1]] == [decay.at(step, 9) for step in range(9)]
    assert rates == [rate.at(step, 9) for step in range(9)]
    assert [record.lr for record in records] == [lr.at(step, 9) for step in (2, 5, 8)]


def test_every_step_moves_the_running_statistics() -> None:
    net = cr.Network(3, [cr.BatchNorm(momentum=0.75), cr.Dense(2)], rng=0)
    mean, var = np.zeros(3), np.ones(3)
    epoch(net, StepSettings(cr.SquaredError(), cr.SGD(), 0.1), Batch(X, Y), 0, shuffle=False)
    for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
        mean = 0.75 * mean + 0.25 * X[rows].mean(axis=0)
        var = 0.75 * var + 0.25 * X[rows].var(axis=0, ddof=1)
    np.testing.assert_allclose(net["0.mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(net["0.var"], var, rtol=1e-13)


def test_a_batch_of_zero_weight_is_skipped() -> None:
    weight, spy = WEIGHT.copy(), Spy(seen=([], []))
    weight[4:8] = 0.0
    net = cr.Network(3, [cr.Dense(2), cr.BatchNorm()], rng=0)
    twin, settings = net.copy(), StepSettings(cr.SquaredError(), spy, cr.Cosine(0.1))
    mean, lr = epoch(net, settings, Batch(X, Y, weight), 0, shuffle=False)
    assert len(spy.seen[0]) == 2
    assert lr == cr.Cosine(0.1).at(2, 3)  # the skipped batch keeps its place in the schedule
    total = 0.0
    for step, rows in ((0, slice(0, 4)), (2, slice(8, 10))):
        data, rate = Batch(X[rows], Y[rows], weight[rows]), cr.Cosine(0.1).at(step, 3)
        total += Trainer(twin, settings, {}, RNG).step(data, rate, 0.0) * weight[rows].sum()
    assert net.theta.tobytes() == twin.theta.tobytes()
    assert net.buffers.tobytes() == twin.buffers.tobytes()
    assert mean == pytest.approx(total / weight.sum(), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("grad", "limit", "wanted"),
    [
        ([3.0, 4.0], 1.0, [0.6, 0.8]),
        ([3.0, 4.0], 5.0, [3.0, 4.0]),
        ([3.0, 4.0], 9.0, [3.0, 4.0]),
        ([0.0, 0.0], 1.0, [0.0, 0.0]),
        ([3e30, 4e30], 1.0, [0.6, 0.8]),
        ([-3e200, 4e200], 10.0, [-6.0, 8.0]),
        ([], 1.0, []),
    ],
)
def test_clipping_by_hand(
    grad: list[float], limit: float, wanted: list[float], dtype: type
) -> None:
    if grad and abs(grad[0]) > 1e100 and dtype is np.float32:
        grad = [g / 1e165 for g in grad]
    before = np.array(grad, dtype)
    with np.errstate(over="ignore"):  # as in training: the square overflows, the norm does not
        got = clip_by_norm(before, limit)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert before.tolist() == np.array(grad, dtype).tolist()


def test_clipping_hides_no_number_that_is_not_finite() -> None:
    for bad in (np.inf, np.nan):
        with np.errstate(all="ignore"):
            assert not np.isfinite(clip_by_norm(np.array([1.0, bad]), 1.0)).all()


def test_a_batch_is_checked_into_arrays() -> None:
    net = cr.Network.mlp([3, 2], rng=0, dtype=np.float32)
    data = check_batch(net, cr.SoftmaxCrossEntropy(), X.tolist(), [0, 1] * 5, [1] * 10)
    assert data.X.dtype == np.float32
    assert len(data) == 10
    assert data.weight is not None
    part = data.take([1, 2])
    assert (part.X.shape, part.y.tolist()) == ((2, 3), [1, 0])


REFUSED: Sequence[tuple[Any, Any, Any, str]] = [
    (X[:, :2], Y, None, "X has 2 features, but this network was built for 3"),
    (X[0], Y, None, "X has shape"),
    (X[:0], Y[:0], None, "X has no rows"),
    (X, Y[:9], None, "y has shape .* one target for each"),
    (X, 1.0, None, "y has shape"),
    (X, Y[:, :1], None, "the network's output is"),
    (X, Y[:, 0], None, "the network's output is"),
    (X, np.full((10, 2), "a"), None, "y has type <U1: give real numbers"),
    (X, np.full((10, 2), None), None, "y holds nan at"),
    (np.full((10, 3), "a"), Y, None, "could not convert|X has type"),
    (np.where(X > 1, np.nan, X), Y, None, r"X holds nan at \["),
    (np.full((10, 3), -np.inf), Y, None, r"X holds -inf at \[0, 0\]"),
    (X, np.full((10, 2), np.nan), None, r"y holds nan at \[0, 0\]"),
    (X, Y, np.ones(9), "weight has shape"),
    (X, Y, -np.ones(10), "negative or non-finite"),
    (X, Y, np.full(10, np.nan), "negative or non-finite"),
    (X, Y, np.zeros(10), "weight sums to 0"),
    (X, Y, ["a"] * 10, "weight has type <U1: give real numbers"),
]


@pytest.mark.parametrize(("inputs", "targets", "weight", "said"), REFUSED)
def test_what_does_not_fit_is_refused(inputs: Any, targets: Any, weight: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_batch(cr.Network.mlp([3, 2], rng=0), cr.SquaredError(), inputs, targets, weight)


@pytest.mark.parametrize("last", [cr.Sigmoid(), cr.HardSigmoid()])
@pytest.mark.parametrize(
    "make", [cr.BinaryCrossEntropy, cr.SoftmaxCrossEntropy, cr.Poisson, cr.Hinge]
)
def test_a_sigmoid_under_a_loss_that_wants_logits_is_refused(
    last: cr.Layer, make: Callable[[], cr.Loss]
) -> None:
    net = cr.Network(3, [cr.Dense(2), last], rng=0)
    with pytest.raises(ValueError, match="wants logits, but the network ends in"):
        check_batch(net, make(), X, np.ones((10, 2)))
    check_batch(net, cr.SquaredError(), X, Y)
