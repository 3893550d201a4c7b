"""save() and load(): one safetensors file; its header holds what the numbers mean as JSON.

Every parameter and buffer is a tensor under its own name ("0.W"), readable by any program that
reads safetensors; the metadata entry "chainrule" holds architecture, loss, preparation and facts.
"""

import json
import math
import os
import platform
import stat
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import Array, Shapes
from ..core.branch_layers import chain_shapes
from ..core.losses import Loss
from ..core.network import Network
from ..files import write_atomically
from ..renamed import renamed_arguments
from ..tables import Preparation, Schema
from ..tables.stored import require
from .agreement import check_agreement, try_out
from .header import FORMAT, ModelFileError, read_header
from .model import Model
from .spec import Registry, check_count, decode, decode_layers, encode, plain, types_with
from .upgrade import upgrade

# Bytes; a file is read whole, so a bound stands before the memory is taken.
LARGEST_FILE = 8 * 2**30
MOST_COLUMNS = 1_000_000
DTYPES = {"float32": "F32", "float64": "F64"}
# Vectors like theta that a network may have been given; in the file only where they were changed.
FACTORS = ("lr_factor", "decay_factor")


def save(model: Model | Network, path: str | os.PathLike[str]) -> Path:
    """Write a model, or a bare network, to one file; returns its path. The same model gives the
    same bytes.

    Raises OSError where the place cannot be written, ValueError or TypeError for a model that
    `load` would refuse: numbers that are not finite, parts that do not fit each other, facts that
    are not JSON. An existing file then stays as it is.
    """
    from safetensors.numpy import save as to_bytes

    whole = model if isinstance(model, Model) else Model(model)
    check_agreement(whole)
    check_count(whole.net.layers)
    try:
        text = json.dumps(_header(whole, "model" if whole is model else "network"))
    except RecursionError:
        raise ValueError("the layers are nested too deep for a model file") from None
    tensors = _tensors(whole.net)
    for name, tensor in tensors.items():
        _check_finite(name, tensor)
    return write_atomically(path, to_bytes(tensors, metadata={"chainrule": text}))


def _header(model: Model, kind: str) -> dict[str, Any]:
    net, loss, preparation, schema = model.net, model.loss, model.preparation, model.schema
    versions = {"chainrule": version("chainrule"), "numpy": np.__version__}
    return {
        "format": FORMAT, "kind": kind, "n_in": net.n_in, "dtype": str(net.dtype), "seed": net.seed,
        "layers": encode(net.layers, "layers"), "loss": loss and encode(loss, "loss"),
        "preparation": preparation and preparation.to_dict(), "schema": schema and schema.to_dict(),
        "facts": plain(model.facts, "facts"),
        "versions": versions | {"python": platform.python_version()},
    }  # fmt: skip


def _tensors(net: Network) -> dict[str, Array]:
    tensors = {name: net[name] for name in (*net.shapes, *net.buffer_shapes)}
    fresh = Network(net.n_in, net.layers, rng=0, dtype=net.dtype)
    changed = (n for n in FACTORS if not np.array_equal(getattr(net, n), getattr(fresh, n)))
    return tensors | {name: getattr(net, name) for name in changed}


@renamed_arguments(own="custom")
def load(path: str | os.PathLike[str], *, custom: Iterable[type] = ()) -> Any:
    """Read what `save` wrote: a Model, or the Network that was saved bare. Runs no code of the
    file.

    `custom` lists your own layer and loss classes. Raises OSError if the file cannot be
    read, and ModelFileError if it is truncated, of another version, not ours, or inconsistent.
    """
    from safetensors import SafetensorError, safe_open

    file, registry = Path(path), types_with(custom)
    _check_place(file)
    try:
        with safe_open(file, framework="numpy") as opened:
            header = read_header(opened.metadata())
            steps = upgrade(header)
            model = _model(header, opened, registry)
            for step in steps:
                step(model.net)
            check_agreement(model)
            try_out(model)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        fault = f"{file} is no model file, or it was cut off: {error}"
        raise ModelFileError(f"{fault}; save the model again") from None
    except RecursionError:
        raise ModelFileError(f"{file} cannot be used: its header is nested too deep") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"{file} cannot be used: {error}") from None
    return model.net if header["kind"] == "network" else model


def _check_place(file: Path) -> None:
    """Raise one sentence unless there is an ordinary file of a size that a model may have."""
    try:
        status = file.stat()
        ordinary = stat.S_ISREG(status.st_mode)  # a pipe would wait for ever
        if ordinary:
            open(file, "rb").close()  # safetensors reports every refusal as a missing file
    except FileNotFoundError:
        raise FileNotFoundError(f"{file} does not exist: give the path of a saved model") from None
    except OSError as error:
        fault = f"{file} cannot be read: {error.strerror}"
        raise type(error)(f"{fault}; give the path of a saved model") from None
    except ValueError as error:
        raise ModelFileError(f"{str(file)!r} is no path of a file: {error}") from None
    if not ordinary:
        raise ModelFileError(f"{file} is no ordinary file: give the path of a saved model")
    if status.st_size > LARGEST_FILE:
        raise ModelFileError(f"{file} is larger than {LARGEST_FILE >> 30} GiB: no model of ours is")


def _model(header: dict[str, Any], opened: Any, registry: Registry) -> Model:
    net = _network(header, opened, registry)
    loss, prepared, schema = header["loss"], header["preparation"], header["schema"]
    facts = header["facts"]
    require(isinstance(facts, dict), "facts is no object")
    require(plain(facts, "facts") == facts, "facts holds a number that is not finite")
    bare = (loss, prepared, schema, facts) == (None, None, None, {})
    require(bare or header["kind"] == "model", "it is said to be a bare network, but holds more")
    return Model(
        net,
        None if loss is None else decode(loss, registry, Loss, "loss"),
        None if prepared is None else Preparation.from_dict(prepared),
        None if schema is None else Schema.from_dict(schema),
        facts,
    )


def _network(header: dict[str, Any], opened: Any, registry: Registry) -> Network:
    n_in, dtype, seed = header["n_in"], header["dtype"], header["seed"]
    fits = type(n_in) is int and 1 <= n_in <= MOST_COLUMNS
    require(fits, f"n_in is {n_in!r}: a model file holds up to {MOST_COLUMNS:,} columns")
    require(isinstance(dtype, str) and dtype in DTYPES, f"dtype is {dtype!r}")
    require(seed is None or (type(seed) is int and seed >= 0), f"seed is {seed!r}")
    layers = tuple(decode_layers(header["layers"], registry))
    _, params, buffers = chain_shapes(layers, n_in)
    shapes = params | buffers
    size = sum(map(math.prod, params.values()))
    factors = {name: (size,) for name in FACTORS if name in opened.keys()}
    _check_shapes(shapes | factors, opened, dtype)  # before anything of that size is allocated
    net = Network(n_in, layers, rng=0, dtype=dtype)
    for name in shapes | factors:
        tensor = opened.get_tensor(name)
        _check_finite(name, tensor)
        numbers = net[name] if name in shapes else getattr(net, name)
        numbers[...] = tensor
    net.seed = seed
    return net


def _check_shapes(shapes: Shapes, opened: Any, dtype: str) -> None:
    """Raise ValueError unless the file holds exactly these tensors; looks at no number yet."""
    held = set(opened.keys())
    for name in sorted(set(shapes) ^ held):
        where = "the layers have no such number" if name in held else "the file does not hold it"
        raise ValueError(f'layers and numbers disagree about "{name}": {where}')
    for name, shape in shapes.items():
        tensor = opened.get_slice(name)
        in_file, promised = (tuple(tensor.get_shape()), tensor.get_dtype()), (shape, DTYPES[dtype])
        fault = '"{}" has shape {} and type {}, the layers promise {} and {}'
        require(in_file == promised, fault.format(name, *in_file, *promised))


def _check_finite(name: str, tensor: Array) -> None:
    fault = f'"{name}" holds a number that is not finite'
    require(bool(np.isfinite(tensor).all()), f"{fault}: keep the network of an earlier epoch")
