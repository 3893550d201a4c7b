"""scikit-learn's MLP: fit() for so many epochs, warm start from the given weights."""

import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

from engine_ours import Run
from engine_work import THREADS, Array, Weights, Work
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

warnings.filterwarnings("ignore", category=ConvergenceWarning)


def model(work: Work, start: Weights, X: Array, y: Array) -> Any:
    """An estimator that stands at the given weights; the next fit() goes on from them."""
    kind = MLPRegressor if work.loss == "squared" else MLPClassifier
    estimator = kind(
        hidden_layer_sizes=tuple(work.sizes[1:-1]), solver=work.optimizer, alpha=0.0, momentum=0.0,
        activation="relu" if work.hidden == "relu" else "logistic", learning_rate_init=work.lr,
        batch_size=min(work.batch, work.rows), shuffle=work.shuffle, max_iter=1, tol=0.0,
        n_iter_no_change=10**9, warm_start=True, random_state=0,
    )  # fmt: skip
    estimator.fit(X, y)
    place(estimator, start)
    return estimator


def place(estimator: Any, start: Weights) -> None:
    """Put the given weights into a fitted estimator."""
    for (W, b), coef, intercept in zip(start, estimator.coefs_, estimator.intercepts_, strict=True):
        coef[...], intercept[...] = W, b


def training(work: Work, start: Weights, X: Array, y: Array) -> Run:
    """A function that trains from the start and returns (seconds, loss of each epoch).

    Its squared error is halved; a regressor's output is always linear.
    """
    estimator, scale = model(work, start, X, y), 2.0 if work.loss == "squared" else 1.0
    estimator.max_iter = work.epochs

    def run() -> tuple[float, list[float]]:
        place(estimator, start)
        with threadpool_limits(limits=THREADS):
            started = perf_counter()
            estimator.fit(X, y)
            seconds = perf_counter() - started
        return seconds, [scale * loss for loss in estimator.loss_curve_[-work.epochs :]]

    return run


def prediction(work: Work, start: Weights, X: Array, y: Array) -> Callable[[], Array]:
    """A function that predicts X: probabilities, the nearest public thing to the raw output."""
    estimator = model(work, start, X, y)
    return lambda: estimator.predict_proba(X)
