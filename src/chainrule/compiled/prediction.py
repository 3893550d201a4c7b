"""Prediction by the compiled engine: Z of a network's rows, with buffers that are used again."""

from typing import NamedTuple

import numpy as np

from ..core.arrays import Array, aligned_zeros
from ..core.network import Network, multiply_adds
from .kernels import frozen, prepare
from .predict import predict, predict_in_parallel
from .program import program, unknown_layer
from .threads import several_threads

ROWS, LANES = 128, 8  # rows of a shard; lanes where several threads share the rows
MANY = 4_000_000  # multiply-adds from which several threads, and lining up the weights, pay


class Plan(NamedTuple):
    """The network that runs, its program for so many lanes, and its memory."""

    net: Network
    programs: Array
    table: Array
    memory: Array
    row_work: int


def forward(net: Network, X: Array) -> Array | None:
    """Z (n, n_out) in prediction mode; None where a layer has no kernel.

    A plan serves one call at a time: threads that predict at once each have their own.
    """
    plans = net.__dict__.setdefault("_plans", ([], []))  # for few rows, for many
    try:
        plan = plans[0].pop()
    except IndexError:
        if unknown_layer(net.layers):
            return None
        plan = _plan(net, 1)
    if len(X) * plan.row_work < MANY:
        out, rows = np.empty((len(X), net.n_out), net.dtype), frozen(X).reshape(-1)
        predict(plan.programs, plan.table, plan.memory, net.numbers, rows, out.reshape(-1), len(X))
    else:
        out = _predict_many(net, X, plans[1])
    plans[0].append(plan)
    return out


def _plan(net: Network, lanes: int) -> Plan:
    written = program(net, ROWS, lanes=lanes)
    prepare(written, net.dtype)
    memory = aligned_zeros(int(written.places[0].whole), net.dtype)
    start = int(written.places[0].settings)
    memory[start : start + len(written.settings)] = written.settings
    return Plan(net, written.places, written.table, memory, multiply_adds(net.layers, net.n_in))


def _predict_many(net: Network, X: Array, plans: list[Plan]) -> Array:
    try:
        plan = plans.pop()
    except IndexError:
        plan = _plan(net, LANES)
    out = np.empty((len(X), net.n_out), net.dtype)
    rows, flat = frozen(X).reshape(-1), out.reshape(-1)
    arguments = (plan.programs, plan.table, plan.memory, net.numbers, rows, flat, len(X))
    with several_threads(2**16) as several:
        if several:
            predict_in_parallel(*arguments, LANES)
        else:
            predict(*arguments)
    plans.append(plan)
    return out
