"""`--json`: a verb prints one JSON document instead of what a person reads."""

import json
from typing import Any

import click

AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)


def print_json(document: dict[str, Any]) -> None:
    """Print the document on standard output: finite numbers only, arrays as lists, else texts."""
    import numpy as np

    from ..core.nonfinite import finite

    def plain(value: Any) -> Any:
        return finite(value.tolist()) if isinstance(value, np.ndarray | np.generic) else str(value)

    click.echo(json.dumps(finite(document), ensure_ascii=False, allow_nan=False, default=plain))
