"""Central differences: the loss with one number a little larger and a little smaller, made anew
from the input to L in plain Python.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from ..formulas import d, kind
from .arithmetic import floats
from .redo import Redo
from .redo_layers import add_layers
from .redo_loss import add_loss

STEP = 2.0**-18  # the cube root of u, relative to the number: truncation and rounding in balance
NEAR = 1e-5  # relative to the larger of the slope and what the step can resolve
U = 2.0**-53
MARGIN = 4.0  # for the layers before the last


@dataclass(frozen=True)
class Difference:
    """(L(x + h) - L(x - h)) / 2h beside dL/dx. `kink` where the loss bends between the two."""

    address: str
    slope: float
    difference: float
    step: float
    error: float  # relative
    kink: bool

    @property
    def holds(self) -> bool:
        """Whether the two agree, or cannot because of a kink."""
        return self.kink or self.error <= NEAR

    def __str__(self) -> str:
        bend = "; there is a kink between the two" if self.kink else ""
        return (
            f"∂L/∂{self.address} is {self.slope!r} in the trace, and {self.difference!r} by "
            f"central differences with ε = {self.step:.3g}: {self.error:.2g} apart, relatively"
            f"{bend}"
        )


class Probe:
    """The loss of a trace as a function of its parameters, in plain Python."""

    def __init__(self, trace: Any) -> None:
        self.trace = trace
        self.redo = self._redo()
        self.forward = self._names()
        self.noise = self._noise()

    def _names(self) -> list[str]:
        """What must be made anew for the loss, in order: no draws, nothing backwards."""
        names = list(self.trace.values)
        end = names.index("L") + 1
        slopes = ("dl_dZ", "dl_dYhat", "dYhat_dZ")
        forward = [n for n in names[:end] if n in self.redo.rules and n not in slopes]
        return [n for n in forward if not n.endswith(".M")]

    def _noise(self) -> float:
        """What rounding may make of L: in the loss of each output, and in z before it, which a
        small loss of a large z feels most.
        """
        redo, trace = self._redo(bounds=True), self.trace
        total = redo.number("L", ())[1] + redo.number("L_data", ())[1]
        slopes = trace.values[d(trace.output)]
        for r, row in enumerate(trace.values["l"].tolist()):
            for k, _ in enumerate(row):
                total += float(trace.values["dL_dl"][r, 0]) * redo.number("l", (r, k))[1]
                total += abs(float(slopes[r, k])) * redo.number(trace.output, (r, k))[1]
        return MARGIN * U * total

    def _redo(self, bounds: bool = False) -> Redo:
        redo = Redo(self.trace, floats(), bounds)
        add_layers(redo)
        add_loss(redo)
        return redo

    def loss(self, name: str, index: tuple[int, ...], value: float) -> tuple[float, list[int]]:
        """(L, on which side of each kink the units are) with one parameter at another value."""
        redo = self.redo
        redo.begin({})  # what the trace has, not what was made anew before
        redo.begin({name: _replaced(redo.all(name), index, value)})
        for made in self.forward:
            redo.fresh[made] = _made(redo, made, self.trace.values[made].shape)
        return float(redo.fresh["L"]), self._sides(redo)

    def _sides(self, redo: Redo) -> list[int]:
        """For each unit before a kink the number of kinks below it, and where the loss has one."""
        found = []
        for place in self.trace.places:
            for kink in place.layer.kinks:
                found += [z > kink for row in redo.all(place.x) for z in row]
        loss = kind(self.trace.settings.loss)
        pairs = [
            pair for rows in zip(redo.all(self.trace.output), redo.all("Y"), strict=True)
            for pair in zip(*rows, strict=True)
        ]  # fmt: skip
        if loss in ("AbsoluteError", "Pinball"):
            found += [z > y for z, y in pairs]
        if loss == "Hinge":
            found += [z * y < 1 for z, y in pairs]
        return found

    def difference(self, name: str, index: tuple[int, ...]) -> Difference:
        """The central difference of one parameter beside its gradient, penalty included."""
        slope = float(self.trace.values[d(name)][index])
        if f"{name}.penalty" in self.trace.values:
            slope += float(self.trace.values[f"{name}.penalty"][index])
        h = STEP * max(abs(float(self.trace[name][index])), 1.0)
        found = self._at_step(name, index, slope, h)
        if found.holds:
            return found
        finer = self._at_step(name, index, slope, h / 16)  # curvature may be in the way
        apart = abs(finer.difference - found.difference)  # which is what it explains
        seen = max(abs(slope), abs(finer.difference), apart / NEAR)
        return replace(finer, error=min(finer.error, abs(finer.difference - slope) / seen))

    def _at_step(self, name: str, index: tuple[int, ...], slope: float, h: float) -> Difference:
        at = float(self.trace[name][index])
        (high, one), (low, other) = (self.loss(name, index, at + s * h) for s in (1.0, -1.0))
        difference = (high - low) / (2.0 * h)
        noise = self.noise + MARGIN * U * max(abs(high), abs(low))
        seen = max(abs(slope), abs(difference), noise / h / NEAR, 1e-300)
        address = f"{name}[{','.join(map(str, index))}]"
        crossed = one != other or (self.trace.settings.penalty is not None and abs(at) < h)
        return Difference(address, slope, difference, h, abs(difference - slope) / seen, crossed)


def _replaced(lists: Any, index: tuple[int, ...], value: float) -> Any:
    """The lists with another number at one place; the others are shared."""
    if not index:
        return value
    i, *rest = index
    return [_replaced(one, tuple(rest), value) if k == i else one for k, one in enumerate(lists)]


def _made(redo: Redo, name: str, shape: tuple[int, ...]) -> Any:
    """A value anew, as nested lists."""
    if not shape:
        return redo.number(name, ())[0]
    if len(shape) == 1:
        return [redo.number(name, (i,))[0] for i in range(shape[0])]
    if len(shape) == 2:
        return [[redo.number(name, (r, j))[0] for j in range(shape[1])] for r in range(shape[0])]
    return [[[redo.number(name, (r, a, b))[0] for b in range(shape[2])] for a in range(shape[1])]
            for r in range(shape[0])]  # fmt: skip


def cost(trace: Any) -> int:
    """How many numbers a loss anew takes."""
    names = list(trace.values)
    return sum(math.prod(trace.values[n].shape) for n in names[: names.index("L") + 1])
