"""Schedules against a second writing of each formula, their ends, and Plateau by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from support.tables import SCHEDULES

import chainrule as cr
from chainrule.core.schedules import value_at

STEPS = 20


def one_cycle(t: float) -> float:
    if t < 0.3:
        return 0.04 + 0.96 * (0.5 - 0.5 * math.cos(math.pi * t / 0.3))
    return 0.0001 + 0.9999 * (0.5 + 0.5 * math.cos(math.pi * (t - 0.3) / 0.7))


# multiplier of the table's instance at t = step / STEPS
FORMULAS: dict[str, Callable[[int, float], float]] = {
    "constant": lambda step, t: 1.0,
    "step": lambda step, t: 0.5 ** (step // 3),
    "exponential": lambda step, t: math.exp(t * math.log(0.1)),
    "cosine": lambda step, t: 0.1 + 0.9 * math.cos(math.pi * t / 2) ** 2,
    "flat_cosine": lambda step, t: 1.0 if t <= 0.5 else math.sin(math.pi * t) ** 2,
    "coslog": lambda step, t: math.sin(math.pi * math.log2(1 + 15 * t)) ** 2,
    "warm_up": lambda step, t: min(1, (step + 1) / 4) * math.cos(math.pi * t / 2) ** 2,
    "one_cycle": lambda step, t: one_cycle(t),
    "plateau": lambda step, t: 1.0,
}


def test_every_schedule_has_a_formula() -> None:
    assert set(FORMULAS) == set(SCHEDULES)


@pytest.mark.parametrize("name", SCHEDULES)
def test_follows_its_formula(name: str) -> None:
    schedule = SCHEDULES[name]
    for step in range(STEPS + 1):
        wanted = FORMULAS[name](step, step / STEPS)
        assert schedule.multiplier(step, STEPS) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
        assert schedule.at(step, STEPS) == 2.0 * schedule.multiplier(step, STEPS)


@pytest.mark.parametrize("name", SCHEDULES)
def test_stays_between_0_and_its_peak(name: str) -> None:
    values = [SCHEDULES[name].at(step, 1000) for step in range(1000)]
    assert min(values) >= 0
    assert max(values) <= 2.0 * (1 + 1e-12)
    assert max(values) > 1.9 * (1 if name != "step" else 0.9)
    assert all(type(value) is float for value in values)


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ([], 1),
        ([5, 4, 3], 1),
        ([5, 5], 1),
        ([5, 5, 5], 0.5),
        ([5, 6, 7, 8, 9], 0.25),
        ([5, 6, 4, 5], 1),
        ([5, 6, 4, 5, 5], 0.5),
        ([5, 5, 5, 4, 4, 4], 0.25),
        ([5] + [6] * 100, 1e-4),
    ],
)
def test_plateau_by_hand(losses: list[float], wanted: float) -> None:
    assert cr.Plateau(1.0, factor=0.5, patience=2).multiplier(0, 1, losses) == wanted


def test_plateau_asks_for_more_than_its_tolerance() -> None:
    losses = [1.0, 0.95, 0.91]
    assert cr.Plateau(1.0, patience=2, tolerance=0.1).multiplier(0, 1, losses) == 0.5
    assert cr.Plateau(1.0, patience=2, tolerance=0.01).multiplier(0, 1, losses) == 1.0


def test_warm_up_alone_stays_at_its_peak() -> None:
    assert [cr.WarmUp(2.0, warm=2).at(step, 9) for step in range(4)] == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("bad", [-1.0, math.inf, math.nan])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_bad_value_is_refused(schedule: cr.Schedule, bad: float) -> None:
    with pytest.raises(ValueError, match="value is .*: use a finite number ≥ 0"):
        type(schedule)(bad)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (cr.StepDecay, {"every": 0}, "every is 0"),
        (cr.WarmUp, {"warm": 0}, "warm is 0"),
        (cr.Exponential, {"end": -0.1}, "end is -0.1"),
        (cr.OneCycle, {"rise": 1.0}, "rise is 1.0"),
        (cr.Plateau, {"patience": 0}, "patience is 0"),
        (cr.CosLog, {"cycles": 0}, "cycles is 0"),
    ],
)
def test_a_setting_that_cannot_run_is_refused(
    kind: type[cr.Schedule], settings: dict[str, float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        kind(1.0, **settings)


def test_value_at_takes_plain_numbers_too() -> None:
    assert value_at(0.5, 3, 9) == 0.5
    assert value_at(cr.Cosine(0.5), 9, 9) == 0.0
    assert type(value_at(cr.Constant(np.float64(0.5)), 0, 1)) is float
    assert type(value_at(np.float32(0.5), 0, 1)) is float  # type: ignore[arg-type]


def test_a_schedule_without_multiplier_says_what_to_define() -> None:
    with pytest.raises(TypeError, match="define multiplier"):
        cr.Schedule(1.0).at(0, 1)
