"""Forwards and backwards through a program: the interpreter of its table.

A shard's rows stand at x of a lane, and each layer's result behind it.
"""

from numba import types

from .jit import at, by_address, jit
from .layers import (
    batch_norm_backward,
    batch_norm_forward,
    dropout,
    elementwise_backward,
    elementwise_forward,
    layer_norm_backward,
    layer_norm_forward,
    prelu_backward,
    prelu_forward,
    running_norm,
)
from .products import dense_backward, dense_forward, fill, zero
from .program import (
    ALPHA,
    BATCH_NORM,
    BIAS,
    BRANCH,
    BUFFER,
    DENSE,
    DROPOUT,
    DX,
    DY,
    EXTRA,
    JOIN,
    LAYER_NORM,
    N_IN,
    N_OUT,
    OP,
    PRELU,
    RUNNING_NORM,
    SETTINGS,
    THETA,
    X,
    Y,
)  # fmt: skip


@jit
def forward(program, table, memory, numbers, lane, first_row, rows):
    """Run a shard's rows through every layer, with the parameters and buffers in `numbers`.

    `first_row` is the shard's first row in the batch, whose dropout masks stand in the memory.
    """
    for i in range(len(table)):
        op, n_in, n = table[i, OP], table[i, N_IN], table[i, N_OUT]
        x, y, extra = lane + table[i, X], lane + table[i, Y], lane + table[i, EXTRA]
        p, alpha = program.theta + table[i, THETA], memory[program.settings + i * SETTINGS + ALPHA]
        if op == DENSE:
            dense_forward(memory, x, numbers, p, table[i, BIAS], y, rows, n_in, n)
        elif op < DENSE:  # the elementwise layers
            elementwise_forward(op, alpha, memory, x, y, rows * n)
        elif op == DROPOUT:
            dropout(memory, x, y, program.masks + table[i, EXTRA] + first_row * n, rows * n)
        elif op == PRELU:
            prelu_forward(memory, x, y, numbers, p, rows, n)
        elif op == LAYER_NORM:
            layer_norm_forward(memory, x, y, extra, numbers, p, alpha, rows, n)
        elif op == BATCH_NORM:
            batch_norm_forward(memory, x, y, extra, p, alpha, rows, n)
        elif op == RUNNING_NORM:
            running = program.buffers + table[i, BUFFER]
            running_norm(memory, x, y, numbers, p, running, alpha, rows, n)
        elif op == JOIN:
            for j in range(rows * n):
                memory[at(y + j)] = memory[at(extra + j)] + memory[at(x + j)]


@jit
def backward(program, table, memory, lane, grad, first_row, rows, first):
    """From dZ to the gradient of every parameter, at `grad`: set by a lane's first shard, added to
    by the others.
    """
    for i in range(len(table) - 1, program.first - 1, -1):
        op, n_in, n = table[i, OP], table[i, N_IN], table[i, N_OUT]
        x, y, dy = lane + table[i, X], lane + table[i, Y], lane + table[i, DY]
        dx, extra = lane + table[i, DX], lane + table[i, EXTRA]
        p, g = program.theta + table[i, THETA], grad + table[i, THETA]
        alpha = memory[program.settings + i * SETTINGS + ALPHA]
        if op == DENSE:
            dense_backward(
                memory, x, dy, dx if i > program.first else 0, lane + program.scratch, p, g,
                table[i, BIAS], first, rows, n_in, n,
            )  # fmt: skip
        elif op < DENSE:  # the elementwise layers
            elementwise_backward(op, alpha, memory, x, y, dy, rows * n)
        elif op == DROPOUT:
            dropout(memory, dy, dy, program.masks + table[i, EXTRA] + first_row * n, rows * n)
        elif op == JOIN:
            for j in range(rows * n):
                memory[at(dx + j)] = memory[at(dy + j)]
        elif op == BRANCH:
            for j in range(rows * n):
                memory[at(dx + j)] += memory[at(dy + j)]
        else:
            if first:
                fill(memory, g, n if op == PRELU else 2 * n, zero(memory))
            if op == PRELU:
                prelu_backward(memory, x, dy, p, g, rows, n)
            elif op == LAYER_NORM:
                layer_norm_backward(memory, dy, extra, p, g, rows, n)
            else:
                batch_norm_backward(memory, dy, extra, p, g, rows, n)


call_forward = by_address(forward, types.none)
call_backward = by_address(backward, types.none)
