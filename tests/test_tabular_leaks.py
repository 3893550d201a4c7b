"""No test row teaches anything, and no held-out row its member: preparations, networks, groups."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support.table_runs import PRESETS, built, made_up, trained

from chainrule.tables import Table
from chainrule.tabular.run import TableRun


def with_gaps() -> Table:
    """`made_up` with missing numbers and colours, in training and test rows alike."""
    columns = {name: values.copy() for name, values in made_up().columns.items()}
    columns["a"][::9], columns["colour"][::13] = np.nan, None
    return Table(columns, "gaps.csv")


def changed(table: Table, rows: Any, **cells: Any) -> Table:
    """The table with these cells in some rows, whatever was there."""
    columns = {name: values.copy() for name, values in table.columns.items()}
    for name, values in cells.items():
        columns[name][rows] = values
    return Table(columns, table.source)


CHANGES: Mapping[str, dict[str, Any]] = {
    "far numbers": {"a": 1e4, "b": -1e4},
    "missing cells": {"a": np.nan, "colour": None},
    "a new category": {"colour": "mauve"},
    "another category": {"colour": "red"},
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("change", CHANGES)
def test_cells_of_test_rows_change_nothing(change: str, preset: str) -> None:
    table = with_gaps()
    run = trained(table, preset=preset)
    assert run.data.test is not None
    other = trained(changed(table, run.data.test.places, **CHANGES[change]), preset=preset)
    same_learning(run, other)
    assert other.data.test is not None
    assert not np.array_equal(run.data.test.X, other.data.test.X)


def same_learning(run: TableRun, other: TableRun) -> None:
    """Preparation and members learned the very same; and so did the networks."""
    assert other.data.preparation == run.data.preparation
    np.testing.assert_array_equal(other.data.train.X, run.data.train.X)
    np.testing.assert_array_equal(other.data.train.y, run.data.train.y)
    np.testing.assert_array_equal(other.net.theta, run.net.theta)
    np.testing.assert_array_equal(other.net.buffers, run.net.buffers)
    assert [m.best.epoch for m in other.members] == [m.best.epoch for m in run.members]


@pytest.mark.parametrize("preset", PRESETS)
def test_targets_of_a_test_table_change_nothing(preset: str) -> None:
    table = made_up()
    train, test = table.take(np.arange(150)), table.take(np.arange(150, 200))
    for target, cells in (("z", {"z": -1e6}), ("y", {"y": "yes"})):
        runs = [
            trained(train, target, preset, test_table=one)
            for one in (test, changed(test, slice(0, 25), **cells))
        ]
        same_learning(runs[0], runs[1])
        answers = [run.outcome(compared=False).scores["constant guess"] for run in runs]
        assert answers[0] != answers[1]


def test_the_preparation_is_that_of_the_training_rows_by_hand() -> None:
    table = with_gaps()
    run = built(table, "z")
    rows = run.data.train.places
    plans = {plan.name: plan for plan in run.data.preparation.columns}
    a, z = table.columns["a"][rows], table.columns["z"]
    assert plans["a"].fill == np.nanmedian(a)
    filled = np.where(np.isnan(a), np.nanmedian(a), a)
    assert plans["a"].center[0] == pytest.approx(filled.mean())
    assert run.data.preparation.target_mean == pytest.approx(z[rows].mean())
    assert run.data.preparation.target_mean != pytest.approx(z.mean(), rel=1e-9)


def test_other_models_learn_from_the_training_rows_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chainrule.tabular.run.COMPARE_SECONDS", 1e6)
    table = with_gaps()
    run = trained(table, "z")
    assert run.data.test is not None
    half = run.data.test.places[:20]
    other = trained(changed(table, half, **CHANGES["far numbers"]), "z")
    ours, theirs = (one.outcome().tested for one in (run, other))
    assert ours is not None
    assert theirs is not None
    for name in ours.answers:
        np.testing.assert_array_equal(ours.answers[name][20:], theirs.answers[name][20:])


@pytest.mark.parametrize("preset", PRESETS)
def test_no_group_is_on_two_sides_of_any_member(preset: str) -> None:
    run = built(made_up(), preset=preset, group="who")
    assert run.data.test is not None
    who, train = run.data.table.columns["who"], run.data.train.places
    test = set(who[run.data.test.places])
    assert not test & set(who[train])
    parts = set()
    for member in run.members:
        held_out, used = sides(who, train, member.places)
        assert held_out
        assert not held_out & used
        assert held_out | used | test == set(who)
        parts.add(frozenset(held_out))
    assert len(parts) == len(run.members)  # each holds out groups of its own
    assert not any(name.startswith("who") for name in run.data.preparation.feature_names)


def sides(column: Any, train: Any, places: Any) -> tuple[set[Any], set[Any]]:
    """What a column holds in a member's held-out rows, and in those that train it."""
    used = np.setdiff1d(np.arange(len(train)), places)
    return set(column[train[places]]), set(column[train[used]])


@pytest.mark.parametrize("preset", PRESETS)
def test_no_held_out_row_of_any_member_is_earlier_than_its_training_rows(preset: str) -> None:
    shuffled = made_up().take(np.random.default_rng(1).permutation(200))
    run = built(shuffled, preset=preset, time="when")
    assert run.data.test is not None
    when, train = run.data.table.columns["when"], run.data.train.places
    assert when[train].max() < when[run.data.test.places].min()
    for member in run.members:
        held_out, used = sides(when, train, member.places)
        assert max(used) < min(held_out)
        assert len(held_out) == 32


@pytest.mark.parametrize("preset", PRESETS)
def test_a_member_holds_out_what_does_not_train_it(preset: str) -> None:
    run = built(made_up(), "z", preset)
    X = run.data.train.X.astype(run.preset.dtype)
    for member in run.members:
        assert member.held_out is not None
        np.testing.assert_array_equal(member.held_out.X, X[member.places])
        used = np.setdiff1d(np.arange(len(X)), member.places)
        np.testing.assert_array_equal(member.rows.X, X[used])
        assert len(member.places) == 32
    drawn = {tuple(member.places) for member in run.members}
    assert len(drawn) == len(run.members)
