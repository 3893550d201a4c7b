"""The numbers of a step by name, and where each layer stands among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..core.arrays import Array
from ..core.epoch import Batch, StepSettings
from ..core.layers import Layer
from ..core.network import Network


class Place(NamedTuple):
    """A layer on the way from X to Z. The layers inside a layer come before it, one by one.

    `x` and `y` are the names of its input and output among the values, `inside` those of the
    outputs of each branch of a Residual or an Average.
    """

    name: str
    layer: Layer
    p: dict[str, Array]
    cache: dict[str, Array]
    x: str
    y: str
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class StepNumbers:
    """Every number of one training step; `Trace` adds addresses and equations.

    `values` holds every number by name, in the order of computation. `net` is the network before
    the step, `places` its layers in order, `rows` the cells of each row on their way through the
    preparation (empty without one). `unit` is the name of a numeric target, and how much of it a
    raw output of 1 is. `start` is the state of the random generator before the step.
    """

    net: Network
    settings: StepSettings
    batch: Batch
    lr: float
    decay: float
    state: Mapping[str, Array]
    start: Any
    places: tuple[Place, ...]
    values: Mapping[str, Array]
    features: tuple[str, ...]
    rows: tuple[Sequence[Any], ...] = field(default=(), repr=False)
    unit: tuple[str, float] = ("", 1.0)

    @property
    def output(self) -> str:
        """The name of the raw output, where the layers end and the loss begins."""
        return self.places[-1].y

    @property
    def numbers(self) -> dict[str, Array]:
        """The parameters and buffers before the step, by name."""
        return {name: self.net[name] for name in (*self.net.shapes, *self.net.buffer_shapes)}

    @property
    def columns(self) -> dict[str, list[int]]:
        """The columns of X that each input of the table became, by the input's name."""
        if not self.rows:
            return {name: [i] for i, name in enumerate(self.features)}
        return {cell.column: list(cell.places) for cell in self.rows[0]}

    def __getitem__(self, name: str) -> Array:
        """A value, parameter or buffer by name."""
        return self.values[name] if name in self.values else self.net[name]
