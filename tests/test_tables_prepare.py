"""From cells to numbers and back: what is learned, from which rows, and what is refused."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mixed_table import mixed, prepared, through_json

from chainrule.tables import Preparation, Table, infer_schema, read_table, split_rows


def test_every_kind_by_hand() -> None:
    table = read_table(
        {
            "y": [1.0, 2.0, 3.5, 4.0, 5.0, 6.0],
            "n": [1.0, 3.0, None, 3.0, 5.0, 8.0],
            "b": [True, False, False, None, True, True],
            "s": ["f", "m", "m", "m", "f", "m"],
            "c": ["a", "b", "b", "a", None, "c"],
            "d": [
                "2020-01-02",
                "2020-02-03",
                "2021-01-02",
                "2021-03-04",
                "2020-01-02",
                "2021-12-31",
            ],
            "p": np.array([0, 51, 255, 0, 0, 102], np.uint8),
        }
    )
    schema = infer_schema(table, "y")
    got = Preparation.fit(table, schema)
    date = ["year", "month", "day", "weekday", "year sin", "year cos", "days"]
    assert got.feature_names == [
        *("n", "n missing", "b", "b missing", "s=m"),
        *("c=a", "c=b", "c=(other)", "c missing"),
        *(f"d {part}" for part in date),
        "p",
    ]
    X = got.transform(table)
    imputed = np.array([1, 3, 3, 3, 5, 8.0])
    np.testing.assert_allclose(X[:, 0], (imputed - imputed.mean()) / imputed.std(), rtol=1e-15)
    assert X[:, 1].tolist() == [0, 0, 1, 0, 0, 0]
    assert X[:, 2].tolist() == [1, 0, 0, 1, 1, 1]
    assert X[:, 3].tolist() == [0, 0, 0, 1, 0, 0]
    assert X[:, 4].tolist() == [0, 1, 1, 1, 0, 1]
    levels = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert X[:, 5:9].tolist() == levels
    assert X[:, 16].tolist() == [0, 0.2, 1, 0, 0, 0.4]
    step = next(s for s in got.steps(table, 3) if s.column == "d")
    turn = 2 * np.pi * 62 / 365.25
    assert step.encoded == [2021, 3, 4, 3, np.sin(turn), np.cos(turn), 427]
    target = table.columns["y"]
    np.testing.assert_allclose(got.target(table), (target - target.mean()) / target.std())
    np.testing.assert_allclose(got.restore_target(got.target(table)), target, rtol=1e-15)


def test_scaled_features_have_mean_0_and_deviation_1_on_the_training_rows() -> None:
    table = mixed()
    schema = infer_schema(table, "y")
    rows = split_rows(schema, table).train
    X = Preparation.fit(table, schema, rows).transform(table.take(rows))
    names = Preparation.fit(table, schema, rows).feature_names
    for name in ("number", "gaps", "whole", "day days", "moment hour"):
        x = X[:, names.index(name)]
        assert abs(x.mean()) < 1e-9
        assert abs(x.std() - 1) < 1e-9
    flags = [i for i, name in enumerate(names) if "missing" in name or "=" in name]
    assert set(np.unique(X[:, flags])) == {0.0, 1.0}


def test_robust_scaling_by_hand() -> None:
    """Quartiles 2 and 4 of 1 … 5; a rare level has none apart, so half of its range counts."""
    words = {"c": ["a", "a", "a", "a", "b"], "p": np.array([0, 51, 255, 0, 0], np.uint8)}
    table = read_table({"y": [0, 1, 0, 1, 0], "n": [1.0, 2.0, 3.0, 4.0, 1e6], **words})
    preparation = prepared(table, "robust")
    X = preparation.transform(table)
    x = (np.array([1.0, 2.0, 3.0, 4.0, 1e6]) - 3.0) / 2.0
    np.testing.assert_allclose(X[:, 0], x / np.sqrt(1 + (x / 3) ** 2), rtol=1e-14)
    assert np.abs(X).max() < 3.0
    np.testing.assert_allclose(np.abs(X[:, 1]), [0, 0, 0, 0, 2 / np.sqrt(1 + 4 / 9)], rtol=1e-14)
    assert X[:, -1].tolist() == [0, 0.2, 1, 0, 0]
    step = preparation.steps(table, 4)[0]
    assert (step.encoded, step.scaled) == ([1e6], [X[4, 0]])
    np.testing.assert_allclose(preparation.reverse(X)["n"][:4], [1, 2, 3, 4], rtol=1e-12)
    with pytest.raises(ValueError, match="scaling is 'odd'"):
        prepared(table, "odd")


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), scaling=st.sampled_from(["standard", "robust"]))
def test_round_trips(seed: int, scaling: str) -> None:
    table = mixed(seed, 60)
    preparation = prepared(table, scaling, roles={"cabin": "text"})
    again = through_json(preparation)
    assert again == preparation
    X = preparation.transform(table)
    assert X.tobytes() == again.transform(table).tobytes()
    assert np.isfinite(X).all()
    back = preparation.reverse(X)
    assert "cabin" not in back
    for name in ("number", "whole", "gaps"):
        np.testing.assert_allclose(back[name], table.columns[name].astype(float), atol=1e-9)
    for name in ("truth", "yes", "side", "level", "pixel", "moment", "day"):
        np.testing.assert_array_equal(back[name], table.columns[name], err_msg=name)
    pooled = [v if v in "xyz" else "(other)" for v in table.columns["rare"]]
    assert back["rare"].tolist() == pooled


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_rows_do_not_see_each_other(seed: int) -> None:
    table = mixed(seed, 60)
    rng = np.random.default_rng(seed)
    preparation = prepared(table)
    X = preparation.transform(table)
    order = rng.permutation(60)
    assert np.array_equal(preparation.transform(table.take(order)), X[order])
    for row in (0, 59):
        steps = preparation.steps(table, row)
        assert sum((step.scaled for step in steps), []) == X[row].tolist()
        assert sum((step.features for step in steps), []) == preparation.feature_names
        assert sum(([*step.places] for step in steps), []) == [*range(X.shape[1])]


def test_only_training_rows_teach() -> None:
    table, other = mixed(1), mixed(2)
    schema = infer_schema(table, "y")
    rows = np.arange(80)
    columns = {n: v.copy() for n, v in table.columns.items()}
    for name, values in columns.items():
        values[80:] = other.columns[name][80:]
    changed = dataclasses.replace(table, columns=columns)
    first = Preparation.fit(table, schema, rows)
    assert first == Preparation.fit(changed, schema, rows)
    assert np.array_equal(first.transform(table)[:80], first.transform(changed)[:80])
    assert first != Preparation.fit(table, schema)


def test_steps_show_a_cell_on_its_way() -> None:
    table = read_table(
        {"y": [0, 1] * 4, "n": [1, 2, 3, 4, 5, 6, None, 8], "s": [*"ababab", None, "c"]}
    )
    number, word = prepared(table).steps(table, 6)
    assert (number.raw, number.imputed, number.encoded) == (None, 4.0, [4.0, 1.0])
    assert number.features == ["n", "n missing"]
    assert (word.raw, word.imputed, word.encoded) == (None, "(missing)", [0, 0, 0, 1])
    assert prepared(table).steps(table, 7)[1].imputed == "(other)"
    assert prepared(table).steps(table, -1)[0].raw == 8.0
    with pytest.raises(ValueError, match="there is no row 8: .* has 8 rows"):
        prepared(table).steps(table, 8)


def test_what_training_rows_did_not_hold() -> None:
    train = read_table(
        {
            "y": [0, 1] * 6,
            "n": [1.0, 2.0, 4.0] * 4,
            "two": ["a", "b", "b"] * 4,
            "three": ["a", "b", "c"] * 4,
            "pooled": ["a", "b", "c"] * 3 + ["a", "b", "once"],
            "flag": ["yes", "no", "no"] * 4,
        }
    )
    preparation = prepared(train)
    new = read_table(
        {
            "n": [None, 2.0],
            "two": ["q", None],
            "three": ["q", None],
            "pooled": ["q", None],
            "flag": ["perhaps", None],
            "extra": [1, 2],
        }
    )
    assert preparation.unseen(new) == {"two": 1, "three": 1, "flag": 1}
    names = preparation.feature_names
    X = preparation.transform(new)
    assert X[0, names.index("n")] == (2.0 - 7 / 3) / np.std([1, 2, 4])
    assert X[:, names.index("two=b")].tolist() == [1, 1]
    assert X[:, [names.index(f"three={v}") for v in "abc"]].tolist() == [[0, 0, 0]] * 2
    assert X[:, names.index("pooled=(other)")].tolist() == [1, 1]
    assert X[:, names.index("flag")].tolist() == [0, 0]
    assert not any("missing" in name for name in names)


def test_files_whose_types_differ_are_read_alike(tmp_path: Path) -> None:
    """One file spells a column as words, numbers or truth values, the next in another type."""
    first = tmp_path / "train.csv"
    first.write_text("y,c,b,n,f\n" + "0,1,true,1,1\n1,x,false,2,0\n0,2,true,3,1\n" * 4)
    second = tmp_path / "new.csv"
    second.write_text("c,b,n,f\n1,,1.0,\n2,true,2.5,0\n")
    table = read_table(first)
    preparation = prepared(table)
    new = read_table(second)
    assert new.columns["c"].dtype == np.int64
    X = preparation.transform(new)
    names = preparation.feature_names
    assert preparation.unseen(new) == {}
    assert X[:, [names.index("c=1"), names.index("c=2")]].tolist() == [[1, 0], [0, 1]]
    assert X[:, names.index("b")].tolist() == [1, 1]
    assert X[:, names.index("f")].tolist() == [1, 0]


ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"n": ["1", "2", "three"]}, 'column "n" holds three in row 3 where a number is needed'),
    ({"n": ["2020-01-01"] * 3}, 'column "n" of .* was read as date 2026-12-31, but in training'),
    ({"d": ["a", "b", "c"]}, 'column "d" holds a in row 1 where a date is needed'),
    ({"d": [1, 2, 3]}, 'column "d" holds 1 in row 1 where a date is needed'),
]


@pytest.mark.parametrize(("columns", "told"), ERRORS)
def test_cells_of_another_type_are_refused(columns: dict[str, Any], told: str) -> None:
    days = ["2020-01-01", "2020-01-02", "2020-02-03"] * 4
    train = read_table({"y": [0, 1] * 6, "n": [1.0, 2.0, 4.0] * 4, "d": days})
    new = read_table({"n": [1, 2, 3], "d": days[:3], **columns})
    with pytest.raises(ValueError, match=told):
        prepared(train).transform(new)


def test_infinite_numbers_are_refused() -> None:
    train = read_table({"y": [0, 1] * 6, "n": [1.0, 2.0, 4.0] * 4})
    with pytest.raises(ValueError, match='column "n" holds inf in row 2'):
        prepared(train).transform(Table({"n": np.array([1.0, np.inf])}, "here"))
    tiny = read_table({"y": [0, 1] * 6, "n": [0.0, 1e-100, 2e-100] * 4})
    with pytest.raises(ValueError, match='column "n" holds a number too far from the training'):
        prepared(tiny).transform(Table({"n": np.array([1e300])}, "here"))
    huge = read_table({"y": [0, 1] * 6, "n": [1e308, -1e308, 9e307] * 4})
    with pytest.raises(ValueError, match='column "n" are too large to scale'):
        prepared(huge)


def test_no_rows_give_no_rows() -> None:
    table = mixed()
    preparation = prepared(table)
    X = preparation.transform(table.take([]))
    assert X.shape == (0, len(preparation.feature_names))
    assert {len(values) for values in preparation.reverse(X).values()} == {0}


def test_missing_columns_are_listed() -> None:
    preparation = prepared(mixed())
    with pytest.raises(ValueError, match='here lacks the columns "number", "gaps"'):
        preparation.transform(Table({"y": np.zeros(3)}, "here"))
    with pytest.raises(ValueError, match='lacks the column "number": '):
        preparation.transform(mixed().without(["number", "y"]))
    assert len(preparation.transform(mixed().without(["y"]))) == 120
    with pytest.raises(ValueError, match='lacks the column "y"'):
        preparation.target(mixed().without(["y"]))


def test_classes_become_codes_and_back() -> None:
    for labels in (["a", "b", "c"], [7, -2, 3], [True, False, True]):
        table = read_table({"y": labels * 5, "x": np.arange(15.0) ** 2})
        preparation = prepared(table)
        codes = preparation.target(table)
        assert codes.dtype == np.int64
        assert preparation.restore_target(codes).tolist() == labels * 5
    floats = Table({"y": np.array([1.0, 0.0])}, "floats")
    with pytest.raises(ValueError, match='"y" holds "1" in row 1, which is none of the classes'):
        preparation.target(floats)
    with pytest.raises(ValueError, match='target "y" is missing in row 2: '):
        preparation.target(Table({"y": np.array([True, None], object)}, "gap"))
    with pytest.raises(ValueError, match="lies outside 0 to 1"):
        preparation.restore_target([2])


def test_columns_without_variation_in_the_training_rows() -> None:
    table = read_table({"y": [0, 1] * 6, "n": [0.1] * 8 + [7.0] * 4, "c": ["a"] * 8 + ["b"] * 4})
    schema = infer_schema(table, "y")
    preparation = Preparation.fit(table, schema, np.arange(8))
    X = preparation.transform(table)
    assert X[:8, 0].tolist() == [0] * 8
    assert X[8:, 0].tolist() == [6.9] * 4
    gone = read_table({"y": [0, 1] * 6, "n": [None] * 8 + [7.0] * 4, "b": [None] * 8 + [True] * 4})
    schema = infer_schema(gone, "y", roles={"b": "category"})
    X = Preparation.fit(gone, schema, np.arange(8)).transform(gone)
    assert np.isfinite(X).all()
    with pytest.raises(ValueError, match="no rows to learn the preparation from"):
        Preparation.fit(table, schema=infer_schema(table, "y"), rows=np.arange(0))


def test_reverse_refuses_another_width() -> None:
    with pytest.raises(ValueError, match="gives .* features: pass what transform returned"):
        prepared(mixed()).reverse(np.zeros((2, 3)))


def test_many_pixels_are_divided_block_by_block() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1500, 30)).astype(np.uint8)
    columns = {f"p{i}": pixels[:, i] for i in range(30)}
    table = read_table({**columns, "n": rng.normal(size=1500), "y": rng.integers(0, 2, 1500)})
    X = prepared(table).transform(table)
    assert np.array_equal(X[:, :30], pixels / 255)
    wide = dataclasses.replace(table, columns={**table.columns, "p3": pixels[:, 3].astype(float)})
    assert np.array_equal(prepared(table).transform(wide), X)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("titanic.csv", "Survived"),
        ("penguins.csv", "species"),
        ("auto-mpg.csv", "mpg"),
        ("winequality-red.csv", "quality"),
    ],
)
def test_real_table(name: str, target: str, data: Path) -> None:
    table = read_table(data / name)
    schema = infer_schema(table, target)
    split = split_rows(schema, table)
    preparation = through_json(Preparation.fit(table, schema, split.train))
    X = preparation.transform(table)
    assert X.shape == (len(table), len(preparation.feature_names))
    assert np.isfinite(X).all()
    assert np.abs(X[split.train]).max() < 20
    for part in (split.train, split.valid, split.test):
        np.testing.assert_array_equal(preparation.transform(table.take(part)), X[part])
    restored = preparation.restore_target(preparation.target(table))
    if schema.task == "regression":
        np.testing.assert_allclose(restored, table.columns[target])
    else:
        assert restored.tolist() == table.columns[target].tolist()


def test_titanic_features(data: Path) -> None:
    table = read_table(data / "titanic.csv")
    assert prepared_names(table, "Survived") == [
        *("Pclass", "Sex=male", "Age", "Age missing", "SibSp", "Parch", "Fare", "Cabin missing"),
        *("Embarked=C", "Embarked=Q", "Embarked=S", "Embarked missing"),
    ]


def prepared_names(table: Table, target: str) -> list[str]:
    return Preparation.fit(table, infer_schema(table, target)).feature_names


def test_digits(data: Path) -> None:
    table = read_table(data / "mnist" / "t10k-images-idx3-ubyte.gz")
    schema = infer_schema(table, "label")
    assert schema.classes == tuple(range(10))
    X = Preparation.fit(table, schema).transform(table.take(np.arange(100)))
    assert X.shape == (100, 784)
    assert X.min() == 0
    assert X.max() == 1
