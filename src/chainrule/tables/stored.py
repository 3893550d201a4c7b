"""A dataclass as a JSON document and back; a stored document is checked, never believed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

Label = str | int | bool | float
"""A class of a target or a level of a category, as a document can hold it."""


def to_document(data: Any) -> dict[str, Any]:
    """A dataclass as JSON-able lists, texts and numbers."""

    def lists(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in pairs}

    return dataclasses.asdict(data, dict_factory=lists)


def from_document(
    cls: Any, data: Any, where: str, **allowed: tuple[str | None, ...]
) -> dict[str, Any]:
    """The fields of a dataclass from a document, each of the type that the class declares.

    `allowed` lists the choices of a field. ValueError, which begins with `where`: a field is
    missing, of another type, or none of its choices.
    """
    hints = get_type_hints(cls)
    fields = {name: _read(data, name, hints[name], where) for name in hints}
    for name, choices in allowed.items():
        value, texts = fields[name], ", ".join(choice for choice in choices if choice is not None)
        check(value in choices, f'"{name}" of {where} is "{value}", not one of {texts}')
    return fields


def check(fits: bool, fault: str) -> None:
    """ValueError with the fault unless the document fits."""
    if not fits:
        raise ValueError(f"{fault}: the file is damaged")


def _read(data: Any, key: str, hint: Any, where: str) -> Any:
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    item = next((get_args(option)[0] for option in options if get_origin(option) is tuple), None)
    if item is None:
        return _field(data, key, options, where)
    values = _field(data, key, (list, tuple, *(o for o in options if get_origin(o) is None)), where)
    if values is None:
        return None
    if dataclasses.is_dataclass(item):
        return tuple(item.from_dict(value) for value in values)  # type: ignore[union-attr]
    kinds = get_args(item) or (item,)
    return tuple(_field({key: value}, key, kinds, where) for value in values)


def _field(data: Any, key: str, kinds: tuple[type, ...], where: str) -> Any:
    """data[key], of one of the kinds: a bool is no int, and an int counts as a float."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is {type(data).__name__}, not an object: the file is damaged")
    if key not in data:
        raise ValueError(f'{where} has no "{key}": the file is damaged or of another version')
    value = data[key]
    if type(value) is int and float in kinds and int not in kinds:
        value = float(value) if abs(value) < 2**1023 else math.inf
    names = " or ".join(kind.__name__ for kind in kinds)
    check(type(value) in kinds, f'"{key}" of {where} is {value!r}, not {names}')
    finite = type(value) is not float or math.isfinite(value)
    check(finite, f'"{key}" of {where} is {value}, not finite')
    return value
