"""Prediction as one kernel: rows through a program in shards, with no derivative kept.

Every sum over a row is made in one order, whatever rows stand beside it, so a row's result is the
same to the last bit alone and among others.
"""

import numba
from numba import types

from .jit import at, by_address, jit, kernel, parallel
from .passes import call_forward


@jit
def predict_lane(program, table, memory, numbers, X, out, n, lane, lanes):
    """Every shard of one lane of n rows, taken from X and left in `out`, both row after row."""
    place = program.lanes + lane * program.lane_size
    x, z, n_in, n_out = place + program.x, place + program.z, program.n_in, program.n_out
    for start in range(lane * program.rows, n, lanes * program.rows):
        rows = min(program.rows, n - start)
        for i in range(rows * n_in):
            memory[at(x + i)] = X[at(start * n_in + i)]
        call_forward(program.forward, program, table, memory, numbers, place, 0, rows)
        for i in range(rows * n_out):
            out[at(start * n_out + i)] = memory[at(z + i)]


call_lane = by_address(predict_lane, types.none)


@kernel
def predict(programs, table, memory, numbers, X, out, n):
    """Z of n rows of X, in `out`."""
    call_lane(programs[0].run_lane, programs[0], table, memory, numbers, X, out, n, 0, 1)


@parallel
def predict_in_parallel(programs, table, memory, numbers, X, out, n, lanes):
    """As predict, with the lanes on several threads."""
    for lane in numba.prange(lanes):
        call_lane(
            programs[0].run_lane, programs[0], table, memory, numbers, X, out, n, lane, lanes
        )  # fmt: skip
