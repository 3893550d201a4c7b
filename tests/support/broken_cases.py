"""What a run broken on purpose is made of; broken_runs.py and broken_held_out.py hold them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from support.broken_data import Data

BCE, CE, SQ = cr.BinaryCrossEntropy(), cr.SoftmaxCrossEntropy(), cr.SquaredError()
Array = np.ndarray[Any, np.dtype[Any]]


class Case(NamedTuple):
    """What is handed to `diagnose`."""

    configuration: cr.Configuration
    X: Array
    y: Array
    valid: tuple[Array, Array] | None = None


class Run(NamedTuple):
    """A run with its known causes; no expected cause means healthy."""

    name: str
    build: Callable[[], Case]
    expected: set[str]
    allowed: set[str]
    held_out: bool


Build = Callable[[], Case]


class Runs(list[Run]):
    """A table that functions are entered into: `@runs("dead_relu", also=("saturation",))`."""

    def __init__(self, held_out: bool) -> None:
        super().__init__()
        self.held_out = held_out

    def __call__(self, *expected: str, also: tuple[str, ...] = ()) -> Callable[[Build], Build]:
        """Enter the function below under its own name."""

        def enter(build: Build) -> Build:
            self.append(Run(build.__name__, build, set(expected), set(also), self.held_out))
            return build

        return enter


def setup(
    data: Data,
    sizes: list[int],
    activation: Any = "tanh",
    *,
    loss: cr.Loss = BCE,
    optimizer: cr.Optimizer | None = None,
    lr: float | cr.Schedule = 0.01,
    epochs: int = 60,
    batch_size: int | None = 32,
    init: Any = None,
    seed: int = 1,
    **settings: Any,
) -> Case:
    """A case of a multilayer network under Adam, unless told otherwise."""
    net = cr.Network.mlp(sizes, activation, init=init, rng=seed)
    chosen = cr.Adam() if optimizer is None else optimizer
    asked = cr.Configuration(net, loss, chosen, lr=lr, epochs=epochs, batch_size=batch_size)
    return Case(replace(asked, **settings), *data)
