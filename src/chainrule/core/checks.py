"""Settings within their limits and data that are numbers, or one sentence that says what is not."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array

Limits = Mapping[str, tuple[float, float]]
BELOW_ONE = math.nextafter(1.0, 0.0)


def require_count(owner: str, name: str, value: object) -> None:
    """Raise ValueError unless value is a whole number of at least 1."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{owner} {name} is {value!r}: it must be a whole number of at least 1")


def require_limits(owner: Any, limits: Limits) -> None:
    """Raise ValueError for the first setting of `owner` that lies outside its closed interval."""
    for name, (low, high) in limits.items():
        setting = getattr(owner, name)
        if not isinstance(setting, int | float | np.number) or not low <= setting <= high:
            upper = {BELOW_ONE: " and below 1", math.inf: ""}.get(high, f" and at most {high}")
            raise ValueError(
                f"{type(owner).__name__} {name} is {setting!r}: "
                f"it must be a number of at least {low}{upper}"
            )


def as_real(name: str, value: ArrayLike) -> Array:
    """The value as an array of real numbers; raises ValueError for anything that is not."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array: fill or drop its masked cells")
    try:
        array = np.asarray(value)
        array = array.astype(np.float64) if array.dtype == object else array
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is no array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has type {array.dtype}: give real numbers")
    return array


def as_dtype(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """The array in this dtype; raises ValueError where a finite number is too large for it."""
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, copy=False)
    if cast.dtype != array.dtype and np.any(np.isinf(cast) & np.isfinite(array)):
        raise ValueError(
            f"{name} holds a number too large for {dtype}: use dtype=float64, or scale"
        )
    return cast
