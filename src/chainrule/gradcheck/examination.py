"""What the checks of check_gradients share: the points at which both gradients were measured, and
the findings.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..writing.words import in_text
from .slopes import Point, SlopeMeasurer
from .user_code import Block, UserCode, stretch


@dataclass(frozen=True)
class Finding:
    """A cause, its evidence in sentences, the arrays it lies in, and g / d for a factor."""

    cause: str
    evidence: tuple[str, ...]
    where: tuple[str, ...] = ()
    factor: float | None = None


@dataclass
class Examination:
    """One gradient under examination: the user's code, the points at which it was measured, and
    which entries are compared.

    `rows` is the number of rows, None if the user did not say.
    """

    code: UserCode
    measurer: SlopeMeasurer
    rows: int | None
    entries: Array
    points: list[Point] = field(default_factory=list)

    @property
    def blocks(self) -> list[Block]:
        """The arrays of the parameters."""
        return self.code.layout.blocks

    @property
    def wrong(self) -> Array:
        """Which entries are wrong at any point (n,)."""
        return np.asarray(np.any([point.wrong for point in self.points], axis=0))

    @property
    def sloping(self) -> Array:
        """Which entries have a clear slope at some point (n,)."""
        return np.asarray(np.any([point.clear for point in self.points], axis=0))

    @property
    def generic(self) -> Point:
        """A point away from the given one, where nothing is zero or equal by chance."""
        return self.points[-1]

    @property
    def moved_points(self) -> list[Point]:
        """The points other than the given one, or the only point."""
        return self.points[1:] or self.points

    def wrong_blocks(self) -> list[Block]:
        """The blocks with a wrong entry, in the order of the parameters."""
        return self._blocks_where(self.wrong, True)

    def right_blocks(self) -> list[Block]:
        """The blocks without a wrong entry."""
        return self._blocks_where(self.wrong, False)

    def flat_blocks(self) -> list[Block]:
        """The blocks without a clear slope at any point."""
        return self._blocks_where(self.sloping, False)

    def _blocks_where(self, marked: Array, value: bool) -> list[Block]:
        return [block for block in self.blocks if marked[block.span].any() == value]

    def wrong_parts(self) -> list[Block]:
        """The wrong blocks; in a flat vector the stretch from its first wrong entry to its last."""
        if not self.code.layout.flat:
            return self.wrong_blocks()
        places = np.flatnonzero(self.wrong)
        return [stretch(int(places[0]), int(places[-1]) + 1)]

    def compared(self, block: Block) -> Array:
        """The entries of a block that are compared, by their place in theta."""
        return self.entries[(self.entries >= block.start) & (self.entries < block.stop)]

    def measured(self, where: Array) -> Array:
        """g, d, their tolerance and theta (4, k) at the comparable entries among these, at all
        points one after the other.
        """
        points = [
            np.array([p.g, p.d, p.tolerance, p.theta])[:, where & p.comparable] for p in self.points
        ]
        return np.hstack(points)

    def new_point(self, theta: Array, entries: Array | None = None) -> Point:
        """Both gradients at another theta."""
        return self.measurer.point(theta, self.entries if entries is None else entries)

    def point_with(
        self, theta: Array, where: slice | int, values: Any, entries: Array | None = None
    ) -> Point:
        """Both gradients at theta with other values at some entries."""
        moved = theta.copy()
        moved[where] = values
        return self.new_point(moved, entries)

    def worst(self) -> tuple[Point, int]:
        """The point and the entry with the largest difference, in units of its block's largest."""

        def error(place: tuple[Point, int]) -> float:
            point, k = place
            sizes = np.abs(point.d[self.code.layout.block(k).span])
            return float(abs(point.g[k] - point.d[k])) / (float(np.nanmax(sizes)) or 1.0)

        return max(((p, int(k)) for p in self.points for k in np.flatnonzero(p.wrong)), key=error)

    def finding(
        self, cause: str, *evidence: str, where: Iterable[Block] | None = None,
        factor: float | None = None, reason: str = "",
    ) -> Finding:  # fmt: skip
        """A cause with its sentences, the worst example and the reason, if any. It lies in the
        wrong parts, unless `where` says otherwise.
        """
        point, k = self.worst()
        example = (
            f"at {self.code.layout.block(k).entry(k)} the gradient is {six_digits(point.g[k])}, "
            f"but central differences give {six_digits(point.d[k])} ± {point.bar[k]:.1g}"
        )
        sentences = (*evidence, example, reason) if reason else (*evidence, example)
        places = tuple(block.name for block in (self.wrong_parts() if where is None else where))
        return Finding(cause, sentences, places, factor)


def first(findings: Iterable[Finding | None]) -> Finding | None:
    """The first finding, None if there is none; what comes after it is not computed."""
    return next(filter(None, findings), None)


def agree(a: Array, b: Array, tolerance: Array) -> bool:
    """Whether two gradients agree wherever both are finite, and are not 0 everywhere."""
    finite = np.isfinite(a) & np.isfinite(b)
    a, b, tolerance = a[finite], b[finite], tolerance[finite]
    return bool(np.all(np.abs(a - b) <= 3 * tolerance) and np.any(np.abs(b) > 20 * tolerance))


def names(blocks: Iterable[Block]) -> str:
    """W1, b1 and W2."""
    parts = [block.name for block in blocks]
    if len(parts) > 6:
        parts = [*parts[:5], f"{len(parts) - 5} more"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def six_digits(value: float) -> str:
    """A number in a sentence, precise enough to compare gradients."""
    return in_text(value, 6)
