"""Layers by hand: what forward computes, what backward returns, and the few that keep numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.numeric import Array
from support.tables import LAYER_VARIANTS, LAYERS

import chainrule as cr
from chainrule.core.contracts import compare_gradients
from chainrule.core.layers import prefixed, within

X = np.array([[1.0, -2.0], [3.0, 4.0], [-5.0, 0.0]])
SMOOTH = ("sigmoid", "tanh", "gelu", "silu", "mish", "softplus", "dense", "layer_norm", "residual")


def test_dense_by_hand() -> None:
    net = cr.Network(2, [cr.Dense(2)], rng=0)
    net["0.W"], net["0.b"] = [[1, 2], [3, 4]], [10, 20]
    Z, caches = net.forward(X)
    assert Z.tolist() == [[5, 14], [25, 42], [5, 10]]
    assert caches[0]["Z"] is Z
    dZ = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    dX, grad = net.backward(caches, dZ)
    assert dX.tolist() == [[1, 3], [2, 4], [0, 2]]
    assert net.views(grad)["0.W"].tolist() == [[-9, 8], [-2, 4]]
    assert net.views(grad)["0.b"].tolist() == [3, 0]


def test_dense_without_bias_has_none() -> None:
    net = cr.Network(2, [cr.Dense(3, bias=False, init=1.0)], rng=0)
    assert net.shapes == {"0.W": (2, 3)}
    assert net.predict(X)[:, 0].tolist() == X.sum(axis=1).tolist()


def batch_norm(train: bool) -> tuple[cr.Network, Array, list[dict[str, Array]]]:
    net = cr.Network(2, [cr.BatchNorm(momentum=0.8, epsilon=0.5)], rng=0)
    net["0.gamma"], net["0.beta"] = [2.0, 3.0], [0.1, 0.2]
    net["0.mean"], net["0.var"] = [1.0, 2.0], [3.5, 8.5]
    Y, caches = net.forward(X, train=train)
    return net, Y, caches


def test_batch_norm_by_hand() -> None:
    net, Y, caches = batch_norm(train=True)
    for j, (gamma, beta) in enumerate(((2.0, 0.1), (3.0, 0.2))):
        column = X[:, j].tolist()
        mean = sum(column) / 3
        var = sum((x - mean) ** 2 for x in column) / 3
        wanted = [gamma * (x - mean) / (var + 0.5) ** 0.5 + beta for x in column]
        np.testing.assert_allclose(Y[:, j], wanted, rtol=1e-14)
        net.absorb(caches)
        assert net["0.mean"][j] == pytest.approx(0.8 * [1.0, 2.0][j] + 0.2 * mean, rel=1e-14)
        assert net["0.var"][j] == pytest.approx(0.8 * [3.5, 8.5][j] + 0.2 * var * 1.5, rel=1e-14)
        net.buffers = [1.0, 2.0, 3.5, 8.5]


def test_batch_norm_predicts_from_its_running_statistics() -> None:
    net, Y, _ = batch_norm(train=False)
    np.testing.assert_allclose(Y[:, 0], 2.0 * (X[:, 0] - 1.0) / 2.0 + 0.1, rtol=1e-15)
    np.testing.assert_allclose(Y[:, 1], 3.0 * (X[:, 1] - 2.0) / 3.0 + 0.2, rtol=1e-15)
    alone = np.concatenate([net.predict(X[i : i + 1]) for i in range(3)])
    assert np.array_equal(alone, Y)


def test_batch_norm_of_one_row_absorbs_nothing() -> None:
    net, _, _ = batch_norm(train=False)
    before = net.buffers.copy()
    Y, caches = net.forward(X[:1], train=True)
    net.absorb(caches)
    np.testing.assert_allclose(Y, [[0.1, 0.2]])
    assert np.array_equal(net.buffers, before)


def test_running_statistics_come_to_those_of_the_data(rng: np.random.Generator) -> None:
    data = rng.normal(3.0, 2.0, size=(400, 2))
    net = cr.Network(2, [cr.BatchNorm()], rng=0)
    for _ in range(300):
        _, caches = net.forward(data, train=True)
        net.absorb(caches)
    np.testing.assert_allclose(net["0.mean"], data.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(net["0.var"], data.var(axis=0, ddof=1), rtol=1e-10)


def test_layer_norm_by_hand() -> None:
    net = cr.Network(2, [cr.LayerNorm(epsilon=0.75)], rng=0)
    net["0.gamma"], net["0.beta"] = [2.0, 3.0], [0.1, 0.2]
    for i, (a, b) in enumerate(X.tolist()):
        mean, var = (a + b) / 2, ((a - b) / 2) ** 2
        wanted = [2 * (a - mean) / (var + 0.75) ** 0.5 + 0.1, 3 * (b - mean) / (var + 0.75) ** 0.5]
        np.testing.assert_allclose(net.predict(X)[i], [wanted[0], wanted[1] + 0.2], rtol=1e-14)


def test_dropout_by_hand() -> None:
    net = cr.Network(2, [cr.Dropout(0.75)], rng=0)
    Y, caches = net.forward(X, train=True, rng=np.random.default_rng(3))
    kept = np.random.default_rng(3).random((3, 2)) >= 0.75
    assert np.array_equal(Y, np.where(kept, X * 4.0, 0.0))
    dX, grad = net.backward(caches, np.ones((3, 2)))
    assert np.array_equal(dX, np.where(kept, 4.0, 0.0))
    assert grad.size == 0


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate: float, rng: np.random.Generator) -> None:
    net = cr.Network(1000, [cr.Dropout(rate)], rng=0)
    ones = np.ones((400, 1000))
    Y, caches = net.forward(ones, train=True, rng=rng)
    spread = (rate / (1 - rate) / ones.size) ** 0.5  # of the mean of so many numbers
    assert abs(Y.mean() - 1) <= 5 * spread
    assert abs((caches[0]["M"] == 0).mean() - rate) <= 5 * (rate * (1 - rate) / ones.size) ** 0.5
    assert np.array_equal(net.predict(ones), ones)


def test_dropout_draws_the_same_bits_in_both_dtypes() -> None:
    masks = []
    for dtype in (np.float64, np.float32):
        net = cr.Network(5, [cr.Dropout(0.4)], rng=0, dtype=dtype)
        rng = np.random.default_rng(1)
        _, caches = net.forward(np.ones((7, 5)), train=True, rng=rng)
        masks.append((caches[0]["M"] > 0, rng.random()))
        assert caches[0]["M"].dtype == dtype
    assert np.array_equal(masks[0][0], masks[1][0])
    assert masks[0][1] == masks[1][1]


def test_dropout_without_rng_says_what_to_pass() -> None:
    with pytest.raises(ValueError, match="Dropout draws random numbers when it trains: pass rng="):
        cr.Network(1, [cr.Dropout()], rng=0).forward([[1.0]], train=True)


def test_temperature_by_hand() -> None:
    net = cr.Network(2, [cr.Temperature(2.0)], rng=0)
    assert (net.theta.size, net["0.T"].tolist()) == (0, [2.0])
    X = np.array([[1.0, -4.0], [0.0, 3.0]])
    Z, caches = net.forward(X)
    assert Z.tolist() == [[0.5, -2.0], [0.0, 1.5]]
    dX, grad = net.backward(caches, np.array([[1.0, 2.0], [-6.0, 0.0]]))
    assert dX.tolist() == [[0.5, 1.0], [-3.0, 0.0]]
    assert grad.size == 0


def test_a_temperature_keeps_the_order_and_training_leaves_it_alone() -> None:
    net = cr.Network(2, [cr.Dense(3), cr.Temperature()], rng=0)
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3
    cold = net.copy()
    cold["1.T"] = [0.25]
    np.testing.assert_allclose(cold.predict(X), 4.0 * net.predict(X))
    assert (cold.predict(X).argmax(axis=1) == net.predict(X).argmax(axis=1)).all()
    before = cold["0.W"].copy()
    how: dict[str, Any] = {"epochs": 3, "lr": 0.1, "rng": 0}
    list(cr.train(cold, cr.SoftmaxCrossEntropy(), cr.AdamW(), X, y, **how))
    assert cold["1.T"].tolist() == [0.25]
    assert not np.array_equal(cold["0.W"], before)


def test_residual_by_hand() -> None:
    branch = (cr.Dense(2, init=1.0), cr.ReLU(), cr.Dense(2, init=0.5))
    net = cr.Network(2, [cr.Residual(branch)], rng=0)
    Y, caches = net.forward(X)
    hidden = np.maximum(X.sum(axis=1), 0.0)
    np.testing.assert_allclose(Y, X + hidden[:, None])
    assert {"0.X", "0.Z", "1.Z", "1.A", "2.Z", "F"} <= set(caches[0])
    np.testing.assert_allclose(caches[0]["F"], Y - X)
    dX, _ = net.backward(caches, np.ones((3, 2)))
    np.testing.assert_allclose(dX, [[1, 1], [3, 3], [1, 1]])


def test_nested_names_carry_every_place() -> None:
    block = cr.Residual((cr.Dense(3), cr.Residual((cr.BatchNorm(), cr.Dropout(0.1)))))
    net = cr.Network(2, [cr.Dense(3), cr.ReLU(), cr.Tanh(), block], rng=0)
    assert list(net.shapes) == ["0.W", "0.b", "3.0.W", "3.0.b", "3.1.0.gamma", "3.1.0.beta"]
    assert list(net.buffer_shapes) == ["3.1.0.mean", "3.1.0.var", "3.1.1.rate"]
    assert net["3.0.W"].shape == (3, 3)
    assert net["3.1.1.rate"] == 0.1
    Z, caches = net.forward(X, train=True, rng=np.random.default_rng(0))
    net["3.1.0.mean"] = before = np.array([1.0, 2.0, 3.0])
    net.absorb(caches)
    np.testing.assert_allclose(net["3.1.0.mean"], 0.9 * before + 0.1 * caches[3]["1.0.mean"])
    _, grad = net.backward(caches, np.ones_like(Z))
    assert all(view.any() for name, view in net.views(grad).items() if name != "3.0.b")


def test_names_of_layer_1_and_11_are_not_confused() -> None:
    layers = [cr.Dense(1, init=float(i)) for i in range(12)]
    net = cr.Network(1, layers, rng=0)
    assert [float(net[f"{i}.W"][0, 0]) for i in range(12)] == list(range(12))
    assert within({"1.W": 1, "11.W": 2}, "1.") == {"W": 1}
    assert prefixed("11.", {"W": 1}) == {"11.W": 1}


@pytest.mark.parametrize(
    ("layer", "random"),
    [
        (cr.Dropout(), True),
        (cr.Dense(2), False),
        (cr.Residual((cr.Residual((cr.Dropout(),)),)), True),
        (cr.Residual((cr.Tanh(),)), False),
    ],
)
def test_layers_say_whether_they_draw(layer: cr.Layer, random: bool) -> None:
    assert layer.random is random


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: cr.Dense(0), "Dense n is 0: it must be a whole number"),
        (lambda: cr.Dense(2.0), "Dense n is 2.0"),
        (lambda: cr.Dense(True), "Dense n is True"),
        (lambda: cr.Dropout(1.0), "rate is 1.0: it must be at least 0 and below 1"),
        (lambda: cr.Dropout(-0.1), "rate is -0.1"),
        (lambda: cr.Dropout(float("nan")), "rate is nan"),
        (lambda: cr.Dropout(cr.Constant(1.5)), "rate is 1.5"),
        (lambda: cr.Residual(()), "Residual got no layers"),
        (lambda: cr.Residual((3,)), "Residual got 3: give layers"),
        (lambda: cr.Average(()), "Average got no member"),
        (lambda: cr.Average(((cr.Tanh(),), ())), "Average got no member, or one without layers"),
        (lambda: cr.Average(((cr.Tanh(), "x"),)), "Average got 'x': give layers"),
        (lambda: cr.ParametricActivation("reluu"), "activation is 'reluu': use one of identity"),
        (lambda: cr.ParametricActivation(["relu"]), "activation is .'relu'.: use one of"),
        (lambda: cr.ParametricActivation(start=math.nan), "start is nan"),
        (lambda: cr.CosineEmbedding(columns=(True,)), "columns is .True,.: give numbers from 0 up"),
        (lambda: cr.CosineEmbedding(columns=(1, 1)), "columns is .1, 1.: give numbers from 0 up"),
        (
            lambda: cr.CategoryEmbedding([(1, 2, 3)]),
            "groups is .* give .start, stop. of the columns",
        ),
        (lambda: cr.CategoryEmbedding(((0, 2), (1, 3))), "in order, without overlap"),
        (lambda: cr.CategoryEmbedding(((0.5, 2),)), "groups is"),
        (lambda: cr.Network(2, [cr.Residual((cr.Dense(3),))]), "input of 2 columns to a branch of"),
    ],
)
def test_bad_settings_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize("layer", (LAYERS | LAYER_VARIANTS).values(), ids=LAYERS | LAYER_VARIANTS)
def test_layers_hold_settings_and_no_numbers(layer: cr.Layer) -> None:
    with pytest.raises(AttributeError):
        layer.extra = 1
    before = repr(layer)
    net = cr.Network(3, [layer], rng=0)
    net.forward(np.ones((2, 3)), train=True, rng=np.random.default_rng(0))
    assert repr(layer) == before
    assert hash(layer) == hash(layer)


@pytest.mark.parametrize("name", SMOOTH)
def test_no_point_of_a_smooth_layer_is_taken_for_a_kink(name: str) -> None:
    net = cr.Network(3, [LAYERS[name]], rng=0)
    inputs = np.random.default_rng(1).normal(size=(4, 3))
    Z, caches = net.forward(inputs, train=True)
    dX, _ = net.backward(caches, np.cos(Z))
    flat = inputs.reshape(-1)

    def f() -> float:
        return float(np.sin(net.forward(inputs, train=True)[0]).sum())

    assert compare_gradients(f, flat, dX.ravel(), range(flat.size), name) == flat.size


def test_a_layer_without_forward_or_backward_says_what_to_define() -> None:
    with pytest.raises(TypeError, match="define forward"):
        cr.Layer().forward({}, X)
    with pytest.raises(TypeError, match="define backward"):
        cr.Layer().backward({}, {}, X)
