"""Settings within their limits, said in one sentence where they are not."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

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
        if not low <= setting <= high:
            upper = "below 1" if high == BELOW_ONE else f"at most {high}"
            raise ValueError(
                f"{type(owner).__name__} {name} is {setting}: it must be at least {low} and {upper}"
            )
