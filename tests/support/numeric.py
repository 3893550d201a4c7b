"""Gradients of a network under a loss by central differences, with its kinks found from the sides
that every kinked input lies on: independent of chainrule's own check.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.core.layers import within

Array = NDArray[Any]
RTOL = 1e-6
STEPS = (1e-3, 1e-4, 1e-5)  # a narrow curve (batch norm of near-equal rows) needs a small one


def layer_sides(layers: Iterable[cr.Layer], cache: Mapping[str, Array]) -> Iterator[Array]:
    """On which side of each kink each input of each layer lies; cache by nested name "3.0.Z"."""
    for i, layer in enumerate(layers):
        own = {k.partition(".")[2]: v for k, v in cache.items() if k.startswith(f"{i}.")}
        for prefix, chain in layer.branches.items():
            yield from layer_sides(chain, within(own, prefix))
        yield from (own["Z"] > kink for kink in layer.kinks)


def loss_sides(loss: cr.Loss, Z: Array, y: Array) -> Array:
    Y = loss.targets(Z, y)
    if isinstance(loss, cr.Huber):
        return np.abs(Z - Y) > loss.delta
    if isinstance(loss, cr.Hinge):
        return Y * Z < 1
    return Z > Y if isinstance(loss, cr.AbsoluteError | cr.Pinball) else np.zeros(0, bool)


@dataclass
class Point:
    """A network, a loss and a batch: the place at which gradients are compared."""

    net: cr.Network
    loss: cr.Loss
    X: Array
    y: Array
    weight: Array | None = None
    train: bool = True
    SEED: ClassVar[int] = 5  # of what layers draw

    def forward(self) -> tuple[float, Array, list[dict[str, Array]]]:
        rng = np.random.default_rng(self.SEED)
        Z, caches = self.net.forward(self.X, train=self.train, rng=rng)
        return self.loss.value(Z, self.y, self.weight), Z, caches

    def look(self) -> tuple[float, Array]:
        """The loss, and all sides as one vector."""
        L, Z, caches = self.forward()
        named = {f"{i}.{k}": v for i, cache in enumerate(caches) for k, v in cache.items()}
        sides = [*layer_sides(self.net.layers, named), loss_sides(self.loss, Z, self.y)]
        return L, np.concatenate([side.ravel() for side in sides])

    def gradients(self) -> tuple[Array, Array]:
        _, Z, caches = self.forward()
        return self.net.backward(caches, self.loss.grad(Z, self.y, self.weight))

    def compare(self, picks: int = 12) -> tuple[int, int]:
        """(compared, left out beside a kink) of a spread of entries of X and of theta."""
        dX, grad = self.gradients()
        counts = [0, 0]
        for vector, derivative in ((self.X.reshape(-1), dX.ravel()), (self.net.theta, grad)):
            stride = max(1, vector.size // picks)
            for i in range(0, vector.size, stride):
                counts[0 if self.agrees(vector, i, float(derivative[i])) else 1] += 1
        return counts[0], counts[1]

    def agrees(self, vector: Array, i: int, derivative: float) -> bool:
        """Whether entry i could be compared; an AssertionError where it differs."""
        seen = []
        for h in STEPS:
            numeric, size, smooth = self._difference(vector, i, h)
            if not smooth:
                continue
            noise = 100 * np.finfo(float).eps * size / h
            limit = RTOL * max(abs(numeric), abs(derivative)) + noise
            if abs(numeric - derivative) <= limit:
                return True
            seen.append(numeric)
        assert not seen, f"{self.net}, {self.loss}, entry {i}: {derivative} is not one of {seen}"
        return False

    def _difference(self, vector: Array, i: int, h: float) -> tuple[float, float, bool]:
        old, values, sides = vector[i], [], []
        for k in (-2, -1, 1, 2):
            vector[i] = old + k * h
            L, side = self.look()
            values.append(L)
            sides.append(side)
        vector[i] = old
        a, b, c, d = values
        smooth = all(np.array_equal(side, sides[0]) for side in sides)
        return (8 * (c - b) - (d - a)) / (12 * h), max(1.0, *map(abs, values)), smooth
