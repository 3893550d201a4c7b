"""Member: how one network keeps its best epoch and its answers for the rows that it holds out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.epoch import Batch
from chainrule.tabular.member import Member
from chainrule.training.loop import Record


def held_out(net: cr.Network, y: list[int], X: Any = None) -> Member:
    X = np.eye(len(y)) if X is None else X
    rows = Batch(X, np.array(y), None)
    return Member(net, rows, rows, np.arange(len(y)), 0)


def scored(member: Member, loss: Any, metric: str) -> float:
    """The score of one epoch."""
    found = replace(member).see(told(0), loss, metric).valid_loss
    assert found is not None
    return found


def told(epoch: int, loss: float = 1.0) -> Record:
    return Record(epoch, loss, None, 0.1, 0.0, "readable")


def test_the_score_of_classes_by_hand() -> None:
    """e + √(e (1 - e) / n) ℓ / ln k of 4 rows: 2 are wrong, and 1 of 4 pairs is out of order."""
    net = cr.Network(1, [cr.Dense(2, bias=False)], rng=0)
    net.theta = [0.0, 1.0]  # the logit of class 1 is x
    X, y = np.array([[-2.0], [1.0], [-1.0], [2.0]]), [0, 0, 1, 1]
    member, loss = held_out(net, y, X), cr.SoftmaxCrossEntropy()
    log_loss = np.mean([np.log1p(np.exp(-m)) for m in (2.0, -1.0, -1.0, 2.0)])
    assert scored(member, loss, "log_loss") == pytest.approx(log_loss)
    for metric, error in (("accuracy", 0.5), ("auc", 0.25)):
        spread = max(error * (1 - error), 1 / 4)  # of 4 rows, a single one may be wrong by chance
        wanted = error + np.sqrt(spread / 4) * log_loss / np.log(2)
        assert scored(member, loss, metric) == pytest.approx(wanted)
    assert scored(held_out(net, [1, 1, 1, 1], X), loss, "auc") == pytest.approx(
        np.mean([np.log1p(np.exp(-x)) for x in X[:, 0]])
    )  # nothing can be ranked
    right = held_out(net, [0, 1, 0, 1], X)
    small = np.mean([np.log1p(np.exp(-m)) for m in (2.0, 1.0, 1.0, 2.0)])
    assert scored(right, loss, "accuracy") == pytest.approx(0.25 * small / np.log(2))


def test_the_score_of_a_number_is_its_loss() -> None:
    net = cr.Network(1, [cr.Dense(1, bias=False, init=2.0)], rng=0)
    member = held_out(net, [3, 5], np.array([[1.0], [2.0]]))
    assert scored(member, cr.SquaredError(), "rmse") == 1.0
    assert scored(member, cr.AbsoluteError(), "mae") == 1.0
    alone = replace(member, held_out=None)
    assert alone.see(told(0, 4.0), cr.SquaredError(), "rmse") == told(0, 4.0)
    assert alone.best.loss == 4.0


def test_a_held_out_row_does_not_choose_the_epoch_of_its_answer() -> None:
    """The first row alone prefers the second epoch, and is answered by the first all the same."""
    net = cr.Network(1, [cr.Dense(1, bias=False, init=0.0)], rng=0)
    member, losses = held_out(net, [3, 0, 0], np.ones((3, 1))), list[Any]()
    for epoch, answer in enumerate((0.0, 0.5)):
        net.theta = [answer]
        losses.append(member.see(told(epoch), cr.SquaredError(), "rmse").valid_loss)
    assert losses == pytest.approx([3.0, 6.75 / 3])
    assert member.best.epoch == 1
    np.testing.assert_array_equal(member.answers, [[0.0], [0.5], [0.5]])


def test_a_weight_counts_in_what_the_other_rows_choose() -> None:
    """The third row weighs so much that it chooses for the first; without weights it would not."""
    net = cr.Network(1, [cr.Dense(1, bias=False, init=0.0)], rng=0)
    rows = Batch(np.ones((3, 1)), np.array([[1.0], [0.0], [1.0]]), np.array([1.0, 1.0, 10.0]))
    member = Member(net, rows, rows, np.arange(3), 0)
    for epoch, answer in enumerate((0.2, 0.9)):
        net.theta = [answer]
        member.see(told(epoch), cr.SquaredError(), "rmse")
    np.testing.assert_allclose(member.answers, [[0.9], [0.9], [0.2]])


def test_held_out_rows_that_weigh_nothing_leave_one_alone() -> None:
    net = cr.Network(1, [cr.Dense(1, bias=False, init=2.0)], rng=0)
    rows = Batch(np.ones((2, 1)), np.array([3.0, 5.0]), np.array([0.0, 1.0]))
    member = Member(net, rows, rows, np.arange(2), 0)
    assert member.see(told(0), cr.SquaredError(), "rmse").valid_loss == 9.0
    np.testing.assert_array_equal(member.answers, [[2.0], [2.0]])
