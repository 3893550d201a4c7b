"""Alternating rounds, and what is read off them."""

from collections.abc import Callable, Iterable, Mapping
from statistics import median
from time import perf_counter, sleep
from typing import Any

LEAST = 0.1  # seconds a round gives to everyone: short runs are repeated within it
SETTLE = 0.1  # seconds before each, for the threads of the one before to stop spinning

Times = Mapping[str, Mapping[str, float]]  # who -> "best" and "median" of the rounds


def rounds(runs: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Seconds of one run in each round, by name; the runs take turns, each goes once unmeasured.

    A run returns seconds it measured itself; the figure of a round is the mean over its repeats.
    """
    for run in runs.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(count):
        for name, run in runs.items():
            sleep(SETTLE)
            until, seconds = perf_counter() + LEAST, [run()]
            while perf_counter() < until:
                seconds.append(run())
            found[name].append(sum(seconds) / len(seconds))
    return found


def timed(call: Callable[[], object], repeats: int = 1) -> Callable[[], float]:
    """A run that measures so many calls in a row and returns the seconds of one."""

    def run() -> float:
        started = perf_counter()
        for _ in range(repeats):
            call()
        return (perf_counter() - started) / repeats

    return run


def summary(seconds: Mapping[str, list[float]], unit: float) -> dict[str, dict[str, float]]:
    """Best and median of each, in microseconds: `unit` is how many things one run did."""
    return {
        name: {"best": 1e6 * min(s) / unit, "median": 1e6 * median(s) / unit}
        for name, s in seconds.items()
    }


def ratios(times: Times, peers: Iterable[str]) -> dict[str, float]:
    """The fastest of the peers' time / ours: by best, and by median."""
    return {
        by: min(times[peer][by] for peer in peers) / times["ours"][by] for by in ("best", "median")
    }


def judge(times: Times, goals: Iterable[tuple[Iterable[str], float]]) -> list[dict[str, Any]]:
    """For each goal its peers and factor, the ratios to them, and whether the best one meets it."""
    found: list[dict[str, Any]] = []
    for peers, factor in goals:
        reached = ratios(times, list(peers))
        met = reached["best"] >= factor
        found.append({"peers": list(peers), "factor": factor} | reached | {"met": met})
    return found
