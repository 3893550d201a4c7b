"""Forwards, loss and backwards through a program: the interpreter of its table.

A shard's rows stand at x of a lane, and each layer's result behind it.
"""

from collections import namedtuple

from numba import types

from . import program as columns
from .jit import addressed, by_address, inlined
from .operations import DENSE, run_backward, run_forward, run_loss
from .products import fill, zero

# A row of the table as kernels read it: sizes and settings; places in the memory, `mask` the one of
# Dropout's; `p` and `buffer`, places of `numbers`, which holds parameters and buffers: the memory
# itself in training, `net.numbers` in prediction; `g`, the place of the gradient. `fresh`: nothing
# has been added to the gradient yet. `wants_dx`: the derivative by the input is needed.
Row = namedtuple(
    "Row",
    "rows n_in n whole alpha spans span_count x y dx dy extra scratch mask zeros p buffer g fresh "
    "wants_dx",
)


@inlined
def row_of(layout, table, memory, i, base, grad, first_row, rows, fresh):
    """Row i for the shard in the lane at `base`, `first_row` its first row in the batch."""
    n, alpha = table[i, columns.N_OUT], layout.settings + i * columns.SETTINGS + columns.ALPHA
    extra, theta = table[i, columns.EXTRA], table[i, columns.THETA]
    return Row(
        rows, table[i, columns.N_IN], n, table[i, columns.WHOLE], memory[alpha],
        table[i, columns.SPANS], table[i, columns.SPAN_COUNT], base + table[i, columns.IN],
        base + table[i, columns.OUT], base + table[i, columns.D_IN], base + table[i, columns.D_OUT],
        base + extra, base + layout.scratch, layout.masks + extra + first_row * n, layout.zeros,
        layout.theta + theta, layout.buffers + table[i, columns.BUFFER], grad + theta, fresh,
        i > layout.lowest,
    )  # fmt: skip


@addressed
def forward(layout, table, memory, numbers, base, first_row, rows):
    """Run the shard in the lane at `base` through every layer. `first_row` is the shard's first row
    in the batch, which its dropout masks begin at.
    """
    for i in range(layout.operations):
        row = row_of(layout, table, memory, i, base, 0, first_row, rows, False)
        run_forward(table[i, columns.OP], row, table, memory, numbers)


@addressed
def loss_and_slope(layout, number, memory, base, rows):
    """The shard's share of the loss; writes the derivative by the network's output."""
    k = layout.n_out
    n, z, y = rows * k, base + layout.z, base + layout.y
    share, dz, settings = base + layout.share, base + layout.dz, layout.loss_settings
    return run_loss(
        number, memory[settings : settings + k], memory[z : z + n],
        memory[y : y + rows * layout.y_width], memory[share : share + n], memory[dz : dz + n],
        rows, k,
    )  # fmt: skip


@addressed
def backward(layout, table, memory, base, grad, first_row, rows, fresh):
    """From dZ to the gradient of every parameter, which is stored at `grad`: set by a lane's first
    shard, which is `fresh`, and added to by the others.
    """
    behind = grad + layout.n_theta
    for i in range(layout.operations - 1, layout.lowest - 1, -1):
        row = row_of(layout, table, memory, i, base, grad, first_row, rows, fresh)
        if fresh and table[i, columns.OP] != DENSE:  # Dense sets its gradient itself
            fill(memory, row.g, behind - row.g, zero(memory))
        behind = row.g
        run_backward(table[i, columns.OP], row, table, memory)


call_forward = by_address(forward, types.none)
call_loss = by_address(loss_and_slope, types.float64)
call_backward = by_address(backward, types.none)
