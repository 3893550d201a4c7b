"""Prediction as one kernel: rows through a program in shards, with no derivative kept.

Every sum over a row is made in one order, whatever rows stand beside it, so a row's result is the
same to the last bit alone and among others.
"""

from typing import NamedTuple

import numba
from numba import types

from ..core.arrays import Array
from .jit import addressed, by_address, kernel, parallel
from .passes import call_forward
from .products import copy


class Rows(NamedTuple):
    """What a prediction reads and writes: the network's numbers, X and Z row after row."""

    table: Array
    memory: Array
    numbers: Array
    X: Array
    Z: Array


@addressed
def predict_lane(layout, work, lane, lanes):
    """Z of every shard of one lane."""
    table, memory, n_in, n_out = work.table, work.memory, layout.n_in, layout.n_out
    base, n = layout.lane + lane * layout.lane_size, len(work.Z) // layout.n_out
    x, z = base + layout.x, base + layout.z
    for start in range(lane * layout.rows, n, lanes * layout.rows):
        rows = min(layout.rows, n - start)
        copy(memory, x, work.X, start * n_in, rows * n_in)
        call_forward(layout.forward, layout, table, memory, work.numbers, base, 0, rows)
        copy(work.Z, start * n_out, memory, z, rows * n_out)


call_lane = by_address(predict_lane, types.none)


@kernel
def predict(layouts, table, memory, numbers, X, Z):
    """Z of the rows of X. The arrays come one by one, as in `epochs.train`."""
    work = Rows(table, memory, numbers, X, Z)
    call_lane(layouts[0].run_lane, layouts[0], work, 0, 1)


@parallel
def predict_in_parallel(layouts, table, memory, numbers, X, Z, lanes):
    """As predict, with the lanes on several threads."""
    work = Rows(table, memory, numbers, X, Z)
    for lane in numba.prange(lanes):
        call_lane(layouts[0].run_lane, layouts[0], work, lane, lanes)
