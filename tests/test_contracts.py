"""Every layer under every loss with every optimizer; the tables are complete; own layers and losses
are judged rightly by check_layer and check_loss.
"""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
from support import tables
from support.numeric import Array, Point
from support.tables import LAYER_VARIANTS, LAYERS, LOSSES, OPTIMIZERS, UNTRAINABLE

import chainrule as cr
import chainrule.core
from chainrule.core import (
    activation_layers,
    branch_layers,
    initializers,
    layers,
    losses,
    metrics,
    normalisation_layers,
    optimizers,
    schedules,
)
from chainrule.core.contracts import central_difference
from chainrule.core.elementwise_layer import ElementwiseLayer
from chainrule.core.epoch import Batch, StepSettings, Trainer
from chainrule.core.equations import defined_below

ALL_LAYERS = LAYERS | LAYER_VARIANTS
ALL_LOSSES = LOSSES | UNTRAINABLE
ROWS, INPUTS = 5, 3
CORE = [
    importlib.import_module(f"chainrule.core.{found.name}")
    for found in pkgutil.iter_modules(chainrule.core.__path__)
]


def subclasses(base: type, *modules: ModuleType) -> set[type]:
    """The public classes that derive from `base` in these modules."""
    found = {v for module in modules for v in vars(module).values() if inspect.isclass(v)}
    public = {c for c in found if not c.__name__.startswith("_")}
    hidden = {base, ElementwiseLayer, layers.LearnedPerUnit, normalisation_layers.Normalisation}
    hidden |= {branch_layers.Branched}
    return {c for c in public if issubclass(c, base)} - hidden


def types(instances: object) -> list[type]:
    assert isinstance(instances, dict)
    return [type(x) for x in instances.values()]


@pytest.mark.parametrize(
    ("base", "listed"),
    [
        (cr.Layer, types(LAYERS)),
        (cr.Loss, [type(case.loss) for case in ALL_LOSSES.values()]),
        (cr.Optimizer, types(OPTIMIZERS)),
        (cr.Schedule, types(tables.SCHEDULES)),
    ],
    ids=["layers", "losses", "optimizers", "schedules"],
)
def test_every_public_class_is_in_a_table(base: type, listed: list[type]) -> None:
    assert subclasses(base, *CORE) == set(listed)
    assert {c for c in set(listed) if not hasattr(cr, c.__name__)} == set()


def test_every_named_thing_is_in_a_table() -> None:
    assert set(activation_layers.ACTIVATIONS) | {"prelu"} == set(tables.ACTIVATION_LAYERS)
    assert set(activation_layers.ACTIVATION_LAYERS) == set(tables.ACTIVATION_LAYERS)
    assert set(initializers.INITIALIZERS) == set(tables.INITIALIZERS)
    assert set(losses.LOSSES.values()) == {type(case.loss) for case in ALL_LOSSES.values()}
    assert {k: type(v) for k, v in OPTIMIZERS.items()} == optimizers.OPTIMIZERS
    ours = defined_below(schedules.Schedule, vars(schedules)).values()
    assert {type(schedule) for schedule in tables.SCHEDULES.values()} == set(ours)
    own = {
        name: f
        for name, f in vars(metrics).items()
        if inspect.isfunction(f) and f.__module__ == metrics.__name__ and name[0] != "_"
        if next(iter(inspect.signature(f).parameters)) == "y_true"
    }
    assert own == tables.METRICS
    for name, layer in tables.ACTIVATION_LAYERS.items():
        assert type(layer) is activation_layers.ACTIVATION_LAYERS[name]


def test_a_new_class_would_be_missed_by_no_table() -> None:
    module = ModuleType("extra")
    vars(module)["Extra"] = type("Extra", (cr.Layer,), {})
    assert subclasses(cr.Layer, layers, activation_layers, module) - set(types(LAYERS)) == {
        vars(module)["Extra"]
    }


def sandwich(layer: cr.Layer, outputs: int, dtype: type = np.float64) -> cr.Network:
    """inputs–Dense–layer–Dense with weights that leave no layer saturated."""
    net = cr.Network(INPUTS, [cr.Dense(3), layer, cr.Dense(outputs)], rng=1, dtype=dtype)
    rng = np.random.default_rng(2)
    net.theta = net.theta + rng.uniform(-0.3, 0.3, net.theta.size)
    return net


def batch(case: tables.LossCase) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(3)
    y = case.targets(rng, ROWS)
    return rng.normal(size=(ROWS, INPUTS)), y, rng.uniform(0.5, 2.0, ROWS)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layer", ALL_LAYERS)
def test_gradient_is_that_of_central_differences(layer: str, loss: str) -> None:
    case = LOSSES[loss]
    X, y, weight = batch(case)
    for train, w in ((True, None), (True, weight), (False, weight)):
        net = sandwich(ALL_LAYERS[layer], case.outputs)
        compared, kinks = Point(net, case.loss, X, y, w, train).compare(picks=5)
        assert compared >= 8
        assert kinks <= compared // 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("layer", ALL_LAYERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_step_under_every_loss(layer: str, optimizer: cr.Optimizer, dtype: type) -> None:
    for case in LOSSES.values():
        X, y, weight = batch(case)
        net = sandwich(ALL_LAYERS[layer], case.outputs, dtype)
        before, state = net.theta.copy(), optimizer.init(net.theta)
        arrays = dict(state)
        data = Batch(X.astype(dtype), y, weight)
        settings = StepSettings(case.loss, optimizer, 0.01)
        L = Trainer(net, settings, state, np.random.default_rng(0)).step(data, 0.01, 0.1)
        assert np.isfinite(L)
        assert net.theta.dtype == net.buffers.dtype == dtype
        assert np.isfinite(net.theta).all()
        assert not np.array_equal(net.theta, before)
        assert {k: id(v) for k, v in state.items()} == {k: id(v) for k, v in arrays.items()}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("layer", ALL_LAYERS)
def test_forward_and_backward_change_nothing(layer: str, train: bool) -> None:
    net = sandwich(ALL_LAYERS[layer], 2)
    X = np.random.default_rng(4).normal(size=(ROWS, INPUTS))
    numbers = (X, net.theta, net.buffers)
    before = [x.copy() for x in numbers]
    Z, caches = net.forward(X, train=train, rng=np.random.default_rng(9))
    kept = [{k: v.copy() for k, v in cache.items()} for cache in caches]
    dZ = np.ones_like(Z)
    dX, grad = net.backward(caches, dZ)
    assert all(np.array_equal(a, b) for a, b in zip(before, numbers, strict=True))
    assert (dZ == 1).all()
    assert all(
        np.array_equal(v, cache[k])
        for old, cache in zip(kept, caches, strict=True)
        for k, v in old.items()
    )
    Z_again, caches_again = net.forward(X, train=train, rng=np.random.default_rng(9))
    dX_again, grad_again = net.backward(caches_again, dZ)
    for a, b in ((Z, Z_again), (dX, dX_again), (grad, grad_again)):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("layer", ALL_LAYERS)
def test_check_layer_accepts_ours(layer: str) -> None:
    for n_in, rows, seed in ((3, 5, 0), (3, 1, 1), (3, 2, 2)):
        cr.check_layer(ALL_LAYERS[layer], n_in, rows=rows, seed=seed)


@pytest.mark.parametrize("name", LOSSES)
def test_check_loss_accepts_ours(name: str) -> None:
    case = LOSSES[name]
    for seed in range(3):
        y = case.targets(np.random.default_rng(seed), 6)
        cr.check_loss(case.loss, y, case.outputs, seed=seed)


class Scale(cr.Layer):
    """Y = 2 X, done right; each child breaks one promise."""

    def forward(
        self, p: layers.Arrays, X: Array, *, train: bool = False, rng: object = None
    ) -> tuple[Array, dict[str, Array]]:
        return 2.0 * X, {"X": X}

    def backward(
        self, p: layers.Arrays, cache: layers.Arrays, dY: Array
    ) -> tuple[Array, dict[str, Array]]:
        return 2.0 * dY, {}


class WrongSlope(Scale):
    def backward(self, p, cache, dY):  # type: ignore[no-untyped-def]
        return 2.00001 * dY, {}


class ChangesX(Scale):
    def forward(self, p, X, *, train=False, rng=None):  # type: ignore[no-untyped-def]
        X *= 2.0
        return X, {}


class ChangesCache(Scale):
    def backward(self, p, cache, dY):  # type: ignore[no-untyped-def]
        cache["X"] = cache["X"] + 1.0
        return 2.0 * dY, {}


class OwnRandom(Scale):
    source = np.random.default_rng(0)

    def forward(self, p, X, *, train=False, rng=None):  # type: ignore[no-untyped-def]
        return X * self.source.random(X.shape), {}


class WrongWidth(Scale):
    def forward(self, p, X, *, train=False, rng=None):  # type: ignore[no-untyped-def]
        return np.c_[X, X], {}


class CachesText(Scale):
    def forward(self, p, X, *, train=False, rng=None):  # type: ignore[no-untyped-def]
        return 2.0 * X, {"X": X, "note": "doubled"}


class Moves(cr.PReLU):
    def absorb(self, p: layers.Arrays, cache: layers.Arrays) -> None:
        p["alpha"][...] = 1.0


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (WrongSlope(), "central differences give"),
        (ChangesX(), "changed X"),
        (ChangesCache(), "changed its cache"),
        (OwnRandom(), "two results"),
        (WrongWidth(), "promised"),
        (CachesText(), "arrays only"),
        (Moves(), "absorb changed a parameter"),
    ],
    ids=lambda case: type(case).__name__,
)
def test_check_layer_names_a_broken_promise(layer: cr.Layer, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        cr.check_layer(layer)


def test_check_layer_accepts_an_own_one() -> None:
    cr.check_layer(Scale())


@dataclass(frozen=True)
class Fourth(cr.Loss):
    """l = (z - y)⁴ / 1000, done right; each child breaks one promise."""

    def terms(self, Z: Array, Y: Array) -> Array:
        return 1e-3 * (Z - Y) ** 4

    def slopes(self, Z: Array, Y: Array) -> Array:
        return 4e-3 * (Z - Y) ** 3


class WrongSlopes(Fourth):
    def slopes(self, Z: Array, Y: Array) -> Array:
        return 2e-3 * (Z - Y) ** 3


class WrongFactors(Fourth):
    def factors(self, Z: Array, y: Array, weight: Array | None = None) -> dict[str, Array]:
        return super().factors(Z, y, weight) | {"dYhat_dZ": np.full_like(Z, 2.0)}


class NoMean(Fourth):
    def value(self, Z: Array, y: Array, weight: Array | None = None) -> float:
        return super().value(Z, y, weight) * len(Z)

    def grad(self, Z: Array, y: Array, weight: Array | None = None) -> Array:
        return super().grad(Z, y, weight) * len(Z)

    def factors(self, Z: Array, y: Array, weight: Array | None = None) -> dict[str, Array]:
        return super().factors(Z, y, weight) | {"dYhat_dZ": np.full_like(Z, len(Z))}


class Overflows(Fourth):
    def terms(self, Z: Array, Y: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.log1p(np.exp(Z)) - Y * Z

    def slopes(self, Z: Array, Y: Array) -> Array:
        return 1.0 / (1.0 + np.exp(-Z)) - Y


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (WrongSlopes(), "central differences give"),
        (WrongFactors(), "do not multiply"),
        (NoMean(), "no mean"),
        (Overflows(), "not finite"),
    ],
    ids=lambda case: type(case).__name__,
)
def test_check_loss_names_a_broken_promise(loss: cr.Loss, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        cr.check_loss(loss, np.random.default_rng(0).normal(size=(6, 2)), 2)


def test_check_loss_accepts_an_own_one() -> None:
    cr.check_loss(Fourth(), np.random.default_rng(0).normal(size=(6, 2)), 2)


@pytest.mark.parametrize(
    ("f", "x", "kink", "derivative"),
    [
        (np.abs, 0.0, True, None),
        *((np.abs, share * 1e-5, True, None) for share in (0.1, 0.3, 1 / 3, 0.5, 0.7, -0.2)),
        (lambda x: 1e-4 * np.maximum(x, 0.0), 1e-6, True, None),
        (np.abs, -1.0, False, -1.0),
        (np.square, 0.0, False, 0.0),
        (np.square, 3.0, False, 6.0),
        (np.exp, 1.0, False, np.e),
        (lambda x: np.maximum(x, 0.0) ** 2, 1.0, False, 2.0),
    ],
)
def test_central_difference_knows_a_kink(
    f: np.ufunc, x: float, kink: bool, derivative: float | None
) -> None:
    vector = np.array([9.0, x])
    numeric, found = central_difference(lambda: float(f(vector[1])), vector, 1)
    assert found == kink
    assert vector.tolist() == [9.0, x]
    if derivative is not None:
        assert numeric == pytest.approx(derivative, rel=1e-8, abs=1e-9)
