"""Lesson titanic, text 000/004: the same neuron on six columns of a real table."""

import math
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.losses import BinaryCrossEntropy
from ..core.network import Network
from ..writing.blocks import Table
from .common import curve, neuron, outputs, trained
from .parts import Part, claim, in_sections, numbers, say, section
from .text_data import LN_2, Rows

LOSS = BinaryCrossEntropy()
FEATURES = ("Pclass", "Sex", "Age", "SibSp", "Parch", "Fare")


def _many_features(file: str | PathLike[str] | None = None) -> Iterator[Part]:
    """Many features

    The neuron of `neuron-line` does not mind how many features it has. Here they are six facts
    about a passenger, and the question is who lived. A real table asks for three things that the
    points in the plane did not: words become numbers, gaps are filled, and columns get a common
    scale.
    """
    if file is None:
        yield from section(_where_to_get_the_data)
        return
    X, y = read_passengers(file)
    order = np.random.default_rng(0).permutation(len(X))
    test, training = order[: len(X) // 5], order[len(X) // 5 :]
    scale = Scale(X[training])
    yield _prepared(X, scale)
    net, rows = neuron(len(FEATURES)), Rows(scale(X[training]), y[training])
    records = yield from trained(net, LOSS, rows, epochs=2000, lr=0.1, task="Titanic")
    yield curve("titanic-cost", "The cost over 2,000 iterations", records)
    yield from section(_costs, [record.loss for record in records])
    yield from section(_weights, net)
    yield from _one_passenger(net, scale)
    yield from _held_out(outputs(net, LOSS, scale(X[test])), y[test], y[training])


def _where_to_get_the_data() -> Iterator[Part]:
    """Where to get the data

    The lesson needs the passenger list: `train.csv` of Kaggle's competition "Titanic: Machine
    Learning from Disaster" (https://www.kaggle.com/c/titanic/data), or the same table as
    `titanic.csv` in the repository datasciencedojo/datasets on GitHub: 891 passengers, 12 columns,
    60 kB. Save it, then run `chainrule lesson titanic --file PATH`.
    """
    yield from ()


class Scale:
    """(X - mean) / deviation, gaps filled with the median: all three from the training rows."""

    def __init__(self, X: Array) -> None:
        self.median = np.nanmedian(X, axis=0)
        filled = np.where(np.isnan(X), self.median, X)
        self.mean, deviation = filled.mean(axis=0), filled.std(axis=0)
        self.deviation = np.where(deviation > 0, deviation, 1.0)

    def __call__(self, X: Array) -> Array:
        """X (n, k) filled and scaled."""
        return np.asarray((np.where(np.isnan(X), self.median, X) - self.mean) / self.deviation)


def read_passengers(file: str | PathLike[str]) -> Rows:
    """X (n, 6), y (n,) of the passenger list, Sex as 1 for female.

    Raises OSError where there is no such file, ValueError where it is another table.
    """
    from ..tables import read_table

    columns = read_table(file).columns
    absent = [name for name in ("Survived", *FEATURES) if name not in columns]
    if absent:
        raise ValueError(
            f"{file} has no column {', '.join(absent)}: give the Titanic's train.csv, with "
            f"Survived, {', '.join(FEATURES)}"
        )
    X = np.column_stack([_column(columns, name, file) for name in FEATURES])
    y = _column(columns, "Survived", file)
    if len(X) < 20 or set(y.tolist()) != {0.0, 1.0} or np.isnan(X).all(axis=0).any():
        raise ValueError(
            f"{file} has {len(X)} rows with {len(set(y.tolist()))} values of Survived: give the "
            "Titanic's train.csv, with 0 and 1 in it and no empty column"
        )
    return Rows(X, y)


def _column(columns: Mapping[str, Any], name: str, file: str | PathLike[str]) -> Array:
    values = columns[name]
    if name == "Sex":
        codes = {"female": 1.0, "male": 0.0, None: math.nan}
        sexes = [value if value is None else str(value).lower() for value in values]
        for sex in sexes:
            if sex not in codes:
                raise ValueError(f"{file} has the Sex {sex!r}: it must be male or female")
        return np.array([codes[sex] for sex in sexes])
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{file} has text in the column {name}: it must hold numbers")
    return np.asarray(values, dtype=np.float64)


def _prepared(X: Array, scale: Scale) -> Table:
    gaps = np.isnan(X).sum(axis=0)
    rows = [
        (name, f"{missing}", *(f"{number:.4g}" for number in numbers))
        for name, missing, *numbers in zip(
            FEATURES, gaps, scale.median, scale.mean, scale.deviation, strict=True
        )
    ]
    title = f"{len(X)} passengers, {gaps.sum()} gaps; four in five rows are for training"
    return Table(title, ("feature", "gaps", "filled with", "mean", "deviation"), rows)


def _costs(cost: list[float]) -> Iterator[Part]:
    """Training

    Each feature has its mean taken off and is divided by its standard deviation, both from the
    training rows alone: the test rows must not have a say. Sex counts 1 for female. Zero weights,
    learning rate 0.1, the full batch, 2,000 iterations.
    """
    yield numbers(
        "The log loss",
        ("cost 0", "ln 2, on any data", None, cost[0]),
        ("cost 1", "after one step", None, cost[1]),
        ("cost 1999", "after 1,999 steps", None, cost[-1]),
    )
    yield claim("The first cost is ln 2", LN_2, cost[0])
    yield claim("The cost never rises", True, (np.diff(cost) <= 1e-15).all())


def _weights(net: Network) -> Iterator[Part]:
    """What the weights say

    One neuron can be read. A weight says how much z moves when its feature grows by one standard
    deviation, and e to that power what the odds of living are multiplied by.
    """
    w, b = net["0.W"][:, 0], float(net["0.b"][0])
    order = np.argsort(-np.abs(w))
    named = [*((FEATURES[i], w[i]) for i in order), ("bias", b)]
    rows = [(name, f"{weight:+.4f}", f"{math.exp(weight):.2f}") for name, weight in named]
    yield Table("The heaviest first", ("feature", "weight", "odds are multiplied by"), rows)
    yield claim("Sex weighs most, for women", True, FEATURES[order[0]] == "Sex" and w[1] > 0)
    yield claim("A higher class number lowers the odds", True, w[0] < 0)
    yield claim("So does age", True, w[2] < 0)


def _one_passenger(net: Network, scale: Scale) -> Iterator[Part]:
    raw = np.array([[1.0, 1.0, 30.0, 0.0, 0.0, 80.0], [3.0, 0.0, 30.0, 0.0, 0.0, 8.0]])
    scaled, w, b = scale(raw), net["0.W"][:, 0], float(net["0.b"][0])
    shares = scaled * w
    z, p = shares.sum(axis=1) + b, outputs(net, LOSS, scaled)
    rows = [
        (name, f"{her:g}", f"{her_share:+.3f}", f"{his:g}", f"{his_share:+.3f}")
        for name, (her, his), (her_share, his_share) in zip(FEATURES, raw.T, shares.T, strict=True)
    ]
    rows += [
        ("bias", "", f"{b:+.3f}", "", f"{b:+.3f}"),
        ("z, the sum", "", f"{z[0]:+.3f}", "", f"{z[1]:+.3f}"),
        ("ŷ = σ(z)", "", f"{p[0]:.3f}", "", f"{p[1]:.3f}"),
    ]
    title = "Two people of 30: a woman in first class, a man in third"
    yield Table(title, ("", "she", "w · x", "he", "w · x"), rows)
    yield claim("The terms add up to the network's z", net.predict(scaled)[:, 0], z)


def _held_out(p: Array, y: Array, train_y: Array) -> Iterator[Part]:
    accuracy, common = float(((p > 0.5) == y).mean()), float(train_y.mean() > 0.5)
    nobody = float((y == common).mean())
    error = math.sqrt(accuracy * (1 - accuracy) / len(y))
    yield say(
        f"""An accuracy means little alone. Most died, so "everybody died" is right about
        {100 * nobody:.1f} % of the {len(y)} passengers kept for the test; the neuron about
        {100 * accuracy:.1f} %. The difference is what it learned. Do not lean on the last digit:
        with {len(y)} passengers the standard error is {100 * error:.1f} points.""",
        "Held-out passengers",
    )
    rows = [("everybody died", f"{nobody:.4f}"), ("the neuron", f"{accuracy:.4f}")]
    yield Table(f"Accuracy on {len(y)} passengers it never saw", ("answer", "right"), rows)
    better = accuracy > nobody + 0.1
    yield claim("The neuron beats the constant answer by more than 0.1", True, better)


PARTS = in_sections(_many_features)
