"""Layers made of layers: a way around some of them, and the mean of several networks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar, Self

import numpy as np

from .arrays import Array, Arrays, Pass, Random, Shapes
from .equations import EquationText
from .layers import Layer, prefixed, within
from .schedules import Schedule


class Branched(Layer):
    """Y = [X +] share Σ_m f_m(X)   X (n, i)  Y (n, o), each branch f_m a chain of layers.

    dX = [dY +] Σ_m of what goes back through branch m from share dY. X is added where `skip` is
    true; then o = i and share = 1. The names of the inner layers begin with their branch's prefix,
    then comes their place.
    """

    skip: ClassVar[bool] = False
    reach = "row"

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        """F[m,r,j] is what branch m gives, dB[m,r,j] the derivative through it alone."""
        x, dy = ("X[r,j] + ", "dY[r,j] + ") if self.skip else ("", "")
        if len(self.branches) == 1:
            return (
                f"Y[r,j] = {x}F[0,r,j]", "dF[m,r,j] = dY[r,j]", f"dX[r,j] = {dy}dB[0,r,j]"
            )  # fmt: skip
        return (
            (f"Y[r,j] = {x}sum_m(F[m,r,j] / k)", f"Y[r,j] = {x}sum_m(share * F[m,r,j])"),
            ("dF[m,r,j] = dY[r,j] / k", "dF[m,r,j] = share * dY[r,j]"),
            f"dX[r,j] = {dy}sum_m(dB[m,r,j])",
        )

    @property
    def k(self) -> int:
        """How many branches there are."""
        return len(self.branches)

    @property
    def share(self) -> float:
        """The weight of each branch in the sum."""
        return 1.0

    def with_branches(self, chains: Sequence[Sequence[Layer]]) -> Self:
        """The same layer around other chains, one for each branch."""
        raise TypeError(f"{type(self).__name__} has no with_branches: define with_branches(chains)")

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        widths, params, buffers = [n_in] if self.skip else list[int](), Shapes(), Shapes()
        for prefix, chain in self.branches.items():
            n, chain_params, chain_buffers = chain_shapes(chain, n_in)
            widths.append(n)
            params |= prefixed(prefix, chain_params)
            buffers |= prefixed(prefix, chain_buffers)
        for n in widths:
            if n != widths[0]:
                what = "its input" if self.skip else "a branch"
                raise ValueError(
                    f"{type(self).__name__} adds {what} of {widths[0]} columns to a branch of {n}: "
                    "make them equal"
                )
        return widths[0], params, buffers

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        for prefix, chain in self.branches.items():
            Y = X
            for i, layer in enumerate(chain):
                own = within(p, f"{prefix}{i}.")
                layer.initialize(own, rng, Y)
                Y = None if Y is None else layer.forward(own, Y)[0]

    def forward(self, p: Arrays, X: Array, *, train: bool = False, rng: Random = None) -> Pass:
        outputs, cache = list[Array](), dict[str, Array]()
        for prefix, chain in self.branches.items():
            F = X
            for i, layer in enumerate(chain):
                place = f"{prefix}{i}."
                F, inner_cache = layer.forward(within(p, place), F, train=train, rng=rng)
                cache |= prefixed(place, inner_cache)
            outputs.append(F)
            cache[f"{prefix}F"] = F
        return self.combine(X, outputs), cache

    def combine(self, X: Array, outputs: Sequence[Array]) -> Array:
        """Y from the input and the output of each branch."""
        return self._sum(X, [self.shared(F) for F in outputs])

    def shared(self, F: Array) -> Array:
        """What the output of a branch adds to Y; so too, from dY, the derivative by that output."""
        return F if self.share == 1.0 else F.dtype.type(self.share) * F

    def _sum(self, passed: Array, parts: Sequence[Array]) -> Array:
        """The sum of the parts of all branches, and of what passes them by if `skip` is true."""
        return reduce(np.add, [passed, *parts] if self.skip else parts)

    def backward(self, p: Arrays, cache: Arrays, dY: Array) -> Pass:
        inputs, grads = list[Array](), dict[str, Array]()
        for prefix, chain in self.branches.items():
            dF = self.shared(dY)
            for i, layer in reversed(list(enumerate(chain))):
                place = f"{prefix}{i}."
                dF, inner_grads = layer.backward(within(p, place), within(cache, place), dF)
                grads |= prefixed(place, inner_grads)
            inputs.append(dF)
        return self.combine_dX(dY, inputs), grads

    def combine_dX(self, dY: Array, inputs: Sequence[Array]) -> Array:
        """dX from dY and the derivative by each branch's input."""
        return self._sum(dY, inputs)

    def inner_layers(self) -> Iterator[tuple[str, Layer]]:
        """Every inner layer, with what its names begin with."""
        for prefix, chain in self.branches.items():
            for i, layer in enumerate(chain):
                yield f"{prefix}{i}.", layer

    def absorb(self, p: Arrays, cache: Arrays) -> None:
        for place, layer in self.inner_layers():
            layer.absorb(within(p, place), within(cache, place))

    def schedules(self) -> dict[str, Schedule]:
        driven = [prefixed(place, layer.schedules()) for place, layer in self.inner_layers()]
        return {name: schedule for own in driven for name, schedule in own.items()}

    @property
    def random(self) -> bool:
        return any(layer.random for _, layer in self.inner_layers())


@dataclass(frozen=True)
class Residual(Branched):
    """Y = X + f(X), f a list of layers that gives back as many columns as it takes. He et al. 2016.

    The names of the inner layers carry their place: "0.W" of the first, so "3.0.W" in a network.
    """

    layers: tuple[Layer, ...]
    skip = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _chain(self.layers))
        if not self.layers:
            raise ValueError("Residual got no layers: give the list that its branch runs through")
        _require_layers(self)

    @property
    def branches(self) -> Mapping[str, tuple[Layer, ...]]:
        return {"": self.layers}

    def with_branches(self, chains: Sequence[Sequence[Layer]]) -> Self:
        return replace(self, layers=tuple(chains[0]))


@dataclass(frozen=True)
class Average(Branched):
    """Y = 1/k Σ_m f_m(X), each of the k `members` f_m a list of layers; all give as many columns.

    The mean of several networks as one. The names of the inner layers carry member and place:
    "1.0.W" of the first layer of the second member, so "0.1.0.W" in a network.
    """

    members: tuple[tuple[Layer, ...], ...]

    def __post_init__(self) -> None:
        members = self.members if isinstance(self.members, tuple | list) else ()
        object.__setattr__(self, "members", tuple(_chain(member) for member in members))
        if not self.members or not all(self.members):
            raise ValueError("Average got no member, or one without layers: give lists of layers")
        _require_layers(self)

    @property
    def share(self) -> float:
        return 1.0 / len(self.members)

    @property
    def branches(self) -> Mapping[str, tuple[Layer, ...]]:
        return {f"{m}.": member for m, member in enumerate(self.members)}

    def with_branches(self, chains: Sequence[Sequence[Layer]]) -> Self:
        return replace(self, members=tuple(tuple(chain) for chain in chains))


def _require_layers(owner: Branched) -> None:
    for _, layer in owner.inner_layers():
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(owner).__name__} got {layer!r}: give layers, as in [Dense(3)]")


def _chain(layers: Any) -> tuple[Layer, ...]:
    return tuple(layers) if isinstance(layers, tuple | list) else ()


def chain_shapes(layers: tuple[Layer, ...], n_in: int) -> tuple[int, Shapes, Shapes]:
    """`shapes` of layers one after the other, each name with its layer's number."""
    params: Shapes = {}
    buffers: Shapes = {}
    for i, layer in enumerate(layers):
        n_in, layer_params, layer_buffers = layer.shapes(n_in)
        params |= prefixed(f"{i}.", layer_params)
        buffers |= prefixed(f"{i}.", layer_buffers)
    return n_in, params, buffers


def walk(layers: Iterable[Layer], n_in: int) -> Iterator[tuple[Layer, int, int]]:
    """Every layer with its numbers of inputs and outputs; inner layers come before their owner."""
    for layer in layers:
        n_out = layer.shapes(n_in)[0]
        for chain in layer.branches.values():
            yield from walk(chain, n_in)
        yield layer, n_in, n_out
        n_in = n_out
