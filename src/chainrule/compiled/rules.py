"""From a loss and an optimizer to numbers that a kernel can read."""

import numpy as np

from ..core.arrays import Array
from ..core.epoch import Batch, StepSettings
from ..core.losses import Loss
from ..core.network import Network
from .operations import LOSSES, OPTIMIZER_SETTINGS, OPTIMIZERS, LossKernel
from .step import RULE


def rules(settings: StepSettings, y: Array, batch_size: int, shuffle: bool) -> Array:
    """One record of RULE."""
    array = np.zeros(1, RULE)
    rule, loss, optimizer, penalty = array[0], settings.loss, settings.optimizer, settings.penalty
    rule.loss = LOSSES.index(loss_kernel(loss, y))
    rule.scale, rule.averaged = loss.scale, loss.reduction == "mean"
    rule.optimizer = list(OPTIMIZERS).index(type(optimizer))
    rule.corrects = "t" in optimizer.init(np.zeros(0))
    for name in OPTIMIZER_SETTINGS:
        rule[name] = getattr(optimizer, name, 0.0)
        rule[f"rest_{name}"] = 1.0 - rule[name]
    if penalty is not None:
        rule.l1, rule.l2, rule.per_row = penalty.l1, penalty.l2, penalty.per_row
    rule.clip_norm = settings.clip or 0.0
    rule.batch, rule.shuffle = batch_size, shuffle
    return array


def loss_kernel(loss: Loss, y: Array) -> LossKernel:
    """The row of a loss for targets of this form."""
    rows = [row for row in LOSSES if row.of is type(loss)]
    return next(row for row in rows if len(rows) == 1 or row.of_classes == (y.ndim == 1))


def targets(net: Network, loss: Loss, data: Batch) -> Array:
    """The targets (n, columns) as the kernels take them: one class number for each row where the
    kernel takes these, otherwise as `loss.targets` gives them.
    """
    if loss_kernel(loss, data.y).of_classes:
        return np.asarray(data.y[:, None], dtype=net.dtype)
    outputs = np.broadcast_to(np.zeros((), net.dtype), (len(data), net.n_out))
    return loss.targets(outputs, data.y)


def loss_setting(loss: Loss, y: Array) -> float | tuple[float, ...]:
    """What a loss sets: delta, one or several quantiles, the label smoothing; 0 for most."""
    name = loss_kernel(loss, y).setting
    return getattr(loss, name) if name else 0.0
