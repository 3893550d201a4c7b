"""The health record: what it says is so, in both engines, and it keeps to its share of the time."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.diagnosing import symptoms
from chainrule.diagnosing.health import Health

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(200, 3)), RNG.normal(size=200)


def record(epoch: int, seconds: float) -> Any:
    return SimpleNamespace(epoch=epoch, seconds=seconds)


def test_dead_and_saturated_units_are_counted() -> None:
    net = cr.Network(3, [cr.Dense(4), cr.ReLU(), cr.Dense(4), cr.Sigmoid(), cr.Dense(1)], rng=0)
    net["0.b"] = [0.0, 0.0, 0.0, -100.0]
    net["2.b"] = [20.0, -20.0, 0.0, 0.0]
    seen = Health(net, cr.SquaredError(), X, Y).measure(0).layers
    assert seen["1"].dead == 0.25
    assert seen["3"].saturated == 0.5
    assert seen["3"].dead == 0.0
    assert seen["1"].gradient is None
    assert seen["0"].dead is None


def test_diagnose_judges_units_as_health_does() -> None:
    inside = cr.Residual((cr.Dense(4), cr.ReLU(), cr.Dense(4), cr.Tanh()))
    net = cr.Network(3, [cr.Dense(4), inside, cr.Sigmoid(), cr.Dense(1)], rng=0)
    net["1.0.b"] = [0.0, 0.0, -100.0, -100.0]
    net["1.2.b"] = [20.0, 0.0, 0.0, 0.0]
    seen = Health(net, cr.SquaredError(), X[:64], Y[:64]).measure(0).layers
    assert seen["1.1"].dead == 0.5
    (relu,) = symptoms.relus(net, X[:64])
    assert (relu.name, relu.number, relu.dead) == ("1.1", 1, seen["1.1"].dead)
    shares = {a.name: a.saturated for a in symptoms.bounded(net, X[:64])}
    assert shares == {name: seen[name].saturated for name in ("1.3", "2")}


def test_a_unit_that_is_nan_is_not_dead() -> None:
    net = cr.Network(3, [cr.Dense(2), cr.ReLU(), cr.Dense(1)], rng=0)
    net["0.b"] = [np.nan, -100.0]
    assert Health(net, cr.SquaredError(), X, Y).measure(0).layers["1"].dead == 0.5


def test_gradients_and_updates() -> None:
    net = cr.Network(3, [cr.Dense(2), cr.Tanh(), cr.Dense(1)], rng=0)
    health = Health(net, cr.SquaredError(), X[:8], Y[:8])
    trace = cr.trace_step(net, cr.SquaredError(), cr.SGD(), X[:8], Y[:8], lr=0.1)
    before = np.linalg.norm(np.append(net["0.W"], net["0.b"]))
    first = health.measure(0).layers
    whole = np.append(trace.values["0.dW"], trace.values["0.db"])
    assert first["0"].gradient == pytest.approx(np.linalg.norm(whole), rel=1e-12)
    assert first["0"].update == 0.0
    net["0.W"] = net["0.W"] + 0.1
    assert health.measure(2).layers["0"].update == pytest.approx(
        0.1 * np.sqrt(6) / before / 2, rel=1e-12
    )


@pytest.mark.parametrize("engine", ["readable", "compiled"])
def test_in_the_loop(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    quick = SimpleNamespace(perf_counter=lambda: next(ticks) * 1e-9)
    monkeypatch.setattr("chainrule.diagnosing.health.time", quick)
    net = cr.Network.mlp([3, 8, 1], "relu", rng=0)
    loss = cr.SquaredError()
    health = Health(net, loss, X, Y, share=1.0)
    steps = cr.train(net, loss, cr.Adam(), X, Y, epochs=200, lr=0.01, rng=0, engine=engine)
    for one in steps:
        health.update(one)
    assert len(health.history) > 1
    assert set(health.history[0].layers) == {"0", "1", "2"}
    assert all(seen.layers["0"].update for seen in health.history[1:])


def test_it_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) * 3e-4)  # what a look takes
    monkeypatch.setattr("chainrule.diagnosing.health.time", clock)
    net = cr.Network.mlp([3, 8, 1], "relu", rng=0)
    health = Health(net, cr.SquaredError(), X, Y, share=0.03)
    for epoch in range(300):
        before = health.spent
        health.update(record(epoch, 0.002))
        assert health.spent == before or before <= 0.03 * health.trained
    assert 0 < len(health.history) < 300
    none = Health(net, cr.SquaredError(), X, Y)
    assert none.update(record(0, 1e-6)) is None


def test_residuals_and_own_alpha() -> None:
    layers = [cr.Residual((cr.Dense(3), cr.PReLU())), cr.LayerNorm(), cr.Dense(1)]
    seen = Health(cr.Network(3, layers, rng=0), cr.SquaredError(), X, Y).measure(0).layers
    assert seen["0.1"].dead == 0.0
    assert seen["0.1"].gradient is not None
    assert seen["1"].dead is None


@pytest.mark.parametrize("how", [{"rows": 0}, {"share": 0.0}, {"share": 2.0}])
def test_mistakes(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Health got rows="):
        Health(cr.Network(3, [cr.Dense(1)], rng=0), cr.SquaredError(), X, Y, **how)
