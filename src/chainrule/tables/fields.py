"""Reading a field of a stored document: its type and bounds are checked, never believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def field(data: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """data[key], of the given type; ValueError when it is missing or of another type.

    A bool is no int, and an int counts as a float.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is {type(data).__name__}, not an object: the file is damaged")
    if key not in data:
        raise ValueError(f'{where} has no "{key}": the file is damaged or of another version')
    value = data[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) is int and float in kinds and int not in kinds:
        value = float(value) if abs(value) < 2**1023 else math.inf
    if type(value) not in kinds:
        names = " or ".join(k.__name__ for k in kinds)
        raise ValueError(f'"{key}" of {where} is {value!r}, not {names}: the file is damaged')
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f'"{key}" of {where} is {value}, not finite: the file is damaged')
    return value


def items(data: Any, key: str, kind: type | tuple[type, ...], where: str) -> tuple[Any, ...]:
    """The list data[key], each item of the given type."""
    values = field(data, key, (list, tuple), where)
    return tuple(field({key: value}, key, kind, where) for value in values)


def choice(data: Any, key: str, allowed: tuple[str | None, ...], where: str) -> Any:
    """The text data[key], one of the allowed ones; None where that is one of them."""
    value = field(data, key, (str, type(None)) if None in allowed else str, where)
    if value not in allowed:
        known = ", ".join(name for name in allowed if name is not None)
        raise ValueError(
            f'"{key}" of {where} is "{value}", not one of {known}: the file is damaged'
        )
    return value
