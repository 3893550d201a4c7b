"""The compiled engine against the readable one, the oracle: random networks, losses, optimizers and
data.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from support import tables
from support.compiled_cases import Case, apart, cases
from support.numeric import Array

import chainrule as cr
from chainrule.compiled import prediction
from chainrule.compiled.engine import LANES, shard_rows

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
# Rows, rows in a batch. From 600,000 multiply-adds in a batch on, a batch is cut into shards.
WHOLE = tuple((n, None) for n in (1, 2, 3, 5, 17, 64, 65, 100, 333, 1000, 3000, 5000))
PARTS = ((1, 1), (2, 1), (7, 3), (33, 10), (100, 32), (333, 64), (40, None), (3000, 1200))


@pytest.fixture(autouse=True)
def _compiled_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the engine is loaded; and as before for the tests of other files."""
    monkeypatch.setattr(cr.Network, "compiled_forward", staticmethod(prediction.forward))


@settings(max_examples=300)
@given(case=cases(WHOLE, epsilons=(1e-3, 0.1)))
def test_one_step_is_the_same(case: Case) -> None:
    """To 1e-12; in float32 to 1e-5, but for what the last place of its inputs decides."""
    readable, limit = case.follow("readable", 1), TOLERANCE[case.dtype]
    assume(np.abs(readable).max() < 1e3)  # a step into the thousands leaves small numbers no digits
    off = apart(case.follow("compiled", 1), readable)
    if off > limit and case.dtype == "float32":
        assume(not case.beside_a_kink())
        limit = 10 * max(apart(case.follow("readable", 1, seed), readable) for seed in range(5))
    assert off <= limit


@settings(max_examples=60)
@given(case=cases(PARTS))
def test_ten_epochs_stay_within_the_oracles_own_noise(case: Case) -> None:
    """100 times what a unit in the last place of X, theta and weights makes of the readable run."""
    assume(case.smooth or case.dtype == "float64")
    try:
        readable = case.follow("readable", 10)
        noise = max(apart(case.follow("readable", 10, seed), readable) for seed in range(3))
    except cr.Diverged:
        assume(False)
    limit = max(100 * noise, TOLERANCE[case.dtype])
    assume(limit < 1e-2)  # beyond, a wrong engine would pass too
    assert apart(case.follow("compiled", 10), readable) <= limit


@pytest.mark.parametrize("optimizer", [cr.Momentum(), cr.AdamW()], ids=str)
@pytest.mark.parametrize("drawing", [(), (cr.Dropout(0.2),)], ids=["plain", "dropout"])
def test_ten_epochs_with_more_shards_than_lanes(
    drawing: tuple[cr.Layer, ...], optimizer: cr.Optimizer
) -> None:
    layers = (cr.Dense(48), cr.Tanh(), *drawing, cr.LayerNorm(), cr.Dense(40), cr.SiLU())
    case = Case(8, layers, tables.LOSSES["squared_1"], optimizer, 0.001, "float64", 5000, 2500,
                weights="all", clip=0.5, penalty=cr.Penalty(0.001, 0.01))  # fmt: skip
    assert 2500 > LANES * shard_rows(case.net(), 2500)
    readable = case.follow("readable", 10)
    noise = max(apart(case.follow("readable", 10, seed), readable) for seed in range(3))
    assert noise < 1e-6
    assert apart(case.follow("compiled", 10), readable) <= max(100 * noise, 1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layer", tables.LAYERS | tables.LAYER_VARIANTS)
def test_every_layer_under_every_loss_with_every_optimizer(layer: str, dtype: str) -> None:
    """As they come, tiny epsilons included; the optimizers take turns."""
    chosen = (tables.LAYERS | tables.LAYER_VARIANTS)[layer]
    layers = (cr.Dense(3), chosen, cr.Dense(5), cr.Tanh(), cr.Dense(3), chosen)
    makes = list(tables.OPTIMIZERS.values())
    for i, goal in enumerate(tables.LOSSES.values()):
        case = Case(3, layers, goal, makes[i % len(makes)], 0.002, dtype, 23, 8, seed=i)
        if layer.startswith(("batch_norm", "layer_norm")):
            case = replace(case, optimizer=cr.Nesterov())
        readable = case.follow("readable", 3)
        noise = max(apart(case.follow("readable", 3, seed), readable) for seed in range(2))
        limit = max(10 * noise, TOLERANCE[dtype])
        assert apart(case.follow("compiled", 3), readable) <= limit, goal


R, D = cr.Residual, cr.Dropout
ODD: list[tuple[cr.Layer, ...]] = [
    (cr.Identity(),),
    (D(0.3),),
    (cr.PReLU(),),
    (cr.LayerNorm(),),
    (cr.BatchNorm(),),
    (R((D(0.2),)),),
    (R((R((cr.Tanh(),)), D(0.2))), cr.Identity()),
    (cr.Tanh(), R((D(0.2),)), cr.Dense(3)),
    (R((cr.BatchNorm(), D(cr.Cosine(0.5)))), cr.Softplus()),
    (D(0.1), D(0.2), cr.PReLU(), D(0.2)),
    (R((R((cr.PReLU(),)), cr.Tanh())), R((cr.Dense(3, False),))),
]


@pytest.mark.parametrize("layers", ODD, ids=str)
def test_networks_with_few_parameters_or_none(layers: tuple[cr.Layer, ...]) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 3))
    changes: list[dict[str, Any]] = [{}, {"clip": 1.0, "penalty": cr.Penalty(0.1, 0.1)}]
    for how in (*changes, {"batch_size": None, "epochs": 40}):
        numbers = []
        for engine in ("readable", "compiled"):
            net = cr.Network(3, layers, rng=0)
            settings = {"epochs": 3, "lr": 0.01, "rng": 0, "batch_size": 4, "engine": engine} | how
            records = list(cr.train(net, cr.SquaredError(), cr.Nesterov(), X, y, **settings))
            assert {record.engine for record in records} == {engine}
            losses = [record.loss for record in records]
            numbers.append(np.concatenate([losses, net.numbers]))
        np.testing.assert_allclose(numbers[1], numbers[0], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(net.predict(X), net.forward(X)[0], rtol=1e-12, atol=1e-12)


def end(case: Case, engine: str, X: float = 1.0, **how: Any) -> tuple[list[float], str, Array]:
    """The losses up to where a run on X times the case's data ends, the last words, all numbers."""
    net, data, losses = case.net(), case.data(), list[float]()
    data["X"] = data["X"] * data["X"].dtype.type(X)
    try:
        for record in case.train(net, data, engine=engine, **({"epochs": 40} | how)):
            losses.append(record.loss)
            assert record.engine == engine
    except (cr.Diverged, ValueError) as stop:
        return losses, str(stop), net.numbers
    return losses, "", net.numbers


def ends_the_same(case: Case, words: str, looser: float = 1.0, **how: Any) -> None:
    losses, said, numbers = end(case, "readable", **how)
    assert re.search(words, said)
    ours, our_words, our_numbers = end(case, "compiled", **how)
    assert our_words == said
    tolerance = looser * TOLERANCE[case.dtype]
    np.testing.assert_allclose(ours, losses, rtol=tolerance)
    np.testing.assert_allclose(our_numbers, numbers, rtol=tolerance, atol=tolerance)


LINEAR = Case(3, (), tables.LOSSES["squared_1"], cr.SGD(), 0.1, "float64", 12, 5, seed=4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", tables.OPTIMIZERS)
def test_a_diverging_run_ends_in_the_same_words(optimizer: str, dtype: str) -> None:
    layers = (cr.Dropout(cr.Cosine(0.3)), cr.Dense(2))
    case = replace(LINEAR, dtype=dtype, optimizer=tables.OPTIMIZERS[optimizer], layers=layers)
    case = replace(case, lr=2.0**70 if dtype == "float32" else 2.0**600)
    ends_the_same(case, "the loss SquaredError became|made inf|made nan")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
def test_an_update_that_overflows_is_seen_in_its_step(optimizer: str, dtype: str) -> None:
    huge = 2.0**1020 if dtype == "float64" else 2.0**125
    case = replace(LINEAR, dtype=dtype, optimizer=tables.OPTIMIZERS[optimizer], lr=huge)
    case = replace(case, goal=tables.LOSSES["absolute_1"])
    ends_the_same(case, "epoch 1, step 1: the update of theta overflowed", X=2.0**20)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_loss_that_overflows_is_seen_in_its_step(dtype: str) -> None:
    """e^z of 100 is a number in float64 alone."""
    case = replace(LINEAR, dtype=dtype, goal=tables.LOSSES["poisson_1"], lr=1e-30)
    ends_the_same(case, "the loss Poisson became inf", X=100.0 if dtype == "float32" else 1000.0)


@dataclass(frozen=True)
class Growing(cr.Schedule):
    """A learning rate that makes every run diverge, some epochs on."""

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return float(1.5 ** min(step, 500))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_divergence_within_the_epochs_of_one_call(dtype: str) -> None:
    for layers in ((), (cr.Dropout(cr.Cosine(0.4)), cr.Dense(2))):
        case = replace(LINEAR, layers=layers, lr=Growing(1e-3), dtype=dtype)
        losses, _, _ = end(case, "readable", epochs=2000)
        assert 5 < len(losses) < 100
        ends_the_same(case, "epoch .*, step", looser=1e4, epochs=2000)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_gradient_whose_square_overflows_is_clipped(dtype: str) -> None:
    huge = 2.0**600 if dtype == "float64" else 2.0**80
    case = replace(LINEAR, dtype=dtype, goal=tables.LOSSES["absolute_1"], clip=0.5, lr=1.0)
    case = replace(case, batch_size=None)
    ends_the_same(case, "^$", X=huge, epochs=1)


def test_a_batch_of_tiny_weight_is_refused_in_the_same_words() -> None:
    net, data = LINEAR.net(), LINEAR.data()
    data["weight"] = np.where(np.arange(12) < 5, 1.0, 1e-32)
    for engine in ("readable", "compiled"):
        with pytest.raises(ValueError, match="weight sums to 5e-32: scale the weights"):
            list(LINEAR.train(net.copy(), data, engine=engine, epochs=1, shuffle=False))
