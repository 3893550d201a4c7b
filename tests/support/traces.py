"""Steps that tests look into: their traces, and what the scripts copied from them print."""

import contextlib
import io
from typing import Any

import numpy as np
from hypothesis import assume

import chainrule as cr
from chainrule.trace.step import Trace, trace_step
from support.compiled_cases import Case

ROWS = tuple((n, None) for n in (1, 2, 3, 7, 20))
ALICE = np.array([[-2.0, -1.0]])


def traced(case: Case, **how: Any) -> Trace:
    """The trace of a case's first step, with its own settings."""
    return trace_step(
        case.net(), case.goal.loss, case.optimizer, **case.data(), lr=case.lr,
        penalty=case.penalty, clip=case.clip, rng=case.seed, **how,
    )  # fmt: skip


def some_trace(case: Case) -> Trace:
    try:
        return traced(case)
    except cr.Diverged:
        assume(False)
        raise


def alice(**how: Any) -> Trace:
    """Text 003: one sample through the 2-2-1 network, every weight 1."""
    layers = [cr.Dense(2, init=1.0), cr.Sigmoid(), cr.Dense(1, init=1.0), cr.Sigmoid()]
    settings: dict[str, Any] = {"lr": 0.1} | how
    return trace_step(cr.Network(2, layers), cr.SquaredError(), cr.SGD(), ALICE, [1.0], **settings)


def boolean_trace(texts: dict[str, Any]) -> Trace:
    """Text 001: the row (1, 0, 1) through the 3-3-1 network, half the squared error, lr 0.5."""
    case = texts["001-forward"]
    layers = [cr.Dense(3, bias=False), cr.Sigmoid(), cr.Dense(1, bias=False), cr.Sigmoid()]
    net = cr.Network(3, layers, rng=0)
    net["0.W"], net["2.W"] = case["W1"], case["W2"]
    loss = cr.SquaredError(scale=0.5)
    return trace_step(net, loss, cr.SGD(), [case["x"]], [case["target"]], lr=0.5)


def address(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{','.join(map(str, index))}]" if index else name


def printed(source: str) -> float:
    """What a script prints, run with nothing but Python's own."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "<copied>", "exec"), {"__name__": "__main__"})  # noqa: S102
    return float(out.getvalue())
