"""MLPClassifier and MLPRegressor: scikit-learn's, by chainrule's engines and with more."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from ..core.arrays import Array
from ..core.epoch import Batch
from ..core.losses import LOSSES, BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from .callbacks import with_callbacks
from .mlp_base import BaseMLP
from .parameters import ABOVE_0, BELOW_1, BETWEEN_0_AND_1, Constraints

LINKS = {"poisson": "exp"}


def _is_stochastic(mlp: Any) -> bool:
    if mlp.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):
    """argmax softmax(Z), Z = the raw output of a fully connected network; σ(Z) for two classes.

    Parameters, attributes and training are those of `sklearn.neural_network.MLPClassifier` 1.9: the
    same `random_state` gives the same weights and batches. Beside them: `activation` may be any of
    chainrule's, or one for each hidden layer; `solver` and `learning_rate` may be an optimizer and
    a schedule of chainrule; `class_weight`, `dropout`, `label_smoothing`, `clip` (the largest norm
    of the gradient), `scoring` (a scorer, or "loss", for early stopping), `callbacks` (called with
    the estimator and the record after each epoch; True ends training), `engine`, `n_threads`.
    """

    _parameter_constraints: ClassVar[Constraints] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "label_smoothing": [BELOW_1],
    }

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: Any = "adam",
        alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: Any = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200,
        shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: Any = False,
        warm_start: bool = False, momentum: float = 0.9, nesterovs_momentum: bool = True,
        early_stopping: bool = False, validation_fraction: float = 0.1, beta_1: float = 0.9,
        beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: float = 10,
        max_fun: int = 15000, class_weight: Any = None, dropout: float = 0.0,
        label_smoothing: float = 0.0, clip: float | None = None, scoring: Any = None,
        callbacks: Any = None, engine: str = "compiled", n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self._set_parameters(locals())

    @available_if(_is_stochastic)
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch more over these rows; the optimizer goes on where it was.

        `classes` names all labels at the first call.
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer.fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """The label of each row (n,), or k labels (n, k)."""
        return self._labels(self._forward(X))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (n, classes), in the order of classes_; of k labels each
        its own (n, k).
        """
        Z = self._forward(X)
        P = self._loss().link(Z)
        return np.hstack([1 - P, P]) if self.n_outputs_ == 1 else P

    def predict_log_proba(self, X: Any) -> Array:
        """ln predict_proba(X)."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _labels(self, Z: Array) -> Array:
        P = self._loss().link(Z)
        labels: Array = self._label_binarizer.inverse_transform(P.ravel() if P.shape[1] == 1 else P)
        return labels

    def _prepare_targets(self, y: Array, incremental: bool) -> Array:
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        kind = self._label_binarizer.y_type_
        self.out_activation_ = "softmax" if kind == "multiclass" else "logistic"
        many = kind == "multiclass" or kind.startswith("multilabel")
        self.n_outputs_ = len(self.classes_) if many else 1
        return self._encoded(y)

    def _check_classes(self, classes: Array) -> None:
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encoded(self, y: Any) -> Array:
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(
                f"y has labels that training had not: {unknown}, not in {self.classes_}"
            )
        Y = self._label_binarizer.transform(y)
        return np.asarray(Y.argmax(axis=1) if self.out_activation_ == "softmax" else Y)

    def _answers(self, y: Array) -> Any:
        return self.classes_[y] if y.ndim == 1 else self._label_binarizer.inverse_transform(y)

    def _loss(self) -> Loss:
        if self.out_activation_ == "softmax":
            return SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        return BinaryCrossEntropy()

    def _loss_targets(self, y: Array) -> Array:
        if self.out_activation_ == "softmax":  # whose loss smooths the labels itself
            return y
        return y * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing

    def _row_weights(self, X: Array, Y: Array, sample_weight: Any) -> Array | None:
        weight = super()._row_weights(X, Y, sample_weight)
        if self.class_weight is None:
            return weight
        if self.class_weight == "balanced" and Y.size == len(Y):  # one label for each row
            # Each class weighs the same, the weights of its rows included.
            mass = np.bincount(Y.ravel(), weight, minlength=2 if self.n_outputs_ == 1 else 0)
            by_class = (mass.sum() / (len(mass) * np.maximum(mass, 1e-300)))[Y.ravel()]
        else:
            by_class = compute_sample_weight(self.class_weight, self._answers(Y))
        return by_class if weight is None else weight * by_class

    def _default_score(self, Z: Array, data: Batch) -> float:
        if not np.isfinite(Z).all():
            return np.nan
        right = self._answers(data.y)
        return float(accuracy_score(right, self._labels(Z), sample_weight=data.weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, BaseMLP):
    """Ŷ = the output of a fully connected network; e^Z under the Poisson loss.

    Parameters, attributes and training are those of `sklearn.neural_network.MLPRegressor` 1.9. Two
    losses report what they follow: the squared error of k outputs is ½ Σ_k (scikit-learn reports
    1/k of it), and rows are weighed alike in the epoch's mean. Beside them: `loss` "huber" (with
    `delta`), "absolute_error" and "quantile" (with `quantile`); the rest as in MLPClassifier.
    """

    _parameter_constraints: ClassVar[Constraints] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "huber", "absolute_error", "quantile"})],
        "delta": [ABOVE_0],
        "quantile": [BETWEEN_0_AND_1, "array-like"],
    }

    def __init__(
        self, loss: str = "squared_error", hidden_layer_sizes: Any = (100,),
        activation: Any = "relu", *, solver: Any = "adam", alpha: float = 0.0001,
        batch_size: Any = "auto", learning_rate: Any = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200,
        shuffle: bool = True, random_state: Any = None, tol: float = 1e-4, verbose: Any = False,
        warm_start: bool = False, momentum: float = 0.9, nesterovs_momentum: bool = True,
        early_stopping: bool = False, validation_fraction: float = 0.1, beta_1: float = 0.9,
        beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: float = 10,
        max_fun: int = 15000, delta: float = 1.0, quantile: Any = 0.5, dropout: float = 0.0,
        clip: float | None = None, scoring: Any = None, callbacks: Any = None,
        engine: str = "compiled", n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self._set_parameters(locals())

    @available_if(_is_stochastic)
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch more over these rows; the optimizer goes on where it was."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Ŷ (n,), or (n, k) for k targets."""
        return self._numbers(self._forward(X))

    def _numbers(self, Z: Array) -> Array:
        Y = self._loss().link(Z)
        return Y.ravel() if Y.shape[1] == 1 else Y

    def _prepare_targets(self, y: Array, incremental: bool) -> Array:
        self.out_activation_ = LINKS.get(self.loss, "identity")
        Y = self._encoded(y)
        self.n_outputs_ = 1 if Y.ndim == 1 else Y.shape[1]
        return Y

    def _encoded(self, y: Any) -> Array:
        """The targets, of several quantiles once for each."""
        Y, many = np.asarray(y), np.size(self.quantile)
        if self.loss == "quantile" and many > 1 and Y.ndim == 1:
            return np.repeat(Y[:, None], many, axis=1)
        return Y

    def _loss(self) -> Loss:
        quantile = self.quantile if np.ndim(self.quantile) == 0 else tuple(self.quantile)
        if self.loss == "quantile":
            return LOSSES["pinball"](quantile)  # type: ignore[call-arg]
        settings = {"squared_error": {"scale": 0.5}, "huber": {"delta": self.delta}}
        return LOSSES[self.loss](**settings.get(self.loss, {}))

    def _loss_tol(self) -> float:
        """As scikit-learn stops: it reports 1/k of the squared error of k outputs."""
        return float(self.tol * (self.n_outputs_ if self.loss == "squared_error" else 1))

    def _loss_shift(self, data: Batch) -> float:
        """The mean of y ln y - y: the part of the Poisson deviance that no weight changes."""
        if self.loss != "poisson":
            return 0.0
        y = data.y.reshape(len(data), -1).astype(np.float64)
        parts = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0)) - y, 0.0)
        return float(np.average(parts, weights=data.weight, axis=0).sum())

    def _default_score(self, Z: Array, data: Batch) -> float:
        answers = self._numbers(Z)
        if not np.isfinite(answers).all():
            return np.nan
        return float(r2_score(data.y, answers, sample_weight=data.weight))
