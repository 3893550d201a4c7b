"""From a network to a program: a table of whole numbers that one kernel runs, whatever the layers.

A row of the table is one layer: what to do, how wide, and where its numbers stand. So a new stack
of layers is new data for compiled code, not new code to compile.

All numbers of a run stand in one flat array, the memory. A *place* is an index of it, and has a
small letter; a capital one (X, W, dZ) is a matrix, as in the equations. A *lane* is the piece of
memory in which one shard of rows goes forwards and backwards; the places of a table and the x, y,
share, z and dz of a layout count from the lane's beginning, which kernels call `base`.
"""

from typing import Any, NamedTuple

import numpy as np

from ..core import activation_layers as al
from ..core.activations import ACTIVATIONS
from ..core.arrays import Array, ceil_div
from ..core.branch_layers import Average, Branched, Residual, walk
from ..core.embedding_layers import CategoryEmbedding, CosineEmbedding
from ..core.layers import (
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    LayerNorm,
    Scale,
    Temperature,
)
from ..core.network import Network

# What a row says to do. The elementwise layers come first, in the order of ACTIVATIONS.
(
    IDENTITY, STEP, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, MISH, SOFTPLUS,
    SOFTSIGN, HARD_SIGMOID, HARD_TANH, DENSE, EMBED, PICK, SCALE, PRELU, DROPOUT, LAYER_NORM,
    BATCH_NORM, RUNNING_NORM, TEMPER, BRANCH, BLEND, SUM_FIRST, SUM,
) = range(29)  # fmt: skip

# The columns of the table. IN, OUT: places of input and output; D_IN, D_OUT: of derivatives; THETA,
# BUFFER: where the layer's numbers begin among all parameters and buffers. EXTRA is the place of
# what else the layer needs: for LAYER_NORM and BATCH_NORM the normalised input and what was divided
# by, for EMBED the cosines and sines, for SUM what it adds to, for BLEND what it blends with, for
# SUM_FIRST where the branches' derivatives by their input are summed, for DROPOUT the mask: its
# place is counted from the layout's masks.
OP, N_IN, N_OUT, BIAS, THETA, BUFFER, IN, OUT, D_IN, D_OUT, EXTRA, COLUMNS = range(12)
NOWHERE = 0  # as D_IN: no derivative is asked for; x stands at place 0, so no derivative does

# The settings of each row. ALPHA is epsilon in the normalising layers, in EMBED its frequencies, in
# SUM_FIRST and SUM what a branch counts. Behind the settings of all rows stand for each EMBED how
# many columns it embeds and which, for each PICK how many groups there are, and start and stop of
# each; COLUMNS_AT counts from there.
ALPHA, MOMENTUM, SETTINGS = range(3)
COLUMNS_AT = MOMENTUM

ELEMENTWISE_LAYERS = {
    al.ACTIVATION_LAYERS[name]: op
    for op, name in enumerate(ACTIVATIONS)
    if issubclass(al.ACTIVATION_LAYERS[name], al.ElementwiseLayer)
}
assert tuple(ELEMENTWISE_LAYERS.values()) == tuple(range(DENSE)), "ops are not as in ACTIVATIONS"
KNOWN_LAYERS = (
    *ELEMENTWISE_LAYERS,
    Dense,
    CosineEmbedding,
    CategoryEmbedding,
    Scale,
    al.PReLU,
    Dropout,
    Temperature,
    LayerNorm,
    BatchNorm,
    al.ParametricActivation,
    Residual,
    Average,
)
RESIZING = (Dense, CosineEmbedding, CategoryEmbedding)  # whose outputs are not as many as inputs
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
    "sizes": ("lowest", "rows", "lanes", "n_in", "n_out", "y_width", "n_theta", "n_buffers",
              "dropouts", "one_lr", "grad_size", "lane_size", "memory_size"),
    "places": ("settings", "zeros", "loss_settings", "theta", "buffers", "lr_factor",
               "decay_factor", "m", "v", "masks", "grad", "lane"),
    "places in a lane": ("x", "y", "share", "z", "dz", "scratch"),
}  # fmt: skip
RECORD = np.dtype((np.record, [(name, np.int64) for part in LAYOUT.values() for name in part]))


class Program(NamedTuple):
    """The table, the settings of its rows, and the layout, an array of one RECORD: a parallel loop
    takes no lone record.
    """

    table: Array
    settings: Array
    layouts: Any


def unknown_layer(net: Network) -> Layer | None:
    """The first layer, inner ones of residuals included, that has no kernel: an own one."""
    layers = (layer for layer, _, _ in walk(net.layers, net.n_in))
    return next((layer for layer in layers if type(layer) not in KNOWN_LAYERS), None)


def program(
    net: Network, rows: int, *, lanes: int = 1, batch: int = 0, y_width: int = 0,
    one_lr: bool = False,
) -> Program:  # fmt: skip
    """The program of a network for so many lanes and shards of at most `rows` rows.

    For training `batch` is the number of rows of a whole batch and `y_width` the columns of the
    targets. Without them it is a program for prediction, which reads the network's own numbers.
    """
    lane = _Writer(rows, batch)
    places = {"x": lane.take(rows * net.n_in)}
    places["z"], places["dz"], n_out = lane.chain(net.layers, places["x"], NOWHERE, net.n_in)
    places["y"] = lane.take(rows * y_width)
    places["share"] = lane.take(rows * n_out if batch else 0)
    places["scratch"] = lane.take(lane.scratch)
    table = np.array(lane.table, np.int64).reshape(-1, COLUMNS)
    learned = (DENSE, EMBED, PICK, SCALE, PRELU, BLEND, LAYER_NORM, BATCH_NORM)
    own = np.flatnonzero(np.isin(table[:, OP], learned))
    p, q, memory = net.theta.size, net.buffers.size, _Writer(rows, batch)
    trained = p if batch else 0
    settings = np.array([*np.ravel(lane.settings), *lane.columns])
    places["settings"] = memory.take(len(settings))
    places["zeros"] = memory.take(int(table[:, [N_IN, N_OUT]].max(initial=0)))
    places["loss_settings"] = memory.take(n_out)
    places["theta"] = memory.take(p) if batch else 0
    places["buffers"] = memory.take(q) if batch else p
    places["lr_factor"] = memory.take(min(trained, BLOCK) if one_lr else trained)
    places |= {name: memory.take(trained) for name in ("decay_factor", "m", "v")}
    places["masks"] = memory.take(lane.masks)
    places["grad"] = memory.take(lanes * aligned(trained))
    places["lane"] = memory.take(lanes * lane.size)
    sizes = {
        "lowest": int(own[0]) if len(own) else len(table), "rows": rows, "lanes": lanes,
        "n_in": net.n_in, "n_out": n_out, "y_width": y_width, "n_theta": p, "n_buffers": q,
        "dropouts": np.count_nonzero(table[:, OP] == DROPOUT), "one_lr": one_lr,
        "grad_size": aligned(trained),
        "lane_size": lane.size, "memory_size": memory.size,
    }  # fmt: skip
    layouts = np.zeros(1, RECORD)
    for name, value in (places | sizes).items():
        layouts[name] = value
    return Program(table, settings, layouts)


def aligned(n: int) -> int:
    """n rounded up to whole cache lines."""
    return ceil_div(n, ALIGNED) * ALIGNED


class _Writer:
    """Writes the rows of a table while it hands out the lane's memory."""

    def __init__(self, rows: int, batch: int) -> None:
        self.rows, self.batch = rows, batch
        self.size, self.masks, self.theta, self.buffers, self.scratch = 0, 0, 0, 0, 0
        self.table: list[tuple[int, ...]] = []
        self.settings: list[tuple[float, float]] = []
        self.columns: list[float] = []

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
        """Write one layer. All that keep the width leave the derivative where it stands."""
        if isinstance(layer, Branched):
            return self.branched(layer, x, dx, n_in)
        if isinstance(layer, al.ParametricActivation):
            return self.parametric(layer, x, dx, n_in)
        n_out, params, buffers = layer.shapes(n_in)
        if isinstance(layer, Dropout) and not self.batch:
            self.buffers += 1
            return x, dx, n_in
        y, dy = self.take(self.rows * n_out), dx
        if self.batch and (isinstance(layer, RESIZING) or dx == NOWHERE):
            dy = self.take(self.rows * n_out)
        op, alpha, momentum, extra = *self.kind(layer, n_in), 0
        if op == DENSE:
            smaller = min(n_in * n_out, self.rows * (n_in + n_out))  # as input_gradient chooses
            self.scratch = max(self.scratch, smaller if dx != NOWHERE else 0)
        elif op == EMBED:
            waves = len(layer.embedded(n_in)) * layer.frequencies
            extra = self.take(2 * self.rows * waves)  # cosines, sines
        elif op == DROPOUT:
            extra, self.masks = self.masks, self.masks + self.batch * n_out
        elif op == LAYER_NORM:
            extra = self.take(self.rows * (n_out + 1))  # H, then S of each row
        elif op == BATCH_NORM:
            extra = self.take((self.rows + 3) * n_out)  # H, then S, mean and var of each column
        bias = int(isinstance(layer, Dense) and layer.bias)
        self.row(op, n_in, n_out, x, y, dx, dy, extra, bias, alpha, momentum)
        self.theta += sum(int(np.prod(shape)) for shape in params.values())
        self.buffers += sum(int(np.prod(shape)) for shape in buffers.values())
        return y, dy, n_out

    def kind(self, layer: Layer, n_in: int) -> tuple[int, float, float]:
        """What to do, and the row's settings ALPHA and MOMENTUM."""
        if isinstance(layer, BatchNorm):
            return BATCH_NORM if self.batch else RUNNING_NORM, layer.epsilon, layer.momentum
        if isinstance(layer, LayerNorm):
            return LAYER_NORM, layer.epsilon, 0.0
        if isinstance(layer, CosineEmbedding):
            start, columns = len(self.columns), layer.embedded(n_in)
            self.columns += [len(columns), *columns]
            return EMBED, float(layer.frequencies), float(start)
        if isinstance(layer, CategoryEmbedding):
            start = len(self.columns)
            self.columns += [len(layer.groups), *np.ravel(layer.groups)]
            return PICK, 0.0, float(start)
        others = {
            Dense: DENSE, Scale: SCALE, Dropout: DROPOUT, Temperature: TEMPER, al.PReLU: PRELU
        }  # fmt: skip
        op = (others | ELEMENTWISE_LAYERS)[type(layer)]
        return op, getattr(layer, "alpha", 0.0) if op < DENSE else 0.0, 0.0

    def branched(self, layer: Branched, x: int, dx: int, n_in: int) -> tuple[int, int, int]:
        """BRANCH and the inner layers of each branch, then a SUM for each, the first of which is
        SUM_FIRST where the input is not added itself: the derivative of the sum goes all ways.
        """
        dx, ends, n = self.derivative(dx, n_in), list[tuple[int, int]](), n_in
        for chain in layer.branches.values():
            d_inner = self.derivative(NOWHERE, n_in)
            self.row(BRANCH, n_in, n_in, x, x, dx, d_inner)
            f, df, n = self.chain(chain, x, d_inner, n_in)
            ends.append((f, df))
        y, dy = x, dx if layer.skip else self.derivative(NOWHERE, n)
        for i, (f, df) in enumerate(ends):
            before, y = y, self.take(self.rows * n)
            if i == 0 and not layer.skip:
                self.row(SUM_FIRST, n_in, n, f, y, df, dy, extra=dx, alpha=layer.share)
            else:
                self.row(SUM, n, n, f, y, df, dy, extra=before, alpha=layer.share)
        return y, dy, n

    def parametric(
        self, layer: al.ParametricActivation, x: int, dx: int, n: int
    ) -> tuple[int, int, int]:
        """BRANCH, the activation, and BLEND of the two."""
        dx, d_inner = self.derivative(dx, n), self.derivative(NOWHERE, n)
        self.row(BRANCH, n, n, x, x, dx, d_inner)
        f, df, _ = self.layer(layer.bend, x, d_inner, n)
        y = self.take(self.rows * n)
        self.row(BLEND, n, n, f, y, df, dx, extra=x)
        self.theta += n
        return y, dx, n

    def derivative(self, place: int, n: int) -> int:
        """A place for the derivative by n columns, if there is none and training needs it."""
        return self.take(self.rows * n) if self.batch and place == NOWHERE else place

    def row(
        self, op: int, n_in: int, n_out: int, x: int, y: int, dx: int, dy: int, extra: int = 0,
        bias: int = 0, alpha: float = 0.0, momentum: float = 0.0,
    ) -> None:  # fmt: skip
        """Write one row of the table and its settings."""
        self.table.append((op, n_in, n_out, bias, self.theta, self.buffers, x, y, dx, dy, extra))
        self.settings.append((alpha, momentum))
