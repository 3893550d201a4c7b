"""Nine networks written by hand, each in another layout, with bugs to choose by name.

Every function takes the name of a bug ("" for none) and returns a Problem. The bugs are those of
the five texts and of people's homework; the code around them is as plain as theirs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
TRUTH = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]], float)  # fmt: skip # noqa: E501
F = np.array([1, 1, 0, 1, 0, 1, 0, 1], float)
PEOPLE = np.array([[-2, -1], [25, 6], [17, 4], [-15, -6]], float)
GENDER = np.array([1, 0, 0, 1], float)


class Problem(NamedTuple):
    value: Callable[..., Any]
    gradient: Callable[..., Any]
    parameters: Any
    rows: int | None = None


def sigmoid(Z: Any) -> Any:
    return 1 / (1 + np.exp(-Z))


def late(gradient: Callable[[Any], Any], bug: str) -> Callable[[Any], Any]:
    """The gradient with a memory: "stale", "first", "accumulates" or "momentum"."""
    kept: dict[str, Any] = {"g": None}

    def join(old: Any, new: Any, share: float) -> Any:
        if isinstance(new, dict):
            return {k: join(old[k], new[k], share) for k in new}
        if isinstance(new, list):
            return [join(o, n, share) for o, n in zip(old, new, strict=True)]
        return share * old + new

    def call(p: Any) -> Any:
        new, old = gradient(p), kept["g"]
        if bug == "stale":
            kept["g"] = new
            return new if old is None else old
        if bug == "first":
            kept["g"] = new if old is None else old
        else:
            kept["g"] = new if old is None else join(old, new, 1.0 if bug == "accumulates" else 0.9)
        return kept["g"]

    return call if bug in ("stale", "first", "accumulates", "momentum") else gradient


def neuron(bug: str = "", X: Array = TRUTH.T, y: Array = F) -> Problem:
    """Text 000: one neuron, columns are samples, w (n, 1), b a number, log loss."""
    n, m = X.shape
    Y = y.reshape(1, m)

    def value(p: Any) -> float:
        A = sigmoid(p["w"].T @ X + p["b"])
        return float(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)))

    def gradient(p: Any) -> Any:
        A = sigmoid(p["w"].T @ X + p["b"])
        dA = -Y / A + (1 - Y) / (1 - A)
        dZ = dA * A * (1 - A)
        if bug == "slope sign":
            dZ = dA * -np.exp(-(p["w"].T @ X + p["b"])) * A**2
        if bug == "slope twice":
            dZ = (A - Y) * A * (1 - A)
        if bug == "last lost":
            dZ[:, -1] = 0
        if bug == "zeros missing":
            dZ = np.where(Y == 1, dZ, 0)
        dw, db = X @ dZ.T / m, np.sum(dZ) / m
        if bug == "no 1/m":
            dw, db = dw * m, db * m
        if bug == "1/m twice":
            dw, db = dw / m, db / m
        if bug == "double sum":
            db = sum(np.sum(dZ) for _ in range(n)) / m
        if bug == "db unsummed":
            db = dZ / m
        if bug == "dw turned":
            dw = dw.T
        if bug == "db zero":
            db = 0.0
        if bug == "db no 1/m":
            db = np.sum(dZ)
        return {"dw": dw, "db": db}

    p = {"w": np.random.default_rng(1).normal(size=(n, 1)) * 0.3, "b": 0.1}
    return Problem(value, late(gradient, bug), p, m)


def deep(bug: str = "", sizes: tuple[int, ...] = (3, 4, 1), scale: float = 0.5) -> Problem:
    """Text 002-B: any number of sigmoid layers, columns are samples, dictionaries by number."""
    rng, L = np.random.default_rng(3), len(sizes) - 1
    X, m = TRUTH.T, 8
    Y = np.vstack([F, 1 - F, F * 0])[: sizes[-1]]
    p = {}
    for i in range(1, L + 1):
        p[f"W{i}"] = rng.normal(size=(sizes[i], sizes[i - 1])) * scale
        p[f"b{i}"] = np.zeros((sizes[i], 1)) + 0.01 * i

    def forward(p: Any) -> Any:
        A, caches = X, []
        for i in range(1, L + 1):
            Z = p[f"W{i}"] @ A + p[f"b{i}"]
            caches.append((A, Z))
            A = sigmoid(Z)
            if bug == "dropout" and i < L:
                A = A * (rng.random(A.shape) > 0.2)
        return A, caches

    def value(p: Any) -> Any:
        A, _ = forward(p)
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m

    def gradient(p: Any) -> Any:
        A, caches = forward(p)
        dA, grads = -(Y / A) + (1 - Y) / (1 - A), {}
        if bug == "dAL sign":
            dA = Y / A - (1 - Y) / (1 - A)
        if bug == "1/k":
            dA = dA / sizes[-1]
        for i in range(L, 0, -1):
            before, Z = caches[i - 1]
            a = sigmoid(Z)
            slope, hidden = a * (1 - a), i < L
            if (bug == "missing hidden" and hidden) or (bug == "missing output" and not hidden):
                slope = 1.0
            if (bug == "place" and hidden) or bug == "place everywhere":
                slope = sigmoid(a) * (1 - sigmoid(a))
            if bug == "formula of z" and hidden:
                slope = Z * (1 - Z)
            if bug == "a for slope" and hidden:
                slope = a
            dZ = dA * slope
            if bug == "batch":
                dZ = dZ * (rng.random(m) > 0.3)
            dW, db = dZ @ before.T / m, dZ.sum(axis=1, keepdims=True) / m
            if bug == "db unsummed":
                db = dZ / m
            if bug == "db wrong axis" and hidden:
                db = dZ.sum(axis=0, keepdims=True) / m
            if bug == "no 1/m in dW2" and i == 2:
                dW = dW * m
            if bug == "dW1 turned" and i == 1:
                dW = dW.T
            if bug == "dW1 zero" and i == 1:
                dW = dW * 0
            j = i - 1 if bug == "L-1" and i == L else i
            d = "" if bug == "no d" else "d"
            grads |= {f"{d}W{j}": dW, f"{d}b{j}": db}
            dA = p[f"W{i}"].T @ dZ
        if bug == "dW3 in dW2":
            grads["dW2"] = grads["dW3"]
        if bug == "W and b apart":
            grads["db1"] = grads["db1"] * m
            grads["dW2"] = grads["dW2"] * 2
        return grads

    return Problem(value, late(gradient, bug), p, m)


def two_layer(bug: str = "", X: Array = TRUTH, tanh: bool = False) -> Problem:
    """Text 002-A: two layers without biases, sum of squared errors, a list of two matrices."""
    rng = np.random.RandomState(0)
    y = F[: len(X), None]
    W = [rng.rand(X.shape[1], 4) - 0.3 * tanh, rng.rand(4, 1)]

    def act(Z: Any) -> Any:
        return np.tanh(Z) if tanh else sigmoid(Z)

    def slope(a: Any, where: str) -> Any:
        if bug in (f"missing {where}", "missing both"):
            return 1.0
        if bug in (f"place {where}", "place both"):
            a = act(a)
        return 1 - a * a if tanh else a * (1 - a)

    def value(p: Any) -> Any:
        return np.sum((y - act(act(X @ p[0]) @ p[1])) ** 2)

    def gradient(p: Any) -> Any:
        z1 = X @ p[0]
        h = act(z1)
        z2 = h @ p[1]
        o = act(z2)
        d2 = 2 * (y - o) * slope(o, "output")
        if bug == "row 2 lost":
            d2[2] = 0
        if bug == "half":
            d2 = d2 / 2
        d1 = d2 @ p[1].T * slope(h, "hidden")
        g = [-X.T @ d1, -h.T @ d2]
        if bug == "minus":
            g = [-g[0], -g[1]]
        if bug == "minus half":
            g = [-g[0] / 2, -g[1] / 2]
        if bug == "dW2 turned":
            g[1] = g[1].T
        if bug == "swapped":
            g = g[::-1]
        return g

    return Problem(value, late(gradient, bug), W, len(X))


def people(bug: str = "", rows: int = 4) -> Problem:
    """Text 003: a 2-2-1 network of nine numbers, one person after the other, mean squared error."""
    X, y = PEOPLE[:rows] / 10, GENDER[:rows]
    names = ("w1", "w2", "w3", "w4", "w5", "w6", "b1", "b2", "b3")
    numbers = (0.4, -0.7, 0.3, 0.9, -0.5, 0.8, 0.1, -0.2, 0.05)

    def feed(p: Any, x: Any) -> Any:
        s1 = p["w1"] * x[0] + p["w2"] * x[1] + p["b1"]
        s2 = p["w3"] * x[0] + p["w4"] * x[1] + p["b2"]
        so = p["w5"] * sigmoid(s1) + p["w6"] * sigmoid(s2) + p["b3"]
        return s1, s2, so

    def value(p: Any) -> Any:
        return np.mean([(t - sigmoid(feed(p, x)[2])) ** 2 for x, t in zip(X, y, strict=True)])

    def prime(s: Any, hidden: bool) -> Any:
        if bug == ("missing h" if hidden else "missing o"):
            return 1.0
        if bug == ("place h" if hidden else "place o"):
            s = sigmoid(s)
        return sigmoid(s) * (1 - sigmoid(s))

    def one(p: Any, x: Any, t: Any) -> dict[str, Any]:
        s1, s2, so = feed(p, x)
        d = -2 * (t - sigmoid(so)) * prime(so, False)
        if bug == "no 2":
            d = d / 2
        if bug == "sign":
            d = -d
        if bug == "y=0 doubled" and t == 0:
            d = 2 * d
        g1, g2 = d * p["w5"] * prime(s1, True), d * p["w6"] * prime(s2, True)
        if bug == "sign of h":
            g1, g2 = -g1, -g2
        g = {"w5": d * sigmoid(s1), "w6": d * sigmoid(s2), "b3": d, "b1": g1, "b2": g2}
        g |= {"w1": g1 * x[0], "w2": g1 * x[1], "w3": g2 * x[0], "w4": g2 * x[1]}
        if bug == "b2 is b1":
            g["b2"] = g["b1"]
        if bug == "w3 zero":
            g["w3"] = 0.0
        if bug == "w1 w2 swapped":
            g["w1"], g["w2"] = g["w2"], g["w1"]
        return g

    def gradient(p: Any) -> Any:
        total = dict.fromkeys(names, 0.0)
        for x, t in zip(X, y, strict=True):
            g = one(p, x, t)
            for k in names:
                total[k] = g[k] if bug == "= for +=" else total[k] + g[k]
        m = 1 if bug in ("no 1/m", "= for +=") else rows
        return {k: total[k] / m for k in names}

    return Problem(value, late(gradient, bug), dict(zip(names, numbers, strict=True)), rows)
