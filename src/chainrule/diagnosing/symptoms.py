"""What a network shows on some rows: dead and saturated units, gradients from layer to layer,
weights beside what they should be, units that are copies of each other.
"""

from typing import NamedTuple

import numpy as np

from ..core.activation_layers import ReLU
from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.layers import BatchNorm, Dense, Layer
from ..core.losses import Loss
from ..core.network import Network
from .changes import BOUNDED
from .units import activation_units, parameters

ROWS = 500


class Share(NamedTuple):
    """A share of the units or outputs of one activation layer."""

    name: str
    layer: Layer
    share: float

    @property
    def number(self) -> int:
        """The number of the network's layer that it is, or that it is in."""
        return int(self.name.partition(".")[0])


class Flow(NamedTuple):
    """How gradients pass backwards: √mean (dL/dZ)² of each Dense layer, first to last.

    `factor` is what one layer multiplies them by on the way back, a geometric mean; `total` their
    product, first layer against last.
    """

    sizes: list[float]
    factor: float
    total: float


def forward(net: Network, X: Array) -> tuple[Array, list[dict[str, Array]]]:
    """A forward pass of at most ROWS rows; with batch statistics where there is a BatchNorm."""
    statistics = any(isinstance(layer, BatchNorm) for layer in net.layers)
    with np.errstate(all="ignore"):
        return net.forward(X[:ROWS], train=statistics, rng=np.random.default_rng(0))


def dead(net: Network, X: Array) -> list[Share]:
    """The share of dead units of each ReLU layer: no gradient passes them."""
    units = activation_units(net, forward(net, X)[1])
    return [Share(name, u.layer, u.dead) for name, u in units.items() if isinstance(u.layer, ReLU)]


def saturated(net: Network, X: Array) -> list[Share]:
    """The share of saturated outputs of each hidden bounded activation."""
    units, last = activation_units(net, forward(net, X)[1]), str(len(net.layers) - 1)
    return [
        Share(name, u.layer, u.saturated)
        for name, u in units.items()
        if isinstance(u.layer, BOUNDED) and name != last
    ]


def largest(shares: list[Share]) -> Share:
    """The layer where the share is largest; a share of 0 where there is no such layer."""
    return max(shares, key=lambda s: s.share, default=Share("", ReLU(), 0.0))


def dense_layers(net: Network) -> list[int]:
    """The numbers of the Dense layers."""
    return [i for i, layer in enumerate(net.layers) if isinstance(layer, Dense)]


def flow(net: Network, loss: Loss, batch: Batch) -> Flow | None:
    """How gradients pass; None below three Dense layers, where there is no rate to speak of."""
    dense = dense_layers(net)
    if len(dense) < 3:
        return None
    Z, caches = forward(net, batch.X)
    with np.errstate(all="ignore"):
        dA, sizes = loss.grad(Z, batch.y[:ROWS]), dict[int, float]()
        for i in range(len(net.layers) - 1, -1, -1):
            if i in dense:
                sizes[i] = float(np.sqrt(np.mean(np.square(dA))))
            dA, _ = net.layers[i].backward(parameters(net, str(i)), caches[i], dA)
    ordered = [sizes[i] for i in dense]
    first, last = ordered[0], ordered[-1]
    if last == 0 or not np.isfinite(last):
        return None
    total = first / last if np.isfinite(first) else np.inf
    return Flow(ordered, float(total ** (1 / (len(dense) - 1))), total)


def weight_ratio(net: Network) -> float | None:
    """√mean W² beside that of Glorot's or He's start, the geometric mean over the Dense layers.

    None where a layer's weights are all 0, or where there is no hidden layer.
    """
    ratios = []
    layers: list[Layer | None] = [*net.layers, None]
    for i, layer in enumerate(net.layers):
        if isinstance(layer, Dense):
            W, after = net[f"{i}.W"], layers[i + 1]
            he = after is not None and after.init_before.startswith("he")
            wanted = 2 / W.shape[0] if he else 2 / (W.shape[0] + W.shape[1])
            ratios.append(float(np.sqrt(np.mean(np.square(W)) / wanted)))
    if len(ratios) < 2 or min(ratios) == 0:
        return None
    return float(np.exp(np.mean(np.log(ratios))))


def zero_layers(net: Network) -> list[int]:
    """The Dense layers whose weights are all 0, where there is a hidden layer."""
    dense = dense_layers(net)
    return [i for i in dense if len(dense) > 1 and not net[f"{i}.W"].any()]


def twins(net: Network) -> list[tuple[int, int, int]]:
    """(layer, units, different units) of each hidden layer that holds copies of one unit.

    Copies have equal weights in and out, so that they get equal gradients for ever.
    """
    dense = dense_layers(net)
    copies = []
    for i, after in zip(dense, dense[1:], strict=False):
        W, V = net[f"{i}.W"], net[f"{after}.W"]
        if W.shape[1] != V.shape[0]:
            continue
        parts = [W, V.T] + ([net[f"{i}.b"][None]] if f"{i}.b" in net.shapes else [])
        units = np.vstack(parts)
        scale = float(np.abs(units).max()) or 1.0
        different = len(np.unique(np.round(units / scale, 9), axis=1).T)
        if different < units.shape[1]:
            copies.append((i, units.shape[1], different))
    return copies
