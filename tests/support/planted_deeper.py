"""The other networks of planted_networks.py: vectors, nested lists, several outputs, softmax."""

from typing import Any

import numpy as np

from support.planted_networks import Array, Problem, late, sigmoid

SLOPES = {
    "tanh": (np.tanh, lambda z, a: 1 - a**2),
    "sigmoid": (sigmoid, lambda z, a: a * (1 - a)),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0) * 1.0),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z, a: sigmoid(z)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z, a: np.where(z > 0, 1, np.exp(z))),
    "leaky": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z, a: np.where(z > 0, 1, 0.1)),
}


def outputs(bug: str = "", act: str = "tanh", dtype: type = float, m: int = 12) -> Problem:
    """Rows are samples, two layers, three outputs, the mean over rows and outputs of the square."""
    rng = np.random.default_rng(5)
    X, T = rng.normal(size=(m, 4)).astype(dtype), rng.normal(size=(m, 3)).astype(dtype)
    p = {"W1": rng.normal(size=(4, 5)) * 0.6, "b1": rng.normal(size=5) * 0.1,
         "W2": rng.normal(size=(5, 3)) * 0.6, "b2": np.zeros(3)}  # fmt: skip
    p = {k: v.astype(dtype) for k, v in p.items()}
    f, slope = SLOPES[act]
    decay = 0.1 if "decay" in bug else 0.0

    def value(p: Any) -> Any:
        p = {k: v.astype(dtype) for k, v in p.items()}
        E = f(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - T
        return np.mean(E**2) + decay / 2 * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))

    def gradient(p: Any) -> Any:
        p = {k: v.astype(dtype) for k, v in p.items()}
        Z = X @ p["W1"] + p["b1"]
        A = f(Z)
        D = 2 * (A @ p["W2"] + p["b2"] - T) / T.size
        D = D * {"no 1/k": 3, "no 1/m": m, "no 2": 0.5, "no 1/mk": 3 * m}.get(bug, 1)
        if bug == "half lost":
            D[m // 2 :] = 0
        if bug == "two lost":
            D[:2] = 0
        if bug == "negative rows":
            D[3:5] *= -1
        S = slope(Z, A)
        if bug == "missing":
            S = 1.0
        if bug == "place":
            S = slope(A, f(A))
        if bug == "formula of z":
            S = slope(Z, Z)
        dZ = D @ p["W2"].T * S
        g = {"W1": X.T @ dZ, "b1": dZ.sum(axis=0), "W2": A.T @ D, "b2": D.sum(axis=0)}
        if bug == "b2 mean":
            g["b2"] = D.mean(axis=0)
        if bug == "b1 total":
            g["b1"] = np.full(5, dZ.sum())
        if bug == "b1 axis":
            g["b1"] = dZ.sum(axis=1)[:5] if m == 5 else dZ.sum(axis=1)
        if bug == "W2 zero":
            g["W2"] = np.zeros((5, 3))
        if bug == "W1 sign":
            g["W1"] = -g["W1"]
        if bug == "W1 reshaped":
            g["W1"] = np.ascontiguousarray(g["W1"].T).reshape(4, 5)
        if bug == "b1 turned":
            g["b1"] = g["b1"][None, :] if bug == "" else dZ
        if bug in ("decay right", "decay W1 only"):
            g["W1"] = g["W1"] + decay * p["W1"]
            g["W2"] = g["W2"] + decay * p["W2"] * (bug == "decay right")
        if bug == "lr":
            g = {k: 0.01 * v for k, v in g.items()}
        if bug == "doubled W1":
            g["W1"] = 2 * g["W1"]
        return tuple(g.values()) if bug == "tuple" else g

    return Problem(value, late(gradient, bug), p, m)


def softmax_vector(bug: str = "", act: str = "relu", m: int = 15) -> Problem:
    """One flat vector of all parameters, ReLU and softmax with cross-entropy."""
    rng = np.random.default_rng(8)
    X, c = rng.normal(size=(m, 4)), rng.integers(0, 3, m)
    Y = np.eye(3)[c]
    cuts = np.cumsum([4 * 6, 6, 6 * 3])
    f, slope = SLOPES[act]

    def unpack(theta: Array) -> Any:
        W1, b1, W2, b2 = np.split(theta, cuts)
        return W1.reshape(4, 6), b1, W2.reshape(6, 3), b2

    def forward(theta: Array) -> Any:
        W1, b1, W2, b2 = unpack(theta)
        Z = X @ W1 + b1
        E = np.exp(f(Z) @ W2 + b2)
        return Z, E / E.sum(axis=1, keepdims=True)

    def value(theta: Array) -> Any:
        return -np.mean(np.log(forward(theta)[1][np.arange(m), c]))

    def gradient(theta: Array) -> Any:
        W1, b1, W2, b2 = unpack(theta)
        Z, P = forward(theta)
        A = f(Z)
        D = (-Y / P if bug == "no softmax slope" else P - Y) / m
        if bug == "class 0 lost":
            D[c == 0] = 0
        if bug == "one kept":
            D[1:] = 0
        S = 1.0 if bug == "missing" else slope(A, f(A)) if bug == "place" else slope(Z, A)
        dZ = D @ W2.T * S
        dW1, db1, dW2, db2 = X.T @ dZ, dZ.sum(axis=0), A.T @ D, D.sum(axis=0)
        if bug == "W1 turned":
            dW1 = dW1.T
        if bug == "W1 zero":
            dW1 = dW1 * 0
        if bug == "layer 1 zero":
            dW1, db1 = dW1 * 0, db1 * 0
        if bug == "db1 twice":
            db1 = 2 * db1
        if bug == "b1 holds W1":
            db1 = dW1[0]
        if bug == "layer 1 sign":
            dW1, db1 = -dW1, -db1
        g = np.concatenate([dW1.ravel(), db1, dW2.ravel(), db2])
        return g * {"no 1/m": m, "sign": -1, "extra 1/m": 1 / m}.get(bug, 1)

    return Problem(value, late(gradient, bug), rng.normal(size=int(cuts[-1]) + 3) * 0.6, m)


def square(bug: str = "", act: str = "tanh") -> Problem:
    """A list of dicts, one a layer: 4-4-4-1, all hidden matrices square, log loss of the logit."""
    rng, m = np.random.default_rng(11), 9
    X, y = rng.normal(size=(m, 4)), rng.integers(0, 2, (m, 1)) * 1.0
    sizes = (4, 4, 4, 1)
    f, slope = SLOPES[act]
    p = [{"W": rng.normal(size=(a, b)) * 0.7, "b": rng.normal(size=b) * 0.2}
         for a, b in zip(sizes, sizes[1:], strict=False)]  # fmt: skip

    def forward(p: Any) -> Any:
        A, Zs, As = X, [], [X]
        for i, layer in enumerate(p):
            Z = A @ layer["W"] + layer["b"]
            A = f(Z) if i < 2 else Z
            Zs.append(Z)
            As.append(A)
        return Zs, As

    def value(p: Any) -> Any:
        z = forward(p)[1][-1]
        return np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - y * z)

    def gradient(p: Any) -> Any:
        Zs, As = forward(p)
        D = (sigmoid(As[-1]) - y) / m
        grads: list[Any] = [None] * 3
        for i in (2, 1, 0):
            if i < 2:
                S = slope(Zs[i], As[i + 1])
                if bug == f"missing {i}":
                    S = 1.0
                if bug == f"place {i}":
                    S = slope(As[i + 1], f(As[i + 1]))
                D = D * S * {f"half {i}": 0.5, f"sign {i}": -1, f"m {i}": m}.get(bug, 1)
            grads[i] = {"W": As[i].T @ D, "b": D.sum(axis=0)}
            if bug == "b total" and i == 1:
                grads[i]["b"] = np.full(4, D.sum())
            D = D @ (p[i]["W"] if bug == "no transpose" and i == 1 else p[i]["W"].T)
        if bug == "W1 turned":
            grads[1]["W"] = grads[1]["W"].T
        if bug == "shared":
            grads[0] = grads[1]
        if bug == "shared b":
            grads[1]["b"] = grads[0]["b"]
        if bug == "zero 0":
            grads[0] = {"W": np.zeros((4, 4)), "b": np.zeros(4)}
        if bug == "swapped W":
            grads[0]["W"], grads[1]["W"] = grads[1]["W"], grads[0]["W"]
        return grads

    return Problem(value, late(gradient, bug), p, m)


def line(bug: str = "", m: int = 20) -> Problem:
    """Least squares, one vector of slopes and the intercept last."""
    rng = np.random.default_rng(13)
    X = np.c_[rng.normal(size=(m, 3)), np.ones(m)]
    y = X @ [1, -2, 3, 0.5] + rng.normal(size=m)

    def value(w: Array) -> Any:
        return np.sum((X @ w - y) ** 2) / (2 * m)

    def gradient(w: Array) -> Any:
        e = X @ w - y
        if bug == "half lost":
            e[: m // 2] = 0
        if bug == "one lost":
            e[4] = 0
        g = X.T @ e / m * {"2": 2, "no 1/m": m, "sign": -1, "2m": 2 * m}.get(bug, 1)
        if bug == "intercept zero":
            g[-1] = 0
        if bug == "intercept no 1/m":
            g[-1] *= m
        return g

    return Problem(value, late(gradient, bug), rng.normal(size=4), m)


def by_rows(bug: str = "", m: int = 10) -> Problem:
    """Columns are samples, softplus, a loss that can be asked for some rows: rows=."""
    rng = np.random.default_rng(17)
    X, y = rng.normal(size=(2, m)), rng.normal(size=(1, m))
    p = {"V": rng.normal(size=(3, 2)), "c": rng.normal(size=(3, 1)) * 0.3,
         "w": rng.normal(size=(1, 3)), "d": np.zeros((1, 1))}  # fmt: skip

    def value(p: Any, rows: Any = None) -> Any:
        at = np.arange(m) if rows is None else np.asarray(rows)
        A = np.log1p(np.exp(p["V"] @ X[:, at] + p["c"]))
        return np.mean((p["w"] @ A + p["d"] - y[:, at]) ** 2)

    def gradient(p: Any, rows: Any = None) -> Any:
        at = np.arange(m) if rows is None else np.asarray(rows)
        Z = p["V"] @ X[:, at] + p["c"]
        A = np.log1p(np.exp(Z))
        D = 2 * (p["w"] @ A + p["d"] - y[:, at]) / len(at)
        if bug == "off by one" and rows is None:
            D[:, -1] = 0
        if bug == "half lost" and rows is None:
            D[:, ::2] = 0
        if bug == "negative y":
            D = np.where(y[:, at] < 0, -D, D)
        S = {"missing": 1.0, "place": sigmoid(A)}.get(bug, sigmoid(Z))
        dZ = p["w"].T @ D * S
        return {"V": dZ @ X[:, at].T, "c": dZ.sum(axis=1, keepdims=True),
                "w": D @ A.T, "d": D.sum(axis=1, keepdims=True)}  # fmt: skip

    return Problem(value, late(gradient, bug), p, m)
