"""What the checks of check_gradients share: the points where both gradients are known, and how one
is held against a guess about the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..core.arrays import Array
from .code import Block, Code
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
    rng: np.random.Generator
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
        start, stop = int(places[0]), int(places[-1]) + 1
        return [Block(f"entries {start} to {stop - 1}", (stop - start,), start, stop)]

    def new_point(self, theta: Array, entries: Array | None = None) -> Point:
        """Both gradients at another theta."""
        return self.ruler.point(theta, self.entries if entries is None else entries)

    @property
    def generic(self) -> Point:
        """A point away from the given one, where nothing is zero or equal by chance."""
        return self.points[-1]

    def outputs(self) -> int | None:
        """The number of outputs, guessed as the size of the last array if it is a bias."""
        last = self.blocks[-1]
        is_bias = len(self.blocks) > 1 and last.size == max(last.shape, default=1)
        return last.size if is_bias else None


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


def example(case: Case, point: Point, entry: int) -> str:
    """At W1[0, 2] the gradient is …, the difference quotient …."""
    name = case.code.layout.block(entry).entry(entry)
    return (
        f"at {name} the gradient is {number(point.g[entry])}, "
        f"but central differences give {number(point.d[entry])} ± {point.bar[entry]:.1g}"
    )


def worst(case: Case) -> tuple[Point, int]:
    """The point and the entry with the largest difference, in units of its block's largest."""
    best: tuple[float, Point, int] | None = None
    for point in case.points:
        for k in np.flatnonzero(point.wrong):
            block = case.code.layout.block(int(k))
            sizes = np.abs(point.d[block.span])
            largest = float(np.nanmax(sizes)) or 1.0
            off = float(abs(point.g[k] - point.d[k])) / largest
            if best is None or off > best[0]:
                best = off, point, int(k)
    assert best is not None
    return best[1], best[2]
