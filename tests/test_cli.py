"""The verbs of the command line on small tables: what they print, write and say to programs."""

import csv
import inspect
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli_tables import QUICK, call, document, ok, write_flowers, write_slope

import chainrule
from chainrule.cli import main
from chainrule.lessons import LESSONS, TEXTS, Claim, Lesson
from chainrule.writing.words import score

ROOT = Path(__file__).parents[1]
TRAIN = ["train", "flowers.csv", "--target", "kind", *QUICK]
ALONE = [*TRAIN, "--no-compare"]


@pytest.fixture(autouse=True)
def _time_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other models are trained to their end, however busy the machine is."""
    monkeypatch.setattr("chainrule.tabular.run.COMPARE_SECONDS", 300.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables and the models `flowers.safetensors` and `slope.safetensors`."""
    place = tmp_path_factory.mktemp("cli")
    write_flowers(place / "flowers.csv")
    write_flowers(place / "fresh.csv", n=40, seed=1)
    write_slope(place / "slope.csv")
    ok(*TRAIN, "--test", "fresh.csv", cwd=place)
    ok("train", "slope.csv", "--target", "y", "--preset", "simple", "--hidden", "none",
       "--lr", "0.05", "--no-compare", cwd=place)  # fmt: skip
    return place


def test_train_document(folder: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "m.safetensors", tmp_path / "r.html"
    told = document(*TRAIN, "--out", out, "--report", report, cwd=folder)
    assert (told["task"], told["target"], told["classes"]) == ("binary", "kind", ["aster", "daisy"])
    assert told["rows"] == {"table": 60, "train": 38, "valid": 10, "test": 12}
    weight = {"name": "weight", "kind": "number", "role": "feature", "missing": 9}
    assert weight.items() <= told["columns"][2].items()
    assert {"distinct", "why"} <= told["columns"][2].keys()
    assert told["network"]["layers"][:2] == [4, "Dense(n=4, bias=True, init='he_uniform')"]
    assert told["network"]["parameters"] == 25
    assert len(told["network"]["features"]) == 4
    training = told["training"]
    assert (training["epochs"], training["seed"], training["stopped"]) == (20, 1, "epochs")
    assert 0 <= training["best_epoch"] < 20
    assert set(told["test"]) == {"accuracy", "log_loss", "auc"}
    assert {*told["baselines"]} == {"boosting", "linear", "constant"}
    assert told["baselines"]["constant"]["accuracy"] == pytest.approx(0.5)
    assert told["baselines"]["linear"]["accuracy"] == pytest.approx(1.0)
    assert told["baselines"]["boosting"]["accuracy"] >= 0.9
    assert told["files"] == {"model": str(out), "report": str(report)}
    assert told["engine"] == "readable"
    assert told["seconds"] > 0
    model = chainrule.load(out)
    assert model.facts["test"]["network"] == told["test"]


def test_train_is_repeatable_and_seeded(folder: Path, tmp_path: Path) -> None:
    def loss(seed: str) -> float:
        told = document(*ALONE, "--seed", seed, "--out", tmp_path / "m", cwd=folder)
        return float(told["training"]["loss"])

    assert loss("3") == loss("3") != loss("4")


OPTIONS: list[tuple[list[str], dict[str, Any]]] = [
    (["--hidden", "none"], {"network.parameters": 5}),
    (["--hidden", "3,2", "--activation", "tanh"], {"network.parameters": 26}),
    (["--dropout", "0.5"], {"network.layers.3": "Dropout(rate=0.5)"}),
    (["--activation", "Leaky-ReLU"], {"network.layers.2": "LeakyReLU(alpha=0.01)"}),
    (["--optimizer", "AdamW"], {"training.optimizer": "adamw"}),
    (["--optimizer", "sgd", "--lr", "0.25"], {"training.optimizer": "sgd", "training.lr": 0.25}),
    (["--batch-size", "7", "--epochs", "2"], {"training.batch_size": 7, "training.epochs": 2}),
    (["--valid", "0", "--test", "0.5"], {"rows.valid": 0, "rows.test": 30, "rows.train": 30}),
    (["--valid", "0.5", "--test", "0.5"], {"rows.valid": 16, "rows.test": 30, "rows.train": 14}),
    (["--test", "0"], {"test": None, "baselines.linear": None, "rows.test": 0}),
    (["--role", "weight=category"], {"columns.2.kind": "category"}),
    (["--drop", "weight", "--drop", "colour"], {"columns.2.role": "left out", "columns.1.role":
                                                "left out", "network.layers.0": 1}),
    (["--weight", "length", "--target", "colour", "--drop", "kind"], None),
    (["--group", "colour"], {"columns.1.role": "group"}),
    (["--time", "length"], {"columns.0.role": "time"}),
    (["--threads", "1"], {"training.threads": 1}),
    (["--target", "length"], {"task": "regression", "classes": None}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "wanted"), OPTIONS, ids=lambda v: " ".join(v or []))
def test_train_option(
    options: list[str], wanted: dict[str, Any] | None, folder: Path, tmp_path: Path
) -> None:
    arguments = [*ALONE, *options, "--out", tmp_path / "m.safetensors"]
    if wanted is None:  # lengths below 0 are no weights
        assert "weight column" in call(*arguments, cwd=folder).stderr
        return
    if "--group" in options:
        assert "2 are needed" in call(*arguments, cwd=folder).stderr
        arguments += ["--test", "fresh.csv"]
    told = document(*arguments, cwd=folder)
    for place, value in wanted.items():
        found: Any = told
        for key in place.split("."):
            found = found[int(key)] if isinstance(found, list) else found[key]
        assert found == value, place


def test_train_tells_a_person(folder: Path, tmp_path: Path) -> None:
    text = ok(*TRAIN, "--out", tmp_path / "my model", cwd=folder)
    for words in (
        "flowers.csv: 60 rows, 5 columns", "only one value: 1",
        "38 for training, 10 held out for the best epoch, 12 for the test (seed 1)",
        "two classes (aster, daisy)", "4 → 4 → 1", "25 parameters",
        "preset simple: adamw, learning rate 0.003, batches of 16 rows, at most 20 epochs",
        "All 20 epochs done; kept epoch", "On 12 test rows", "gradient boosting", "linear model",
        'always "aster"', "of 12 test rows", "The best other model is",
        "(model)", f"predict '{tmp_path}/my model' flowers.csv",
    ):  # fmt: skip
        assert words in " ".join(text.split())  # wherever the lines were broken
    assert re.search(r"always +left out +constant", text)
    assert "\x1b" not in text
    assert "replacing the old one" in ok(*ALONE, "--out", tmp_path / "my model", cwd=folder)
    quiet = ok(*ALONE, "--quiet", "--out", tmp_path / "my model", cwd=folder)
    assert "Column" not in quiet
    assert "25 parameters" not in quiet
    assert "log loss" in quiet


def test_wide_table_is_counted_by_kind(tmp_path: Path) -> None:
    names = [f"x{i}" for i in range(50)]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 50)).round(3)
    lines = [",".join([*names, "empty", "y"])]
    lines += [",".join([*map(str, x), "", str(i % 2)]) for i, x in enumerate(X)]
    (tmp_path / "wide.csv").write_text("\n".join(lines), encoding="utf-8")
    text = ok("info", "wide.csv", "--target", "y", cwd=tmp_path)
    assert re.search(r"50 +feature +number", text)
    assert re.search(r"empty +left out +constant +30 ", text)
    assert "x7" not in text


def test_alike_columns_share_a_line_in_the_account_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 24)).round(3)
    lines = [",".join([*(f"x{i}" for i in range(24)), "gaps", "y"])]
    lines += [",".join([*map(str, x), str(i) * (i > 4), "no yes".split()[i % 2]])
              for i, x in enumerate(X)]  # fmt: skip
    (tmp_path / "alike.csv").write_text("\n".join(lines), encoding="utf-8")
    command = ["train", "alike.csv", "--target", "y", *QUICK, "--no-compare"]
    text = ok(*command, cwd=tmp_path)
    assert re.search(r"24 columns, x0 … x23 +feature +number +– +\d+", text)
    assert re.search(r"gaps +feature +number +5 ", text)
    assert "x7 " not in text
    assert "x7 " in ok("info", "alike.csv", cwd=tmp_path)
    twenty = ["--drop", "gaps", *(word for i in range(6) for word in ("--drop", f"x{i}"))]
    assert re.search(r"7 columns, gaps … x5 +left out|6 columns, x0 … x5 +left out",
                     ok(*command, *twenty, cwd=tmp_path))  # fmt: skip
    slope = ok("info", write_slope(tmp_path / "slope.csv"))
    assert "Distinct" in slope
    assert "Missing" not in slope
    assert "Why" not in slope


def test_pattern_and_database(tmp_path: Path) -> None:
    import sqlite3

    for part in range(2):
        write_flowers(tmp_path / f"part{part}.csv", n=30, seed=part)
    train = ["train", "part*.csv", "--target", "kind", *QUICK, "--no-compare"]
    told = document(*train, cwd=tmp_path)
    assert told["rows"]["table"] == 60
    assert told["files"]["model"] == "model.safetensors"
    assert (tmp_path / "model.safetensors").is_file()
    with sqlite3.connect(tmp_path / "all.db") as connection:
        connection.execute("create table a (x)")
        connection.execute("create table b (x, y)")
        connection.executemany("insert into b values (?, ?)", [(i / 3, i % 2) for i in range(40)])
    connection.close()
    assert document("info", "all.db", "--table", "b", cwd=tmp_path)["rows"] == 40
    assert "name one with" in call("info", "all.db", cwd=tmp_path).stderr


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predict_answers_as_the_model_does(folder: Path, tmp_path: Path) -> None:
    rows = read_csv(ok("predict", "flowers.safetensors", "fresh.csv", "--proba", cwd=folder))
    model = chainrule.load(folder / "flowers.safetensors")
    table = chainrule.read_table(folder / "fresh.csv")
    assert [row["kind"] for row in rows] == model.predict(table).tolist()
    assert [row["row"] for row in rows] == [str(i) for i in range(1, 41)]
    P = np.array([[row["kind=aster"], row["kind=daisy"]] for row in rows], float)
    np.testing.assert_array_equal(P, model.predict_proba(table))
    told = document("predict", "flowers.safetensors", "fresh.csv", "--proba", cwd=folder)
    assert told["predictions"] == [row["kind"] for row in rows]
    assert told["probabilities"] == P.tolist()
    out = tmp_path / "answers.csv"
    result = call("predict", "slope.safetensors", "slope.csv", "--out", out, cwd=folder)
    assert result.stdout == ""
    assert "60 answers written" in result.stderr
    y = [float(row["y"]) for row in read_csv(out.read_text(encoding="utf-8"))]
    slope, table = chainrule.load(folder / "slope.safetensors"), folder / "slope.csv"
    assert y == slope.predict(chainrule.read_table(table)).tolist()


def test_predict_warns_of_new_categories(folder: Path, tmp_path: Path) -> None:
    text = (folder / "fresh.csv").read_text(encoding="utf-8").replace("red", "green")
    new = tmp_path / "green.csv"
    new.write_text(text, encoding="utf-8")
    result = call("predict", "flowers.safetensors", new, cwd=folder)
    count = text.count("green")
    assert f'{count} of 40 rows hold a value of "colour"' in result.stderr
    assert len(read_csv(result.stdout)) == 40


def test_evaluate_gives_the_scores_of_the_test(folder: Path) -> None:
    told = document("evaluate", "flowers.safetensors", "fresh.csv", cwd=folder)
    assert told["test"] == told["model_test"]
    assert told["rows"] == np.sum(told["confusion"]) == 40
    right = np.trace(told["confusion"]) / 40
    assert told["test"]["accuracy"] == pytest.approx(right)
    assert told["notes"] == []
    seen = document("evaluate", "flowers.safetensors", "flowers.csv", cwd=folder)
    assert "trained on" in seen["notes"][0]
    text = ok("evaluate", "flowers.safetensors", "fresh.csv", cwd=folder)
    assert "on its own test rows" in text
    assert re.search(r"aster +\d+ +\d+ +[\d.]+ %", text)
    assert "RMSE" in ok("evaluate", "slope.safetensors", "slope.csv", cwd=folder)


def test_info_of_a_model(folder: Path, tmp_path: Path) -> None:
    told = document("info", "flowers.safetensors", cwd=folder)
    assert (told["kind"], told["task"], told["target"]) == ("model", "binary", "kind")
    assert told["network"]["shapes"]["0.W"] == [4, 4]
    assert told["facts"]["seed"] == 1
    text = ok("info", "flowers.safetensors", cwd=folder)
    for words in ("predicts kind, binary", "0.W 4 × 4", "25 parameters", "linear model"):
        assert words in text
    bare = tmp_path / "bare"
    chainrule.save(chainrule.Network.mlp([2, 3, 1], rng=0), bare)
    assert document("info", bare)["kind"] == "network"
    assert "13 parameters" in ok("info", bare)
    result = call("predict", bare, folder / "fresh.csv")
    assert (result.exit_code, "without a table's preparation" in result.stderr) == (2, True)


def test_info_of_a_table(folder: Path) -> None:
    told = document("info", "flowers.csv", cwd=folder)
    assert (told["kind"], told["rows"]) == ("table", 60)
    assert [c["role"] for c in told["columns"]] == ["feature"] * 4 + ["left out"]
    aimed = document("info", "flowers.csv", "--target", "kind", cwd=folder)
    assert aimed["columns"][3]["role"] == "target"
    assert "--target COLUMN" in ok("info", "flowers.csv", cwd=folder)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag in ("h1", "h2")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.headings.append(data)
            self.inside = False


@pytest.mark.parametrize(
    ("table", "target", "own"),
    [
        ("flowers.csv", "kind", ["Which classes it confuses", "How reliable its probabilities"]),
        ("slope.csv", "y", ["Where it misses"]),
    ],
)
def test_report(table: str, target: str, own: list[str], folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    arguments = ["train", table, "--target", target, "--report", report, "--out", tmp_path / "m"]
    told = document(*arguments, *QUICK, cwd=folder)
    page = report.read_text(encoding="utf-8")
    parser = _Text()
    parser.feed(page)
    wanted = ["What it is worth", "How it was trained", *own, "The network", "The columns"]
    wanted += ["Its worst rows", "How one row is prepared", "How it is predicted"]
    wanted += ["What each column adds", "Settings and their reasons", "How to reproduce it"]
    for heading in wanted:
        assert any(found.startswith(heading) for found in parser.headings), heading
    assert parser.headings[0] == f"Predicting {target}"
    assert f"chainrule train {table} --target {target} --report" in page
    sha = chainrule.load(tmp_path / "m").facts["data_sha256"]
    assert sha in page
    assert f"{told['network']['parameters']:,}" in page
    assert f"learned from {table}" in page
    assert "(cell - center) / scale" in page
    assert "Dropout passes its input through" in page
    for setting in ("weight decay", "patience", "threads", "half a cosine", "preset"):
        assert setting in page
    assert told["training"]["ending"] in page
    metric = "accuracy" if target == "kind" else "rmse"
    assert score(metric, told["test"][metric]) in page


def test_lessons_are_listed_and_run() -> None:
    assert [x["name"] for x in document("lesson")["lessons"]] == list(LESSONS)
    text = ok("lesson")
    assert all(name in text for name in [*LESSONS, *TEXTS])
    assert document("lesson")["texts"] == TEXTS
    assert "all hold" in ok("lesson", "alice", "--plain")
    told = document("lesson", "alice")
    assert told["holds"] is True
    assert told["claims"] > 5


def test_failing_claim_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Lesson("wrong", "Wrong", "text 000", "", lambda: iter([Claim("1 is 2", 2.0, 1.0)]))
    monkeypatch.setitem(LESSONS, "wrong", wrong)
    assert call("lesson", "wrong").exit_code == 1
    result = call("lesson", "wrong", "--json")
    assert (result.exit_code, json.loads(result.stdout)["holds"]) == (1, False)


def test_bug_is_not_hidden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the cat")

    monkeypatch.setattr("chainrule.tables.read_table", broken)
    result = call("info", "flowers.csv", "--json", cwd=folder)
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "a bug in chainrule" in json.loads(result.stdout)["error"]


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'rich', 'duckdb', 'matplotlib', 'scipy'} & set(sys.modules)"
    code = f"import sys\nfrom chainrule.cli import main\nprint({heavy} or 'nothing')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "nothing"


def test_help_shows_the_defaults_of_the_library() -> None:
    text = " ".join(ok("train", "--help").split())
    assert re.search(r"--preset \[strong\|ensemble\|simple\] .*?\[default: strong\]", text)
    read, run = (
        inspect.signature(method).parameters
        for method in (chainrule.TableData.read, chainrule.TableRun.read)
    )
    assert run["preset"].default == "strong"
    for name in ("test", "seed"):
        assert re.search(rf"--{name} .*?\[default: {read[name].default}\]", text)


def test_every_option_is_documented() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for verb, command in main.commands.items():
        assert f"`chainrule {verb}" in page
        for parameter in command.params:
            for option in (o for o in parameter.opts if o.startswith("--")):
                assert f"`{option}" in page, f"{verb} {option}"
