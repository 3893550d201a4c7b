"""The one JSON document of a verb: finite numbers only, everything plain."""

import json
from typing import Any

import click


def emit(document: dict[str, Any]) -> None:
    """Print the document on standard output."""
    import numpy as np

    from ..core.nonfinite import finite

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return finite(value.tolist())
        return str(value)

    text = json.dumps(finite(document), ensure_ascii=False, allow_nan=False, default=plain)
    click.echo(text)
