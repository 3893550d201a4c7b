"""What a network shows on some rows: dead and saturated units, ranges, gradients, start."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.broken_cases import SQ

import chainrule as cr
from chainrule.core.activation_layers import ACTIVATIONS
from chainrule.core.elementwise_layer import ElementwiseLayer
from chainrule.core.epoch import Batch
from chainrule.diagnosing.symptoms import (
    bounded,
    flow,
    output_range,
    relus,
    twins,
    weight_ratio,
)

TWO_ROWS = np.array([[1.0, 2.0], [-1.0, 0.5]])


def test_dead_units_and_copies_by_hand() -> None:
    net = cr.Network.mlp([2, 4, 1], rng=0)
    net["0.W"] = np.array([[1.0, 1.0, -1.0, 0.0], [0.0, 0.0, -1.0, 0.0]])
    net["0.b"] = np.array([0.0, 0.0, -9.0, -1.0])
    net["2.W"] = np.array([[1.0], [1.0], [2.0], [3.0]])
    assert [(a.name, a.layer, a.dead) for a in relus(net, TWO_ROWS)] == [("1", cr.ReLU(), 0.5)]
    assert twins(net) == [(0, 4, 3)]


def test_saturated_outputs_by_hand() -> None:
    sigmoid = cr.Network.mlp([2, 2, 1], "sigmoid", rng=0)
    sigmoid["0.W"] = np.array([[0.0, 50.0], [0.0, 0.0]])
    assert [(a.name, a.saturated) for a in bounded(sigmoid, TWO_ROWS)] == [("1", 0.5)]


@dataclass(frozen=True)
class Own(ElementwiseLayer):
    """A = 3 Z / √(1 + Z²), bounded by ±3."""

    def values(self, Z: Any) -> Any:
        return 3 * Z / np.sqrt(1 + Z**2)

    def slopes(self, Z: Any, A: Any) -> Any:
        return 3 / (1 + Z**2) ** 1.5


def test_an_activation_of_your_own_can_be_saturated() -> None:
    net = cr.Network(2, [cr.Dense(2), Own(), cr.Dense(1)], rng=0)
    net["0.W"] = np.array([[0.0, 50.0], [0.0, 0.0]])
    assert [(a.name, a.saturated) for a in bounded(net, TWO_ROWS)] == [("1", 0.5)]


RANGES = {
    "identity": (-np.inf, np.inf), "step": (0.0, 1.0), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0),
    "relu": (0.0, np.inf), "leaky_relu": (-np.inf, np.inf), "elu": (-1.0, np.inf),
    "selu": (-1.758099, np.inf), "gelu": (-0.169971, np.inf), "silu": (-0.278465, np.inf),
    "mish": (-0.308841, np.inf), "softplus": (0.0, np.inf), "softsign": (-1.0, 1.0),
    "hard_sigmoid": (0.0, 1.0), "hard_tanh": (-1.0, 1.0),
}  # fmt: skip


@dataclass(frozen=True)
class Slow(ElementwiseLayer):
    """A = asinh Z, which grows without end, but slowly."""

    def values(self, Z: Any) -> Any:
        return np.arcsinh(Z)

    def slopes(self, Z: Any, A: Any) -> Any:
        return 1 / np.sqrt(1 + Z**2)


def test_an_activation_that_grows_slowly_is_not_bounded() -> None:
    assert output_range(Slow()) == (-np.inf, np.inf)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_range_of_an_activation_is_measured(name: str) -> None:
    assert output_range(ACTIVATIONS[name]()) == pytest.approx(RANGES[name], abs=1e-4)


def test_weights_of_the_default_start_have_the_ratio_1() -> None:
    ratio = weight_ratio(cr.Network.mlp([200, 300, 100], "tanh", rng=0))
    assert ratio == pytest.approx(1, abs=0.02)


def test_gradient_factor_of_a_linear_chain() -> None:
    net = cr.Network(1, [cr.Dense(1), cr.Identity(), cr.Dense(1), cr.Identity(), cr.Dense(1)])
    net["2.W"], net["4.W"] = [[0.5]], [[0.5]]
    batch = Batch(np.ones((3, 1)), np.zeros(3) - 5)
    gradients = flow(net, SQ, batch)
    assert gradients is not None
    assert gradients.factor == pytest.approx(0.5)
    assert gradients.total == pytest.approx(0.25)
