"""Activations against the textbook formula in plain Python floats, their slopes against
differences, and both ends of the number line.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.activation_layers import ACTIVATIONS
from chainrule.core.activations import (
    log_sum_exp,
    normal_cdf,
    sigmoid,
    softmax,
    softplus,
)
from chainrule.core.elementwise_layer import ElementwiseLayer

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
FORMULAS: dict[str, Callable[[float], float]] = {
    "identity": lambda z: z,
    "step": lambda z: 1.0 if z > 0 else 0.0,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "selu": lambda z: SCALE * (z if z > 0 else ALPHA * (math.exp(z) - 1)),
    "gelu": lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2))),
    "silu": lambda z: z / (1 + math.exp(-z)),
    "mish": lambda z: z * math.tanh(math.log(1 + math.exp(z))),
    "softplus": lambda z: math.log(1 + math.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "hard_sigmoid": lambda z: min(max(z / 6 + 0.5, 0.0), 1.0),
    "hard_tanh": lambda z: min(max(z, -1.0), 1.0),
}
GRID = [-9.7, -4.2, -2.9, -1.3, -0.8, -0.01, 0.0, 0.02, 0.6, 0.9, 1.7, 2.95, 3.05, 8.1]
LAYERS = [activation() for activation in ACTIVATIONS.values()]


def test_every_activation_has_a_formula() -> None:
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("layer", LAYERS, ids=list(ACTIVATIONS))
def test_function_is_the_formula(layer: ElementwiseLayer) -> None:
    Z = np.array([GRID])
    wanted = [FORMULAS[layer.name](z) for z in GRID]
    np.testing.assert_allclose(layer.values(Z)[0], wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("layer", LAYERS, ids=list(ACTIVATIONS))
def test_slope_is_the_derivative(layer: ElementwiseLayer) -> None:
    h = 1e-4
    corners = [*layer.kinks, 0.0] if layer.name in ("softsign", "elu") else layer.kinks  # of f′ too
    for z in (z for z in GRID if all(abs(z - corner) > 3 * h for corner in corners)):
        f, Z = FORMULAS[layer.name], np.array([[z]])
        wide, near = f(z + 2 * h) - f(z - 2 * h), f(z + h) - f(z - h)
        numeric = (8 * near - wide) / (12 * h)
        slope = layer.slopes(Z, layer.values(Z))[0, 0]
        assert slope == pytest.approx(numeric, rel=1e-9, abs=1e-10), z


@pytest.mark.parametrize("layer", LAYERS, ids=list(ACTIVATIONS))
def test_kinks_are_where_the_slope_or_the_value_jumps(layer: ElementwiseLayer) -> None:
    def slope(z: float) -> float:
        Z = np.array([z])
        return float(layer.slopes(Z, layer.values(Z))[0])

    def value(z: float) -> float:
        return float(layer.values(np.array([z]))[0])

    def jumps(z: float) -> bool:
        return max(abs(f(z + 1e-9) - f(z - 1e-9)) for f in (slope, value)) > 1e-3

    places = {z / 2 for z in range(-8, 9)}
    assert {z for z in places if jumps(z)} == set(layer.kinks)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layer", LAYERS, ids=list(ACTIVATIONS))
def test_far_ends_are_finite_and_keep_the_dtype(layer: ElementwiseLayer, dtype: type) -> None:
    top = 1e300 if dtype is np.float64 else 1e37
    Z = np.array([[-top, -1000, -89, -40, 0, 40, 89, 1000, top]], dtype)
    A = layer.values(Z)
    S = layer.slopes(Z, A)
    assert A.dtype == S.dtype == dtype
    assert A.shape == S.shape == Z.shape
    assert np.isfinite(A).all()
    assert np.isfinite(S).all()
    assert not np.shares_memory(A, Z)


@pytest.mark.parametrize("layer", LAYERS, ids=list(ACTIVATIONS))
def test_no_rows_give_no_rows(layer: ElementwiseLayer) -> None:
    Z = np.zeros((0, 3))
    A = layer.values(Z)
    assert A.shape == layer.slopes(Z, A).shape == (0, 3)
    assert A.dtype == np.float64


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (softplus(np.array([40.0])), 40.0),
        (softplus(np.array([-745.0])), 5e-324),
        (softplus(np.array([0.0])), math.log(2)),
        (sigmoid(np.array([0.0])), 0.5),
        (sigmoid(np.array([-700.0])), math.exp(-700)),
        (sigmoid(np.array([800.0])), 1.0),
        (log_sum_exp(np.array([[1e4, 1e4]])), 1e4 + math.log(2)),
        (log_sum_exp(np.array([[-1e4, -1e4, -1e4]])), -1e4 + math.log(3)),
        (normal_cdf(np.array([-38.0])), 0.5 * math.erfc(38 / math.sqrt(2))),
        (normal_cdf(np.array([0.0])), 0.5),
    ],
)
def test_no_digit_is_lost_at_the_ends(got: np.ndarray, wanted: float) -> None:
    assert got.ravel().tolist() == pytest.approx([wanted], rel=1e-15, abs=0)


def test_softmax_rows_are_probabilities(rng: np.random.Generator) -> None:
    Z = np.r_[rng.normal(size=(4, 3)), [[1e4, 0, -1e4]], [[7, 7, 7]]]
    P = softmax(Z)
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(P, softmax(Z + 100.0), rtol=1e-12)
    assert P[4].tolist() == [1.0, 0.0, 0.0]
    assert P[5].tolist() == [1 / 3] * 3
    for z, p in zip(Z[:4], P, strict=False):
        total = sum(math.exp(v) for v in z)
        np.testing.assert_allclose(p, [math.exp(v) / total for v in z], rtol=1e-14)


def test_alpha_is_what_z_is_multiplied_by_below_zero() -> None:
    Z = np.array([[-2.0, 0.0, 3.0]])
    A = cr.LeakyReLU(0.2).values(Z)
    assert A.tolist() == [[-0.4, 0.0, 3.0]]
    assert cr.LeakyReLU(0.2).slopes(Z, A).tolist() == [[0.2, 0.2, 1.0]]
    A = cr.ELU(0.5).values(Z)
    assert A.tolist() == [[0.5 * math.expm1(-2.0), 0.0, 3.0]]
    assert cr.ELU(0.5).slopes(Z, A).tolist() == [[0.5 * math.expm1(-2.0) + 0.5, 0.5, 1.0]]


@pytest.mark.parametrize(
    ("layer", "same"),
    [*[(layer, layer) for layer in LAYERS], (cr.PReLU(0.3), cr.LeakyReLU(0.3))],
    ids=lambda layer: type(layer).__name__,
)
def test_a_network_multiplies_by_the_slope(layer: cr.Layer, same: ElementwiseLayer) -> None:
    """PReLU starts as a leaky ReLU."""
    Z = np.array(GRID)[:, None]
    net = cr.Network(1, [layer], rng=0)
    A, caches = net.forward(Z)
    np.testing.assert_array_equal(A, same.values(Z))
    dX, _ = net.backward(caches, np.full_like(A, 2.0))
    np.testing.assert_array_equal(dX, 2.0 * same.slopes(Z, A))


def test_prelu_learns_its_slope() -> None:
    net = cr.Network(2, [cr.PReLU(0.5)], rng=0)
    Z = np.array([[-2.0, 3.0], [-4.0, -1.0]])
    A, caches = net.forward(Z)
    assert A.tolist() == [[-1.0, 3.0], [-2.0, -0.5]]
    dX, grad = net.backward(caches, np.array([[1.0, 10.0], [2.0, 20.0]]))
    assert grad.tolist() == [-2.0 - 8.0, -20.0]
    assert dX.tolist() == [[0.5, 10.0], [1.0, 10.0]]


@pytest.mark.parametrize(("alpha", "kinks"), [(1.0, ()), (0.5, (0.0,))])
def test_elu_has_a_kink_unless_alpha_is_1(alpha: float, kinks: tuple[float, ...]) -> None:
    assert cr.ELU(alpha).kinks == kinks


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"activation is 'rellu': use a layer, such as Tanh\(\), or one of .*relu"
    ):
        cr.Network.mlp([2, 3, 1], "rellu")
