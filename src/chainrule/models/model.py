"""Model: a trained network with what its numbers mean, from the raw table to the answer."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core import metrics
from ..core.losses import Loss, Pinball
from ..core.network import Network

if TYPE_CHECKING:
    from ..tables import Preparation, Schema, Table

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

    @property
    def output_names(self) -> list[Any] | None:
        """What each output of the network stands for; None without a preparation."""
        if self.preparation is None:
            return None
        name, n = self.preparation.target_name, self.net.n_out
        if isinstance(self.loss, Pinball) and n > 1:
            return [f"{name}, {q:.3g} quantile" for q in np.atleast_1d(self.loss.quantile)]
        return [name] if self.classes is None else list(self.classes)

    def output(self, table: "Table | Array") -> Array:
        """Ŷ = link(Z) (n, n_out): probabilities, or a regression's scaled number."""
        X = table if self.preparation is None else self.preparation.transform(table)  # type: ignore[arg-type]
        return self.linked(X)  # type: ignore[arg-type]

    def linked(self, X: Array) -> Array:
        """Ŷ = link(Z) (n, n_out) of prepared rows X (n, n_in)."""
        Z = self.net.predict(X)
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
        answers = in_terms(self.preparation, self.output(table), answer_of(self.loss))
        if self.task == "regression":
            return answers
        return self.preparation.restore_target(answers.argmax(axis=1))

    def predict_interval(self, table: "Table | Array") -> Array:
        """[low, high] (n, 2) in the target's unit: the outermost quantiles of the pinball loss.

        Where the outputs cross they are put in order, which brings them nearer to the quantiles
        (Chernozhukov et al. 2010). Raises ValueError for a model without several quantiles.
        """
        X = table if self.preparation is None else self.preparation.transform(table)  # type: ignore[arg-type]
        return self.interval_of(X)  # type: ignore[arg-type]

    def interval_of(self, X: Array) -> Array:
        """`predict_interval` of prepared rows X (n, n_in)."""
        if self.interval is None:
            raise ValueError(
                "this model answers one number a row: train it for an interval, as in chainrule "
                "train --interval 0.9 or TabularRegressor(interval=0.9)"
            )
        ends = np.sort(self.linked(X), axis=1)[:, [0, -1]]
        return ends if self.preparation is None else self.preparation.restore_target(ends)

    @property
    def interval(self) -> float | None:
        """The share that `predict_interval` is meant to hold; None for a model without."""
        if not isinstance(self.loss, Pinball) or np.size(self.loss.quantile) < 2:
            return None
        quantiles = np.atleast_1d(self.loss.quantile)
        return round(float(quantiles.max() - quantiles.min()), 9)

    def coverage(self, table: "Table") -> dict[str, float] | None:
        """How many rows of this table that have a target lie within their intervals, as `covered`
        has it; None for a model without intervals.
        """
        if self.interval is None or self.preparation is None or self.schema is None:
            return None
        known, y, weight = _labelled(self, table)
        true = true_terms(self.preparation, y)
        return covered(self.predict_interval(known), true, weight, self.interval)

    def evaluate(self, table: "Table") -> dict[str, float]:
        """The metrics of the rows of this table that have a target, by the weight column if any.

        Classes: accuracy, log_loss, auc. Numbers: r2, rmse, mae, in the target's unit. Raises
        ValueError without a preparation, or where target or columns are not there.
        """
        if self.preparation is None or self.schema is None:
            raise ValueError("this model was trained on matrices: score its predictions yourself")
        known, y, weight = _labelled(self, table)
        answers = in_terms(self.preparation, self.output(known), answer_of(self.loss))
        return scores(true_terms(self.preparation, y), answers, weight)

    def confusion(self, table: "Table") -> Array:
        """C (k, k): C[a, b] rows of this table of true class a answered b, by weight if any.

        Raises ValueError for a regression, and where target or columns are not there.
        """
        if self.preparation is None or self.schema is None or self.classes is None:
            raise ValueError("a confusion matrix needs classes, and this model answers numbers")
        known, y, weight = _labelled(self, table)
        codes = self.predict_proba(known).argmax(axis=1)
        return metrics.confusion_matrix(y, codes, len(self.classes), weight)


def _labelled(model: Model, table: "Table") -> "tuple[Table, Array, Array | None]":
    """The rows of a table that have a target, their targets and weights."""
    from ..tables.rows import labelled

    assert model.preparation is not None
    assert model.schema is not None
    return labelled(model.preparation, model.schema, table)


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
    """Which output answers where a number is asked for: of quantiles the one nearest the median."""
    if not isinstance(loss, Pinball):
        return 0
    return int(np.argmin(np.abs(np.atleast_1d(loss.quantile) - 0.5)))


def in_terms(preparation: "Preparation", output: Array, answer: int = 0) -> Array:
    """From a link's output (n, n_out) to P (n, k) for classes, else to numbers (n,) in the target's
    unit, of which column `answer` tells.
    """
    if preparation.task == "regression":
        return preparation.restore_target(output[:, answer])
    return probabilities(output)


def true_terms(preparation: "Preparation", y: Array) -> Array:
    """The targets (n,) in the same terms: the codes of the classes, or numbers in their unit."""
    return preparation.restore_target(y) if preparation.task == "regression" else y


def scores(y: Array, answers: Array, weight: Array | None) -> dict[str, float]:
    """Held-out metrics of answers as `in_terms` has them, beside the truth as `true_terms` has it:
    accuracy, log_loss and auc for P (n, k), r2, rmse and mae for numbers (n,).
    """
    if answers.ndim == 1:
        of_numbers = (metrics.r2, metrics.rmse, metrics.mae)
        return {m.__name__: m(y, answers, weight) for m in of_numbers}
    return {
        "accuracy": metrics.accuracy(y, answers.argmax(axis=1), weight),
        "log_loss": metrics.log_loss(y, answers, weight),
        "auc": metrics.auc(y, answers, weight),
    }


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
    spread = max(coverage * (1 - coverage), 1 / np.count_nonzero(w))
    error = float(np.sqrt(spread * np.sum(w**2)) / w.sum())
    return {"share": share, "coverage": coverage, "error": error, "width": width}
