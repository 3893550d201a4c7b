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
from chainrule.storage import load, save
from chainrule.tables import Table, read_table
from chainrule.tabular import TableRun

SEEDS = range(5)
REAL = {  # file -> target, metric, the least mean over the seeds
    "titanic.csv": ("Survived", "accuracy", 0.80),
    "penguins.csv": ("species", "accuracy", 0.97),
    "auto-mpg.csv": ("mpg", "r2", 0.85),
}


@functools.cache
def table_of(file: Path) -> Table:
    return read_table(file)


def trained(table: Table, target: str, **settings: Any) -> TableRun:
    run = TableRun(table, target, **settings)
    for _ in run.train():
        pass
    return run


@pytest.mark.parametrize("name", REAL)
def test_real_tables_reach_their_mark(data: Path, name: str) -> None:
    target, metric, least = REAL[name]
    table = table_of(data / name)
    got = [
        trained(table, target, seed=seed).scores(linear=False)["network"][metric] for seed in SEEDS
    ]
    assert np.mean(got) >= least, got


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
    if run.schema.task == "regression":
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
    found = run.scores()
    assert run.schema.task == "multiclass"
    assert found["network"]["accuracy"] > found["constant guess"]["accuracy"]


def test_quality_as_a_number(data: Path) -> None:
    table = table_of(data / "winequality-red.csv")
    run = trained(table, "quality", task="regression", epochs=20)
    assert run.schema.classes is None
    assert run.scores()["network"]["r2"] > 0.2
    answers = run.model().predict(table)
    assert 3 < answers.min() < answers.max() < 9


def sk_linear(run: TableRun) -> Array:
    """The link's output of scikit-learn's linear model under the same penalty, on the test rows."""
    X, y, w = run.train_part
    assert run.test_part is not None
    n, total = len(X), len(X) if w is None else float(w.sum())
    if run.schema.task == "regression":
        ridge = Ridge(alpha=0.5 * total / n, tol=1e-10).fit(X, y, w)
        return np.asarray(ridge.predict(run.test_part[0]))[:, None]
    logistic = LogisticRegression(C=n / total, tol=1e-10, max_iter=10_000).fit(X, y, w)
    P = np.asarray(logistic.predict_proba(run.test_part[0]))
    return P[:, 1:] if P.shape[1] == 2 else P


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
    run = TableRun(table_of(data / name.strip()), target, seed=1, **settings)
    assert run.test_part is not None
    X, y, weight = run.test_part
    output = sk_linear(run)
    ours = run.scores()["linear model"]
    if run.schema.task == "regression":
        a, b = run.preparation.restore_target(y), run.preparation.restore_target(output[:, 0])
        wanted = {"r2": metrics.r2(a, b, weight), "rmse": metrics.rmse(a, b, weight)}
    else:
        P = np.hstack([1 - output, output]) if output.shape[1] == 1 else output
        wanted = {"log_loss": metrics.log_loss(y, P, weight), "auc": metrics.auc(y, P, weight)}
    for metric, value in wanted.items():
        assert ours[metric] == pytest.approx(value, abs=2e-3), metric


@pytest.mark.parametrize("name", REAL)
def test_constant_guess_is_worked_out_by_hand(data: Path, name: str) -> None:
    target = REAL[name][0]
    run = TableRun(table_of(data / name), target, seed=2)
    values = run.table.columns[target]
    train, test = values[run.split.train], values[run.split.test]
    found = run.scores(linear=False)["constant guess"]
    if run.schema.task == "regression":
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
    assert run.scores(linear=False)["network"]["accuracy"] >= 0.85
