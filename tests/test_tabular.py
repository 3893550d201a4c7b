"""What TableRun does with each setting: splits, weights, roles, seeds, and what it refuses."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.model import Model
from chainrule.storage import load, save
from chainrule.tables import Table, read_table
from chainrule.tabular import TableRun


def trained(table: Table, target: str, **settings: Any) -> TableRun:
    run = TableRun(table, target, **settings)
    for _ in run.train():
        pass
    return run


@pytest.fixture(scope="module")
def titanic(data: Path) -> Table:
    table: Table = read_table(data / "titanic.csv")
    return table


def answers_of(run: TableRun) -> bytes:
    return b"".join(a.tobytes() for a in (run.net.theta, run.split.test, run.split.valid))


SHORT: dict[str, Any] = {"epochs": 3, "hidden": (8,)}


def test_seed_repeats_bit_for_bit(titanic: Table) -> None:
    runs = [trained(titanic, "Survived", seed=seed, **SHORT) for seed in (3, 3, 4)]
    assert answers_of(runs[0]) == answers_of(runs[1]) != answers_of(runs[2])
    losses = [[(record.loss, record.valid_loss) for record in run.records] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert runs[0].scores() == runs[1].scores()


def test_threads_change_no_bit(titanic: Table) -> None:
    runs = [trained(titanic, "Survived", threads=n, **SHORT) for n in (1, 2)]
    assert answers_of(runs[0]) == answers_of(runs[1])


def test_best_epoch_is_what_is_kept(titanic: Table) -> None:
    run = trained(titanic, "Survived", epochs=60, hidden=(32,), lr=0.03)
    losses = [record.monitored for record in run.records]
    assert run.best_epoch == int(np.argmin(losses)) < len(losses) - 1
    assert run.valid_part is not None
    X, y, _ = run.valid_part
    assert run.loss.value(run.net.predict(X), y) == pytest.approx(min(losses), rel=1e-9)


def made_up(n: int = 200) -> Table:
    rng = np.random.default_rng(0)
    i, x = np.arange(n), rng.normal(size=(n, 2))
    return read_table(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "colour": np.array(["red", "blue"], object)[i % 2],
            "who": np.array([f"p{k}" for k in i // 10], object),
            "when": (np.datetime64("2024-01-01") + i.astype("timedelta64[D]")).astype("M8[us]"),
            "w": (i % 4).astype(float),
            "y": np.array(["no", "yes"], object)[(x[:, 0] + (i % 2) > 0.5).astype(int)],
            "z": 3 * x[:, 0] - x[:, 1] + 10,
        }
    )


def test_group_is_never_on_two_sides() -> None:
    run = TableRun(made_up(), "y", group="who", drop=["z"])
    sides = [set(run.table.columns["who"][part]) for part in
             (run.split.train, run.split.valid, run.split.test)]  # fmt: skip
    assert all(sides)
    assert sum(map(len, sides)) == 20 == len(set.union(*sides))
    assert not any(name.startswith("who") for name in run.preparation.feature_names)


def test_latest_rows_are_the_test() -> None:
    run = TableRun(made_up(), "y", time="when", drop="z")
    when = run.table.columns["when"]
    assert when[run.split.train].max() < when[run.split.valid].min()
    assert when[run.split.valid].max() < when[run.split.test].min()


def test_weights_count_in_training_and_scores() -> None:
    run = trained(made_up(), "z", weight="w", drop=["y"], hidden=(4,), epochs=2)
    assert run.test_part is not None
    _, y, weight = run.train_part
    _, true, test_weight = run.test_part
    assert weight is not None
    assert test_weight is not None
    assert set(weight) == set(test_weight) == {0.0, 1.0, 2.0, 3.0}
    assert "w" not in run.preparation.feature_names
    restore = run.preparation.restore_target
    off = np.abs(restore(true) - restore(np.average(y, weights=weight)))
    wanted = np.average(off, weights=test_weight)
    assert run.scores()["constant guess"]["mae"] == pytest.approx(wanted)
    assert run.scores()["network"] == pytest.approx(
        run.model().evaluate(run.table.take(run.split.test))
    )


def test_labels_of_rows_of_weight_zero_teach_nothing() -> None:
    table = made_up()
    labels = table.columns["y"].copy()
    nought = np.flatnonzero(table.columns["w"] == 0)
    labels[nought] = labels[nought][::-1]  # as many of each class as before
    runs = []
    for t in (table, Table({**table.columns, "y": labels}, "swapped")):
        run = TableRun(t, "y", weight="w", drop=["z", "who"], test=0.0, valid=0.0, **SHORT)
        runs.append(run)
        for _ in run.train():
            pass
    assert np.array_equal(runs[0].net.theta, runs[1].net.theta)
    assert not np.array_equal(runs[0].train_part[1], runs[1].train_part[1])


def test_validation_rows_that_weigh_nothing() -> None:
    table = made_up()
    latest = np.where(np.arange(200) < 120, 1.0, 0.0)
    weighed = Table({**table.columns, "w": latest}, "t.csv")
    with pytest.raises(ValueError, match="weight"):
        trained(weighed, "y", weight="w", time="when", drop=["z", "who"], **SHORT)


def test_test_table_is_the_test() -> None:
    table = made_up()
    train, test = table.take(np.arange(150)), table.take(np.arange(150, 200))
    run = trained(train, "y", test_table=test, drop=["z", "who"], **SHORT)
    assert len(run.split.test) == 0
    assert len(run.split.train) + len(run.split.valid) == 150
    assert run.test_part is not None
    assert len(run.test_part[0]) == 50
    facts = run.model().facts
    assert facts["rows"] == {
        "train": len(run.split.train),
        "valid": len(run.split.valid),
        "test": 50,
    }
    assert run.scores()["network"] == pytest.approx(run.model().evaluate(test))


def test_roles_and_drop_are_obeyed(titanic: Table) -> None:
    run = TableRun(titanic, "Survived", roles={"Pclass": "category"}, drop=["Fare"], **SHORT)
    names = run.preparation.feature_names
    assert {"Pclass=1", "Pclass=2", "Pclass=3"} <= set(names)
    assert "Pclass" not in names
    assert not any(name.startswith("Fare") for name in names)


def test_rows_without_target_are_dropped(titanic: Table) -> None:
    y = titanic.columns["Survived"].astype(float)
    y[:100] = np.nan
    run = trained(Table({**titanic.columns, "Survived": y}, "holes"), "Survived", **SHORT)
    rows = np.concatenate([run.split.train, run.split.valid, run.split.test])
    assert sorted(rows) == list(range(100, 891))
    assert run.schema.notes == ('100 rows without "Survived" dropped',)
    assert run.model().predict(run.table).shape == (891,)
    assert set(run.model().predict(run.table).tolist()) == {0, 1}


def test_new_categories_and_missing_cells_get_an_answer(titanic: Table, tmp_path: Path) -> None:
    run = trained(titanic, "Survived", **SHORT)
    save(run.model(), tmp_path / "m")
    model: Model = load(tmp_path / "m")
    odd = titanic.take([0, 1, 2]).columns
    odd["Embarked"] = np.array(["X", None, "日本"], object)
    odd["Sex"] = np.array(["robot", None, "male"], object)
    odd["Age"] = np.array([np.nan, -5.0, 1e9])
    P = model.predict_proba(Table(odd, "odd"))
    assert np.isfinite(P).all()
    np.testing.assert_allclose(P.sum(axis=1), 1.0)


def test_missing_columns_are_named(titanic: Table) -> None:
    model = trained(titanic, "Survived", **SHORT).model()
    with pytest.raises(ValueError, match='lacks the columns "Sex", "Age"'):
        model.predict(titanic.without(["Age", "Sex"]))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"target": "Survivd"}, 'no column "Survivd" for target.*did you mean "Survived"'),
    ({"optimizer": "adman"}, "optimizer is 'adman': use one of sgd"),
    ({"activation": "rule"}, "activation is 'rule': use a layer"),
    ({"epochs": 0}, "epochs is 0: it must be a whole number of at least 1"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"lr": -1.0}, "lr is -1.0"),
    ({"lr": float("nan")}, "lr is nan"),
    ({"hidden": (0,)}, "n is 0"),
    ({"hidden": (2.5,)}, "n is 2.5"),
    ({"dropout": 1.0}, "Dropout rate is 1.0"),
    ({"valid": 0.5, "test": 0.5}, "leave no row for training"),
    ({"valid": -0.1}, "leave no row for training"),
    ({"seed": -1}, "seed|rng|non-negative"),
    ({"threads": 0}, "threads is 0"),
    ({"task": "regresion"}, '"regresion" is no task'),
    ({"target": "Name"}, "different values"),
    ({"weight": "Name"}, 'weight column "Name" holds'),
    ({"group": "Ticket", "time": "Age"}, "by group or by time, not both"),
    ({"drop": ["Survived"]}, "is the target and cannot be drop"),
    ({"roles": {"Sex": "number"}}, 'column "Sex" of .* cannot be a number'),
]


@pytest.mark.parametrize(("settings", "message"), WRONG, ids=str)
def test_wrong_settings_get_one_sentence(
    titanic: Table, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        TableRun(titanic, **{"target": "Survived", **settings})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [{"valid": 0.0}, {"test": 0.0}, {"valid": 0.0, "test": 0.0}])
def test_shares_of_nothing(titanic: Table, share: dict[str, float], tmp_path: Path) -> None:
    run = trained(titanic, "Survived", **SHORT, **share)
    assert bool(run.scores()) == ("test" not in share)
    assert (run.valid_part is None) == ("valid" in share)
    save(run.model(), tmp_path / "m")
    assert load(tmp_path / "m").facts == run.model().facts


def test_a_class_that_the_test_lacks_is_no_obstacle(tmp_path: Path) -> None:
    table = made_up(60)
    y = np.array(["a", "b"], object)[np.arange(60) % 2]
    y[7] = "rare"
    run = trained(Table({**table.columns, "y": y}, "rare"), "y", drop=["z", "who"], **SHORT)
    assert 7 in run.split.train
    save(run.model(), tmp_path / "m")
    assert load(tmp_path / "m").facts["test"]["network"]["auc"] is None


def test_five_rows_are_enough(tmp_path: Path) -> None:
    table = read_table({"a": np.arange(5.0), "y": np.array([1.5, 2.5, 3.5, 4.5, 5.5])})
    run = trained(table, "y", **SHORT)
    save(run.model(), tmp_path / "m")
    assert load(tmp_path / "m").predict(table).shape == (5,)


def test_stopping_early_keeps_the_best_so_far(titanic: Table) -> None:
    run = TableRun(titanic, "Survived", hidden=(8,))
    for record in run.train():
        if record.epoch == 4:
            break
    gc.collect()  # the loop's generator has put the best numbers back before it is gone
    assert len(run.records) == 5
    assert run.seconds > 0
    best = run.best_epoch
    assert best is not None
    X, y, _ = run.valid_part or run.train_part
    assert run.loss.value(run.net.predict(X), y) == pytest.approx(run.records[best].monitored)


def test_a_test_on_the_training_table_is_called_none() -> None:
    table = made_up()
    for test, told in ((made_up(), True), (table.take(np.arange(199, -1, -1)), False)):
        run = TableRun(table, "y", test_table=test, hidden=())
        assert any("no test at all" in note for note in run.notes()) is told
    assert run.rows == {"train": 160, "valid": 40, "test": 200}
