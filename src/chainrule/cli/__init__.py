"""The command line: `chainrule VERB …`; `main` is the click group of its verbs."""

import os
from typing import Any

from .signals import handled

__all__ = ["main"]  # noqa: F822, defined by __getattr__


def __getattr__(name: str) -> Any:
    """`main`, imported on first use. Ctrl-C during the import ends the process at once.

    A module that is being imported may swallow a KeyboardInterrupt or turn it into an ImportError.
    """
    if name != "main":
        raise AttributeError(f"module 'chainrule.cli' has no attribute {name!r}")
    with handled(lambda number: os._exit(128 + number)):
        from .verbs import main
    globals()["main"] = main
    return main
