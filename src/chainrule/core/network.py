"""Network: layers one after the other, all their numbers in one flat vector `theta`.

Layers see named views into `theta` ("0.W", "2.b") and into the second flat vector `buffers`
(running statistics). Optimizers, penalties, storage and both engines handle `theta` alone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .activation_layers import get_activation
from .arrays import Array, Shapes, aligned_zeros
from .branch_layers import Average, chain_shapes, walk
from .checks import as_dtype, as_real, require_count
from .initializers import Initializer
from .layers import Dense, Dropout, Layer
from .schedules import Schedule
from .showing import show

RNG = int | np.random.Generator | None
PARTS = ("theta", "buffers", "lr_factor", "decay_factor")  # of `Network.numbers`


def make_rng(rng: RNG) -> tuple[np.random.Generator, int | None]:
    """(generator, the seed it was made from); None draws a fresh seed, so that the run can be
    repeated.

    The seed is None for a generator handed in: only its owner knows where it stands.
    """
    if isinstance(rng, np.random.Generator):
        return rng, None
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if rng is None else rng
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"rng is {rng!r}: use a whole number ≥ 0, a numpy Generator, or None")
    return np.random.default_rng(int(seed)), int(seed)


def named_views(vector: Array, shapes: Shapes) -> dict[str, Array]:
    """Views of a flat vector by name, one after the other in the order of `shapes`."""
    views, start = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        views[name] = vector[start : start + size].reshape(shape)
        start += size
    return views


def multiply_adds(layers: Sequence[Layer], n_in: int) -> int:
    """About how many multiply-adds one row costs forwards; an elementwise layer counts 4 a unit."""
    return sum(n * m if isinstance(layer, Dense) else 4 * m for layer, n, m in walk(layers, n_in))


class _Part:
    """One of the vectors in `Network.numbers`; assigning copies into it: all views stay views."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, net: "Network", owner: type) -> Array:
        return net._parts[self.name]

    def __set__(self, net: "Network", value: ArrayLike) -> None:
        _copy_into(net._parts[self.name], value, self.name)


class Network:
    """Z = f_k(… f_2(f_1(X)))   X (n, n_in)  Z (n, n_out); `layers` in order, each one factor.

    `theta` (p,) holds every parameter, `buffers` the running statistics; `net["0.W"]` is a view by
    name. `lr_factor` and `decay_factor` (p,) multiply the learning rate and the weight decay of
    each parameter: 1 everywhere, and 1 for matrices and 0 for vectors; both may be edited in place.
    The four stand one after the other in the vector `numbers`.

    Raises ValueError where layers and sizes do not fit. `rng` is a seed or a generator; `seed`
    records it.
    """

    # A faster way to predict, put here when the compiled engine is loaded; None for a network with
    # own layers.
    compiled_forward: ClassVar[Callable[["Network", Array], Array | None] | None] = None
    theta, buffers, lr_factor, decay_factor = _Part(), _Part(), _Part(), _Part()

    def __init__(
        self,
        n_in: int,
        layers: Iterable[Layer],
        *,
        rng: RNG = None,
        dtype: DTypeLike = np.float64,
        X: ArrayLike | None = None,
    ) -> None:
        self._allocate(n_in, layers, dtype)
        generator, self.seed = make_rng(rng)
        self.initialize(generator, X)

    def _allocate(self, n_in: int, layers: Iterable[Layer], dtype: DTypeLike) -> None:
        require_count("Network", "n_in", n_in)
        whole = tuple(layers) if isinstance(layers, Iterable) else ()
        self.n_in, self.layers, self.dtype = int(n_in), whole, np.dtype(dtype)
        if self.dtype not in (np.float64, np.float32):
            raise ValueError(f"dtype is {self.dtype}: a network computes in float64 or float32")
        if not self.layers or not all(isinstance(layer, Layer) for layer in self.layers):
            raise ValueError("layers must be a list of at least one Layer, such as [Dense(1)]")
        self.n_out, self.shapes, self.buffer_shapes = chain_shapes(self.layers, self.n_in)
        p, q = (sum(map(math.prod, s.values())) for s in (self.shapes, self.buffer_shapes))
        self.numbers = aligned_zeros(p + q + p + p, self.dtype)
        parts = np.split(self.numbers, (p, p + q, p + q + p))
        self._parts = dict(zip(PARTS, parts, strict=True))
        self._views = self.views(self.theta) | named_views(self.buffers, self.buffer_shapes)
        self._p: list[dict[str, Array]] = [{} for _ in self.layers]
        for name, view in self._views.items():
            number, _, own_name = name.partition(".")
            self._p[int(number)][own_name] = view
        self.lr_factor[...] = 1.0
        for view in self.views(self.decay_factor).values():
            view[...] = 1.0 if view.ndim >= 2 else 0.0

    @classmethod
    def mlp(
        cls,
        sizes: Sequence[int],
        activation: "str | Layer | Sequence[str | Layer]" = "relu",
        *,
        bias: bool = True,
        init: str | float | Initializer | None = None,
        dropout: float | Schedule = 0.0,
        rng: RNG = None,
        dtype: DTypeLike = np.float64,
    ) -> "Network":
        """Dense–activation–…–Dense for sizes [inputs, hidden …, outputs]; it ends in logits.

        `activation` is one for all hidden layers or a list of them. `init` defaults to He for the
        ReLU family, LeCun for SELU, Glorot for the rest and for the last layer. `dropout` follows
        each activation.
        """
        if len(sizes) < 2:
            raise ValueError(f"sizes is {list(sizes)}: give at least the inputs and the outputs")
        hidden = sizes[1:-1]
        if isinstance(activation, str | Layer | type):
            activations: list[str | Layer] = [activation] * len(hidden)
        else:
            activations = list(activation)
        if len(activations) != len(hidden):
            raise ValueError(
                f"activation lists {len(activations)} for {len(hidden)} hidden layers: "
                "give one each"
            )
        layers: list[Layer] = []
        for n, chosen in zip(hidden, activations, strict=True):
            factor = get_activation(chosen)
            layers += [Dense(n, bias, factor.init_before if init is None else init), factor]
            if isinstance(dropout, Schedule) or dropout != 0:
                layers.append(Dropout(dropout))
        layers.append(Dense(sizes[-1], bias, "glorot_uniform" if init is None else init))
        return cls(sizes[0], layers, rng=rng, dtype=dtype)

    @classmethod
    def average(cls, nets: "Sequence[Network]", *final_layers: Layer) -> "Network":
        """One network that gives the mean of what these give, followed by `final_layers`;
        its numbers are copies. A single one needs no Average.
        """
        first, many = nets[0], len(nets) > 1
        front = [Average(tuple(net.layers for net in nets))] if many else first.layers
        whole = cls(first.n_in, [*front, *final_layers], rng=0, dtype=first.dtype)
        for m, net in enumerate(nets):
            for name in (*net.shapes, *net.buffer_shapes):
                whole[f"0.{m}.{name}" if many else name] = net[name]
        return whole

    def initialize(self, rng: np.random.Generator, X: ArrayLike | None = None) -> None:
        """Fill theta and the buffers from the layers' initializers; X (n, n_in) is data they may
        look at.
        """
        A = None if X is None else self.as_input(X)
        for layer, p in zip(self.layers, self._p, strict=True):
            layer.initialize(p, rng, A)
            if A is not None:
                A = layer.forward(p, A)[0]

    def __getitem__(self, name: str) -> Array:
        if name not in self._views:
            raise KeyError(
                f"{name!r} names nothing here: this network has {', '.join(self._views)}"
            )
        return self._views[name]

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        _copy_into(self[name], value, name)

    def views(self, vector: Array) -> dict[str, Array]:
        """Named views of any theta-shaped vector, such as a gradient or an optimizer's state."""
        if vector.shape != self.theta.shape:
            raise ValueError(f"vector has shape {vector.shape}, but theta is {self.theta.shape}")
        return named_views(vector, self.shapes)

    def as_input(self, X: ArrayLike) -> Array:
        """X as a matrix (n, n_in) of the network's dtype; raises ValueError where it cannot be."""
        if type(X) is np.ndarray and X.dtype == self.dtype:
            matrix: Array = X
        else:
            matrix = as_dtype("X", as_real("X", X), self.dtype)
        if matrix.ndim != 2:
            raise ValueError(
                f"X has shape {matrix.shape}: give a matrix (rows, features), "
                "one row for one sample"
            )
        if matrix.shape[1] != self.n_in:
            raise ValueError(
                f"X has {matrix.shape[1]} features, but this network was built for {self.n_in}: "
                "pass the columns it was trained on"
            )
        return matrix

    def forward(
        self, X: ArrayLike, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, list[dict[str, Array]]]:
        """(Z, caches): the raw output (n, n_out) and what each layer computed. Changes nothing."""
        A = self.as_input(X)
        caches = []
        for layer, p in zip(self.layers, self._p, strict=True):
            A, cache = layer.forward(p, A, train=train, rng=rng)
            caches.append(cache)
        return A, caches

    def backward(self, caches: Sequence[dict[str, Array]], dZ: Array) -> tuple[Array, Array]:
        """(dX, grad): the derivative of the loss by the input (n, n_in) and by theta (p,)."""
        grad = np.zeros_like(self.theta)
        views, dA = self.views(grad), dZ
        for i in range(len(self.layers) - 1, -1, -1):
            dA, grads = self.layers[i].backward(self._p[i], caches[i], dA)
            for name, value in grads.items():
                views[f"{i}.{name}"][...] = value
        return dA, grad

    def absorb(self, caches: Sequence[dict[str, Array]]) -> None:
        """Let each layer move its running statistics by what a training step computed."""
        for layer, p, cache in zip(self.layers, self._p, caches, strict=True):
            layer.absorb(p, cache)

    def predict(self, X: ArrayLike) -> Array:
        """The raw output (n, n_out); the loss's `link` turns it into probabilities or counts.

        A row's result does not depend on its neighbours: to the last bit where the compiled engine
        is loaded, which keeps to one order of sums; by NumPy, which computes in float64 whatever
        the dtype, to its rounding.
        """
        matrix, fast = self.as_input(X), Network.compiled_forward
        if fast is not None and (Z := fast(self, matrix)) is not None:
            return Z
        exact = self if self.dtype == np.float64 else self.astype(np.float64)
        return exact.forward(matrix)[0].astype(self.dtype)

    def schedules(self) -> dict[str, Schedule]:
        """The buffers that a schedule drives, by name."""
        return {
            f"{i}.{k}": s
            for i, layer in enumerate(self.layers)
            for k, s in layer.schedules().items()
        }

    def copy(self) -> "Network":
        """An equal network that shares no number with this one."""
        return self.astype(self.dtype)

    def astype(self, dtype: DTypeLike) -> "Network":
        """A copy that computes in another dtype."""
        twin = Network.__new__(Network)
        twin.__setstate__(self.__getstate__() | {"dtype": dtype})
        return twin

    __copy__ = copy  # copies share no number: half a copy would train the other's theta

    def __getstate__(self) -> dict[str, Any]:
        return {
            "n_in": self.n_in, "layers": self.layers, "dtype": self.dtype, "seed": self.seed,
            "numbers": self._parts,
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._allocate(state["n_in"], state["layers"], state["dtype"])
        self.seed = state["seed"]
        for name, value in state["numbers"].items():
            self._parts[name][...] = value

    def _repr_html_(self) -> str:
        """The network drawn, for notebooks."""
        return str(show(self, "html"))

    def __repr__(self) -> str:
        chain = " → ".join([str(self.n_in), *map(repr, self.layers)])
        return f"Network({chain}; {self.theta.size} parameters, {self.dtype})"


def _copy_into(target: Array, value: ArrayLike, name: str) -> None:
    source = as_real(name, value)
    if source.shape != target.shape:
        raise ValueError(
            f"{name} has shape {target.shape}, but got {source.shape}: give it the same shape"
        )
    if source is not target:
        target[...] = source
