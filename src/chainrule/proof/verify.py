"""The proof of a trace: every number of it made anew, three ways.

In plain Python's floats, in 40 digits, and, for what is a derivative of the loss, by central
differences of the loss. No NumPy and nothing of `core`.
"""

import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..formulas.expression import derivative_of
from .arithmetic import decimals, floats
from .differences import Difference, Probe, cost
from .recompute import Recomputation, places_of

U = 2.0**-53
LARGEST = sys.float_info.max
TINY = sys.float_info.min  # below it a product keeps few digits or none
MOST = 100_000  # multiply-adds of a step up to which every number is made anew
DRAWN = 200  # numbers that are drawn beyond
EFFORT = 200_000  # numbers made anew for central differences
PAIRS = 20_000_000  # multiply-adds for them

Place = tuple[str, tuple[int, ...]]  # the name of a value, an index


@dataclass(frozen=True)
class Check:
    """One number: in the trace, made anew in floats and in 40 digits, and how far off it may be."""

    address: str
    value: float
    scalar: float
    exact: float
    off: float  # |value - exact| with all 40 digits
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the number is what it should be, but for rounding."""
        if not math.isfinite(self.value):
            return math.isinf(self.value) and self.allowed == math.inf
        near = abs(self.value - self.scalar) <= 2 * self.allowed + math.ulp(self.value)
        return near and self.off <= self.allowed + 0.5 * math.ulp(self.value)

    @property
    def ulps(self) -> float:
        """How far off, in units of the last place of the larger of the two."""
        return self.off / math.ulp(max(abs(self.exact), abs(self.value)))

    @property
    def share(self) -> float:
        """How far off, as a share of what rounding explains."""
        return self.off / self.allowed if self.off else 0.0

    def __str__(self) -> str:
        allowed = self.allowed / math.ulp(max(abs(self.exact), abs(self.value)))
        return (
            f"{self.address} is {self.value!r} in the trace, but {self.exact!r} from the numbers "
            f"it is made of: {self.ulps:.3g} units in the last place, and rounding explains "
            f"{allowed:.3g}"
        )


@dataclass(frozen=True)
class Verification:
    """What `verify` found. True where every number that was made anew is what it should be."""

    checks: tuple[Check, ...] = field(repr=False)
    differences: tuple[Difference, ...] = field(repr=False)
    count: int
    parameters: int
    unknown: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.failures and all(one.holds for one in self.differences)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The numbers that are not, in the order in which they were computed."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def worst(self) -> Check:
        """The number farthest from its 40 digits, as a share of what rounding explains."""
        return max(self.checks, key=lambda check: check.share)

    def __str__(self) -> str:
        drawn = "" if len(self.checks) == self.count else f" of {self.count}, drawn by seed"
        if not self:
            wrong = [*self.failures, *(one for one in self.differences if not one.holds)]
            return f"refused: {wrong[0]}"
        far = self.worst
        lines = [
            f"proven: {len(self.checks)} numbers{drawn} made anew in plain Python and in 40 digits",
            f"the farthest, {far.address}, is {far.ulps:.2g} units in the last place off, "
            f"{far.share:.0%} of what rounding explains",
        ]
        if self.differences:
            apart = max((one.error for one in self.differences if not one.kink), default=0.0)
            kinks = sum(one.kink for one in self.differences)
            lines.append(
                f"central differences of {len(self.differences)} of {self.parameters} parameters: "
                f"at most {apart:.1e} apart, relatively" + (f", {kinks} at a kink" if kinks else "")
            )
        elif not self.unknown:
            lines.append("no central differences: they would take too many multiply-adds")
        if self.unknown:
            lines.append(f"not made anew, for want of a formula: {', '.join(self.unknown)}")
        return "; ".join(lines)


def verify(trace: Any, *addresses: str, seed: int = 0) -> Verification:
    """Make the numbers of a trace anew: all of a small step, of a large one these and 200 drawn.

    Raises ValueError for an address that names nothing.
    """
    asked = tuple(trace.find(address) for address in addresses)
    scalar = Recomputation(trace, floats(), bounds=False)
    exact = Recomputation(trace, decimals())
    names = exact.names
    unknown = tuple(name for name in trace.values if name not in {*names, "Y"})
    every = sum(math.prod(trace.values[name].shape) for name in names)
    if multiply_adds(trace) > MOST:
        drawn = random.Random(seed).sample(range(every), min(DRAWN, every))
        first = [place for place in (_slope(one, trace) for one in asked) if place[0] in names]
        chosen = [*first, *_numbered(trace, names, sorted(drawn))]
    else:
        chosen = list(_all(trace, names))
    checks = tuple(_check(trace, scalar, exact, name, at) for name, at in chosen)
    differences = () if unknown else _differences(trace, asked, seed)
    return Verification(checks, differences, every, trace.net.theta.size, unknown)


def _differences(trace: Any, asked: tuple[Place, ...], seed: int) -> tuple[Difference, ...]:
    """Central differences of all parameters, or of these and as many drawn as the effort allows."""
    names, size = list(trace.net.shapes), int(trace.net.theta.size)
    most = min(EFFORT // cost(trace), PAIRS // (1 + multiply_adds(trace) // 3)) // 2
    chosen = [place for place in asked if place[0] in names and size > most][:most]
    count = min(size, most) - len(chosen)
    chosen += _parameters(trace, sorted(random.Random(seed).sample(range(size), max(0, count))))
    probe = Probe(trace) if chosen else None
    return tuple(probe.difference(name, at) for name, at in dict.fromkeys(chosen) if probe)


def _parameters(trace: Any, numbers: list[int]) -> Iterator[Place]:
    """The parameters with these numbers in theta."""
    slopes = {derivative_of(name): name for name in trace.net.shapes}
    for name, at in _numbered(trace, list(slopes), numbers):
        yield slopes[name], at


def multiply_adds(trace: Any) -> int:
    """About how many multiply-adds the step took."""
    sizes: list[int] = [math.prod(place.p["W"].shape) for place in trace.places if "W" in place.p]
    return 3 * len(trace.batch) * sum(sizes)


def _slope(place: Place, trace: Any) -> Place:
    """A parameter's gradient in its place: that is what is made anew of it."""
    name, at = place
    return (derivative_of(name), at) if name in trace.net.shapes else place


def _numbered(trace: Any, names: list[str], numbers: list[int]) -> Iterator[Place]:
    """The numbers of these values that have these numbers in a row, smallest first."""
    start, left = 0, iter(numbers)
    wanted = next(left, None)
    for name in names:
        shape = trace.values[name].shape
        size = math.prod(shape)
        while wanted is not None and wanted < start + size:
            at, rest = [], wanted - start
            for length in reversed(shape):
                rest, i = divmod(rest, length)
                at.append(i)
            yield name, tuple(reversed(at))
            wanted = next(left, None)
        start += size


def _all(trace: Any, names: list[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in names:
        for at in places_of(trace[name].shape):
            yield name, at


def _overflows(exact: Recomputation, name: str, at: tuple[int, ...], value: float) -> bool:
    """Whether a number is beyond the largest float on that side: 1 / 0 at a saturated output."""
    try:
        return bool(exact.number(name, at)[0] * math.copysign(1.0, value) > LARGEST)
    except ZeroDivisionError:
        return name == "dl_dYhat"


def _check(
    trace: Any, scalar: Recomputation, exact: Recomputation, name: str, at: tuple[int, ...]
) -> Check:
    value = float(trace.values[name][at])
    address = f"{name}[{','.join(map(str, at))}]" if at else name
    if math.isinf(value) and _overflows(exact, name, at, value):
        return Check(address, value, value, value, 0.0, math.inf)
    anew, bound = exact.number(name, at)
    try:
        plain = float(scalar.number(name, at)[0])
    except ArithmeticError:  # what floats cannot divide, 40 digits can
        plain = float(anew)
    off = float(abs(exact.kind.of(value) - anew)) if math.isfinite(value) else math.inf
    allowed = U * bound + TINY if math.isfinite(value) else 0.0
    return Check(address, value, plain, float(anew), off, allowed)
