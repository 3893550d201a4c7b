"""TabularClassifier and TabularRegressor beside scikit-learn's MLP and HistGradientBoosting: error
on test rows of real tables, defaults, several seeds.

$ python benchmarks/accuracy.py --data ../shared/data --seeds 5
"""

import argparse
import warnings
from collections.abc import Iterator
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


def tasks(folder: Path) -> Iterator[Task]:
    """scikit-learn's bundled tables, and those of a folder."""
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
        table = table[table[target].notna()]
        yield Task(name, table.drop(columns=target), table[target], classes)


def peers(task: Task, seed: int) -> dict[str, Any]:
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
    return {
        "sklearn MLP": make_pipeline(for_mlp, mlp(random_state=seed)),
        "HistGB": make_pipeline(for_trees, trees(random_state=seed)),
        "chainrule": own(random_state=seed),
    }


def error(model: Any, X: Any, y: Any, classes: bool) -> float:
    """The share of wrong answers, or the root mean squared error over the standard deviation."""
    answers = model.predict(X)
    if classes:
        return float(np.mean(answers != np.asarray(y)))
    return float(np.sqrt(np.mean((answers - np.asarray(y)) ** 2)) / np.std(y))


def measured(task: Task, seeds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """(errors by model, seed by seed; mean seconds of fit by model)."""
    errors, seconds = dict[str, list[float]](), dict[str, float]()
    for seed in range(seeds):
        parts = train_test_split(
            task.X, task.y, random_state=seed, stratify=task.y if task.classes else None
        )
        X, held_out, y, answers = parts
        for name, model in peers(task, seed).items():
            started = perf_counter()
            model.fit(X, y)
            seconds[name] = seconds.get(name, 0.0) + (perf_counter() - started) / seeds
            errors.setdefault(name, []).append(error(model, held_out, answers, task.classes))
    return errors, seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)
    whole, names, logs, ranks = None, list[str](), list[list[float]](), list[list[float]]()
    for task in tasks(options.data):
        errors, seconds = measured(task, options.seeds)
        names = list(errors)
        if whole is None:
            whole = Table(title=f"error on a quarter of the rows, mean of {options.seeds} seeds")
            for name in ("table", "rows", *names, "ours / MLP", "seconds"):
                whole.add_column(name, justify="left" if name == "table" else "right")
        means = [float(np.mean(errors[name])) for name in names]
        logs.append([np.log(max(mean, 1e-3)) for mean in means])
        ranks.append([1.0 + sum(other < mean for other in means) for mean in means])
        apart = np.array(errors["chainrule"]) - np.array(errors["sklearn MLP"])
        se = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
        sign = "worse" if apart.mean() > se else "better" if apart.mean() < -se else "as good"
        whole.add_row(task.name, str(len(task.y)), *(f"{mean:.4f}" for mean in means), sign,
                      " / ".join(f"{seconds[name]:.1f}" for name in names))  # fmt: skip
    assert whole is not None
    whole.add_row(
        "geometric mean", "", *(f"{v:.4f}" for v in np.exp(np.mean(logs, axis=0))), "", ""
    )
    whole.add_row("mean rank", "", *(f"{v:.2f}" for v in np.mean(ranks, axis=0)), "", "")
    console().print(whole)


if __name__ == "__main__":
    main()
