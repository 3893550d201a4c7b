"""Why is my number different: the mis-steps of the texts, and planted ones, are named."""

from typing import Any

import numpy as np
import pytest
from support.traces import alice, boolean_trace

import chainrule as cr
from chainrule.chain.why import why
from chainrule.trace.step import Trace, trace_step


@pytest.mark.parametrize(
    ("address", "mine", "cause"),
    [
        ("0.W[0,0]", -0.02146953526581111, "sign"),
        ("0.W[0,0]", 0.010734767632905557, "half"),
        ("0.W[0,0]", "0.0429391", "half"),
        ("0.W.after[0,0]", "0.9785", "learning_rate"),
        ("0.W.after[0,0]", "1.00215", "direction"),
        ("3.A[0,0]", "0.5237 ".strip(), None),
        ("0.W[1,0]", "-0.0107348", "sign"),
        ("2.Z[0,0]", "0.0948", "rounding"),
        ("2.W[0,0]", "-0.0451783", "slope"),
    ],
)
def test_mis_steps_of_text_003(address: str, mine: float | str, cause: str | None) -> None:
    found = why(alice(), address, mine)
    assert found.right is (cause is None)
    if cause is not None:
        assert cause in [reason.cause for reason in found.reasons], str(found)


@pytest.mark.parametrize(
    ("address", "mine", "cause", "words"),
    [
        ("2.Z[0,0]", "1.213", "rounding", "hidden activations rounded to 2 decimals"),
        ("3.A[0,0]", "0.7708293339958", "rounding", "hidden activations rounded to 2 decimals"),
        ("prediction", "0.76852", "rounding", "2.Z[0,0] rounded to 1.2"),
        ("2.W[0,0]", "0.1990", "half", "without the ½"),
        ("2.W.after[0,0]", "0.2005", "learning_rate", "without the learning rate"),
        ("3.A[0,0]", "1.2146", "activation", "with z in the place of a"),
    ],
)
def test_mis_steps_of_text_001(
    texts: dict[str, Any], address: str, mine: str, cause: str, words: str
) -> None:
    found = why(boolean_trace(texts), address, mine)
    assert not found.right
    reasons = [reason for reason in found.reasons if reason.cause == cause]
    assert reasons, str(found)
    assert words in reasons[0].text
    assert str(found).startswith(found.what)


def biased(rows: int = 3) -> Trace:
    net = cr.Network(2, [cr.Dense(2), cr.Tanh(), cr.Dense(1)], rng=0)
    net["0.b"], net["2.b"] = [0.3, -0.2], [0.7]
    X = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 0.1]])[:rows]
    return trace_step(net, cr.SquaredError(), cr.SGD(), X, np.arange(rows) * 0.5, lr=0.1)


def test_planted_mis_steps() -> None:
    trace = biased()
    v, net = trace.values, trace.net
    X, dZ = v["X"], v["0.dZ"]
    slope_at_a = 1 - np.tanh(v["1.A"]) ** 2
    for address, mine, cause in (
        ("0.W[0,1]", 3 * v["0.dW"][0, 1], "rows"), ("2.b", 3 * v["2.db"][0], "rows"),
        ("0.W[0,1]", v["0.dW"][1, 0], "transposed"), ("0.b[1]", v["0.db"][0], "neighbour"),
        ("2.Z[1,0]", v["2.Z"][1, 0] - 0.7, "bias"),
        ("1.A[2,1]", np.tanh(v["0.Z"][2, 1] + 0.2), "bias"),
    ):  # fmt: skip
        found = why(trace, address, float(mine))
        assert cause in [reason.cause for reason in found.reasons], (address, str(found))
    assert dZ.shape == (3, 2)
    one = biased(rows=1)
    at_a = X[0, 0] * one.values["1.dA"][0, 0] * slope_at_a[0, 0]
    found = why(one, "0.W[0,0]", float(at_a))
    assert "slope" in [reason.cause for reason in found.reasons], str(found)
    assert net["2.b"][0] == 0.7


def test_what_is_asked_of_a_parameter_is_its_gradient_and_says_so() -> None:
    net = cr.Network.mlp([2, 3, 1], "tanh", rng=0)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), np.ones((9, 2)), np.zeros(9), lr=0.1)
    own = float(net["0.W"][0, 0])
    told = str(why(trace, "0.W[0,0]", own))
    assert told.startswith("∂L/∂0.W[0,0] is ")
    assert "no mis-step of one number (the step is too large to be made anew with others)" in told
    for wrong in (True, "x"):
        with pytest.raises(ValueError, match="is no number"):
            why(trace, "0.W[0,0]", wrong)
    with pytest.raises(ValueError, match='input "x0" row 0 is a sum over columns'):
        why(trace, 'input "x0" row 0', 1.0)


def test_networks_without_activations_and_saturated_ones() -> None:
    line = cr.Network(1, [cr.Dense(1, init=1.0)], rng=0)
    trace = trace_step(line, cr.SquaredError(), cr.SGD(), [[1.0]], [0.0], lr=0.1)
    assert [r.cause for r in why(trace, "0.dW[0,0]", 4.0).reasons] == ["half"]
    two = cr.Network(1, [cr.Dense(2)], rng=0)
    two["0.W"] = [[1.0, -1.0]]
    far = trace_step(two, cr.SoftmaxCrossEntropy(), cr.SGD(), [[800.0]], np.array([1]), lr=0.1)
    assert str(why(far, "L", 1.0)).startswith("L is 1600.0; no mis-step")


def test_z_for_a_in_a_whole_layer() -> None:
    net, X = cr.Network.mlp([2, 3, 1], "tanh", rng=0), np.array([[0.4, -1.2]])
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), X, [1.0], lr=0.1)
    mine = float((trace.values["0.Z"] @ net["2.W"] + net["2.b"])[0, 0])
    found = why(trace, "2.Z[0,0]", mine)
    assert "with z in the place of a in all of layer 1" in [r.text for r in found.reasons]


def test_a_number_that_is_right_or_unknown() -> None:
    trace = alice()
    assert str(why(trace, "0.W[0,0]", "0.0215")).startswith(
        "0.0215 is ∂L/∂0.W[0,0], rounded: exactly"
    )
    lost = why(trace, "0.W[0,0]", 17.25)
    assert lost.reasons == ()
    assert "no mis-step that is known here makes 17.25 of it" in str(lost)
    for odd in ("much", "inf", "1e400", None):
        with pytest.raises(ValueError, match="is no number: give it as 0.25"):
            why(trace, "0.W[0,0]", odd)  # type: ignore[arg-type]


def test_forgotten_biases_and_scaled_steps() -> None:
    trace = biased(rows=1)
    v, net = trace.values, trace.net
    hidden = np.tanh(v["X"] @ net["0.W"])
    for mine, words in (
        (hidden @ net["2.W"] + 0.7, "without the biases of layer 0"),
        (hidden @ net["2.W"], "without any bias"), (v["2.Z"] - 0.7, "without the bias 2.b[0]"),
    ):  # fmt: skip
        found = why(trace, "2.Z[0,0]", float(mine[0, 0]))
        assert words in str(found)
    many = biased()
    theta, g = net["0.W"][0, 0], many.values["0.dW"][0, 0]
    assert "½" in str(why(many, "0.W.after[0,0]", float(theta - 0.1 * g / 2)))
    assert "3 rows" in str(why(many, "0.W.after[0,0]", float(theta - 0.1 * g * 3)))
    assert why(many, "0.W[0,0]", "0.5").reasons == ()
