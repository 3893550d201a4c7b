"""What several lessons share: the texts' data, and one way to train that reports its progress."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.arrays import Array
from ..core.layers import Dense
from ..core.losses import Loss
from ..core.network import Network
from ..core.optimizers import SGD
from ..training.loop import Record, train
from .parts import Cell, Picture, Progress, sketch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Text 001: F = x y + not z, the inputs from 111 down to 000.
BOOLEAN_X = np.array([[x, y, z] for x in (1.0, 0.0) for y in (1.0, 0.0) for z in (1.0, 0.0)])
BOOLEAN_Y = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0])

XOR_X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_Y = np.array([0.0, 1.0, 1.0, 0.0])

# Text 003: weight - 135 pounds, height - 66 inches; 1 is female, 0 male.
PEOPLE = ("Alice", "Bob", "Charlie", "Diana")
PEOPLE_X = np.array([[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]])
PEOPLE_Y = np.array([1.0, 0.0, 0.0, 1.0])

LN_2 = 0.6931471805599453


def neuron(n_in: int) -> Network:
    """Z = X @ w + b with zero weights: the neuron of text 000, which ends in logits."""
    return Network(n_in, [Dense(1, init=0.0)], rng=0)


def trained(
    net: Network,
    loss: Loss,
    X: Array,
    y: Array,
    *,
    epochs: int,
    lr: float,
    batch_size: int | None = None,
    task: str = "training",
) -> Generator[Progress, None, list[Record]]:
    """Train `net` by plain gradient descent in the order of the rows; yields about a hundred
    Progress parts and returns the records.
    """
    records = []
    for record in train(
        net, loss, SGD(), X, y, epochs=epochs, batch_size=batch_size, lr=lr, shuffle=False, rng=0
    ):
        records.append(record)
        if (record.epoch + 1) % max(1, epochs // 100) == 0:
            yield Progress(record.epoch + 1, epochs, task)
    return records


def gradients(net: Network, loss: Loss, X: Array, y: Array) -> dict[str, Array]:
    """dL/dtheta at theta, by name."""
    Z, caches = net.forward(X)
    return net.views(net.backward(caches, loss.grad(Z, y))[1])


def slope(net: Network, caches: Sequence[dict[str, Array]], layer: int) -> Array:
    """dA/dZ of one activation layer, (rows, units): its backward pass of ones."""
    cache = caches[layer]
    return net.layers[layer].backward({}, cache, np.ones_like(cache["Z"]))[0]


def outputs(net: Network, loss: Loss, X: Array) -> Array:
    """ŷ (n,): the one output of each row after the loss's link."""
    return np.asarray(loss.link(net.predict(X))[:, 0])


def bits(row: Array) -> str:
    """A row of zeros and ones as a text writes it: `1, 0, 1`."""
    return ", ".join(f"{value:.0f}" for value in row)


def prediction_rows(X: Array, y: Array, prediction: Array) -> tuple[tuple[Cell, ...], ...]:
    """Rows (input, target, output, read as) of a table over zeros and ones."""
    return tuple(
        (bits(row), f"{target:.0f}", f"{output:.4f}", f"{output > 0.5:d}")
        for row, target, output in zip(X, y, prediction, strict=True)
    )


PREDICTION_COLUMNS = ("input", "target", "output", "read as")


def curve(name: str, title: str, records: list[Record]) -> Picture:
    """The picture of a training's loss, with its sketch."""

    def draw() -> "Figure":
        from ..report.pictures import loss_curves

        return loss_curves(records)

    return Picture(name, title, draw, sketch([record.loss for record in records]))
