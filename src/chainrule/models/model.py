"""Model: a trained network with what its numbers mean, from the raw table to the answer."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import metrics
from ..core.arrays import Array
from ..core.losses import Loss, Pinball
from ..core.network import Network
from ..tables import Preparation, Schema, Table
from ..tables.rows import labelled


@dataclass
class Model:
    """answer = meaning(link(net(prepare(table)))): a network, its loss, its preparation, and facts.

    `schema` says what each column of the training table was; a model that has it and a preparation
    is a `TableModel`. `facts` is JSON-able: metrics, seed, hash of the data. Without a preparation
    the model takes matrices X (n, n_in) and answers in the network's own terms.
    """

    net: Network
    loss: Loss | None = None
    preparation: Preparation | None = None
    schema: Schema | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self) is Model and self.preparation is not None and self.schema is not None:
            self.__class__ = TableModel

    @property
    def task(self) -> str | None:
        """ "binary", "multiclass" or "regression"; None without a preparation."""
        return None if self.preparation is None else self.preparation.task

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes in the order of the probabilities' columns; None for numbers."""
        return None if self.preparation is None else self.preparation.classes

    @property
    def output_names(self) -> list[Any] | None:
        """What each output of the network stands for; None without a preparation."""
        if self.preparation is None:
            return None
        name, n = self.preparation.target_name, self.net.n_out
        if isinstance(self.loss, Pinball) and n > 1:
            return [f"{name}, {q:.3g} quantile" for q in np.atleast_1d(self.loss.quantile)]
        return [name] if self.classes is None else list(self.classes)

    @property
    def target_facts(self) -> dict[str, Any]:
        """What is predicted, for a JSON document."""
        target = self.preparation and self.preparation.target_name
        return {"task": self.task, "target": target, "classes": self.classes}

    def network_facts(self, *, shapes: bool = False) -> dict[str, Any]:
        """The network, for a JSON document; with the shapes of its parameters if asked for."""
        net, features = self.net, self.preparation and self.preparation.feature_names
        facts = {"layers": [net.n_in, *map(str, net.layers)], "parameters": net.theta.size}
        if shapes:
            facts["shapes"] = {name: list(shape) for name, shape in net.shapes.items()}
        return facts | {"features": features}

    def _prepared(self, table: Table | Array) -> Array:
        """X (n, n_in) of a table; a model without a preparation takes the matrix as it is.

        Raises ValueError where the table does not fit.
        """
        return self.preparation.transform(table) if self.preparation else table  # type: ignore

    def output(self, table: Table | Array) -> Array:
        """Ŷ = link(Z) (n, n_out): probabilities, or a regression's scaled number."""
        return self.linked(self._prepared(table))

    def linked(self, X: Array) -> Array:
        """Ŷ = link(Z) (n, n_out) of prepared rows X (n, n_in)."""
        Z = self.net.predict(X)
        return Z if self.loss is None else self.loss.link(Z)

    def in_terms(self, X: Array) -> Array:
        """The answers for prepared rows X (n, n_in): P (n, k) for classes, numbers (n,) in the
        target's unit for a regression; without a preparation Ŷ (n, n_out).
        """
        output = self.linked(X)
        if self.preparation is None:
            return output
        if self.classes is not None:
            return probabilities(output)
        return self.preparation.restore_target(output[:, answer_of(self.loss)])

    def predict_proba(self, table: Table | Array) -> Array:
        """P (n, classes), rows summing to 1. Raises ValueError where the answers are numbers."""
        if not gives_probabilities(self.loss, self.net.n_out):
            raise ValueError("this model answers numbers and has no probabilities: use predict")
        return probabilities(self.output(table))

    def predict(self, table: Table | Array) -> Array:
        """The answers (n,) in the table's terms: class labels, or numbers in the target's unit."""
        answers = self.in_terms(self._prepared(table))
        if self.preparation is None or self.classes is None:
            return answers
        return self.preparation.restore_target(answers.argmax(axis=1))

    def predict_interval(self, table: Table | Array) -> Array:
        """[low, high] (n, 2) in the target's unit: the outermost quantiles of the pinball loss.

        Where the outputs cross they are put in order, which brings them nearer to the quantiles
        (Chernozhukov et al. 2010). Raises ValueError for a model without several quantiles.
        """
        return self.interval_of(self._prepared(table))

    def interval_of(self, X: Array) -> Array:
        """`predict_interval` of prepared rows X (n, n_in)."""
        if self.interval is None:
            raise ValueError(
                "this model answers one number a row: train it for an interval, as in chainrule "
                "train --interval 0.9 or TabularRegressor(interval=0.9)"
            )
        ends = np.sort(self.linked(X), axis=1)[:, [0, -1]]
        return self.preparation.restore_target(ends) if self.preparation else ends

    @property
    def interval(self) -> float | None:
        """The share that `predict_interval` is meant to hold; None for a model without."""
        if not isinstance(self.loss, Pinball) or np.size(self.loss.quantile) < 2:
            return None
        return round(float(np.ptp(self.loss.quantile)), 9)

    def _labelled(self, table: Table) -> tuple[Array, Array, Array | None]:
        """(X, y, weight) of the rows of a table that have a target, y as from `true_terms`."""
        if self.preparation is None or self.schema is None:
            raise ValueError("this model was trained on matrices: score its predictions yourself")
        rows, y, weight = labelled(self.preparation, self.schema, table)
        return self.preparation.transform(rows), true_terms(self.preparation, y), weight

    def coverage(self, table: Table) -> dict[str, float] | None:
        """How many rows of this table that have a target lie within their intervals, as `covered`
        has it; None for a model without intervals.
        """
        if self.interval is None or self.schema is None:
            return None
        X, y, weight = self._labelled(table)
        return covered(self.interval_of(X), y, weight, self.interval)

    def evaluate(self, table: Table) -> dict[str, float]:
        """The metrics of the rows of this table that have a target, by the weight column if any.

        Classes: accuracy, log_loss, auc. Numbers: r2, rmse, mae, in the target's unit. Raises
        ValueError without a preparation, or where target or columns are not there.
        """
        X, y, weight = self._labelled(table)
        return scores(y, self.in_terms(X), weight)

    def confusion(self, table: Table) -> Array:
        """C (k, k): C[a, b] rows of this table of true class a answered b, by weight if any.

        Raises ValueError for a regression, and where target or columns are not there.
        """
        if self.classes is None:
            raise ValueError("a confusion matrix needs classes, and this model answers numbers")
        X, y, weight = self._labelled(table)
        codes = self.in_terms(X).argmax(axis=1)
        return metrics.confusion_matrix(y, codes, len(self.classes), weight)


class TableModel(Model):
    """A model of a table: its preparation and its schema are there."""

    preparation: Preparation
    schema: Schema


def probabilities(output: Array) -> Array:
    """P (n, k) from a link's output: a single column p becomes [1 - p, p]."""
    return np.hstack([1.0 - output, output]) if output.shape[1] == 1 else output


def gives_probabilities(loss: Loss | None, n_out: int) -> bool:
    """Whether the loss's link turns n_out raw outputs into probabilities of classes."""
    if loss is None:
        return False
    Z = 3.0 * np.sin(np.arange(1.0, 3 * n_out + 1)).reshape(3, n_out)
    P = probabilities(loss.link(Z))
    sums_to_one = bool(P.min() >= 0) and np.allclose(P.sum(axis=1), 1.0)
    return sums_to_one and not np.array_equal(P[0], P[1])  # softmax of one output is always 1


def answer_of(loss: Loss | None) -> int:
    """The output that answers with a number: among quantiles, the one closest to the median."""
    if not isinstance(loss, Pinball):
        return 0
    return int(np.argmin(np.abs(np.atleast_1d(loss.quantile) - 0.5)))


def true_terms(preparation: Preparation, y: Array) -> Array:
    """The targets (n,) in the units of `Model.in_terms`: codes of classes, or numbers."""
    return y if preparation.classes else preparation.restore_target(y)


def scores(y: Array, answers: Array, weight: Array | None) -> dict[str, float]:
    """Metrics of answers in the units of `Model.in_terms` against targets from `true_terms`:
    accuracy, log_loss and auc for P (n, k), r2, rmse and mae for numbers (n,).
    """
    names = metrics.FOR_NUMBERS if answers.ndim == 1 else metrics.FOR_CLASSES
    codes = {"accuracy": answers.argmax(axis=-1)}
    return {name: getattr(metrics, name)(y, codes.get(name, answers), weight) for name in names}


def repeated(loss: Loss | None, y: Array) -> Array:
    """The targets (n,) as a loss takes them: once for each quantile of a Pinball (n, k)."""
    if not isinstance(loss, Pinball) or np.size(loss.quantile) < 2:
        return y
    return np.repeat(y[:, None], np.size(loss.quantile), axis=1)


def covered(ends: Array, y: Array, weight: Array | None, share: float) -> dict[str, float]:
    """How many of the true values y (n,) lie within their intervals [low, high] (n, 2): {share,
    coverage, error, width}; share is what they are meant to hold, error the standard error of the
    coverage, at least 1 / n, width their mean in the target's unit.
    """
    w = np.ones(len(y)) if weight is None else weight
    inside = (ends[:, 0] <= y) & (y <= ends[:, 1])
    coverage, width = (float(np.sum(w * v) / w.sum()) for v in (inside, ends[:, 1] - ends[:, 0]))
    variance = max(coverage * (1 - coverage), 1 / np.count_nonzero(w))
    error = float(np.sqrt(variance * np.sum(w**2)) / w.sum())
    return {"share": share, "coverage": coverage, "error": error, "width": width}
