"""Right gradients that a careless check calls wrong: kinks, float32, extreme scales, noise."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from support.planted_deeper import by_rows, line, outputs, softmax_vector, square
from support.planted_networks import (
    PEOPLE,
    TRUTH,
    Problem,
    deep,
    neuron,
    people,
    sigmoid,
    two_layer,
)

Array = np.ndarray
RNG = np.random.default_rng
NORMAL = RNG(2).normal(size=(8, 3))


def relu_net(p: dict[str, Array], m: int = 40, scale: float = 1.0, side: float = 0.0) -> Problem:
    """4-6-2, ReLU, half the sum of squares; `side` is the slope it takes at z = 0."""
    rng = RNG(4)
    X, T = rng.normal(size=(m, 4)) * scale, rng.normal(size=(m, 2))

    def value(p: Any) -> Any:
        return 0.5 * np.sum((np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"] - T) ** 2)

    def gradient(p: Any) -> Any:
        Z = X @ p["W1"] + p["b1"]
        A = np.maximum(Z, 0)
        D = A @ p["W2"] + p["b2"] - T
        dZ = D @ p["W2"].T * np.where(Z == 0, side, Z > 0)
        return {"dW1": X.T @ dZ, "db1": dZ.sum(0), "dW2": A.T @ D, "db2": D.sum(0)}

    return Problem(value, gradient, p, m)


def relu_start(W1: float, W2: float, seed: int = 0) -> dict[str, Array]:
    rng = RNG(seed)
    W = {"W1": rng.normal(size=(4, 6)) * W1, "W2": rng.normal(size=(6, 2)) * W2}
    return W | {"b1": np.zeros(6), "b2": np.zeros(2)}


def scaled(problem: Problem, factor: float = 1.0, shift: float = 0.0) -> Problem:
    """The loss times a factor, plus a constant."""

    def times(g: Any) -> Any:
        if isinstance(g, dict):
            return {k: times(v) for k, v in g.items()}
        return [times(v) for v in g] if isinstance(g, list) else factor * g

    return Problem(
        lambda p: factor * problem.value(p) + shift, lambda p: times(problem.gradient(p)),
        problem.parameters, problem.rows,
    )  # fmt: skip


def batch_norm() -> Problem:
    """Batch norm with its three-line backward pass; the bias before it has the gradient 0."""
    rng = RNG(6)
    X, T = rng.normal(size=(16, 3)), rng.normal(size=(16, 1))
    p = {"W": rng.normal(size=(3, 4)), "b": np.zeros(4), "gamma": np.ones(4), "beta": np.zeros(4),
         "v": rng.normal(size=(4, 1))}  # fmt: skip

    def forward(p: Any) -> Any:
        Z = X @ p["W"] + p["b"]
        s = np.sqrt(Z.var(axis=0) + 1e-5)
        N = (Z - Z.mean(axis=0)) / s
        A = np.tanh(p["gamma"] * N + p["beta"])
        return s, N, A, A @ p["v"] - T

    def gradient(p: Any) -> Any:
        s, N, A, E = forward(p)
        D = 2 * E / len(X)
        dY = D @ p["v"].T * (1 - A**2)
        dN = dY * p["gamma"]
        dZ = (dN - dN.mean(axis=0) - N * (dN * N).mean(axis=0)) / s
        g = {"W": X.T @ dZ, "b": dZ.sum(axis=0), "gamma": (dY * N).sum(axis=0)}
        return g | {"beta": dY.sum(axis=0), "v": A.T @ D}

    return Problem(lambda p: np.mean(forward(p)[3] ** 2), gradient, p, 16)


def regression(kind: str, m: int = 30, scale: float = 1.0) -> Problem:
    """One linear neuron under a loss with kinks: absolute, huber, hinge, pinball, lasso."""
    rng = RNG(9)
    X = np.c_[rng.normal(size=(m, 3)) * scale, np.ones(m)]
    y = np.sign(rng.normal(size=m)) if kind == "hinge" else rng.normal(size=m)

    def value(w: Array) -> Any:
        e = X @ w - y
        return {
            "absolute": np.mean(np.abs(e)),
            "huber": np.mean(np.where(np.abs(e) < 1, e * e / 2, np.abs(e) - 0.5)),
            "hinge": np.mean(np.maximum(0, 1 - y * (X @ w))),
            "pinball": np.mean(np.maximum(0.9 * -e, -0.1 * -e)),
            "lasso": np.mean(e * e) / 2 + 0.1 * np.sum(np.abs(w)),
        }[kind]

    def gradient(w: Array) -> Any:
        e = X @ w - y
        slope = {
            "absolute": np.sign(e), "huber": np.clip(e, -1, 1), "hinge": -y * (y * (X @ w) < 1),
            "pinball": np.where(e < 0, -0.9, 0.1), "lasso": e,
        }[kind]  # fmt: skip
        return X.T @ slope / m + 0.1 * np.sign(w) * (kind == "lasso")

    start = np.array([0.3, -0.2, 0.5, 0.1]) / scale * (kind != "lasso")
    return Problem(value, gradient, start, m)


def guarded(how: str) -> Problem:
    """Log loss with an ε in the logarithm, or clipped probabilities, or rounded, or noisy."""
    p = neuron()
    X, y = TRUTH, TRUTH @ [1, 1, -1] > 0

    def value(p: Any) -> Any:
        A = sigmoid(X @ p["w"][:, 0] + p["b"])
        if how == "clip":
            A = np.clip(A, 1e-7, 1 - 1e-7)
        eps = 1e-10 if how == "eps" else 0.0
        loss = -np.mean(y * np.log(A + eps) + (1 - y) * np.log(1 - A + eps))
        if how == "noise":  # deterministic, as that of a long sum in another order
            loss *= 1 + 1e-9 * np.sin(1e9 * loss)
        return round(float(loss), 9) if how == "rounded" else loss

    def gradient(p: Any) -> Any:
        A = sigmoid(X @ p["w"][:, 0] + p["b"])
        return {"w": (X.T @ (A - y) / 8)[:, None], "b": np.mean(A - y)}

    return Problem(value, gradient, p.parameters, 8)


def cached() -> Problem:
    """The backward pass reads what the last forward pass left behind."""
    kept: dict[str, Array] = {}
    X, y = NORMAL, TRUTH[:, 0]

    def value(w: Array) -> Any:
        kept["e"] = np.tanh(X @ w) - y
        return np.mean(kept["e"] ** 2)

    def gradient(w: Array) -> Any:
        return X.T @ (2 * kept["e"] * (1 - (kept["e"] + y) ** 2)) / len(X)

    return Problem(value, gradient, np.array([0.4, -0.3, 0.8]), 8)


def dropout_fixed() -> Problem:
    """Dropout whose mask comes from the same seed at each call; the parameters are changed."""
    X, y = NORMAL, TRUTH[:, :1]

    def parts(p: Any) -> Any:
        M = RNG(3).random((8, 4)) < 0.7
        A = np.tanh(X @ p[0])
        return M, A, (A * M / 0.7) @ p[1] - y

    def gradient(p: Any) -> Any:
        M, A, e = parts(p)
        g = [X.T @ (2 * e @ p[1].T * M / 0.7 * (1 - A**2)), (A * M / 0.7).T @ (2 * e)]
        p[0] -= 0.1 * g[0]
        return g

    start = [RNG(1).normal(size=(3, 4)), RNG(2).normal(size=(4, 1))]
    return Problem(lambda p: np.sum(parts(p)[2] ** 2), gradient, start, 8)


def recurrent() -> Problem:
    """A recurrent network through time, and nested tuples of parameters with a number in them."""
    S, target = RNG(12).normal(size=(7, 2)), 0.7

    def run(p: Any) -> Any:
        (U, W), v = p
        H = [np.zeros(3)]
        for x in S:
            H.append(np.tanh(U @ x + W @ H[-1]))
        return H, v * H[-1].sum() - target

    def gradient(p: Any) -> Any:
        (U, W), v = p
        H, e = run(p)
        dH, dU, dW = np.full(3, 2 * e * v), np.zeros_like(U), np.zeros_like(W)
        for t in range(len(S), 0, -1):
            dZ = dH * (1 - H[t] ** 2)
            dU, dW, dH = dU + np.outer(dZ, S[t - 1]), dW + np.outer(dZ, H[t - 1]), W.T @ dZ
        return (dU, dW), 2 * e * H[-1].sum()

    start = ((RNG(1).normal(size=(3, 2)), RNG(2).normal(size=(3, 3)) * 0.5), 1.3)
    return Problem(lambda p: run(p)[1] ** 2, gradient, start)


def wide(n: int = 4000) -> Problem:
    """More parameters than are compared one by one."""
    X, y = RNG(1).normal(size=(5, n)) / np.sqrt(n), RNG(2).normal(size=5)

    def gradient(w: Array) -> Any:
        a = np.tanh(X @ w)
        return X.T @ (2 * (a - y) * (1 - a * a))

    return Problem(lambda w: np.sum((np.tanh(X @ w) - y) ** 2), gradient, RNG(3).normal(size=n), 5)


def untouched() -> Problem:
    """A parameter that the loss does not depend on."""
    return Problem(
        lambda p: float(np.sum(p["a"] ** 2)),
        lambda p: {"a": 2 * p["a"], "unused": np.zeros(3)},
        {"a": np.array([1, 2]), "unused": np.ones(3)},
    )


RIGHT: dict[str, Callable[[], Problem]] = {
    "neuron": neuron, "deep": deep, "four layers": partial(deep, sizes=(3, 4, 4, 4, 1)),
    "two layer": two_layer, "tanh": partial(two_layer, X=NORMAL, tanh=True), "people": people,
    "alice": partial(people, rows=1), "outputs": outputs, "softmax": softmax_vector,
    "square": square, "line": line, "by rows": by_rows, "recurrent": recurrent,
    "text 000 from zero": lambda: neuron()._replace(parameters={"w": np.zeros((3, 1)), "b": 0.0}),
    "text 000 people": lambda: neuron(X=PEOPLE.T, y=np.array([1.0, 0, 0, 1])),
    "text 002-B start": partial(deep, scale=0.01), "keys without d": partial(deep, "no d"),
    "a tuple for a dict": partial(outputs, "tuple"),
    "weight decay": partial(outputs, "decay right"),
    "float32": partial(outputs, dtype=np.float32), "elu": partial(outputs, act="elu"),
    "float32, relu": partial(outputs, act="relu", dtype=np.float32, m=300),
    "relu": lambda: relu_net(relu_start(0.7, 0.7)),
    "relu, many rows": lambda: relu_net(relu_start(0.7, 0.7), m=2000),
    "relu, hidden zero": lambda: relu_net(relu_start(0, 0.7)),
    "relu, hidden zero, right side": lambda: relu_net(relu_start(0, 0.7), side=1.0),
    "relu, all zero": lambda: relu_net(relu_start(0, 0)),
    "relu, tiny": lambda: relu_net(relu_start(1e-5, 1e-5)),
    "relu, huge inputs": lambda: relu_net(relu_start(0.7, 0.7), scale=1e5),
    "relu, tiny inputs": lambda: relu_net(relu_start(0.7, 0.7), scale=1e-6),
    "loss of 1e12": lambda: scaled(outputs(), 1e12), "loss of 1e-12": lambda: scaled(deep(), 1e-12),
    "a constant of 1e6": lambda: scaled(outputs(), 1.0, 1e6), "batch norm": batch_norm,
    "absolute": partial(regression, "absolute"), "huber": partial(regression, "huber"),
    "hinge": partial(regression, "hinge"), "pinball": partial(regression, "pinball", m=500),
    "lasso from zero": partial(regression, "lasso"),
    "hinge, scaled": partial(regression, "hinge", scale=1e4),
    "log of a + 1e-10": partial(guarded, "eps"), "clipped": partial(guarded, "clip"),
    "rounded loss": partial(guarded, "rounded"), "noisy loss": partial(guarded, "noise"),
    "forward keeps a cache": cached, "dropout of a fixed seed": dropout_fixed, "wide": wide,
    "unused parameter": untouched, "leaky": partial(square, act="leaky"),
}  # fmt: skip
