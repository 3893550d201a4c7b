"""Addresses of an explanation: those that name a number, those that name nothing, odd settings."""

from typing import Any

import numpy as np
import pytest
from support.traces import alice

import chainrule as cr
from chainrule.chain.explain import explain
from chainrule.trace.step import trace_step


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "names nothing in this trace: write it like"),
        ("9.W[0,0]", "names nothing"),
        ("0.W[7,0]", r"0.W\[7,0\] does not exist: .* shape \(2, 2\)"),
        ("0.W", "say which number"),
        ("0.W[a]", "names nothing"),
        ("0.W[-1,0]", "does not exist"),
        ("layer 9 unit 0", "there is no layer 9: layers are 0, 1, 2, 3"),
        ("layer 0 unit 5", "does not exist"),
        ("row 3", "does not exist"),
        ('input "Age"', 'there is no input "Age": inputs are x0, x1'),
        ("0.W[0,0,0]", "does not exist"),
        ("0.W[--1,0]", "has no whole numbers as its indices"),
        ("0.W[0,,0]", "has no whole numbers as its indices"),
        ("x" * 2000, "an address is 'xxx"),
        ("__class__", "names nothing"),
    ],
)
def test_addresses_that_name_nothing(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        explain(alice(), address)


@pytest.mark.parametrize(
    ("address", "name", "index"),
    [
        ("0.W[1,0]", "0.W", (1, 0)),
        (" 2.b ", "2.b", (0,)),
        ("2.W[1]", "2.W", (1, 0)),
        ("layer 1 unit 1", "1.A", (0, 1)),
        ("Layer 1 Unit 1 row 0", "1.A", (0, 1)),
        ("row 0", "Yhat", (0, 0)),
        ("prediction", "Yhat", (0, 0)),
        ("loss", "L", ()),
        ("loss row 0", "l", (0, 0)),
        ("0.dZ[0,1]", "0.dZ", (0, 1)),
    ],
)
def test_addresses(address: str, name: str, index: tuple[int, ...]) -> None:
    found = explain(alice(), address).address
    assert (found.name, found.index) == (name, index)


@pytest.mark.parametrize("how", [{"max_listed": 0}, {"max_listed": 1.5}, {"row": 1.5}, {"row": -1}])
def test_odd_settings(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"explain max_listed is|there is no row .*rows 0 to 0"):
        explain(alice(), "L", **how)


def test_a_batch_must_be_told_which_row() -> None:
    net = cr.Network(2, [cr.Dense(1)], rng=0)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), np.ones((4, 2)), np.ones(4), lr=0.1)
    with pytest.raises(ValueError, match="this trace has 4 rows: say which, such as row 0"):
        explain(trace, "layer 0 unit 0")
    with pytest.raises(ValueError, match="there is no row 4: this trace has rows 0 to 3"):
        explain(trace, "0.b", row=4)
