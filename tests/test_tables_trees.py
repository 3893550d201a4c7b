"""Preparation.for_trees: the cells as decision trees take them."""

import numpy as np
import pytest
from support.mixed_table import mixed, prepared

from chainrule.tables import Preparation, Table, infer_schema, read_table


def of(**columns: object) -> tuple[Preparation, Table]:
    table = read_table({**columns, "y": np.arange(len(next(iter(columns.values())))) % 2})  # type: ignore[arg-type]
    kinds = {name: "category" for name in columns if name.startswith("word")}
    return Preparation.fit(table, infer_schema(table, "y", roles=kinds)), table


def column(preparation: Preparation, table: Table, place: int = 0) -> list[float]:
    values: list[float] = preparation.for_trees(table)[0][:, place].tolist()
    return values


def test_numbers_are_as_they_are_and_missing_ones_nan() -> None:
    preparation, table = of(x=np.array([3.0, np.nan, -7.5, 1e6, 0.0]))
    X, categories = preparation.for_trees(table)
    np.testing.assert_array_equal(X[:, 0], [3.0, np.nan, -7.5, 1e6, 0.0])
    assert X.shape == (5, 1)  # no column that says what is missing
    assert categories == [False]


def test_categories_are_codes_and_what_is_missing_or_new_nan() -> None:
    words = ["b", "a", None, "c", "b", "a", "c", None, "b", "a"]
    preparation, table = of(word=np.array(words, object), x=np.arange(10.0))
    X, categories = preparation.for_trees(table)
    assert categories == [True, False]
    places = {"a": 0.0, "b": 1.0, "c": 2.0, None: np.nan}
    np.testing.assert_array_equal(X[:, 0], [places[w] for w in words])
    new = Table({**table.columns, "word": np.array(["d"] * 10, object)}, "new")
    assert np.isnan(column(preparation, new)).all()


def test_new_and_missing_cells_of_two_levels_are_nan() -> None:
    words = np.array(["on", "off"], object)[np.arange(10) % 2]
    preparation, table = of(word=words, x=np.arange(10.0))
    assert column(preparation, table) == [1.0, 0.0] * 5
    odd = words.copy()
    odd[0] = None
    missing = Table({**table.columns, "word": odd}, "missing")
    np.testing.assert_array_equal(column(preparation, missing), [np.nan, *([0.0, 1.0] * 4), 0.0])
    odd[0] = "between"
    new = Table({**table.columns, "word": odd}, "new")
    np.testing.assert_array_equal(column(preparation, new), [np.nan, *([0.0, 1.0] * 4), 0.0])


def test_rare_levels_are_one_code_and_a_new_level_goes_to_them() -> None:
    words = np.array([*("aabbcc" * 5), "once", "twice"], object)
    preparation, table = of(word=words, x=np.arange(32.0))
    codes = column(preparation, table)
    assert codes[:6] == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    assert codes[-2:] == [3.0, 3.0]
    new = Table({**table.columns, "word": np.array(["d"] * 32, object)}, "new")
    assert column(preparation, new) == [3.0] * 32


def test_dates_booleans_and_text() -> None:
    n = 40
    days = np.array(["2024-01-31", "NaT", "2023-02-01", "2024-03-05"] * 10, "M8[us]")
    notes = np.array([f"a note of some length, number {i} of them all" for i in range(n)], object)
    notes[1] = None
    preparation, table = of(day=days, flag=np.arange(n) % 3 == 0, note=notes, x=np.arange(40.0))
    assert [plan.kind for plan in preparation.columns] == ["date", "boolean", "text", "number"]
    X, categories = preparation.for_trees(table)
    names = [n for p in preparation.columns for n in p.features if n != "day missing"]
    assert X.shape == (n, len(names))
    assert not any(categories)
    found = dict(zip(names, X[:5].T, strict=True))
    np.testing.assert_array_equal(found["day year"], [2024, np.nan, 2023, 2024, 2024])
    np.testing.assert_array_equal(found["day days"], [364, np.nan, 0, 398, 364])
    assert found["flag"].tolist() == [1.0, 0.0, 0.0, 1.0, 0.0]
    assert found["note missing"].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]
    assert found["x"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_scaling_changes_nothing_and_each_row_stands_alone(scaling: str) -> None:
    table = mixed()
    preparation = prepared(table, scaling)
    X, categories = preparation.for_trees(table)
    plain, same = prepared(table).for_trees(table)
    np.testing.assert_array_equal(X, plain)
    assert same == categories
    some = np.array([5, 2, 99])
    np.testing.assert_array_equal(preparation.for_trees(table.take(some))[0], X[some])
    missing = [np.isnan(c).mean() for c in X.T]
    assert max(missing) < 0.5
    wide = sum(len(plan.features) for plan in preparation.columns)
    assert X.shape == (len(table), len(categories))
    assert X.shape[1] < wide


def test_columns_that_are_not_there_are_named() -> None:
    preparation, table = of(x=np.arange(5.0), word=np.array([*"abaab"], object))
    with pytest.raises(ValueError, match='lacks the column "x"'):
        preparation.for_trees(table.without(["x"]))
