"""What columns are taken for, on made-up and on real tables, and how that is overruled."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.tables import (
    Schema,
    Table,
    describe_columns,
    infer_schema,
    read_table,
    row_weights,
)

N = 400
RNG = np.random.default_rng(0)


def table(**columns: Any) -> Table:
    rows = len(next(iter(columns.values())))
    return read_table({"y": [i % 2 for i in range(rows)], **columns})


def words(count: int, length: int = 5, rows: int = N) -> list[str]:
    return [f"w{i % count:0{length}d}" for i in range(rows)]


def gaps(values: list[Any], step: int = 4) -> list[Any]:
    return [None if i % step == 0 else v for i, v in enumerate(values)]


JUDGED: dict[str, tuple[str, list[Any], str, bool]] = {
    "measured": ("x", RNG.normal(size=N).tolist(), "number", True),
    "measured with gaps": ("x", gaps(RNG.normal(size=N).tolist()), "number", True),
    "whole numbers": ("x", RNG.permutation(5 * N)[:N].tolist(), "number", True),
    "few whole numbers": ("x", [i % 3 for i in range(N)], "number", True),
    "zero and one": ("x", [int(i % 3 == 0) for i in range(N)], "boolean", True),
    "zero and one with gaps": ("x", gaps([int(i % 3 == 0) for i in range(N)]), "boolean", True),
    "truth": ("x", [i % 3 == 0 for i in range(N)], "boolean", True),
    "yes and no": ("x", ["Yes" if i % 3 else "no" for i in range(N)], "boolean", True),
    "two words": ("x", ["left" if i % 3 else "right" for i in range(N)], "category", True),
    "one word and gaps": ("x", gaps(["left"] * N), "category", True),
    "words": ("x", words(40), "category", True),
    "words with gaps": ("x", gaps(words(40)), "category", True),
    "many words": ("x", words(100), "text", False),
    "many words with gaps": ("x", gaps(words(100)), "text", True),
    "sentences": ("x", [f"sentence number {i} of a text" for i in range(N)], "text", False),
    "keys": ("x", words(N), "identifier", False),
    "row numbers": ("x", list(range(7, N + 7)), "identifier", False),
    "named id": ("PassengerId", RNG.permutation(9 * N)[:N].tolist(), "identifier", False),
    "named row_id": ("row_id", RNG.permutation(9 * N)[:N].tolist(), "identifier", False),
    "not an id": ("humid", RNG.permutation(9 * N)[:N].tolist(), "number", True),
    "years": ("year", list(range(1600, 1600 + N)), "number", True),
    "constant": ("x", [3] * N, "constant", False),
    "constant word": ("x", ["a"] * N, "constant", False),
    "nothing": ("x", [None] * N, "constant", False),
    "dates": ("x", [f"2020-{1 + i % 12:02d}-01" for i in range(N)], "date", True),
    "leading zeros": ("x", [f"0{i % 7}" for i in range(N)], "category", True),
    "pixel": ("x", np.arange(N) % 200, "number", True),
}


@pytest.mark.parametrize("case", JUDGED)
def test_column_is_judged(case: str) -> None:
    name, values, kind, used = JUDGED[case]
    schema = infer_schema(table(other=words(3), **{name: values}), "y")
    column = next(c for c in schema.columns if c.name == name)
    assert (column.kind, column.role) == (kind, "feature" if used else "left out")
    assert column.why
    assert column.missing == sum(v is None for v in list(values))
    assert column.distinct == len({v for v in list(values) if v is not None})
    assert ("whether it is missing is kept" in column.why) == (used and kind == "text")


def test_bytes_are_pixels() -> None:
    pixels = table(x=np.arange(40, dtype=np.uint8), blank=np.zeros(40, np.uint8))
    assert [c.kind for c in infer_schema(pixels, "y").features()] == ["pixel", "pixel"]


def test_a_lone_column_that_counts_is_a_number() -> None:
    assert infer_schema(table(x=list(range(20))), "y").features()[0].kind == "number"


TARGETS: dict[str, tuple[list[Any], str | None, str, tuple[Any, ...] | None]] = {
    "two numbers": ([0, 1] * 50, None, "binary", (0, 1)),
    "two others": ([7, -2] * 50, None, "binary", (-2, 7)),
    "whole floats": ([2.0, None, 1.0, 3.0] * 25, None, "multiclass", (1, 2, 3)),
    "truth": ([True, False] * 50, None, "binary", (False, True)),
    "words": (["b ", "a", "c", "a"] * 25, None, "multiclass", ("a", "b", "c")),
    "20 numbers": (list(range(20)) * 5, None, "multiclass", tuple(range(20))),
    "21 numbers": (list(range(21)) * 5, None, "regression", None),
    "fractions": ([0.5, 1.0] * 50, None, "regression", None),
    "forced number": ([3, 4, 5] * 40, "regression", "regression", None),
    "forced number of words": (["007", "008"] * 40, "regression", "regression", None),
    "forced classes": (list(range(21)) * 5, "classification", "multiclass", tuple(range(21))),
    "forced classes of fractions": ([0.5, 1.5] * 50, "classification", "binary", (0.5, 1.5)),
    "forced binary": ([0, 1] * 50, "binary", "binary", (0, 1)),
    "many words, many rows": ([f"w{i:02d}" for i in range(30)] * 10, None, "multiclass", None),
}


@pytest.mark.parametrize("case", TARGETS)
def test_task_is_inferred(case: str) -> None:
    values, task, expected, classes = TARGETS[case]
    schema = infer_schema(table(x=words(3, rows=len(values)), y=values), "y", task=task)
    assert schema.task == expected
    if case.startswith("many"):
        assert len(schema.classes or ()) == 30
    else:
        assert repr(schema.classes) == repr(classes)
    missing = values.count(None)
    assert schema.notes == ((f'{missing} rows without "y" dropped',) if missing else ())


REAL: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "titanic.csv": (
        "Survived",
        "binary",
        "Pclass Sex Age SibSp Parch Fare Cabin Embarked",
        {
            "PassengerId": "identifier",
            "Name": "text",
            "Ticket": "text",
            "Cabin": "text",
            "Sex": "category",
            "Embarked": "category",
            "Pclass": "number",
        },
    ),
    "penguins.csv": (
        "species",
        "multiclass",
        "island bill_length_mm bill_depth_mm flipper_length_mm body_mass_g sex year",
        {"island": "category", "sex": "category", "body_mass_g": "number"},
    ),
    "auto-mpg.csv": (
        "mpg",
        "regression",
        "cylinders displacement horsepower weight acceleration model_year origin",
        {"name": "text", "origin": "category", "horsepower": "number"},
    ),
    "winequality-red.csv": ("quality", "multiclass", "", {"pH": "number"}),
    "winequality-white.csv": ("quality", "multiclass", "", {"pH": "number"}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_table(name: str, data: Path) -> None:
    target, task, features, kinds = REAL[name]
    read = read_table(data / name)
    schema = infer_schema(read, target)
    assert schema.task == task
    expected = features.split() or [n for n in read.names if n != target]
    assert [column.name for column in schema.features()] == expected
    found = {column.name: column.kind for column in schema.columns}
    assert {column: found[column] for column in kinds} == kinds


ROLES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"roles": {"few": "category"}}, "few", "category", "feature"),
    ({"roles": {"few": "drop"}}, "few", "number", "left out"),
    ({"drop": ["few"]}, "few", "number", "left out"),
    ({"drop": "few"}, "few", "number", "left out"),
    ({"group": "few"}, "few", "number", "group"),
    ({"time": "few"}, "few", "number", "time"),
    ({"weight": "few"}, "few", "number", "weight"),
    ({"roles": {"few": "text"}}, "few", "text", "left out"),
    ({"roles": {"digits": "number"}}, "digits", "number", "feature"),
    ({"roles": {"key": "category"}}, "key", "category", "feature"),
    ({"roles": {"few": "pixel"}}, "few", "pixel", "feature"),
    ({"roles": {"side": "boolean"}}, "side", "boolean", "feature"),
]


def mixed() -> Table:
    return table(
        few=[i % 3 for i in range(N)],
        key=words(N),
        digits=[f"0{i % 9}" for i in range(N)],
        side=["left" if i % 3 else "right" for i in range(N)],
        minus=[i - 5.5 for i in range(N)],
        gap=gaps([1.0] * N),
    )


@pytest.mark.parametrize(("asked", "name", "kind", "role"), ROLES, ids=lambda v: str(v)[:40])
def test_roles_overrule(asked: dict[str, Any], name: str, kind: str, role: str) -> None:
    schema = infer_schema(mixed(), "y", **asked)
    column = next(c for c in schema.columns if c.name == name)
    assert (column.kind, column.role) == (kind, role)
    assert schema.weight == asked.get("weight")
    assert schema.group == asked.get("group")
    assert schema.time == asked.get("time")


def test_columns_without_a_target() -> None:
    kinds = {column.name: column.kind for column in describe_columns(mixed())}
    assert list(kinds.values()) == [
        *("boolean", "number", "identifier", "category", "category", "number", "number")
    ]


def test_weights_of_the_rows() -> None:
    assert row_weights(table(w=[0, 2.5, 1]), "w").tolist() == [0, 2.5, 1]
    assert row_weights(table(w=["01", "2"]), "w").tolist() == [1, 2]
    with pytest.raises(ValueError, match="weights are finite numbers from 0 up"):
        row_weights(table(w=[0, -1]), "w")


ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"target": "Y"}, 'no column "Y" for target in .*: did you mean "y"?'),
    ({"target": "zzz"}, 'no column "zzz" .*: the columns are "y", "few"'),
    ({"roles": {"fww": "number"}}, 'no column "fww" for role .* did you mean "few"'),
    ({"drop": ["fww"]}, 'no column "fww" for drop'),
    ({"group": "fww"}, 'no column "fww" for group'),
    ({"time": "fww"}, 'no column "fww" for time'),
    ({"weight": "fww"}, 'no column "fww" for weight'),
    ({"weight": "y"}, '"y" is the target and cannot be weight as well'),
    ({"group": "y"}, '"y" is the target and cannot be group as well'),
    ({"roles": {"few": "numeric"}}, '"numeric" for "few" is no kind: choose from number'),
    ({"roles": {"key": "number"}}, 'column "key" .* row 1 holds "w00000": choose category'),
    ({"roles": {"few": "date"}}, 'column "few" .* cannot be date: it does not hold dates'),
    ({"roles": {"few": "boolean"}}, "cannot be boolean: it does not hold two values"),
    ({"roles": {"minus": "pixel"}}, "cannot be pixel: it does not hold whole numbers"),
    ({"weight": "minus"}, 'weight column "minus" holds -5.5 in row 1: '),
    ({"weight": "gap"}, 'weight column "gap" holds nan in row 1: '),
    ({"weight": "key"}, 'weight column "key" holds w00000 in row 1: '),
    ({"task": "ranking"}, '"ranking" is no task: choose classification'),
    ({"task": "multiclass"}, "has 2 classes and so cannot be multiclass: use binary"),
    ({"target": "key"}, "is text with 400 different values in 400 rows: "),
    ({"target": "side", "task": "regression"}, 'row 1 holds "right": use classification'),
    ({"target": "gap"}, 'the target "gap" is constant, always 1: '),
    ({"drop": ["few", "digits", "side", "minus", "gap"]}, 'has no usable feature .*"few": left'),
]


@pytest.mark.parametrize(("asked", "told"), ERRORS, ids=lambda v: str(v)[:40])
def test_wrong_use_is_told(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        infer_schema(mixed(), **{"target": "y", **asked})


def test_poor_tables_are_refused() -> None:
    with pytest.raises(ValueError, match='every value of the target "y" is missing'):
        infer_schema(table(y=[None] * 9, x=[1.5] * 9), "y")
    with pytest.raises(ValueError, match="has 4 rows with a target: give at least 5"):
        infer_schema(table(x=[1, 2, 4, 9]), "y")
    with pytest.raises(ValueError, match="has one column only"):
        infer_schema(read_table({"y": [0, 1] * 9}), "y")
    with pytest.raises(ValueError, match="holds dates"):
        infer_schema(table(y=[f"2020-01-0{i}" for i in range(1, 9)], x=[0.5] * 8), "y")


def documents() -> list[Schema]:
    numbers = table(x=RNG.normal(size=90).tolist(), y=RNG.normal(size=90).tolist())
    return [
        infer_schema(mixed(), "y", group="few", drop=["key"]),
        infer_schema(numbers, "y"),
        infer_schema(mixed(), "side", time="few", weight="digits"),
        infer_schema(table(y=[True, False, None] * 9, x=words(3, rows=27)), "y"),
    ]


@pytest.mark.parametrize("schema", documents())
def test_schema_survives_json(schema: Schema) -> None:
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict(), allow_nan=False)))
    assert again == schema
    assert repr(again) == repr(schema)


LIES: list[tuple[str, Any]] = [
    ("columns", None),
    ("columns", [3]),
    ("columns", [{"name": "y"}]),
    ("columns", []),
    ("target", "nobody"),
    ("target", 3),
    ("task", "ranking"),
    ("task", "regression"),
    ("task", "multiclass"),
    ("classes", None),
    ("classes", [0]),
    ("classes", [0, 0]),
    ("classes", [0, None]),
    ("classes", [0, float("nan")]),
    ("weight", "nobody"),
    ("group", 3),
    ("time", "nobody"),
    ("notes", [3]),
    ("notes", "note"),
]


@pytest.mark.parametrize(("key", "value"), LIES)
def test_lying_schema_is_refused(key: str, value: Any) -> None:
    stored = documents()[0].to_dict()
    with pytest.raises(ValueError, match="schema"):
        Schema.from_dict({**stored, key: value})
    with pytest.raises(ValueError, match=f'has no "{key}"'):
        Schema.from_dict({k: v for k, v in stored.items() if k != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("kind", "numeric"), ("role", "x"), ("missing", -1), ("missing", True), ("name", 3)],
        *[("reading", "number"), ("reading", True)],
    ],
)
def test_lying_column_is_refused(key: str, value: Any) -> None:
    stored = documents()[0].to_dict()
    stored["columns"][0][key] = value
    with pytest.raises(ValueError, match="column of the schema"):
        Schema.from_dict(stored)
    with pytest.raises(ValueError, match="is list, not an object"):
        Schema.from_dict([])
