"""Presets: how the networks of a table are built and trained, as settings with their reasons.

`Simple` is a network that a textbook would build and that can be followed by hand. `Strong` follows
RealMLP (Holzmüller et al. 2024, "Better by default"): robust numbers, cosine embeddings, a scaling
layer, the neural tangent parametrisation, parametric activations, AdamW with a short memory. What
differs: narrower networks, fewer epochs, several members with different embeddings.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from ..core import losses
from ..core.activation_layers import ACTIVATIONS, ParametricActivation, get_activation
from ..core.checks import require_count
from ..core.embedding_layers import CategoryEmbedding, CosineEmbedding
from ..core.epoch import StepSettings
from ..core.layers import Dense, Dropout, Layer, Scale
from ..core.network import Network
from ..core.optimizers import OPTIMIZERS, AdamW
from ..core.schedules import Cosine, CosLog, FlatCosine
from ..writing.words import percent
from .data import TableData

T = TypeVar("T")
LEARNING_RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.02}
SMALL = 0.1  # share of the learning rate that embeddings, biases and mixes get
ONE_HOT = 8  # levels of a category that stay columns of their own
QUICK = 6.0  # times the learning rate that the scaling layer gets


@dataclass(frozen=True, kw_only=True)
class Simple:
    """Networks with standardised inputs, ReLU and dropout, AdamW on a cosine schedule; one of them.

    `members` is how many networks are averaged, `hidden` the sizes of the hidden layers, `valid`
    the share of the training rows that each holds out to choose its best epoch; `patience` epochs
    without a new best end it, `clip` is the gradient's largest norm. `for_table` chooses what is
    None, except `clip` and `patience`, for which None means no limit.
    """

    name: str = "simple"
    members: int = 1
    hidden: tuple[int, ...] = (128, 64)
    activation: str | None = None
    dropout: float = 0.2
    epochs: int = 200
    lr: float | None = None
    batch_size: int | None = None
    optimizer: str = "adamw"
    weight_decay: float | None = None
    clip: float | None = 5.0
    patience: int | None = 40
    valid: float = 0.2
    engine: str = "auto"
    calibrated: ClassVar[bool] = False  # whether a temperature is fitted to the classes
    metric: ClassVar[str] = "log_loss"  # of classes, that chooses the best epoch by default
    scaling: ClassVar[str] = "standard"
    dtype: ClassVar[type] = np.float64

    def __post_init__(self) -> None:
        require_count("preset", "members", self.members)
        if self.optimizer not in OPTIMIZERS:
            names = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer is {self.optimizer!r}: use one of {names}")
        if self.lr is not None and not 0.0 < self.lr < math.inf:
            raise ValueError(f"lr is {self.lr}: give a finite number above 0")
        Dropout(self.dropout)

    def for_table(self, data: TableData) -> Self:
        """With what depends on the number of rows and on the task."""
        rows = max(1, round((1.0 - self.valid) * len(data.train)))
        defaults = self._defaults(rows, data.outputs > 0)
        defaults["lr"] = LEARNING_RATES.get(self.optimizer, defaults["lr"])
        return replace(self, **{k: v for k, v in defaults.items() if getattr(self, k) is None})

    def _defaults(self, rows: int, classes: bool) -> dict[str, Any]:
        return {
            "activation": "relu", "lr": 0.003,
            "batch_size": int(np.clip(2 ** round(math.log2(rows / 48)), 16, 256)),
            "weight_decay": float(np.clip(150 / rows, 0.01, 0.3)),
        }  # fmt: skip

    def loss(self, data: TableData, metric: str, interval: float | None) -> losses.Loss:
        """The loss that the members learn by."""
        if data.outputs:
            return self._class_loss(data.outputs, metric)
        if interval is not None:
            low = round(0.5 - interval / 2, 12)
            return losses.Pinball((low, 0.5, round(1.0 - low, 12)))
        return losses.AbsoluteError() if metric == "mae" else losses.SquaredError()

    def _class_loss(self, classes: int, metric: str) -> losses.Loss:
        return losses.BinaryCrossEntropy() if classes == 2 else losses.SoftmaxCrossEntropy()

    def network(self, data: TableData, m: int, n_out: int, seed: int) -> Network:
        """The untrained network of member m."""
        sizes = [data.train.X.shape[1], *self.hidden, 1 if data.outputs == 2 else n_out]
        dropout = self.dropout if self.hidden else 0.0
        return Network.mlp(sizes, self.activation or "relu", dropout=dropout, rng=seed)

    def step(self, loss: losses.Loss) -> StepSettings:
        """What one step of training is made of."""
        optimizer = OPTIMIZERS[self.optimizer]()
        if self.optimizer == "adamw":
            optimizer = AdamW(weight_decay=self.weight_decay or 0.0)
        return StepSettings(loss, optimizer, Cosine(_required("lr", self.lr)), clip=self.clip)

    def reasons(self, net: Network, data: TableData) -> dict[str, str]:
        """What is set, and why, in words; `net` is one of the members."""
        several, units = self.members > 1, " → ".join(map(str, self.hidden))
        drawn = ", drawn separately for each network" if several else ""
        which = ", the latest" if data.schema.time else drawn
        reasons = {
            "networks": f"{self.members}, averaged: their errors differ and partly cancel"
            if several else "1",
            "held-out rows": f"{percent(self.valid)}{which}, to choose the best epoch"
            if self.valid else "none: the epoch with the lowest loss is kept",
            "numbers": "mean 0, deviation 1, so that one learning rate suits all columns",
            "hidden layers": f"{units} units, {self.activation}" if self.hidden else "none",
            "dropout": f"{self.dropout:g}, to prevent memorising",
            "optimizer": self.optimizer,
            "learning rate": f"{self.lr:g}, falling to 0 along half a cosine, to settle",
            "weight decay": f"{self.weight_decay:g} (150 / rows, from 0.01 to 0.3, if not given)",
            "batch size": f"{self.batch_size} rows (by the number of rows, if not given)",
            "epochs": f"at most {self.epochs}, of which the best is kept",
        }  # fmt: skip
        if self.patience:
            reasons["patience"] = f"{self.patience} epochs without a new best end training"
        absent = {"dropout": not (self.hidden and self.dropout),
                  "weight decay": self.optimizer != "adamw"}  # fmt: skip
        return {name: why for name, why in reasons.items() if not absent.get(name)}


@dataclass(frozen=True, kw_only=True)
class Strong(Simple):
    """Several networks built for tables, whose outputs are averaged.

    `spreads` are those of the members' cosine embeddings in turn, 0 for none: members that see the
    numbers more and less finely err at different rows. `label_smoothing` holds where accuracy is
    the metric.
    """

    name: str = "strong"
    members: int = 4
    hidden: tuple[int, ...] = (128, 128, 128)
    dropout: float = 0.15
    epochs: int = 128
    clip: float | None = None
    patience: int | None = None
    engine: str = "compiled"
    spreads: tuple[float, ...] | None = None
    label_smoothing: float = 0.1
    calibrated = True
    metric = "accuracy"
    scaling = "robust"
    dtype = np.float32

    def _defaults(self, rows: int, classes: bool) -> dict[str, Any]:
        sizes = ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512))
        return {
            "activation": "selu" if classes else "mish", "lr": 0.04 if classes else 0.07,
            "spreads": (0.1, 0.3, 0.1, 0.0) if classes else (0.1, 1.0, 0.3, 0.0),
            "batch_size": next((size for most, size in sizes if rows <= most), 1024),
            "weight_decay": 0.02,
        }  # fmt: skip

    def _class_loss(self, classes: int, metric: str) -> losses.Loss:
        return losses.SoftmaxCrossEntropy(self.label_smoothing if metric == "accuracy" else 0.0)

    def network(self, data: TableData, m: int, n_out: int, seed: int) -> Network:
        spreads = _required("spreads", self.spreads)
        layers = [*_embeddings(data, spreads[m % len(spreads)]), Scale()]
        for n in self.hidden:
            layers += [Dense(n, init="lecun_normal"), self._activation_layer()]
            layers += [Dropout(FlatCosine(self.dropout))] if self.dropout else []
        layers.append(Dense(n_out, init=0.0))
        net = Network(data.train.X.shape[1], layers, rng=seed, dtype=self.dtype)
        _set_factors(net)
        return net

    def _activation_layer(self) -> Layer:
        """The activation with its learned share; "prelu" has a number to learn itself."""
        name = _required("activation", self.activation)
        return ParametricActivation(name) if name in ACTIVATIONS else get_activation(name)

    def step(self, loss: losses.Loss) -> StepSettings:
        step = super().step(loss)
        if self.optimizer == "adamw":
            decay = FlatCosine(self.weight_decay or 0.0)
            step = replace(step, optimizer=AdamW(beta2=0.95, weight_decay=decay))
        return replace(step, lr=CosLog(_required("lr", self.lr)))

    def reasons(self, net: Network, data: TableData) -> dict[str, str]:
        simple, kinds = super().reasons(net, data), {type(layer) for layer in net.layers}
        own = {"numbers": "median 0, quartiles 1 apart, within ±3, so that outliers count less"}
        if CosineEmbedding in kinds:
            used = (self.spreads or ())[: self.members]
            fine = ", ".join(f"{spread:g}" if spread else "none" for spread in used)
            own["embedding"] = f"cosines of the numbers, spread {fine}: so jumps are easy to learn"
        if CategoryEmbedding in kinds:
            own["categories"] = f"8 learned numbers for those of more than {ONE_HOT} levels"
        own["scaling layer"] = "a factor for each input, learned quickly: it weighs the columns"
        own["learning rate"] = (
            f"{self.lr:g} in four cosine cycles, each longer than the last; times 1/√inputs for "
            f"matrices, {SMALL:g} for embeddings and biases, {QUICK:g} for the scaling layer"
        )
        if self.hidden:
            own["activation"] = f"{self.activation}, mixed with the identity by a learned share"
        if "dropout" in simple:
            own["dropout"] = f"{self.dropout:g}, decays to 0 in the second half"
        if self.optimizer == "adamw":
            own["optimizer"] = "adamw with β₂ = 0.95: short gradient memory"
            own["weight decay"] = f"{self.weight_decay:g}, decays to 0 in the second half"
        return simple | own


PRESETS: dict[str, Simple] = {
    preset.name: preset for preset in (Strong(), Strong(name="ensemble", members=16), Simple())
}


def get_preset(name: str, /, **settings: Any) -> Simple:
    """The preset of that name with other settings; ValueError for an unknown name or setting."""
    if name not in PRESETS:
        raise ValueError(f"preset is {name!r}: use one of {', '.join(PRESETS)}")
    names = {field.name for field in fields(PRESETS[name])} - {"name"}
    for setting in settings.keys() - names:
        listed = ", ".join(sorted(names))
        raise ValueError(f'preset "{name}" has no setting {setting!r}: it has {listed}')
    return replace(PRESETS[name], **settings)


def _required(name: str, setting: T | None) -> T:
    """A setting that `for_table` has chosen; ValueError where nobody has called it."""
    if setting is None:
        raise ValueError(f"{name} is None: for_table chooses it")
    return setting


def _embeddings(data: TableData, spread: float) -> list[Layer]:
    """Embeddings for the categories with many levels and, unless the spread is 0, for the features
    with more than two values: of two values every function is linear.
    """
    preparation = data.preparation
    width, places = len(preparation.feature_names), preparation.places
    spans = [places[plan.name] for plan in preparation.columns if plan.kind == "category"]
    groups = tuple((s.start, s.stop) for s in spans if s.stop - s.start > ONE_HOT)
    layers, single_features = list[Layer](), tuple(range(width))
    if groups:
        layers.append(embedding := CategoryEmbedding(groups))
        single_features = embedding.alone(width)
    numeric = tuple(j for j, i in enumerate(single_features) if i in data.varied)
    if numeric and spread:
        layers.append(CosineEmbedding(spread=spread, columns=numeric))
    return layers


def _set_factors(net: Network) -> None:
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
