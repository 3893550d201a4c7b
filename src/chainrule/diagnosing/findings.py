"""Findings: a cause, its evidence, what to do about it, and what doing it gained."""

import math
from dataclasses import dataclass

from ..writing.words import in_text
from .experiments import Score, Setup


@dataclass(frozen=True)
class Gain:
    """What a fix gained: `measure` before and after it, and `share`, by which gains are ordered.

    `share` is the difference in units of what separates guessing (1) from perfect answers (0), or
    in those of `measure` if that is a share of rows. `in_common` names the repairs that both runs
    have.
    """

    measure: str
    before: float
    after: float
    share: float
    in_common: str = ""

    def __str__(self) -> str:
        before = "none" if math.isnan(self.before) else in_text(self.before)
        change = f"{self.measure} {before} → {in_text(self.after)}"
        return f"{change}, {self.in_common}" if self.in_common else change


@dataclass(frozen=True)
class Finding:
    """cause → evidence → fix → gain; `gain` is None if the fix cannot be run.

    docs/diagnose.md lists every `cause`. `evidence` is sentences with the measured numbers, `fix`
    one sentence; `layer` and `columns` give the place, counted from 0.
    """

    cause: str
    evidence: tuple[str, ...]
    fix: str
    gain: Gain | None = None
    layer: int | None = None
    columns: tuple[int, ...] = ()

    def __str__(self) -> str:
        gain = "not measured" if self.gain is None else str(self.gain)
        lines = [self.cause, *(f"  evidence: {sentence}" for sentence in self.evidence)]
        return "\n".join([*lines, f"  fix: {self.fix}", f"  gain: {gain}"])


def gain_of(setup: Setup, before: Score, after: Score, in_common: str = "") -> Gain:
    """The gain in the loss on held-out rows, or on training rows if none are held out."""
    measure = f"loss on {setup.judged_name} rows"
    return Gain(measure, before.loss, after.loss, before.capped - after.capped, in_common)


def order(findings: list[Finding]) -> list[Finding]:
    """Largest gain first; findings without a measured gain last, in the order they were found."""
    return sorted(findings, key=lambda f: math.inf if f.gain is None else -f.gain.share)
