"""Training: everyone is first compared with the readable engine, then timed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import engine_jax
import engine_ours
import engine_sklearn
import engine_torch
import numpy as np
from engine_floor import floor
from engine_ours import Run
from engine_timing import rounds, summary
from engine_work import AXES, TOYS, Work, data, few, network, weights, work_at

PEERS = {"sklearn": engine_sklearn, "torch": engine_torch, "jax": engine_jax}

# Largest relative difference between two loss curves. In float32 a hundred Adam steps turn the
# last digit into the fourth; float64 shows that both do the same arithmetic.
TOLERANCE = {"float64": 1e-9, "float32": 5e-3}
SKLEARN_ADAM = 2e-2  # adds its epsilon before the bias correction, not after


def contestants(work: Work, names: list[str]) -> dict[str, Run]:
    """By name, a function that trains from the same start and returns (seconds, losses)."""
    X, y = data(work)
    start = weights(network(work))
    found = {"ours": engine_ours.training(work, X, y)}
    return found | {name: PEERS[name].training(work, start, X, y) for name in names}


def comparable(work: Work, peer: str) -> bool:
    """Whether the peer can do exactly this: scikit-learn's squared error has a linear output."""
    return not (peer == "sklearn" and work.sigmoid_output)


def tolerance(work: Work, peer: str) -> float:
    """The largest relative difference of the losses that counts as the same."""
    if peer == "sklearn" and work.optimizer == "adam":
        return SKLEARN_ADAM
    return TOLERANCE[work.dtype]


def validate(work: Work, dtype: str) -> dict[str, Any]:
    """Largest relative difference of each one's losses from the readable engine's, by name.

    Same weights, same batches, no shuffling. Raises SystemExit where one is beyond its tolerance.
    """
    work = replace(few(work), dtype=dtype, shuffle=False)
    exact = np.array(engine_ours.training(work, *data(work), engine="readable")()[1])
    found = {}
    for name, run in contestants(work, [name for name in PEERS if comparable(work, name)]).items():
        found[name] = float(np.max(np.abs(np.array(run()[1]) / exact - 1)))
        if not found[name] <= tolerance(work, name):
            raise SystemExit(
                f"{work.name} in {dtype}: the losses of {name} differ by {found[name]:.1e}, "
                f"more than {tolerance(work, name):.0e}: nothing is timed"
            )
    return {"name": work.name, "dtype": dtype, "off": found}


def timers(work: Work) -> dict[str, Callable[[], float]]:
    """By name, a function that trains and returns the seconds."""

    def timer(run: Run) -> Callable[[], float]:
        return lambda: run()[0]

    return {name: timer(run) for name, run in contestants(work, list(PEERS)).items()}


def timing(work: Work, count: int) -> dict[str, dict[str, float]]:
    """Microseconds a step, best and median of so many rounds, by name; the floor beside them."""
    runs = timers(work)
    if work.dtype == "float32" and work not in TOYS:  # whose floor is the call of NumPy
        step = floor(work)
        runs["floor"] = lambda: step() * work.steps
    return summary(rounds(runs, count), work.steps)


def growth(count: int, short: bool) -> Iterator[dict[str, Any]]:
    """Nanoseconds a row and epoch at each value of each axis; short: at its first two."""
    for axis, values in AXES.items():
        for value in values[:2] if short else values:
            work = work_at(axis, value)
            times = summary(rounds(timers(work), count), work.rows * work.epochs / 1000)
            yield {"axis": axis, "value": value, "times": times}
