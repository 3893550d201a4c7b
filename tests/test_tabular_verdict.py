"""The verdict claims no more than the test rows show, compared row by row."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.model import scores
from chainrule.tables import read_table
from chainrule.tabular import TableRun
from chainrule.tabular_report import answer_of, forward_steps, task_of
from chainrule.tabular_verdict import HeldOut, gain, held_out, mistakes, standing, verdict

N = 100


def made_run(target: str, weight: str | None = None) -> TableRun:
    """A run whose test rows are N rows of their own, the classes "no" and "yes" in turn."""
    i = np.arange(N)
    table = {
        "x": np.random.default_rng(0).normal(size=N),
        "answer": np.array(["no", "yes"], object)[i % 2],
        "number": 10.0 * i,
        "w": 1.0 + (i < 50),
    }
    unused = "number" if target == "answer" else "answer"
    test = read_table(table)
    return TableRun(
        read_table(table), target, test_table=test, drop=[unused] + ["w"] * (weight is None),
        weight=weight, hidden=(), valid=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run() -> TableRun:
    return made_run("answer")


def sure(run: TableRun, wrong: NDArray[np.int_] | range, p: float = 0.9) -> NDArray[np.float64]:
    """Outputs (n, 1) that give the true class p, but for the `wrong` rows."""
    assert run.test_part is not None
    y = run.test_part[1]
    right = np.where(y == 1, p, 1 - p)
    right[wrong] = 1 - right[wrong]
    return right[:, None]


def outputs_of(run: TableRun, **outputs: NDArray[np.float64]) -> HeldOut:
    assert run.test_part is not None
    _, y, weight = run.test_part
    named = {name.replace("_", " "): Y for name, Y in outputs.items()}
    return HeldOut(named, {k: scores(run.preparation, y, Y, weight) for k, Y in named.items()})


def beside(run: TableRun, ours: range, theirs: range, p: float = 0.9) -> HeldOut:
    """The network wrong in `ours` and as sure as 0.9, the linear model wrong in `theirs`."""
    guess = np.full((N, 1), 0.49)
    network, linear = sure(run, ours), sure(run, theirs, p)
    return outputs_of(run, network=network, linear_model=linear, constant_guess=guess)


STANDINGS = [
    # Two rows more that are right say something only where no row goes the other way.
    (range(0, 2), range(0, 4), "better than the linear model"),
    (range(0, 4), range(0, 2), "worse than the linear model"),
    (range(0, 4), range(4, 10), "about as good as the linear model"),
    (range(4, 10), range(0, 4), "about as good as the linear model"),
    (range(0, 4), range(0, 4), "about as good as the linear model"),
    (range(0, 3), range(0, 4), "about as good as the linear model"),
    (range(0, 4), range(10, 40), "better than the linear model"),
    (range(0, 48), range(0, 48), "about as good as the linear model and the constant guess"),
    (range(0, 90), range(0, 10), "worse than the linear model and the constant guess"),
    (range(0, 52), range(0, 10), "worse than the linear model and about as good as the "
                                 "constant guess"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "words"), STANDINGS)
def test_gain_within_its_error_is_none(
    ours: range, theirs: range, words: str, run: TableRun
) -> None:
    assert standing(run, beside(run, ours, theirs)) == words


def test_gain_is_the_mean_and_standard_error_of_the_paired_rows(run: TableRun) -> None:
    mean, error = gain(run, beside(run, range(4), range(4, 10)), "linear model")
    more = np.r_[-np.ones(4), np.ones(6), np.zeros(N - 10)]
    assert mean == pytest.approx(0.02)
    assert error == pytest.approx(more.std(ddof=1) / math.sqrt(N))


def test_verdict_names_the_metric_that_goes_the_other_way(run: TableRun) -> None:
    told = verdict(run, beside(run, range(4), range(4, 10), p=0.99))
    assert told.startswith("Right for 96 of 100 test rows (96.00 %), give or take 2.0 points. ")
    assert 'On the same rows, linear model: 94.00 %; always "no": ' in told
    assert "about as good as the linear model, but its AUC is" not in told
    unsure = verdict(run, beside(run, range(4), range(4, 10), p=0.6))
    assert unsure.endswith("So it is about as good as the linear model.")
    ahead = outputs_of(
        run, network=sure(run, range(2), 0.999), linear_model=sure(run, range(9), 0.7)
    )
    assert ", but its log loss is worse" not in verdict(run, ahead)
    rash = outputs_of(
        run, network=sure(run, range(2), 1 - 1e-12), linear_model=sure(run, range(9), 0.8)
    )
    assert "So it is better than the linear model, but its log loss is worse: 0.5526 against " in (
        verdict(run, rash)
    )
    behind = outputs_of(
        run, network=sure(run, range(9), 0.9), linear_model=sure(run, range(5), 0.5001)
    )
    assert "worse than the linear model, but its log loss is better: " in verdict(run, behind)


def test_what_is_worse_than_guessing_is_told_what_to_do(run: TableRun) -> None:
    guess = np.full((N, 1), 0.49)
    sure_and_often_wrong = outputs_of(
        run, network=sure(run, range(0, 20), 1 - 1e-9), constant_guess=guess
    )
    told = verdict(run, sure_and_often_wrong)
    assert "By log loss it is worse than guessing (4.145 against" in told
    assert told.endswith("lower the learning rate (0.003 now), or train longer.")
    assert "guessing" not in verdict(run, beside(run, range(0, 4), range(0, 4)))


def test_verdict_without_a_linear_model_or_a_test(run: TableRun) -> None:
    alone = outputs_of(run, network=sure(run, range(4)), constant_guess=np.full((N, 1), 0.49))
    assert verdict(run, alone).endswith("So it is better than the constant guess.")
    assert "nothing is known about new rows" in verdict(run, HeldOut({}, {}))


def test_number_is_judged_by_its_absolute_error() -> None:
    run = made_run("number")
    assert run.test_part is not None
    y = run.test_part[1][:, None]
    scale = run.preparation.target_scale
    outputs = outputs_of(run, network=y + 1 / scale, linear_model=y + 3 / scale)
    assert gain(run, outputs, "linear model") == pytest.approx((2.0, 0.0), abs=1e-9)
    told = verdict(run, outputs)
    assert told.startswith("number is missed by 1.000 on average over 100 test rows. ")
    assert told.endswith("So it is better than the linear model.")
    assert task_of(run) == "a number"


def test_weights_count_in_the_comparison() -> None:
    run = made_run("answer", weight="w")
    mean, error = gain(run, beside(run, range(50, 50), range(0, 10)), "linear model")
    assert mean == pytest.approx(20 / 150)
    assert 0 < error < 0.1
    assert "by their weight" in verdict(run, beside(run, range(4), range(8)))


def test_held_out_has_the_scores_of_the_run(run: TableRun) -> None:
    assert held_out(run).scores == run.scores()
    assert held_out(run, linear=False).scores == run.scores(linear=False)
    assert {Y.shape for Y in held_out(run).outputs.values()} == {(N, 1)}


def test_mistake_that_is_followed_is_called_one(run: TableRun) -> None:
    assert run.test_table is not None
    run.net.theta = np.zeros(run.net.theta.size)  # every answer is the same
    assert mistakes(run) == 50
    answers = [answer_of(run, run.test_table, row) for row in (0, 1)]
    wrong = [told for told in answers if "but the table says" in told]
    assert len(wrong) == 1
    assert wrong[0].endswith(": one of its 50 mistakes on the test rows.")
    assert "mistake" not in answer_of(run, run.table, 1)
    assert task_of(run) == "two classes (no, yes)"


def test_dropout_has_a_line_of_its_own() -> None:
    table = read_table({"x": np.arange(40.0), "y": np.arange(40.0) ** 2})
    run = TableRun(table, "y", hidden=(3,), dropout=0.5)
    steps = forward_steps(run.net, np.zeros(1))
    told = [(step.name, step.formula, len(step.values)) for step in steps]
    assert told == [
        ("0.Z", "X @ 0.W + 0.b", 3), ("1.A", "ReLU(0.Z)", 3),
        ("2", "Dropout hands its input on", 0), ("3.Z", "1.A @ 3.W + 3.b", 1),
    ]  # fmt: skip
