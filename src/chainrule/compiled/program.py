"""From a network to a program: a table of whole numbers that one kernel runs, whatever the layers.

A row of the table is one layer: what to do, how wide, and where its numbers are. So a new stack
of layers is new data for compiled code, not new code to compile.

All numbers of a run are in one flat array, the memory. A *place* is an index of it, and has a
small letter; a capital one (X, W, dZ) is a matrix, as in the equations. A *lane* is the piece of
memory in which one shard of rows goes forwards and backwards; the places of a table and the x, y,
share, z and dz of a layout count from the lane's beginning, which kernels call `base`.
"""

from typing import Any, NamedTuple

import numpy as np

from ..core.activation_layers import ParametricActivation
from ..core.arrays import Array, Shapes, aligned_zeros, ceil_div
from ..core.branch_layers import Branched
from ..core.layers import Dense, Dropout, Layer
from ..core.network import Network
from ..core.normalisation_layers import BatchNorm
from .embeddings import END, FIRST
from .operations import BLEND, BRANCH, DROPOUT, FIRST_SUM, NUMBERS, OPERATIONS, RUNNING_NORM, SUM

# The columns of the table. WHOLE: the setting that is a whole number. SPANS, SPAN_COUNT: which rows
# of the table, behind those of all operations, hold the columns that a layer names. IN, OUT: places
# of input and output; D_IN, D_OUT: of derivatives; THETA, BUFFER: where the layer's numbers begin
# among all parameters and buffers. EXTRA is the place of what else the operation needs: what
# `Operation.extra` says, for a sum what it adds to, for a blend what it blends with, for a first
# sum where the branches' derivatives by their input are summed, for Dropout the mask: its place is
# counted from the layout's masks.
(
    OP, N_IN, N_OUT, WHOLE, SPANS, SPAN_COUNT, THETA, BUFFER, IN, OUT, D_IN, D_OUT, EXTRA, COLUMNS,
) = range(14)  # fmt: skip
NOWHERE = 0  # as D_IN: no derivative is asked for; x stands at place 0, so no derivative does

# The settings of each row that are no whole numbers, in the order of `Operation.settings`.
ALPHA, MOMENTUM, SETTINGS = range(3)

BLOCK = 4096  # numbers that an optimizer changes in one go
ALIGNED = 16  # numbers: lanes and regions begin on a cache line of 64 bytes in float32 too

# What belongs to no layer. `lowest` is the first row of the table that has parameters, where the
# backward pass ends; `one_lr` says that lr_factor is 1 everywhere, so one block of ones stands for
# it. In the memory come settings, zeros (as many as the widest layer has units), parameters, what
# an optimizer keeps for each of them, masks, a gradient for each lane, the lanes. In a lane stand
# x, y, share, z, dz: a shard's input, targets, share of each output in the loss, output and its
# derivative; and `scratch` for transposes.
LAYOUT = {
    "addresses of kernels": ("forward", "backward", "loss", "run_lane", "run_block"),
    "sizes": ("operations", "lowest", "rows", "lanes", "n_in", "n_out", "y_width", "n_theta",
              "n_buffers", "dropouts", "one_lr", "grad_size", "lane_size"),
    "places": ("settings", "zeros", "loss_settings", "theta", "buffers", "lr_factor",
               "decay_factor", "m", "v", "masks", "grad", "lane"),
    "places in a lane": ("x", "y", "share", "z", "dz", "scratch"),
}  # fmt: skip
RECORD = np.dtype((np.record, [(name, np.int64) for part in LAYOUT.values() for name in part]))


class Program(NamedTuple):
    """The table, the memory with the settings of its rows, and the layout, an array of one RECORD:
    a parallel loop takes no lone record.
    """

    table: Array
    memory: Array
    layouts: Any


def program(
    net: Network, rows: int, *, lanes: int = 1, batch: int = 0, y_width: int = 0,
    one_lr: bool = False,
) -> Program:  # fmt: skip
    """The program of a network for `lanes` lanes and shards of at most `rows` rows.

    For training `batch` is the number of rows of a whole batch and `y_width` the columns of the
    targets. Without them it is a program for prediction, which reads the network's own numbers.
    """
    lane = _Writer(rows, batch)
    places = {"x": lane.take(rows * net.n_in)}
    places["z"], places["dz"], n_out = lane.chain(net.layers, places["x"], NOWHERE, net.n_in)
    places["y"] = lane.take(rows * y_width)
    places["share"] = lane.take(rows * n_out if batch else 0)
    places["scratch"] = lane.take(lane.scratch)
    p, q, whole = net.theta.size, net.buffers.size, _Writer(rows, batch)
    trained = p if batch else 0
    settings = np.array(lane.settings).ravel()
    widest = max((max(row[N_IN], row[N_OUT]) for row in lane.table), default=0)
    regions = {
        "settings": settings.size, "zeros": widest, "loss_settings": n_out, "theta": trained,
        "buffers": q if batch else 0, "lr_factor": min(trained, BLOCK) if one_lr else trained,
        "decay_factor": trained, "m": trained, "v": trained, "masks": lane.masks,
        "grad": lanes * aligned(trained), "lane": lanes * lane.size,
    }  # fmt: skip
    places |= {name: whole.take(size) for name, size in regions.items()}
    memory = aligned_zeros(whole.size, net.dtype)
    memory[places["settings"] :][: settings.size] = settings
    if not batch:  # places of net.numbers
        places |= {"theta": 0, "buffers": p}
    sizes = {
        "operations": len(lane.table), "lowest": min(lane.learned, default=len(lane.table)),
        "rows": rows, "lanes": lanes, "n_in": net.n_in, "n_out": n_out, "y_width": y_width,
        "n_theta": p, "n_buffers": q, "dropouts": sum(row[OP] == DROPOUT for row in lane.table),
        "one_lr": one_lr, "grad_size": aligned(trained), "lane_size": lane.size,
    }  # fmt: skip
    layouts = np.zeros(1, RECORD)
    for name, value in (places | sizes).items():
        layouts[name] = value
    return Program(lane.whole_table(), memory, layouts)


def aligned(n: int) -> int:
    """n rounded up to whole cache lines."""
    return ceil_div(n, ALIGNED) * ALIGNED


class _Writer:
    """Writes the rows of a table while it hands out the lane's memory."""

    def __init__(self, rows: int, batch: int) -> None:
        self.rows, self.batch = rows, batch
        self.size, self.masks, self.theta, self.buffers, self.scratch = 0, 0, 0, 0, 0
        self.table: list[list[int]] = []
        self.settings: list[list[float]] = []
        self.spans: list[tuple[int, int]] = []
        self.learned: list[int] = []  # which rows have parameters

    def whole_table(self) -> Array:
        """The rows of the operations, and behind them those of the spans they name."""
        count = len(self.table)
        table = np.zeros((count + len(self.spans), COLUMNS), np.int64)
        table[:count] = np.reshape(self.table, (count, COLUMNS))
        table[:count, SPANS] += count
        table[count:, [FIRST, END]] = np.reshape(self.spans, (-1, 2))
        return table

    def take(self, n: int) -> int:
        """The place of the next n numbers."""
        start, self.size = self.size, self.size + aligned(n)
        return start

    def chain(self, layers: tuple[Layer, ...], x: int, dx: int, n_in: int) -> tuple[int, int, int]:
        """Write the layers; returns the places of the output and its derivative, and its width."""
        for layer in layers:
            x, dx, n_in = self.layer(layer, x, dx, n_in)
        return x, dx, n_in

    def layer(self, layer: Layer, x: int, dx: int, n_in: int) -> tuple[int, int, int]:
        """Write one layer."""
        if isinstance(layer, Branched):
            return self.branched(layer, x, dx, n_in)
        if isinstance(layer, ParametricActivation):
            return self.parametric(layer, x, dx, n_in)
        n_out, params, buffers = layer.shapes(n_in)
        if isinstance(layer, Dropout) and not self.batch:  # prediction leaves it out
            self.buffers += 1
            return x, dx, n_in
        running = isinstance(layer, BatchNorm) and not self.batch
        kind = RUNNING_NORM if running else type(layer)
        operation = OPERATIONS[NUMBERS[kind]]
        y, dy = self.take(self.rows * n_out), dx
        if self.batch and (operation.own_dx or dx == NOWHERE):
            dy = self.take(self.rows * n_out)
        extra = self.take(operation.extra(layer, self.rows, n_in, n_out))
        if kind is Dropout:
            extra, self.masks = self.masks, self.masks + self.batch * n_out
        if kind is Dense and dx != NOWHERE:
            smaller = min(n_in * n_out, self.rows * (n_in + n_out))  # as input_gradient chooses
            self.scratch = max(self.scratch, smaller)
        self.row(kind, layer, n_in, n_out, x, y, dx, dy, extra, _count(params))
        self.buffers += _count(buffers)
        return y, dy, n_out

    def branched(self, layer: Branched, x: int, dx: int, n_in: int) -> tuple[int, int, int]:
        """BRANCH and the inner layers of each branch, then a SUM for each, the first of which is
        FIRST_SUM where the input is not added itself: the derivative of the sum goes all ways.
        """
        dx, ends, n = self.derivative(dx, n_in), list[tuple[int, int]](), n_in
        for chain in layer.branches.values():
            d_inner = self.derivative(NOWHERE, n_in)
            self.row(BRANCH, layer, n_in, n_in, x, x, dx, d_inner)
            f, df, n = self.chain(chain, x, d_inner, n_in)
            ends.append((f, df))
        y, dy = x, dx if layer.skip else self.derivative(NOWHERE, n)
        for i, (f, df) in enumerate(ends):
            before, y = y, self.take(self.rows * n)
            if i == 0 and not layer.skip:
                self.row(FIRST_SUM, layer, n_in, n, f, y, df, dy, extra=dx)
            else:
                self.row(SUM, layer, n, n, f, y, df, dy, extra=before)
        return y, dy, n

    def parametric(
        self, layer: ParametricActivation, x: int, dx: int, n: int
    ) -> tuple[int, int, int]:
        """BRANCH, the activation, and BLEND of the two."""
        dx, d_inner = self.derivative(dx, n), self.derivative(NOWHERE, n)
        self.row(BRANCH, layer, n, n, x, x, dx, d_inner)
        f, df, _ = self.layer(layer.activation_layer, x, d_inner, n)
        y = self.take(self.rows * n)
        self.row(BLEND, layer, n, n, f, y, df, dx, extra=x, learned=n)
        return y, dx, n

    def derivative(self, place: int, n: int) -> int:
        """A place for the derivative by n columns, if there is none and training needs it."""
        return self.take(self.rows * n) if self.batch and place == NOWHERE else place

    def row(
        self, kind: type[Layer] | str, layer: Layer, n_in: int, n_out: int, x: int, y: int, dx: int,
        dy: int, extra: int = 0, learned: int = 0,
    ) -> None:  # fmt: skip
        """Write one row of the table, its settings and spans; it has `learned` parameters."""
        number = NUMBERS[kind]
        operation = OPERATIONS[number]
        whole = int(getattr(layer, operation.whole)) if operation.whole else 0
        spans = operation.spans(layer, n_in)
        self.learned += [len(self.table)] if learned else []
        self.table.append([number, n_in, n_out, whole, len(self.spans), len(spans), self.theta,
                           self.buffers, x, y, dx, dy, extra])  # fmt: skip
        settings = [float(getattr(layer, name)) for name in operation.settings]
        self.settings.append([*settings, *[0.0] * (SETTINGS - len(settings))])
        self.spans += spans
        self.theta += learned


def _count(shapes: Shapes) -> int:
    """How many numbers these shapes hold."""
    return sum(int(np.prod(shape)) for shape in shapes.values())
