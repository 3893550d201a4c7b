"""What the test rows say: the network beside the other models, compared row by row, in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..core import metrics
from ..core.arrays import Array
from ..core.metrics import METRICS
from ..models.model import scores
from ..writing.words import number, plural, score
from .baselines import BOOSTING, CONSTANT

NETWORK = "network"
CLEAR = 2.0  # standard errors from which a difference counts


@dataclass(frozen=True)
class Tested:
    """The test rows' true answers y (n,), what each model answers for them, the network first, and
    the metric that they are compared by. Answers are P (n, k) for classes, else ŷ (n,).
    """

    target: str
    metric: str
    y: Array
    answers: Mapping[str, Array]
    weight: Array | None = None

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """The metrics of each model."""
        return {name: scores(self.y, a, self.weight) for name, a in self.answers.items()}

    def gain(self, other: str, metric: str | None = None) -> tuple[float, float]:
        """(how much better the network is than another model, its standard error), from the
        differences row by row, in the unit of the metric; negative where it is worse.
        """
        chosen = metric or self.metric
        ours, theirs = (metrics.shares(chosen, self.y, self.answers[name], self.weight)
                        for name in (NETWORK, other))  # fmt: skip
        sign = 1.0 if METRICS[chosen].more_is_better else -1.0
        mean, error = metrics.mean_and_error(sign * (ours - theirs), self.weight)
        least = 1.0 / len(self.y) if chosen == "accuracy" else 0.0  # one row: equal differences
        return mean + 0.0, max(error, least)

    @property
    def rival(self) -> str | None:
        """The best of the other models by the metric."""
        found = {n: s[self.metric] for n, s in self.scores.items() if n != NETWORK}
        known = {n: v for n, v in found.items() if not math.isnan(v)}
        best = max if METRICS[self.metric].more_is_better else min
        return best(known, key=known.__getitem__, default=None)


def standing(tested: Tested, other: str, metric: str | None = None) -> str:
    """ "better than", "worse than" or "not clearly different from" another model."""
    mean, error = tested.gain(other, metric)
    if abs(mean) <= CLEAR * error * (1 + 1e-9):
        return "not clearly different from"
    return "better than" if mean > 0 else "worse than"


def verdict(tested: Tested | None, *, compared: bool) -> str:
    """What the network is worth on the test rows, and how it stands beside the best other model,
    in two to four plain sentences. `compared`: the other models were wanted.
    """
    if tested is None:
        return "No row was kept for a test, so nothing is known about new rows."
    told, rival = [_worth(tested)], tested.rival
    if not compared:
        told.append("It was not compared with other kinds of models.")
    elif rival is not None:
        told.append(_beside(tested, rival))
    else:
        unknown = f"{METRICS[tested.metric].name} is unknown, as a class has no test row"
        told.append(f"Its {unknown}: it was compared with no other model.")
    if not compared or rival != CONSTANT or standing(tested, CONSTANT).startswith("not"):
        told += _below_guessing(tested)
    return " ".join(told)


def gap(tested: Tested, other: str) -> str:
    """By how much the network is ahead of another model, with the standard error."""
    mean, error = tested.gain(other)
    scale, unit = (100.0, " points") if tested.metric == "accuracy" else (1.0, "")
    margin = "" if math.isinf(error) else f" ± {number(scale * error, 2)}"
    return f"{number(scale * mean, 3)}{margin}{unit}"


def _beside(tested: Tested, rival: str) -> str:
    """The network beside the best of the other models."""
    metric, mean = tested.metric, tested.gain(rival)[0]
    apart = gap(tested, rival).lstrip("-")
    theirs = f"{METRICS[metric].name} {score(metric, tested.scores[rival][metric])}"
    article = "" if rival == BOOSTING else "the "
    told = f"The best other model is {article}{rival} ({theirs}): the network"
    word = standing(tested, rival)
    if word == "better than":
        return f"{told} is better by {apart}.{_other_way(tested, rival, -1)}"
    if word == "worse than":
        return f"{told} loses by {apart}.{_other_way(tested, rival, 1)}"
    side = f"{'ahead' if mean > 0 else 'behind'} by {apart}"
    close = f"{side}, too little to tell them apart on these rows" if mean else "level with it"
    return f"{told} is {close}."


def _other_way(tested: Tested, rival: str, sign: int) -> str:
    """The first metric by which the comparison clearly comes out the other way, if any."""
    word = "better than" if sign > 0 else "worse than"
    for metric in ("accuracy", "log_loss", "auc", "rmse", "mae"):
        ours, theirs = (tested.scores[n].get(metric) for n in (NETWORK, rival))
        if metric == tested.metric or ours is None or theirs is None or ours != ours:
            continue
        if standing(tested, rival, metric) == word:
            beside = f"{score(metric, ours)} against {score(metric, theirs)}"
            name = METRICS[metric].name
            return f" Its {name} is {'better' if sign > 0 else 'worse'}, though: {beside}."
    return ""


def _below_guessing(tested: Tested) -> list[str]:
    """A sentence where the network's loss is clearly above that of the constant guess."""
    metric = "rmse" if tested.answers[NETWORK].ndim == 1 else "log_loss"
    if CONSTANT not in tested.answers or standing(tested, CONSTANT, metric) != "worse than":
        return []
    ours, guess = (number(tested.scores[n][metric]) for n in (NETWORK, CONSTANT))
    return [f"By {METRICS[metric].name} it is worse than guessing ({ours} against {guess})."]


def _worth(tested: Tested) -> str:
    n, ours = len(tested.y), tested.scores[NETWORK]
    if tested.answers[NETWORK].ndim == 1:
        mae, rmse = number(ours["mae"]), number(ours["rmse"])
        return (
            f"{tested.target} is missed by {mae} on average over {plural(n, 'test row')} "
            f"(RMSE {rmse})."
        )
    share = ours["accuracy"]
    shown, right = score("accuracy", share), round(share * n)
    if tested.weight is None:
        told = f"Right for {right:,} of {plural(n, 'test row')} ({shown})"
    else:
        told = f"Right for {shown} of {plural(n, 'test row')}, by their weight"
    hits = metrics.shares("accuracy", tested.y, tested.answers[NETWORK])
    error = 100 * min(1.0, max(metrics.mean_and_error(hits, tested.weight)[1], 1 / n))
    return f"{told}, give or take {error:.1f} points."
