"""MLPClassifier beside scikit-learn's, same settings, float64: time of fit and test accuracy.

$ python benchmarks/dropin.py
"""

import warnings
from time import perf_counter, sleep
from typing import Any

import numpy as np
from engine_show import console
from rich.table import Table
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as Theirs

import chainrule as cr

GOAL, SEEDS = 5.0, 5


def products(X: Any, n_out: int, batch: int = 200) -> float:
    """Seconds that NumPy takes for the five matrix products of a step, best of many."""
    rng = np.random.default_rng(0)
    A, W, V = (rng.normal(size=s) for s in ((batch, X.shape[1]), (X.shape[1], 100), (100, n_out)))
    D, E = rng.normal(size=(batch, 100)), rng.normal(size=(batch, n_out))
    times = []
    for _ in range(200):
        started = perf_counter()
        H = A @ W
        for left, right in ((H, V), (H.T, E), (E, V.T), (A.T, D)):
            left @ right
        times.append(perf_counter() - started)
    return min(times)


def fitted(kind: Any, seed: int, data: Any) -> tuple[float, float, int]:
    """(seconds of fit, accuracy on the test rows, epochs)."""
    X, held_out, y, answers = data
    model = kind(random_state=seed)
    sleep(0.3)  # until the other's threads, which wait for more work, have fallen asleep
    started = perf_counter()
    model.fit(X, y)
    return perf_counter() - started, model.score(held_out, answers), model.n_iter_


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    table = Table(title=f"fit with the defaults, mean of {SEEDS} seeds, in turns")
    for name in ("data", "theirs / ours", "accuracy theirs", "ours", "epochs", "goal",
                 "theirs / products alone"):  # fmt: skip
        table.add_column(name, justify="left" if name == "data" else "right")
    wide = make_classification(20_000, 30, n_informative=15, random_state=0)
    for name, (X, y) in {"digits": load_digits(return_X_y=True), "20,000 x 30": wide}.items():
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
        data = train_test_split(X, y, random_state=0)
        fitted(cr.MLPClassifier, 0, data)  # loads the kernels
        runs = [[fitted(k, s, data) for k in (Theirs, cr.MLPClassifier)] for s in range(SEEDS)]
        ratio = float(np.median([a[0] / b[0] for a, b in runs]))
        right = np.mean([[one[1] for one in pair] for pair in runs], axis=0)
        epochs = [pair[0][2] for pair in runs]
        assert epochs == [pair[1][2] for pair in runs], "the two train for other numbers of epochs"
        steps = -(-len(data[0]) // 200)
        n_out = len(np.unique(y)) if len(np.unique(y)) > 2 else 1
        least = float(np.median([a[0] / (a[2] * steps) for a, _ in runs])) / products(X, n_out)
        met = "met" if ratio >= GOAL else "missed"
        table.add_row(name, f"{ratio:.2f}", f"{right[0]:.4f}", f"{right[1]:.4f}",
                      f"{np.mean(epochs):.0f}", f">= {GOAL:g}: {met}", f"{least:.2f}")  # fmt: skip
    console().print(table)


if __name__ == "__main__":
    main()
