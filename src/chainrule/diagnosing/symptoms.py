"""What a network shows on some rows: dead and saturated units, gradients from layer to layer,
weights compared with the usual start, units that are copies of each other.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..core.activation_layers import ParametricActivation, PReLU, ReLU
from ..core.arrays import Array
from ..core.elementwise_layer import ElementwiseLayer
from ..core.epoch import Batch
from ..core.layers import Dense, Layer, prefixed, within
from ..core.losses import Loss
from ..core.network import Network
from ..core.normalisation_layers import BatchNorm

ROWS = 500
FLAT = 0.05  # a slope below this share of the steepest one counts as saturated
FAR = 1e9  # an input so large that a bounded activation is near the end of its range
STILL = 1e-6  # an activation that changes by more from FAR to 2 FAR is not bounded


class Activation(NamedTuple):
    """An activation layer, the share of its dead units and the share of its saturated outputs.

    The slope of a dead unit is 0 in every row, that of a saturated output below FLAT of the
    steepest.
    """

    name: str
    layer: Layer
    dead: float
    saturated: float

    @property
    def number(self) -> int:
        """The number of the network's layer that it is, or that it is in."""
        return int(self.name.partition(".")[0])

    @property
    def place(self) -> str:
        """The layer in words: "layer 1, ReLU()"."""
        return f"layer {self.name}, {self.layer}"


NO_ACTIVATION = Activation("", ReLU(), 0.0, 0.0)


def activations(net: Network, caches: Sequence[dict[str, Array]]) -> list[Activation]:
    """Every activation layer of a network, including layers inside of layers."""
    cached = {
        key: array
        for i, cache in enumerate(caches)
        for key, array in prefixed(f"{i}.", cache).items()
    }
    return [
        Activation(name, layer, *_shares(layer, parameters(net, name), within(cached, f"{name}.")))
        for name, layer in innermost(net.layers)
        if isinstance(layer, ElementwiseLayer | PReLU | ParametricActivation)
    ]


def parameters(net: Network, name: str) -> dict[str, Array]:
    """The arrays of the layer of this name, by their own names."""
    names = (key for key in [*net.shapes, *net.buffer_shapes] if key.startswith(f"{name}."))
    return within({key: net[key] for key in names}, f"{name}.")


def innermost(layers: Iterable[Layer], prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """(name, layer) of every layer that holds no other layers, such as ("3.0", ReLU())."""
    for i, layer in enumerate(layers):
        if not layer.branches:
            yield f"{prefix}{i}", layer
        for branch, chain in layer.branches.items():
            yield from innermost(chain, f"{prefix}{i}.{branch}")


def _shares(layer: Layer, p: dict[str, Array], cache: dict[str, Array]) -> tuple[float, float]:
    """The shares of dead units and of saturated outputs."""
    with np.errstate(all="ignore"):
        slopes = np.abs(layer.backward(p, cache, np.ones_like(cache["Z"]))[0])
    dead = np.all((slopes == 0) & ~np.isnan(cache["Z"]), axis=0)
    return float(np.mean(dead)), float(np.mean(slopes < FLAT * _steepest(layer)))


def _steepest(layer: Layer) -> float:
    """The largest slope of an activation."""
    if isinstance(layer, PReLU):
        return 1.0
    layer = layer.activation_layer if isinstance(layer, ParametricActivation) else layer
    Z = np.linspace(-8.0, 8.0, 321)[None, :]
    slopes = layer.backward({}, layer.forward({}, Z)[1], np.ones_like(Z))[0]
    return max(float(np.abs(slopes).max()), 1e-300)


def output_range(layer: Layer) -> tuple[float, float]:
    """The measured range of an activation; an end is infinite if the activation still changes far
    out. For other layers, all numbers.
    """
    if not isinstance(layer, ElementwiseLayer):
        return -np.inf, np.inf
    Z = np.array([-2 * FAR, -FAR, *np.linspace(-8.0, 8.0, 321), FAR, 2 * FAR])[None, :]
    with np.errstate(all="ignore"):
        A = layer.forward({}, Z)[0][0]
    lowest = -np.inf if A[0] < A[1] - STILL else round(float(A.min()), 6)
    highest = np.inf if A[-1] > A[-2] + STILL else round(float(A.max()), 6)
    return lowest, highest


def is_bounded(layer: Layer) -> bool:
    """Whether an activation has a finite range and a slope inside it, so that it can saturate."""
    finite = bool(np.isfinite(output_range(layer)).all())
    return finite and _steepest(layer) > 1e-300


class Flow(NamedTuple):
    """How gradients flow backwards: √mean (dL/dZ)² of each Dense layer, first to last.

    `factor` is what a layer multiplies them by on the way back, a geometric mean; `total` is the
    product, from the last layer to the first.
    """

    sizes: list[float]
    factor: float
    total: float


def forward(net: Network, X: Array) -> tuple[Array, list[dict[str, Array]]]:
    """A forward pass of at most ROWS rows; with batch statistics if there is a BatchNorm."""
    statistics = any(isinstance(layer, BatchNorm) for layer in net.layers)
    with np.errstate(all="ignore"):
        return net.forward(X[:ROWS], train=statistics, rng=np.random.default_rng(0))


def relus(net: Network, X: Array) -> list[Activation]:
    """The ReLU layers: no gradient passes their dead units."""
    return [a for a in activations(net, forward(net, X)[1]) if isinstance(a.layer, ReLU)]


def bounded(net: Network, X: Array) -> list[Activation]:
    """The bounded activations before the last layer: they may be saturated."""
    hidden, last = activations(net, forward(net, X)[1]), str(len(net.layers) - 1)
    return [a for a in hidden if is_bounded(a.layer) and a.name != last]


def most_dead(net: Network, X: Array) -> Activation:
    """The ReLU layer with the largest share of dead units."""
    return max(relus(net, X), key=lambda a: a.dead, default=NO_ACTIVATION)


def most_saturated(net: Network, X: Array) -> Activation:
    """The hidden bounded activation with the largest share of saturated outputs."""
    return max(bounded(net, X), key=lambda a: a.saturated, default=NO_ACTIVATION)


def dense_layers(net: Network) -> list[int]:
    """The numbers of the Dense layers."""
    return [i for i, layer in enumerate(net.layers) if isinstance(layer, Dense)]


def flow(net: Network, loss: Loss, batch: Batch) -> Flow | None:
    """How gradients flow; None below three Dense layers, which are too few for a rate."""
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
    """√mean W² as a multiple of Glorot's or He's start, the geometric mean over the Dense layers.

    None if a layer's weights are all 0, or if there is no hidden layer.
    """
    ratios = []
    layers: list[Layer | None] = [*net.layers, None]
    for i, layer in enumerate(net.layers):
        if isinstance(layer, Dense):
            W, after = net[f"{i}.W"], layers[i + 1]
            he = after is not None and after.init_before.startswith("he")
            usual = 2 / W.shape[0] if he else 2 / (W.shape[0] + W.shape[1])
            ratios.append(float(np.sqrt(np.mean(np.square(W)) / usual)))
    if len(ratios) < 2 or min(ratios) == 0:
        return None
    return float(np.exp(np.mean(np.log(ratios))))


def zero_layers(net: Network) -> list[int]:
    """The Dense layers whose weights are all 0, if there is a hidden layer."""
    dense = dense_layers(net)
    return [i for i in dense if len(dense) > 1 and not net[f"{i}.W"].any()]


def twins(net: Network) -> list[tuple[int, int, int]]:
    """(layer, units, different units) of each hidden layer that holds copies of one unit.

    Copies have equal weights in and out, so they always get equal gradients.
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
