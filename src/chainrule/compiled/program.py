"""From a network to a program: a table of whole numbers that one kernel runs, whatever the layers.

A row of the table is one layer: what to do, how wide, and where its numbers stand. So a new stack
of layers is new data for compiled code, not new code to compile. All that a shard of rows makes on
its way stands in one piece of flat memory, its lane, at places that are decided here once.
"""

from typing import Any, NamedTuple

import numpy as np

from ..core import activation_layers as al
from ..core.activations import ACTIVATIONS
from ..core.arrays import Array
from ..core.layers import BatchNorm, Dense, Dropout, Layer, LayerNorm, Residual
from ..core.network import Network

# What a row says to do. The elementwise layers come first, in the order of ACTIVATIONS.
(
    IDENTITY, STEP, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, MISH, SOFTPLUS,
    SOFTSIGN, HARD_SIGMOID, HARD_TANH, DENSE, PRELU, DROPOUT, LAYER_NORM, BATCH_NORM, RUNNING_NORM,
    BRANCH, JOIN,
) = range(23)  # fmt: skip

# The columns. X, Y: input and output in the lane; DX, DY: their derivatives; EXTRA: what else the
# backward pass needs; THETA, BUFFER: where the layer's parameters and buffers begin.
OP, N_IN, N_OUT, BIAS, THETA, BUFFER, X, Y, DX, DY, EXTRA = range(11)
ALPHA, MOMENTUM, SETTINGS = range(3)  # of a row; ALPHA is epsilon in the normalising layers

ELEMENTWISE_LAYERS = {
    al.ACTIVATION_LAYERS[name]: op
    for op, name in enumerate(ACTIVATIONS)
    if issubclass(al.ACTIVATION_LAYERS[name], al.ElementwiseLayer)
}
KNOWN_LAYERS = (*ELEMENTWISE_LAYERS, Dense, al.PReLU, Dropout, LayerNorm, BatchNorm, Residual)
BLOCK = 4096  # numbers that an optimizer changes in one go
ALIGNED = 16  # numbers: lanes and regions begin on a cache line of 64 bytes in float32 too


# Where everything that belongs to no layer stands in the memory, and the addresses of kernels.
#
# First the settings, the parameters and what an optimizer keeps for each of them, then the masks,
# then a gradient for each lane, then the lanes. In a lane stand x, y, share, z, dz: a shard's
# input, targets, share of each output in the loss, output and its derivative.
PROGRAM = np.dtype(
    (
        np.record,
        [
            (name, np.int64)
            for name in (
                "forward", "backward", "loss", "run_lane", "run_block",  # addresses
                "first", "rows", "n_in", "n_out", "y_width", "n_theta", "n_buffers",
                "dropouts", "uniform", "settings", "loss_settings", "theta", "buffers", "lr_factor",
                "decay_factor", "m", "v", "masks", "grads", "grad_size", "lanes", "lane_size",
                "x", "y", "share", "z", "dz", "scratch", "whole",
            )
        ],
    )
)  # fmt: skip


class Program(NamedTuple):
    """The table, the settings of its rows, and `places`, one record of PROGRAM."""

    places: Any
    table: Array
    settings: Array


def unknown_layer(layers: tuple[Layer, ...]) -> Layer | None:
    """The first layer, inner ones of residuals included, that has no kernel: an own one."""
    for layer in layers:
        if type(layer) not in KNOWN_LAYERS:
            return layer
        if isinstance(layer, Residual) and (found := unknown_layer(layer.layers)):
            return found
    return None


def has_batch_norm(layers: tuple[Layer, ...]) -> bool:
    """Whether a layer looks at the whole batch at once."""
    return any(
        isinstance(layer, BatchNorm)
        or (isinstance(layer, Residual) and has_batch_norm(layer.layers))
        for layer in layers
    )


def program(
    net: Network, rows: int, *, lanes: int = 1, batch: int = 0, y_width: int = 0,
    uniform: bool = False,
) -> Program:  # fmt: skip
    """The program of a network for so many lanes and shards of at most `rows` rows.

    For training `batch` is the number of rows of a whole batch, `y_width` the columns of the
    targets, and `uniform` says that lr_factor is 1 everywhere, so one block of ones stands for it.
    Without them it is a program for prediction, which reads the network's own numbers.
    """
    lane, p = _Writer(rows, batch), net.theta.size
    x = lane.take(rows * net.n_in)
    z, dz, n_out = lane.chain(net.layers, x, 0, net.n_in)
    y, share = lane.take(rows * y_width), lane.take(rows * n_out if batch else 0)
    scratch = lane.take(lane.scratch)
    table = np.array(lane.table, np.int64).reshape(-1, EXTRA + 1)
    own = np.flatnonzero(np.isin(table[:, OP], (DENSE, PRELU, LAYER_NORM, BATCH_NORM)))
    whole, kept = _Writer(rows, batch), p if batch else 0
    values = {
        "first": int(own[0]) if len(own) else len(table), "rows": rows, "n_in": net.n_in,
        "n_out": n_out, "y_width": y_width, "n_theta": p, "n_buffers": net.buffers.size,
        "dropouts": int(np.count_nonzero(table[:, OP] == DROPOUT)), "uniform": uniform,
        "settings": whole.take(SETTINGS * len(table)), "loss_settings": whole.take(n_out),
        "theta": whole.take(p) if batch else 0,  # for prediction, where the network has them
        "buffers": whole.take(net.buffers.size) if batch else p,
        "lr_factor": whole.take(min(kept, BLOCK) if uniform else kept),
        "decay_factor": whole.take(kept), "m": whole.take(kept), "v": whole.take(kept),
        "masks": whole.take(lane.masks), "grads": whole.take(lanes * aligned(kept)),
        "grad_size": aligned(kept), "lanes": whole.take(lanes * lane.size), "lane_size": lane.size,
        "x": x, "y": y, "share": share, "z": z, "dz": dz, "scratch": scratch, "whole": whole.size,
    }  # fmt: skip
    places = np.array([tuple(values.get(name, 0) for name in PROGRAM.names or ())], PROGRAM)
    return Program(places, table, np.array(lane.settings).reshape(-1))


def aligned(n: int) -> int:
    """n rounded up to whole cache lines."""
    return -(-n // ALIGNED) * ALIGNED


class _Writer:
    """Writes the rows of a table while it hands out the lane's memory."""

    def __init__(self, rows: int, batch: int) -> None:
        self.rows, self.batch = rows, batch
        self.size, self.masks, self.theta, self.buffers, self.scratch = 0, 0, 0, 0, 0
        self.table: list[tuple[int, ...]] = []
        self.settings: list[tuple[float, float]] = []

    def take(self, n: int) -> int:
        """Where the next n numbers of the lane stand."""
        start, self.size = self.size, self.size + aligned(n)
        return start

    def chain(self, layers: tuple[Layer, ...], x: int, dx: int, n_in: int) -> tuple[int, int, int]:
        """Write the layers; returns the places of the output and its derivative, and its width."""
        for layer in layers:
            x, dx, n_in = self.layer(layer, x, dx, n_in)
        return x, dx, n_in

    def layer(self, layer: Layer, x: int, dx: int, n_in: int) -> tuple[int, int, int]:
        """Write one layer. All but Dense leave the derivative where it stands."""
        n_out, params, buffers = layer.shapes(n_in)
        if isinstance(layer, Residual):
            return self.residual(layer, x, dx, n_in)
        if isinstance(layer, Dropout) and not self.batch:
            self.buffers += 1
            return x, dx, n_in
        y = self.take(self.rows * n_out)
        dy = self.take(self.rows * n_out) if self.batch and (type(layer) is Dense or not dx) else dx
        extra, alpha, momentum = 0, getattr(layer, "alpha", 0.0), 0.0
        if isinstance(layer, Dense):
            op, self.scratch = DENSE, max(self.scratch, n_in * n_out if self.batch else 0)
        elif isinstance(layer, Dropout):
            op, extra = DROPOUT, self.masks
            self.masks += self.batch * n_out
        elif isinstance(layer, LayerNorm):
            op, alpha = LAYER_NORM, layer.epsilon
            extra = self.take(self.rows * (n_out + 1))  # H, then S of each row
        elif isinstance(layer, BatchNorm):
            alpha, momentum = layer.epsilon, layer.momentum
            op = BATCH_NORM if self.batch else RUNNING_NORM
            extra = self.take((self.rows + 3) * n_out)  # H, then S, mean and var of each column
        else:
            op = PRELU if isinstance(layer, al.PReLU) else ELEMENTWISE_LAYERS[type(layer)]
        bias = int(isinstance(layer, Dense) and layer.bias)
        self.table.append((op, n_in, n_out, bias, self.theta, self.buffers, x, y, dx, dy, extra))
        self.settings.append((alpha, momentum))
        self.theta += sum(int(np.prod(shape)) for shape in params.values())
        self.buffers += sum(int(np.prod(shape)) for shape in buffers.values())
        return y, dy, n_out

    def residual(self, layer: Residual, x: int, dx: int, n: int) -> tuple[int, int, int]:
        """BRANCH, the inner layers, JOIN: the derivative of the sum goes both ways."""
        if self.batch and not dx:
            dx = self.take(self.rows * n)
        d_inner = self.take(self.rows * n) if self.batch else 0
        self.row(BRANCH, n, x=x, y=x, dx=dx, dy=d_inner)
        f, df, _ = self.chain(layer.layers, x, d_inner, n)
        y = self.take(self.rows * n)
        self.row(JOIN, n, x=f, y=y, dx=df, dy=dx, extra=x)
        return y, dx, n

    def row(self, op: int, n: int, *, extra: int = 0, **places: Any) -> None:
        """A row without parameters and settings."""
        x, y, dx, dy = (places[name] for name in ("x", "y", "dx", "dy"))
        self.table.append((op, n, n, 0, self.theta, self.buffers, x, y, dx, dy, extra))
        self.settings.append((0.0, 0.0))
