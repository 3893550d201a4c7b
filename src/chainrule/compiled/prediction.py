"""Prediction by the compiled engine: Z of a network's rows, with buffers that are used again."""

from typing import NamedTuple

import numpy as np

from ..core.arrays import Array, aligned_zeros
from ..core.network import Network, multiply_adds
from .kernels import frozen, prepare
from .predict import predict, predict_in_parallel
from .program import program, unknown_layer
from .threads import several_threads

ROWS, THREAD_LANES = 128, 8  # rows of a shard; lanes where several threads share the rows
MANY = 4_000_000  # multiply-adds from which several threads pay


class Plan(NamedTuple):
    """A network's program for prediction, and its memory. It serves one call at a time."""

    layouts: Array
    table: Array
    memory: Array
    lanes: int
    row_work: int  # multiply-adds


def forward(net: Network, X: Array) -> Array | None:
    """Z (n, n_out) in prediction mode; None where a layer has no kernel.

    Threads that predict at once have a plan each.
    """
    layers, for_few, for_many = net.__dict__.setdefault("_plans", (net.layers, [], []))
    if layers is not net.layers:  # they have been changed since
        del net.__dict__["_plans"]
        return forward(net, X)
    try:
        plan = for_few.pop()
    except IndexError:
        if unknown_layer(net) is not None:
            return None
        plan = _plan(net, 1)
    Z = np.empty((len(X), net.n_out), net.dtype)
    if len(X) * plan.row_work < MANY:
        _run(net, plan, X, Z)
    else:
        _in_lanes(net, for_many, X, Z)
    for_few.append(plan)
    return Z


def _plan(net: Network, lanes: int) -> Plan:
    written = program(net, ROWS, lanes=lanes)
    prepare(written, net.dtype)
    layout = written.layouts[0]
    memory, start = aligned_zeros(int(layout.memory_size), net.dtype), int(layout.settings)
    memory[start : start + len(written.settings)] = written.settings
    return Plan(written.layouts, written.table, memory, lanes, multiply_adds(net.layers, net.n_in))


def _in_lanes(net: Network, plans: list[Plan], X: Array, Z: Array) -> None:
    try:
        plan = plans.pop()
    except IndexError:
        plan = _plan(net, THREAD_LANES)
    with several_threads() as several:
        _run(net, plan, X, Z, several)
    plans.append(plan)


def _run(net: Network, plan: Plan, X: Array, Z: Array, several: bool = False) -> None:
    given = (plan.table, plan.memory, net.numbers, frozen(X).reshape(-1), Z.reshape(-1))
    if several:
        predict_in_parallel(plan.layouts, *given, plan.lanes)
    else:
        predict(plan.layouts, *given)
