"""The health of a network while it trains: dead and saturated units, gradients, updates, layer by
layer, for a small share of the time.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..core.activation_layers import ElementwiseLayer, ParametricActivation, PReLU
from ..core.arrays import Array
from ..core.epoch import check_batch
from ..core.layers import Layer, inner, within
from ..core.losses import Loss
from ..core.network import Network, multiply_adds

FLAT = 0.02  # of the largest slope: below it a unit is saturated
CALL, PAIR = 2e-4, 1e-9  # seconds that a look takes at first guess: a call, a multiply-add


class Timed(Protocol):
    """What `Health.see` asks of a record; `chainrule.Record` has it."""

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0."""

    @property
    def seconds(self) -> float:
        """How long it took."""


class LayerHealth(NamedTuple):
    """One layer: of an activation the share of dead units (slope 0 at every row) and of saturated
    numbers (slope below 2 % of the largest); of parameters the gradient's norm, and by how much of
    their own norm they have moved in an epoch. None where it does not apply.
    """

    dead: float | None = None
    saturated: float | None = None
    gradient: float | None = None
    update: float | None = None


@dataclass(frozen=True)
class HealthRecord:
    """What a look after an epoch saw, by the layers' numbers."""

    epoch: int
    layers: dict[str, LayerHealth]


class Health:
    """Kept in the loop over `train`, with either engine: `health.see(record)` after each epoch.

    It looks at the same `rows` rows each time, and only when all looks so far take less than
    `share` of the training's time; `history` holds what it saw. Raises ValueError for data that do
    not fit.
    """

    def __init__(
        self, net: Network, loss: Loss, X: ArrayLike, y: ArrayLike, *, rows: int = 64,
        share: float = 0.02,
    ) -> None:  # fmt: skip
        if rows < 1 or not 0 < share <= 1:
            raise ValueError(f"Health got rows={rows}, share={share}: use rows ≥ 1, 0 < share ≤ 1")
        data = check_batch(net, loss, X, y)
        chosen = np.unique(np.linspace(0, len(data) - 1, min(rows, len(data))).astype(int))
        self.net, self.loss, self.batch, self.share = net, loss, data.take(chosen), share
        self.history: list[HealthRecord] = []
        self.trained = self.spent = 0.0
        self._before, self._seen = net.theta.copy(), -1
        cost = CALL + 3 * PAIR * len(chosen) * multiply_adds(net.layers, net.n_in)
        self._due = cost / share  # seconds of training before the next look

    def see(self, record: Timed) -> HealthRecord | None:
        """Look at the network, if there is time; None if there is not."""
        self.trained += record.seconds
        if self.trained < self._due:
            return None
        started = time.perf_counter()
        found = self.look(record.epoch)
        cost = time.perf_counter() - started
        self.spent += cost
        self._due = (self.spent + cost) / self.share
        self.history.append(found)
        return found

    def look(self, epoch: int) -> HealthRecord:
        """Look now, whatever it takes."""
        net, batch = self.net, self.batch
        with np.errstate(all="ignore"):
            Z, caches = net.forward(batch.X)
            grads = net.views(net.backward(caches, self.loss.grad(Z, batch.y, batch.weight))[1])
        layers: dict[str, LayerHealth] = {}
        for i, layer in enumerate(net.layers):
            layers |= _activations(layer, net, str(i), caches[i])
        moved, started = net.views(net.theta - self._before), net.views(self._before)
        epochs = max(1, epoch - self._seen)
        for owner in dict.fromkeys(name.rpartition(".")[0] for name in net.shapes):
            mine = [name for name in net.shapes if name.rpartition(".")[0] == owner]
            size = _norm([started[name] for name in mine])
            gone = _norm([moved[name] for name in mine]) / epochs
            update = gone / size if size else None
            known = layers.get(owner, LayerHealth())
            gradient = _norm([grads[name] for name in mine])
            layers[owner] = known._replace(gradient=gradient, update=update)
        self._before, self._seen = net.theta.copy(), epoch
        return HealthRecord(epoch, layers)


def _activations(
    layer: Layer, net: Network, name: str, cache: dict[str, Array]
) -> dict[str, LayerHealth]:
    """Dead and saturated shares of an activation, or of those inside a layer."""
    if layer.branches:
        found: dict[str, LayerHealth] = {}
        for prefix, chain in layer.branches.items():
            own = within(cache, prefix)
            for i, part in enumerate(chain):
                found |= _activations(part, net, f"{name}.{prefix}{i}", inner(own, i))
        return found
    if not isinstance(layer, ElementwiseLayer | PReLU | ParametricActivation):
        return {}
    p = {own: net[f"{name}.{own}"] for own in ("alpha", "mix") if f"{name}.{own}" in net.shapes}
    slopes = np.abs(layer.backward(p, cache, np.ones_like(cache["Z"]))[0])
    top = float(_steepest(layer))
    dead = float(np.mean(np.all(slopes == 0, axis=0)))
    return {name: LayerHealth(dead, float(np.mean(slopes < FLAT * top)))}


def _steepest(layer: Layer) -> float:
    """The largest slope of an activation."""
    if isinstance(layer, PReLU):
        return 1.0
    layer = layer.bend if isinstance(layer, ParametricActivation) else layer
    Z = np.linspace(-8.0, 8.0, 321)[None, :]
    slopes = layer.backward({}, layer.forward({}, Z)[1], np.ones_like(Z))[0]
    return max(float(np.abs(slopes).max()), 1e-300)


def _norm(parts: list[Array]) -> float:
    return float(np.sqrt(sum(float(np.sum(np.square(part, dtype=np.float64))) for part in parts)))
