"""Real tables: a network that is good enough, beside baselines worked out by others."""

import csv
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from chainrule.core import metrics
from chainrule.core.arrays import Array
from chainrule.models.model import scores, true_terms
from chainrule.models.modelfile import load, save
from chainrule.tables import Table, read_table
from chainrule.tabular.baselines import compare
from chainrule.tabular.data import TableData
from chainrule.tabular.run import TableRun

SEEDS = range(5)
REAL = {  # file -> target, metric, the least mean over the seeds
    "titanic.csv": ("Survived", "accuracy", 0.80),
    "penguins.csv": ("species", "accuracy", 0.97),
    "auto-mpg.csv": ("mpg", "r2", 0.85),
}


@functools.cache
def table_of(file: Path) -> Table:
    return read_table(file)


def trained(table: Table, target: str, preset: str = "simple", **settings: Any) -> TableRun:
    run = TableRun.read(table, target, preset, **settings)
    for _ in run.train():
        pass
    return run


def scores_of(run: TableRun, *, compared: bool = False) -> dict[str, dict[str, float]]:
    return run.outcome(compared=compared).scores


@pytest.mark.parametrize("name", REAL)
def test_real_tables_reach_their_mark(data: Path, name: str) -> None:
    target, metric, least = REAL[name]
    table = table_of(data / name)
    got = [scores_of(trained(table, target, seed=seed))["network"][metric] for seed in SEEDS]
    assert np.mean(got) >= least, got


@pytest.mark.parametrize("name", REAL)
def test_two_strong_members_reach_it_as_well(data: Path, name: str) -> None:
    target, metric, least = REAL[name]
    runs = [
        trained(table_of(data / name), target, "strong", members=2, epochs=64, seed=seed)
        for seed in range(2)
    ]
    got = [scores_of(run)["network"][metric] for run in runs]
    assert np.mean(got) >= least - 0.03, got  # of two seeds


def split_outside(file: Path, folder: Path, seed: int) -> tuple[Path, Path]:
    """train.csv and test.csv, a random fifth of the rows of a CSV file, text untouched."""
    with file.open(newline="", encoding="utf-8") as opened:
        header, *rows = csv.reader(opened)
    order = np.random.default_rng(100 + seed).permutation(len(rows))
    cut = len(rows) // 5
    written = folder / "train.csv", folder / "test.csv"
    for path, part in zip(written, (order[cut:], order[:cut]), strict=True):
        with path.open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows([header, *(rows[i] for i in sorted(part))])
    return written


def outside_score(file: Path, folder: Path, target: str, seed: int) -> float:
    train_file, test_file = split_outside(file, folder, seed)
    run = trained(read_table(train_file), target, test=0.0, seed=seed)
    save(run.model(), folder / "m")
    test = read_table(test_file)
    answers = load(folder / "m").predict(test.without([target]))
    true = test.columns[target]
    if run.data.schema.task == "regression":
        return metrics.r2(true, answers)
    return float(np.mean(answers == true))


@pytest.mark.parametrize("name", REAL)
def test_tables_split_outside_reach_the_same_mark(data: Path, tmp_path: Path, name: str) -> None:
    target, _, least = REAL[name]
    got = [outside_score(data / name, tmp_path, target, seed) for seed in SEEDS]
    assert np.mean(got) >= least, got


@pytest.mark.parametrize("name", ["winequality-red.csv", "winequality-white.csv"])
def test_wine_files_work_as_they_are(data: Path, name: str) -> None:
    table = table_of(data / name)
    assert len(table.names) == 12
    run = trained(table, "quality", epochs=5)
    found = scores_of(run)
    assert run.data.schema.task == "multiclass"
    assert found["network"]["accuracy"] > found["constant guess"]["accuracy"]


def test_quality_as_a_number(data: Path) -> None:
    table = table_of(data / "winequality-red.csv")
    run = trained(table, "quality", task="regression", epochs=20)
    assert run.data.schema.classes is None
    assert scores_of(run)["network"]["r2"] > 0.2
    answers = run.model().predict(table)
    assert 3 < answers.min() < answers.max() < 9


def sk_linear(data: TableData) -> Array:
    """What scikit-learn's linear model answers under the same penalty, for the test rows. Softmax
    of two has twice the numbers that a logistic regression has: half the penalty.
    """
    X, y, w = data.train.X, data.train.y, data.train.weight
    assert data.test is not None
    n, total = len(X), len(X) if w is None else float(w.sum())
    if data.schema.task == "regression":
        ridge = Ridge(alpha=0.5 * total / n, tol=1e-10).fit(X, y, w)
        return data.preparation.restore_target(ridge.predict(data.test.X))
    strength = (2 if data.outputs == 2 else 1) * n / total
    logistic = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(X, y, w)
    return np.asarray(logistic.predict_proba(data.test.X))


BASELINES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "titanic.csv": ("Survived", {}),
    "titanic.csv ": ("Survived", {"weight": "Fare"}),
    "penguins.csv": ("species", {}),
    "auto-mpg.csv": ("mpg", {}),
    "auto-mpg.csv ": ("mpg", {"weight": "model_year"}),
}


@pytest.mark.parametrize("name", BASELINES)
def test_linear_baseline_is_scikit_learns(data: Path, name: str) -> None:
    target, settings = BASELINES[name]
    read = TableData.read(table_of(data / name.strip()), target, seed=1, **settings)
    assert read.test is not None
    others = compare(read, read.test, read.train.weight, 1e6, 1, None)
    found = {other.name: other.answers for other in others}
    ours, y = found["linear model"], true_terms(read.preparation, read.test.y)
    assert ours is not None
    told, wanted = (scores(y, a, read.test.weight) for a in (ours, sk_linear(read)))
    for metric in ("r2", "rmse") if read.outputs == 0 else ("log_loss", "auc"):
        assert told[metric] == pytest.approx(wanted[metric], abs=2e-3), metric


@pytest.mark.parametrize("name", REAL)
def test_constant_guess_is_worked_out_by_hand(data: Path, name: str) -> None:
    target = REAL[name][0]
    run = TableRun.read(table_of(data / name), target, "simple", seed=2)
    assert run.data.test is not None
    values = run.data.table.columns[target]
    train, test = values[run.data.train.places], values[run.data.test.places]
    next(run.train())
    found = scores_of(run)["constant guess"]
    if run.data.schema.task == "regression":
        assert found["rmse"] == pytest.approx(np.sqrt(np.mean((test - train.mean()) ** 2)))
        assert found["mae"] == pytest.approx(np.mean(np.abs(test - train.mean())))
        return
    labels, counts = np.unique(train, return_counts=True)
    shares = dict(zip(labels, counts / len(train), strict=True))
    assert found["accuracy"] == pytest.approx(np.mean(test == labels[counts.argmax()]))
    assert found["log_loss"] == pytest.approx(-np.mean([np.log(shares[v]) for v in test]))
    assert found["auc"] == 0.5


def test_images_of_digits(data: Path) -> None:
    images = read_table(data / "mnist" / "t10k-images-idx3-ubyte.gz")
    train, test = images.take(np.arange(5000)), images.take(np.arange(5000, 6000))
    run = trained(
        train, "label", test_table=test, threads=1,
        hidden=(100,), epochs=2, batch_size=32, lr=0.002,
    )  # fmt: skip
    assert (run.net.n_in, run.net.n_out) == (784, 10)
    assert scores_of(run)["network"]["accuracy"] >= 0.85
