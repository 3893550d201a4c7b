"""The proof of a trace: every number recomputed in plain Python's floats and in 40 digits, and the
derivatives of the loss by central differences too. No NumPy and nothing of `core`.
"""

import math
import random
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from ..formulas.expression import derivative_of
from ..renamed import RenamedAttribute
from .arithmetic import decimals
from .differences import Difference, Probe, cost
from .recompute import Recomputation

U = 2.0**-53
LARGEST = sys.float_info.max
TINY = sys.float_info.min  # below it a product keeps few digits or none
MAX_FULL_CHECK = 100_000  # multiply-adds of a step up to which every number is recomputed
SAMPLED = 200  # numbers drawn from a larger step
MAX_RECOMPUTED = 200_000  # numbers recomputed for central differences
MAX_MULTIPLY_ADDS = 20_000_000  # for them

Place = tuple[str, tuple[int, ...]]  # the name of a value, an index


@dataclass(frozen=True)
class Check:
    """One number: in the trace, recomputed in floats and in 40 digits, and its allowed error."""

    address: str
    value: float
    scalar: float
    exact: float
    off: float  # |value - exact| with all 40 digits
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the number is right, except for rounding."""
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
    """The result of `verify`: true if every recomputed number agrees with the trace."""

    checks: tuple[Check, ...] = field(repr=False)
    differences: tuple[Difference, ...] = field(repr=False)
    numbers: int
    parameters: int
    unknown: tuple[str, ...]
    count = RenamedAttribute("numbers")

    def __bool__(self) -> bool:
        return not self.failures and all(one.holds for one in self.differences)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The numbers that do not agree, in the order in which they were computed."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def worst(self) -> Check:
        """The number farthest from its 40 digits, as a share of what rounding explains."""
        return max(self.checks, key=lambda check: check.share)

    def __str__(self) -> str:
        drawn = "" if len(self.checks) == self.numbers else f" of {self.numbers}, drawn by seed"
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
    """Recompute the numbers of a trace: all of a small step, or these and 200 drawn of a large one.

    Raises ValueError for an address that names nothing.
    """
    required = [trace.find(address) for address in addresses]
    scalar, exact = Recomputation(trace, bounds=False), Recomputation(trace, decimals())
    names = exact.names
    unknown = tuple(name for name in trace.values if name not in {*names, "Y"})
    count = sum(trace.values[name].size for name in names)
    chosen: list[Place] = []
    positions: Sequence[int] = range(count)
    if multiply_adds(trace) > MAX_FULL_CHECK:
        shapes = trace.net.shapes  # a parameter is proven by its gradient
        places = [(derivative_of(n) if n in shapes else n, index) for n, index in required]
        chosen = [place for place in places if place[0] in names]
        positions = sorted(random.Random(seed).sample(positions, min(SAMPLED, count)))
    chosen += _numbered(trace, names, positions)
    checks = tuple(_check(trace, scalar, exact, name, at) for name, at in chosen)
    differences = () if unknown else _differences(trace, required, seed)
    return Verification(checks, differences, count, trace.net.theta.size, unknown)


def _differences(trace: Any, required: list[Place], seed: int) -> tuple[Difference, ...]:
    """Central differences of all parameters, or of these and as many drawn as the effort allows."""
    parameter_of = {derivative_of(name): name for name in trace.net.shapes}
    size = int(trace.net.theta.size)
    most = (
        min(MAX_RECOMPUTED // cost(trace), MAX_MULTIPLY_ADDS // (1 + multiply_adds(trace) // 3))
        // 2
    )
    chosen = [place for place in required if place[0] in trace.net.shapes and size > most][:most]
    count = max(0, min(size, most) - len(chosen))
    positions = sorted(random.Random(seed).sample(range(size), count))
    slopes = _numbered(trace, list(parameter_of), positions)
    chosen += [(parameter_of[name], index) for name, index in slopes]
    probe = Probe(trace) if chosen else None
    return tuple(probe.difference(name, at) for name, at in dict.fromkeys(chosen) if probe)


def multiply_adds(trace: Any) -> int:
    """About how many multiply-adds the step took."""
    weights: int = sum(place.p["W"].size for place in trace.places if "W" in place.p)
    return 3 * len(trace.batch) * weights


def _numbered(trace: Any, names: Sequence[str], positions: Iterable[int]) -> Iterator[Place]:
    """The numbers at these positions of the values when these stand one after the other."""
    ends = list(accumulate(trace.values[name].size for name in names))
    for position in positions:
        nth = bisect_right(ends, position)
        array = trace.values[names[nth]]
        rest, index = position - ends[nth] + array.size, list[int]()
        for length in reversed(array.shape):
            rest, i = divmod(rest, length)
            index.insert(0, i)
        yield names[nth], tuple(index)


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
    decimal, bound = exact.number(name, at)
    try:
        plain = float(scalar.number(name, at)[0])
    except ArithmeticError:  # what floats cannot divide, 40 digits can
        plain = float(decimal)
    off = float(abs(exact.kind.of(value) - decimal)) if math.isfinite(value) else math.inf
    allowed = U * bound + TINY if math.isfinite(value) else 0.0
    return Check(address, value, plain, float(decimal), off, allowed)
