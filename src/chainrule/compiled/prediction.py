"""Prediction by the compiled engine: Z of a network's rows, with buffers that are used again."""

from typing import NamedTuple

import numpy as np

from ..core.arrays import Array
from ..core.layers import Layer
from ..core.network import Network, multiply_adds
from .kernels import frozen, linked_program
from .operations import unsupported_layer
from .predict import predict, predict_in_parallel
from .program import Program
from .threads import several_threads

ROWS, THREAD_LANES = 128, 8  # rows of a shard; lanes where several threads share the rows
MANY = 4_000_000  # multiply-adds from which several threads pay


class FreePrograms(NamedTuple):
    """A network's programs for prediction that no thread uses now: each serves one call at a time.
    They hold for these layers alone.
    """

    layers: tuple[Layer, ...]
    row_work: int  # multiply-adds
    for_few: list[Program]
    for_many: list[Program]


def forward(net: Network, X: Array) -> Array | None:
    """Z (n, n_out) in prediction mode; None where a layer has no kernel."""
    free: FreePrograms | None = net.__dict__.get("_programs")
    if free is None or free.layers is not net.layers:
        if unsupported_layer(net) is not None:
            return None
        free = FreePrograms(net.layers, multiply_adds(net.layers, net.n_in), [], [])
        net.__dict__["_programs"] = free
    Z = np.empty((len(X), net.n_out), net.dtype)
    if len(X) * free.row_work < MANY:
        _run(net, free.for_few, 1, X, Z)
    else:
        with several_threads() as several:
            _run(net, free.for_many, THREAD_LANES, X, Z, several)
    return Z


def _run(
    net: Network, free: list[Program], lanes: int, X: Array, Z: Array, several: bool = False
) -> None:
    try:
        program = free.pop()
    except IndexError:  # the first one, or all are in use
        program = linked_program(net, ROWS, lanes=lanes)
    table, memory, layouts = program
    arrays = (layouts, table, memory, net.numbers, frozen(X).reshape(-1), Z.reshape(-1))
    if several:
        predict_in_parallel(*arrays, lanes)
    else:
        predict(*arrays)
    free.append(program)
