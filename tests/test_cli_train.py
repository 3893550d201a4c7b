"""What `train` does with its presets: what overrides them, what they are best at, what stops them,
and what the other models are good for.
"""

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli_tables import call, document, ok, write_flowers, write_slope
from support.processes import end
from support.terminals import Terminal

import chainrule as cr
from chainrule.core.nonfinite import Diverged
from chainrule.tabular import baselines, member

SMALL = ["train", "flowers.csv", "--target", "kind", "--hidden", "4", "--epochs", "2"]
NUMBER = ["train", "slope.csv", "--target", "y", "--hidden", "4", "--epochs", "2", "--no-compare"]
ALONE = [*SMALL, "--no-compare"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("train")
    write_flowers(place / "flowers.csv")
    write_slope(place / "slope.csv")
    return place


OVERRIDES: list[tuple[list[str], dict[str, Any], str]] = [
    (["--hidden", "5,3"], {"hidden": [5, 3]}, "Dense(n=5, bias=True, init='lecun_normal')"),
    (["--hidden", "none"], {"hidden": []}, "Scale(start=1.0), Dense(n=2, bias=True, init=0.0)"),
    (["--activation", "ReLU"], {"activation": "relu"}, "ParametricActivation(activation='relu'"),
    (["--dropout", "0.4"], {"dropout": 0.4}, "Dropout(rate=FlatCosine(value=0.4"),
    (["--epochs", "1"], {"epochs": 1, "planned_epochs": 1}, ""),
    (["--lr", "0.001"], {"lr": 0.001}, ""),
    (["--batch-size", "7"], {"batch_size": 7}, ""),
    (["--optimizer", "momentum"], {"optimizer": "momentum", "lr": 0.02}, ""),
    (["--valid", "0.5"], {"valid": 0.5}, ""),
]


@pytest.mark.parametrize(
    ("options", "wanted", "layer"), OVERRIDES, ids=lambda v: v[0] if isinstance(v, list) else ""
)
def test_options_override_what_the_preset_chose(
    options: list[str], wanted: dict[str, Any], layer: str, folder: Path
) -> None:
    told = document(*ALONE, *options, cwd=folder)
    assert told["training"]["members"] == 4
    assert wanted.items() <= told["training"].items()
    assert layer in told["network"]["layers"][1]
    if "--valid" in options:
        assert told["rows"] == {"table": 60, "train": 24, "valid": 24, "test": 12}
    usual = document(*ALONE, cwd=folder)["training"]
    for name, value in wanted.items():
        assert usual[name] != value


@pytest.mark.parametrize("preset", ["strong", "simple"])
@pytest.mark.parametrize(
    ("command", "metric"),
    [(ALONE, "accuracy"), (ALONE, "log_loss"), (ALONE, "auc"), (NUMBER, "rmse"), (NUMBER, "mae")],
)
def test_metric(command: list[str], metric: str, preset: str, folder: Path) -> None:
    """It chooses the best epoch and the loss, and the verdict goes by it."""
    told = document(*command, "--preset", preset, "--metric", metric, cwd=folder)
    assert told["metric"] == metric
    reason, loss = (told["training"]["reasons"][name] for name in ("best epoch by", "loss"))
    assert reason.startswith({"accuracy": "wrong answers", "log_loss": "the log loss",
                              "auc": "the AUC"}.get(metric, "the loss"))  # fmt: skip
    assert ("AbsoluteError" in loss) == (metric == "mae")
    assert ("label_smoothing=0.1" in loss) == (metric == "accuracy" and preset == "strong")
    assert document("info", told["files"]["model"], cwd=folder)["facts"]["metric"] == metric
    if metric in ("log_loss", "auc", "mae", "rmse"):
        less = {"log_loss": -1.0, "rmse": -1.0, "mae": -1.0}.get(metric, 1.0)
        apart = less * (told["test"][metric] - told["baselines"]["constant"][metric])
        assert told["gains"]["constant"]["gain"] == pytest.approx(apart, abs=1e-9)


def test_class_weight_counts_rare_classes_more(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    rare = rng.random(300) < 0.4 * (x > 1)
    rows = [f"{a:.3f},{b:.3f},{'rare' if r else 'usual'}"
            for a, b, r in zip(x, rng.normal(size=300), rare, strict=True)]  # fmt: skip
    (tmp_path / "rare.csv").write_text("\n".join(["x,noise,kind", *rows]) + "\n")
    found = {}
    command = ["train", "rare.csv", "--target", "kind", "--preset", "simple", "--hidden", "none"]
    command += ["--epochs", "100", "--lr", "0.05", "--optimizer", "adam", "--no-compare"]
    for options in ([], ["--class-weight", "balanced"]):
        told = document(*command, *options, "--out", "m.st", cwd=tmp_path)
        answers = document("predict", "m.st", "rare.csv", "--proba", cwd=tmp_path)
        found[told["training"]["class_weight"]] = np.array(answers["probabilities"])[:, 0]
    assert found["balanced"].mean() > 2 * found[None].mean()
    text = ok(*command, "--class-weight", "balanced", "--verbose", cwd=tmp_path)
    assert "class weights: balanced: every class weighs the same" in text


def test_time_limit_makes_the_epochs_fewer(folder: Path) -> None:
    """Of so many epochs that no machine ends them, some are planned, and a note says so."""
    endless = [*ALONE, "--epochs", "1000000", "--time-limit", "0.3"]
    told = document(*endless, cwd=folder)
    training = told["training"]
    assert 1 <= training["epochs"] <= training["planned_epochs"] < 1_000_000
    assert training["stopped"] in ("time", "epochs")
    note = next(note for note in told["warnings"] if "time limit" in note)
    shown = " ".join(ok(*endless, cwd=folder).split())
    assert "note: the time limit of 0.3 s leaves " in shown
    assert note.startswith("the time limit of 0.3 s leaves ")
    assert note.endswith(f" of 4 networks, {training['planned_epochs']:,} of 1,000,000 epochs")


@pytest.mark.parametrize("preset", ["strong", "ensemble", "simple"])
def test_verbose_gives_the_reason_of_every_setting(preset: str, folder: Path) -> None:
    command = [*ALONE, "--preset", preset]
    text = ok(*command, "--verbose", cwd=folder)
    reasons = document(*command, cwd=folder)["training"]["reasons"]
    for name, why in reasons.items():
        assert f"  {name}: {why}\n" in text
    plain = ok(*command, cwd=folder)
    assert f"preset {preset}: adamw, learning rate" in " ".join(plain.split())
    assert "held-out rows:" not in plain


def test_other_models_are_left_out_when_asked(folder: Path) -> None:
    told = document(*ALONE, cwd=folder)
    assert told["baselines"]["boosting"] is told["baselines"]["linear"] is None
    assert told["gains"].keys() == {"constant"}
    assert "It was not compared with other kinds of models." in told["verdict"]
    assert told["seconds_of"].keys() == {"training"}
    text = ok(*ALONE, cwd=folder)
    assert "gradient boosting" not in text
    assert 'always "aster"' in text


def test_no_time_to_compare_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.tabular.run.COMPARE_SECONDS", 0.0)
    monkeypatch.setattr(cr.TableRun, "seconds", 0.0)
    told = document(*SMALL, cwd=folder)
    assert told["baselines"]["boosting"] is told["baselines"]["linear"] is None
    for name in ("gradient boosting", "linear model"):
        assert any(w.startswith(f"{name} left out: no time was left") for w in told["warnings"])
    assert "left out" in ok(*SMALL, cwd=folder)


def test_ctrl_c_leaves_out_the_models_that_are_left(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(baselines, "_boosting", struck)
    told = document(*SMALL, "--out", tmp_path / "m.st", "--report", tmp_path / "r.html", cwd=folder)
    assert told["warnings"] == [
        "gradient boosting left out: stopped by you", "linear model left out: stopped by you",
    ]  # fmt: skip
    assert told["baselines"]["boosting"] is told["baselines"]["linear"] is None
    assert told["baselines"]["constant"]["accuracy"] > 0
    assert told["training"]["stopped"] == "epochs"
    assert cr.load(tmp_path / "m.st").facts["test"]["network"] == told["test"]
    assert "left out: stopped by you" in (tmp_path / "r.html").read_text(encoding="utf-8")


def diverging(after: int) -> Any:
    """`train`, whose numbers become infinite after some epochs."""
    real = cr.train

    def train(*args: Any, **settings: Any) -> Iterator[Any]:
        for record in real(*args, **settings):
            if record.epoch == after:
                raise Diverged("the numbers burst")
            yield record

    return train


def test_divergence_keeps_the_best_epochs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "train", diverging(1))
    result = call(*ALONE, "--out", tmp_path / "m.st", "--json", cwd=folder)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["training"]["stopped"]) == (1, "diverged")
    assert (
        told["training"]["ending"] == "Diverged after 1 epoch; kept each network's best epoch (1)"
    )
    assert told["warnings"] == [f"network {m}: the numbers burst" for m in (1, 2, 3, 4)]
    assert cr.load(tmp_path / "m.st").facts["test"]["network"] == told["test"]


def test_divergence_before_an_epoch_writes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "train", diverging(0))
    result = call(*ALONE, "--quiet", "--out", tmp_path / "m.st", cwd=folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "chainrule: the numbers burst\n"
    assert not os.listdir(tmp_path)


ENDLESS = [*ALONE, "--epochs", "1000000", "--lr", "1e-9", "--json"]


@contextlib.contextmanager
def terminal(*args: object, cwd: Path) -> Iterator[Terminal]:
    """A process on a terminal, which does not outlive the test."""
    one = Terminal(*args, cwd=cwd)
    try:
        yield one
    finally:
        end(one.process)


@pytest.mark.parametrize(
    ("preset", "number", "code"),
    [
        ("strong", signal.SIGINT, 0),
        ("strong", signal.SIGTERM, 143),
        ("ensemble", signal.SIGINT, 0),
    ],
)
def test_signal_keeps_the_best_epochs_of_all_networks(
    preset: str, number: int, code: int, folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m.st"
    with terminal(*ENDLESS, "--preset", preset, "--out", model, cwd=folder) as one:
        one.wait_for("best ")
        one.interrupt(number)
        ended, out = one.finish()
    assert ended == code, one.seen
    told, members = json.loads(out), {"strong": 4, "ensemble": 16}[preset]
    assert told["training"]["stopped"] == "interrupted"
    assert told["training"]["ending"].startswith("Stopped by you after ")
    best = told["training"]["best_epochs"]
    assert len(best) == members
    assert all(0 <= epoch < told["training"]["epochs"] for epoch in best)
    facts = cr.load(model).facts
    assert (facts["best_epochs"], facts["test"]["network"]) == (best, told["test"])
    shown = rf"Epoch +[\d,]+/1,000,000 of {members} networks .*best [0-9.]+ at [\d,]+ .* left"
    assert re.search(shown, one.seen)
