"""Layers, losses, schedules as plain JSON and back: `{"type": "Dense", "n": 64, …}`.

Decoding looks names up in one table and hands the fields to the class, whose own checks apply; it
evaluates nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from ..core.activation_layers import ELEMENTWISE
from ..core.layers import BatchNorm, Dense, Dropout, Layer, LayerNorm, Residual
from ..core.losses import LOSSES, Loss
from ..core.schedules import SCHEDULES, Schedule

Known = Mapping[str, type]
LAYERS: Known = {
    cls.__name__: cls
    for cls in (Dense, Dropout, BatchNorm, LayerNorm, Residual, *ELEMENTWISE.values())
}
KNOWN: Known = LAYERS | {c.__name__: c for c in (*LOSSES.values(), *SCHEDULES.values())}


def known_with(own: Iterable[type]) -> Known:
    """The table of types by name, with a reader's own layers and losses added."""
    return {**KNOWN, **{cls.__name__: cls for cls in own}}


def encode(value: Any) -> Any:
    """A setting as JSON: a frozen dataclass becomes its type's name and its fields."""
    if is_dataclass(value) and not isinstance(value, type):
        settings = {f.name: encode(getattr(value, f.name)) for f in fields(value) if f.init}
        return {"type": type(value).__name__, **settings}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if callable(value):
        return None  # an initializer of one's own: its work is done, the numbers are in the file
    return value


def decode(data: Any, known: Known, base: type, place: str) -> Any:
    """The object that `encode` described, an instance of `base`.

    Raises ValueError naming the place for anything else: unknown type, unknown or wrong field.
    """
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ValueError(f"{place} is no description of a {base.__name__.lower()}")
    cls = known.get(data["type"])
    if cls is None or not issubclass(cls, base):
        raise ValueError(
            f"{place} is of type {data['type']!r}, which this version does not know: "
            "if it is your own, pass its class in `own`"
        )
    settings = {}
    for field in fields(cls):
        if field.init and data.get(field.name) is not None:
            settings[field.name] = _setting(data[field.name], known, f"{place}.{field.name}")
    unknown = set(data) - {"type"} - {f.name for f in fields(cls) if f.init}
    if unknown:
        raise ValueError(
            f"{place} has fields that {data['type']} does not: {', '.join(sorted(unknown))}"
        )
    try:
        return cls(**settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place} does not describe a {data['type']}: {error}") from None


def _setting(value: Any, known: Known, place: str) -> Any:
    if isinstance(value, dict):
        return decode(value, known, Layer if value.get("type") in LAYERS else Schedule, place)
    if isinstance(value, list):
        return tuple(_setting(item, known, f"{place}[{i}]") for i, item in enumerate(value))
    return value


def decode_layers(data: Any, known: Known) -> list[Layer]:
    """The layers of a network, in order."""
    if not isinstance(data, list) or not data:
        raise ValueError("layers is no list of layers")
    return [decode(item, known, Layer, f"layers[{i}]") for i, item in enumerate(data)]


def decode_loss(data: Any, known: Known) -> Loss | None:
    """The loss, or None where none was saved."""
    loss: Loss | None = None if data is None else decode(data, known, Loss, "loss")
    return loss
