"""What the test rows say: the network compared with other models, row by row, in words."""

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

COMPARED_FOR_NUMBERS = ("rmse", "mae")
COMPARED_BY = (*metrics.FOR_CLASSES, *COMPARED_FOR_NUMBERS)
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

    def shares(self, metric: str, name: str) -> Array:
        """What each row adds to a metric of a model (n,)."""
        return metrics.shares(metric, self.y, self.answers[name], self.weight)

    def gain(self, other: str, metric: str | None = None) -> tuple[float, float]:
        """(how much better the network is than another model, its standard error), from the
        differences row by row, in the unit of the metric; negative where it is worse.
        """
        chosen = metric or self.metric
        sign = 1.0 if METRICS[chosen].more_is_better else -1.0
        ahead = sign * (self.shares(chosen, NETWORK) - self.shares(chosen, other))
        mean, error = metrics.mean_and_error(ahead, self.weight)
        least = 1.0 / len(self.y) if chosen == "accuracy" else 0.0  # one row: equal differences
        return mean + 0.0, max(error, least)

    @property
    def rival(self) -> str | None:
        """The best of the other models by the metric."""
        others = {n: s[self.metric] for n, s in self.scores.items() if n != NETWORK}
        measured = {n: value for n, value in others.items() if not math.isnan(value)}
        best = max if METRICS[self.metric].more_is_better else min
        return best(measured, key=measured.__getitem__, default=None)

    def standing(self, other: str, metric: str | None = None) -> int:
        """1: the network is clearly better than another model, -1: it is worse, 0: neither."""
        mean, error = self.gain(other, metric)
        return 0 if abs(mean) <= CLEAR * error * (1 + 1e-9) else 1 if mean > 0 else -1

    def gap(self, other: str) -> str:
        """By how much the network is ahead of another model, with the standard error."""
        mean, error = self.gain(other)
        scale, unit = (100.0, " points") if self.metric == "accuracy" else (1.0, "")
        margin = "" if math.isinf(error) else f" ± {number(scale * error, 2)}"
        return f"{number(scale * mean, 3)}{margin}{unit}"


def verdict(tested: Tested | None, *, compared: bool) -> str:
    """What the network is worth on the test rows, and how it compares with the best other model,
    in two to four plain sentences. `compared`: whether a comparison was requested.
    """
    if tested is None:
        return "No row was kept for a test, so nothing is known about new rows."
    sentences, rival = [_worth(tested)], tested.rival
    if not compared:
        sentences.append("It was not compared with other kinds of models.")
    elif rival is not None:
        sentences.append(_compared(tested, rival))
    else:
        unknown = f"{METRICS[tested.metric].name} is unknown, as a class has no test row"
        sentences.append(f"Its {unknown}: it was compared with no other model.")
    if not compared or rival != CONSTANT or not tested.standing(CONSTANT):
        sentences += _below_guessing(tested)
    return " ".join(sentences)


def _compared(tested: Tested, rival: str) -> str:
    """The network compared with the best of the other models."""
    metric, mean = tested.metric, tested.gain(rival)[0]
    by = f"by {tested.gap(rival).lstrip('-')}"
    score_of_rival = f"{METRICS[metric].name} {score(metric, tested.scores[rival][metric])}"
    article = "" if rival == BOOSTING else "the "
    beginning = f"The best other model is {article}{rival} ({score_of_rival}): the network"
    if sign := tested.standing(rival):
        how = "is better" if sign > 0 else "loses"
        return f"{beginning} {how} {by}.{_other_way(tested, rival, -sign)}"
    if not mean:
        return f"{beginning} is level with it."
    side = "ahead" if mean > 0 else "behind"
    return f"{beginning} is {side} {by}, too little to tell them apart on these rows."


def _other_way(tested: Tested, rival: str, sign: int) -> str:
    """The first metric by which the comparison clearly comes out the other way, if any."""
    ours, theirs = tested.scores[NETWORK], tested.scores[rival]
    for metric in COMPARED_BY:
        if metric == tested.metric or math.isnan(ours.get(metric, math.nan)):
            continue
        if tested.standing(rival, metric) == sign:
            beside = f"{score(metric, ours[metric])} against {score(metric, theirs[metric])}"
            name = METRICS[metric].name
            return f" Its {name} is {'better' if sign > 0 else 'worse'}, though: {beside}."
    return ""


def _below_guessing(tested: Tested) -> list[str]:
    """A sentence where the network's loss is clearly above that of the constant guess."""
    metric = "rmse" if tested.answers[NETWORK].ndim == 1 else "log_loss"
    if CONSTANT not in tested.answers or tested.standing(CONSTANT, metric) >= 0:
        return []
    ours, guess = (number(tested.scores[n][metric]) for n in (NETWORK, CONSTANT))
    return [f"By {METRICS[metric].name} it is worse than guessing ({ours} against {guess})."]


def _worth(tested: Tested) -> str:
    n, ours = len(tested.y), tested.scores[NETWORK]
    rows = plural(n, "test row")
    if tested.answers[NETWORK].ndim == 1:
        missed = f"{tested.target} is missed by {number(ours['mae'])} on average over {rows}"
        return f"{missed} (RMSE {number(ours['rmse'])})."
    share = ours["accuracy"]
    if tested.weight is None:
        right = f"{round(share * n):,} of {rows} ({score('accuracy', share)})"
    else:
        right = f"{score('accuracy', share)} of {rows}, by their weight"
    error = metrics.mean_and_error(tested.shares("accuracy", NETWORK), tested.weight)[1]
    error = 100 * min(1.0, max(error, 1 / n))
    return f"Right for {right}, give or take {error:.1f} points."
