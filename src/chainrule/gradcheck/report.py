"""The report of check_gradients: a cause of the list, its evidence, and what was compared."""

from dataclasses import dataclass

from .examination import Examination, Finding

# Every cause, in words.
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
    """The answer of `check_gradients`.

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
        lines = [f"{self.cause}: {CAUSES[self.cause]}{where}", *self.evidence]
        lines += [self.checked] if self.checked else []
        return "\n  ".join([*lines, *(f"note: {note}" for note in self.notes)])


def report(exam: Examination, finding: Finding, notes: tuple[str, ...]) -> GradientReport:
    """The finding with what was compared, array by array."""
    wrong, size, n = exam.wrong, exam.code.layout.size, len(exam.entries)
    blocks = tuple(
        BlockCheck(
            block.name, block.shape, len(exam.compared(block)), int(wrong[block.span].sum()),
            max(point.error(block.span) for point in exam.points),
        )
        for block in exam.blocks
    )  # fmt: skip
    flat = ", ".join(block.name for block in exam.flat_blocks())
    if flat and finding.cause == "correct":
        unseen = f"the slopes by {flat} are 0 or too small to measure at every point"
        notes = (*notes, f"{unseen}: nothing shows whether their gradient is right elsewhere")
    drawn = "" if n == size else f" of {size}, drawn, and the others along random directions"
    checked = f"{n} entries{drawn} compared at {len(exam.points)} points"
    return GradientReport(**vars(finding), blocks=blocks, checked=checked, notes=notes)
