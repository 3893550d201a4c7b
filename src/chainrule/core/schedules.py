"""Schedules: a setting that changes while training runs, a pure function of the step.

The learning rate, the decoupled weight decay and the dropout rate all take one. A schedule holds
the peak `value`; `at(step, steps)` is `value` times its `multiplier`. Steps count optimizer updates
from 0, `steps` is how many the whole run plans, and t = step / steps runs from 0 to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .checks import Limits, require_limits


@dataclass(frozen=True)
class Schedule:
    """value_t = value * multiplier(step, steps, losses).

    `limits` says between which numbers each setting must lie; raises ValueError beyond them.
    """

    value: float
    limits: ClassVar[Limits] = {}

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(
                f"{type(self).__name__} value is {self.value}: use a finite number ≥ 0"
            )
        require_limits(self, self.limits)

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        """The factor at this step; `losses` are the monitored losses of the epochs that ended."""
        raise TypeError(
            f"{type(self).__name__} has no multiplier: define multiplier(step, steps, losses)"
        )

    def at(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        """The scheduled value at this step."""
        return float(self.value * self.multiplier(step, steps, losses))


@dataclass(frozen=True)
class Constant(Schedule):
    """multiplier = 1."""

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return 1.0


@dataclass(frozen=True)
class StepDecay(Schedule):
    """multiplier = factor^⌊step / every⌋, `every` in steps."""

    every: int = 1000
    factor: float = 0.1
    limits = {"every": (1, math.inf), "factor": (0, 1)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return float(self.factor ** (step // self.every))


@dataclass(frozen=True)
class Exponential(Schedule):
    """multiplier = end^t: falls by the same factor every step, to `end` at the end of the run."""

    end: float = 0.01
    limits = {"end": (0, 1)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return float(self.end ** (step / steps))


@dataclass(frozen=True)
class Cosine(Schedule):
    """multiplier = end + (1 - end) ½ (1 + cos πt). Loshchilov and Hutter 2017."""

    end: float = 0.0
    limits = {"end": (0, 1)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return self.end + (1.0 - self.end) * 0.5 * (1.0 + math.cos(math.pi * step / steps))


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """multiplier = ½ (1 + cos(π (max(1, 2t) - 1))): 1 for the first half, then down to 0.

    Holzmüller et al. 2024, "Better by default" (RealMLP).
    """

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        return 0.5 * (1.0 + math.cos(math.pi * (max(1.0, 2.0 * step / steps) - 1.0)))


@dataclass(frozen=True)
class CosLog(Schedule):
    """multiplier = ½ (1 - cos(2π log₂(1 + (2^cycles - 1) t))): cycles that grow longer, from 0 to
    0.

    coslog₄ of Holzmüller et al. 2024 for `cycles` = 4.
    """

    cycles: int = 4
    limits = {"cycles": (1, math.inf)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        turn = math.log2(1.0 + (2.0**self.cycles - 1.0) * step / steps)
        return 0.5 * (1.0 - math.cos(2.0 * math.pi * turn))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """multiplier = min(1, (step + 1) / warm): a straight rise over the first `warm` steps, then 1.

    With `then`, another schedule, the rise multiplies it; `value` is the peak, then.value is not
    used.
    """

    warm: int = 100
    then: Schedule | None = None
    limits = {"warm": (1, math.inf)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        rest = self.then.multiplier(step, steps, losses) if self.then is not None else 1.0
        return min(1.0, (step + 1) / self.warm) * rest


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Cosine rise from start to 1 over the share `rise` of the run, cosine fall to `end`. Smith
    2018.
    """

    rise: float = 0.3
    start: float = 0.04
    end: float = 0.0001
    limits = {"rise": (0, 0.99), "start": (0, 1), "end": (0, 1)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        t = step / steps
        if t < self.rise:
            low, share = self.start, 1.0 - t / self.rise
        else:
            low, share = self.end, (t - self.rise) / (1.0 - self.rise)
        return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Plateau(Schedule):
    """multiplier = factor^(times the loss went `patience` epochs without a new best), at least
    `end`.

    The loss is the validation loss where there is one, else the training loss. A fall starts the
    count again. A new best is one lower by more than `tolerance`.
    """

    factor: float = 0.5
    patience: int = 5
    tolerance: float = 0.0
    end: float = 1e-4
    limits = {"factor": (0, 1), "patience": (1, math.inf), "end": (0, 1)}

    def multiplier(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        best, waited, drops = math.inf, 0, 0
        for loss in losses:
            waited += 1
            if loss < best - self.tolerance:
                best, waited = loss, 0
            elif waited == self.patience:
                drops, waited = drops + 1, 0
        return float(max(self.end, self.factor**drops))


def value_at(
    setting: "float | Schedule", step: int, steps: int, losses: Sequence[float] = ()
) -> float:
    """The number that a setting, plain or scheduled, has at this step."""
    return setting.at(step, steps, losses) if isinstance(setting, Schedule) else float(setting)
