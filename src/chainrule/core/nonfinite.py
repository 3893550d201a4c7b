"""Numbers that are not finite: the first operation of a step that made one, and none for JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .arrays import Array
from .losses import Loss
from .network import Network


class Diverged(ArithmeticError):
    """Training made a number that is not finite; the message names the operation that made it."""


def name_nonfinite(
    net: Network,
    loss: Loss,
    X: Array,
    caches: Sequence[Mapping[str, Array]],
    Z: Array,
    L: float,
    grad: Array,
) -> str:
    """One sentence: the first of input, parameters, layers, loss, gradient and update that is not
    finite.
    """
    for name, array in (("the input X", X), ("theta", net.theta)):
        if not np.isfinite(array).all():
            return f"{name} holds {_worst(array)} before the step began"
    for i, (layer, cache) in enumerate(zip(net.layers, caches, strict=True)):
        for name, array in cache.items():
            if not np.isfinite(array).all():
                return f'layer {i}, {layer}, made {_worst(array)} in "{i}.{name}": {ADVICE}'
    if not np.isfinite(Z).all():
        return f"the last layer, {net.layers[-1]}, made {_worst(Z)} in Z: {ADVICE}"
    if not np.isfinite(L):
        overflowed = "exp(Z)" if np.isinf(loss.link(Z)).any() else "the sum of its terms"
        return (
            f"the loss {type(loss).__name__} became {L} at outputs up to {np.abs(Z).max():.4g} "
            f"({overflowed} overflowed): {ADVICE}"
        )
    for name, view in net.views(grad).items():
        if not np.isfinite(view).all():
            return f'the backward pass made {_worst(view)} in the gradient of "{name}": {ADVICE}'
    return f"the update of theta overflowed at gradients up to {np.abs(grad).max():.4g}: {ADVICE}"


ADVICE = "lower the learning rate, scale the inputs, or clip the gradient"


def _worst(array: Array) -> str:
    return "nan" if np.isnan(array).any() else "inf"


def finite(value: Any) -> Any:
    """The same JSON-able value with None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
