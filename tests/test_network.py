"""Network: theta and its views, copies, predictions; gradients of random networks."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.forms import read_only
from support.numeric import Array, Point
from support.tables import (
    ACTIVATION_LAYERS,
    LAYERS,
    Targets,
    classes,
    counts,
    numbers,
    probabilities,
    shares,
    yes_no,
)

import chainrule as cr
from chainrule.core.network import make_rng

X = np.array([[1.0, -2.0], [3.0, 4.0], [-5.0, 0.0]])
# loss, its targets for k outputs, the fewest outputs it takes
LOSSES: list[tuple[cr.Loss, Callable[[int], Targets], int]] = [
    (cr.SquaredError(scale=0.5), numbers, 1),
    (cr.AbsoluteError(), numbers, 1),
    (cr.Huber(delta=0.7, reduction="sum"), numbers, 1),
    (cr.Pinball(quantile=0.3), numbers, 1),
    (cr.BinaryCrossEntropy(), shares, 1),
    (cr.SoftmaxCrossEntropy(), classes, 2),
    (cr.SoftmaxCrossEntropy(label_smoothing=0.1), probabilities, 2),
    (cr.Poisson(), counts, 1),
    (cr.Hinge(), yes_no, 1),
]
OTHERS: list[Callable[[int], cr.Layer]] = [
    lambda n: cr.Dropout(0.3),
    lambda n: cr.BatchNorm(),
    lambda n: cr.LayerNorm(),
    lambda n: cr.Residual((cr.Dense(n), cr.Tanh(), cr.Dense(n, bias=False))),
    lambda n: cr.Residual((cr.BatchNorm(), cr.ReLU(), cr.Dropout(0.2), cr.Dense(n))),
]
FACTORS = OTHERS + [lambda n, layer=layer: layer for layer in ACTIVATION_LAYERS.values()]


def test_random_networks_have_the_gradient_of_central_differences() -> None:
    total = np.zeros(3, int)

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        rows=st.integers(1, 7),
        inputs=st.integers(1, 5),
        outputs=st.integers(1, 4),
        hidden=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(FACTORS)), max_size=3),
        loss=st.sampled_from(LOSSES),
        weighted=st.booleans(),
        train=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
    )
    def check(
        rows: int, inputs: int, outputs: int, hidden: list[Any], loss: tuple[Any, Any, int],
        weighted: bool, train: bool, seed: int,
    ) -> None:  # fmt: skip
        rng, k = np.random.default_rng(seed), max(outputs, loss[2])
        pairs = [layer for n, factor in hidden for layer in (cr.Dense(n), factor(n))]
        net = cr.Network(inputs, [*pairs, cr.Dense(k)], rng=rng)
        net.theta = net.theta + rng.uniform(-0.3, 0.3, net.theta.size)
        inputs_, y = rng.normal(size=(rows, inputs)), loss[1](k)(rng, rows)
        weight = rng.uniform(0.2, 2.0, rows) if weighted else None
        compared, kinks = Point(net, loss[0], inputs_, y, weight, train).compare(picks=6)
        total[:] += compared, kinks, 1

    check()
    compared, kinks, examples = total.tolist()
    assert examples >= 200
    assert compared > 2000
    assert kinks < 0.05 * compared


@pytest.mark.parametrize("scale", [1.0, 1.001, -1.0, 0.5])
def test_the_gradient_test_can_fail(scale: float) -> None:
    class Wrong(cr.Dense):
        def backward(self, p: Any, cache: Any, dY: Array) -> tuple[Array, dict[str, Array]]:
            dX, grads = super().backward(p, cache, dY)
            return dX, grads | {"W": grads["W"] * scale}

    net = cr.Network(2, [Wrong(3), cr.ReLU(), cr.Dense(1)], rng=0)
    point = Point(net, cr.SquaredError(), X, np.ones(3))
    if scale == 1.0:
        assert point.compare()[0] > 10
    else:
        with pytest.raises(AssertionError, match="is not one of"):
            point.compare()


def test_a_kink_is_left_out() -> None:
    net = cr.Network(1, [cr.Dense(1, init=1.0), cr.ReLU()], rng=0)
    point = Point(net, cr.SquaredError(), np.zeros((1, 1)), np.ones(1))
    assert point.compare() == (1, 2)  # W is multiplied by 0; X and b lie on the kink
    point.X[...] = 0.5
    assert point.compare() == (3, 0)


def test_views_are_views_into_one_vector() -> None:
    net = cr.Network.mlp([2, 3, 1], rng=0)
    assert net.shapes == {"0.W": (2, 3), "0.b": (3,), "2.W": (3, 1), "2.b": (1,)}
    assert net.theta.shape == (13,)
    for name in net.shapes:
        assert np.shares_memory(net[name], net.theta)
    net["0.b"] = [1, 2, 3]
    assert net.theta[6:9].tolist() == [1, 2, 3]
    kept = net.theta
    net.theta = np.arange(13)
    assert net.theta is kept
    assert net["2.W"].ravel().tolist() == [9, 10, 11]
    assert net["0.W"].tolist() == [[0, 1, 2], [3, 4, 5]]
    source = np.ones(13)
    net.theta = source
    source[...] = 5.0
    assert (net.theta == 1.0).all()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda net: net["4.W"], KeyError, "'4.W' names nothing here: this network has 0.W, 0.b"),
        (lambda net: net.__setitem__("0.b", [1, 2]), ValueError, r"0.b has shape \(3,\), but got"),
        (lambda net: setattr(net, "theta", np.ones(12)), ValueError, r"theta has shape \(13,\)"),
        (lambda net: setattr(net, "theta", 1.0), ValueError, r"theta has shape \(13,\)"),
        (lambda net: net.views(np.ones(12)), ValueError, r"vector has shape \(12,\)"),
        (lambda net: net.predict(np.ones(2)), ValueError, r"X has shape \(2,\): give a matrix"),
        (lambda net: net.predict(np.ones((1, 3))), ValueError, "X has 3 features, but this net"),
        (lambda net: net.predict([["a", "b"]]), ValueError, "X has type <U1: give real numbers"),
    ],
)
def test_what_does_not_fit_is_refused(
    call: Callable[[cr.Network], object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        call(cr.Network.mlp([2, 3, 1], rng=0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: cr.Network(0, [cr.Dense(1)]), "Network n_in is 0"),
        (lambda: cr.Network(2, []), "at least one Layer"),
        (lambda: cr.Network(2, ["relu"]), "at least one Layer"),
        (lambda: cr.Network(2, [cr.Dense(1)], dtype=np.int64), "dtype is int64"),
        (lambda: cr.Network(2, [cr.Dense(1)], dtype=np.float16), "dtype is float16"),
        (lambda: cr.Network(2, [cr.Dense(1)], rng=-1), "rng is -1"),
        (lambda: cr.Network(2, [cr.Dense(1)], rng=True), "rng is True"),
        (lambda: cr.Network(2, [cr.Dense(1)], rng=1.5), "rng is 1.5"),
        (lambda: cr.Network.mlp([3]), r"sizes is \[3\]"),
        (lambda: cr.Network.mlp([3, 0, 1]), "Dense n is 0"),
        (lambda: cr.Network.mlp([3, 2, 1], ["relu", "relu"]), "lists 2 for 1 hidden"),
    ],
)
def test_what_cannot_be_built_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_mlp_is_dense_activation_dense() -> None:
    net = cr.Network.mlp([4, 3, 2, 1], ["tanh", cr.ELU(0.5)], dropout=0.1, bias=False, rng=0)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Dense", "Tanh", "Dropout", "Dense", "ELU", "Dropout", "Dense"]
    assert net.n_out == 1
    assert list(net.shapes) == ["0.W", "3.W", "6.W"]
    assert [type(layer) for layer in cr.Network.mlp([4, 1]).layers] == [cr.Dense]
    scheduled = cr.Network.mlp([2, 2, 1], dropout=cr.Cosine(0.3), rng=0)
    assert scheduled.schedules() == {"2.rate": cr.Cosine(0.3)}


def test_seeds_make_the_same_network() -> None:
    a, b, c = (cr.Network.mlp([2, 3, 1], rng=seed) for seed in (5, np.random.default_rng(5), 6))
    assert a.theta.tobytes() == b.theta.tobytes()
    assert not np.array_equal(a.theta, c.theta)
    assert (a.seed, b.seed, c.seed) == (5, None, 6)
    fresh, other = cr.Network.mlp([2, 3, 1]), cr.Network.mlp([2, 3, 1])
    assert fresh.seed != other.seed
    assert cr.Network.mlp([2, 3, 1], rng=fresh.seed).theta.tobytes() == fresh.theta.tobytes()


def test_make_rng_records_the_seed() -> None:
    for given_rng in (3, np.int64(3)):
        generator, seed = make_rng(given_rng)  # type: ignore[arg-type]
        assert seed == 3
        assert generator.random() == np.random.default_rng(3).random()


def test_data_reaches_every_initializer() -> None:
    seen: list[Array] = []

    class Looks(cr.Dense):
        def initialize(self, p: Any, rng: np.random.Generator, X: Array | None = None) -> None:
            super().initialize(p, rng, X)
            assert X is not None
            seen.append(X.copy())

    block = cr.Residual((Looks(2), Looks(2)))
    net = cr.Network(2, [Looks(2), cr.Tanh(), block], rng=0, X=X.tolist())
    assert np.array_equal(seen[0], X)
    np.testing.assert_allclose(seen[1], np.tanh(X @ net["0.W"]))
    np.testing.assert_allclose(seen[2], seen[1] @ net["2.0.W"])


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_prediction_does_not_depend_on_its_neighbours(layer: cr.Layer, dtype: type) -> None:
    net = cr.Network(20, [cr.Dense(3), layer, cr.Dense(30), cr.ReLU(), cr.Dense(2)], dtype=dtype)
    rows = np.random.default_rng(0).normal(size=(33, 20)).astype(dtype)
    together = net.predict(rows)
    alone = np.concatenate([net.predict(rows[i : i + 1]) for i in range(len(rows))])
    assert together.dtype == dtype
    if dtype is np.float64:
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    else:
        exact = net.astype(np.float64).predict(rows.astype(np.float64))
        assert np.array_equal(together, alone)
        assert np.array_equal(together, exact.astype(np.float32))


def strided(a: Array) -> Array:
    return np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3]


@pytest.mark.parametrize(
    "form", [np.ndarray.tolist, np.asfortranarray, strided, read_only, lambda a: a.astype(int)]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_form_of_input_gives_the_same(form: Callable[[Array], Any], dtype: type) -> None:
    net = cr.Network.mlp([2, 3, 1], rng=0, dtype=dtype)
    got = net.predict(form(X))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, net.predict(X), rtol=1e-14)


def test_no_rows_predict_no_rows() -> None:
    assert cr.Network.mlp([2, 3, 1], rng=0).predict(np.zeros((0, 2))).shape == (0, 1)


def test_a_copy_shares_no_number() -> None:
    layers = [cr.Dense(3), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(1)]
    net = cr.Network(2, layers, rng=1)
    net.buffers = net.buffers + 0.5
    net.lr_factor[2], net.decay_factor[3] = 7.0, 0.25
    twin = net.copy()
    for name in ("theta", "buffers", "lr_factor", "decay_factor"):
        assert np.array_equal(getattr(net, name), getattr(twin, name))
        assert not np.shares_memory(getattr(net, name), getattr(twin, name))
    assert (twin.seed, twin.layers) == (1, net.layers)
    assert np.array_equal(twin.predict(X), net.predict(X))
    single = net.astype("float32")
    assert single.theta.dtype == single.buffers.dtype == single.lr_factor.dtype == np.float32
    np.testing.assert_allclose(single.predict(X), net.predict(X), rtol=1e-5)


def test_decay_spares_vectors() -> None:
    net = cr.Network(2, [cr.Dense(3), cr.PReLU(), cr.LayerNorm(), cr.Dense(1)], rng=0)
    factors = {name: set(v.ravel()) for name, v in net.views(net.decay_factor).items()}
    assert {name for name, values in factors.items() if values == {1.0}} == {"0.W", "3.W"}
    assert {v for name, values in factors.items() for v in values} == {0.0, 1.0}
    assert (net.lr_factor == 1).all()


def test_repr_reads_like_the_network() -> None:
    text = repr(cr.Network.mlp([2, 3, 1], rng=0))
    assert text.startswith("Network(2 → Dense(n=3")
    assert "→ ReLU() →" in text
    assert text.endswith("; 13 parameters, float64)")


@pytest.mark.parametrize(
    "twin_of", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_a_copy_is_whole_and_its_own(twin_of: Callable[[cr.Network], cr.Network]) -> None:
    net = cr.Network(2, [cr.Dense(3), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(1)], rng=0)
    net.lr_factor[:2], net.decay_factor[-1] = 0.5, 3.0
    before, twin = net.theta.copy(), twin_of(net)
    X, y = np.arange(8.0).reshape(4, 2), np.arange(4.0)
    for name in ("theta", "buffers", "lr_factor", "decay_factor"):
        assert np.array_equal(getattr(twin, name), getattr(net, name))
    records = list(cr.train(twin, cr.SquaredError(), cr.Adam(), X, y, epochs=9, lr=0.1, rng=0))
    assert records[-1].loss < records[0].loss
    assert np.array_equal(net.theta, before)
    twin.theta = np.zeros(twin.theta.size)
    assert not twin["0.W"].any()
    assert np.array_equal(twin.predict(X), np.zeros((4, 1)))


@pytest.mark.parametrize(
    ("X", "named"),
    [
        (np.ma.masked_array(np.ones((2, 3)), np.eye(2, 3)), "X is a masked array"),
        (np.ones((2, 3)) * 1j, "X has type complex128: give real numbers"),
        (np.full((2, 3), "2020-01-01", "datetime64[D]"), "X has type datetime64"),
        ([[1.0, 2.0, 3.0], [4.0]], "X is no array of numbers"),
        ([[1.0, "a", None]], "X is no array of numbers|X has type"),
        (np.full((2, 3), 1e39), "X holds a number too large for float32"),
    ],
)
def test_what_is_no_real_matrix_is_refused(X: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        cr.Network(3, [cr.Dense(1)], rng=0, dtype=np.float32).predict(X)


def test_a_wrong_list_of_layers_is_refused() -> None:
    for layers in (cr.Dense(1), None, [], [cr.Dense]):
        with pytest.raises(ValueError, match="layers must be a list of at least one Layer"):
            cr.Network(3, layers, rng=0)
    with pytest.raises(ValueError, match=r"use a layer, such as Tanh\(\)"):
        cr.Network.mlp([3, 4, 1], cr.Tanh, rng=0)
    for dropout in (-1.0, float("nan"), "a", 1.0):
        with pytest.raises(ValueError, match="Dropout rate is"):
            cr.Network.mlp([3, 4, 1], dropout=dropout, rng=0)


def small(seed: int, dtype: type = np.float64) -> cr.Network:
    layers = [cr.Dense(4), cr.BatchNorm(), cr.Tanh(), cr.Dense(2)]
    net = cr.Network(3, layers, rng=seed, dtype=dtype)
    net.buffers = np.random.default_rng(seed).uniform(0.5, 2.0, net.buffers.size)
    return net


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("many", [1, 2, 5])
def test_an_average_of_networks_gives_the_mean_of_what_they_give(many: int, dtype: type) -> None:
    nets = [small(seed, dtype) for seed in range(many)]
    X = np.random.default_rng(9).normal(size=(6, 3))
    whole = cr.Network.average(nets)
    wanted = np.mean([net.predict(X) for net in nets], axis=0)
    rtol = 1e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(whole.predict(X), wanted, rtol=rtol)
    assert whole.dtype == dtype
    assert whole.theta.size == sum(net.theta.size for net in nets)
    assert (whole.layers == nets[0].layers) == (many == 1)


@pytest.mark.parametrize("many", [1, 3])
def test_an_average_may_have_layers_behind_it_and_shares_no_number(many: int) -> None:
    nets, X = [small(seed) for seed in range(many)], np.random.default_rng(9).normal(size=(6, 3))
    whole = cr.Network.average(nets, cr.Temperature(2.0), cr.Scale(3.0))
    wanted = np.mean([net.predict(X) for net in nets], axis=0) / 2.0 * 3.0
    np.testing.assert_allclose(whole.predict(X), wanted, rtol=1e-12)
    before = [net.theta.copy() for net in nets]
    whole.theta, whole.buffers = np.zeros(whole.theta.size), np.ones(whole.buffers.size)
    for net, theta in zip(nets, before, strict=True):
        np.testing.assert_array_equal(net.theta, theta)


def test_networks_of_different_layers_are_averaged() -> None:
    nets = [cr.Network.mlp([3, 4, 2], rng=0), cr.Network.mlp([3, 5, 6, 2], "tanh", rng=1)]
    X = np.random.default_rng(9).normal(size=(6, 3))
    wanted = (nets[0].predict(X) + nets[1].predict(X)) / 2
    np.testing.assert_allclose(cr.Network.average(nets).predict(X), wanted, rtol=1e-12)
    with pytest.raises(ValueError, match="2"):
        cr.Network.average([nets[0], cr.Network.mlp([3, 1], rng=0)])
