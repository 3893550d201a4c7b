"""The command line: `chainrule VERB …`; `main` is the click group of its verbs."""

import os
from typing import Any

from .signals import handled

__all__ = ["main"]  # noqa: F822, the name is made below


def __getattr__(name: str) -> Any:
    """`main`, loaded when it is asked for: Ctrl-C meanwhile leaves without a word, at once.

    A KeyboardInterrupt could be swallowed or turned into an ImportError by what is being imported.
    """
    if name != "main":
        raise AttributeError(f"module 'chainrule.cli' has no attribute {name!r}")
    with handled(lambda number: os._exit(128 + number)):
        from .verbs import main
    globals()["main"] = main
    return main
