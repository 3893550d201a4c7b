"""Random networks, losses, optimizers and data for the tests of the compiled engine: a case can be
trained by either engine, and once more with its inputs changed by a unit in the last place.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core import activation_layers as al
from support.models import RATES
from support.numeric import Array, Point
from support.tables import LossCase, classes, counts, numbers, probabilities, shares, signs, yes_no

WIDTHS = st.one_of(st.sampled_from([1, 2, 3, 5, 17]), st.integers(1, 40))
SOME = st.floats(0.1, 2.0)
Shapes = tuple[tuple[int, int | None], ...]
KINKED = (cr.AbsoluteError, cr.Pinball, cr.Hinge)


@dataclass(frozen=True)
class Case:
    """All that a run is made of; `seed` gives the numbers."""

    n_in: int
    layers: tuple[cr.Layer, ...]
    goal: LossCase
    optimizer: cr.Optimizer
    lr: float | cr.Schedule
    dtype: str
    rows: int
    batch_size: int | None = None
    shuffle: bool = True
    weights: str = "none"
    penalty: cr.Penalty | None = None
    clip: float | None = None
    factors: bool = False
    seed: int = 0

    def net(self) -> cr.Network:
        """The network with numbers that stand on no kink."""
        layers = [*self.layers, cr.Dense(self.goal.outputs)]
        net = cr.Network(self.n_in, layers, rng=self.seed, dtype=self.dtype)
        rng = np.random.default_rng(self.seed)
        net.theta = net.theta + rng.uniform(-0.2, 0.2, net.theta.size)
        for name in net.buffer_shapes:
            if not name.endswith("rate"):
                net[name] = rng.uniform(0.5, 1.5, net[name].shape)
        if self.factors:
            net.lr_factor = np.maximum(rng.uniform(-0.2, 2.0, net.theta.size), 0.0)
            net.decay_factor = rng.uniform(0.0, 2.0, net.theta.size)
        return net

    def data(self) -> dict[str, Any]:
        """X, y and weight as `train` takes them."""
        rng = np.random.default_rng(self.seed + 1)
        X = rng.normal(size=(self.rows, self.n_in)).astype(self.dtype)
        y, weight = self.goal.targets(rng, self.rows), rng.uniform(0.5, 2.0, self.rows)
        if self.weights == "some":
            weight[rng.random(self.rows) < 0.3] = 0.0
        if self.weights == "blocks":
            weight[self.rows // 3 :] = 0.0
        weight[0] = 1.0
        none = self.weights == "none"
        return {"X": X, "y": y, "weight": None if none else weight.astype(self.dtype)}

    def noisy(self, seed: int) -> tuple[cr.Network, dict[str, Any]]:
        """net() and data(), every number a unit in the last place up or down, or as it was."""
        net, data, rng = self.net(), self.data(), np.random.default_rng(seed)
        net.theta = nudged(net.theta, rng)
        if data["weight"] is None:
            data["weight"] = np.ones(self.rows, self.dtype)
        return net, data | {name: nudged(data[name], rng) for name in ("X", "weight")}

    def train(self, net: cr.Network, data: dict[str, Any], **how: Any) -> Iterator[cr.Record]:
        """cr.train with everything the case says."""
        settings: dict[str, Any] = {
            "batch_size": self.batch_size, "lr": self.lr, "penalty": self.penalty,
            "clip": self.clip, "shuffle": self.shuffle, "rng": self.seed,
        }  # fmt: skip
        return cr.train(net, self.goal.loss, self.optimizer, **data, **(settings | how))

    def follow(self, engine: str, epochs: int, noise: int | None = None) -> list[Array]:
        """Loss, learning rate, theta and buffers after each epoch."""
        net, data = (self.net(), self.data()) if noise is None else self.noisy(noise)
        seen = []
        for record in self.train(net, data, engine=engine, epochs=epochs):
            assert record.engine == engine
            seen.append(np.concatenate([[record.loss, record.lr], net.theta, net.buffers]))
        return seen

    @property
    def smooth(self) -> bool:
        """Whether no kink can turn a rounding into a step."""
        signs = self.penalty is not None and self.penalty.l1 > 0  # sign θ jumps at 0
        kinks = any(layer.kinks for layer in flat(self.layers))
        return not (signs or kinks or isinstance(self.goal.loss, KINKED))

    def beside_a_kink(self) -> bool:
        """Whether float32 may compute a row on the other side of a kink than exact numbers lie."""
        sides, data = [], self.data()
        for seed in range(4):
            net = self.net().astype(np.float64)
            away = np.random.default_rng(seed).uniform(-3e-6, 3e-6, net.theta.size)
            net.theta = net.theta * (1.0 + (away if seed else 0.0))
            point = Point(net, self.goal.loss, data["X"].astype(np.float64), data["y"])
            sides.append(point.look()[1])
        return any(not np.array_equal(side, sides[0]) for side in sides)


def flat(layers: Iterable[cr.Layer]) -> Iterator[cr.Layer]:
    """The layers, with those inside of a layer in its place."""
    for layer in layers:
        chains = layer.branches.values()
        yield from (one for chain in chains for one in flat(chain)) if chains else (layer,)


def nudged(array: Array, rng: np.random.Generator) -> Array:
    """Each number the next one up or down, or as it was; 0 stays."""
    way = rng.integers(-1, 2, array.shape).astype(array.dtype)
    moved = np.nextafter(array, array + way)
    return np.where(array == 0, array, moved)


def apart(a: list[Array], b: list[Array]) -> float:
    """The largest difference of two runs, relative to max(1, |b|)."""
    pairs = zip(a, b, strict=True)
    return max(float(np.max(np.abs(x - y) / np.maximum(1.0, np.abs(y)))) for x, y in pairs)


def activations() -> st.SearchStrategy[cr.Layer]:
    plain: list[cr.Layer] = [cls() for cls in al.ACTIVATION_LAYERS.values()]
    mixed = [cr.ParametricActivation(f, mix) for f in ("relu", "mish", "elu") for mix in (0.6, 1.2)]
    set_ = [al.LeakyReLU(0.2), al.ELU(0.5), al.ELU(1.5), al.PReLU(0.1)]
    return st.sampled_from([*plain, *set_, *mixed])


def others() -> st.SearchStrategy[cr.Layer]:
    """The layers that keep the width and are no activations."""
    rate = st.one_of(st.floats(0, 0.8), st.sampled_from(RATES))
    return st.one_of(
        st.builds(cr.Dropout, rate),
        st.builds(cr.Scale, st.floats(-2.0, 2.0)),
        st.builds(cr.Temperature, st.floats(0.3, 3.0)),
        st.builds(cr.LayerNorm, st.floats(0.01, 1.0)),
        st.builds(cr.BatchNorm, st.floats(0.0, 0.95), st.floats(0.01, 1.0)),
    )


@st.composite
def chains(draw: st.DrawFn, n: int, depth: int = 2, most: int = 4) -> tuple[list[cr.Layer], int]:
    """(layers, width of the last)."""
    layers: list[cr.Layer] = []
    for _ in range(draw(st.integers(0, most))):
        kinds = [
            "dense",
            "dense",
            "activation",
            "other",
            "residual",
            "average",
            "embedding",
            "category",
        ]
        kind = draw(st.sampled_from(kinds))
        if kind == "dense":
            n = draw(WIDTHS)
            layers.append(cr.Dense(n, draw(st.booleans())))
        elif kind == "embedding" and n <= 8:
            size = draw(st.integers(2, 3))
            frequencies = draw(st.integers(1, 3))
            chosen = st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True)
            columns = draw(st.none() | chosen.map(tuple))
            spread = draw(st.floats(0.0, 1.0))
            layers.append(cr.CosineEmbedding(frequencies, size, spread, columns))
            n += len(layers[-1].embedded(n)) * (size - 1)
        elif kind == "category" and n <= 8:
            marks = draw(st.lists(st.integers(0, n), min_size=2, max_size=4, unique=True))
            ends = sorted(marks[: len(marks) // 2 * 2])
            layers.append(cr.CategoryEmbedding(tuple(zip(ends[::2], ends[1::2], strict=True)),
                                               draw(st.integers(1, 4))))  # fmt: skip
            n = layers[-1].shapes(n)[0]
        elif kind == "residual" and depth:
            inner, last = draw(chains(n, depth - 1, 2))
            if last != n or not inner:
                inner.append(cr.Dense(n, draw(st.booleans())))
            layers.append(cr.Residual(tuple(inner)))
        elif kind == "average" and depth:
            members, width = list[tuple[cr.Layer, ...]](), draw(WIDTHS)
            for _ in range(draw(st.integers(1, 3))):
                member, _ = draw(chains(n, depth - 1, 2))
                members.append((*member, cr.Dense(width, draw(st.booleans()))))
            layers.append(cr.Average(tuple(members)))
            n = width
        else:
            layers.append(draw(activations() if kind == "activation" else others()))
    return layers, n


def one_hot(k: int) -> Any:
    return lambda rng, n: np.eye(k)[rng.integers(0, k, n)]


@st.composite
def goals(draw: st.DrawFn) -> LossCase:
    """Every loss that can be trained on, with every form of target."""
    k = draw(st.sampled_from([1, 1, 2, 3, 5, 17]))
    many = max(2, k)
    how = {"scale": draw(SOME), "reduction": draw(st.sampled_from(["mean", "sum"]))}
    quantiles = st.one_of(st.floats(0.1, 0.9), st.tuples(*[st.floats(0.1, 0.9)] * k))
    smooth = cr.SoftmaxCrossEntropy(draw(st.sampled_from([0.0, 0.0, 0.1, 0.7])), **how)
    return draw(
        st.sampled_from(
            [
                LossCase(cr.SquaredError(**how), k, numbers(k)),
                LossCase(cr.AbsoluteError(**how), k, numbers(k)),
                LossCase(cr.Huber(draw(SOME), **how), k, numbers(k)),
                LossCase(cr.Pinball(draw(quantiles), **how), k, numbers(k)),
                LossCase(cr.BinaryCrossEntropy(**how), k, yes_no(k)),
                LossCase(cr.BinaryCrossEntropy(**how), k, shares(k)),
                LossCase(smooth, many, classes(many)),
                LossCase(smooth, many, one_hot(many)),
                LossCase(smooth, many, probabilities(many)),
                LossCase(cr.Poisson(**how), k, counts(k)),
                LossCase(cr.Hinge(**how), k, yes_no(k) if k == 1 else classes(k)),
                LossCase(cr.Hinge(**how), k, signs(1) if k == 1 else one_hot(k)),
            ]
        )
    )


@st.composite
def optimizers(draw: st.DrawFn, epsilons: tuple[float, ...]) -> cr.Optimizer:
    """Every optimizer; a tiny epsilon lets those that divide by it show the rounding of a gradient
    that is 0 but for rounding.
    """
    beta, epsilon = draw(st.floats(0.0, 0.95)), draw(st.sampled_from(epsilons))
    adam = {"beta1": beta, "beta2": draw(st.floats(0.5, 0.9999)), "epsilon": epsilon}
    decay = draw(st.one_of(st.floats(0, 0.5), st.sampled_from(RATES)))
    return draw(
        st.sampled_from(
            [
                cr.SGD(),
                cr.Momentum(beta),
                cr.Nesterov(beta),
                cr.AdaGrad(epsilon=epsilon),
                cr.RMSProp(rho=beta, epsilon=epsilon),
                cr.Adam(**adam),
                cr.AdamHat(**adam),
                cr.AdamW(weight_decay=decay, **adam),
            ]
        )
    )


@st.composite
def cases(draw: st.DrawFn, shapes: Shapes, epsilons: tuple[float, ...] = (1e-8, 1e-3, 0.1)) -> Case:
    """Any case with one of these (rows, rows in a batch)."""
    n_in, goal, (rows, batch_size) = draw(WIDTHS), draw(goals()), draw(st.sampled_from(shapes))
    lr = draw(st.one_of(st.floats(0.001, 0.1), st.sampled_from(RATES)))
    peak = min(rows, batch_size or rows) if goal.loss.reduction == "sum" else 1
    if isinstance(lr, cr.Schedule):
        lr = replace(lr, value=0.1 / peak)
    else:
        lr = lr / peak
    layers = draw(chains(n_in))[0]
    if any(isinstance(layer, cr.BatchNorm | cr.LayerNorm) for layer in flat(layers)):
        epsilons = (0.1,)  # gradients before them may be 0 but for rounding: no matter of parity
    l1, l2 = draw(st.sampled_from([(0.0, 0.0), (0.0, 0.1), (0.02, 0.0), (0.01, 0.3)]))
    return Case(
        n_in,
        tuple(layers),
        goal,
        draw(optimizers(epsilons)),
        lr,
        draw(st.sampled_from(["float64", "float32"])),
        rows,
        batch_size,
        draw(st.booleans()),
        draw(st.sampled_from(["none", "all", "some", "blocks"])),
        cr.Penalty(l1, l2, per_row=draw(st.booleans())) if l1 + l2 else None,
        draw(st.sampled_from([None, None, 0.05, 1.0])),
        draw(st.booleans()),
        draw(st.integers(0, 9999)),
    )
