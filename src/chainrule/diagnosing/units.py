"""Dead and saturated units: how the outputs of an activation are judged, in a network that trains
and in one that is diagnosed.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..core.activation_layers import ParametricActivation, PReLU
from ..core.arrays import Array
from ..core.elementwise_layer import ElementwiseLayer
from ..core.layers import Layer, within
from ..core.network import Network

FLAT = 0.05  # a slope below this share of the steepest one counts as saturated


class Units(NamedTuple):
    """One activation layer: the share of its dead units, whose slope is 0 in every row, and that of
    its saturated outputs, whose slope is below FLAT of the steepest.
    """

    layer: Layer
    dead: float
    saturated: float


def activation_units(net: Network, caches: Sequence[dict[str, Array]]) -> dict[str, Units]:
    """The units of every activation by the layer's name, those inside of layers too."""
    return {
        name: _judged(layer, parameters(net, name), cache)
        for name, layer, cache in _walk(net.layers, caches, "")
        if isinstance(layer, ElementwiseLayer | PReLU | ParametricActivation)
    }


def parameters(net: Network, name: str) -> dict[str, Array]:
    """The arrays of the layer of this name, by their own names."""
    names = (key for key in [*net.shapes, *net.buffer_shapes] if key.startswith(f"{name}."))
    return within({key: net[key] for key in names}, f"{name}.")


def _walk(
    layers: Sequence[Layer], caches: Sequence[dict[str, Array]], outer: str
) -> Iterator[tuple[str, Layer, dict[str, Array]]]:
    """(name, layer, cache) of every layer that holds no other layers."""
    for i, (layer, cache) in enumerate(zip(layers, caches, strict=True)):
        if not layer.branches:
            yield f"{outer}{i}", layer, cache
        for prefix, chain in layer.branches.items():
            inside = [within(cache, f"{prefix}{k}.") for k in range(len(chain))]
            yield from _walk(chain, inside, f"{outer}{i}.{prefix}")


def _judged(layer: Layer, p: dict[str, Array], cache: dict[str, Array]) -> Units:
    with np.errstate(all="ignore"):
        slopes = np.abs(layer.backward(p, cache, np.ones_like(cache["Z"]))[0])
    dead = np.all((slopes == 0) & ~np.isnan(cache["Z"]), axis=0)
    return Units(layer, float(np.mean(dead)), float(np.mean(slopes < FLAT * _steepest(layer))))


def _steepest(layer: Layer) -> float:
    """The largest slope of an activation."""
    if isinstance(layer, PReLU):
        return 1.0
    layer = layer.activation_layer if isinstance(layer, ParametricActivation) else layer
    Z = np.linspace(-8.0, 8.0, 321)[None, :]
    slopes = layer.backward({}, layer.forward({}, Z)[1], np.ones_like(Z))[0]
    return max(float(np.abs(slopes).max()), 1e-300)
