"""Central differences: the loss with one number a little larger and a little smaller, recomputed
from the input to L in plain Python.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..formulas.equation import Index
from ..formulas.expression import Formula, derivative_of, evaluate
from .recompute import Recomputation

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
        self.recomputed = Recomputation(trace, bounds=False)
        self.forward = self._names()
        self.noise = self._noise()

    def _names(self) -> list[str]:
        """The values that the loss is recomputed from, in order: no draws, no derivatives."""
        names = self.recomputed.names
        skipped = ("dl_dZ", "dl_dYhat", "dYhat_dZ")
        forward = names[: names.index("L") + 1]
        return [name for name in forward if name not in skipped and not name.endswith(".M")]

    def _noise(self) -> float:
        """What rounding may change in L: in the loss of each output, and in the z before it, which
        matters most for a small loss of a large z.
        """
        recomputed, trace = Recomputation(self.trace), self.trace
        total = recomputed.number("L", ())[1] + recomputed.number("L_data", ())[1]
        slopes = trace.values[derivative_of(trace.output)]
        for r, row in enumerate(trace.values["l"].tolist()):
            for k in range(len(row)):
                total += float(trace.values["dL_dl"][r, 0]) * recomputed.number("l", (r, k))[1]
                total += abs(float(slopes[r, k])) * recomputed.number(trace.output, (r, k))[1]
        return MARGIN * U * total

    def loss(self, name: str, index: tuple[int, ...], value: float) -> tuple[float, list[bool]]:
        """(L, the side of each kink that every unit is on) with another value of one parameter."""
        recomputed = self.recomputed
        changed = _replaced(self.trace[name].tolist(), index, value)
        recomputed.begin(self._unchanged | {name: changed})
        self._recompute(self._dependent_on(name))
        return float(recomputed.fresh["L"]), self._sides()

    @cached_property
    def _unchanged(self) -> dict[str, Any]:
        """Every value from the input to L, recomputed from the parameters as they are."""
        self.recomputed.begin({})
        self._recompute(self.forward)
        return self.recomputed.fresh

    def _recompute(self, names: list[str]) -> None:
        fresh = self.recomputed.fresh
        for name in names:
            fresh.pop(name, None)
        for name in names:
            fresh[name] = _recomputed(self.recomputed, name, self.trace.values[name].shape)

    def _dependent_on(self, name: str) -> list[str]:
        """The values between a parameter and L that change with it, in order."""
        changing = {name}
        for value in self.forward:
            if any(changing & one.reads for one in self.trace.equations.get(value, ())):
                changing.add(value)
        return [value for value in self.forward if value in changing]

    def _sides(self) -> list[bool]:
        """For each unit and each kink of its layer or the loss, whether the unit is above it."""
        trace, fresh, sides = self.trace, self.recomputed.fresh, list[bool]()
        for place in trace.places:
            for kink in place.layer.kinks:
                X = fresh[place.x] if place.x in fresh else trace[place.x].tolist()
                sides += [z > kink for row in X for z in row]
        for formula in map(Formula, trace.settings.loss.kinks):
            for Z, Y in zip(fresh[trace.output], trace["Y"].tolist(), strict=True):
                pairs = zip(Z, Y, strict=True)
                sides += [evaluate(formula, {"z": z, "y": y}) > 0 for z, y in pairs]
        return sides

    def difference(self, name: str, index: tuple[int, ...]) -> Difference:
        """The central difference of one parameter, compared with its gradient, penalty included."""
        slope = float(self.trace.values[derivative_of(name)][index])
        if f"{name}.penalty" in self.trace.values:
            slope += float(self.trace.values[f"{name}.penalty"][index])
        h = STEP * max(abs(float(self.trace[name][index])), 1.0)
        coarse = self._at_step(name, index, slope, h)
        if coarse.holds:
            return coarse
        finer = self._at_step(name, index, slope, h / 16)  # curvature may be in the way
        curvature = abs(finer.difference - coarse.difference)
        size = max(abs(slope), abs(finer.difference), curvature / NEAR)
        return replace(finer, error=min(finer.error, abs(finer.difference - slope) / size))

    def _at_step(self, name: str, index: tuple[int, ...], slope: float, h: float) -> Difference:
        at = float(self.trace[name][index])
        high, sides_above = self.loss(name, index, at + h)
        low, sides_below = self.loss(name, index, at - h)
        difference = (high - low) / (2.0 * h)
        noise = self.noise + MARGIN * U * max(abs(high), abs(low))
        size = max(abs(slope), abs(difference), noise / h / NEAR, 1e-300)
        address = f"{name}[{','.join(map(str, index))}]"
        penalised = self.trace.settings.penalty is not None
        kink = sides_above != sides_below or (penalised and abs(at) < h)
        return Difference(address, slope, difference, h, abs(difference - slope) / size, kink)


def _replaced(lists: Any, index: Sequence[int], value: float) -> Any:
    """The lists with another number at one place; the others are shared."""
    if not index:
        return value
    i, *rest = index
    return [_replaced(part, rest, value) if k == i else part for k, part in enumerate(lists)]


def _recomputed(recomputed: Recomputation, name: str, shape: Index, at: Index = ()) -> Any:
    """A value recomputed, as nested lists."""
    if len(at) == len(shape):
        return recomputed.number(name, at)[0]
    return [_recomputed(recomputed, name, shape, (*at, i)) for i in range(shape[len(at)])]


def cost(trace: Any) -> int:
    """How many numbers must be recomputed for one loss."""
    names = list(trace.values)
    return sum(math.prod(trace.values[n].shape) for n in names[: names.index("L") + 1])
