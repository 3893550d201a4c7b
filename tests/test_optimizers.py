"""Optimizers against loops of plain Python floats, and on two surfaces whose minimum is known."""

import math
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support.numeric import Array
from support.tables import OPTIMIZERS

import chainrule as cr

each = pytest.mark.parametrize("name", OPTIMIZERS)
GRADS = [[0.5, -2.0, 0.0], [1.5, -0.1, 0.3], [-0.7, 0.4, 1e-3], [0.2, 0.2, -5.0]]
START = [1.0, -0.5, 2.0]
Path = Iterator[float]


def sgd(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    for g in grads:
        yield -lr * g


def momentum(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    v = 0.0
    for g in grads:
        v = 0.9 * v - lr * g
        yield v


def nesterov(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    v = 0.0
    for g in grads:
        v = 0.9 * v - lr * g
        yield 0.9 * v - lr * g


def adagrad(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    for i, g in enumerate(grads):
        yield -lr * g / (math.sqrt(sum(h * h for h in grads[: i + 1])) + 1e-8)


def rmsprop(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    for i, g in enumerate(grads):
        s = sum(0.1 * 0.9 ** (i - j) * h * h for j, h in enumerate(grads[: i + 1]))
        yield -lr * g / (math.sqrt(s) + 1e-8)


def adam(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    """The moments as the weighted means that they are, the weights summing to 1."""
    for i in range(len(grads)):
        seen = grads[: i + 1]
        first = [0.9 ** (i - j) for j in range(i + 1)]
        second = [0.999 ** (i - j) for j in range(i + 1)]
        m = sum(w * g for w, g in zip(first, seen, strict=True)) / sum(first)
        v = sum(w * g * g for w, g in zip(second, seen, strict=True)) / sum(second)
        yield -lr * m / (math.sqrt(v) + 1e-8)


def adamhat(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    """Adam with an epsilon that grows: that of a mean of weights which do not sum to 1 yet."""
    for i in range(len(grads)):
        m = sum(0.1 * 0.9 ** (i - j) * g for j, g in enumerate(grads[: i + 1]))
        v = sum(0.001 * 0.999 ** (i - j) * g * g for j, g in enumerate(grads[: i + 1]))
        a, b = 1 - 0.9 ** (i + 1), 1 - 0.999 ** (i + 1)
        yield -lr * (m / a) / (math.sqrt(v / b) + 1e-8 / math.sqrt(b))


def adamw(grads: list[float], theta: float, lr: float, decay: float) -> Path:
    for delta in adam(grads, theta, lr, decay):
        delta -= lr * decay * theta
        theta += delta
        yield delta


LOOPS: dict[str, Callable[[list[float], float, float, float], Path]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamhat": adamhat,
    "adamw": adamw,
}


def run(name: str, lr: float | Array, decay: float | Array) -> Array:
    """The change of theta at each step (steps, 3)."""
    optimizer, theta = OPTIMIZERS[name], np.array(START)
    state, deltas = optimizer.init(theta), []
    for grad in GRADS:
        deltas.append(optimizer.update(np.array(grad), state, theta, lr, decay))
        theta = theta + deltas[-1]
    return np.array(deltas)


def by_loop(name: str, lr: list[float], decay: list[float]) -> Array:
    columns = [
        list(LOOPS[name]([grad[i] for grad in GRADS], START[i], lr[i], decay[i])) for i in range(3)
    ]
    return np.array(columns).T


def test_every_optimizer_has_a_loop() -> None:
    assert set(LOOPS) == set(OPTIMIZERS)


@each
def test_steps_are_those_of_the_loop(name: str) -> None:
    wanted = by_loop(name, [0.1] * 3, [0.02] * 3)
    np.testing.assert_allclose(run(name, 0.1, 0.02), wanted, rtol=1e-11, atol=1e-15)


@each
def test_learning_rate_and_decay_may_be_vectors(name: str) -> None:
    lr, decay = [0.1, 0.0, 0.7], [0.0, 0.5, 0.02]
    got = run(name, np.array(lr), np.array(decay))
    np.testing.assert_allclose(got, by_loop(name, lr, decay), rtol=1e-11, atol=1e-15)
    assert not got[:, 1].any()


@pytest.mark.parametrize(
    ("optimizer", "grads", "wanted"),
    [
        (cr.SGD(), [1, 2, -4], [-0.5, -1.0, 2.0]),
        (cr.Momentum(0.5), [1, 2, -4], [-0.5, -1.25, 1.375]),
        (cr.Nesterov(0.5), [1, 2, -4], [-0.75, -1.625, 2.6875]),
        (cr.AdaGrad(epsilon=0.0), [3, 4, 12], [-0.5, -0.4, -6 / 13]),
        (cr.RMSProp(rho=0.75, epsilon=0.0), [2, 1, 0], [-1.0, -0.5, 0.0]),
        (cr.RMSProp(rho=0.75, epsilon=1.0), [2, 0, 4], [-0.5, 0.0, -2 / (1 + 4.5625**0.5)]),
        (cr.Adam(beta1=0.5, beta2=0.5, epsilon=0.0), [1, 1, 1], [-0.5, -0.5, -0.5]),
        (cr.Adam(beta1=0.5, beta2=0.5, epsilon=0.0), [2, -1], [-0.5, 0.0]),
        (cr.Adam(beta1=0.0, beta2=0.0, epsilon=1.0), [3, -1], [-0.375, 0.25]),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, cr.Optimizer) else "",
)
def test_by_hand_at_learning_rate_one_half(
    optimizer: cr.Optimizer, grads: list[float], wanted: list[float]
) -> None:
    theta = np.zeros(1)
    state = optimizer.init(theta)
    got = [float(optimizer.update(np.array([g], float), state, theta, 0.5)[0]) for g in grads]
    assert got == pytest.approx(wanted, rel=1e-14, abs=1e-15)


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_contract(name: str, dtype: type) -> None:
    optimizer, theta, grad = OPTIMIZERS[name], np.ones(4, dtype), np.full(4, 0.5, dtype)
    theta.flags.writeable = grad.flags.writeable = False
    state = optimizer.init(theta)
    places = {key: value.ctypes.data for key, value in state.items()}
    lr = np.full(4, 0.1, dtype)
    first = optimizer.update(grad, state, theta, lr, np.zeros(4, dtype))
    kept = first.copy()
    second = optimizer.update(grad, state, theta, 0.1)
    for delta in (first, second):
        assert delta.shape == (4,)
        assert delta.dtype == dtype
        assert np.isfinite(delta).all()
        assert (delta < 0).all()
        assert not any(np.shares_memory(delta, value) for value in state.values())
    assert np.array_equal(first, kept)
    assert {key: value.ctypes.data for key, value in state.items()} == places
    assert {value.dtype for key, value in state.items() if key != "t"} <= {np.dtype(dtype)}
    assert all(np.isfinite(value).all() for value in state.values())


@each
def test_no_gradient_moves_nothing_but_by_decay(name: str) -> None:
    optimizer, theta = OPTIMIZERS[name], np.array(START)
    delta = optimizer.update(np.zeros(3), optimizer.init(theta), theta, 0.1, 0.5)
    wanted = -0.05 * theta if name == "adamw" else np.zeros(3)
    np.testing.assert_allclose(delta, wanted, rtol=1e-15)


def test_first_step_of_adam_is_the_learning_rate() -> None:
    grad = np.array([1e-3, -4.0, 2e5])
    delta = cr.Adam().update(grad, cr.Adam().init(grad), grad, 0.01)
    np.testing.assert_allclose(delta, -0.01 * np.sign(grad), rtol=1e-4)


def test_adamw_offers_its_decay_and_others_none() -> None:
    schedule = cr.Cosine(0.3)
    assert cr.AdamW(weight_decay=schedule).decay is schedule
    assert {n: o.decay for n, o in OPTIMIZERS.items() if o.decay} == {"adamw": 0.01}


def test_an_optimizer_without_update_says_what_to_define() -> None:
    with pytest.raises(TypeError, match="define update"):
        cr.Optimizer().update(np.ones(1), {}, np.ones(1), 0.1)


def quadratic(theta: Array) -> Array:
    """Gradient of ½ (x² + 10 y²) around (1, -2)."""
    return np.array([1.0, 10.0]) * (theta - np.array([1.0, -2.0]))


def rosenbrock(theta: Array) -> Array:
    """Gradient of (1 - x)² + 100 (y - x²)², whose minimum is at (1, 1)."""
    x, y = theta
    return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


@pytest.mark.parametrize(
    ("name", "lr", "steps", "lr_rosenbrock", "steps_rosenbrock"),
    [
        ("sgd", 0.1, 300, 1.8e-3, 25_000),
        ("momentum", 0.05, 400, 3e-4, 15_000),
        ("nesterov", 0.05, 400, 3e-4, 15_000),
        ("adagrad", 1.0, 400, 2.0, 12_000),
        ("rmsprop", 0.1, 400, 0.01, 12_000),
        ("adam", 0.3, 400, 0.02, 12_000),
        ("adamhat", 0.3, 400, 0.02, 12_000),
        ("adamw", 0.3, 400, 0.02, 12_000),
    ],
)
def test_reaches_the_minimum(
    name: str, lr: float, steps: int, lr_rosenbrock: float, steps_rosenbrock: int
) -> None:
    """The rate falls along a cosine, without which Adam and RMSProp never settle."""
    for slope, target, rate, count in (
        (quadratic, [1.0, -2.0], lr, steps),
        (rosenbrock, [1.0, 1.0], lr_rosenbrock, steps_rosenbrock),
    ):
        theta, schedule = np.array([-1.0, 1.0]), cr.Cosine(rate)
        state = OPTIMIZERS[name].init(theta)
        for step in range(count):
            at = schedule.at(step, count)
            theta = theta + OPTIMIZERS[name].update(slope(theta), state, theta, at, 0.0)
        assert theta.tolist() == pytest.approx(target, abs=2e-3)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (
            lambda: cr.Momentum(beta=1.0),
            "Momentum beta is 1.0: it must be a number of at least 0 and below 1",
        ),
        (lambda: cr.Nesterov(beta=-0.1), "Nesterov beta is -0.1"),
        (lambda: cr.AdaGrad(epsilon=-1e-8), "AdaGrad epsilon is -1e-08"),
        (lambda: cr.RMSProp(rho=2.0), "RMSProp rho is 2.0"),
        (lambda: cr.Adam(beta2=1.0), "Adam beta2 is 1.0"),
        (lambda: cr.Adam(epsilon=float("nan")), "Adam epsilon is nan"),
        (lambda: cr.AdamW(weight_decay=-1.0), "AdamW weight_decay is -1.0"),
        (lambda: cr.BatchNorm(momentum=1.0), "BatchNorm momentum is 1.0"),
        (lambda: cr.LayerNorm(epsilon=-1.0), "LayerNorm epsilon is -1.0"),
    ],
)
def test_settings_beyond_their_limits(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        make()


def test_adamw_decays_by_itself_unless_the_step_says_how_much() -> None:
    theta, still = np.array([2.0, -4.0]), np.zeros(2)
    for decay in (0.5, cr.Cosine(0.5)):
        adamw = cr.AdamW(weight_decay=decay)
        own = adamw.update(still, adamw.init(theta), theta, 0.1)
        np.testing.assert_allclose(own, [-0.1, 0.2], rtol=1e-15)
        told = adamw.update(still, adamw.init(theta), theta, 0.1, decay=np.array([0.0, 1.0]))
        np.testing.assert_allclose(told, [0.0, 0.4], rtol=1e-15)


@pytest.mark.parametrize("make", [cr.SGD, cr.Adam, cr.AdamW, cr.RMSProp, cr.AdaGrad])
def test_a_learning_rate_is_not_taken_for_another_setting(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="positional"):
        make(0.001)
