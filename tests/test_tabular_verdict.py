"""The verdict claims no more than the test rows show, compared row by row."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.core import metrics
from chainrule.models.model import scores
from chainrule.tabular.baselines import BOOSTING, CONSTANT, LINEAR
from chainrule.tabular.verdict import NETWORK, verdict
from chainrule.tabular.verdict import Tested as Scored  # pytest collects what is called Test…

N = 100
Y = np.arange(N) % 2
Numbers = NDArray[np.float64]


def sure(wrong: range, p: float = 0.9, y: NDArray[np.int_] = Y) -> Numbers:
    """P (n, 2) that gives the true class p, but for the `wrong` rows."""
    right = np.full(len(y), p)
    right[wrong] = 1 - p
    P = np.empty((len(y), 2))
    P[np.arange(len(y)), y], P[np.arange(len(y)), 1 - y] = right, 1 - right
    return P


GUESS = np.tile([0.51, 0.49], (N, 1))


def beside(
    ours: Numbers, theirs: Numbers | None = None, *, metric: str = "accuracy", weight: Any = None
) -> Scored:
    """The network's answers beside those of gradient boosting and a guess of 51 to 49."""
    answers = {NETWORK: ours} | ({} if theirs is None else {BOOSTING: theirs}) | {CONSTANT: GUESS}
    return Scored("kind", metric, Y, answers, weight)


STANDINGS = [
    # Two rows more that are right say something only where no row goes the other way.
    (range(0, 2), range(0, 8), 1),
    (range(0, 8), range(0, 2), -1),
    (range(0, 2), range(0, 4), 0),
    (range(0, 4), range(4, 10), 0),
    (range(4, 10), range(0, 4), 0),
    (range(0, 4), range(0, 4), 0),
    (range(0, 3), range(0, 4), 0),
    (range(0, 4), range(10, 40), 1),
    (range(0, 90), range(0, 10), -1),
]


@pytest.mark.parametrize(("ours", "theirs", "sign"), STANDINGS)
def test_a_difference_within_two_standard_errors_is_none(
    ours: range, theirs: range, sign: int
) -> None:
    tested = beside(sure(ours), sure(theirs))
    assert tested.standing(BOOSTING) == sign
    mean, error = tested.gain(BOOSTING)
    assert (abs(mean) > 2 * error) == (sign != 0)


def test_gain_is_the_mean_and_standard_error_of_the_paired_rows() -> None:
    mean, error = beside(sure(range(4)), sure(range(4, 10))).gain(BOOSTING)
    more = np.r_[-np.ones(4), np.ones(6), np.zeros(N - 10)]
    assert mean == pytest.approx(0.02)
    assert error == pytest.approx(more.std(ddof=1) / math.sqrt(N))
    loss, error = beside(sure(range(4)), sure(range(4, 10))).gain(BOOSTING, "log_loss")
    assert loss == pytest.approx(0.02 * math.log(9))
    assert error == pytest.approx(math.log(9) * more.std(ddof=1) / math.sqrt(N))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "auc"])
def test_gain_is_the_difference_of_the_scores(metric: str, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 2, N) if weighted else None
    P = [rng.dirichlet(np.ones(2), N) for _ in range(2)]
    tested = beside(P[0], P[1], metric=metric, weight=weight)
    ours, theirs = (tested.scores[name][metric] for name in (NETWORK, BOOSTING))
    sign = -1 if metric == "log_loss" else 1
    assert tested.gain(BOOSTING)[0] == pytest.approx(sign * (ours - theirs))
    assert tested.scores[BOOSTING] == scores(Y, P[1], weight)


def of_numbers(ours: float, theirs: float, metric: str = "rmse", spread: float = 0.0) -> Scored:
    y = 10.0 * np.arange(N)
    answers = {
        NETWORK: y + ours + spread * (-1) ** np.arange(N), LINEAR: y - theirs,
        CONSTANT: np.full(N, y.mean()),
    }  # fmt: skip
    return Scored("price", metric, y, answers)


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_gain_of_numbers_is_in_their_unit(metric: str) -> None:
    assert of_numbers(1.0, 3.0, metric).gain(LINEAR) == pytest.approx((2.0, 0.0), abs=1e-9)
    assert of_numbers(3.0, 1.0, metric).gain(LINEAR) == pytest.approx((-2.0, 0.0), abs=1e-9)


def test_it_says_plainly_that_the_network_wins() -> None:
    told = verdict(beside(sure(range(4)), sure(range(40))), compared=True)
    assert told == (
        "Right for 96 of 100 test rows (96.00 %), give or take 2.0 points. The best other model is "
        "gradient boosting (accuracy 60.00 %): the network is better by 36 ± 4.8 points."
    )


def test_it_says_plainly_that_the_network_loses_and_by_how_much() -> None:
    told = verdict(beside(sure(range(40)), sure(range(4))), compared=True)
    assert told.startswith("Right for 60 of 100 test rows (60.00 %), give or take 4.9 points. ")
    assert (
        "The best other model is gradient boosting (accuracy 96.00 %): the network loses by 36 ± "
        "4.8 points."
    ) in told
    number = verdict(of_numbers(3.0, 1.0), compared=True)
    assert number == (
        "price is missed by 3 on average over 100 test rows (RMSE 3). The best other model is the "
        "linear model (RMSE 1): the network loses by 2 ± 0."
    )


@pytest.mark.parametrize(("ours", "side"), [(range(4, 10), "behind"), (range(9, 11), "ahead")])
def test_what_is_too_close_is_called_so(ours: range, side: str) -> None:
    told = verdict(beside(sure(ours), sure(range(4))), compared=True)
    assert told.endswith(
        f"the network is {side} by 2 ± "
        f"{'3.2' if side == 'behind' else '2.5'} points, too little to tell them apart on these "
        "rows."
    )


def test_level_is_level() -> None:
    told = verdict(beside(sure(range(4)), sure(range(4, 8))), compared=True)
    assert told.endswith("the network is level with it.")
    same = verdict(beside(sure(range(4)), sure(range(4))), compared=True)
    assert "the network is level with it" in same


def test_the_rival_is_the_best_of_the_others_by_the_metric() -> None:
    answers = {
        NETWORK: sure(range(5)), BOOSTING: sure(range(8), 0.99), LINEAR: sure(range(6), 0.6),
        CONSTANT: GUESS,
    }  # fmt: skip
    wanted = {"accuracy": LINEAR, "log_loss": BOOSTING, "auc": LINEAR}
    for metric, rival in wanted.items():
        tested = Scored("kind", metric, Y, answers)
        found = {name: tested.scores[name][metric] for name in answers if name != NETWORK}
        best = max(found, key=lambda n: found[n] * (-1 if metric == "log_loss" else 1))  # noqa: B023
        assert tested.rival == rival == best
        article = "" if rival == BOOSTING else "the "
        assert f"The best other model is {article}{rival} (" in verdict(tested, compared=True)


def test_it_names_the_metric_by_which_it_is_the_other_way_round() -> None:
    rash = verdict(beside(sure(range(10), 1 - 1e-12), sure(range(40), 0.8)), compared=True)
    assert "the network is better by 30 ± 4.6 points. Its log loss is worse, though: 2.763 " in rash
    behind = verdict(beside(sure(range(9), 0.9), sure(range(3), 0.5001)), compared=True)
    assert "loses by 6 ± 2.4 points. Its log loss is better, though: 0.3031 against 0.69" in behind
    plain = verdict(beside(sure(range(2)), sure(range(9))), compared=True)
    assert "though" not in plain
    close = verdict(beside(sure(range(4)), sure(range(4, 8), 0.6)), compared=True)
    assert "though" not in close  # nothing is claimed, so nothing goes the other way
    far = of_numbers(0.0, 5.0, "mae")
    far.answers[NETWORK][:2] += 100.0  # type: ignore[index]
    told = verdict(far, compared=True)
    assert "is better by 3 ± " in told
    assert "Its RMSE is" not in told  # worse by less than two standard errors


def test_what_is_worse_than_guessing_is_called_so() -> None:
    told = verdict(beside(sure(range(20), 1 - 1e-9), sure(range(30), 0.7)), compared=True)
    assert told.endswith(" By log loss it is worse than guessing (4.145 against 0.6933).")
    assert "guessing" not in verdict(beside(sure(range(4)), sure(range(4))), compared=True)
    number = of_numbers(400.0, 3.0)
    told = verdict(number, compared=True)
    assert told.endswith("By RMSE it is worse than guessing (400 against 288.7).")


def test_what_is_level_with_the_guess_or_not_compared_is_called_worse_than_guessing_too() -> None:
    """The same wrong answers as the guess, but certain of them."""
    level = beside(sure(range(50), 1 - 1e-9), sure(range(50), 0.5))
    told = verdict(level, compared=True)
    assert "the network is level with it" in told
    assert " By log loss it is worse than guessing (" in told
    alone = verdict(level, compared=False)
    assert "It was not compared with other kinds of models. By log loss it is worse than" in alone


def test_where_the_guess_is_best_that_is_what_it_is_compared_with() -> None:
    told = verdict(beside(sure(range(70)), sure(range(60))), compared=True)
    assert "The best other model is the constant guess (accuracy 50.00 %): the network " in told
    assert "loses by 20 ± " in told


def test_a_comparison_that_was_skipped_is_called_so() -> None:
    told = verdict(beside(sure(range(4))), compared=False)
    assert told == (
        "Right for 96 of 100 test rows (96.00 %), give or take 2.0 points. It was not compared "
        "with other kinds of models."
    )
    wanted = verdict(beside(sure(range(4))), compared=True)
    assert "The best other model is the constant guess" in wanted
    assert "not compared" not in wanted


def test_without_a_test_nothing_is_known() -> None:
    for compared in (True, False):
        told = verdict(None, compared=compared)
        assert told == "No row was kept for a test, so nothing is known about new rows."


@pytest.mark.parametrize(("wrong", "said"), [
    (range(0), "Right for 100 of 100 test rows (100.00 %), give or take 1.0 points. "),
    (range(N), "Right for 0 of 100 test rows (0.00 %), give or take 1.0 points. "),
    (range(1), "Right for 99 of 100 test rows (99.00 %), give or take 1.0 points. "),
])  # fmt: skip
def test_where_all_rows_agree_one_row_may_be_chance(wrong: range, said: str) -> None:
    assert verdict(beside(sure(wrong)), compared=True).startswith(said)


def test_one_row_proves_nothing() -> None:
    tested = Scored("kind", "accuracy", Y[:1], {
        NETWORK: sure(range(0))[:1], LINEAR: sure(range(1))[:1], CONSTANT: GUESS[1:2],
    })  # fmt: skip
    assert tested.gain(LINEAR) == (1.0, math.inf)
    assert tested.standing(LINEAR) == 0
    told = verdict(tested, compared=True)
    assert told.startswith("Right for 1 of 1 test row (100.00 %), give or take 100.0 points. ")
    assert "inf" not in told


def test_two_rows_that_agree_prove_little() -> None:
    tested = Scored("kind", "accuracy", Y[:2], {
        NETWORK: sure(range(2))[:2], LINEAR: sure(range(0))[:2], CONSTANT: GUESS[1:3],
    })  # fmt: skip
    assert tested.gain(LINEAR) == (-1.0, 0.5)
    assert tested.standing(LINEAR) == 0


def test_weights_count_in_the_comparison() -> None:
    weight = 1.0 + (np.arange(N) < 50)
    tested = beside(sure(range(0)), sure(range(10)), weight=weight)
    mean, error = tested.gain(BOOSTING)
    assert mean == pytest.approx(20 / 150)
    more = np.r_[np.ones(10), np.zeros(90)]
    spread = np.sqrt(np.sum((weight * (more - mean)) ** 2)) / 150
    assert error == pytest.approx(spread * math.sqrt(N / (N - 1)))
    told = verdict(beside(sure(range(4)), sure(range(8)), weight=weight), compared=True)
    assert told.startswith("Right for 94.67 % of 100 test rows, by their weight, give or take ")


def test_a_metric_that_cannot_be_told_is_not_compared() -> None:
    y = np.zeros(N, int)
    answers = {NETWORK: sure(range(4), y=y), LINEAR: sure(range(8), y=y), CONSTANT: GUESS}
    tested = Scored("kind", "auc", y, answers)
    assert tested.rival is None
    told = verdict(tested, compared=True)
    assert told == (
        "Right for 96 of 100 test rows (96.00 %), give or take 2.0 points. Its AUC is unknown, as "
        "a class has no test row: it was compared with no other model."
    )
    by_share = verdict(Scored("kind", "accuracy", y, answers), compared=True)
    assert "AUC" not in by_share


def test_the_error_of_an_auc_is_that_of_the_paired_difference() -> None:
    """DeLong, DeLong and Clarke-Pearson 1988, by every pair of rows."""
    rng = np.random.default_rng(3)
    score = [Y + rng.normal(scale=s, size=N) for s in (1.0, 1.5)]
    P = [1 / (1 + np.exp(-s)) for s in score]
    tested = beside(*(np.column_stack([1 - p, p]) for p in P), metric="auc")
    pairs = [(s[Y == 1][:, None] > s[Y == 0]).astype(float) for s in score]
    by_positive, by_negative = (pairs[0].mean(axis) - pairs[1].mean(axis) for axis in (1, 0))
    variance = by_positive.var(ddof=1) / 50 + by_negative.var(ddof=1) / 50
    mean, error = tested.gain(BOOSTING)
    assert mean == pytest.approx(pairs[0].mean() - pairs[1].mean())
    assert error == pytest.approx(math.sqrt(variance), rel=0.01)
    assert metrics.auc(Y, P[0]) == pytest.approx(pairs[0].mean())
