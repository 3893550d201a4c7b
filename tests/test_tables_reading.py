"""A cell means what it meant in training, whatever cells stand beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import Model, Network, SoftmaxCrossEntropy, load, save
from chainrule.models.agreement import check_agreement
from chainrule.tables import Preparation, Schema, Table, infer_schema, read_table, split_rows
from chainrule.tables.reading import READINGS
from chainrule.tables.table import is_missing

N = 60


def write(path: Path, columns: dict[str, list[Any]], delimiter: str = ";") -> Path:
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def cycle(*cells: str) -> list[str]:
    return [cells[i % len(cells)] for i in range(N)]


# Name -> cells of the training file, how they are read, cells that alone would be read otherwise.
TRAINED: dict[str, tuple[list[str], str, list[str]]] = {
    "american dates": (cycle("07/25/2016", "01/09/2018"), "date 12/31/2026", ["01/09/2018"]),
    "dates and hours": (
        cycle("25/07/2016 10:30", "1/9/2018 9:00"),
        "date 31/12/2026",
        ["1/9/2018"],
    ),
    "german thousands": (cycle("4.253,5", "7.311"), "number 1.234,5", ["9.200", "9.201"]),
    "thousands alone": (cycle("4.253", "7.311"), "number 1.234,5", ["1,5"]),
    "whole beside german": (cycle("3", "4"), "number 1.234,5", ["2,5"]),
    "english thousands": (cycle("4,253.5", "7,311"), "number 1,234.5", ["9,200"]),
    "levels": (cycle("1", "2", "A", "3.0"), "text", ["3.0", "1"]),
    "dates among words": (cycle("u", "01/02/2020", "v"), "text", ["01/02/2020"]),
    "truth among words": (cycle("TRUE", "perhaps", "False"), "text", ["TRUE"]),
    "truth": (cycle("true", "FALSE"), "true or false", ["TRUE", "true"]),
    "numbers": (cycle("1.5", "-2e3", "12%"), "number 1234.5", ["9.200", "2"]),
    "iso": (cycle("2020-01-31", "2021-02-28"), "date 2026-12-31", ["2020-01-31"]),
    "leading zeros": (cycle("007", "010"), "text", ["7", "10"]),
    "words in months": (cycle("31 Dec 2019", "1 Jan 2020"), "date 31 Dec 2026", ["1 Jan 2020"]),
}


def trained(folder: Path, cells: list[str], **asked: Any) -> tuple[Schema, Preparation, Table]:
    """Schema, preparation and table of a file with these cells, a decimal and a target."""
    number = [f"{i % 7},5" for i in range(N)]
    columns = {"x": cells, "number": number, "y": cycle("a", "b", "c")}
    table = read_table(write(folder / "train.csv", columns))
    schema = infer_schema(table, "y", **asked)
    schema = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    preparation = Preparation.fit(table, schema)
    return schema, Preparation.from_dict(json.loads(json.dumps(preparation.to_dict()))), table


def new_rows(folder: Path, cells: list[str], **asked: Any) -> Table:
    columns = {"x": cells, "number": ["2"] * len(cells)}
    return read_table(write(folder / "new.csv", columns), **asked)


@pytest.mark.parametrize("case", TRAINED)
def test_a_cell_is_read_as_in_training(case: str, tmp_path: Path) -> None:
    cells, reading, lone = TRAINED[case]
    schema, preparation, table = trained(tmp_path, cells, roles={"x": "category"})
    assert schema.reading["x"] == table.reading["x"] == reading
    assert preparation.columns[0].reading == reading
    kinds = {"number": "number", "date": "date", "true": "boolean"}
    roles = {"x": kinds.get(reading.split()[0], "category")}
    _, preparation, _ = trained(tmp_path, cells, roles=roles)
    whole = preparation.transform(new_rows(tmp_path, lone + cells, reading=schema.reading))
    for row, cell in enumerate(lone + cells[:4]):
        alone = preparation.transform(new_rows(tmp_path, [cell], reading=schema.reading))
        np.testing.assert_array_equal(alone[0], whole[row], err_msg=cell)
    again = read_table(tmp_path / "train.csv", reading=schema.reading)
    assert again.sha256() == table.sha256()
    assert again.reading == table.reading


MEANT: list[tuple[str, str, Any]] = [
    ("american dates", "01/09/2018", np.datetime64("2018-01-09", "us")),
    ("american dates", "2018-01-09", np.datetime64("2018-01-09", "us")),
    ("german thousands", "9.200", 9200),
    ("german thousands", "1,5e3", 1500.0),
    ("english thousands", "9,200", 9200),
    ("english thousands", "9.200", 9.2),
    ("whole beside german", "2,5", 2.5),
    ("numbers", "9.200", 9.2),
    ("levels", "3.0", "3.0"),
    ("dates among words", "01/02/2020", "01/02/2020"),
    ("truth", "TRUE", True),
]


@pytest.mark.parametrize(("case", "cell", "meant"), MEANT)
def test_what_a_lone_cell_means(case: str, cell: str, meant: Any, tmp_path: Path) -> None:
    schema, _, _ = trained(tmp_path, TRAINED[case][0])
    values = new_rows(tmp_path, [cell, "NA"], reading=schema.reading).columns["x"]
    assert values[0] == meant
    assert is_missing(values).tolist() == [False, True]


REFUSED: list[tuple[str, list[str], str]] = [
    ("german thousands", ["1,5", "4.5"], "4.5 in row 2 where a number written like 1.234,5 is"),
    ("numbers", ["1", "NA", "1,5"], "1,5 in row 3 where a number written like 1234.5 is needed"),
    ("numbers", ["1", "true"], "true in row 2 where a number"),
    ("american dates", ["25/07/2016"], "25/07/2016 in row 1 where a date written like 12/31/2026"),
    ("iso", ["2020-01-01", "soon"], "soon in row 2 where a date written like 2026-12-31"),
]


@pytest.mark.parametrize(("case", "cells", "told"), REFUSED)
def test_a_cell_that_cannot_be_read_so_is_refused(
    case: str, cells: list[str], told: str, tmp_path: Path
) -> None:
    kind = TRAINED[case][1].split()[0]
    schema, preparation, _ = trained(tmp_path, TRAINED[case][0], roles={"x": kind})
    with pytest.raises(ValueError, match=f'column "x" holds {told}'):
        preparation.transform(new_rows(tmp_path, cells, reading=schema.reading))


def test_a_column_of_true_and_false_takes_1_and_0(tmp_path: Path) -> None:
    schema, preparation, _ = trained(tmp_path, cycle("true", "false"))
    new = new_rows(tmp_path, ["1", "0", "1"], reading=schema.reading)
    assert preparation.transform(new)[:, 0].tolist() == [1, 0, 1]


def test_a_category_takes_it_for_an_unseen_level(tmp_path: Path) -> None:
    schema, preparation, _ = trained(tmp_path, cycle("1", "2", "3"), roles={"x": "category"})
    new = new_rows(tmp_path, ["2", "x", "3,0", "NA"], reading=schema.reading)
    assert preparation.unseen(new) == {"x": 1}
    names = preparation.feature_names
    X = preparation.transform(new)[:, [names.index(f"x={level}") for level in "123"]]
    assert X.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("case", ["american dates", "german thousands", "levels"])
def test_a_file_read_otherwise_is_refused(case: str, tmp_path: Path) -> None:
    cells, reading, lone = TRAINED[case]
    roles = {"x": "category"} if reading == "text" else {}
    _, preparation, _ = trained(tmp_path, cells, roles=roles)
    new = new_rows(tmp_path, lone[:1])
    for use in (preparation.transform, preparation.unseen, lambda t: preparation.steps(t, 0)):
        with pytest.raises(ValueError, match=f"in training as {reading}: read the table with"):
            use(new)


def test_a_target_or_weight_read_otherwise_is_refused(tmp_path: Path) -> None:
    columns = {"x": cycle("1", "2", "3"), "w": cycle("1.253,5", "2"), "y": cycle("1,5", "3", "4")}
    table = read_table(write(tmp_path / "a.csv", columns))
    schema = infer_schema(table, "y", weight="w", task="regression")
    model = Model(Network.mlp([1, 1], rng=0), None, Preparation.fit(table, schema), schema)
    for name, cell in (("w", "1.253"), ("y", "1.5")):
        new = write(tmp_path / "b.csv", {"x": ["1"], "w": ["2"], "y": ["3"], name: [cell]})
        with pytest.raises(ValueError, match=f'column "{name}" of .* was read as number 1234.5'):
            model.evaluate(read_table(new))
    new = write(tmp_path / "b.csv", {"x": ["1"], "w": ["1.2"], "y": ["3"]})
    with pytest.raises(ValueError, match=r'weight column "w" holds 1\.2 in row 1'):
        model.evaluate(read_table(new, reading=schema.reading))
    new = write(tmp_path / "b.csv", {"x": ["1"], "w": ["1"], "y": ["3.1"]})
    with pytest.raises(ValueError, match=r'column "y" holds 3\.1 in row 1 where a number'):
        model.evaluate(read_table(new, reading=schema.reading))


def test_the_reading_is_kept_in_the_model_file(tmp_path: Path) -> None:
    schema, preparation, table = trained(tmp_path, TRAINED["american dates"][0])
    net = Network.mlp([len(preparation.feature_names), 3], rng=0)
    model = Model(net, SoftmaxCrossEntropy(), preparation, schema)
    save(model, tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors")
    assert loaded.schema.reading == schema.reading
    new = new_rows(tmp_path, ["01/09/2018"], reading=loaded.schema.reading)
    row = table.columns["x"].tolist().index(new.columns["x"][0])
    expected = model.preparation.transform(table)[row]  # type: ignore[union-attr]
    assert loaded.preparation.transform(new)[0, :7].tolist() == expected[:7].tolist()
    lying = Schema.from_dict(
        {
            **schema.to_dict(),
            "columns": [{**c, "reading": "text"} for c in schema.to_dict()["columns"]],
        }
    )
    with pytest.raises(ValueError, match="disagree about the feature columns"):
        check_agreement(Model(net, SoftmaxCrossEntropy(), preparation, lying))


def test_values_that_came_with_their_types_have_a_reading_too(tmp_path: Path) -> None:
    days = np.array(["2020-01-31", "2021-02-28"] * 6, "datetime64[D]")
    table = read_table(
        {
            "n": [1.5, 2.0] * 6,
            "d": days,
            "b": [True, False] * 6,
            "c": ["a", "b"] * 6,
            "y": [0, 1] * 6,
        }
    )
    assert table.reading == {"c": "text"}
    schema = infer_schema(table, "y")
    number = "number 1234.5"
    readings = {"n": number, "d": "date 2026-12-31", "b": "true or false", "c": "text", "y": number}
    assert schema.reading == readings
    assert set(readings.values()) <= set(READINGS)


def test_json_is_read_as_in_training(tmp_path: Path) -> None:
    """One file of JSON holds numbers only, the other numbers and words."""
    (tmp_path / "a.jsonl").write_text('{"c": 3.0, "d": "x"}\n{"c": "A", "d": "2020-01-01"}\n')
    (tmp_path / "b.jsonl").write_text('{"c": 3.0, "d": "2020-01-01"}\n')
    table = read_table(tmp_path / "a.jsonl")
    assert table.columns["c"].tolist() == ["3.0", "A"]
    assert table.reading == {"c": "text", "d": "text"}
    new = read_table(tmp_path / "b.jsonl", reading=table.reading)
    assert (new.columns["c"][0], new.columns["d"][0]) == ("3.0", "2020-01-01")
    (tmp_path / "c.jsonl").write_text('{"c": 3, "C": "2020-01-01"}\n')
    with pytest.raises(ValueError, match='keys "C" and "c" differ in nothing but capitals'):
        read_table(tmp_path / "c.jsonl")


def test_unknown_reading_is_refused() -> None:
    with pytest.raises(ValueError, match='"number" for "a" is no way to read .* "number 1234.5"'):
        read_table({"a": ["1"]}, reading={"a": "number"})


def test_numbers_among_words_are_written_alike() -> None:
    mixed = read_table({"c": [3.0, "A", 1, True]})
    assert mixed.columns["c"].tolist() == ["3", "A", "1", "true"]


JOINED: dict[str, tuple[list[str], list[str], list[str], str]] = {
    "dates": (
        ["01/02/2020"],
        ["07/25/2020"],
        ["2020-01-02", "2020-07-25"],
        "date 12/31/2026",
    ),
    "iso dates": (["2020-01-02"], ["25/07/2020"], ["2020-01-02", "2020-07-25"], "date 31/12/2026"),
    "thousands": (["9.200"], ["4.253,5"], ["9200.0", "4253.5"], "number 1.234,5"),
    "whole numbers": (["9"], ["1,5"], ["9.0", "1.5"], "number 1.234,5"),
    "levels": (["3.0", "1"], ["A", "2"], ["3.0", "1", "A", "2"], "text"),
    "truth": (["TRUE"], ["perhaps"], ["TRUE", "perhaps"], "text"),
    "dates and numbers": (["20200101"], ["2020-01-01"], ["20200101", "2020-01-01"], "text"),
    "nothing": ([""], ["1,5"], ["nan", "1.5"], "number 1.234,5"),
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("case", JOINED)
def test_parts_of_one_table_are_read_alike(case: str, turned: bool, tmp_path: Path) -> None:
    one, two, meant, reading = JOINED[case]
    for name, cells in (("1.csv", two if turned else one), ("2.csv", one if turned else two)):
        write(tmp_path / name, {"x": cells, "i": ["5"] * len(cells)})
    table = read_table(str(tmp_path / "*.csv"))
    assert table.reading["x"] == reading
    expected = meant[len(one) :] + meant[: len(one)] if turned else meant
    found = table.columns["x"]
    told = found.astype("datetime64[D]").astype(str) if found.dtype.kind == "M" else found
    assert [str(v) for v in told] == expected


def test_parts_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    for one, two in (("1.5", "1,5"), ("12/31/2020", "31/12/2020")):
        write(tmp_path / "1.csv", {"x": [one], "y": ["1"]})
        write(tmp_path / "2.csv", {"x": [two], "y": ["1"]})
        with pytest.raises(ValueError, match='column "x" is not written alike in .*1.csv and'):
            read_table([tmp_path / "1.csv", tmp_path / "2.csv"])


def test_split_and_reading_survive_a_choice_of_rows(tmp_path: Path) -> None:
    schema, _, table = trained(tmp_path, TRAINED["german thousands"][0])
    part = table.take(split_rows(schema, table).train).without(["number"])
    assert part.reading["x"] == "number 1.234,5"


def test_the_command_line_reads_as_in_training(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from chainrule.cli.evaluate import evaluate
    from chainrule.cli.options import run_from_options
    from chainrule.cli.predict import predict

    columns = {"x": cycle("07/25/2016", "01/09/2018"), "y": cycle("a", "b")}
    train = write(tmp_path / "train.csv", columns)
    new = write(tmp_path / "new.csv", {"x": ["01/09/2018"] * 2, "y": ["b", "b"]})
    run = run_from_options(str(train), {"target": "y", "test": str(new), "preset": "simple"})
    rows, test = run.data.train, run.data.test
    assert test is not None
    day = np.datetime64("2018-01-09", "us")
    assert test.as_table.columns["x"].tolist() == [day.item()] * 2
    np.testing.assert_array_equal(test.X[0], rows.X[rows.y == 1][0])
    save(run.model(), tmp_path / "m.safetensors")
    expected = run.model().predict(test.as_table).tolist()
    model = str(tmp_path / "m.safetensors")
    answers = json.loads(CliRunner().invoke(predict, [model, str(new), "--json"]).stdout)
    assert answers["predictions"] == expected
    assert answers["notes"] == []
    assert CliRunner().invoke(evaluate, [model, str(new), "--json"]).exit_code == 0
