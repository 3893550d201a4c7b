"""What a network is compared with: other models that learn from the same rows.

Gradient boosting is scikit-learn's with its defaults, the linear model our own network without
hidden layers, the constant guess the shares of the classes or the mean.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..core.arrays import Array
from ..core.losses import Loss, SoftmaxCrossEntropy, SquaredError
from ..core.network import Network
from ..core.nonfinite import Diverged
from ..core.penalty import Penalty
from ..models.model import TableModel
from ..tables.rows import Rows
from ..training.engines import limit_threads
from ..training.lbfgs import minimize
from .data import TableData

BOOSTING, LINEAR, CONSTANT = "gradient boosting", "linear model", "constant guess"
ONE_THREAD_CELLS = 200_000  # below this number, one thread is faster than two
BOOSTING_SHARE = 0.75  # of the time
MOST_ITERATIONS = 200
Watch = Callable[[str], AbstractContextManager[Any]]
Weight = Array | None
Fitted = tuple[Array, str | None]  # the answers for the test rows, what was cut


class Compared(NamedTuple):
    """What a model answers for the test rows, P (n, k) or ŷ (n,), None where it has no answer;
    `note` says why it has none, or not all of its training.
    """

    name: str
    answers: Array | None
    seconds: float
    note: str | None


def compare(
    data: TableData, test: Rows, weight: Weight, seconds: float, threads: int | None,
    watch: Watch | None,
) -> Iterator[Compared]:  # fmt: skip
    """Gradient boosting, then the linear model, trained within the seconds: their answers for the
    test rows.

    `weight` (n,) are the weights that the network had. A model that cannot be trained is left out
    with the reason; Ctrl-C leaves out those that are to come.
    """
    import sklearn.ensemble  # type: ignore # noqa: F401 - loading is not training time

    started, stopped = time.monotonic(), False
    for name, fit, share in ((BOOSTING, _boosting, BOOSTING_SHARE), (LINEAR, _linear, 1.0)):
        begun, answers = time.monotonic(), None
        note: str | None = "stopped by you"
        left = share * seconds - (begun - started)
        try:
            if left <= 0 and not stopped:
                note = f"no time was left of {seconds:.0f} s"
            elif not stopped:
                with watch(name) if watch else nullcontext():
                    answers, note = fit(data, test, weight, begun + left, threads)
        except KeyboardInterrupt:
            stopped = True
        except (Diverged, MemoryError, ValueError) as error:
            note = " ".join(str(error).split()) or "there is not enough memory"
        if answers is None:
            note = f"{name} left out: {note}"
        yield Compared(name, answers, time.monotonic() - begun, note)


def _boosting(data: TableData, test: Rows, w: Weight, until: float, threads: int | None) -> Fitted:
    """HistGradientBoosting with its defaults; fewer trees where the time is short."""
    from sklearn import ensemble

    X, categories = data.preparation.for_trees(data.train.as_table)
    filled = ~np.isnan(X).all(axis=0)  # a column without a training cell has no bins
    X = X[:, filled]
    name = f"HistGradientBoosting{'Classifier' if data.outputs else 'Regressor'}"
    model = getattr(ensemble, name)(
        warm_start=True, categorical_features=np.array(categories)[filled], random_state=data.seed
    )
    y = data.train.y if data.outputs else data.preparation.restore_target(data.train.y)
    wanted, fit, step, note = model.max_iter, 0, 1, None
    with threadpool_limits(1 if X.size < ONE_THREAD_CELLS else threads):
        while fit < wanted and step > 0:
            begun = time.monotonic()
            model.set_params(max_iter=min(wanted, fit + step)).fit(X, y, w)
            now, grown = time.monotonic(), model.max_iter - fit
            fit = model.max_iter if model.n_iter_ == model.max_iter else wanted  # stopped early
            step = int((until - now) / max(now - begun, 1e-9) * grown)
        if fit < wanted:
            note = f"{BOOSTING} stopped after {fit} of {wanted} rounds: time ran out"
        X_test = data.preparation.for_trees(test.as_table)[0][:, filled]
        if not data.outputs:
            return np.asarray(model.predict(X_test)), note
        P = np.zeros((len(test), data.outputs))
        P[:, model.classes_] = model.predict_proba(X_test)
    return P, note


def _linear(data: TableData, test: Rows, w: Weight, until: float, threads: int | None) -> Fitted:
    """The same inputs without hidden layers, at the minimum of its loss (L-BFGS, slight L2)."""
    loss: Loss = SoftmaxCrossEntropy() if data.outputs else SquaredError()
    X = data.train.X
    net = Network.mlp([X.shape[1], data.outputs or 1], init=0.0, rng=0)
    penalty, note = Penalty(l2=1.0 / len(X)), None
    with limit_threads(threads):
        for record in minimize(
            net, loss, X, data.train.y, weight=w, penalty=penalty, iterations=MOST_ITERATIONS
        ):
            if time.monotonic() > until:
                note = f"{LINEAR} stopped after {record.epoch + 1} iterations: time ran out"
                break
    return TableModel(net, loss, data.preparation, data.schema).in_terms(test.X), note


def constant(data: TableData, n: int) -> Array:
    """What the constant guess answers for n rows: the shares of the classes (n, k), or the mean
    (n,); without the weights of classes, which would make it guess a rare one.
    """
    y, w = data.train.y, data.train.weight
    w = np.ones(len(y)) if w is None else w
    if not data.outputs:
        return np.full(n, float(data.preparation.restore_target(np.sum(w * y) / np.sum(w))))
    return np.tile(np.bincount(y, w, minlength=data.outputs) / np.sum(w), (n, 1))
