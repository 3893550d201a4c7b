"""What a run's test rows say: the network beside its baselines, compared row by row, in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .core.arrays import Array
from .model import probabilities
from .report.words import number, plural, score
from .tables.table import cell_text
from .tabular import TableRun

METRICS = {
    "accuracy": ("accuracy", True),
    "log_loss": ("log loss", False),
    "auc": ("AUC", True),
    "r2": ("R²", True),
    "rmse": ("RMSE", False),
    "mae": ("MAE", False),
}
"""Metric -> (how it is called, whether more is better)."""
Scores = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class HeldOut:
    """Each model's outputs Ŷ (test rows, outputs), after the link, and its metrics, by its name.

    Both are empty where no row was kept for the test.
    """

    outputs: Mapping[str, Array]
    scores: Mapping[str, Mapping[str, float]]


def held_out(run: TableRun, *, linear: bool = True) -> HeldOut:
    """The test of the network, of a linear model and of the constant guess, as `run.scores` has it.

    `linear=False` leaves the linear model out, which takes time to fit.
    """
    outputs = run.outputs(linear=linear)
    return HeldOut(outputs, run.scores(outputs))


def model_names(run: TableRun) -> dict[str, str]:
    """The models of the test in words: what the constant guess answers stands in its name."""
    answer = run.constant_answer
    told = f"{number(answer)}, the mean" if run.schema.classes is None else cell_text(answer)
    return {
        "network": "network",
        "linear model": "linear model",
        "constant guess": f'always "{told}"' if run.schema.classes else f"always {told}",
    }


def mistakes(run: TableRun) -> int:
    """How many test rows the network answers with a wrong class."""
    if run.test_part is None:
        return 0
    output = run.loss.link(run.net.predict(run.test_part[0]))
    return int(np.sum(_merits(run, output) < 1))


def _merits(run: TableRun, output: Array) -> Array:
    """What each test row adds to a model's merit: 1 for a right class, -|y - ŷ| for a number."""
    assert run.test_part is not None
    y, restore = run.test_part[1], run.preparation.restore_target
    if run.schema.classes is None:
        return np.asarray(-np.abs(restore(y) - restore(output[:, 0])))
    return np.asarray(probabilities(output).argmax(axis=1) == y, float)


def gain(run: TableRun, tested: HeldOut, baseline: str) -> tuple[float, float]:
    """(mean gain of the network over a baseline on the same rows, its standard error).

    In rows right, or in the target's unit less missed; of a single row the error is infinite.
    """
    assert run.test_part is not None
    weight = run.test_part[2]
    more = _merits(run, tested.outputs["network"]) - _merits(run, tested.outputs[baseline])
    w = np.ones(len(more)) if weight is None else weight
    mean, n = float(np.sum(w * more) / w.sum()), int(np.count_nonzero(w))
    spread = math.sqrt(np.sum((w * (more - mean)) ** 2)) / float(w.sum())
    return mean, math.inf if n < 2 else spread * math.sqrt(n / (n - 1))


def standing(run: TableRun, tested: HeldOut) -> str:
    """The network beside its baselines: "about as good as the linear model".

    A gain within its standard error is none. The constant guess is named where it is not beaten.
    """
    told: dict[str, list[str]] = {}
    for baseline in list(tested.outputs)[1:]:
        mean, error = gain(run, tested, baseline)
        error *= 1 + 1e-9  # one row of difference is exactly one error
        beaten = mean > error
        word = "better than" if beaten else "worse than" if mean < -error else "about as good as"
        if not beaten or baseline == list(tested.outputs)[1]:
            told.setdefault(word, []).append(f"the {baseline}")
    return " and ".join(f"{word} {' and '.join(names)}" for word, names in told.items())


def verdict(run: TableRun, tested: HeldOut) -> str:
    """What the network is worth on the test rows, in two or three plain sentences."""
    if not tested.scores:
        return "No row was kept for a test, so nothing is known about new rows."
    names = model_names(run)
    metric = main_metric(run)
    rest = "; ".join(
        f"{names[name]}: {score(metric, values[metric])}"
        for name, values in tested.scores.items()
        if name != "network"
    )
    return (
        f"{_worth(run, tested)} On the same rows, {rest}. "
        f"So it is {standing(run, tested)}{_other_way(run, tested)}."
        f"{_below_guessing(run, tested)}"
    )


def _below_guessing(run: TableRun, tested: HeldOut) -> str:
    """What to do where the network's loss is above that of the constant guess."""
    metric = "log_loss" if run.schema.classes else "rmse"
    ours, guess = (
        tested.scores.get(name, {}).get(metric) for name in ("network", "constant guess")
    )
    if ours is None or guess is None or ours <= guess:
        return ""
    return (
        f" By {METRICS[metric][0]} it is worse than guessing ({number(ours)} against "
        f"{number(guess)}): lower the learning rate ({run.lr:g} now), or train "
        "longer."
    )


def main_metric(run: TableRun) -> str:
    """The metric that the verdict goes by: the one that counts row by row."""
    return "accuracy" if run.schema.classes else "mae"


def _worth(run: TableRun, tested: HeldOut) -> str:
    assert run.test_part is not None
    X, _, weight = run.test_part
    n = len(X)
    if run.schema.classes is None:
        missed = number(tested.scores["network"]["mae"])
        return f"{run.target} is missed by {missed} on average over {plural(n, 'test row')}."
    share = tested.scores["network"]["accuracy"]
    shown, right = score("accuracy", share), round(share * n)
    if weight is None:
        told = f"Right for {right:,} of {plural(n, 'test row')} ({shown})"
    else:
        told = f"Right for {shown} of {plural(n, 'test row')}, by their weight"
    error = 100 * math.sqrt(max(0.0, share * (1 - share)) / n)
    return f"{told}, give or take {error:.1f} points." if 0 < right < n else f"{told}."


def _other_way(run: TableRun, tested: HeldOut) -> str:
    """The first metric by which the linear model comes out the other way round, if any."""
    theirs, ours = tested.scores.get("linear model"), tested.scores["network"]
    if theirs is None:
        return ""
    behind = gain(run, tested, "linear model")[0] < 0
    for metric, (name, more) in METRICS.items():
        a, b = ours.get(metric), theirs.get(metric)
        if a is None or b is None or metric == main_metric(run):
            continue
        if score(metric, a) != score(metric, b) and ((a > b) == more) == behind:
            word = "better" if behind else "worse"
            return f", but its {name} is {word}: {score(metric, a)} against {score(metric, b)}"
    return ""
