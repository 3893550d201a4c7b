"""Names of the library as a person writes them: in any case, with a hint for one that is none."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any


def with_known_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with activation and optimizer as the library spells them.

    Raises ValueError where there is none of that name.
    """
    from ..core.activation_layers import ACTIVATION_LAYERS
    from ..core.optimizers import OPTIMIZERS

    known = {"activation": list(ACTIVATION_LAYERS), "optimizer": list(OPTIMIZERS)}
    return {
        name: known_name(name, value, known[name]) if name in known else value
        for name, value in settings.items()
    }


def known_name(setting: str, given: str, known: Sequence[str]) -> str:
    """The known name that is meant, "Leaky-ReLU" as leaky_relu; ValueError where there is none."""
    by_letters = {name.replace("_", ""): name for name in known}
    letters = re.sub(r"[\s_-]", "", given.lower())
    if letters in by_letters:
        return by_letters[letters]
    close = difflib.get_close_matches(letters, list(by_letters), n=2)
    told = f"use one of {', '.join(known)}"
    if close:
        told = f"did you mean {' or '.join(by_letters[match] for match in close)}?"
    raise ValueError(f"--{setting} is '{given}': {told}")
