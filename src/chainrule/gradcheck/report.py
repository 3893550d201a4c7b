"""The report of check_gradients, and the verdict where no entry is wrong."""

from dataclasses import dataclass

import numpy as np

from ..core.arrays import Array
from .case import Case, Finding
from .slopes import Point

CAUSES = {
    "correct": "the gradient is right",
    "sign": "the sign is flipped",
    "scale": "a constant factor is wrong",
    "derivative_place": "the activation's derivative is taken at the wrong place",
    "derivative_missing": "the activation's derivative is missing",
    "bias_sum": "the bias gradient is not summed as it should",
    "transposed": "a matrix is transposed, or not where it should be",
    "overwritten": "the gradient of one array stands in the place of another's",
    "zero": "the gradient is zero where it should not be",
    "some_rows": "the gradient is off on some rows only",
    "stale": "the gradient holds what an earlier call computed",
    "nondeterministic": "the same parameters give different numbers",
    "kink": "the loss has a kink at the given parameters, the gradient is right beside it",
    "unknown": "the gradient is wrong, and no cause of the list explains it",
}
"""Every cause, in words."""
WEAKEST = 0.03
"""A block whose slopes are less sure than this share of the largest cannot be called correct."""


@dataclass(frozen=True)
class BlockCheck:
    """One array of the parameters: how many of its entries were compared, how many are wrong, and
    the largest |g - d| as a share of the largest |d|.
    """

    name: str
    shape: tuple[int, ...]
    compared: int
    wrong: int
    error: float


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found.

    `cause` is one of: "correct", "sign", "scale", "derivative_place", "derivative_missing",
    "bias_sum", "transposed", "overwritten", "zero", "some_rows", "stale", "nondeterministic",
    "kink", "unknown". `ok` holds for "correct", and for "kink": the loss has no derivative at the
    given parameters, and beside them the gradient is right. `evidence` is sentences with the
    numbers, `where` the arrays the cause lies in, `factor` g / d of "sign" and "scale" (else None),
    `blocks` a line for each array, `checked` says what was compared, `notes` what else was seen.
    """

    cause: str
    evidence: tuple[str, ...]
    where: tuple[str, ...] = ()
    factor: float | None = None
    blocks: tuple[BlockCheck, ...] = ()
    checked: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the gradient is right."""
        return self.cause in ("correct", "kink")

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        where = f" ({', '.join(self.where)})" if self.where else ""
        lines = [
            f"{self.cause}: {CAUSES[self.cause]}{where}",
            *(f"  {sentence}" for sentence in self.evidence),
        ]
        lines += [f"  {self.checked}"] * bool(self.checked)
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def kink(case: Case) -> Finding:
    """`kink`, with the first entry whose slopes differ."""
    start = case.points[0]
    places = np.flatnonzero(start.kink | start.wrong)
    block = case.code.layout.block(int(places[0]))
    told = (
        f"the loss has a kink at the given parameters ({len(places)} entries, "
        f"{block.entry(int(places[0]))} the first): its slopes on both sides differ"
    )
    return Finding("kink", (told, "beside it, at two other points, the gradient is right"))


def verdict(case: Case) -> Finding:
    """`correct`, or `kink` where the start lies on one. Raises ValueError where the loss is too
    rough for its slopes to be measured.
    """
    largest = max(float(np.nanmax(np.abs(p.d), initial=0.0)) for p in case.points)
    for block in case.blocks:
        entries = case.entries[(case.entries >= block.start) & (case.entries < block.stop)]
        shares = [_doubt(p, entries, largest) for p in case.points]
        if not min(shares, default=0.0) <= WEAKEST:
            raise ValueError(
                f"the loss is too rough to measure its slopes by {block.name} (a noise of "
                f"{case.generic.noise:.1g} in {case.code.value(case.generic.theta):.3g}): "
                f"compute it in float64 and do not round it"
            )
    if case.points[0].kink.any():
        return kink(case)
    error = max(_error(case, point) for point in case.points)
    told = f"the largest difference is {error:.1g} of the largest entry of its array"
    return Finding("correct", (told,))


def _doubt(point: Point, entries: Array, largest: float) -> float:
    known = entries[np.isfinite(point.d[entries]) & np.isfinite(point.g[entries])]
    if not len(known):
        return float("inf")
    size = float(np.abs(point.d[known]).max())
    # An array whose slopes are all 0 is as sure as they are small beside the others.
    return float(np.quantile(point.tolerance[known], 0.9)) / max(size, 0.01 * largest, 1e-300)


def _error(case: Case, point: Point) -> float:
    return max((_block_error(point, block.span) for block in case.blocks), default=0.0)


def _block_error(point: Point, span: slice) -> float:
    known = point.known[span]
    d, g = point.d[span][known], point.g[span][known]
    size = float(np.abs(d).max()) if d.size else 0.0
    return float(np.abs(g - d).max()) / size if size else 0.0


def report(case: Case, found: Finding, notes: tuple[str, ...]) -> GradientReport:
    """The finding with what was compared, array by array."""
    wrong, size, n = case.wrong, case.code.layout.size, len(case.entries)
    blocks = []
    for block in case.blocks:
        compared = int(np.sum((case.entries >= block.start) & (case.entries < block.stop)))
        error = max(_block_error(point, block.span) for point in case.points)
        bad = int(wrong[block.span].sum())
        blocks.append(BlockCheck(block.name, block.shape, compared, bad, error))
    seen = np.any([point.clear() for point in case.points], axis=0)
    asleep = [block.name for block in case.blocks if not seen[block.span].any()]
    if asleep and found.cause == "correct":
        told = f"the slopes by {', '.join(asleep)} are 0 or too small to measure at every point"
        notes = (*notes, f"{told}: nothing shows whether their gradient is right elsewhere")
    drawn = "" if n == size else f" of {size}, drawn, and the others along random directions"
    checked = f"{n} entries{drawn} compared at {len(case.points)} points"
    return GradientReport(
        found.cause, found.evidence, found.where, found.factor, tuple(blocks), checked, notes
    )
