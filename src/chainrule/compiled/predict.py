"""Prediction as one kernel: rows through a program in shards, with no derivative kept.

Every sum over a row is made in one order, whatever rows stand beside it, so a row's result is the
same to the last bit alone and among others.
"""

import numba
from numba import types

from .jit import at, by_address, jit, kernel, parallel
from .passes import call_forward


@jit
def predict_lane(program, table, memory, numbers, X, out, lane, lanes):
    """Every shard of one lane, its rows from X and its results to `out`."""
    place = program.lanes + lane * program.lane_size
    x, z, n_in, n_out = place + program.x, place + program.z, program.n_in, program.n_out
    for start in range(lane * program.rows, len(X), lanes * program.rows):
        rows = min(program.rows, len(X) - start)
        for r in range(rows):
            for j in range(n_in):
                memory[at(x + r * n_in + j)] = X[at(start + r), at(j)]
        call_forward(program.forward, program, table, memory, numbers, place, 0, rows)
        for r in range(rows):
            for j in range(n_out):
                out[at(start + r), at(j)] = memory[at(z + r * n_out + j)]


call_lane = by_address(predict_lane, types.none)


@kernel
def predict(programs, table, memory, numbers, X, out):
    """Z of every row of X, in `out`."""
    predict_lane(programs[0], table, memory, numbers, X, out, 0, 1)


@parallel
def predict_in_parallel(programs, table, memory, numbers, X, out, lanes):
    """As predict, with the lanes on several threads."""
    for lane in numba.prange(lanes):
        call_lane(programs[0].run_lane, programs[0], table, memory, numbers, X, out, lane, lanes)
