"""Every public layer, activation, loss, initializer, optimizer, schedule and metric, once.

A plain module that the tests of the mathematics import; test_contracts.py fails for a public class
or function that stands in no table.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import activation_layers as al
from chainrule.core import (
    branch_layers,
    embedding_layers,
    layers,
    losses,
    metrics,
    normalisation_layers,
    optimizers,
    schedules,
)

Array = NDArray[Any]
Targets = Callable[[np.random.Generator, int], Array]

ACTIVATION_LAYERS: dict[str, layers.Layer] = {
    "identity": al.Identity(),
    "step": al.Step(),
    "sigmoid": al.Sigmoid(),
    "tanh": al.Tanh(),
    "relu": al.ReLU(),
    "leaky_relu": al.LeakyReLU(0.2),
    "prelu": al.PReLU(),
    "elu": al.ELU(),
    "selu": al.SELU(),
    "gelu": al.GELU(),
    "silu": al.SiLU(),
    "mish": al.Mish(),
    "softplus": al.Softplus(),
    "softsign": al.Softsign(),
    "hard_sigmoid": al.HardSigmoid(),
    "hard_tanh": al.HardTanh(),
}

# Each keeps its number of columns but Dense, so that all of them stack.
LAYERS: dict[str, layers.Layer] = ACTIVATION_LAYERS | {
    "dense": layers.Dense(4),
    "cosine_embedding": embedding_layers.CosineEmbedding(3, 3),
    "category_embedding": embedding_layers.CategoryEmbedding(((0, 2),), 2),
    "scale": layers.Scale(),
    "temperature": layers.Temperature(1.7),
    "dropout": layers.Dropout(0.3),
    "batch_norm": normalisation_layers.BatchNorm(),
    "layer_norm": normalisation_layers.LayerNorm(),
    "residual": branch_layers.Residual((layers.Dense(3), al.Tanh(), layers.Dense(3))),
    "average": branch_layers.Average(
        ((layers.Dense(3),), (al.Tanh(), layers.Dense(2), al.SiLU(), layers.Dense(3)))
    ),
    "parametric_activation": al.ParametricActivation(),
}

LAYER_VARIANTS: dict[str, layers.Layer] = {
    "dense_no_bias": layers.Dense(2, bias=False, init="normal"),
    "elu_kinked": al.ELU(0.5),
    "cosine_embedding_wide": embedding_layers.CosineEmbedding(4, 2, spread=1.0),
    "cosine_embedding_of_some": embedding_layers.CosineEmbedding(2, 4, columns=(2, 0)),
    "category_embedding_of_two": embedding_layers.CategoryEmbedding(((0, 1), (2, 3)), 3),
    "scale_negative": layers.Scale(-0.5),
    "parametric_mish": al.ParametricActivation("mish", start=0.5),
    "parametric_elu": al.ParametricActivation("elu", start=-0.5),
    "average_of_one": branch_layers.Average(((al.ParametricActivation("relu", 0.7),),)),
    "average_mixed": branch_layers.Average(
        (
            (branch_layers.Residual((al.Sigmoid(),)), layers.Dense(2)),
            (normalisation_layers.LayerNorm(), layers.Dropout(0.3), layers.Dense(2, bias=False)),
            (branch_layers.Average(((layers.Dense(2),), (layers.Scale(), layers.Dense(2)))),),
        )
    ),
    "prelu_steep": al.PReLU(1.5),
    "dropout_none": layers.Dropout(0.0),
    "dropout_scheduled": layers.Dropout(schedules.Cosine(0.4)),
    "batch_norm_quick": normalisation_layers.BatchNorm(momentum=0.5, epsilon=0.1),
    "residual_mixed": branch_layers.Residual(
        (
            normalisation_layers.BatchNorm(),
            al.PReLU(),
            layers.Dropout(0.2),
            branch_layers.Residual((al.SiLU(),)),
        )
    ),
}


class LossCase(NamedTuple):
    """A loss, its number of outputs, and random targets that are valid for it."""

    loss: losses.Loss
    outputs: int
    targets: Targets


def numbers(k: int) -> Targets:
    return lambda rng, n: rng.normal(size=(n, k))


def shares(k: int) -> Targets:
    return lambda rng, n: rng.uniform(size=(n, k))


def yes_no(k: int) -> Targets:
    return lambda rng, n: rng.integers(0, 2, size=(n, k))


def counts(k: int) -> Targets:
    return lambda rng, n: rng.poisson(2.0, size=(n, k))


def classes(k: int) -> Targets:
    return lambda rng, n: rng.integers(0, k, size=n)


def probabilities(k: int) -> Targets:
    return lambda rng, n: rng.dirichlet(np.ones(k), size=n)


def signs(k: int) -> Targets:
    return lambda rng, n: np.where(rng.random((n, k)) < 0.5, -1, 1)


# SumOfErrors is an error measure: it has a value and no gradient.
UNTRAINABLE: dict[str, LossCase] = {
    "sum_of_errors_1": LossCase(losses.SumOfErrors(), 1, numbers(1)),
    "sum_of_errors_3": LossCase(losses.SumOfErrors(reduction="mean", scale=2.0), 3, numbers(3)),
}

LOSSES: dict[str, LossCase] = {
    "squared_1": LossCase(losses.SquaredError(), 1, numbers(1)),
    "squared_3": LossCase(losses.SquaredError(), 3, numbers(3)),
    "squared_half_sum": LossCase(losses.SquaredError(scale=0.5, reduction="sum"), 3, numbers(3)),
    "absolute_1": LossCase(losses.AbsoluteError(), 1, numbers(1)),
    "absolute_3": LossCase(losses.AbsoluteError(scale=3.0), 3, numbers(3)),
    "huber_1": LossCase(losses.Huber(), 1, numbers(1)),
    "huber_3": LossCase(losses.Huber(delta=0.4, reduction="sum"), 3, numbers(3)),
    "pinball_1": LossCase(losses.Pinball(), 1, numbers(1)),
    "pinball_3": LossCase(losses.Pinball(quantile=(0.1, 0.5, 0.9)), 3, numbers(3)),
    "pinball_one_for_3": LossCase(losses.Pinball(quantile=0.8, scale=2.0), 3, numbers(3)),
    "binary_1": LossCase(losses.BinaryCrossEntropy(), 1, yes_no(1)),
    "binary_3": LossCase(losses.BinaryCrossEntropy(), 3, yes_no(3)),
    "binary_shares_sum": LossCase(losses.BinaryCrossEntropy(reduction="sum"), 1, shares(1)),
    "softmax_2": LossCase(losses.SoftmaxCrossEntropy(), 2, classes(2)),
    "softmax_3": LossCase(losses.SoftmaxCrossEntropy(), 3, classes(3)),
    "softmax_rows": LossCase(losses.SoftmaxCrossEntropy(scale=0.7), 3, probabilities(3)),
    "softmax_smooth": LossCase(losses.SoftmaxCrossEntropy(label_smoothing=0.2), 3, classes(3)),
    "poisson_1": LossCase(losses.Poisson(), 1, counts(1)),
    "poisson_3": LossCase(losses.Poisson(scale=0.1), 3, counts(3)),
    "hinge_1": LossCase(losses.Hinge(), 1, yes_no(1)),
    "hinge_signs": LossCase(losses.Hinge(reduction="sum"), 1, signs(1)),
    "hinge_3": LossCase(losses.Hinge(), 3, classes(3)),
}

INITIALIZERS = (
    "zeros",
    "ones",
    "uniform",
    "normal",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
)

OPTIMIZERS: dict[str, optimizers.Optimizer] = {
    "sgd": optimizers.SGD(),
    "momentum": optimizers.Momentum(),
    "nesterov": optimizers.Nesterov(),
    "adagrad": optimizers.AdaGrad(),
    "rmsprop": optimizers.RMSProp(),
    "adam": optimizers.Adam(),
    "adamhat": optimizers.AdamHat(),
    "adamw": optimizers.AdamW(),
}

SCHEDULES: dict[str, schedules.Schedule] = {
    "constant": schedules.Constant(2.0),
    "step": schedules.StepDecay(2.0, every=3, factor=0.5),
    "exponential": schedules.Exponential(2.0, end=0.1),
    "cosine": schedules.Cosine(2.0, end=0.1),
    "flat_cosine": schedules.FlatCosine(2.0),
    "coslog": schedules.CosLog(2.0),
    "warm_up": schedules.WarmUp(2.0, warm=4, then=schedules.Cosine(9.0)),
    "one_cycle": schedules.OneCycle(2.0),
    "plateau": schedules.Plateau(2.0, patience=2),
}

METRICS: dict[str, Callable[..., Any]] = {
    "accuracy": metrics.accuracy,
    "log_loss": metrics.log_loss,
    "auc": metrics.auc,
    "confusion_matrix": metrics.confusion_matrix,
    "mse": metrics.mse,
    "rmse": metrics.rmse,
    "mae": metrics.mae,
    "r2": metrics.r2,
}
