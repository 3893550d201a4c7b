"""The health of a network while it trains: dead and saturated units, gradients and updates of each
layer, for a small share of the time.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..core.arrays import Array
from ..core.epoch import check_batch
from ..core.losses import Loss
from ..core.network import Network, multiply_adds
from ..renamed import RenamedAttribute
from .symptoms import activations

CALL, PAIR = 2e-4, 1e-9  # seconds of an examination, roughly: for a call, for a multiply-add


class Timed(Protocol):
    """What `Health.see` needs of a record, such as `chainrule.Record`."""

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0."""

    @property
    def seconds(self) -> float:
        """How long it took."""


class LayerHealth(NamedTuple):
    """One layer. For an activation: the share of dead units (slope 0 in every row) and of saturated
    outputs (slope below 5 % of the largest). For parameters: the norm of the gradient, and their
    move in an epoch as a share of their norm. None if it does not apply.
    """

    dead: float | None = None
    saturated: float | None = None
    gradient: float | None = None
    update: float | None = None


@dataclass(frozen=True)
class HealthRecord:
    """The health of every layer after an epoch, by layer number."""

    epoch: int
    layers: dict[str, LayerHealth]


class Health:
    """Watches a training: call `health.update(record)` in the loop over `train`, with either
    engine.

    It examines the same `rows` rows each time, and only while that takes less than `share` of the
    training time; `history` holds the results. Raises ValueError if the data do not fit the
    network.
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
        self._due = cost / share  # seconds of training before the next examination

    see, look = RenamedAttribute("update"), RenamedAttribute("measure")

    def update(self, record: Timed) -> HealthRecord | None:
        """The health of the network if there is time to examine it, else None."""
        self.trained += record.seconds
        if self.trained < self._due:
            return None
        started = time.perf_counter()
        self.history.append(self.measure(record.epoch))
        cost = time.perf_counter() - started
        self.spent += cost
        self._due = (self.spent + cost) / self.share
        return self.history[-1]

    def measure(self, epoch: int) -> HealthRecord:
        """The health of the network now, however long it takes."""
        net, batch = self.net, self.batch
        with np.errstate(all="ignore"):
            Z, caches = net.forward(batch.X)
            grads = net.views(net.backward(caches, self.loss.grad(Z, batch.y, batch.weight))[1])
        layers = {a.name: LayerHealth(a.dead, a.saturated) for a in activations(net, caches)}
        moved, before = net.views(net.theta - self._before), net.views(self._before)
        epochs = max(1, epoch - self._seen)
        for name in dict.fromkeys(key.rpartition(".")[0] for key in net.shapes):
            gradient, move, size = (_norm(views, name) for views in (grads, moved, before))
            update = move / epochs / size if size else None
            health = layers.get(name, LayerHealth())
            layers[name] = health._replace(gradient=gradient, update=update)
        self._before, self._seen = net.theta.copy(), epoch
        return HealthRecord(epoch, layers)


def _norm(views: Mapping[str, Array], layer: str) -> float:
    """‖·‖ of all numbers of a layer, without those of layers inside it."""
    parts = [view.ravel() for key, view in views.items() if key.rpartition(".")[0] == layer]
    return float(np.linalg.norm(np.concatenate(parts).astype(np.float64)))
