"""Every verb on the models of every preset and task: what is printed, written and told to programs,
and that all of them say the same.
"""

import csv
import html
import io
import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.cli_tables import document, ok, write_flowers, write_slope

import chainrule as cr
from chainrule.core.metrics import METRICS
from chainrule.tables import Table
from chainrule.writing.words import coverage_in_words, score

SMALL = {
    "strong": ["--preset", "strong", "--hidden", "8", "--epochs", "3"],
    "ensemble": ["--preset", "ensemble", "--hidden", "4", "--epochs", "2"],
    "simple": ["--preset", "simple", "--hidden", "8", "--epochs", "3"],
}
MEMBERS = {"strong": 4, "ensemble": 16, "simple": 1}
TABLES = {
    "binary": ("flowers.csv", "kind", []),
    "multiclass": ("three.csv", "kind", []),
    "number": ("slope.csv", "y", []),
    "interval": ("slope.csv", "y", ["--interval", "0.9"]),
}
CLOSE = 1e-6  # relative: training predicts in float32 where the network is in float32
BASELINES = {"boosting": "gradient boosting", "linear": "linear model",
             "constant": "constant guess"}  # fmt: skip


class Trained(NamedTuple):
    """A folder with a table, its test rows and the model that was trained on it, and what `train`
    said in JSON and in its report.
    """

    folder: Path
    preset: str
    task: str
    told: dict[str, Any]
    page: str

    @property
    def table(self) -> str:
        return TABLES[self.task][0]

    @property
    def target(self) -> str:
        return TABLES[self.task][1]

    def read(self, name: str = "fresh.csv") -> Table:
        schema = self.model().schema
        assert schema is not None
        return cr.read_table(self.folder / name, reading=schema.reading)

    def model(self) -> cr.Model:
        model = cr.load(self.folder / "m.st")
        assert isinstance(model, cr.Model)
        return model

    def document(self, verb: str, *args: object) -> dict[str, Any]:
        return document(verb, "m.st", *args, cwd=self.folder)

    def text(self, verb: str, *args: object) -> str:
        """What a person reads, wherever its lines were broken."""
        return " ".join(ok(verb, "m.st", *args, cwd=self.folder).split())


def write_three(path: Path, n: int = 90, seed: int = 0) -> Path:
    """Three kinds told apart by a number."""
    rng = np.random.default_rng(seed)
    rows = [f"{x:.3f},{y:.3f},{'abc'[int(3 * x)]}" for x, y in rng.random((n, 2))]
    path.write_text("x,noise,kind\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_tables(task: str, folder: Path) -> None:
    """The table of a task, and as many rows more in fresh.csv."""
    if task == "binary":
        write_flowers(folder / "flowers.csv")
        write_flowers(folder / "fresh.csv", n=40, seed=1)
    elif task == "multiclass":
        write_three(folder / "three.csv")
        write_three(folder / "fresh.csv", n=40, seed=1)
    else:
        write_slope(folder / "fresh.csv", n=40)
        write_slope(folder / "slope.csv", n=100)


@pytest.fixture(
    scope="module",
    params=[(preset, task) for preset in SMALL for task in TABLES],
    ids=lambda case: " ".join(case),
)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    preset, task = request.param
    folder = tmp_path_factory.mktemp("presets")
    write_tables(task, folder)
    table, target, options = TABLES[task]
    with pytest.MonkeyPatch.context() as patch:  # other models end, however busy the machine is
        patch.setattr("chainrule.tabular.run.COMPARE_SECONDS", 300.0)
        told = document(
            "train", table, "--target", target, *SMALL[preset], *options, "--test", "fresh.csv",
            "--out", "m.st", "--report", "r.html", cwd=folder,
        )  # fmt: skip
    page = (folder / "r.html").read_text(encoding="utf-8")
    return Trained(folder, preset, task, told, page)


def words(page: str) -> str:
    """The text of a page without its marks."""
    bare = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())


def test_train_says_what_was_done(trained: Trained) -> None:
    told, training = trained.told, trained.told["training"]
    assert training["members"] == len(training["best_epochs"]) == MEMBERS[trained.preset]
    assert training["hidden"] == [4 if trained.preset == "ensemble" else 8]
    wanted = 2 if trained.preset == "ensemble" else 3
    assert training["epochs"] == training["planned_epochs"] == wanted
    assert training["best_epoch"] == (
        training["best_epochs"][0] if trained.preset == "simple" else None
    )
    assert all(0 <= epoch < training["epochs"] for epoch in training["best_epochs"])
    assert training["stopped"] == "epochs"
    assert training["ending"].startswith(f"All {training['epochs']} epochs done; kept")
    assert told["engine"] == ("readable" if trained.preset == "simple" else "compiled")
    assert told["seconds_of"].keys() >= {"training", "gradient boosting", "linear model"}
    assert told["seconds"] == told["seconds_of"]["training"]
    assert told["warnings"] == []


def test_metric_gains_and_verdict_are_those_of_the_scores(trained: Trained) -> None:
    told, metric = trained.told, trained.told["metric"]
    assert metric == ("rmse" if told["classes"] is None else "accuracy")
    sign = 1.0 if METRICS[metric].more_is_better else -1.0
    assert told["gains"].keys() == BASELINES.keys()
    for name, gained in told["gains"].items():
        apart = sign * (told["test"][metric] - told["baselines"][name][metric])
        assert gained["gain"] == pytest.approx(apart, abs=1e-9)
        assert gained["error"] > 0
    best = min(told["gains"], key=lambda name: told["gains"][name]["gain"])
    rival = told["verdict"].partition("The best other model is ")[2]
    assert BASELINES[best] in rival.partition("(")[0]


def test_worst_rows_are_those_of_the_model(trained: Trained) -> None:
    rows, model = trained.told["worst_rows"], trained.model()
    assert len(rows) == 5
    answers = model.predict(trained.read()).tolist()
    truth = trained.read().columns[trained.target].tolist()
    there = [[truth[row["row"] - 1], answers[row["row"] - 1]] for row in rows]
    told = [[row["true"], row["prediction"]] for row in rows]
    if trained.told["classes"] is None:
        np.testing.assert_allclose(there, told, rtol=1e-6, atol=1e-6)
        sizes = [abs(row["error"]) for row in rows]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] == pytest.approx(np.max(np.abs(np.subtract(answers, truth))), rel=1e-6)
    else:
        assert there == told
        chances = [row["probability"] for row in rows]
        assert chances == sorted(chances)


def test_scores_are_the_same_everywhere(trained: Trained) -> None:
    """In the document of `train`, in the facts of the file, in the report and on the screen."""
    told, facts = trained.told, trained.document("info")["facts"]
    assert facts["test"]["network"] == told["test"]
    for key, name in BASELINES.items():
        assert facts["test"][name] == told["baselines"][key]
    kept = {key: facts[key] for key in ("metric", "interval", "temperature", "seconds", "engine")}
    assert kept == {key: told[key] for key in kept}
    for key in ("epochs", "best_epochs", "lr", "batch_size", "optimizer", "seed"):
        assert facts[key] == told["training"][key], key
    assert facts["preset"] == trained.preset
    page, shown = words(trained.page), trained.text("info")
    for metric, value in told["test"].items():
        assert f"{METRICS[metric].name}" in page
        assert score(metric, value) in page
        assert score(metric, value) in shown
    assert told["verdict"] in page
    assert told["training"]["ending"] in page


def test_evaluate_on_the_test_rows_gives_the_scores_of_the_test(trained: Trained) -> None:
    found = trained.document("evaluate", "fresh.csv")
    assert found["model_test"] == trained.told["test"]
    assert found["test"] == pytest.approx(found["model_test"], rel=CLOSE)
    assert (found["interval"] or {}) == pytest.approx(trained.told["interval"] or {}, rel=CLOSE)
    text = trained.text("evaluate", "fresh.csv")
    assert "on its own test rows" in text
    assert ("Intervals meant to hold 90 %" in text) == (trained.task == "interval")


def test_predict(trained: Trained) -> None:
    model, table = trained.model(), trained.read()
    found = trained.document("predict", "fresh.csv")
    assert found["predictions"] == model.predict(table).tolist()
    rows = list(csv.DictReader(io.StringIO(ok("predict", "m.st", "fresh.csv", cwd=trained.folder))))
    given, target = [row[trained.target] for row in rows], trained.target
    assert (given if model.classes else [*map(float, given)]) == found["predictions"]
    ends = [f"{target} low", f"{target} high"] * (trained.task == "interval")
    assert list(rows[0]) == ["row", target, *ends]
    assert found["interval"] == (0.9 if ends else None)
    if ends:
        np.testing.assert_array_equal(found["intervals"], model.predict_interval(table))
        assert [[float(row[end]) for end in ends] for row in rows] == found["intervals"]
        assert all(low <= high for low, high in found["intervals"])
        low, high = np.transpose(found["intervals"])
        assert np.all((low <= found["predictions"]) & (found["predictions"] <= high))
    else:
        assert found["intervals"] is None
    if model.classes:
        P = np.array(trained.document("predict", "fresh.csv", "--proba")["probabilities"])
        np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=CLOSE)
        assert [model.classes[k] for k in P.argmax(axis=1)] == found["predictions"]


def test_coverage_is_counted_on_the_rows(trained: Trained) -> None:
    told = trained.told["interval"]
    assert (told is None) == (trained.task != "interval")
    if told is None:
        return
    low, high = np.transpose(trained.model().predict_interval(trained.read()))
    y = trained.read().columns["y"]
    assert told["share"] == 0.9
    assert told["coverage"] == pytest.approx(np.mean((low <= y) & (y <= high)))
    assert told["width"] == pytest.approx(np.mean(high - low))
    told_in_words = coverage_in_words(told, "y")
    assert told_in_words in words(trained.page)
    assert told_in_words in trained.text("info")
    assert told_in_words in trained.text("evaluate", "fresh.csv")


def test_explain_adds_up_to_the_answer(trained: Trained) -> None:
    where = ["--file", "fresh.csv", "--row", 3]
    found, model = trained.document("explain", *where), trained.model()
    answer = model.predict(trained.read()).tolist()[2]
    assert found["prediction"] == (answer if model.classes else pytest.approx(answer, rel=1e-12))
    added = sum(
        part["integrated" if part["exact"] is None else "exact"] for part in found["contributions"]
    )
    assert found["start"] + added == pytest.approx(found["end"], abs=1e-5)
    if model.classes:
        P = model.predict_proba(trained.read())[2]
        assert found["probability"] == pytest.approx(P.max(), rel=1e-12)
    else:
        assert found["end"] == pytest.approx(found["prediction"], rel=1e-6)
    text = trained.text("explain", *where)
    assert "So the model answers" in text
    assert "add up to the output" in text
    one = trained.document("explain", *where, "--number", "loss")
    assert math.isfinite(one["value"])


def test_verify_proves_a_step(trained: Trained) -> None:
    found = trained.document("verify", "--file", "fresh.csv", "--row", 2)
    assert found["holds"], found["failures"]
    assert found["differences"] > 0


def test_info_shows_the_layers_of_the_first_network(trained: Trained) -> None:
    shown, told = trained.document("info"), trained.told
    assert shown["network"]["parameters"] == told["network"]["parameters"]
    assert shown["network"]["layers"] == told["network"]["layers"]
    text, members = trained.text("info"), MEMBERS[trained.preset]
    assert f"preset {trained.preset}" in text
    assert (f"Average of {members} chains" in text) == (members > 1)
    best = ", ".join(str(epoch + 1) for epoch in told["training"]["best_epochs"])
    kept = f"kept of each network: {best}" if members > 1 else f"kept: {best}"
    assert f"epochs {told['training']['epochs']}, {kept}" in text


def test_report_is_whole(trained: Trained) -> None:
    page, told = words(trained.page), trained.told
    own = {"binary": ["Which classes it confuses", "How reliable its probabilities are"],
           "multiclass": ["Which classes it confuses"]}  # fmt: skip
    for heading in (
        "What it is worth", "How it was trained", *own.get(trained.task, ["Where it misses"]),
        "Its worst rows", "The network", "The columns", "How one row is prepared",
        "How it is predicted", "What each column adds", "Settings and their reasons",
        "How to reproduce it",
    ):  # fmt: skip
        assert re.search(rf"<h2[^>]*>{heading}</h2>", trained.page), heading
    for name, why in told["training"]["reasons"].items():
        assert f"{name} {why}" in page
    assert f"chainrule train {trained.table} --target" in page
    assert f"preset {trained.preset}" in page
    assert f"{told['network']['parameters']:,}" in page
    assert ("networks, averaged; the first" in page) == (trained.preset != "simple")
    assert "nan" not in page.lower().split()


def test_numbers_of_the_file_are_those_of_the_network(trained: Trained) -> None:
    """What the file says of the network is what a program finds in it."""
    net = trained.model().net
    assert net.theta.size == trained.told["network"]["parameters"]
    assert len(net.layers[0].branches or [0]) == MEMBERS[trained.preset]
    json.dumps(trained.told, allow_nan=False)


@pytest.mark.parametrize("preset", SMALL)
def test_diagnose_examines_the_first_network(preset: str, tmp_path: Path) -> None:
    write_flowers(tmp_path / "flowers.csv")
    command = ["diagnose", "flowers.csv", "--target", "kind", *SMALL[preset], "--seed", "1"]
    found = document(*command, "--drop", "weight", "--time-limit", "20", cwd=tmp_path)
    assert {"findings", "summary", "measured", "notes", "columns"} == found.keys()
    assert "guessing gives" in found["summary"][0]
