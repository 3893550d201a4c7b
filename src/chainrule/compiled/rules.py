"""From losses and optimizers to numbers that a kernel can read; and in words what it cannot."""

from typing import Any

import numpy as np

from ..core import losses as cl
from ..core import optimizers as co
from ..core.arrays import Array
from ..core.epoch import Batch, StepSettings
from ..core.losses import Loss
from ..core.network import Network
from ..core.penalty import Penalty
from . import losses, updates
from .program import unknown_layer
from .step import RULE

LOSSES = {
    cl.SquaredError: losses.SQUARED,
    cl.AbsoluteError: losses.ABSOLUTE,
    cl.Huber: losses.HUBER,
    cl.Pinball: losses.PINBALL,
    cl.BinaryCrossEntropy: losses.BINARY,
    cl.SoftmaxCrossEntropy: losses.SOFTMAX,
    cl.Poisson: losses.POISSON,
    cl.Hinge: losses.HINGE,
}
OPTIMIZERS = {
    co.SGD: updates.SGD,
    co.Momentum: updates.MOMENTUM,
    co.Nesterov: updates.NESTEROV,
    co.AdaGrad: updates.ADAGRAD,
    co.RMSProp: updates.RMSPROP,
    co.Adam: updates.ADAM,
    co.AdamHat: updates.ADAM_HAT,
    co.AdamW: updates.ADAMW,
}
# What an optimizer keeps: the place in the memory, and its name in the readable engine.
STATE = {
    updates.SGD: {},
    updates.MOMENTUM: {"m": "v"},
    updates.NESTEROV: {"m": "v"},
    updates.ADAGRAD: {"v": "s"},
    updates.RMSPROP: {"v": "s"},
    updates.ADAM: {"m": "m", "v": "v"},
    updates.ADAM_HAT: {"m": "m", "v": "v"},
    updates.ADAMW: {"m": "m", "v": "v"},
}


def unsupported(net: Network, settings: StepSettings) -> str | None:
    """Why the compiled engine cannot train this, in words; None if it can."""
    layer, penalty = unknown_layer(net), settings.penalty
    for known, kind, own in (
        (layer is None, "layer", layer),
        (type(settings.loss) in LOSSES, "loss", settings.loss),
        (type(settings.optimizer) in OPTIMIZERS, "optimizer", settings.optimizer),
        (penalty is None or type(penalty) is Penalty, "penalty", penalty),
    ):
        if not known:
            return f"the {kind} {type(own).__name__} has no compiled kernel"
    return None


def rules(settings: StepSettings, y: Array, batch_size: int, shuffle: bool) -> Array:
    """One record of RULE."""
    array = np.zeros(1, RULE)
    rule, loss, optimizer, penalty = array[0], settings.loss, settings.optimizer, settings.penalty
    rule.loss = losses.CLASSES if _are_classes(loss, y) else LOSSES[type(loss)]
    rule.scale, rule.averaged = loss.scale, loss.reduction == "mean"
    rule.optimizer = OPTIMIZERS[type(optimizer)]
    rule.beta1 = getattr(optimizer, "beta1", getattr(optimizer, "beta", 0.0))
    rule.beta2 = getattr(optimizer, "beta2", getattr(optimizer, "rho", 0.0))
    rule.epsilon = getattr(optimizer, "epsilon", 0.0)
    if penalty is not None:
        rule.l1, rule.l2, rule.per_row = penalty.l1, penalty.l2, penalty.per_row
    rule.clip_norm = settings.clip or 0.0
    rule.batch, rule.shuffle = batch_size, shuffle
    return array


def targets(net: Network, loss: Loss, data: Batch) -> Array:
    """The targets (n, columns) as the kernels take them: one class number a row for CLASSES, all
    others as `loss.targets` gives them.
    """
    if _are_classes(loss, data.y):
        return np.asarray(data.y[:, None], dtype=net.dtype)
    outputs = np.broadcast_to(np.zeros((), net.dtype), (len(data), net.n_out))
    return loss.targets(outputs, data.y)


def loss_settings(loss: Loss, k: int) -> Any:
    """The numbers of a loss for k outputs: delta, the quantiles or the label smoothing."""
    chosen = 0.0
    for name in ("delta", "quantile", "label_smoothing"):
        chosen = getattr(loss, name, chosen)
    return np.broadcast_to(np.asarray(chosen, np.float64), (k,))


def _are_classes(loss: Loss, y: Array) -> bool:
    return type(loss) is cl.SoftmaxCrossEntropy and y.ndim == 1
