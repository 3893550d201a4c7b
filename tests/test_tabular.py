"""TableRun: every preset on any table with every option; seeds, splits, weights, refusals."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.table_runs import PRESETS, QUICK, built, finished, made_up, trained

from chainrule import Pinball
from chainrule.models.model import Model
from chainrule.models.modelfile import load, save
from chainrule.tables import Table, read_table
from chainrule.tabular.run import TableRun


@pytest.fixture(scope="module")
def titanic(data: Path) -> Table:
    table: Table = read_table(data / "titanic.csv")
    return table


def numbers_of(run: TableRun) -> bytes:
    """The bits of the network and the rows of test and members."""
    assert run.data.test is not None
    places = [run.data.test.places, *(member.places for member in run.members)]
    return b"".join(a.tobytes() for a in (run.net.theta, *places))


@pytest.mark.parametrize("preset", PRESETS)
def test_seed_repeats_bit_for_bit(preset: str) -> None:
    runs = [trained(made_up(), preset=preset, seed=seed) for seed in (3, 3, 4)]
    assert numbers_of(runs[0]) == numbers_of(runs[1]) != numbers_of(runs[2])
    losses = [[(record.loss, record.valid_loss) for record in run.records] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert runs[0].outcome(compared=False).scores == runs[1].outcome(compared=False).scores


@pytest.mark.parametrize("preset", PRESETS)
def test_threads_change_no_bit(preset: str) -> None:
    runs = [trained(made_up(), preset=preset, threads=n) for n in (1, 2, None)]
    assert numbers_of(runs[0]) == numbers_of(runs[1]) == numbers_of(runs[2])


def test_best_epoch_is_what_is_kept(titanic: Table) -> None:
    run = trained(titanic, "Survived", hidden=(32,), lr=0.03, epochs=60, metric="log_loss")
    losses = [record.monitored for record in run.records]
    member, last = run.members[0], len(losses) - 1
    assert member.best.epoch == last - int(np.argmin(losses[::-1])) < last
    assert member.held_out is not None
    X, y = member.held_out.X, member.held_out.y
    assert run.loss.value(run.net.predict(X), y) == pytest.approx(min(losses), rel=1e-9)


def options() -> dict[str, tuple[dict[str, Any], Callable[[TableRun], bool]]]:
    """Option -> (settings, what must then be true of the run)."""
    table = made_up()
    return {
        "test share": ({"test": 0.4}, lambda r: r.rows["test"] == 80),
        "no test": ({"test": 0.0}, lambda r: r.data.test is None and r.rows["test"] == 0),
        "test table": ({"test_table": table.take(np.arange(30))}, lambda r: r.rows["test"] == 30),
        "group": ({"group": "who"}, lambda r: r.data.schema.group == "who"),
        "time": ({"time": "when"}, lambda r: r.data.schema.time == "when"),
        "drop": ({"drop": [*"bz", "who", "when", "w"]}, lambda r: "b" not in names(r)),
        "roles": ({"roles": {"w": "category"}, "drop": ["z", "who", "when"]},
                  lambda r: any(name.startswith("w=") for name in names(r))),
        "weight": ({"weight": "w"}, lambda r: r.members[0].rows.weight is not None),
        "metric": ({"metric": "auc"}, lambda r: r.test_metric == "auc"),
        "class weight": ({"class_weight": "balanced"},
                         lambda r: r.members[0].rows.weight is not None),
        "valid": ({"valid": 0.5}, lambda r: abs(r.rows["valid"] - r.rows["train"]) <= 2),
        "no valid": ({"valid": 0.0}, lambda r: r.members[0].held_out is None),
        "time limit": ({"time_limit": 1e6}, lambda r: r.time_limit == 1e6),
        "threads": ({"threads": 1}, lambda r: r.threads == 1),
        "seed": ({"seed": 7}, lambda r: r.data.seed == 7),
        "task": ({"task": "binary"}, lambda r: r.data.schema.task == "binary"),
        "members": ({"members": 2}, lambda r: len(r.members) == 2),
        "settings": ({"activation": "tanh", "dropout": 0.0, "lr": 0.01, "batch_size": 32,
                      "optimizer": "adam", "patience": 2, "engine": "readable"},
                     lambda r: r.preset.lr == 0.01 and r.preset.activation == "tanh"),
    }  # fmt: skip


def names(run: TableRun) -> list[str]:
    return run.data.preparation.feature_names


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("option", options())
def test_any_option_with_any_preset(option: str, preset: str, tmp_path: Path) -> None:
    settings, holds = options()[option]
    run = trained(made_up(), preset=preset, **settings)
    assert holds(run)
    outcome = run.outcome(compared=False)
    assert ("network" in outcome.scores) == (option != "no test")
    save(outcome.model, tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.facts == outcome.model.facts
    np.testing.assert_array_equal(
        again.predict_proba(made_up()), outcome.model.predict_proba(made_up())
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_interval_and_metrics_of_numbers_with_any_preset(preset: str) -> None:
    run = trained(made_up(), "z", preset, interval=0.8)
    assert isinstance(run.loss, Pinball)
    np.testing.assert_allclose(run.loss.quantile, (0.1, 0.5, 0.9))
    found = run.outcome(compared=False)
    assert found.interval is not None
    assert found.interval["share"] == 0.8
    low, high = found.model.predict_interval(made_up()).T
    assert (low <= high).all()
    for metric in ("rmse", "mae"):
        assert finished(made_up(), "z", preset, metric=metric).model.facts["metric"] == metric


def test_interval_counts_the_test_rows_within() -> None:
    run = trained(made_up(), "z", interval=0.8, weight="w", epochs=30)
    found, test = run.outcome(compared=False), run.data.test
    assert found.interval is not None
    assert test is not None
    low, high = found.model.predict_interval(test.as_table).T
    z, w = test.as_table.columns["z"], test.as_table.columns["w"]
    inside = (low <= z) & (z <= high)
    assert 0 < inside.mean() < 1
    assert found.interval["coverage"] == pytest.approx(np.average(inside, weights=w))
    assert found.interval["width"] == pytest.approx(np.average(high - low, weights=w))
    held = found.interval["coverage"]
    error = np.sqrt(held * (1 - held) * np.sum(w**2)) / w.sum()
    assert found.interval["error"] == pytest.approx(error)


@pytest.mark.parametrize("target", ["y", "z"])
def test_one_test_row_is_enough(target: str, tmp_path: Path) -> None:
    one, asked = made_up().take(np.array([3])), {"interval": 0.8} if target == "z" else {}
    outcome = trained(made_up(), target, test_table=one, **asked).outcome()
    save(outcome.model, tmp_path / "m")
    assert load(tmp_path / "m").facts["rows"]["test"] == 1
    json.dumps(outcome.to_dict(), allow_nan=False)


@pytest.mark.parametrize("preset", PRESETS)
def test_class_weights_count_as_row_weights_do(preset: str) -> None:
    """A class of weight 3 trains as its rows of weight 3 would, times the rows' own weights."""
    table = made_up()
    weight = np.where(table.columns["y"] == "yes", 3.0, 1.0)
    heavy = Table({**table.columns, "w": weight}, "heavy")
    by_class = trained(table, preset=preset, class_weight={"yes": 3.0})
    by_row = trained(heavy, preset=preset, weight="w")
    np.testing.assert_array_equal(by_class.net.theta, by_row.net.theta)
    double = Table({**table.columns, "w": np.full(200, 2.0)}, "double")
    both = trained(double, preset=preset, weight="w", class_weight={"yes": 3.0})
    for member, other in zip(both.members, by_row.members, strict=True):
        assert member.rows.weight is not None
        np.testing.assert_array_equal(member.rows.weight, 2 * np.asarray(other.rows.weight))


def test_balanced_classes_weigh_alike_and_the_test_is_as_it_was() -> None:
    rare = made_up().take(np.r_[np.arange(200), np.arange(200)])
    rare.columns["y"] = np.where(np.arange(400) % 10 == 3, "rare", "usual").astype(object)
    run = built(rare, class_weight="balanced")
    assert run.weight is not None
    totals = np.bincount(run.data.train.y, run.weight)
    assert totals[0] == pytest.approx(totals[1])
    assert totals.sum() == pytest.approx(len(run.data.train))
    plain, balanced = (trained(rare, class_weight=w, epochs=20) for w in (None, "balanced"))
    k = plain.data.schema.classes.index("rare")  # type: ignore[union-attr]
    P, Q = (run.model().predict_proba(rare)[:, k].mean() for run in (plain, balanced))
    assert P < 0.25 < Q
    tested = balanced.outcome(compared=False).tested
    assert tested is not None
    assert tested.weight is None


def test_weights_count_in_training_and_scores() -> None:
    run = trained(made_up(), "z", weight="w")
    found, test, train = run.outcome(compared=False), run.data.test, run.data.train
    assert test is not None
    assert set(train.weight) == set(test.weight) == {1.0, 2.0, 3.0}  # type: ignore[arg-type]
    assert run.notes[-1] == "50 rows of weight 0 left out"
    assert "w" not in names(run)
    z, w = (run.data.table.columns[name] for name in "zw")
    mean = np.average(z[train.places], weights=w[train.places])
    wanted = np.average(np.abs(z[test.places] - mean), weights=w[test.places])
    assert found.scores["constant guess"]["mae"] == pytest.approx(wanted)
    assert found.scores["network"] == pytest.approx(found.model.evaluate(test.as_table))


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_of_weight_0_are_as_if_they_were_not_there(preset: str) -> None:
    table = made_up()
    kept = table.take(np.flatnonzero(table.columns["w"] > 0))
    strange = {name: values.copy() for name, values in table.columns.items()}
    gone = np.flatnonzero(table.columns["w"] == 0)
    strange["a"][gone], strange["y"][gone] = 1e6, strange["y"][gone][::-1]
    runs = [
        trained(one, preset=preset, weight="w", valid=valid)
        for one in (table, kept, Table(strange, "strange"))
        for valid in (0.2, 0.0)
    ]
    for run, first in zip(runs[2:], runs[:2] * 2, strict=True):
        np.testing.assert_array_equal(run.net.theta, first.net.theta)
        assert run.rows == first.rows
        assert run.outcome(compared=False).scores == first.outcome(compared=False).scores


def test_rows_of_weight_0_in_a_test_table_are_left_out_as_well() -> None:
    table = made_up()
    test = table.take(np.arange(100, 200))
    run = trained(table.take(np.arange(100)), weight="w", test_table=test)
    assert run.rows["test"] == 75
    assert run.notes[-1] == "dict of columns: 25 rows of weight 0 left out"
    nothing = Table({**test.columns, "w": np.zeros(100)}, "nothing.csv")
    with pytest.raises(ValueError, match=r"every row of nothing\.csv has weight 0: give some"):
        built(table, weight="w", test_table=nothing)


def test_test_table_is_the_test() -> None:
    table = made_up()
    train, test = table.take(np.arange(150)), table.take(np.arange(150, 200))
    run = trained(train, test_table=test, test=0.3)
    found = run.outcome(compared=False)
    assert len(run.data.train) == 150
    assert found.model.facts["rows"] == {"train": 120, "valid": 30, "test": 50}
    assert found.scores["network"] == pytest.approx(found.model.evaluate(test))
    with pytest.raises(ValueError, match='has no column "y": scoring needs the true answers'):
        built(train, test_table=test.without(["y"]))


def test_roles_and_drop_are_obeyed(titanic: Table) -> None:
    run = built(titanic, "Survived", roles={"Pclass": "category"}, drop=["Fare"])
    assert {"Pclass=1", "Pclass=2", "Pclass=3"} <= set(names(run))
    assert "Pclass" not in names(run)
    assert not any(name.startswith("Fare") for name in names(run))


def test_rows_without_target_are_dropped(titanic: Table) -> None:
    y = titanic.columns["Survived"].astype(float)
    y[:100] = np.nan
    run = trained(Table({**titanic.columns, "Survived": y}, "holes"), "Survived")
    assert run.data.test is not None
    rows = np.concatenate([run.data.train.places, run.data.test.places])
    assert sorted(rows) == list(range(100, 891))
    assert run.data.schema.notes == ('100 rows without "Survived" dropped',)
    assert '100 rows without "Survived" dropped' in run.notes
    assert run.model().predict(run.data.table).shape == (891,)
    assert set(run.model().predict(run.data.table).tolist()) == {0, 1}


def test_new_categories_and_missing_cells_get_an_answer(titanic: Table, tmp_path: Path) -> None:
    save(trained(titanic, "Survived").model(), tmp_path / "m")
    model: Model = load(tmp_path / "m")
    odd = titanic.take([0, 1, 2]).columns
    odd["Embarked"] = np.array(["X", None, "日本"], object)
    odd["Sex"] = np.array(["robot", None, "male"], object)
    odd["Age"] = np.array([np.nan, -5.0, 1e9])
    P = model.predict_proba(Table(odd, "odd"))
    assert np.isfinite(P).all()
    np.testing.assert_allclose(P.sum(axis=1), 1.0)


def test_missing_columns_are_named(titanic: Table) -> None:
    model = trained(titanic, "Survived").model()
    with pytest.raises(ValueError, match='lacks the columns "Sex", "Age"'):
        model.predict(titanic.without(["Age", "Sex"]))


@pytest.mark.parametrize("share", [{"valid": 0.0}, {"test": 0.0}, {"valid": 0.0, "test": 0.0}])
@pytest.mark.parametrize("preset", PRESETS)
def test_shares_of_nothing(share: dict[str, float], preset: str, tmp_path: Path) -> None:
    outcome = trained(made_up(), preset=preset, **share).outcome()
    assert bool(outcome.scores) == ("test" not in share)
    assert all((record.valid_loss is None) == ("valid" in share) for record in outcome.records)
    save(outcome.model, tmp_path / "m")
    assert load(tmp_path / "m").facts == outcome.model.facts


def test_a_class_that_the_test_lacks_is_no_obstacle(tmp_path: Path) -> None:
    table = made_up(60)
    y = np.array(["a", "b"], object)[np.arange(60) % 2]
    y[7] = "rare"
    run = trained(Table({**table.columns, "y": y}, "rare"), metric="auc")
    assert 7 in run.data.train.places
    outcome = run.outcome()
    save(outcome.model, tmp_path / "m")
    assert load(tmp_path / "m").facts["test"]["network"]["auc"] is None
    assert "The best other model" not in outcome.verdict


@pytest.mark.parametrize("preset", PRESETS)
def test_five_rows_are_enough(preset: str, tmp_path: Path) -> None:
    table = read_table({"a": np.arange(5.0), "y": np.array([1.5, 2.5, 3.5, 4.5, 5.5])})
    run = TableRun.read(table, "y", **QUICK[preset])
    with pytest.raises(ValueError, match=r"this run has no epochs yet: go through run\.train"):
        run.outcome()
    list(run.train())
    with pytest.raises(ValueError, match="this run has already been trained: build a new run"):
        next(run.train())
    save(run.outcome().model, tmp_path / "m")
    assert load(tmp_path / "m").predict(table).shape == (5,)


def test_rows_without_a_target_in_a_test_table_are_counted() -> None:
    table, test = made_up(), made_up()
    test.columns["y"][:20] = None
    run = built(table, test_table=Table(test.columns, "new.csv"))
    assert run.rows["test"] == 180
    assert run.notes[-1] == 'new.csv: 20 rows without "y" dropped'


def test_other_class_weights_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="class_weight is 'balance': give \"balanced\" or a dict"):
        built(made_up(), class_weight="balance")


def test_a_test_on_the_training_table_is_called_none() -> None:
    table = made_up()
    for test, told in ((made_up(), True), (table.take(np.arange(199, -1, -1)), False)):
        run = built(table, test_table=test, hidden=())
        assert any("so these scores are not a test" in note for note in run.notes) is told
    assert run.rows == {"train": 160, "valid": 40, "test": 200}


def test_rows_of_weight_0_say_nothing_about_classes_task_or_scores(tmp_path: Path) -> None:
    table = made_up()
    labels, w = table.columns["y"].copy(), np.ones(200)
    labels[:5], w[:20] = "zzz", 0.0
    weighed = Table({**table.columns, "y": labels, "w": w}, "w.csv")
    run = trained(weighed, weight="w", epochs=3)
    assert run.data.schema.classes == ("no", "yes")
    kept = Table({name: values[20:] for name, values in weighed.columns.items()}, "w.csv")
    model = run.outcome(compared=False).model
    assert model.evaluate(weighed) == model.evaluate(kept)


def test_without_enough_held_out_rows_intervals_are_not_vouched_for() -> None:
    def notes(**settings: Any) -> list[str]:
        return [n for n in trained(made_up(), "z", epochs=2, **settings).notes if "calibrate" in n]

    assert notes(interval=0.9) == []
    assert notes(interval=0.9, valid=0.0) == [
        "no rows were held out, so the intervals are not calibrated"
    ]
    (told,) = notes(interval=0.999)
    many = (
        r"\d+ held-out rows can calibrate intervals up to 9.* %: yours may hold less than you asked"
    )
    assert re.fullmatch(many, told)
