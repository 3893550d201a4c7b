"""Networks, tables and models of every kind, for the tests of model files and predictions."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st

from chainrule.core import activation_layers as al
from chainrule.core import (
    branch_layers,
    embedding_layers,
    layers,
    losses,
    normalisation_layers,
    schedules,
)
from chainrule.core.arrays import Array, Arrays, Shapes
from chainrule.core.network import Network
from chainrule.models.model import Model
from chainrule.tables import Preparation, Table, infer_schema, read_table

SMALL = st.floats(0.01, 0.9)
RATES: list[schedules.Schedule] = [
    schedules.Constant(0.3),
    schedules.StepDecay(0.2, every=3, factor=0.5),
    schedules.Exponential(0.5, end=0.1),
    schedules.Cosine(0.4, end=0.1),
    schedules.FlatCosine(0.1),
    schedules.CosLog(0.6, cycles=3),
    schedules.WarmUp(0.2, warm=4, then=schedules.Cosine(0.9)),
    schedules.OneCycle(0.3, rise=0.2),
    schedules.Plateau(0.25, patience=2),
]


@dataclass(frozen=True)
class Scaled(layers.Layer):
    """Y = factor * X, an own layer with settings of every type."""

    factor: float = 1.0
    names: tuple[str, ...] = ()
    odd: bool = False
    rate: schedules.Schedule | None = None

    def forward(
        self, p: Arrays, X: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        return X * X.dtype.type(self.factor), {}


@dataclass(frozen=True)
class Shift(layers.Layer):
    """Y = X + s   s (k,) learned."""

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {"s": (n_in,)}, {}

    def forward(
        self, p: Arrays, X: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        return X + p["s"], {}


@dataclass(frozen=True)
class Doubled(losses.Loss):
    """An own loss with a link."""

    power: int = 2
    wants_logits: ClassVar[bool] = True

    def link(self, Z: Array) -> Array:
        return Z * self.power


OWN: list[type] = [Scaled, Shift, Doubled]


def doubling(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return 2.0 * rng.random(shape)


def elementwise() -> st.SearchStrategy[layers.Layer]:
    plain = [cls() for cls in al.ACTIVATION_LAYERS.values()]
    return st.one_of(
        st.sampled_from(plain),
        st.builds(al.LeakyReLU, SMALL),
        st.builds(al.ELU, SMALL),
        st.builds(al.PReLU, SMALL),
        st.builds(al.ParametricActivation, st.sampled_from(list(al.ACTIVATIONS)), SMALL),
    )


def keeping() -> st.SearchStrategy[layers.Layer]:
    """Layers that give back as many columns as they take."""
    flat = st.one_of(
        elementwise(),
        st.builds(layers.Dropout, st.one_of(st.floats(0, 0.9), st.sampled_from(RATES))),
        st.builds(normalisation_layers.BatchNorm, SMALL, SMALL),
        st.builds(normalisation_layers.LayerNorm, SMALL),
        st.builds(layers.Scale, SMALL),
        st.builds(layers.Temperature, st.floats(0.3, 3.0)),
        st.builds(
            Scaled,
            SMALL,
            st.tuples(st.text(max_size=3)),
            st.booleans(),
            st.one_of(st.none(), st.sampled_from(RATES)),
        ),
        st.just(Shift()),
    )
    return st.recursive(flat, branching)


def branching(inner: st.SearchStrategy[layers.Layer]) -> st.SearchStrategy[layers.Layer]:
    chain = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(branch_layers.Residual, chain),
        st.builds(branch_layers.Average, st.lists(chain, min_size=1, max_size=3)),
    )


def embedding() -> st.SearchStrategy[layers.Layer]:
    return st.one_of(
        st.builds(
            embedding_layers.CosineEmbedding, st.integers(1, 3), st.integers(2, 3), SMALL,
            st.sampled_from([None, (0,)]),
        ),
        st.builds(embedding_layers.CategoryEmbedding, st.just(((0, 1),)), st.integers(1, 3)),
    )  # fmt: skip


def dense() -> st.SearchStrategy[layers.Layer]:
    inits = st.sampled_from(["he_uniform", "orthogonal", 0.5, 1, np.float64(0.25), doubling])
    sizes = st.one_of(st.integers(1, 6), st.integers(1, 6).map(np.int64))
    return st.builds(layers.Dense, sizes, st.booleans(), inits)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Any network, with numbers as training leaves them."""
    chain = draw(st.lists(st.one_of(dense(), keeping(), embedding()), min_size=1, max_size=6))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 2**32))
    rng: Any = seed if draw(st.booleans()) else np.random.default_rng(seed)
    return stirred(Network(draw(st.integers(1, 5)), chain, rng=rng, dtype=dtype), seed)


def stirred(net: Network, seed: int = 0) -> Network:
    """The network with new numbers, each of a kind that training could have left there."""
    rng = np.random.default_rng(seed)
    net.theta = rng.normal(size=net.theta.shape)
    for name in net.buffer_shapes:
        numbers = rng.uniform(0.1, 0.9, net[name].shape)
        net[name] = numbers if name.endswith(("var", "rate")) else numbers - 0.5
    if seed % 2:
        net.lr_factor[...] = rng.uniform(0.5, 2.0, net.theta.shape)
        net.decay_factor[...] = 1.0
    return net


def small_table(target: str = "binary", n: int = 40) -> Table:
    """A table with every kind of column and, under "y", the target of a task."""
    rng = np.random.default_rng(1)
    i = np.arange(n)
    age = np.where(i % 7 == 3, np.nan, rng.normal(40, 9, n))
    day = np.datetime64("2024-02-27T05:00") + i * np.timedelta64(31, "h")
    words = np.array(["red", "blue", "grün", "日本"], object)[i % 4]
    words[5::11] = None
    notes = np.array([f"a note of some length, number {k} of them all" for k in i], object)
    notes[::3] = None
    y: dict[str, Any] = {
        "binary": np.array(["no", "yes"], object)[(i % 3 == 0).astype(int)],
        "zero_one": (i % 3 == 0).astype(np.int64),
        "boolean": i % 3 == 0,
        "multiclass": i % 3 + 2,
        "words": np.array(["ä", "b", "c d"], object)[i % 3],
        "regression": 3.5 * i + rng.normal(size=n),
    }
    columns = {
        "age": age,
        "size": rng.normal(size=n) * 1e3,
        "day": day.astype("datetime64[us]"),
        "colour": words,
        "two": np.array(["a", "b"], object)[(i % 5 == 0).astype(int)],
        "yes": i % 2 == 0,
        "note": notes,
        "shade": (i * 6 % 256).astype(np.uint8),
        "y": y[target],
    }
    return read_table(columns)


def small_model(target: str = "binary", seed: int = 0) -> tuple[Model, Table]:
    """A model of every kind of column that was never trained, and its table."""
    table = small_table(target)
    schema = infer_schema(table, "y", roles={"shade": "pixel", "two": "category"})
    preparation = Preparation.fit(table, schema)
    k = len(schema.classes or ())
    net = Network.mlp([len(preparation.feature_names), 5, k if k > 2 else 1], dropout=0.1, rng=seed)
    loss: losses.Loss = losses.SquaredError()
    if k:
        loss = losses.SoftmaxCrossEntropy() if k > 2 else losses.BinaryCrossEntropy()
    facts = {"seed": seed, "test": {"network": {"r2": 0.5, "none": None}}, "list": [1, "a", True]}
    return Model(stirred(net, 2 * seed), loss, preparation, schema, facts), table
