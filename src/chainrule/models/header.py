"""The header of a model file: JSON that is checked before anything is built from it."""

import json
from collections import Counter
from typing import Any

from ..tables.stored import require

# 2: layers and limits that readers of format 1 do not know. 3: a temperature; a reading may be
# null, and nothing of an older form is in the file. upgrade.py turns older formats into this one.
FORMAT = 3
FIELDS = {
    *("format", "kind", "n_in", "dtype", "seed", "layers", "loss", "preparation", "schema"),
    *("facts", "versions"),
}


class ModelFileError(ValueError):
    """This version cannot read the file as a model; the message says why and what to do."""


def read_header(metadata: dict[str, str] | None) -> dict[str, Any]:
    """The header, as written, if it is ours and of a format that this version reads, else a
    ValueError.
    """
    text = (metadata or {}).get("chainrule")
    if text is None:
        raise ValueError("it holds tensors, but was not saved by chainrule")
    header = json.loads(text, object_pairs_hook=_without_twins)
    if not isinstance(header, dict) or type(header.get("format")) is not int:
        raise ValueError("its header has no format number: it was not saved by chainrule")
    if not 1 <= header["format"] <= FORMAT:
        fault = f"it is of format {header['format']}, this version reads formats 1 to {FORMAT}"
        raise ValueError(f"{fault}: use the chainrule that saved it, or save it again")
    for name in sorted(FIELDS ^ set(header)):
        raise ValueError(f'"{name}" of its header is {"missing" if name in FIELDS else "unknown"}')
    kind, versions = header["kind"], header["versions"]
    require(kind in ("model", "network"), f"its kind is {kind!r}: expected a model or a network")
    fits = isinstance(versions, dict) and all(isinstance(v, str) for v in versions.values())
    require(fits, "versions is no list of names and versions")
    return header


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, count in Counter(key for key, _ in pairs).items():
        require(count == 1, f'its header names "{key}" twice')
    return dict(pairs)
