"""Moves the numbers that follow a CosineEmbedding to today's order of its outputs.

Versions before 18582e7 gave Y = [x_1 T_1 … x_n T_n]; today Y = [X | T_1 … T_n]. An `order` says
where each column was: now[j] = then[order[j]]. None is an order that did not change.
"""

import numpy as np
from numpy.typing import NDArray

from ..core.activation_layers import ACTIVATION_LAYERS, ParametricActivation
from ..core.branch_layers import Average, Residual
from ..core.embedding_layers import CosineEmbedding
from ..core.layers import Dense, Dropout, Layer, Scale, Temperature
from ..core.network import Network
from ..core.normalisation_layers import BatchNorm, LayerNorm

Order = NDArray[np.intp] | None
# Layers that give their columns in the order in which they take them. Each of their parameters and
# buffers has one entry per column, or is a single number.
BY_COLUMN: set[type] = {
    *(Scale, BatchNorm, LayerNorm, Dropout, Temperature, ParametricActivation),
    *ACTIVATION_LAYERS.values(),
}


def group_cosines(net: Network, embeddings: int) -> None:
    """Change the numbers of a network in the earlier order so that it gives the same answers today.

    `embeddings` is how many CosineEmbeddings the file describes. Raises ValueError where a layer
    cannot take its input in another order.
    """
    moving = _Moving(net)
    if moving.through("", net.layers, net.n_in, None) is not None:
        raise _refusal("the network ends before a Dense takes them")
    if moving.embeddings != embeddings:
        raise _refusal("it is inside a layer that does not name it as a branch")


def order_then(n: int, d: int, order: Order = None) -> NDArray[np.intp]:
    """Where each output (n d,) of an embedding was: of n columns of this order, size d."""
    first = d * (np.arange(n) if order is None else order)
    cosines = first[:, None] + np.arange(1, d)
    return np.concatenate([first, cosines.ravel()])


class _Moving:
    """The numbers of one network by name: parameters, their factors, and buffers."""

    def __init__(self, net: Network) -> None:
        self.views = [net.views(v) for v in (net.theta, net.lr_factor, net.decay_factor)]
        self.views.append({name: net[name] for name in net.buffer_shapes})
        self.embeddings = 0  # found on the way

    def through(self, prefix: str, layers: tuple[Layer, ...], n: int, order: Order) -> Order:
        """The order of a chain's outputs, once it takes its n inputs in this order."""
        for i, layer in enumerate(layers):
            order = self._layer(f"{prefix}{i}.", layer, n, order)
            n = layer.shapes(n)[0]
        return order

    def _layer(self, prefix: str, layer: Layer, n: int, order: Order) -> Order:
        if type(layer) is CosineEmbedding:
            self.embeddings += 1
            self._by_column(prefix, layer, n, order)
            return order_then(n, layer.size, order)
        if layer.branches and (order is None or type(layer) in (Average, Residual)):
            return self._branches(prefix, layer, n, order)
        if order is None:
            return None
        if type(layer) is Dense:
            self._move(f"{prefix}W", order)
            return None
        if type(layer) not in BY_COLUMN:
            raise _refusal(f"{type(layer).__name__} cannot take them in today's order")
        self._by_column(prefix, layer, n, order)
        return order

    def _branches(self, prefix: str, layer: Layer, n: int, order: Order) -> Order:
        """All branches of an Average must end in one order, those of a Residual in its input's."""
        ends = {
            name: self.through(prefix + name, chain, n, order)
            for name, chain in layer.branches.items()
        }
        wanted = order
        if type(layer) is Average:
            wanted = next((end for end in ends.values() if end is not None), None)
        for name, end in ends.items():
            if end is None and wanted is not None:
                self._give(prefix + name, layer.branches[name], wanted)
            elif end is not None and (wanted is None or not np.array_equal(end, wanted)):
                raise _refusal(f"the branches of {type(layer).__name__} differ in their order")
        return wanted

    def _give(self, prefix: str, layers: tuple[Layer, ...], order: NDArray[np.intp]) -> None:
        """Let a chain give its outputs in this order: its last Dense does."""
        for i, layer in reversed(list(enumerate(layers))):
            if type(layer) is Dense:
                self._move(f"{prefix}{i}.W", order, axis=1)
                self._move(f"{prefix}{i}.b", order)
                return
            if type(layer) not in BY_COLUMN:
                raise _refusal(f"{type(layer).__name__} cannot give its own in today's order")
            self._by_column(f"{prefix}{i}.", layer, len(order), order)

    def _by_column(self, prefix: str, layer: Layer, n: int, order: Order) -> None:
        _, params, buffers = layer.shapes(n)
        for name, shape in (params | buffers).items():
            if shape not in ((), (1,)):
                self._move(prefix + name, order)

    def _move(self, name: str, order: Order, axis: int = 0) -> None:
        """number[...] = number[order] along the axis."""
        for views in self.views:
            if order is not None and name in views:
                views[name][...] = views[name].take(order, axis)


def _refusal(why: str) -> ValueError:
    return ValueError(
        f"its CosineEmbedding has its outputs in the order of an earlier version, and {why}: "
        "use the version of chainrule that saved it"
    )
