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

from .core.activation_layers import ParametricActivation
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
    """The settings of the members. None is set by `for_table`, from its rows and its task.

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
        """With what hangs on the number of rows and the task."""
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
            assert self.activation is not None  # for_table has set it
            layers += [Dense(n, init="lecun_normal"), ParametricActivation(self.activation)]
            layers += [Dropout(FlatCosine(self.dropout))] if self.dropout else []
        return [*layers, Dense(outputs, init=0.0)]

    def told(self) -> dict[str, str]:
        """Each setting with its value and reason, in words."""
        units = " → ".join(map(str, self.hidden))
        spreads = ", ".join(f"{s:g}" if s else "none" for s in self.spreads or ())
        return {
            "members": f"{self.members}, averaged: their errors differ and partly cancel",
            "held-out rows": f"{self.valid:.0%} of the rows, others for each member, choose its "
            "best epoch",
            "numbers": "median 0, quartiles 1 apart, smoothly limited to ±3: outliers do not rule",
            "embedding": f"numbers beside cosines of them, in turn of spread {spreads}: steps and "
            "waves become easy to learn",
            "categories": f"a column a level; 8 learned numbers for more than {ONE_HOT} levels",
            "layers": f"{units} units, a scale for each input before them: it weighs the columns",
            "activation": f"{self.activation}, mixed with the identity by a learned share",
            "dropout": f"{self.dropout:g}, to 0 from the middle on: less of the rows by heart",
            "weight decay": f"{self.weight_decay:g}, falling likewise",
            "learning rate": f"{self.lr:g} in four cosine cycles, each longer, times 1/√inputs for "
            f"a matrix, {SMALL:g} for embedding and biases, {QUICK:g} for scales",
            "optimizer": "AdamW with β₂ = 0.95, which forgets old gradients soon",
            "batch size": f"{self.batch_size}, by the number of rows",
            "epochs": f"{self.epochs}, the best by the held-out rows is kept",
        }


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
