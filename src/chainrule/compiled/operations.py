"""The table of operations: for each class of `core` the kernels that compute it.

A layer, loss or optimizer that has a row here runs on the compiled engine. Any other one runs on
the readable engine, which `unsupported` explains. Kernels know an operation by its number, its
place in the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from numba import types

from ..core import losses as cl
from ..core import optimizers as co
from ..core.activation_layers import ParametricActivation, PReLU
from ..core.branch_layers import Average, Residual, walk
from ..core.embedding_layers import CategoryEmbedding, CosineEmbedding
from ..core.epoch import StepSettings
from ..core.layers import Dense, Dropout, Layer, Scale, Temperature
from ..core.network import Network
from ..core.normalisation_layers import BatchNorm, LayerNorm
from ..core.penalty import Penalty
from . import embeddings, layers, losses, products, updates
from .activations import ACTIVATIONS, backward_kernel, forward_kernel
from .jit import choice

Spans = Sequence[tuple[int, int]]
# What is a row of the table, but no layer: see `program`.
RUNNING_NORM, BRANCH, BLEND, SUM, FIRST_SUM = "running norm", "branch", "blend", "sum", "first sum"


class Operation(NamedTuple):
    """A row of the table: what it computes, forwards and backwards.

    `of` is the class of layer, or a name where layers made of layers need more rows. `forward` is a
    kernel of (row, table, memory, numbers), `backward` one of (row, table, memory); None does
    nothing. `whole` names the layer's setting that is a whole number, `settings` those that are
    not. `extra` gives the numbers of memory that a shard needs besides its result, from the layer,
    the rows and the columns it takes and gives; `spans` the columns that the layer names. `own_dx`
    says that backward keeps dY and writes dX to another place; all others write dX over dY.
    """

    of: type[Layer] | str
    forward: Any
    backward: Any
    whole: str | None = None
    settings: tuple[str, ...] = ()
    extra: Callable[[Any, int, int, int], int] = lambda layer, rows, n_in, n_out: 0
    spans: Callable[[Any, int], Spans] = lambda layer, n_in: ()
    own_dx: bool = False


OPERATIONS = (
    Operation(Dense, products.dense_forward, products.dense_backward, whole="bias", own_dx=True),
    *(
        Operation(
            layer, forward_kernel(value), slope and backward_kernel(slope),
            settings=tuple(field.name for field in fields(layer)),
        )
        for layer, value, slope in ACTIVATIONS
    ),
    Operation(PReLU, layers.prelu_forward, layers.prelu_backward),
    Operation(Scale, layers.scale_forward, layers.scale_backward),
    Operation(Temperature, layers.temper_forward, layers.temper_backward),
    Operation(Dropout, layers.dropout_forward, layers.dropout_backward),
    Operation(
        LayerNorm, layers.layer_norm_forward, layers.layer_norm_backward, settings=("epsilon",),
        extra=lambda layer, rows, n_in, n_out: rows * (n_out + 1),  # H, then S of each row
    ),
    Operation(
        BatchNorm, layers.batch_norm_forward, layers.batch_norm_backward,
        settings=("epsilon", "momentum"),
        # H, then S, mean and variance of each column
        extra=lambda layer, rows, n_in, n_out: (rows + 3) * n_out,
    ),
    Operation(RUNNING_NORM, layers.running_norm, None, settings=("epsilon",)),
    Operation(
        CosineEmbedding, embeddings.embed_forward, embeddings.embed_backward, whole="frequencies",
        own_dx=True,
        # cosines, then sines
        extra=lambda layer, rows, n_in, n_out: (
            2 * rows * len(layer.embedded(n_in)) * layer.frequencies
        ),
        spans=lambda layer, n_in: [(column, column + 1) for column in layer.embedded(n_in)],
    ),
    Operation(
        CategoryEmbedding, embeddings.pick_forward, embeddings.pick_backward, whole="size",
        own_dx=True, spans=lambda layer, n_in: layer.groups,
    ),
    Operation(BRANCH, None, layers.branch_backward),
    Operation(BLEND, layers.blend_forward, layers.blend_backward),
    Operation(SUM, layers.sum_forward, layers.sum_backward, settings=("share",)),
    Operation(FIRST_SUM, layers.first_sum_forward, layers.first_sum_backward, settings=("share",)),
)  # fmt: skip
NUMBERS = {operation.of: number for number, operation in enumerate(OPERATIONS)}
DENSE, DROPOUT, BATCH_NORM = NUMBERS[Dense], NUMBERS[Dropout], NUMBERS[BatchNorm]
MADE_OF_LAYERS = (Residual, Average, ParametricActivation)  # several rows each, see `program`

run_forward = choice([operation.forward for operation in OPERATIONS])
run_backward = choice([operation.backward for operation in OPERATIONS])


class LossKernel(NamedTuple):
    """A loss: its class, its kernel, and the setting that the kernel reads."""

    of: type[cl.Loss]
    kernel: Any
    setting: str | None = None
    of_classes: bool = False  # the targets are a class number for each row


LOSSES = (
    LossKernel(cl.SquaredError, losses.squared),
    LossKernel(cl.AbsoluteError, losses.absolute),
    LossKernel(cl.Huber, losses.huber, "delta"),
    LossKernel(cl.Pinball, losses.pinball, "quantile"),
    LossKernel(cl.BinaryCrossEntropy, losses.binary),
    LossKernel(cl.SoftmaxCrossEntropy, losses.softmax),
    LossKernel(cl.SoftmaxCrossEntropy, losses.softmax_of_classes, "label_smoothing", True),
    LossKernel(cl.Poisson, losses.poisson),
    LossKernel(cl.Hinge, losses.hinge),
)
run_loss = choice([loss.kernel for loss in LOSSES], types.float64)


OPTIMIZERS = {
    co.SGD: updates.sgd,
    co.Momentum: updates.momentum,
    co.Nesterov: updates.nesterov,
    co.AdaGrad: updates.adagrad,
    co.RMSProp: updates.rmsprop,
    co.Adam: updates.adam,
    co.AdamHat: updates.adam_hat,
    co.AdamW: updates.adamw,
}
OPTIMIZER_SETTINGS = ("beta", "beta1", "beta2", "epsilon", "rho")  # that kernels read
# Where the memory holds what an optimizer remembers of each parameter; "t" is the run's clock.
STATE_PLACES = {"m": "m", "v": "v", "s": "v"}
run_update = choice(list(OPTIMIZERS.values()))


def unsupported_layer(net: Network) -> Layer | None:
    """The first layer without a row, also among those inside of other layers."""
    for layer, _, _ in walk(net.layers, net.n_in):
        inner = layer.activation_layer if type(layer) is ParametricActivation else layer
        if type(inner) not in NUMBERS and type(inner) not in MADE_OF_LAYERS:
            return inner
    return None


def unsupported(net: Network, settings: StepSettings) -> str | None:
    """Why the compiled engine cannot train this, as a sentence; None if it can."""
    layer, loss = unsupported_layer(net), settings.loss
    for kind, used, supported in (
        ("layer", layer, layer is None),
        ("loss", loss, any(type(loss) is row.of for row in LOSSES)),
        ("optimizer", settings.optimizer, type(settings.optimizer) in OPTIMIZERS),
        ("penalty", settings.penalty, type(settings.penalty) in (Penalty, type(None))),
    ):
        if not supported:
            return f"the {kind} {type(used).__name__} has no compiled kernel"
    return None
