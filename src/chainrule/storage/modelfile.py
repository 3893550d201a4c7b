"""save() and load(): one safetensors file; its header holds what the numbers mean as JSON.

Every parameter and buffer is a tensor under its own name ("0.W"), readable by any program that
reads safetensors; the metadata entry "chainrule" holds architecture, loss, preparation and facts.
"""

import json
import math
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import Shapes
from ..core.layers import chain_shapes
from ..core.network import Network
from ..files import write_atomically
from ..model import Model
from ..tables import Preparation, Schema
from .spec import Known, decode_layers, decode_loss, encode, known_with

FORMAT = 1
LARGEST_FILE = (
    8 * 2**30
)  # bytes; a file is read whole, so a bound stands before the memory is taken


class ModelFileError(ValueError):
    """The file is no model file that this version can read; the message says why and what to do."""


def save(model: Model | Network, path: str | os.PathLike[str]) -> Path:
    """Write a model, or a bare network, to one file; returns its path.

    Raises OSError where the place cannot be written; an existing file then stays as it is.
    """
    from safetensors.numpy import save as to_bytes

    whole = model if isinstance(model, Model) else Model(model)
    net = whole.net
    header = {
        "format": FORMAT,
        "kind": "model" if isinstance(model, Model) else "network",
        "n_in": net.n_in,
        "dtype": str(net.dtype),
        "seed": net.seed,
        "layers": encode(net.layers),
        "loss": encode(whole.loss),
        "preparation": None if whole.preparation is None else whole.preparation.to_dict(),
        "schema": None if whole.schema is None else whole.schema.to_dict(),
        "facts": whole.facts,
        "versions": {
            "chainrule": version("chainrule"),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    tensors = {name: np.ascontiguousarray(net[name]) for name in (*net.shapes, *net.buffer_shapes)}
    text = json.dumps(header, allow_nan=False, ensure_ascii=False)
    return write_atomically(path, to_bytes(tensors, metadata={"chainrule": text}))


def load(path: str | os.PathLike[str], *, own: Iterable[type] = ()) -> Any:
    """Read what `save` wrote: a Model, or the Network that was saved bare. Runs no code of the
    file.

    `own` lists the classes of own layers and losses. Raises OSError where the file cannot be read
    and ModelFileError where it is truncated, of another version, not ours, or contradicts itself.
    """
    file = Path(path)
    header, tensors = _read(file)
    try:
        net = _network(header, tensors, known_with(own))
        loss = decode_loss(header["loss"], known_with(own))
        prepared = header["preparation"]
        preparation = None if prepared is None else Preparation.from_dict(prepared)
        schema = None if header["schema"] is None else Schema.from_dict(header["schema"])
        facts = header["facts"]
        if not isinstance(facts, dict):
            raise ValueError("facts is no object")
        if preparation is not None and len(preparation.feature_names) != net.n_in:
            raise ValueError(
                f"the preparation makes {len(preparation.feature_names)} features, "
                f"but the network takes {net.n_in}"
            )
    except KeyError as error:
        raise ModelFileError(
            f"{file} is damaged: its header lacks {error}; save the model again"
        ) from None
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"{file} cannot be used: {error}") from None
    model = Model(net, loss, preparation, schema, facts)
    return net if header["kind"] == "network" else model


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise FileNotFoundError(f"{file} does not exist: give the path of a saved model")
    if not file.is_file():
        raise ModelFileError(f"{file} is no file: give the path of a saved model")
    if file.stat().st_size > LARGEST_FILE:
        raise ModelFileError(f"{file} is larger than {LARGEST_FILE >> 30} GiB: no model of ours is")
    try:
        with safe_open(file, framework="numpy") as opened:
            text = (opened.metadata() or {}).get("chainrule")
            if text is None:
                raise ModelFileError(f"{file} holds tensors, but was not saved by chainrule")
            header = json.loads(text)
            check_header(file, header)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    except PermissionError:
        raise PermissionError(f"{file} cannot be read: its permissions forbid it") from None
    except (SafetensorError, json.JSONDecodeError, RecursionError, OSError) as error:
        raise ModelFileError(
            f"{file} is no model file, or it was cut off: {error}; save the model again"
        ) from None
    return header, tensors


def check_header(file: Path, header: Any) -> None:
    """Raise ModelFileError unless the header is one of ours and of a format that this version
    reads.
    """
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise ModelFileError(
            f"{file} has a header without a format number: it was not saved by chainrule"
        )
    if header["format"] != FORMAT:
        raise ModelFileError(
            f"{file} is of format {header['format']}, this version reads format {FORMAT}: "
            "use the chainrule that saved it, or save it again"
        )
    if header.get("kind") not in ("model", "network"):
        raise ModelFileError(
            f"{file} is of kind {header.get('kind')!r}: expected a model or a network"
        )


def _network(header: dict[str, Any], tensors: dict[str, Any], known: Known) -> Network:
    n_in, dtype, seed = header["n_in"], header["dtype"], header["seed"]
    if not isinstance(n_in, int) or isinstance(n_in, bool) or n_in < 1:
        raise ValueError(f"n_in is {n_in!r}")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {dtype!r}")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise ValueError(f"seed is {seed!r}")
    layers = tuple(decode_layers(header["layers"], known))
    _, params, buffers = chain_shapes(layers, n_in)
    check_tensors(params | buffers, tensors, dtype)  # before anything of that size is allocated
    net = Network(n_in, layers, rng=0, dtype=dtype)
    for name, tensor in tensors.items():
        net[name] = tensor
    net.seed = seed
    return net


def check_tensors(shapes: Shapes, tensors: dict[str, Any], dtype: str) -> None:
    """Raise ValueError unless the file holds exactly the finite tensors that the layers promise."""
    for name in sorted(set(shapes) ^ set(tensors)):
        where = "the layers have no such number" if name in tensors else "the file does not hold it"
        raise ValueError(f'layers and numbers disagree about "{name}": {where}')
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or str(tensor.dtype) != dtype:
            raise ValueError(
                f'"{name}" has shape {tensor.shape} and type {tensor.dtype}, '
                f"the layers promise {shape} and {dtype}"
            )
        if not np.isfinite(tensor).all():
            raise ValueError(f'"{name}" holds a number that is not finite')
        if math.prod(shape) == 0:
            raise ValueError(f'"{name}" is empty')
