"""The trace of a step: every number is that of the training step itself, to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from support.compiled_cases import Case, cases
from support.numeric import Array
from support.traces import ALICE, ROWS, alice, traced

import chainrule as cr
from chainrule.core.epoch import StepSettings, Trainer, check_batch
from chainrule.core.schedules import value_at
from chainrule.formulas.expression import derivative_of
from chainrule.trace.step import trace_step

SLOW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def stepped(case: Case) -> tuple[cr.Network, float]:
    """A float64 copy of the network after the readable engine's step, and the loss before it."""
    net = case.net().astype(np.float64)
    data = case.data()
    batch = check_batch(net, case.goal.loss, data["X"], data["y"], data["weight"])
    for name, schedule in net.schedules().items():
        net[name] = schedule.at(0, 1, ())
    chosen = StepSettings(case.goal.loss, case.optimizer, case.lr, case.penalty, case.clip)
    lr, decay = value_at(case.lr, 0, 1), value_at(case.optimizer.decay, 0, 1)
    rng, state = np.random.default_rng(case.seed), case.optimizer.init(net.theta)
    with np.errstate(all="ignore"):
        L = Trainer(net, chosen, state, rng).step(batch, lr, decay)
    return net, L


@SLOW
@given(case=cases(ROWS))
def test_a_trace_is_the_training_step(case: Case) -> None:
    try:
        net, L = stepped(case)
    except cr.Diverged:
        with pytest.raises(cr.Diverged):
            traced(case)
        return
    before = case.net()
    trace = traced(case)
    assert trace.loss == L
    np.testing.assert_array_equal(trace.theta_after, net.theta)
    for name in net.buffer_shapes:
        np.testing.assert_array_equal(trace.values[f"{name}.after"], net[name])
    np.testing.assert_array_equal(trace.net.theta, before.theta)


@SLOW
@given(case=cases(ROWS))
def test_names_are_those_of_the_layers(case: Case) -> None:
    try:
        trace = traced(case)
    except cr.Diverged:
        assume(False)
    made = {place.y for place in trace.places} | {"X"}
    for place in trace.places:
        assert place.x in made
        assert trace.values[place.y].shape == trace.values[derivative_of(place.y)].shape
        assert len(trace.values[place.y]) == case.rows
    for name, shape in trace.net.shapes.items():
        assert trace.values[derivative_of(name)].shape == shape
        assert trace.values[f"{name}.after"].shape == shape
    assert trace.values[trace.places[-1].y].shape == (case.rows, case.goal.outputs)


def test_alices_numbers_have_names(texts: dict[str, Any]) -> None:
    values, forward = alice().values, texts["003-alice-forward"]
    near = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(values["0.Z"], forward["hidden_z"], **near)
    np.testing.assert_allclose(values["1.A"], forward["hidden"]["exact"], **near)
    np.testing.assert_allclose(values["2.Z"], forward["output_z"]["exact"], **near)
    np.testing.assert_allclose(values["3.A"], forward["output"]["exact"], **near)
    np.testing.assert_allclose(values["L"], forward["loss"], **near)
    gradients = texts["003-alice-gradients"]
    np.testing.assert_allclose(values["0.dW"][0], gradients["w1"], **near)
    np.testing.assert_allclose(values["0.db"], gradients["b1"], **near)
    np.testing.assert_allclose(values["2.db"], gradients["b3"], **near)
    after = texts["003-alice-step"]
    np.testing.assert_allclose(values["0.W.after"][:, 0], [after["w1"], after["w2"]], **near)
    np.testing.assert_allclose(values["2.b.after"], after["b3"], **near)


def test_the_optimizers_numbers_are_kept() -> None:
    trace = alice(state=None)
    assert "0.W.m" not in trace.values
    net, loss, adam = cr.Network(2, [cr.Dense(1)], rng=0), cr.SquaredError(), cr.Adam()
    first = trace_step(net, loss, adam, ALICE, [1.0], lr=0.1)
    m, g = first.values["0.W.m"], first.values["0.W.g"]
    np.testing.assert_array_equal(first.values["0.W.m_before"], np.zeros((2, 1)))
    np.testing.assert_allclose(m, 0.1 * g, rtol=1e-15)
    np.testing.assert_allclose(first.values["0.W.m_hat"], g, rtol=1e-15)
    state = adam.init(net.theta)
    state["m"][...], state["t"][...] = 0.5, 3
    later = trace_step(net, loss, adam, ALICE, [1.0], lr=0.1, state=state)
    np.testing.assert_array_equal(later.values["0.W.m_before"], np.full((2, 1), 0.5))
    np.testing.assert_allclose(
        later.values["0.W.m_hat"], later.values["0.W.m"] / (1 - 0.9**4), rtol=1e-15
    )
    assert state["t"] == 3, "the state that was handed in stays as it was"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": {"m": np.zeros(3)}}, "state does not fit SGD.*it keeps nothing"),
        ({"weight": [0.0]}, "weight sums to 0"),
    ],
)
def test_what_does_not_fit_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, cr.Diverged), match=words):
        alice(**change)


def test_a_number_that_is_not_finite_is_named() -> None:
    net = cr.Network(2, [cr.Dense(1, init=1e200), cr.Dense(1, init=1e200)], rng=0)
    with pytest.raises(cr.Diverged, match='the step made inf in "1.Z": lower the learning rate'):
        trace_step(net, cr.SquaredError(), cr.SGD(), ALICE, [1.0], lr=0.1)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"lr": -1.0}, ValueError, "lr is -1.0: the learning rate must be a finite number above 0"),
        ({"lr": "0.1"}, TypeError, "lr is '0.1': give an instance"),
        ({"clip": 0.0}, ValueError, "clip is 0.0: the gradient's largest norm must be above 0"),
        ({"penalty": 0.1}, TypeError, "penalty is 0.1: give an instance, such as Penalty"),
    ],
)
def test_settings_are_those_of_train(
    change: dict[str, Any], kind: type[Exception], words: str
) -> None:
    net = cr.Network(2, [cr.Dense(1)], rng=0)
    with pytest.raises(kind, match=words):
        trace_step(net, cr.SquaredError(), cr.SGD(), ALICE, [1.0], **({"lr": 0.1} | change))


def test_a_step_needs_targets() -> None:
    net = cr.Network(2, [cr.Dense(1)], rng=0)
    with pytest.raises(ValueError, match="y is missing"):
        trace_step(net, cr.SquaredError(), cr.SGD(), ALICE, lr=0.1)


def test_float32_networks_are_read_in_float64() -> None:
    net = cr.Network.mlp([2, 3, 1], rng=0, dtype=np.float32)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), ALICE, [1.0], lr=0.1)
    values: list[Array] = list(trace.values.values())
    assert {value.dtype for value in values} == {np.dtype(np.float64)}
