"""What the checks of check_gradients share: the points where both gradients are known, and how one
is held against a guess about the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.arrays import Array
from .code import Block, Code, stretch
from .slopes import Point, Ruler


@dataclass(frozen=True)
class Finding:
    """A cause, its evidence in sentences, where it is and the factor it comes with, if any."""

    cause: str
    evidence: tuple[str, ...]
    where: tuple[str, ...] = ()
    factor: float | None = None


@dataclass
class Case:
    """One gradient under examination: the code, the ruler, points, and which entries were asked.

    `rows` is the number of rows, None where the user did not say.
    """

    code: Code
    ruler: Ruler
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

    def wrong_blocks(self) -> list[Block]:
        """The blocks with a wrong entry, in the order of the parameters."""
        wrong = self.wrong
        return [block for block in self.blocks if wrong[block.span].any()]

    def right_blocks(self) -> list[Block]:
        """The blocks without a wrong entry."""
        bad = {block.name for block in self.wrong_blocks()}
        return [block for block in self.blocks if block.name not in bad]

    def runs(self) -> list[Block]:
        """The wrong places: blocks, or in a flat vector the stretch from the first wrong entry to
        the last.
        """
        if not self.code.layout.flat:
            return self.wrong_blocks()
        places = np.flatnonzero(self.wrong)
        return [stretch(int(places[0]), int(places[-1]) + 1)]

    def drawn(self, block: Block) -> Array:
        """The entries of a block that are compared, by their place in theta."""
        return self.entries[(self.entries >= block.start) & (self.entries < block.stop)]

    def known(self, where: Array) -> Array:
        """g, d, their tolerance and theta (4, k) at the known entries among these, of all points
        one after the other.
        """
        parts = [
            np.array([p.g, p.d, p.tolerance, p.theta])[:, where & p.known] for p in self.points
        ]
        return np.hstack(parts)

    @property
    def seen(self) -> Array:
        """Which entries have a clear slope at some point (n,)."""
        return np.asarray(np.any([point.clear for point in self.points], axis=0))

    def asleep(self) -> list[Block]:
        """The blocks without a clear slope at any point."""
        seen = self.seen
        return [block for block in self.blocks if not seen[block.span].any()]

    def new_point(self, theta: Array, entries: Array | None = None) -> Point:
        """Both gradients at another theta."""
        return self.ruler.point(theta, self.entries if entries is None else entries)

    def point_with(
        self, theta: Array, where: slice | int, values: Any, entries: Array | None = None
    ) -> Point:
        """Both gradients at theta with other values at some entries."""
        moved = theta.copy()
        moved[where] = values
        return self.new_point(moved, entries)

    @property
    def generic(self) -> Point:
        """A point away from the given one, where nothing is zero or equal by chance."""
        return self.points[-1]

    @property
    def beside(self) -> list[Point]:
        """The points beside the given one, or the only point."""
        return self.points[1:] or self.points

    def outputs(self) -> int | None:
        """The number of outputs, guessed as the size of the last array if it is a bias."""
        last = self.blocks[-1]
        return last.size if len(self.blocks) > 1 and last.is_bias else None

    def worst(self) -> tuple[Point, int]:
        """The point and the entry with the largest difference, in units of its block's largest."""

        def off(place: tuple[Point, int]) -> float:
            point, k = place
            sizes = np.abs(point.d[self.code.layout.block(k).span])
            return float(abs(point.g[k] - point.d[k])) / (float(np.nanmax(sizes)) or 1.0)

        return max(((p, int(k)) for p in self.points for k in np.flatnonzero(p.wrong)), key=off)

    def finding(
        self, cause: str, *told: str, where: Iterable[Block] | None = None,
        factor: float | None = None, reason: str = "",
    ) -> Finding:  # fmt: skip
        """A cause with its sentences, the worst example and then the reason, if any; it lies in the
        wrong places, if not `where`.
        """
        point, k = self.worst()
        example = (
            f"at {self.code.layout.block(k).entry(k)} the gradient is {number(point.g[k])}, "
            f"but central differences give {number(point.d[k])} ± {point.bar[k]:.1g}"
        )
        evidence = (*told, example, *(reason,) * bool(reason))
        places = tuple(block.name for block in (self.runs() if where is None else where))
        return Finding(cause, evidence, places, factor)


def agree(first: Array, second: Array, tolerance: Array) -> bool:
    """Whether two gradients agree wherever both are known, and at one entry at least are not 0."""
    known = np.isfinite(first) & np.isfinite(second)
    if not known.any():
        return False
    near = np.abs(first - second)[known] <= 3 * tolerance[known]
    telling = np.abs(second)[known] > 20 * tolerance[known]
    return bool(near.all() and telling.any())


def names(blocks: Iterable[Block]) -> str:
    """W1, b1 and W2."""
    parts = [block.name for block in blocks]
    if len(parts) > 6:
        parts = [*parts[:5], f"{len(parts) - 5} more"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def number(value: float) -> str:
    """Six digits of a number."""
    return f"{value:.6g}"
