"""Every row on one side, classes in proportion, groups whole, the latest rows last."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.tables import Schema, Split, Table, infer_schema, read_table, split_rows


def made(labels: list[Any], **columns: Any) -> Table:
    noise = np.random.default_rng(1).normal(size=len(labels))
    return read_table({"y": labels, "x": noise, **columns})


def parts(split: Split) -> list[list[int]]:
    return [rows.tolist() for rows in (split.train, split.valid, split.test)]


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    valid=st.sampled_from([0, 0.1, 0.2, 0.35]),
    test=st.sampled_from([0, 0.1, 0.25, 0.5]),
    seed=st.integers(0, 5),
)
def test_classes_keep_their_proportions(
    counts: list[int], valid: float, test: float, seed: int
) -> None:
    labels = [f"c{i}" for i, count in enumerate(counts) for _ in range(count)]
    if len(labels) < 5:
        labels += ["c0"] * 5
    table = made(labels)
    schema = infer_schema(table, "y", task="classification")
    split = split_rows(schema, table, valid=valid, test=test, seed=seed)
    train, held_valid, held_test = parts(split)
    assert sorted(train + held_valid + held_test) == list(range(len(labels)))
    assert all(rows == sorted(rows) for rows in (train, held_valid, held_test))
    for label in set(labels):
        n = labels.count(label)
        assert sum(labels[i] == label for i in train) >= 1
        for rows, share in ((held_valid, valid), (held_test, test)):
            assert abs(sum(labels[i] == label for i in rows) - n * share) <= 1
        if n == 1:
            assert "one row only of" in " ".join(split.notes)


def test_seed_decides() -> None:
    table = made([0, 1] * 50)
    schema = infer_schema(table, "y")
    first = parts(split_rows(schema, table, seed=3))
    assert parts(split_rows(schema, table, seed=3)) == first
    assert parts(split_rows(schema, table, seed=4)) != first
    assert [len(rows) for rows in first] == [60, 20, 20]


def test_rows_without_a_target_are_on_no_side() -> None:
    table = made([0, 1, None, 1, 0] * 20)
    split = split_rows(infer_schema(table, "y"), table)
    used = sorted(sum(parts(split), []))
    assert used == [i for i in range(100) if i % 5 != 2]


def test_regression_gives_every_side_its_share_of_small_and_large_targets() -> None:
    y = np.random.default_rng(2).lognormal(size=101)
    table = made(y.tolist())
    split = split_rows(infer_schema(table, "y"), table, valid=0.1, test=0.3)
    assert [len(rows) for rows in parts(split)] == [61, 10, 30]
    strips = np.argsort(np.argsort(y)) // 20
    for rows, share in ((split.valid, 2), (split.test, 6)):
        assert np.bincount(strips[rows], minlength=6)[:5].tolist() == [share] * 5
    assert parts(split_rows(infer_schema(table, "y"), table, seed=1)) != parts(split)


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_kept_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 25, 300)
    table = made((groups % 3 == 0).astype(int).tolist(), g=groups)
    split = split_rows(infer_schema(table, "y", group="g"), table, seed=seed)
    sides = [set(groups[rows].tolist()) for rows in (split.train, split.valid, split.test)]
    assert sides[0] | sides[1] | sides[2] == set(range(25))
    assert sum(map(len, sides)) == 25
    for rows, share in ((split.valid, 60), (split.test, 60)):
        assert abs(len(rows) - share) <= 20
    assert "groups" in split.notes[0]


def test_too_few_groups() -> None:
    table = made([0, 1] * 20, g=[0, 0, 1, 1] * 10)
    with pytest.raises(ValueError, match='"g" has 2 groups in 40 rows: 3 are needed'):
        split_rows(infer_schema(table, "y", group="g"), table)
    split = split_rows(infer_schema(table, "y", group="g"), table, valid=0)
    assert [len(rows) for rows in parts(split)] == [20, 0, 20]


@pytest.mark.parametrize(
    "times",
    [
        np.random.default_rng(0).permutation(100),
        np.random.default_rng(0).integers(0, 12, 100),
        [f"2020-{1 + i * 7 % 12:02d}-01" for i in range(100)],
    ],
    ids=["distinct", "ties", "dates"],
)
def test_the_latest_rows_are_the_test(times: Any) -> None:
    table = made([0, 1] * 50, t=times)
    split = split_rows(infer_schema(table, "y", time="t"), table)
    values = table.columns["t"]
    assert values[split.train].max() < values[split.valid].min()
    assert values[split.valid].max() < values[split.test].min()
    assert abs(len(split.test) - 20) <= 8
    assert sum(map(len, parts(split))) == 100


def test_missing_times_are_trained_on() -> None:
    table = made([0, 1] * 10, t=[None, *range(1, 20)])
    split = split_rows(infer_schema(table, "y", time="t"), table)
    assert 0 in split.train
    assert '1 rows without "t" used for training' in split.notes


def test_one_time_only_is_trained_on() -> None:
    table = made([0, 1] * 10, t=[1] * 20)
    split = split_rows(infer_schema(table, "y", time="t"), table)
    assert [len(rows) for rows in parts(split)] == [20, 0, 0]
    assert 'too many rows share one "t": none is left for the test' in split.notes


@pytest.mark.parametrize("kind", ["classes", "numbers", "time"])
def test_some_row_is_always_trained_on(kind: str) -> None:
    table = made(list(range(30)) if kind == "numbers" else [0, 1] * 15, t=list(range(30)))
    schema = schema_of(table, time="t" if kind == "time" else None)
    split = split_rows(schema, table, valid=0.49, test=0.5)
    assert len(split.train) >= 1
    assert sum(map(len, parts(split))) == 30


def schema_of(table: Table, **asked: Any) -> Schema:
    return infer_schema(table, "y", **asked)


@pytest.mark.parametrize(
    ("asked", "shares", "told"),
    [
        ({}, {"valid": 0.5, "test": 0.5}, "leave no row for training"),
        ({}, {"valid": -0.1}, "leave no row for training"),
        ({}, {"test": float("nan")}, "leave no row for training"),
        ({"time": "t", "group": "g"}, {}, "by group or by time, not both"),
    ],
)
def test_bad_shares(asked: dict[str, Any], shares: dict[str, float], told: str) -> None:
    table = made([0, 1] * 10, t=[1, 2] * 10, g=[1, 2] * 10)
    with pytest.raises(ValueError, match=told):
        split_rows(schema_of(table, **asked), table, **shares)


def test_a_class_that_no_training_row_has_is_noted() -> None:
    table = made([0] * 80 + [1] * 20, t=list(range(100)))
    split = split_rows(schema_of(table, time="t"), table, valid=0)
    assert "no training row of 1" in split.notes
