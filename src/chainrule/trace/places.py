"""A layer in a trace, and what a trace is to those who read it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ..core.arrays import Array
from ..core.epoch import Batch, StepSettings
from ..core.layers import Layer
from ..core.network import Network


class Place(NamedTuple):
    """A layer on the way from X to Z; those inside of it come before it, one by one.

    `x` and `y` are the names of its input and output among the values, `inside` of what each branch
    of a Residual or an Average gave.
    """

    name: str
    layer: Layer
    p: dict[str, Array]
    cache: dict[str, Array]
    x: str
    y: str
    inside: tuple[str, ...] = ()


class Traced(Protocol):
    """What addresses and equations read of a trace; `Trace` has it."""

    @property
    def net(self) -> Network:
        """The network before the step."""

    @property
    def settings(self) -> StepSettings:
        """Loss, optimizer, penalty, clip."""

    @property
    def batch(self) -> Batch:
        """The rows of the step."""

    @property
    def lr(self) -> float:
        """The learning rate of the step."""

    @property
    def decay(self) -> float:
        """The weight decay of the step."""

    @property
    def state(self) -> Mapping[str, Array]:
        """The optimizer's state before the step."""

    @property
    def places(self) -> tuple[Place, ...]:
        """The layers in order."""

    @property
    def values(self) -> Mapping[str, Array]:
        """Every number of the step, by name."""

    @property
    def numbers(self) -> dict[str, Array]:
        """The parameters and buffers before the step, by name."""

    @property
    def columns(self) -> dict[str, list[int]]:
        """The columns of X that each input became."""

    @property
    def output(self) -> str:
        """The name of the raw output."""

    def __getitem__(self, name: str) -> Array:
        """A value, parameter or buffer by name."""
