"""Forwards and backwards through a program: the interpreter of its table.

A shard's rows stand at x of a lane, and each layer's result behind it.
"""

from numba import types

from .embeddings import embed_backward, embed_forward, pick_backward, pick_forward
from .jit import at, by_address, inlined, jit
from .layers import (
    batch_norm_backward,
    batch_norm_forward,
    blend_backward,
    blend_forward,
    dropout,
    elementwise_backward,
    elementwise_forward,
    layer_norm_backward,
    layer_norm_forward,
    prelu_backward,
    prelu_forward,
    running_norm,
    scale_backward,
    scale_forward,
    temper,
)
from .products import add, dense_backward, dense_forward, fill, input_gradient, scaled_copy, zero
from .program import (
    ALPHA,
    BATCH_NORM,
    BIAS,
    BLEND,
    BRANCH,
    BUFFER,
    COLUMNS_AT,
    D_IN,
    D_OUT,
    DENSE,
    DROPOUT,
    EMBED,
    EXTRA,
    IN,
    LAYER_NORM,
    N_IN,
    N_OUT,
    OP,
    OUT,
    PICK,
    PRELU,
    RUNNING_NORM,
    SCALE,
    SETTINGS,
    SUM,
    SUM_FIRST,
    TEMPER,
    THETA,
)  # fmt: skip


@inlined
def columns_of(layout, table, memory, i):
    """The place of the columns or groups of row i of the table, behind all settings."""
    first = layout.settings + len(table) * SETTINGS
    return first + int(memory[at(layout.settings + i * SETTINGS + COLUMNS_AT)])


@inlined
def parameters_of(layout, table, i):
    """How many parameters the layer of row i has: the next one's begin behind them."""
    behind = table[i + 1, THETA] if i + 1 < len(table) else layout.n_theta
    return behind - table[i, THETA]


@jit
def forward(layout, table, memory, numbers, base, first_row, rows):
    """Run the shard in the lane at `base` through every layer. `first_row` is the shard's first row
    in the batch, which its dropout masks begin at.

    `numbers` holds parameters and buffers: the memory itself in training, `net.numbers` in
    prediction. Kernels that only train read the memory.
    """
    for i in range(len(table)):
        op, n_in, n = table[i, OP], table[i, N_IN], table[i, N_OUT]
        x, y, extra = base + table[i, IN], base + table[i, OUT], base + table[i, EXTRA]
        p, alpha = layout.theta + table[i, THETA], memory[layout.settings + i * SETTINGS + ALPHA]
        if op == DENSE:
            dense_forward(memory, layout.zeros, x, numbers, p, table[i, BIAS], y, rows, n_in, n)
        elif op < DENSE:  # the elementwise layers
            elementwise_forward(op, alpha, memory, x, y, rows * n)
        elif op == DROPOUT:
            dropout(memory, x, y, layout.masks + table[i, EXTRA] + first_row * n, rows * n)
        elif op == EMBED:
            columns = columns_of(layout, table, memory, i)
            embed_forward(memory, x, y, extra, numbers, p, columns, int(alpha), rows, n_in, n)
        elif op == PICK:
            groups = columns_of(layout, table, memory, i)
            pick_forward(memory, x, y, numbers, p, groups, rows, n_in, n)
        elif op == SCALE:
            scale_forward(memory, x, y, numbers, p, rows, n)
        elif op == PRELU:
            prelu_forward(memory, x, y, numbers, p, rows, n)
        elif op == LAYER_NORM:
            layer_norm_forward(memory, x, y, extra, numbers, p, alpha, rows, n)
        elif op == BATCH_NORM:
            batch_norm_forward(memory, x, y, extra, p, alpha, rows, n)
        elif op == RUNNING_NORM:
            running = layout.buffers + table[i, BUFFER]
            running_norm(memory, x, y, numbers, p, running, alpha, rows, n)
        elif op == TEMPER:
            temper(memory, x, y, numbers, layout.buffers + table[i, BUFFER], rows * n)
        elif op == BLEND:
            blend_forward(memory, extra, x, y, numbers, p, rows, n)
        elif op == SUM_FIRST:
            scaled_copy(memory, y, alpha, x, rows * n)
        elif op == SUM:
            for j in range(rows * n):
                memory[at(y + j)] = memory[at(extra + j)] + alpha * memory[at(x + j)]


@inlined
def sum_backward(memory, dx, alpha, dy, n, before, n_before):
    """dF = alpha dY of a branch; the first one's row empties what all branches then add up in."""
    scaled_copy(memory, dx, alpha, dy, n)
    fill(memory, before, n_before, zero(memory))


@jit
def backward(layout, table, memory, base, grad, first_row, rows, fresh):
    """From dZ to the gradient of every parameter, which stands at `grad`: set by a lane's first
    shard, which is `fresh`, and added to by the others.
    """
    for i in range(len(table) - 1, layout.lowest - 1, -1):
        op, n_in, n = table[i, OP], table[i, N_IN], table[i, N_OUT]
        x, y, dy = base + table[i, IN], base + table[i, OUT], base + table[i, D_OUT]
        dx, extra = base + table[i, D_IN], base + table[i, EXTRA]
        p, g = layout.theta + table[i, THETA], grad + table[i, THETA]
        alpha = memory[layout.settings + i * SETTINGS + ALPHA]
        if fresh and op > DENSE:  # Dense sets its gradient itself
            fill(memory, g, parameters_of(layout, table, i), zero(memory))
        if op == DENSE:
            dense_backward(memory, layout.zeros, x, dy, g, table[i, BIAS], fresh, rows, n_in, n)
            if i > layout.lowest:
                scratch = base + layout.scratch
                input_gradient(memory, layout.zeros, dy, dx, scratch, p, rows, n_in, n)
        elif op < DENSE:  # the elementwise layers
            elementwise_backward(op, alpha, memory, x, y, dy, rows * n)
        elif op == DROPOUT:
            dropout(memory, dy, dy, layout.masks + table[i, EXTRA] + first_row * n, rows * n)
        elif op == EMBED:
            columns, k, asked = columns_of(layout, table, memory, i), int(alpha), i > layout.lowest
            embed_backward(memory, x, dy, dx, extra, p, g, columns, k, rows, n_in, n, asked)
        elif op == PICK:
            groups = columns_of(layout, table, memory, i)
            pick_backward(memory, x, dy, dx, p, g, groups, rows, n_in, n, i > layout.lowest)
        elif op == SCALE:
            scale_backward(memory, x, dy, p, g, rows, n)
        elif op == PRELU:
            prelu_backward(memory, x, dy, p, g, rows, n)
        elif op == LAYER_NORM:
            layer_norm_backward(memory, dy, extra, p, g, rows, n)
        elif op == BATCH_NORM:
            batch_norm_backward(memory, dy, extra, p, g, rows, n)
        elif op == TEMPER:
            temper(memory, dy, dy, memory, layout.buffers + table[i, BUFFER], rows * n)
        elif op == BLEND:
            blend_backward(memory, extra, x, dy, dx, p, g, rows, n)
        elif op in (SUM_FIRST, SUM):
            sum_backward(memory, dx, alpha, dy, rows * n, extra, rows * n_in * (op == SUM_FIRST))
        elif op == BRANCH:
            add(memory, dx, dy, rows * n)


call_forward = by_address(forward, types.none)
call_backward = by_address(backward, types.none)
