"""The work that is timed: nets, data, settings, and what the issue of the engine asked of each."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr

Array = NDArray[Any]
Weights = list[tuple[Array, Array]]
Goals = tuple[tuple[tuple[str, ...], float], ...]  # (peers, factor): the best of these / ours

THREADS = 2
IMAGES = "train-images-idx3-ubyte.gz"
DATA: list[Path] = []  # the folder of MNIST's idx files, where --data names one


@dataclass(frozen=True)
class Work:
    """One row of the table: a net of `sizes`, `rows` of data, how it is trained, and its goals."""

    name: str
    sizes: Sequence[int]
    rows: int
    batch: int
    epochs: int
    loss: str = "softmax"  # "squared", "bce" (both of one output) or "softmax"
    hidden: str = "relu"
    sigmoid_output: bool = False
    optimizer: str = "adam"
    lr: float = 1e-3
    dtype: str = "float32"
    shuffle: bool = True
    data: str = "teacher"
    goals: Goals = ()

    @property
    def steps(self) -> int:
        """Training steps of the timed run."""
        return self.epochs * -(-self.rows // self.batch)

    @property
    def full_batch(self) -> bool:
        """Whether a step takes every row."""
        return self.batch >= self.rows


PEERS = ("sklearn", "torch", "jax")
SLOW = ("sklearn", "torch")
TOY = {"optimizer": "sgd", "shuffle": False, "hidden": "sigmoid"}
TOYS = (
    Work("2-2-1", (2, 2, 1), 4, 1, 1000, "squared", sigmoid_output=True, lr=0.5, data="truth",
         goals=((("jax",), 1.5), (SLOW, 200.0)), **TOY),
    Work("3-4-1", (3, 4, 1), 8, 8, 1500, "squared", sigmoid_output=True, lr=1.0, data="truth",
         goals=((("jax",), 2.0),), **TOY),
    Work("neuron", (2, 1), 1000, 1000, 2000, "bce", lr=0.1, goals=((("jax",), 1.5),), **TOY),
)  # fmt: skip
TRAINING = (
    *TOYS,
    *(replace(work, name=f"{work.name} float64", dtype="float64", goals=()) for work in TOYS),
    Work("64-100-10", (64, 100, 10), 1797, 32, 10, data="digits",
         goals=((("jax",), 2.0), (SLOW, 10.0))),
    Work("30-128-64-1", (30, 128, 64, 1), 100_000, 256, 2, "squared", goals=((PEERS, 1.5),)),
    Work("784-100-10", (784, 100, 10), 60_000, 128, 2, data="mnist", goals=((PEERS, 1.3),)),
    Work("784-512-256-10", (784, 512, 256, 10), 60_000, 128, 1, data="mnist",
         goals=((PEERS, 1.1), (("floor",), 0.85))),
    Work("784-512-256-10 float64", (784, 512, 256, 10), 60_000, 128, 1, data="mnist",
         dtype="float64"),
)  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """One row of the table: so many rows through a net."""

    work: Work
    rows: int
    goals: Goals

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"predict {self.rows:,} × {self.work.name}"


NAMED = {work.name: work for work in TRAINING}
NETS = [replace(NAMED[name], data="teacher") for name in ("64-100-10", "784-512-256-10")]
ONE: Goals = ((("onnxruntime",), 1.0), (("sklearn",), 10.0))
MANY: Goals = ((("onnxruntime",), 1.0),)
PREDICTION = [
    Prediction(replace(work, rows=10_000), rows, goals)
    for rows, goals in ((1, ONE), (10_000, MANY))
    for work in NETS
]


@dataclass(frozen=True)
class Process:
    """Whole processes that train: a row of the table for each engine that ours asks for."""

    name: str
    work: Work
    engines: tuple[str, ...] = ("auto",)
    goals: Goals = ()


COLD = Process(
    "cold process, digits, 20 epochs", replace(NAMED["64-100-10"], epochs=20),
    ("auto", "compiled"), ((("sklearn",), 1.5), (("torch",), 2.0)),
)  # fmt: skip
LARGE = Process("cold process, 784-512-256-10, 1 epoch", NAMED["784-512-256-10"])

BASE = Work("32-128-128-10", (32, 128, 128, 10), 8192, 128, 1)
AXES: dict[str, Sequence[int]] = {
    "rows": (128, 1024, 8192, 65_536, 524_288),
    "width of both hidden layers": (8, 32, 128, 512, 1024),
    "hidden layers of 128": (1, 2, 4, 8),
    "rows in a batch": (8, 32, 128, 512, 2048),
}


def work_at(axis: str, value: int) -> Work:
    """The base work with one thing changed; short runs get more epochs."""
    if axis == "rows":
        return replace(BASE, rows=value, epochs=max(1, 8192 // value))
    if axis == "rows in a batch":
        return replace(BASE, batch=value)
    width, depth = (value, 2) if axis.startswith("width") else (128, value)
    return replace(BASE, sizes=(32, *(width,) * depth, 10))


def quick(work: Work) -> Work:
    """The same work, a tenth as long: to see that everything runs, not for figures."""
    if work.epochs >= 10:
        return replace(work, epochs=work.epochs // 10)
    return replace(work, epochs=1, rows=max(work.batch, work.rows // 10))


def few(work: Work) -> Work:
    """The same work on about 20 batches, the last one short, for a few epochs: to compare."""
    if work.full_batch:
        return replace(work, epochs=50)
    rows = min(work.rows, 20 * work.batch + (work.batch + 1) // 2)
    return replace(work, rows=rows, epochs=5 if rows > 20 else 50)


@cache
def _all_rows(data: str, sizes: tuple[int, ...], rows: int, loss: str) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    if data == "truth":  # every row of 0s and 1s; the target is their parity
        X = np.array(list(np.ndindex(*(2,) * sizes[0])), float)
        return X, X.sum(axis=1) % 2
    if data == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        return X / 16, y.astype(np.int64)
    if data == "mnist" and DATA:
        return _mnist(DATA[0])
    X = rng.uniform(0, 1, (rows, sizes[0])).astype(np.float32)
    teacher = rng.normal(0, 1, (sizes[0], sizes[-1])).astype(np.float32)
    Z = np.tanh(X - 0.5) @ teacher
    if loss == "softmax":
        return X, Z.argmax(axis=1)
    return X, (Z[:, 0] > 0).astype(float) if loss == "bce" else np.sin(Z[:, 0])


def _mnist(folder: Path) -> tuple[Array, Array]:
    images = gzip.decompress((folder / IMAGES).read_bytes())
    labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    X = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
    return X, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def data(work: Work) -> tuple[Array, Array]:
    """X (rows, inputs) and y (rows,): of the work's dtype; classes are integers."""
    X, y = _all_rows(work.data, tuple(work.sizes), work.rows, work.loss)
    X = np.ascontiguousarray(X[: work.rows], work.dtype)
    return X, y[: work.rows].astype(np.int64 if work.loss == "softmax" else work.dtype)


def network(work: Work) -> cr.Network:
    """Our net at its start; every peer starts from the same numbers."""
    layers: list[cr.Layer] = []
    for n in work.sizes[1:-1]:
        layers += [cr.Dense(n, init="he_uniform" if work.hidden == "relu" else "glorot_uniform")]
        layers += [cr.ReLU() if work.hidden == "relu" else cr.Sigmoid()]
    layers += [cr.Dense(work.sizes[-1])]
    if work.sigmoid_output:
        layers += [cr.Sigmoid()]
    return cr.Network(work.sizes[0], layers, rng=0, dtype=work.dtype)


def weights(net: cr.Network) -> Weights:
    """(W, b) of each Dense layer, copied: W (inputs, outputs)."""
    dense = [i for i, layer in enumerate(net.layers) if isinstance(layer, cr.Dense)]
    return [(net[f"{i}.W"].copy(), net[f"{i}.b"].copy()) for i in dense]
