"""What the network is compared with: scikit-learn's own answers, time, Ctrl-C, models that fail."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from support.numeric import Array
from support.table_runs import made_up, trained
from threadpoolctl import threadpool_limits

from chainrule.tables import Table, read_table
from chainrule.tabular import baselines
from chainrule.tabular.baselines import BOOSTING, CONSTANT, LINEAR, Compared, compare, constant
from chainrule.tabular.data import TableData

AMPLE = 1e6  # seconds
LEVELS = ("blue", "green", "red")


def with_gaps(n: int = 240) -> Table:
    """`made_up` where colours and numbers are missing, and some test rows hold a new colour."""
    columns = {name: values.copy() for name, values in made_up(n).columns.items()}
    columns["a"][::9], columns["colour"][::7] = np.nan, None
    return Table({**columns, "w": columns["w"] + 0.5}, "gaps.csv")


def read(table: Table, target: str = "y", weight: str | None = None, **asked: Any) -> TableData:
    unused = {"y": ["z"], "z": ["y"]}.get(target, [])
    unused += [name for name in ("who", "when", "w") if name not in (weight, asked.get("time"))]
    unused = [name for name in unused if name in table.columns]
    return TableData.read(table, target, weight=weight, drop=unused, **asked)


def compared(data: TableData, seconds: float = AMPLE, watch: Any = None) -> dict[str, Compared]:
    assert data.test is not None
    found = compare(data, data.test, data.train.weight, seconds, 1, watch)
    return {one.name: one for one in found}


def answered(one: Compared) -> Array:
    assert one.answers is not None, one.note
    return one.answers


def as_trees_take(table: Table) -> Array:
    """a, b and the colour's place among LEVELS, whatever is missing or new as nan."""
    places = {level: float(i) for i, level in enumerate(LEVELS)}
    colours = [places.get(cell, np.nan) for cell in table.columns["colour"]]
    return np.column_stack([table.columns["a"], table.columns["b"], colours])


def scikit_learns(data: TableData, **changed: Any) -> Array:
    """What gradient boosting answers for the test rows, in one fit, from the cells of the table."""
    numbers = data.schema.classes is None
    kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    how = {"categorical_features": [False, False, True], "random_state": data.seed} | changed
    assert data.test is not None
    X, name = as_trees_take(data.train.as_table), data.schema.target
    with threadpool_limits(1):  # more would wait for each other on so few rows
        model = kind(**how).fit(X, data.train.as_table.columns[name], data.train.weight)
        test = as_trees_take(data.test.as_table)
        return np.asarray(model.predict(test) if numbers else model.predict_proba(test))


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("target", ["y", "z", "colours"])
def test_gradient_boosting_is_scikit_learns_own(target: str, weight: str | None) -> None:
    table = with_gaps()
    if target == "colours":
        three = np.array(["p", "q", "r"], object)[np.arange(240) * 7 // 3 % 3]
        table = Table({**table.columns, "y": three}, "three.csv")
    data = read(table, "z" if target == "z" else "y", weight, seed=5)
    one = compared(data)[BOOSTING]
    assert one.note is None
    np.testing.assert_allclose(answered(one), scikit_learns(data), rtol=1e-12, atol=1e-12)
    other = scikit_learns(data, max_iter=99)
    assert not np.allclose(answered(one), other, rtol=1e-12, atol=1e-12)


def test_categories_are_categories_and_what_is_new_is_missing() -> None:
    table, rng = with_gaps(), np.random.default_rng(0)
    colours = rng.choice([*LEVELS, "mauve"], 240).astype(object)
    y = np.where((colours == "green") ^ (rng.random(240) < 0.1), "yes", "no").astype(object)
    whole = Table({**table.columns, "colour": colours, "y": y}, "new.csv")
    known = np.flatnonzero(colours != "mauve")
    data = read(whole.take(known), test_table=whole)
    P = answered(compared(data)[BOOSTING])
    np.testing.assert_allclose(P, scikit_learns(data), rtol=1e-12, atol=1e-12)
    as_numbers = scikit_learns(data, categorical_features=None)
    assert not np.allclose(P, as_numbers, atol=1e-3)
    assert np.isfinite(P[colours == "mauve"]).all()


@pytest.mark.parametrize("target", ["y", "z"])
def test_a_fit_in_parts_is_one_fit(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (1000.0, 16.0):  # all rounds after the first at once; more and more of them
        data = read(with_gaps(), target)
        ticking(monkeypatch, 1.0)
        one = compared(data, seconds)[BOOSTING]
        assert one.note is None
        np.testing.assert_allclose(answered(one), scikit_learns(data), rtol=1e-12, atol=1e-12)


def test_a_fit_in_two_parts_is_one_fit_where_it_ends_early() -> None:
    """Beyond 10,000 rows scikit-learn stops by the loss of rows that it holds out."""
    rng, n = np.random.default_rng(0), 11_000
    x, noise = rng.normal(size=(n, 2)), rng.normal(size=n)
    table = read_table({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] + 3 * noise})
    data = TableData.read(table, "y", test_table=table.take(np.arange(500)))
    with threadpool_limits(1):
        plain = HistGradientBoostingRegressor(random_state=data.seed).fit(x, table.columns["y"])
    assert 10 < plain.n_iter_ < 100
    one = compared(data)[BOOSTING]
    assert one.note is None
    np.testing.assert_allclose(answered(one), plain.predict(x[:500]), rtol=1e-12)


def late(**last: str) -> Table:
    """`made_up` in the order of time, whose last quarter holds other classes."""
    columns = {name: values.copy() for name, values in made_up().columns.items()}
    for name, label in last.items():
        columns[name][150:] = label
    return Table(columns, "late.csv")


def test_a_class_that_no_training_row_holds_has_no_chance() -> None:
    data = read(late(y="new"), time="when", test=0.25)
    assert data.schema.classes == ("new", "no", "yes")
    assert not (data.train.y == 0).any()
    for name, one in compared(data).items():
        P = answered(one)
        assert P.shape == (50, 3)
        np.testing.assert_allclose(P.sum(axis=1), 1.0)
        assert P[:, 0].max() < (1e-12 if name == BOOSTING else 0.5)
    assert constant(data, 3)[:, 0].tolist() == [0.0] * 3


def test_one_class_alone_is_refused() -> None:
    table = late(y="yes")
    table.columns["y"][:150] = "no"
    with pytest.raises(ValueError, match='every training row is "no": there is nothing to tell'):
        read(table, time="when", test=0.25)


class Clock:
    """Each look at it takes `tick` seconds."""

    def __init__(self, tick: float) -> None:
        self.tick, self.now = tick, 0.0

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


def ticking(monkeypatch: pytest.MonkeyPatch, tick: float) -> None:
    monkeypatch.setattr(baselines, "time", SimpleNamespace(monotonic=Clock(tick).monotonic))


STOPPED = re.compile(r"gradient boosting stopped after (\d+) of 100 rounds: time ran out")


@pytest.mark.parametrize("target", ["y", "z"])
def test_gradient_boosting_has_as_many_rounds_as_fit_into_its_time(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, rounds = read(with_gaps(), target), list[int]()
    for seconds in (6.0, 8.0, 10.0):
        ticking(monkeypatch, 1.0)
        one = compared(data, seconds)[BOOSTING]
        found = STOPPED.fullmatch(one.note or "")
        assert found is not None, one.note
        rounds.append(int(found[1]))
        wanted = scikit_learns(data, max_iter=rounds[-1])
        np.testing.assert_allclose(answered(one), wanted, rtol=1e-12, atol=1e-12)
    assert 1 < rounds[0] < rounds[1] < rounds[2] < 100


def test_the_first_round_is_kept_where_it_took_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = read(with_gaps())
    ticking(monkeypatch, 1.0)
    one = compared(data, 4.0)[BOOSTING]
    assert one.note == "gradient boosting stopped after 1 of 100 rounds: time ran out"
    wanted = scikit_learns(data, max_iter=1)
    np.testing.assert_allclose(answered(one), wanted, rtol=1e-12, atol=1e-12)


def test_the_linear_model_stops_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    data = read(with_gaps(), "y")
    for seconds in (20.0, 23.0):
        ticking(monkeypatch, 1.0)
        told = compared(data, seconds)[LINEAR].note or ""
        assert re.fullmatch(r"linear model stopped after \d+ iterations?: time ran out", told), told


def test_what_has_no_time_left_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = read(with_gaps())
    ticking(monkeypatch, 1.0)
    found = compared(data, 0.5)
    assert [one.note for one in found.values()] == [
        f"{name} left out: no time was left of 0 s" for name in (BOOSTING, LINEAR)
    ]
    assert all(one.answers is None for one in found.values())


def interrupting(*names: str) -> Any:
    """A watch that presses Ctrl-C while one of these is trained; it keeps what it was told of."""
    told: list[str] = []

    @contextmanager
    def watch(name: str) -> Iterator[None]:
        told.append(name)
        if name in names:
            raise KeyboardInterrupt
        yield

    return watch, told


def test_ctrl_c_leaves_out_what_is_left_and_says_so() -> None:
    data = read(with_gaps())
    watch, told = interrupting(BOOSTING)
    found = compared(data, watch=watch)
    assert told == [BOOSTING]
    assert [one.note for one in found.values()] == [
        "gradient boosting left out: stopped by you", "linear model left out: stopped by you",
    ]  # fmt: skip
    watch, told = interrupting(LINEAR)
    found = compared(data, watch=watch)
    assert told == [BOOSTING, LINEAR]
    assert (found[BOOSTING].note, found[LINEAR].answers) == (None, None)
    assert found[LINEAR].note == "linear model left out: stopped by you"


def test_an_outcome_says_what_was_stopped() -> None:
    outcome = trained(made_up()).outcome(watch=interrupting(BOOSTING)[0])
    assert list(outcome.scores) == ["network", CONSTANT]
    assert outcome.warnings == [
        "gradient boosting left out: stopped by you", "linear model left out: stopped by you",
    ]  # fmt: skip
    assert outcome.to_dict()["baselines"]["boosting"] is None


FAILURES = [
    (ValueError("no\n split"), "no split"),
    (MemoryError(), "there is not enough memory"),
    (MemoryError("8 GB"), "8 GB"),
]


@pytest.mark.parametrize(("error", "told"), FAILURES, ids=repr)
@pytest.mark.parametrize(("name", "fit"), [(BOOSTING, "_boosting"), (LINEAR, "_linear")])
def test_a_model_that_fails_is_left_out_with_the_reason(
    name: str, fit: str, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(baselines, fit, fails)
    found = compared(read(with_gaps()))
    assert found[name].note == f"{name} left out: {told}"
    others = {one.name for one in found.values() if one.answers is not None}
    assert others == {BOOSTING, LINEAR} - {name}


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("target", ["y", "z", "colour"])
def test_the_linear_model_is_scikit_learns_own(target: str, weight: str | None) -> None:
    """Softmax of two has twice the numbers that a logistic regression has: half the penalty."""
    data = read(with_gaps().without(["z"] if target == "colour" else []), target, weight)
    X, y, w = data.train.X, data.train.y, data.train.weight
    assert data.test is not None
    n, total = len(X), float(len(X) if w is None else w.sum())
    found = answered(compared(data)[LINEAR])
    if target == "z":
        ridge = Ridge(alpha=0.5 * total / n, tol=1e-10).fit(X, y, w)
        wanted = data.preparation.restore_target(ridge.predict(data.test.X))
        np.testing.assert_allclose(found, wanted, atol=1e-3)
        return
    strength = (2 if data.outputs == 2 else 1) * n / total
    model = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(X, y, w)
    np.testing.assert_allclose(found, model.predict_proba(data.test.X), atol=1e-3)


@pytest.mark.parametrize("weight", [None, "w"])
def test_the_constant_guess_of_a_number_is_the_mean(weight: str | None) -> None:
    data = read(with_gaps(), "z", weight)
    mean = np.average(data.train.as_table.columns["z"], weights=data.train.weight)
    assert constant(data, 4).tolist() == pytest.approx([mean] * 4)


@pytest.mark.parametrize("weight", [None, "w"])
def test_the_constant_guess_of_classes_is_their_shares(weight: str | None) -> None:
    data = read(with_gaps(), "y", weight)
    yes = np.average(data.train.as_table.columns["y"] == "yes", weights=data.train.weight)
    np.testing.assert_allclose(constant(data, 4), np.tile([1 - yes, yes], (4, 1)))


def test_the_constant_guess_goes_without_the_weights_of_classes() -> None:
    plain, weighed = (trained(made_up(), class_weight=w) for w in (None, {"yes": 99.0}))
    guesses = [run.outcome(compared=False).tested.answers[CONSTANT] for run in (plain, weighed)]  # type: ignore[union-attr]
    np.testing.assert_array_equal(guesses[0], guesses[1])


@pytest.mark.parametrize(("trained_for", "most"), [(0.1, 5.0), (4.9, 5.0), (60.0, 60.0)])
def test_the_comparison_takes_as_long_as_the_network_or_five_seconds(
    trained_for: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = trained(made_up()), list[float]()

    def spy(_: TableData, test: Any, weight: Any, seconds: float, *__: Any) -> Iterator[Compared]:
        asked.append(seconds)
        assert weight is None
        return iter(())

    monkeypatch.setattr("chainrule.tabular.run.compare", spy)
    each = trained_for / len(run.records)
    run.records = [record._replace(seconds=each) for record in run.records]
    assert list(run.outcome().scores) == ["network", CONSTANT]
    assert asked == pytest.approx([most])
    assert list(run.outcome(compared=False).scores) == ["network", CONSTANT]
    assert len(asked) == 1


def test_other_models_have_the_weights_of_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = trained(made_up(), weight="w", class_weight={"yes": 3.0}), list[Any]()

    def spy(_: TableData, test: Any, weight: Any, *__: Any) -> Iterator[Compared]:
        seen.append(weight)
        return iter(())

    monkeypatch.setattr("chainrule.tabular.run.compare", spy)
    run.outcome()
    train = run.data.train.as_table.columns
    np.testing.assert_array_equal(seen[0], train["w"] * np.where(train["y"] == "yes", 3.0, 1.0))


def test_a_column_that_only_test_rows_fill_is_no_obstacle() -> None:
    columns = dict(made_up().columns)
    later = np.arange(200) >= 150
    columns["extra"] = np.where(later, 1.0 + np.arange(200), np.nan)
    columns["word"] = np.where(later, "seen", None).astype(object)
    columns["word"][::2] = None
    table = Table(columns, "filled.csv")
    data = read(table, time="when", test=0.25, roles={"extra": "number", "word": "category"})
    for one in itertools.islice(compared(data).values(), 2):
        assert np.isfinite(answered(one)).all()
