"""Training on any number of threads, and prediction: every bit of what comes out."""

import hashlib
from typing import Any

import numpy as np

import chainrule as cr

BLOCK = cr.Residual((cr.LayerNorm(), cr.Dense(100), cr.ReLU(), cr.Dropout(0.2)))
NETS: dict[str, tuple[list[cr.Layer], cr.Optimizer, dict[str, Any]]] = {
    "adam": ([cr.Dense(100), cr.ReLU(), cr.Dense(10)], cr.Adam(), {}),
    "deep": ([cr.Dense(100), BLOCK, BLOCK, cr.Dense(10)], cr.Nesterov(), {"clip": 0.1}),
    "penalty": ([cr.Dropout(0.3), cr.Dense(120, False), cr.PReLU(), cr.Dense(10)],
                cr.AdamW(), {"penalty": cr.Penalty(0.001, 0.01), "batch_size": None}),
}  # fmt: skip
RNG = np.random.default_rng(0)
X, CLASSES = RNG.normal(size=(1500, 64)), RNG.integers(0, 10, 1500)
WEIGHT = RNG.uniform(0.0, 2.0, 1500)


def run(name: str, dtype: str, threads: int | None) -> bytes:
    """Every number that training leaves, and the losses."""
    layers, optimizer, how = NETS[name]
    net = cr.Network(64, layers, rng=1, dtype=dtype)
    net.lr_factor[::7] = 0.5
    how = {"batch_size": 512, "weight": WEIGHT, "lr": 0.01, "epochs": 3, "rng": 2} | how
    run = cr.train(net, cr.SoftmaxCrossEntropy(label_smoothing=0.1), optimizer, X, CLASSES,
                   threads=threads, engine="compiled", **how)  # fmt: skip
    losses = []
    for record in run:
        assert record.engine == "compiled"
        losses.append(record.loss)
    return np.array(losses).tobytes() + net.numbers.tobytes()


def digests(threads: list[int]) -> set[str]:
    """What training on so many threads comes to, and predicting on all there are."""
    found, net = set(), cr.Network(64, NETS["deep"][0], rng=0)
    cr.load_engine("float64")
    for n in threads:
        numbers = [run(name, "float32", n) for name in NETS] + [net.predict(X).tobytes()]
        found.add(hashlib.sha256(b"".join(numbers)).hexdigest())
    return found
