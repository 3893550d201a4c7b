"""The four bugs of text 002-B as exercises: its way of computing, with one of them left in at a
time, and what the gradient checker says of it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..gradcheck.check import check_gradients
from ..writing.blocks import Table
from .parts import Part, claim
from .text_data import TRUTH_TABLE

SIZES = (3, 4, 1)
# The line of code, and what the checker says of it.
BUGS = {
    "log": ("log(1 - A), where np.log(1 - A) is meant", "NameError: name 'log' is not defined"),
    "pair": (
        "sigmoid(Z) returns a pair, and the slope is sigmoid(Z) * (1 - sigmoid(Z))",
        "TypeError",
    ),
    "key": ("the update reads grads['W1'], where the gradients are called dW1", "KeyError: 'W1'"),
    "last": ("the last layer's gradient is filed under 'dW' + str(L - 1)", "overwritten"),
}


def find_the_bugs() -> Iterator[Part]:
    """Find the bug

    Each of the four bugs alone, in code that is otherwise repaired. Look at the line first and say
    what will happen; then see what `chainrule.check_gradients` says, which is given nothing but the
    two functions `cost` and `gradient` and the parameters.
    """
    answers = {bug: _answer(bug) for bug in BUGS}
    rows = [(line, answers[bug]) for bug, (line, _) in BUGS.items()]
    yield Table("One bug at a time", ("the line", "what the checker says"), rows)
    for bug, (_, words) in BUGS.items():
        yield claim(f"The checker says of it: {words}", True, words in answers[bug])
    yield claim("Repaired, the gradient is called correct", True, _answer("").startswith("correct"))


def _answer(bug: str) -> str:
    """What the checker says of the text's functions with this bug."""
    cost, gradient, parameters = text_functions(bug)
    try:
        report = check_gradients(cost, gradient, parameters, rows=len(TRUTH_TABLE.X))
    except ValueError as error:
        return str(error)
    return f"{report.cause}: {report.evidence[0]}" if report.evidence else report.cause


def text_functions(bug: str = "") -> tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]:
    """(cost, gradient, parameters) as text 002-B has them, samples as columns, with a bug of `BUGS`
    or none.
    """
    X, Y, L = TRUTH_TABLE.X.T, TRUTH_TABLE.y[None, :], len(SIZES) - 1
    random = np.random.RandomState(3)
    parameters = {}
    for i in range(1, L + 1):
        parameters[f"W{i}"] = random.randn(SIZES[i], SIZES[i - 1])
        parameters[f"b{i}"] = np.zeros((SIZES[i], 1))

    def sigmoid(Z: Any) -> Any:
        A = 1 / (1 + np.exp(-Z))
        return (A, Z) if bug == "pair" else A

    def forward(p: dict[str, Any]) -> tuple[Any, list[Any]]:
        A, caches = X, []
        for i in range(1, L + 1):
            Z = p[f"W{i}"] @ A + p[f"b{i}"]
            caches.append((A, Z))
            A = 1 / (1 + np.exp(-Z))
        return A, caches

    def cost(p: dict[str, Any]) -> float:
        A, _ = forward(p)
        other = log(1 - A) if bug == "log" else np.log(1 - A)  # type: ignore[name-defined] # noqa: F821
        return float(-np.mean(Y * np.log(A) + (1 - Y) * other))

    def gradient(p: dict[str, Any]) -> dict[str, Any]:
        A, caches = forward(p)
        dA, grads = -(Y / A) + (1 - Y) / (1 - A), {}
        for i in range(L, 0, -1):
            below, Z = caches[i - 1]
            dZ = dA * (sigmoid(Z) * (1 - sigmoid(Z)))
            filed = i - 1 if bug == "last" and i == L else i
            grads[f"dW{filed}"] = dZ @ below.T / X.shape[1]
            grads[f"db{filed}"] = dZ.sum(axis=1, keepdims=True) / X.shape[1]
            dA = p[f"W{i}"].T @ dZ
        if bug == "key":  # what the update looks for
            return {"W1": grads["W1"]}
        return grads

    return cost, gradient, parameters
