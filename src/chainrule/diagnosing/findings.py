"""Findings: a cause from a closed list, its evidence, what to do, and what doing it gained."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..core.nonfinite import finite
from .experiments import Outcome, Setup
from .formatting import number

# Cause -> what it means and what has to be measured before it is reported.
CAUSES = {
    "learning_rate_too_high": "a lower rate reaches a clearly lower loss in as many steps",
    "learning_rate_too_low": "a higher rate reaches a clearly lower loss in as many steps",
    "unscaled_inputs": "columns far from mean 0 and spread 1; scaled, the run does better",
    "unscaled_target": "a target far from mean 0 and spread 1; scaled, the run does better",
    "constant_input": "columns that are the same in every row",
    "zero_initialization": "all weights of a layer start at 0 under a hidden layer",
    "symmetric_initialization": "hidden units that start equal and stay equal",
    "small_initialization": "weights far below Glorot's or He's; started by those, it learns",
    "large_initialization": "weights far above Glorot's or He's; started by those, it learns",
    "saturation": "hidden units so far out that their slope is nearly 0",
    "dead_relu": "ReLU units that are 0 in every row, which no gradient passes",
    "vanishing_gradient": "gradients shrink from layer to layer; another activation or depth helps",
    "exploding_gradient": "gradients grow from layer to layer; a fresh start helps",
    "wrong_loss": "a loss or an output that does not fit the target",
    "leaking_column": "a column that predicts alone, which the others together do not",
    "duplicates_across_split": "validation rows that stand among the training rows too",
    "identifier_column": "a column that numbers the rows",
    "imbalance": "a rare class that is hardly ever answered; weighted, it is",
    "too_few_rows": "twice the rows still lower the loss on new rows clearly",
    "noise_floor": "what is left cannot be learnt from these inputs",
    "overfitting": "rows that were trained on are known far better than new ones; restraint helps",
    "underfitting": "more units, more epochs or less restraint lower the loss on new rows too",
    "nonfinite": "nan or inf, and the place it came from",
}


@dataclass(frozen=True)
class Gain:
    """What a fix measured: `measure` before and after it, and `share`, by which gains are ordered.

    `share` is the difference in units of what separates guessing (1) from perfect answers (0), or
    of the measure itself where that is a share of rows. `in_common` tells what is repaired in both.
    """

    measure: str
    before: float
    after: float
    share: float
    in_common: str = ""

    def __str__(self) -> str:
        change = f"{self.measure} {number(self.before)} → {number(self.after)}"
        return f"{change}, {self.in_common}" if self.in_common else change

    def to_dict(self) -> dict[str, Any]:
        """The gain as JSON takes it."""
        numbers = {name: finite(getattr(self, name)) for name in ("before", "after", "share")}
        return {"measure": self.measure, **numbers, "with": self.in_common}


@dataclass(frozen=True)
class Finding:
    """cause → evidence → fix → gain; `gain` is None where the fix cannot be run.

    `cause` is one of `CAUSES`; `evidence` sentences with the numbers that were measured; `fix` one
    sentence; `layer` and `columns` name the place, counted from 0.
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

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON takes it; numbers that are not finite become None."""
        lists = {"evidence": list(self.evidence), "columns": list(self.columns)}
        return asdict(self) | lists | {"gain": self.gain and self.gain.to_dict()}


def gain_of(setup: Setup, before: Outcome, after: Outcome, in_common: str = "") -> Gain:
    """The gain in the loss that counts: of held-out rows, or of training rows if there are none."""
    measure = f"loss on {setup.judged_name} rows"
    share = before.judged.capped - after.judged.capped
    return Gain(measure, before.judged.loss, after.judged.loss, share, in_common)


def order(findings: list[Finding]) -> list[Finding]:
    """Largest gain first; those without a measured gain last, in the order they were found."""
    return sorted(findings, key=lambda f: math.inf if f.gain is None else -f.gain.share)
