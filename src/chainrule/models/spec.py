"""Layers, losses, schedules as plain JSON and back: `{"type": "Dense", "n": 64, …}`.

Decoding looks names up in one table, checks every field against the class's own annotations and
hands the fields to the class, whose own checks apply; it evaluates nothing.
"""

import pkgutil
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np

from .. import core
from ..core.layers import Dense, Layer
from ..core.losses import Loss
from ..core.schedules import Schedule
from ..tables.stored import require

Registry = Mapping[str, type]
PARTS = (Layer, Loss, Schedule)


def core_types(base: type) -> dict[str, type]:
    """Every dataclass that the modules of `core` define below `base`, by its name."""
    modules = pkgutil.iter_modules(core.__path__, f"{core.__name__}.")
    members = chain.from_iterable(vars(import_module(m.name)).values() for m in modules)
    below = (c for c in members if isinstance(c, type) and issubclass(c, base) and c is not base)
    return {c.__name__: c for c in below if "__dataclass_fields__" in vars(c)}


LAYERS = core_types(Layer)
CORE_TYPES: Registry = {**LAYERS, **core_types(Loss), **core_types(Schedule)}
MOST_ENTRIES = 10_000  # of a list among the settings of a layer
MOST_LAYERS = 1000  # a network is built in time that grows with the square of their number


def types_with(custom: Iterable[type]) -> Registry:
    """The table of types by name, with a reader's own layers and losses added.

    Raises TypeError for anything but the class of a layer, a loss or a schedule.
    """
    classes = [custom] if isinstance(custom, type) else list(custom)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, PARTS) and is_dataclass(cls)):
            fix = "give the dataclasses of your own layers, losses or schedules"
            raise TypeError(f"custom lists {cls!r}: {fix}")
    return {**CORE_TYPES, **{cls.__name__: cls for cls in classes}}


def plain(value: Any, place: str) -> Any:
    """A value as JSON holds it: numpy numbers as Python's, tuples as lists, nan and inf as None.

    Raises TypeError naming the place for anything that JSON has no word for.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple):
        return [plain(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item, f"{place}.{key}") for key, item in value.items()}
    fault = f"{place} is a {type(value).__name__}, which a model file cannot hold"
    raise TypeError(f"{fault}: use numbers, text, lists, and dicts with text for keys")


def encode(value: Any, place: str) -> Any:
    """A layer, loss, schedule or setting as JSON: its type's name and its fields.

    Raises TypeError for a part that is not a dataclass, has the name of another one, or has a
    setting that JSON cannot hold; ValueError for a setting that is not finite.
    """
    if isinstance(value, PARTS):
        name = type(value).__name__
        if not is_dataclass(value):
            fix = "make it a frozen dataclass whose fields are its settings"
            raise TypeError(f"{name} cannot be saved: {fix}")
        if CORE_TYPES.get(name, type(value)) is not type(value):
            raise TypeError(f"your own {name} has the name of one of chainrule's: rename the class")
        settings = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        if name == "Dense" and callable(settings["init"]):
            settings["init"] = None  # its work is done, the numbers are in the file
        return {"type": name, **{k: encode(v, f"{place}.{k}") for k, v in settings.items()}}
    if isinstance(value, tuple | list):
        return [encode(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        raise ValueError(f"{place} is {value}: a model file holds finite settings only")
    return plain(value, place)


def decode(data: Any, registry: Registry, base: type | tuple[type, ...], place: str) -> Any:
    """The object that `encode` described, an instance of `base`.

    Raises ValueError naming the place for anything else: unknown type, a field that is unknown,
    missing or of the wrong type.
    """
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"{place} is no description of a part of a network")
    cls = registry.get(kind)
    if cls is None:
        fault = f"{place} is of type {kind!r}, which this version does not know"
        raise ValueError(f"{fault}: if it is your own, pass its class in `custom`")
    require(issubclass(cls, base), f"{place} is a {kind}, which does not belong there")
    names = {f.name for f in fields(cls) if f.init}
    for name in sorted(names ^ (set(data) - {"type"})):
        raise ValueError(f"{place}.{name} is {'missing' if name in names else 'no field'}")
    if cls is Dense and data["init"] is None:
        names -= {"init"}
    hints, settings = _hints(cls), {}
    for name in names:
        settings[name] = _setting(data[name], registry, f"{place}.{name}")
        if not _fits(settings[name], hints.get(name, Any)):
            raise ValueError(
                f"{place}.{name} is {_short(repr(data[name]))}, which a {kind} cannot take"
            )
    try:
        return cls(**settings)
    except (TypeError, ValueError) as error:
        why = _short(str(error), 300)
        raise ValueError(f"{place} does not describe a layer or loss {kind}: {why}") from None


def _setting(value: Any, registry: Registry, place: str) -> Any:
    if isinstance(value, dict):
        return decode(value, registry, PARTS, place)
    if isinstance(value, list):
        n = len(value)
        require(n <= MOST_ENTRIES, f"{place} has {n} entries: a model file holds {MOST_ENTRIES}")
        return tuple(_setting(item, registry, f"{place}[{i}]") for i, item in enumerate(value))
    return value


def _hints(cls: type) -> dict[str, Any]:
    """The annotations of a class; none where an own class names types that are not there."""
    try:
        return typing.get_type_hints(cls)
    except NameError:
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a setting is of the annotated type: a bool is not a number, an int is a float."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return isinstance(value, tuple) and all(_fits(item, inner[0]) for item in value)
    if origin is Callable:
        return False  # a file holds no functions
    if hint is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    if hint is int:
        return type(value) is int
    if hint in (str, bool, types.NoneType) or (isinstance(hint, type) and issubclass(hint, PARTS)):
        return isinstance(value, hint)
    return True  # an own class's annotation of another kind: the class checks it


def _short(text: str, width: int = 40) -> str:
    return text if len(text) <= width else text[: width - 3] + "…"


def decode_layers(data: Any, registry: Registry) -> list[Layer]:
    """The layers of a network, in order. Raises ValueError where they are none, or too many."""
    require(isinstance(data, list) and len(data) > 0, "layers is no list of layers")
    layers = [decode(item, registry, Layer, f"layers[{i}]") for i, item in enumerate(data)]
    check_count(layers)
    return layers


def check_count(layers: Sequence[Layer]) -> None:
    """Raise ValueError for more layers, those of branches included, than a file may have."""
    n = _count(layers)
    require(n <= MOST_LAYERS, f"the network has {n} layers: a model file holds {MOST_LAYERS}")


def _count(layers: Sequence[Layer]) -> int:
    return sum(1 + sum(map(_count, layer.branches.values())) for layer in layers)
