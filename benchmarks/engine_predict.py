"""Prediction: one row and 10,000, from NumPy arrays to NumPy arrays."""

from collections.abc import Callable
from dataclasses import replace

import engine_jax
import engine_onnx
import engine_ours
import engine_sklearn
import engine_torch
import numpy as np
from engine_timing import rounds, summary, timed
from engine_work import Array, Prediction, data, network, weights

import chainrule as cr

CLOSE = 1e-4


def contestants(task: Prediction) -> dict[str, Callable[[], Array]]:
    """By name, a function that predicts the same rows from the same weights."""
    work = task.work
    X, y = data(work)
    start, few = weights(network(work)), replace(work, rows=1000)
    A = np.ascontiguousarray(X[: task.rows])
    sklearn = engine_sklearn.model(few, start, X[:1000], y[:1000])
    return {
        "ours": engine_ours.prediction(work, A),
        "sklearn": lambda: sklearn.predict_proba(A),
        "torch": engine_torch.prediction(work, start, A),
        "jax": engine_jax.prediction(work, start, A),
        "onnxruntime": engine_onnx.prediction(work, start, A),
    }


def timing(task: Prediction, count: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """(largest difference from float64 arithmetic, microseconds a call), both by name."""
    calls = contestants(task)
    X, _ = data(task.work)
    exact = network(task.work).astype(np.float64).forward(X[: task.rows])[0]
    differences = {}
    for name, call in calls.items():
        wanted = cr.SoftmaxCrossEntropy().link(exact) if name == "sklearn" else exact
        differences[name] = float(np.max(np.abs(call() - wanted)))
        if not differences[name] < CLOSE:
            raise SystemExit(f"{task.name}: {name} is off by {differences[name]:.1e}")
    repeats = 100 if task.rows == 1 else 1
    runs = {name: timed(call, repeats) for name, call in calls.items()}
    return differences, summary(rounds(runs, count), 1)
