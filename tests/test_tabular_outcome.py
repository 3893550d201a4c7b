"""Outcome: one plain value that JSON, the report and the model file render alike."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.table_runs import PRESETS, built, finished, made_up, trained

from chainrule.models.modelfile import load, save
from chainrule.report.html import report_html
from chainrule.tables import Table, read_table
from chainrule.tabular.baselines import BOOSTING, CONSTANT, LINEAR
from chainrule.tabular.outcome import Outcome
from chainrule.tabular.report import training_report
from chainrule.writing.words import number, score, task_in_words

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "two classes": ("y", {}),
    "three classes": ("colour", {"drop": ["y", "z", "who", "when"]}),
    "a number": ("z", {}),
    "intervals": ("z", {"interval": 0.8}),
    "weights": ("y", {"weight": "w", "class_weight": "balanced"}),
    "no test": ("y", {"test": 0.0}),
    "no held-out rows": ("z", {"valid": 0.0}),
}


@pytest.fixture(scope="module")
def whole() -> Outcome:
    """What came of a run of three members, other models beside it."""
    return trained(made_up(), preset="ensemble").outcome()


def document(outcome: Outcome) -> dict[str, Any]:
    """What `train --json` writes, as a program reads it: no number that is not finite."""
    text = json.dumps(outcome.to_dict(), allow_nan=False)
    read: dict[str, Any] = json.loads(text)
    return read


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("case", CASES)
def test_every_outcome_is_finite_json(case: str, preset: str) -> None:
    target, settings = CASES[case]
    outcome = finished(made_up(), target, preset, **settings)
    found = document(outcome)
    assert found["target"] == target
    assert found["rows"]["table"] == 200
    assert found["training"]["epochs"] == len(outcome.records)
    assert found["training"]["best_epochs"] == outcome.model.facts["best_epochs"]
    assert found["training"]["seed"] == 0
    assert found["network"]["parameters"] == outcome.model.net.theta.size
    assert (found["test"] is None) == (case == "no test")
    assert (found["interval"] is None) == (case != "intervals")
    assert (found["training"]["valid_loss"] is None) == (case == "no held-out rows")


REPORTS = [("two classes", "simple"), ("three classes", "strong"), ("a number", "ensemble"),
           ("intervals", "strong"), ("weights", "ensemble"), ("no test", "simple")]  # fmt: skip


@pytest.mark.parametrize(("case", "preset"), REPORTS)
def test_every_outcome_is_a_report(case: str, preset: str) -> None:
    target, settings = CASES[case]
    outcome = finished(made_up(), target, preset, **settings)
    report = training_report(outcome, command=["chainrule", "train", "t.csv"])
    page = report_html(report)
    assert f"<h1>Predicting {target}</h1>" in page
    assert "chainrule train t.csv" in page
    headings = {section.heading for section in report.sections}
    assert {"How it was trained", "The network", "How one row is prepared"} <= headings
    assert ("Its worst rows" in headings) == (case != "no test")
    assert ("How reliable its probabilities are" in headings) == (
        target == "y" and case != "no test"
    )
    assert ("Intervals meant to hold" in page) == (case == "intervals")


def test_scores_are_the_same_to_the_last_digit_everywhere(whole: Outcome, tmp_path: Path) -> None:
    save(whole.model, tmp_path / "m")
    facts, found = load(tmp_path / "m").facts, document(whole)
    keys = {BOOSTING: "boosting", LINEAR: "linear", CONSTANT: "constant"}
    assert list(whole.scores) == ["network", BOOSTING, LINEAR, CONSTANT]
    assert found["test"] == whole.scores["network"] == facts["test"]["network"]
    for name, key in keys.items():
        assert found["baselines"][key] == whole.scores[name] == facts["test"][name]
    assert whole.tested is not None
    for name, key in keys.items():
        gain, error = whole.tested.gain(name)
        assert found["gains"][key] == {"gain": gain, "error": error}
    assert found["verdict"] == whole.verdict
    rows = training_report(whole, command=[]).sections[0].table
    assert rows is not None
    for row, (name, values) in zip(rows, whole.scores.items(), strict=True):
        assert row["model"] == whole.names[name]
        assert row["accuracy"] == score("accuracy", values["accuracy"])
        assert row["log loss"] == score("log_loss", values["log_loss"])


def test_the_model_scores_the_test_rows_as_the_outcome_says(whole: Outcome) -> None:
    assert whole.model.evaluate(whole.shown.as_table) == pytest.approx(
        whole.scores["network"],
        rel=1e-6,  # by NumPy here, compiled there
    )


def test_the_page_says_what_the_outcome_says(whole: Outcome) -> None:
    report = training_report(whole, command=["chainrule", "train", "a b.csv"])
    page = report_html(report)
    for told in (whole.verdict, whole.ending, whole.layers, *whole.reasons.values()):
        assert re.sub("<[^>]+>", "", told) in page.replace("&quot;", '"').replace("&#x27;", "'")
    assert "chainrule train &#x27;a b.csv&#x27;" in page
    assert "Its worst rows" in [section.heading for section in report.sections]


def test_the_page_of_the_worst_rows_has_no_old_names(whole: Outcome) -> None:
    page = report_html(training_report(whole, command=["chainrule"]))
    heads = re.findall(
        r"<th scope=\"col\"[^>]*>(.*?)</th>", page.partition("Its worst rows: table")[2]
    )
    last = "error" if whole.schema.classes is None else "probability of the true value"
    assert sorted(heads[:4]) == sorted(["row", "true value", "answer", last])


def test_the_worst_rows_are_the_worst_and_have_the_numbers_of_their_file() -> None:
    """Rows without a target or of weight 0 come before them: the numbers count them too."""
    columns = {name: values.copy() for name, values in made_up().columns.items()}
    columns["y"][:20] = None
    table = Table({**columns, "w": np.where(np.arange(200) % 5 == 0, 0.0, 1.0)}, "t.csv")
    outcome = finished(table, weight="w", epochs=20)
    assert outcome.tested is not None
    P = outcome.model.predict_proba(table)
    codes = np.array([{"no": 0, "yes": 1}.get(label, -1) for label in table.columns["y"]])
    right = P[np.arange(200), codes]
    test = outcome.shown.places
    order = test[np.argsort(right[test])]
    assert [row["row"] - 1 for row in outcome.worst] == order[:5].tolist()
    for row in outcome.worst:
        place = row["row"] - 1
        assert row["true"] == table.columns["y"][place]
        assert row["prediction"] == outcome.model.predict(table)[place]
        assert row["probability"] == pytest.approx(right[place])
    old = [{**row, "answer": row["prediction"]} for row in outcome.worst]
    assert document(outcome)["worst_rows"] == old


def test_the_worst_rows_of_numbers_of_a_test_table() -> None:
    table = made_up()
    z = table.columns["z"].copy()
    z[[3, 9]] += 100.0, -200.0
    odd = Table({**table.columns, "z": z}, "odd.csv")
    outcome = finished(table, "z", "strong", test_table=odd)
    first, second, *others = outcome.worst
    assert [first["row"], second["row"]] == [10, 4]
    assert len(others) == 3
    answers = outcome.model.predict(odd)
    for row in outcome.worst:
        assert row["prediction"] == pytest.approx(answers[row["row"] - 1])
        assert row["error"] == pytest.approx(row["prediction"] - z[row["row"] - 1])
        assert row["true"] == pytest.approx(z[row["row"] - 1])


def test_the_guess_is_named_by_what_it_answers() -> None:
    mostly = np.array(["red", "blue", "blue"], object)[np.arange(200) % 3]
    table = Table({**made_up().columns, "y": mostly}, "t.csv")
    assert finished(table).names == {"network": "network", CONSTANT: 'always "blue"'}
    run = trained(made_up(), "z")
    mean = run.data.train.as_table.columns["z"].mean()
    outcome = run.outcome(compared=False)
    assert outcome.names[CONSTANT] == f"always {number(mean)}, the mean"
    assert list(outcome.named_scores) == list(outcome.names.values())
    assert finished(made_up(), test=0.0).names == {}


ENDINGS: list[tuple[str, int, list[int], str]] = [
    ("epochs", 3, [2], "All 3 epochs done; kept epoch 3"),
    ("epochs", 1, [0], "The one epoch is done; kept epoch 1"),
    ("patience", 9, [4], "Stopped after 9 epochs without a new best; kept epoch 5"),
    ("time", 1, [0], "Time ran out after 1 epoch; kept epoch 1"),
    ("interrupted", 2, [1], "Stopped by you after 2 epochs; kept epoch 2"),
    ("diverged", 4, [0], "Diverged after 4 epochs; kept epoch 1"),
    ("epochs", 9, [3, 0, 8], "All 9 epochs done; kept each network's best epoch (1 to 9)"),
    ("time", 2000, [7, 7], "Time ran out after 2,000 epochs; kept each network's best epoch (8)"),
]


@pytest.mark.parametrize(("ended", "epochs", "best", "told"), ENDINGS)
def test_how_it_ended_is_told_with_epochs_counted_from_1(
    ended: str, epochs: int, best: list[int], told: str, whole: Outcome
) -> None:
    record = whole.records[0]
    model = replace(whole.model, facts={**whole.model.facts, "best_epochs": best})
    outcome = replace(
        whole, model=model, stopped=ended, records=[record._replace(epoch=e) for e in range(epochs)]
    )
    assert outcome.ending == told
    assert document(outcome)["training"]["ending"] == told
    assert document(outcome)["training"]["stopped"] == ended


def broken_off(run: Any) -> None:
    for record in run.train():
        if record.epoch == 1:
            break


RUNS: dict[str, tuple[dict[str, Any], Callable[[Any], object], str]] = {
    "epochs": ({}, lambda run: list(run.train()), "All 3 epochs done; kept epoch "),
    "patience": ({"epochs": 300, "patience": 1}, lambda run: list(run.train()),
                 "Stopped after "),
    "interrupted": ({"epochs": 9}, broken_off, "Stopped by you after 2 epochs; kept epoch "),
}  # fmt: skip


@pytest.mark.parametrize("ended", RUNS)
def test_the_ending_of_a_run_is_that_of_its_outcome(ended: str) -> None:
    settings, go, told = RUNS[ended]
    run = built(made_up(), **settings)
    go(run)
    outcome = run.outcome(compared=False)
    assert outcome.stopped == ended
    assert outcome.ending.startswith(told)


def test_losses_are_those_of_the_kept_epochs() -> None:
    one = finished(made_up(), "z", epochs=9)
    best = one.model.facts["best_epoch"]
    found = document(one)["training"]
    assert best == one.model.facts["best_epochs"][0]
    assert found["valid_loss"] == min(record.valid_loss for record in one.records)  # type: ignore[type-var]
    assert found["loss"] == one.records[best].loss
    run = trained(made_up(), "z", "strong", epochs=9)
    several = document(run.outcome(compared=False))["training"]
    assert several["best_epoch"] is None
    assert several["valid_loss"] == pytest.approx(np.mean([m.best.loss for m in run.members]))


def test_the_settings_are_those_that_were_used() -> None:
    run = trained(made_up(), class_weight={"yes": 2.0}, threads=1, lr=0.01)
    found = document(run.outcome(compared=False))
    told = found["training"]
    assert (told["lr"], told["hidden"], told["threads"]) == (0.01, [8], 1)
    assert told["class_weight"] == {"yes": 2.0}
    assert told["batch_size"] == run.preset.batch_size
    assert told["reasons"] == run.reasons
    assert found["engine"] == run.engine
    assert found["seconds"] == found["seconds_of"]["training"] == run.seconds


def test_notes_and_warnings_reach_json_and_the_page() -> None:
    y = np.array(["no", "yes"], object)[np.arange(60) % 2]
    y[7] = "rare"
    table = Table({**made_up(60).columns, "y": y}, "t.csv")
    outcome = replace(finished(table), warnings=["linear model left out: <no time>"])
    assert "one row only of rare: used for training" in outcome.notes
    found = document(outcome)
    assert found["notes"] == list(outcome.notes)
    assert found["warnings"] == list(outcome.warnings)
    page = report_html(training_report(outcome, command=[]))
    assert "one row only of rare: used for training" in page
    assert "linear model left out: &lt;no time&gt;" in page


def test_the_example_is_the_first_test_row(whole: Outcome) -> None:
    place = int(whole.shown.places[0])
    assert whole.example.row == place
    assert whole.example.answer == whole.model.predict(made_up())[place]
    without = finished(made_up(), test=0.0)
    page = report_html(training_report(without, command=[]))
    assert f"Row {without.example.row + 1} of dict of columns, a training row." in page


def test_the_task_in_words() -> None:
    assert task_in_words(built(made_up()).data.schema.classes) == "two classes (no, yes)"
    assert task_in_words(built(made_up(), "z").data.schema.classes) == "a number"
    many = read_table({"x": np.arange(120.0), "y": np.arange(120) % 12})
    assert task_in_words(built(many).data.schema.classes) == (
        "12 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …)"
    )


def test_labels_may_be_anything() -> None:
    label = "<b>a\x00b日本\u202e"
    y = np.array([label, "plain & simple"], object)[np.arange(60) % 2]
    outcome = finished(Table({**made_up(60).columns, "y": y}, "t.csv"), preset="strong")
    document(outcome)
    page = report_html(training_report(outcome, command=["chainrule", label]))
    assert "<b>" not in page
    assert "\x00" not in page
    assert "\u202e" not in page
    assert "plain &amp; simple" in page


def test_the_scores_say_by_how_much_the_network_is_ahead() -> None:
    outcome = finished(made_up(), "z")
    head, *others = outcome.score_rows
    assert head["network ahead, RMSE"] == ""
    for row, name in zip(others, list(outcome.scores)[1:], strict=True):
        assert outcome.tested is not None
        mean, error = outcome.tested.gain(name)
        assert row["network ahead, RMSE"] == f"{number(mean, 3)} ± {number(error, 2)}"
    assert score("r2", -2.2e-06) == "0.0000"
