"""Recipe: how a network for a table is built and trained where accuracy counts.

It follows RealMLP (Holzmüller et al. 2024, "Better by default"): robust numbers, cosine embeddings,
a scaling layer, the neural tangent parametrisation, parametric activations, AdamW with a short
memory. What differs: a narrower network, fewer epochs, several members, no two alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .core.activation_layers import ParametricActivation, get_activation
from .core.activations import ACTIVATIONS
from .core.arrays import Array
from .core.embedding_layers import CategoryEmbedding, CosineEmbedding
from .core.layers import Dense, Dropout, Layer, Scale
from .core.network import Network
from .core.schedules import FlatCosine
from .tables import Preparation

SMALL = 0.1  # share of the learning rate that embeddings, biases and mixes get
ONE_HOT = 8  # levels of a category that stay columns of their own
QUICK = 6.0  # times the learning rate that the scaling layer gets


@dataclass(frozen=True)
class Recipe:
    """The settings of the members. What is None `for_table` sets; patience stays None: no limit.

    `spreads` are those of the members' cosine embeddings in turn, 0 for none: members that see the
    numbers more and less finely err at different rows. `label_smoothing` holds for accuracy as the
    metric; for log loss there is none.
    """

    members: int = 4
    hidden: tuple[int, ...] = (128, 128, 128)
    activation: str | None = None
    dropout: float = 0.15
    spreads: tuple[float, ...] | None = None
    label_smoothing: float = 0.1
    epochs: int = 128
    lr: float | None = None
    batch_size: int | None = None
    weight_decay: float = 0.02
    valid: float = 0.2
    patience: int | None = None

    def for_table(self, rows: int, classes: bool) -> "Recipe":
        """With what depends on the number of rows and on the task."""
        sizes = ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512))
        chosen: dict[str, Any] = {
            "activation": "selu" if classes else "mish",
            "spreads": (0.1, 0.3, 0.1, 0.0) if classes else (0.1, 1.0, 0.3, 0.0),
            "lr": 0.04 if classes else 0.07,
            "batch_size": next((size for most, size in sizes if rows <= most), 1024),
        }
        return replace(self, **{k: v for k, v in chosen.items() if getattr(self, k) is None})

    def layers(self, member: int, outputs: int, front: Sequence[Layer]) -> list[Layer]:
        """Embeddings, scaling layer, hidden layers, logits."""
        assert self.spreads is not None  # for_table has set it
        spread = self.spreads[member % len(self.spreads)]
        layers = [
            replace(layer, spread=spread) if isinstance(layer, CosineEmbedding) else layer
            for layer in front
            if spread or not isinstance(layer, CosineEmbedding)
        ]
        layers.append(Scale())
        for n in self.hidden:
            layers += [Dense(n, init="lecun_normal"), self._bend()]
            layers += [Dropout(FlatCosine(self.dropout))] if self.dropout else []
        return [*layers, Dense(outputs, init=0.0)]

    def _bend(self) -> Layer:
        """The activation with its learned share; "prelu" has a number to learn itself."""
        assert self.activation is not None  # for_table has set it
        known = self.activation in ACTIVATIONS
        return ParametricActivation(self.activation) if known else get_activation(self.activation)

    def told(self, layers: Sequence[Layer]) -> dict[str, str]:
        """What is set and why, in words; `layers` are those of one member."""
        told, kinds = dict[str, str](), {type(layer) for layer in layers}
        told["members"] = "1"
        told["held-out rows"] = "none: the epoch of the lowest training loss is kept"
        if self.members > 1:
            told["members"] = f"{self.members}, averaged: their errors differ and partly cancel"
        if self.valid:
            whose = "" if self.members == 1 else ", others for each member"
            told["held-out rows"] = f"{self.valid:.0%}{whose}, choose the best epoch"
        told["numbers"] = "median 0, quartiles 1 apart, limited to ±3: outliers count less"
        if CosineEmbedding in kinds:
            used = (self.spreads or ())[: self.members]
            fine = ", ".join(f"{spread:g}" if spread else "none" for spread in used)
            told["embedding"] = f"cosines of the numbers, spread {fine}: steps are easy to learn"
        if CategoryEmbedding in kinds:
            told["categories"] = f"8 learned numbers for those of more than {ONE_HOT} levels"
        told["scaling layer"] = "a factor for each input, learned quickly: it weighs the columns"
        if self.hidden:
            told["hidden layers"] = " → ".join(map(str, self.hidden)) + " units"
            told["activation"] = f"{self.activation}, mixed with the identity by a learned share"
        if self.hidden and self.dropout:
            told["dropout"] = f"{self.dropout:g}, from the middle on falling to 0: not by heart"
        told["weight decay"] = f"{self.weight_decay:g}, from the middle on falling to 0"
        told["learning rate"] = (
            f"{self.lr:g} in four cosine cycles, each longer; times 1/√inputs for matrices, "
            f"{SMALL:g} for embeddings and biases, {QUICK:g} for the scaling layer"
        )
        told["optimizer"] = "AdamW with β₂ = 0.95: it forgets old gradients soon"
        told["batch size"] = f"{self.batch_size}, by the number of rows"
        told["epochs"] = f"{self.epochs}, of which the best is kept"
        return told


def embeddings(preparation: Preparation, X: Array) -> list[Layer]:
    """Of the categories with many levels, and of the columns of more than two values: of two values
    every function is linear.
    """
    groups, start = list[tuple[int, int]](), 0
    for plan in preparation.columns:
        stop = start + len(plan.features)
        if plan.kind == "category" and len(plan.features) > ONE_HOT:
            groups.append((start, stop))
        start = stop
    found, alone = list[Layer](), tuple(range(X.shape[1]))
    if groups:
        found.append(picked := CategoryEmbedding(tuple(groups)))
        alone = picked.alone(X.shape[1])
    fine = tuple(j for j, i in enumerate(alone) if len(np.unique(X[:, i])) > 2)
    return [*found, CosineEmbedding(columns=fine)] if fine else found


def set_factors(net: Network) -> None:
    """Each parameter's own learning rate: 1/√inputs for a matrix, whose decay stays as it is, SMALL
    for embeddings, biases and mixes, QUICK for scales.

    With W ~ N(0, 1/inputs) this is training the neural tangent parametrisation z = x W′/√inputs
    with W′ ~ N(0, 1): Adam's step of W′ is the same for all widths.
    """
    rates, decays = net.views(net.lr_factor), net.views(net.decay_factor)
    for name in net.shapes:
        layer, own = net.layers[int(name.partition(".")[0])], name.partition(".")[2]
        rates[name][...] = QUICK if isinstance(layer, Scale) else SMALL
        if isinstance(layer, Dense) and own == "W":
            width = math.sqrt(len(rates[name]))
            rates[name][...], decays[name][...] = 1.0 / width, width
