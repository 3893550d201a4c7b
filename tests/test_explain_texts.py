"""Every worked case of the five texts, read off a trace: the exact numbers, and the printed ones by
rounding as the text does.
"""

from typing import Any

import numpy as np
import pytest
from support.numeric import Array
from support.traces import alice, boolean_trace

import chainrule as cr

NEAR = {"rel": 0, "abs": 1e-12}
Texts = dict[str, Any]


def step(net: cr.Network, loss: cr.Loss, X: Any, y: Any, lr: float = 0.1) -> cr.Trace:
    return cr.trace_step(net, loss, cr.SGD(), X, y, lr=lr)


def gradients(trace: cr.Trace, name: str) -> Array:
    """What `explain` says of every number of a parameter."""
    shape = trace.net[name].shape
    found = [
        cr.explain(trace, f"{name}[{','.join(map(str, at))}]").value for at in np.ndindex(shape)
    ]
    return np.array(found).reshape(shape)


def proven(trace: cr.Trace) -> cr.Trace:
    assert cr.verify(trace)
    assert cr.replay(trace) == []
    return trace


def test_the_neuron_and_the_network_of_003(texts: Texts) -> None:
    case = texts["003-neuron"]
    net = cr.Network(2, [cr.Dense(1), cr.Sigmoid()], rng=0)
    net["0.W"], net["0.b"] = np.array(case["w"], float)[:, None], [case["b"]]
    trace = proven(step(net, cr.SquaredError(), [case["x"]], [1.0]))
    assert cr.explain(trace, "layer 0 unit 0").value == case["z"]
    assert cr.explain(trace, "prediction").value == pytest.approx(case["exact"], **NEAR)
    whole = texts["003-network"]
    net = cr.Network(2, [cr.Dense(2), cr.Sigmoid(), cr.Dense(1), cr.Sigmoid()], rng=0)
    net["0.W"], net["2.W"] = [[0.0, 0.0], [1.0, 1.0]], [[0.0], [1.0]]
    trace = proven(step(net, cr.SquaredError(), [whole["x"]], [1.0]))
    hidden = [cr.explain(trace, f"layer 1 unit {j}").value for j in (0, 1)]
    assert hidden == pytest.approx(whole["hidden"], **NEAR)
    assert cr.explain(trace, "prediction").value == pytest.approx(whole["exact"], **NEAR)


def test_every_gradient_and_the_step_of_alice(texts: Texts) -> None:
    trace, exact = proven(alice()), texts["003-alice-gradients"]
    W, V = gradients(trace, "0.W"), gradients(trace, "2.W")
    found = {"w1": W[0, 0], "w2": W[1, 0], "w3": W[0, 1], "w4": W[1, 1], "w5": V[0, 0],
             "w6": V[1, 0], "b3": gradients(trace, "2.b")[0]}  # fmt: skip
    found |= dict(zip(("b1", "b2"), gradients(trace, "0.b"), strict=True))
    assert found == pytest.approx(exact, **NEAR)
    factors = texts["003-alice-factors-of-w1"]
    three = cr.Paper(trace, digits=3)
    assert three.at("3.A[0,0]") == texts["003-alice-forward"]["output"]["printed"]
    assert round(cr.explain(trace, "0.W[0,0]").value, 4) == factors["dL_dw1"]["printed"]
    loss = cr.explain(trace, "loss")
    assert loss.value == pytest.approx(texts["003-alice-forward"]["loss"], **NEAR)


def test_every_gradient_and_the_step_of_001(texts: Texts) -> None:
    trace = proven(boolean_trace(texts))
    backward, after = texts["001-backward"], texts["001-step"]
    delta = cr.explain(trace, "2.dZ[0,0]").value
    assert delta == pytest.approx(backward["delta_output"], **NEAR)
    assert gradients(trace, "2.W")[:, 0] == pytest.approx(backward["dW2"], **NEAR)
    hidden = [cr.explain(trace, f"0.dZ[0,{j}]").value for j in range(3)]
    assert hidden == pytest.approx(backward["dz_hidden"], **NEAR)
    W = gradients(trace, "0.W")
    assert W[0] == pytest.approx(hidden, **NEAR)
    assert not W[1].any()
    assert trace.values["2.W.after"][:, 0] == pytest.approx(after["W2_after"], **NEAR)
    assert trace.values["0.W.after"][0] == pytest.approx(after["W1_row_x1_after"], **NEAR)
    half = texts["001-loss"]["half_squared_error"]
    assert cr.explain(trace, "loss").value == pytest.approx(half["exact"], **NEAR)
    rounded = cr.Paper(trace, digits=4, decimals={"A": 2, "Z": 3})
    assert 0.5 * rounded.at("3.A[0,0]") ** 2 == pytest.approx(half["printed"], **NEAR)


def truth_table(texts: Texts) -> tuple[Array, Array]:
    case = texts["001-truth-table"]
    return np.array(case["X"], float), np.array(case["F"])


def test_the_deep_network_of_002_b(texts: Texts) -> None:
    case, random = texts["002B-deep"], np.random.RandomState(3)
    net = cr.Network(3, [cr.Dense(4), cr.Sigmoid(), cr.Dense(1)], rng=0)
    net["0.W"], net["2.W"] = (0.01 * random.randn(*shape).T for shape in ((4, 3), (1, 4)))
    trace = proven(step(net, cr.BinaryCrossEntropy(), *truth_table(texts)))
    assert net["0.W"][:, 0] == pytest.approx(case["W1_first_neuron"], **NEAR)
    assert cr.explain(trace, "loss").value == pytest.approx(case["cost_0"], **NEAR)
    assert gradients(trace, "2.W")[:, 0] == pytest.approx(case["dW2"], **NEAR)
    assert gradients(trace, "2.b")[0] == pytest.approx(case["db2"], **NEAR)
    assert gradients(trace, "0.W")[:, 0] == pytest.approx(case["dW1_first_neuron"], **NEAR)


def test_the_two_layers_of_002_a(texts: Texts) -> None:
    case, random = texts["002A-two-layer"], np.random.RandomState(0)
    layers = [cr.Dense(4, bias=False), cr.Sigmoid(), cr.Dense(1, bias=False), cr.Sigmoid()]
    net = cr.Network(3, layers, rng=0)
    net["0.W"], net["2.W"] = random.rand(3, 4), random.rand(4, 1)
    loss = cr.SquaredError(reduction="sum")
    trace = proven(step(net, loss, *truth_table(texts), lr=1.0))
    assert cr.explain(trace, "loss").value == pytest.approx(case["sse_0"], **NEAR)
    assert -gradients(trace, "2.W")[:, 0] == pytest.approx(case["minus_dE_dW2"], **NEAR)
    net.theta = trace.theta_after
    after = step(net, loss, *truth_table(texts), lr=1.0)
    assert after.loss == pytest.approx(case["sse_1"], **NEAR)


def test_the_neuron_of_000(texts: Texts) -> None:
    net = cr.Network(3, [cr.Dense(1, init=0.0)], rng=0)
    trace = proven(step(net, cr.BinaryCrossEntropy(), *truth_table(texts)))
    case = texts["000-neuron-truth-table"]
    assert cr.explain(trace, "loss").value == pytest.approx(
        texts["000-neuron-start"]["cost_0"], **NEAR
    )
    assert gradients(trace, "0.W")[:, 0] == pytest.approx(case["dw_0"], **NEAR)
    assert gradients(trace, "0.b")[0] == pytest.approx(case["db_0"], **NEAR)
    net.theta = trace.theta_after
    assert step(net, cr.BinaryCrossEntropy(), *truth_table(texts)).loss == pytest.approx(
        case["cost_1"], **NEAR
    )
    people, case = texts["003-people"], texts["000-neuron-people"]
    net = cr.Network(2, [cr.Dense(1, init=0.0)], rng=0)
    trace = proven(step(net, cr.BinaryCrossEntropy(), people["X"], people["y"]))
    assert gradients(trace, "0.W")[:, 0] == pytest.approx(case["dw_0"], **NEAR)
    assert gradients(trace, "0.b")[0] == pytest.approx(case["db_0"], **NEAR)
