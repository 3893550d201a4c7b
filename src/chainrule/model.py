"""Model: a trained network with what its numbers mean, from the raw table to the answer."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .core import metrics
from .core.losses import Loss, Pinball
from .core.network import Network

if TYPE_CHECKING:
    from .tables import Preparation, Schema, Table

Array = NDArray[Any]


@dataclass
class Model:
    """answer = meaning(link(net(prepare(table)))): a network, its loss, its preparation, and facts.

    `schema` says what each column of the training table was. `facts` is JSON-able: metrics, seed,
    hash of the data. Without a preparation the model takes matrices X (n, n_in) and answers in
    the network's own terms.
    """

    net: Network
    loss: Loss | None = None
    preparation: "Preparation | None" = None
    schema: "Schema | None" = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str | None:
        """ "binary", "multiclass" or "regression"; None without a preparation."""
        return None if self.preparation is None else self.preparation.task

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes in the order of the probabilities' columns; None for numbers."""
        return None if self.preparation is None else self.preparation.classes

    def output(self, table: "Table | Array") -> Array:
        """Ŷ = link(Z) (n, n_out): probabilities, or a regression's scaled number."""
        X = table if self.preparation is None else self.preparation.transform(table)  # type: ignore[arg-type]
        Z = self.net.predict(X)  # type: ignore[arg-type]
        return Z if self.loss is None else self.loss.link(Z)

    def predict_proba(self, table: "Table | Array") -> Array:
        """P (n, classes), rows summing to 1. Raises ValueError where the answers are numbers."""
        if not gives_probabilities(self.loss, self.net.n_out):
            raise ValueError("this model answers numbers and has no probabilities: use predict")
        return probabilities(self.output(table))

    def predict(self, table: "Table | Array") -> Array:
        """The answers (n,) in the table's terms: class labels, or numbers in the target's unit."""
        if self.preparation is None:
            return self.output(table)
        if self.task == "regression":
            return self.preparation.restore_target(self.output(table)[:, answer_of(self.loss)])
        return self.preparation.restore_target(self.predict_proba(table).argmax(axis=1))

    def predict_interval(self, table: "Table | Array") -> Array:
        """[low, high] (n, 2) in the target's unit: the outermost quantiles of the pinball loss.

        Where the outputs cross they are put in order, which brings them nearer to the quantiles
        (Chernozhukov et al. 2010). Raises ValueError for a model without several quantiles.
        """
        if not isinstance(self.loss, Pinball) or np.size(self.loss.quantile) < 2:
            raise ValueError(
                "this model answers one number a row: train it for an interval, such as "
                "TabularRegressor(interval=0.9)"
            )
        ends = np.sort(self.output(table), axis=1)[:, [0, -1]]
        return ends if self.preparation is None else self.preparation.restore_target(ends)

    def evaluate(self, table: "Table") -> dict[str, float]:
        """The metrics of the rows of this table that have a target, by the weight column if any.

        Classes: accuracy, log_loss, auc. Numbers: r2, rmse, mae, in the target's unit. Raises
        ValueError without a preparation, or where target or columns are not there.
        """
        if self.preparation is None or self.schema is None:
            raise ValueError("this model was trained on matrices: score its predictions yourself")
        known, y, weight = labelled(self.preparation, self.schema, table)
        return scores(self.preparation, y, self.output(known), weight, answer_of(self.loss))

    def confusion(self, table: "Table") -> Array:
        """C (k, k): C[a, b] rows of this table of true class a answered b, by weight if any.

        Raises ValueError for a regression, and where target or columns are not there.
        """
        if self.preparation is None or self.schema is None or self.classes is None:
            raise ValueError("a confusion matrix needs classes, and this model answers numbers")
        known, y, weight = labelled(self.preparation, self.schema, table)
        codes = self.predict_proba(known).argmax(axis=1)
        return metrics.confusion_matrix(y, codes, len(self.classes), weight)


def labelled(
    preparation: "Preparation", schema: "Schema", table: "Table"
) -> "tuple[Table, Array, Array | None]":
    """(rows with a target, their codes or scaled numbers, their weights or None)."""
    from .tables.reading import check_reading
    from .tables.schema import row_weights
    from .tables.table import is_missing

    if schema.target not in table.columns:
        raise ValueError(
            f'{table.source} has no column "{schema.target}": scoring needs the true answers'
        )
    asked = [c for c in schema.columns if c.role in ("target", "weight")]
    check_reading(table, [(c.name, c.kind, c.reading) for c in asked if c.name in table.columns])
    known = table.take(np.flatnonzero(~is_missing(table.columns[schema.target])))
    if len(known) == 0:
        raise ValueError(f'column "{schema.target}" of {table.source} is empty: nothing to score')
    weighted = schema.weight is not None and schema.weight in known.columns
    weight = row_weights(known, schema.weight) if weighted else None  # type: ignore[arg-type]
    return known, preparation.target(known), weight


def probabilities(output: Array) -> Array:
    """P (n, k) from a link's output: a single column p becomes [1 - p, p]."""
    return np.hstack([1.0 - output, output]) if output.shape[1] == 1 else output


def unseen_notes(preparation: "Preparation", table: "Table") -> list[str]:
    """A sentence for each column of this table with categories that no training row held."""
    return [
        f"{count} of {len(table)} row{'s' * (len(table) != 1)} hold{'s' * (count == 1)} a value of "
        f'"{name}" that no training row held'
        for name, count in preparation.unseen(table).items()
    ]


def gives_probabilities(loss: Loss | None, n_out: int) -> bool:
    """Whether the loss's link turns n_out raw outputs into probabilities of classes."""
    if loss is None:
        return False
    Z = 3.0 * np.sin(np.arange(1.0, 3 * n_out + 1)).reshape(3, n_out)
    P = probabilities(loss.link(Z))
    sums_to_one = bool(P.min() >= 0) and np.allclose(P.sum(axis=1), 1.0)
    return sums_to_one and not np.array_equal(P[0], P[1])  # softmax of one output is always 1


def answer_of(loss: Loss | None) -> int:
    """Which output answers where a number is asked for: of quantiles the one nearest the median."""
    if not isinstance(loss, Pinball):
        return 0
    return int(np.argmin(np.abs(np.atleast_1d(loss.quantile) - 0.5)))


def scores(
    preparation: "Preparation", y: Array, output: Array, weight: Array | None, answer: int = 0
) -> dict[str, float]:
    """Held-out metrics from targets as `labelled` gives them and a link's output (n, k), whose
    column `answer` is a regression's.
    """
    if preparation.task == "regression":
        true, guess = (preparation.restore_target(v) for v in (y, output[:, answer]))
        return {m.__name__: m(true, guess, weight) for m in (metrics.r2, metrics.rmse, metrics.mae)}
    P = probabilities(output)
    return {
        "accuracy": metrics.accuracy(y, P.argmax(axis=1), weight),
        "log_loss": metrics.log_loss(y, P, weight),
        "auc": metrics.auc(y, P, weight),
    }
