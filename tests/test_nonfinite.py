"""Training stops at the first number that is not finite, names what made it, and keeps theta."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.numeric import Array

import chainrule as cr
from chainrule.core.optimizers import State

X, Y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([1.0, 0.0, 1.0, 0.0])


def linear(w: float, *after: cr.Layer, dtype: type = np.float64) -> cr.Network:
    return cr.Network(1, [cr.Dense(1, init=w), *after], rng=0, dtype=dtype)


@dataclass(frozen=True)
class Jump(cr.SGD):
    """An optimizer whose second step is infinite."""

    def init(self, theta: Array) -> State:
        return {"t": np.zeros(())}

    def update(self, grad: Array, state: State, theta: Array, lr: Any, decay: Any = 0.0) -> Array:
        state["t"] += 1
        return np.full_like(grad, np.inf if state["t"] > 1 else 0.125)


class Steep(cr.Identity):
    def backward(self, p: Any, cache: Any, dY: Array) -> tuple[Array, dict[str, Array]]:
        return dY * np.inf, {}


CASES: dict[str, tuple[Callable[[], cr.Network], cr.Loss, cr.Optimizer, Array, str]] = {
    "dense": (lambda: linear(1e308), cr.SquaredError(), cr.SGD(), X, r'made inf in "0\.Z"'),
    "dense, float32": (
        lambda: linear(3e38, dtype=np.float32),
        cr.SquaredError(),
        cr.SGD(),
        X,
        r'layer 0, Dense\(n=1.*made inf in "0\.Z"',
    ),
    "second dense": (
        lambda: linear(1e200, cr.Dense(1, init=1e200)),
        cr.SquaredError(),
        cr.SGD(),
        X,
        r'layer 1, Dense.* made inf in "1\.Z"',
    ),
    "inner layer": (
        lambda: linear(1e200, cr.Residual((cr.Dense(1, init=1e200),))),
        cr.SquaredError(),
        cr.SGD(),
        X,
        r'layer 1, Residual.* made inf in "1\.0\.Z"',
    ),
    "exp": (
        lambda: linear(400.0),
        cr.Poisson(),
        cr.SGD(),
        X,
        r"the loss Poisson became inf at outputs up to 800 \(exp\(Z\) overflowed\)",
    ),
    "loss": (
        lambda: linear(1e160),
        cr.SquaredError(),
        cr.SGD(),
        X,
        r"the loss SquaredError became inf at outputs up to 2e\+160 \(the sum of its terms",
    ),
    "gradient": (
        lambda: linear(1.0, Steep()),
        cr.AbsoluteError(),
        cr.SGD(),
        X,
        r'the backward pass made (inf|nan) in the gradient of "0\.W"',
    ),
    "update": (
        lambda: linear(1.0),
        cr.AbsoluteError(),
        Jump(),
        X,
        r"the update of theta overflowed at gradients up to",
    ),
    "theta": (lambda: linear(np.nan), cr.SquaredError(), cr.SGD(), X, "theta holds nan before"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_operation_is_named_and_theta_kept(name: str) -> None:
    make, loss, optimizer, inputs, said = CASES[name]
    net = make()
    before = net.theta + (0.125 if name == "update" else 0.0)
    run = cr.train(
        net, loss, optimizer, inputs, Y, epochs=2, batch_size=2, lr=0.1, shuffle=False, rng=0
    )
    with pytest.raises(cr.Diverged, match="^training diverged at epoch 1, step .*" + said) as stop:
        list(run)
    assert np.array_equal(net.theta, before, equal_nan=True)
    assert "\n" not in str(stop.value)
    if name != "theta":
        assert "lower the learning rate" in str(stop.value)


def thetas_until_divergence(net: cr.Network, optimizer: cr.Optimizer, **how: Any) -> list[Array]:
    """theta at the start and after each epoch of a run that ends in Diverged."""
    thetas = [net.theta.copy()]
    run = cr.train(net, cr.SquaredError(), optimizer, X, Y, batch_size=None, rng=0, **how)
    try:
        for _ in run:
            thetas.append(net.theta.copy())
    except cr.Diverged:
        return thetas
    pytest.fail("the run did not diverge")


@pytest.mark.parametrize(("dtype", "lr"), [(np.float64, 1e200), (np.float32, 1e25)])
@pytest.mark.parametrize("optimizer", [cr.SGD(), cr.Momentum(), cr.Adam()])
def test_a_huge_learning_rate_ends_with_a_finite_theta(
    optimizer: cr.Optimizer, dtype: type, lr: float
) -> None:
    net = cr.Network.mlp([1, 8, 8, 1], rng=0, dtype=dtype)
    thetas = thetas_until_divergence(net, optimizer, epochs=500, lr=lr)
    assert np.isfinite(net.theta).all()
    assert np.array_equal(net.theta, thetas[-1])


def test_the_best_epoch_is_put_back_after_divergence() -> None:
    net = linear(0.0)
    thetas = thetas_until_divergence(net, cr.SGD(), epochs=5000, lr=0.2, restore="best")
    assert len(thetas) > 10
    assert np.array_equal(net.theta, thetas[1])


def test_an_overflowing_validation_loss_is_named() -> None:
    net = linear(1.0)
    run = cr.train(
        net, cr.SquaredError(), cr.SGD(), X, Y, epochs=2, lr=1e-9, valid=(X * 1e200, Y), rng=0
    )
    with pytest.raises(cr.Diverged, match="at epoch 1: the validation loss became inf"):
        next(run)


def test_running_statistics_stay_finite() -> None:
    """A variance that overflows gives a finite loss, since H = (X - mean) / inf is 0."""
    net = cr.Network(1, [cr.Dense(1, init=1e180), cr.BatchNorm()], rng=0)
    before = net.buffers.copy()
    with pytest.raises(cr.Diverged, match=r'layer 1, BatchNorm.* made inf in "1\.var"'):
        list(cr.train(net, cr.SquaredError(), cr.SGD(), X, Y, epochs=1, lr=0.1, rng=0))
    assert np.array_equal(net.buffers, before)


def test_a_diverged_run_is_an_arithmetic_error() -> None:
    assert issubclass(cr.Diverged, ArithmeticError)
