"""Prediction by the compiled engine: Z of a network's rows, with buffers that are used again."""

from typing import NamedTuple

import numpy as np

from ..core.arrays import Array, aligned_zeros
from ..core.network import Network, multiply_adds
from .kernels import frozen, prepare
from .predict import predict, predict_in_parallel
from .program import program, unknown_layer
from .threads import several_threads

ROWS, LANES = 64, 8  # rows of a shard; lanes where several threads share the rows
THREADED = 4_000_000  # multiply-adds from which several threads pay


class Plan(NamedTuple):
    """The program of a network for so many lanes, and its memory."""

    programs: Array
    table: Array
    memory: Array
    row_work: int


def forward(net: Network, X: Array) -> Array | None:
    """Z (n, n_out) in prediction mode; None where a layer has no kernel.

    A plan serves one call at a time: threads that predict at once each have their own.
    """
    plans = net.__dict__.setdefault("_plans", [])
    try:
        plan = plans.pop()
    except IndexError:
        if unknown_layer(net.layers):
            return None
        plan = _plan(net, 1)
    out = np.empty((len(X), net.n_out), net.dtype)
    X = frozen(X)
    if len(X) * plan.row_work < THREADED:
        predict(plan.programs, plan.table, plan.memory, net.numbers, X, out)
    else:
        _predict_many(net, X, out)
    plans.append(plan)
    return out


def _plan(net: Network, lanes: int) -> Plan:
    written = program(net, ROWS, lanes=lanes)
    prepare(written, net.dtype)
    memory = aligned_zeros(int(written.places[0].whole), net.dtype)
    start = int(written.places[0].settings)
    memory[start : start + len(written.settings)] = written.settings
    return Plan(written.places, written.table, memory, multiply_adds(net.layers, net.n_in))


def _predict_many(net: Network, X: Array, out: Array) -> None:
    plan = _plan(net, LANES)
    with several_threads(2**16) as several:
        if several:
            predict_in_parallel(plan.programs, plan.table, plan.memory, net.numbers, X, out, LANES)
        else:
            predict(plan.programs, plan.table, plan.memory, net.numbers, X, out)
