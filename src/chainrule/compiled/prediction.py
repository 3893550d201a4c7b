"""Prediction by the compiled engine: Z of a network's rows, with buffers that are used again."""

from typing import NamedTuple

import numpy as np

from ..core.arrays import Array, aligned_zeros
from ..core.layers import Layer
from ..core.network import Network, multiply_adds
from .kernels import frozen, prepare
from .operations import unsupported_layer
from .predict import predict, predict_in_parallel
from .program import program
from .threads import several_threads

ROWS, THREAD_LANES = 128, 8  # rows of a shard; lanes where several threads share the rows
MANY = 4_000_000  # multiply-adds from which several threads pay


class Plan(NamedTuple):
    """A network's program for prediction, and its memory. It serves one call at a time."""

    layouts: Array
    table: Array
    memory: Array


class Plans(NamedTuple):
    """A network's plans that no thread uses now. They hold for these layers alone."""

    layers: tuple[Layer, ...]
    row_work: int  # multiply-adds
    for_few: list[Plan]
    for_many: list[Plan]


def forward(net: Network, X: Array) -> Array | None:
    """Z (n, n_out) in prediction mode; None where a layer has no kernel."""
    plans: Plans | None = net.__dict__.get("_plans")
    if plans is None or plans.layers is not net.layers:
        if unsupported_layer(net) is not None:
            return None
        plans = Plans(net.layers, multiply_adds(net.layers, net.n_in), [], [])
        net.__dict__["_plans"] = plans
    Z = np.empty((len(X), net.n_out), net.dtype)
    if len(X) * plans.row_work < MANY:
        _run(net, plans.for_few, 1, X, Z)
    else:
        with several_threads() as several:
            _run(net, plans.for_many, THREAD_LANES, X, Z, several)
    return Z


def _run(
    net: Network, plans: list[Plan], lanes: int, X: Array, Z: Array, several: bool = False
) -> None:
    try:
        plan = plans.pop()
    except IndexError:  # the first one, or all are in use
        plan = _plan(net, lanes)
    arrays = (plan.table, plan.memory, net.numbers, frozen(X).reshape(-1), Z.reshape(-1))
    if several:
        predict_in_parallel(plan.layouts, *arrays, lanes)
    else:
        predict(plan.layouts, *arrays)
    plans.append(plan)


def _plan(net: Network, lanes: int) -> Plan:
    written = program(net, ROWS, lanes=lanes)
    prepare(written, net.dtype)
    layout = written.layouts[0]
    memory, start = aligned_zeros(int(layout.memory_size), net.dtype), int(layout.settings)
    memory[start : start + len(written.settings)] = written.settings
    return Plan(written.layouts, written.table, memory)
