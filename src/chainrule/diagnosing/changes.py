"""The changes that experiments make: each returns a setup that differs in one thing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import dropwhile, takewhile

import numpy as np

from ..core.activation_layers import LeakyReLU, ParametricActivation, PReLU, ReLU
from ..core.arrays import Array
from ..core.branch_layers import Branched
from ..core.layers import Dense, Dropout, Layer
from ..core.losses import AbsoluteError, Loss, Pinball, SoftmaxCrossEntropy, SquaredError
from ..core.network import Network
from ..core.optimizers import Adam
from ..core.schedules import Schedule
from .configuration import Configuration
from .experiments import Setup
from .symptoms import innermost, is_bounded

LINEAR_STEPS = 300
SCALES = (SquaredError, AbsoluteError, Pinball)  # losses that scale with the target


def scaled(setup: Setup, name: str = "X") -> Setup:
    """X or y ← (… - mean) / standard deviation of the training rows, column by column."""
    values = getattr(setup.train, name)
    mean, std = values.mean(axis=0), nonzero_std(values)
    return setup.map_rows(**{name: lambda values: (values - mean) / std})


def is_flat(X: Array) -> Array:
    """Which columns are constant, apart from rounding."""
    return np.asarray(X.std(axis=0) <= 1e-12 * np.abs(X).max(axis=0))


def nonzero_std(X: Array) -> Array:
    """The standard deviation of each column, 1 for a constant column."""
    return np.asarray(np.where(is_flat(X), 1.0, X.std(axis=0)))


def coded(setup: Setup, values: Array) -> Setup:
    """y ← the place of each target among the sorted `values`: classes 0 … k-1."""
    return setup.map_rows(y=lambda y: np.searchsorted(values, y.ravel()))


def without_columns(setup: Setup, columns: Iterable[int]) -> Setup:
    """The columns set to 0 in every row, which leaves them out: their weights have no effect."""
    left_out = np.isin(np.arange(setup.train.X.shape[1]), list(columns))
    return setup.map_rows(X=lambda X: np.where(left_out, X.dtype.type(0), X))


def zeroed_inputs(setup: Setup) -> Setup:
    """X ← 0: shows what can be learnt without the inputs."""
    return setup.map_rows(X=np.zeros_like)


def shuffled_targets(setup: Setup, rng: np.random.Generator) -> Setup:
    """The training rows' targets shuffled: shows how well noise is memorised."""
    order = rng.permutation(len(setup.train))
    return replace(setup, train=replace(setup.train, y=setup.train.y[order]))


def with_rate(setup: Setup, factor: float) -> Setup:
    """lr ← lr · factor; for a schedule, its peak."""
    lr = setup.config.lr
    scaled = lr * factor if isinstance(lr, int | float) else replace(lr, value=lr.value * factor)
    return setup.change(lr=scaled)


def with_layers(
    setup: Setup, layers: Iterable[Layer], seed: int = 0, *, afresh: bool = False
) -> Setup:
    """Other layers, with the old numbers of each name and shape that fits, and the old buffers of
    each layer that stays.

    With `afresh` only the factors of the learning rate and of the decay are kept.
    """
    old = setup.config.net
    net = Network(old.n_in, layers, rng=seed, dtype=old.dtype)
    for vector in ("lr_factor", "decay_factor") + (() if afresh else ("theta",)):
        views, old_views = net.views(getattr(net, vector)), old.views(getattr(old, vector))
        for name in views:
            if net.shapes[name] == old.shapes.get(name):
                views[name][...] = old_views[name]
    layers_before, layers_after = dict(innermost(old.layers)), dict(innermost(net.layers))
    for name in () if afresh else net.buffer_shapes:
        layer = name.rpartition(".")[0]
        fits = net.buffer_shapes[name] == old.buffer_shapes.get(name)
        if fits and layers_before.get(layer) == layers_after[layer]:
            net[name] = old[name]
    return setup.change(net=net)


def fresh_start(setup: Setup, layers: Sequence[Layer], seed: int) -> Setup:
    """These layers with the initializer that the following activation asks for, biases at 0."""

    def advised(layer: Layer, after: Layer | None) -> Layer:
        if not isinstance(layer, Dense):
            return layer
        return replace(layer, init="glorot_uniform" if after is None else after.init_before)

    return with_layers(setup, mapped(layers, advised), seed, afresh=True)


def fresh(setup: Setup, seed: int) -> Setup:
    """The same layers from a fresh start: Glorot, or He before the ReLU family; biases 0."""
    return fresh_start(setup, setup.config.net.layers, seed)


def mapped(layers: Sequence[Layer], f: Callable[[Layer, Layer | None], Layer]) -> list[Layer]:
    """f(layer, the next layer or None) for every layer, including layers inside of layers."""
    return [
        layer.with_branches([mapped(chain, f) for chain in layer.branches.values()])
        if isinstance(layer, Branched)
        else f(layer, after)
        for layer, after in zip(layers, [*layers[1:], None], strict=True)
    ]


def replaced(layers: Sequence[Layer], chosen: Callable[[Layer], bool], other: Layer) -> list[Layer]:
    """The layers with `other` in the place of each chosen layer."""
    return mapped(layers, lambda layer, _: other if chosen(layer) else layer)


def with_relu(setup: Setup, seed: int) -> Setup:
    """Every hidden bounded activation replaced with ReLU, from a fresh start."""
    *hidden, last = setup.config.net.layers
    return fresh_start(setup, [*replaced(hidden, is_bounded, ReLU()), last], seed)


def with_leaky_relu(setup: Setup) -> Setup:
    """Every ReLU replaced with LeakyReLU(0.1), with the same weights."""
    return with_layers(
        setup,
        replaced(setup.config.net.layers, lambda layer: isinstance(layer, ReLU), LeakyReLU(0.1)),
    )


def hidden_sizes(net: Network) -> list[int]:
    """The numbers of units of the Dense layers before the last."""
    return [layer.n for layer in net.layers if isinstance(layer, Dense)][:-1]


def input_layers(net: Network) -> list[Layer]:
    """What comes before the first Dense, such as embeddings, without Dropout."""
    first = takewhile(lambda x: not isinstance(x, (Dense, Branched)), net.layers)
    return [layer for layer in first if not isinstance(layer, Dropout)]


def activation_of(net: Network) -> Layer:
    """The first activation after a Dense layer, or ReLU if there is none."""
    for layer in dropwhile(lambda x: not isinstance(x, Dense), net.layers[:-1]):
        elementwise = not isinstance(layer, Dense | Dropout | Branched) and layer.shapes(1)[1] == {}
        if elementwise or isinstance(layer, PReLU | ParametricActivation):
            return layer
    return ReLU()


def rebuilt(setup: Setup, hidden: list[int], seed: int) -> Setup:
    """The same input layers, activation and output with other hidden layers, without Dropout."""
    old = setup.config.net
    layers = input_layers(old)
    for n in hidden:
        layers += [Dense(n), activation_of(old)]
    output = [] if isinstance(old.layers[-1], Dense) else [old.layers[-1]]
    return fresh_start(setup, [*layers, Dense(old.n_out), *output], seed)


def wider(setup: Setup, seed: int) -> Setup:
    """Four times the hidden units, at least 16; one hidden layer if there is none."""
    sizes = hidden_sizes(setup.config.net) or [4]
    return rebuilt(setup, [max(16, 4 * n) for n in sizes], seed)


def shallow(setup: Setup, seed: int) -> Setup:
    """The first hidden layer only."""
    return rebuilt(setup, hidden_sizes(setup.config.net)[:1], seed)


def unbounded(setup: Setup) -> Setup:
    """Without the last activation, with the same weights: the output can be any number."""
    return with_layers(setup, setup.config.net.layers[:-1])


def decays(config: Configuration) -> bool:
    """Whether there is a weight decay, a number or a schedule."""
    decay = config.optimizer.decay
    return (decay.value if isinstance(decay, Schedule) else decay) != 0.0


def is_restrained(config: Configuration) -> bool:
    """Whether a penalty, a weight decay or a Dropout holds the weights back."""
    dropout = any(isinstance(layer, Dropout) for layer in config.net.layers)
    return config.penalty is not None or dropout or decays(config)


def without_restraint(setup: Setup) -> Setup:
    """Without penalty, weight decay and Dropout, with the same weights."""
    config = setup.config
    layers = replaced(config.net.layers, lambda layer: isinstance(layer, Dropout), Dropout(0.0))
    optimizer = Adam() if decays(config) else config.optimizer
    return with_layers(setup, layers).change(penalty=None, optimizer=optimizer)


def linear(setup: Setup) -> Setup:
    """Ŷ = link(X W + b) on scaled inputs, from zero, by Adam on all rows: the linear model.

    The target is scaled if the loss scales with it.
    """
    old, rows = setup.config, scaled(setup)
    net = Network(old.net.n_in, [Dense(old.net.n_out, init="zeros")], rng=0)
    config = Configuration(net, old.loss, Adam(), 0.05, LINEAR_STEPS, None, shuffle=old.shuffle)
    return replace(scaled(rows, "y") if isinstance(old.loss, SCALES) else rows, config=config)


def with_loss(setup: Setup, loss: Loss, n_out: int) -> Setup:
    """Another loss, without the last activation; a new last layer if `n_out` differs."""
    old = setup.config.net
    layers = list(old.layers)
    if not isinstance(layers[-1], Dense | Branched):
        layers.pop()
    if isinstance(loss, SoftmaxCrossEntropy) and n_out != old.n_out:
        layers[-1] = Dense(n_out)
    return with_layers(setup, layers, old.seed or 0).change(loss=loss)
