"""A dataclass as a JSON document and back; every field of a document is checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

Label = str | int | bool | float
"""A class of a target or a level of a category, as a document can hold it."""


@dataclasses.dataclass(frozen=True)
class Document:
    """A dataclass that a model file holds as JSON.

    `PLACE` is what error messages call it, `CHOICES` lists the values that a field may have.
    """

    PLACE: ClassVar[str]
    CHOICES: ClassVar[Mapping[str, tuple[str | None, ...]]] = {}

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-able lists, texts and numbers."""

        def lists(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            return {k: list(v) if isinstance(v, tuple) else v for k, v in pairs}

        return dataclasses.asdict(self, dict_factory=lists)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """What to_dict returned; ValueError where a field is missing, wrong, or contradicts others.

        Each field must have the type that the class declares.
        """
        hints = get_type_hints(cls)
        names = [field.name for field in dataclasses.fields(cls)]
        fields = {name: _read(data, name, hints[name], cls.PLACE) for name in names}
        for name, choices in cls.CHOICES.items():
            value, texts = fields[name], ", ".join(c for c in choices if c is not None)
            check(value in choices, f'"{name}" of {cls.PLACE} is "{value}", not one of {texts}')
        document = cls(**fields)
        document.check_fields()
        return document

    def check_fields(self) -> None:
        """ValueError where the fields do not fit each other."""


def require(fits: bool, fault: str) -> None:
    """ValueError with the fault unless it fits."""
    if not fits:
        raise ValueError(fault)


def check(fits: bool, fault: str) -> None:
    """ValueError with the fault unless the document fits."""
    require(fits, f"{fault}: the file is damaged")


def _read(data: Any, key: str, hint: Any, where: str) -> Any:
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    item = next((get_args(option)[0] for option in options if get_origin(option) is tuple), None)
    if item is None:
        return _field(data, key, options, where)
    values = _field(data, key, (list, tuple, *(o for o in options if get_origin(o) is None)), where)
    if values is None:
        return None
    if isinstance(item, type) and issubclass(item, Document):
        return tuple(item.from_dict(value) for value in values)
    kinds = get_args(item) or (item,)
    return tuple(_field({key: value}, key, kinds, where) for value in values)


def _field(data: Any, key: str, kinds: tuple[type, ...], where: str) -> Any:
    """data[key], of one of the kinds: a bool is not an int, and an int counts as a float."""
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
