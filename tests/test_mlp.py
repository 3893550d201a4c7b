"""MLPClassifier and MLPRegressor: scikit-learn's trajectory, and what there is beside it."""

import io
import pickle
from contextlib import redirect_stdout
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]
DIGITS = load_digits()
X, Y = DIGITS.data[:400] / 16.0, DIGITS.target[:400]
RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(1, 4, 400).astype(float)
NUMBERS = np.column_stack([X @ RNG.normal(size=64), X @ RNG.normal(size=64)]) / 5.0
COUNTS = RNG.poisson(np.exp(X[:, 20] - 0.5)).astype(float)
SMALL: dict[str, Any] = {"max_iter": 20, "random_state": 3, "hidden_layer_sizes": (20,)}
WAYS: dict[str, dict[str, Any]] = {
    "adam": {}, "adam, two layers": {"hidden_layer_sizes": (20, 10), "activation": "tanh"},
    "logistic": {"activation": "logistic"}, "identity": {"activation": "identity"},
    "alpha, odd batches": {"alpha": 1.0, "batch_size": 64},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "plain momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.1},
    "no momentum": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "max_iter": 60,
                 "learning_rate_init": 0.1, "n_iter_no_change": 2},
    "in order": {"shuffle": False}, "betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "stops": {"tol": 0.1, "n_iter_no_change": 3, "max_iter": 100},
    "one batch": {"batch_size": 400}, "lbfgs": {"solver": "lbfgs"},
}  # fmt: skip


def apart(one: Any, other: Any) -> float:
    pairs = zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("way", WAYS)
def test_the_classifier_goes_scikit_learns_way(way: str) -> None:
    how = SMALL | WAYS[way]
    theirs, ours = TheirClassifier(**how).fit(X, Y), cr.MLPClassifier(**how).fit(X, Y)
    assert apart(theirs, ours) < 1e-9
    assert (ours.n_iter_, ours.t_, ours.n_layers_, ours.n_outputs_) == (
        theirs.n_iter_, theirs.t_, theirs.n_layers_, theirs.n_outputs_,
    )  # fmt: skip
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
    assert ours.out_activation_ == theirs.out_activation_
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        if (right := getattr(theirs, name, None)) is not None:
            np.testing.assert_allclose(getattr(ours, name), right, rtol=1e-9)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ["one", "two", "counts"])
def test_the_regressor_goes_scikit_learns_way(way: str, target: str) -> None:
    y = {"one": NUMBERS[:, 0], "two": NUMBERS, "counts": COUNTS}[target]
    how = SMALL | WAYS[way] | ({"loss": "poisson"} if target == "counts" else {})
    if how.get("solver") == "sgd":
        how["learning_rate_init"] = 0.01
    if way == "lbfgs" and target == "two":
        return  # scikit-learn's loss is half of the one whose gradient it gives to the line search
    theirs, ours = TheirRegressor(**how).fit(X, y), cr.MLPRegressor(**how).fit(X, y)
    assert apart(theirs, ours) < 1e-8
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-7)
    if target != "two":
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
    elif ours.alpha < 0.1:  # scikit-learn reports half of what it follows, beside the penalty
        assert ours.loss_ == pytest.approx(2 * theirs.loss_, rel=1e-3)


def test_weights_labels_and_dtypes() -> None:
    theirs = TheirClassifier(**SMALL).fit(X, Y, sample_weight=WEIGHT)
    ours = cr.MLPClassifier(**SMALL).fit(X, Y, sample_weight=WEIGHT)
    assert apart(theirs, ours) < 1e-9
    Xm, Ym = make_multilabel_classification(200, 10, n_classes=4, random_state=0)
    many = cr.MLPClassifier(**SMALL).fit(Xm, Ym)
    assert apart(TheirClassifier(**SMALL).fit(Xm, Ym), many) < 1e-9
    assert many.predict(Xm).shape == many.predict_proba(Xm).shape == (200, 4)
    single = cr.MLPClassifier(**SMALL).fit(X.astype(np.float32), Y)
    assert {W.dtype for W in single.coefs_} == {np.dtype("float32")}
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    sparse = cr.MLPClassifier(**SMALL).fit(csr_matrix(X), Y)
    assert apart(sparse, cr.MLPClassifier(**SMALL).fit(X, Y)) == 0.0


def test_partial_fit_and_warm_start_go_scikit_learns_way() -> None:
    for kind, way in ((cr.MLPClassifier, TheirClassifier), (cr.MLPRegressor, TheirRegressor)):
        ours, theirs = kind(random_state=1), way(random_state=1)
        first: dict[str, Any] = {"classes": np.unique(Y)} if kind is cr.MLPClassifier else {}
        for step in range(4):
            part = slice(100 * step, 100 * step + 100)
            for one in (ours, theirs):
                one.partial_fit(X[part], Y[part], **(first if step == 0 else {}))
        assert apart(ours, theirs) < 1e-9
        again = SMALL | {"warm_start": True, "max_iter": 5}
        ours, theirs = kind(**again), way(**again)
        for _ in range(3):
            ours.fit(X, Y), theirs.fit(X, Y)
        assert apart(ours, theirs) < 1e-9
        assert len(ours.loss_curve_) == 15
    with pytest.raises(AttributeError, match="partial_fit"):
        cr.MLPClassifier(solver="lbfgs").partial_fit(X, Y, classes=np.unique(Y))


def test_both_engines_and_threads_give_the_same() -> None:
    fits = [cr.MLPClassifier(**SMALL, engine=engine).fit(X, Y) for engine in ("readable", "auto")]
    assert apart(*fits) < 1e-9
    one, two = (cr.MLPClassifier(**SMALL, n_threads=n).fit(X, Y) for n in (1, 2))
    assert apart(one, two) == 0.0


def test_class_weight_is_a_weight_for_each_row() -> None:
    by_class = {k: 1.0 + (k == 3) for k in range(10)}
    weighted = cr.MLPClassifier(**SMALL, class_weight=by_class).fit(X, Y)
    by_row = cr.MLPClassifier(**SMALL).fit(X, Y, sample_weight=1.0 + (Y == 3))
    assert apart(weighted, by_row) == 0.0
    few = np.r_[0:100, 300:310]
    y = (np.arange(400) >= 300).astype(int)[few]
    plain, fair = (
        cr.MLPClassifier(max_iter=5, random_state=0, class_weight=way).fit(X[few], y)
        for way in (None, "balanced")
    )
    rare, usual = (fit.predict_proba(X[few])[:, 1].mean() for fit in (fair, plain))
    assert rare > usual + 0.1


@pytest.mark.parametrize(
    "how",
    [
        {"activation": ["gelu", cr.LeakyReLU(0.1)], "hidden_layer_sizes": (16, 8)},
        {"solver": cr.AdamW(weight_decay=0.1), "learning_rate": cr.Cosine(0.02)},
        {"dropout": 0.2}, {"label_smoothing": 0.1}, {"clip": 0.5}, {"activation": "silu"},
    ],
    ids=str,
)  # fmt: skip
def test_more_than_scikit_learn_has(how: dict[str, Any]) -> None:
    settings = SMALL | {"max_iter": 60, "learning_rate_init": 0.01} | how
    first, second = (cr.MLPClassifier(**settings).fit(X, Y) for _ in range(2))
    assert apart(first, second) == 0.0
    assert first.score(X, Y) > 0.9


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "quantile"])
def test_more_losses(loss: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1000, 1))
    y = np.sin(3 * x[:, 0]) + 0.2 * rng.normal(size=1000)
    y += np.where(rng.random(1000) < 0.1, 20.0, 0.0)  # some far outside
    how = SMALL | {"max_iter": 300, "learning_rate_init": 0.01, "loss": loss, "quantile": 0.2}
    found = cr.MLPRegressor(**how).fit(x, y).predict(x)
    if loss == "quantile":
        assert 0.15 < np.mean(y < found) < 0.25
    else:
        squared = cr.MLPRegressor(**(how | {"loss": "squared_error"})).fit(x, y).predict(x)
        assert np.median(np.abs(found - y)) < 0.5 * np.median(np.abs(squared - y))


def test_a_validation_set_of_ones_own() -> None:
    how = SMALL | {"max_iter": 200, "n_iter_no_change": 5, "learning_rate_init": 0.02}
    seen = cr.MLPClassifier(**how).fit(X[:300], Y[:300], validation_set=(X[300:], Y[300:]))
    assert len(seen.validation_loss_curve_) == len(seen.validation_scores_) == seen.n_iter_
    assert seen.validation_scores_[-1] == pytest.approx(seen.score(X[300:], Y[300:]))
    for scoring in (None, "loss", "f1_macro"):
        early = cr.MLPClassifier(**how, early_stopping=True, scoring=scoring)
        early.fit(X[:300], Y[:300], validation_set=(X[300:], Y[300:]))
        assert early.best_validation_score_ == max(early.validation_scores_)
        if scoring == "loss":
            assert early.best_validation_score_ == -min(early.validation_loss_curve_)
        elif scoring is None:
            assert early.score(X[300:], Y[300:]) == pytest.approx(early.best_validation_score_)


def test_callbacks_see_every_epoch_and_may_end_it() -> None:
    seen: list[float] = []

    def stop(mlp: Any, record: Any) -> bool:
        seen.append(record.loss)
        return len(seen) == 7

    fit = cr.MLPClassifier(**SMALL, callbacks=stop).fit(X, Y)
    assert seen == fit.loss_curve_
    assert fit.n_iter_ == 7


def test_scikit_learns_callbacks() -> None:
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 has them")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fit = cr.MLPClassifier(**(SMALL | {"max_iter": 4})).set_callbacks(monitor).fit(X, Y)
    log = monitor.get_logs()
    logs = log if isinstance(log, list) else [log]
    assert fit.n_iter_ == 4
    assert len(logs) == 1


def test_hidden_activations_gradients_and_accounts() -> None:
    frame = pd.DataFrame(load_iris().data, columns=["a", "b", "c", "d"])
    y = load_iris().target
    fit = cr.MLPClassifier((6, 4), "tanh", max_iter=300, random_state=0).fit(frame, y)
    A = fit.transform(frame)
    assert A.shape == (150, 4)
    P = cr.SoftmaxCrossEntropy().link(A @ fit.coefs_[-1] + fit.intercepts_[-1])
    np.testing.assert_allclose(P, fit.predict_proba(frame), rtol=1e-12)
    assert fit.transform(frame, layer=0).shape == (150, 6)
    with pytest.raises(ValueError, match="there is no hidden layer 2: this network has 2"):
        fit.transform(frame, layer=2)
    step = 1e-6
    moved = frame.copy()
    moved["c"] += step
    slopes = fit.input_gradients(frame, output=1)[:, 2]
    z = [np.log(fit.predict_proba(f)) for f in (moved, frame)]
    both = fit.input_gradients(frame, output=0)[:, 2]
    differences = ((z[0] - z[1])[:, 1] - (z[0] - z[1])[:, 0]) / step
    np.testing.assert_allclose(slopes - both, differences, atol=1e-4)
    account = fit.explain(frame.iloc[[100]])
    assert {part.name for part in account.parts} == {"a", "b", "c", "d"}
    assert account.gaps["exact"] == pytest.approx(0.0, abs=1e-10)
    names = fit.set_output(transform="pandas").transform(frame).columns.tolist()
    assert names == [f"mlpclassifier{i}" for i in range(4)]


def test_frames_searches_pipelines_and_copies() -> None:
    iris = load_iris(as_frame=True)
    for frame in (iris.data, pl.from_pandas(iris.data), pa.Table.from_pandas(iris.data)):
        fit = cr.MLPClassifier(**SMALL).fit(frame, iris.target)
        assert list(fit.feature_names_in_) == iris.feature_names
    pipe = make_pipeline(StandardScaler(), cr.MLPClassifier(max_iter=200, random_state=0))
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [0.0, 1e-3]}, cv=2)
    assert search.fit(iris.data, iris.target).best_score_ > 0.8
    fit = cr.MLPClassifier(**SMALL).fit(X, Y)
    stored = io.BytesIO()
    joblib.dump(fit, stored)
    stored.seek(0)
    for copy in (pickle.loads(pickle.dumps(fit)), joblib.load(stored)):  # noqa: S301
        np.testing.assert_array_equal(copy.predict_proba(X), fit.predict_proba(X))
        copy.partial_fit(X, Y)
    again = cr.MLPClassifier(**SMALL).fit(X, Y)
    assert apart(copy, again.partial_fit(X, Y)) == 0.0


def test_metadata_is_routed_to_fit() -> None:
    with config_context(enable_metadata_routing=True):
        asked = cr.MLPClassifier(**SMALL).set_fit_request(sample_weight=True)
        asked = asked.set_score_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asked)
        weighted = pipe.fit(X, Y, sample_weight=WEIGHT)[-1]
        scores = cross_validate(asked, X, Y, params={"sample_weight": WEIGHT}, cv=2)
    Z = StandardScaler().fit_transform(X)
    by_hand = cr.MLPClassifier(**SMALL).fit(Z, Y, sample_weight=WEIGHT)
    assert apart(weighted, by_hand) < 1e-12
    assert len(scores["test_score"]) == 2


def test_what_the_user_puts_in_the_place_of_coefs_counts() -> None:
    fit, other = (cr.MLPClassifier(**(SMALL | {"random_state": k})).fit(X, Y) for k in (1, 2))
    fit.coefs_ = [(a + b) / 2 for a, b in zip(fit.coefs_, other.coefs_, strict=True)]
    fit.intercepts_[0][:] = 0.0
    A = np.maximum(X @ fit.coefs_[0], 0) @ fit.coefs_[1] + fit.intercepts_[1]
    np.testing.assert_allclose(fit.predict_proba(X), cr.SoftmaxCrossEntropy().link(A), rtol=1e-9)


def test_verbose_and_the_picture() -> None:
    said = io.StringIO()
    with redirect_stdout(said):
        fit = cr.MLPClassifier(**(SMALL | {"max_iter": 2}), verbose=True).fit(X, Y)
    assert said.getvalue().startswith("Iteration 1, loss = 2.")
    picture = '<img alt="the network" src="data:image/svg+xml;base64,'
    assert picture in fit._repr_html_()
    assert picture not in cr.MLPClassifier()._repr_html_()


def test_divergence_and_mistakes_are_told() -> None:
    far: dict[str, Any] = {
        "solver": "sgd", "learning_rate_init": 1.0, "max_iter": 50, "random_state": 0,
        "activation": "identity",
    }  # fmt: skip
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        cr.MLPRegressor(**far).fit(X * 10, NUMBERS)
    kept = cr.MLPRegressor(**far, early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="the weights of the best epoch are kept"):
        kept.fit(X * 10, NUMBERS)
    assert np.isfinite(kept.predict(X)).all()
    with pytest.raises(NotFittedError):
        cr.MLPClassifier().predict(X)
    fit = cr.MLPClassifier(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 64"):
        fit.predict(X[:, :3])
    with pytest.raises(ValueError, match="activation names 2 layers, but there are 1 hidden"):
        cr.MLPClassifier((5,), ["relu", "tanh"]).fit(X, Y)
    with pytest.raises(ValueError, match=r"The 'engine' parameter"):
        cr.MLPClassifier(engine="fast").fit(X, Y)
