"""How objects show themselves: every writer is named here, and imported when it is first needed."""

from importlib import import_module
from typing import Any

WRITERS: dict[tuple[str, str], str] = {}
"""(class, format) -> "module:function"; the package's `__init__` fills it, where all are listed."""


def show(thing: Any, form: str, *arguments: Any) -> Any:
    """What the writer for this kind of object and format makes of it."""
    for kind in type(thing).__mro__:
        if (kind.__name__, form) in WRITERS:
            module, _, function = WRITERS[kind.__name__, form].partition(":")
            return getattr(import_module(module), function)(thing, *arguments)
    raise TypeError(f"no writer makes {form} of a {type(thing).__name__}")
