"""What several lessons compute: a training that reports its progress, its losses and slopes."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.layers import Dense
from ..core.losses import Loss
from ..core.network import Network
from ..core.optimizers import SGD
from ..training.loop import Record, train
from ..writing.blocks import Picture, Table
from .parts import Progress, sketch
from .text_data import Rows


def neuron(n_in: int) -> Network:
    """Z = X @ w + b with zero weights: the neuron of text 000, which ends in logits."""
    return Network(n_in, [Dense(1, init=0.0)], rng=0)


def descent(
    net: Network, loss: Loss, rows: Rows, *, epochs: int, lr: float, batch_size: int | None = None
) -> Iterator[Record]:
    """Train `net` by plain gradient descent in the order of the rows, epoch by epoch."""
    return train(
        net, loss, SGD(), *rows, epochs=epochs, batch_size=batch_size, lr=lr, shuffle=False, rng=0
    )


def trained(
    net: Network, loss: Loss, rows: Rows, *, epochs: int, task: str = "training", **settings: Any
) -> Generator[Progress, None, list[Record]]:
    """Train as `descent` does; yields about a hundred Progress parts and returns the records."""
    records = []
    for record in descent(net, loss, rows, epochs=epochs, **settings):
        records.append(record)
        if (record.epoch + 1) % max(1, epochs // 100) == 0:
            yield Progress(record.epoch + 1, epochs, task)
    return records


def loss_on(net: Network, loss: Loss, rows: Rows) -> float:
    """The loss of the network on these rows."""
    return loss.value(net.predict(rows.X), rows.y)


def gradients(net: Network, loss: Loss, rows: Rows) -> dict[str, Array]:
    """dL/dtheta at theta, by name."""
    Z, caches = net.forward(rows.X)
    return net.views(net.backward(caches, loss.grad(Z, rows.y))[1])


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


def predictions(title: str, rows: Rows, output: Array) -> Table:
    """The table of a network's outputs on rows of zeros and ones, and how they are read."""
    cells = [
        (bits(x), f"{target:.0f}", f"{value:.4f}", f"{value > 0.5:d}")
        for x, target, value in zip(*rows, output, strict=True)
    ]
    return Table(title, ("input", "target", "output", "read as"), cells)


def picture(name: str, title: str, kind: str, *data: object, **settings: object) -> Picture:
    """A picture that the function `kind` of `figures` draws when it is needed."""

    def draw() -> Any:
        from . import figures

        return getattr(figures, kind)(*data, **settings)

    return Picture(name, title, draw)


def curve(name: str, title: str, records: list[Record]) -> Picture:
    """The picture of a training's loss, with its sketch."""
    line = sketch([record.loss for record in records])
    return replace(picture(name, title, "loss_curves", records), sketch=line)
