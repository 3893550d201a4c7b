"""The penalty by hand, its gradient, and which parameters it leaves alone."""

import numpy as np
import pytest

import chainrule as cr

THETA, FACTOR = np.array([2.0, -3.0, 0.0, 5.0]), np.array([1.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("penalty", "value", "grad"),
    [
        (cr.Penalty(), 0.0, [0, 0, 0, 0]),
        (cr.Penalty(l1=0.5), 2.5, [0.5, -0.5, 0, 0]),
        (cr.Penalty(l2=0.5), 0.25 * 13, [1, -1.5, 0, 0]),
        (cr.Penalty(0.5, 0.5), 2.5 + 0.25 * 13, [1.5, -2, 0, 0]),
    ],
)
def test_by_hand(penalty: cr.Penalty, value: float, grad: list[float]) -> None:
    assert penalty.value(THETA, FACTOR) == value
    assert penalty.grad(THETA, FACTOR).tolist() == grad


def test_gradient_is_that_of_the_value(rng: np.random.Generator) -> None:
    theta, factor, penalty = rng.normal(size=6), rng.uniform(size=6), cr.Penalty(0.3, 0.7)
    grad, h = penalty.grad(theta, factor), 1e-6
    for i, e in enumerate(np.eye(6)):
        numeric = penalty.value(theta + h * e, factor) - penalty.value(theta - h * e, factor)
        assert grad[i] == pytest.approx(numeric / (2 * h), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_keeps_the_dtype_and_theta(dtype: type) -> None:
    theta = THETA.astype(dtype)
    grad = cr.Penalty(0.1, 0.1).grad(theta, FACTOR.astype(dtype))
    assert grad.dtype == dtype
    assert np.array_equal(theta, THETA)


def test_biases_and_gains_are_left_alone() -> None:
    net = cr.Network(2, [cr.Dense(2, init=1.0), cr.BatchNorm(), cr.PReLU(), cr.Dense(1)], rng=0)
    by_name = net.views(cr.Penalty(l2=1.0).grad(np.ones_like(net.theta), net.decay_factor))
    decayed = {name for name, view in by_name.items() if view.any()}
    assert decayed == {"0.W", "3.W"}


@pytest.mark.parametrize("bad", [-0.1, np.inf, np.nan])
@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_bad_strength_is_refused(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={bad}.*must be finite and ≥ 0"):
        cr.Penalty(**{name: bad})
