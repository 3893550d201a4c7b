"""TabularClassifier and TabularRegressor: raw tables in, answers in the table's own terms out."""

import pickle
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.cli_tables import write_flowers, write_slope

import chainrule as cr
from chainrule.tabular.member import Member

QUICK: dict[str, Any] = {"max_iter": 40, "random_state": 0}
ROWS = "the held-out rows are drawn from the rows: a weight of 2 is no second row"


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [cr.TabularClassifier(n_members=2, max_iter=60, random_state=0),
     cr.TabularClassifier(preset="simple", max_iter=60, random_state=0),
     cr.TabularClassifier(preset="ensemble", n_members=2, max_iter=40, metric="log_loss",
                          random_state=0),
     cr.TabularRegressor(max_iter=60, random_state=0),
     cr.TabularRegressor(preset="simple", max_iter=60, random_state=0),
     cr.TabularRegressor(n_members=1, interval=0.8, max_iter=80, random_state=0)],
    expected_failed_checks=lambda _: {"check_sample_weight_equivalence_on_dense_data": ROWS},
)  # fmt: skip
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    write_flowers(tmp_path / "flowers.csv")
    return tmp_path / "flowers.csv"


def test_a_file_a_frame_and_columns_give_the_same_model(flowers: Path) -> None:
    frame = pd.read_csv(flowers)
    X, y = frame.drop(columns="kind"), frame["kind"]
    fits = [
        cr.TabularClassifier(**QUICK).fit(flowers, "kind"),
        cr.TabularClassifier(**QUICK).fit(frame, "kind"),
        cr.TabularClassifier(**QUICK).fit(pl.from_pandas(frame), "kind"),
        cr.TabularClassifier(**QUICK).fit(pa.Table.from_pandas(frame), "kind"),
        cr.TabularClassifier(**QUICK).fit(X, y),
    ]
    for fit in fits:
        assert list(fit.classes_) == sorted(y.unique())
        assert list(fit.feature_names_in_) == list(X.columns)
        np.testing.assert_allclose(fit.predict_proba(X), fits[0].predict_proba(flowers), rtol=1e-12)
        assert set(fit.predict(X)) <= set(y)
    assert fits[-1].score(X, y) > 0.8
    assert fits[0].n_iter_ == len(fits[0].loss_curve_) == len(fits[0].validation_loss_curve_)
    assert len(fits[0].best_iter_) == 4
    plain = cr.TabularClassifier(preset="simple", **QUICK).fit(flowers, "kind")
    assert plain.best_iter_ == int(np.argmin(plain.validation_loss_curve_))


def test_numbers_are_answered_in_their_own_unit(tmp_path: Path) -> None:
    write_slope(tmp_path / "slope.csv")
    frame = pd.read_csv(tmp_path / "slope.csv")
    fit = cr.TabularRegressor(max_iter=200, random_state=0).fit(frame, "y")
    assert fit.score(frame.drop(columns="y"), frame["y"]) > 0.8
    account = fit.explain(frame, row=3)
    assert account.answer == pytest.approx(fit.predict(frame)[3])
    assert account.unit == "y"
    exact = [part.exact or 0.0 for part in account.parts.parts]
    assert account.start + account.scale * sum(exact) == pytest.approx(account.end, rel=1e-9)


def test_saved_loaded_pickled_cloned_and_searched(flowers: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(flowers)
    fit = cr.TabularClassifier(**QUICK).fit(frame, "kind")
    fit.save(tmp_path / "model.safetensors")
    loaded = cr.TabularClassifier.load(tmp_path / "model.safetensors")
    assert loaded.get_params() == fit.get_params()
    for name in ("n_iter_", "best_iter_", "loss_curve_", "validation_loss_curve_", "settings_"):
        assert getattr(loaded, name) == getattr(fit, name)
    for one in (loaded, pickle.loads(pickle.dumps(fit))):  # noqa: S301
        np.testing.assert_array_equal(one.predict_proba(frame), fit.predict_proba(frame))
        assert list(one.classes_) == list(fit.classes_)
    again = clone(fit).fit(frame, "kind")
    np.testing.assert_array_equal(again.predict_proba(frame), fit.predict_proba(frame))
    X, y = frame.drop(columns="kind"), frame["kind"]
    assert np.mean(cross_val_score(cr.TabularClassifier(**QUICK), X, y, cv=3)) > 0.6


def test_weights_roles_and_settings_count(
    flowers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(flowers)
    doubtful = np.random.default_rng(0).random(len(frame)) < 0.4
    frame.loc[doubtful, "kind"] = frame["kind"].to_numpy()[::-1][doubtful]
    plain = cr.TabularClassifier(**QUICK).fit(frame, "kind")
    weight = np.where(frame["kind"] == "daisy", 9.0, 1.0)
    heavy = cr.TabularClassifier(**QUICK, verbose=True).fit(frame, "kind", sample_weight=weight)
    told = capsys.readouterr().out
    assert told.startswith("columns:\n")
    assert "  kind: target, category" in told
    assert "preset strong:\n  networks: 4, averaged: their errors differ" in told
    assert ", held-out score = " in told
    assert "Iteration 1, loss = " in told
    cr.TabularClassifier(preset="simple", verbose=True, **QUICK).fit(frame, "kind")
    told = capsys.readouterr().out
    assert "preset simple:\n" in told
    assert "  hidden layers: 128 → 64 units, relu\n" in told
    daisy = list(plain.classes_).index("daisy")
    more = heavy.predict_proba(frame)[:, daisy].mean()
    assert more > plain.predict_proba(frame)[:, daisy].mean()
    quick = cr.TabularClassifier(max_iter=100_000, time_limit=0.5, n_iter_no_change=10**6)
    assert quick.fit(frame, "kind").n_iter_ < 100_000


@pytest.mark.parametrize("labels", [["a ", " b"], ["1", "2"], [1.0, 2.0], [False, True], [7, 9]])
def test_classes_are_answered_as_they_were_given(labels: list[Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    fit = cr.TabularClassifier(preset="simple", **QUICK).fit(X, y)
    assert fit.classes_.dtype == y.dtype
    assert sorted(fit.classes_) == sorted(labels)
    assert fit.score(X, y) > 0.9
    loaded = cr.TabularClassifier.load(fit.save(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(loaded.classes_, fit.classes_)


@pytest.mark.parametrize("preset", ["strong", "ensemble"])
def test_one_seed_gives_one_result_on_any_number_of_threads(flowers: Path, preset: str) -> None:
    fits = [
        cr.TabularClassifier(preset=preset, n_members=3, n_threads=threads, **QUICK)
        for threads in (1, 2, 3, None)
    ]
    answers = [fit.fit(flowers, "kind").predict_proba(flowers) for fit in fits]
    for other in answers[1:]:
        np.testing.assert_array_equal(other, answers[0])
    seeded = cr.TabularClassifier(preset=preset, n_members=3, max_iter=40, random_state=1)
    assert (seeded.fit(flowers, "kind").predict_proba(flowers) != answers[0]).any()


def imbalanced(n: int = 400) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """One row in ten is of class 7; the classes overlap."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(n) % 10 == 0, 7, 3)
    return rng.normal(size=(n, 2)) + (y == 7)[:, None], y


@pytest.mark.parametrize("preset", ["simple", "strong"])
def test_class_weights_are_those_of_the_rows(preset: str, tmp_path: Path) -> None:
    X, y = imbalanced()
    how: dict[str, Any] = {"preset": preset, "max_iter": 10, "random_state": 0}
    how |= {} if preset == "simple" else {"n_members": 2}
    weight = np.where(y == 7, 200 / 40, 200 / 360)
    fits = [
        cr.TabularClassifier(**how, class_weight="balanced").fit(X, y),
        cr.TabularClassifier(**how, class_weight={7: 5.0, 3: 200 / 360}).fit(X, y),
        cr.TabularClassifier(**how).fit(X, y, sample_weight=weight),
        cr.TabularClassifier(**how).fit(X, y),
    ]
    balanced, by_class, by_row, plain = (fit.predict_proba(X) for fit in fits)
    np.testing.assert_allclose(by_class, balanced, rtol=1e-6)
    np.testing.assert_allclose(by_row, balanced, rtol=1e-4, atol=1e-5)
    assert balanced[:, 1].mean() > plain[:, 1].mean() + 0.1
    assert fits[0].settings_["class weights"] == "balanced: every class weighs the same"
    loaded = cr.TabularClassifier.load(fits[1].save(tmp_path / "m.safetensors"))
    assert loaded.get_params() == fits[1].get_params()


@pytest.mark.parametrize("labels", [["a", "b"], [False, True], [1.0, 2.0]])
def test_class_weights_go_by_the_labels_of_any_type(labels: list[Any]) -> None:
    X, y = imbalanced(100)
    names = np.array(labels)[(y == 7).astype(int)]
    how: dict[str, Any] = {"preset": "simple", "max_iter": 5, "random_state": 0}
    first, second = np.unique(names).tolist()
    fit = cr.TabularClassifier(**how, class_weight={first: 1.0, second: 9.0}).fit(X, names)
    other = cr.TabularClassifier(**how, class_weight={3: 1.0, 7: 9.0}).fit(X, y)
    np.testing.assert_allclose(fit.predict_proba(X), other.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("weight", ["even", 3, {"x": 1.0}])
def test_class_weights_of_another_kind_are_refused(weight: Any) -> None:
    X, y = imbalanced(60)
    with pytest.raises(ValueError, match="class_weight|classes|class weights"):
        cr.TabularClassifier(preset="simple", max_iter=2, class_weight=weight).fit(X, y)


def test_ctrl_c_keeps_a_model_whose_best_epoch_is_one_of_those_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = imbalanced(60)
    looks, result = list[int](), Future.result
    scores = iter(range(100, 0, -1))  # every epoch is the best

    def interrupted(future: Any, timeout: Any = None) -> Any:
        looks.append(1)
        if len(looks) == 4:
            raise KeyboardInterrupt
        return result(future, timeout)

    monkeypatch.setattr("chainrule.tabular.member.metrics.held_out_score", lambda *_: next(scores))
    monkeypatch.setattr(Future, "result", interrupted)
    fit = cr.TabularClassifier(preset="simple", n_members=2, max_iter=9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="Training interrupted by user"):
        fit.fit(X, y)
    assert fit.n_iter_ == len(fit.loss_curve_) == 2  # two looks an epoch
    assert max(fit.best_iter_) < fit.n_iter_
    assert np.isfinite(fit.predict_proba(X)).all()


def test_ctrl_c_before_the_first_epoch_leaves_nothing_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Member, "see", interrupted)
    fit = cr.TabularClassifier(preset="simple", max_iter=9)
    with pytest.raises(KeyboardInterrupt):
        fit.fit(*imbalanced(60))
    assert not hasattr(fit, "model_")


def test_an_interval_holds_its_share_of_new_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 1200)
    frame = pd.DataFrame({"x": x, "y": 100 + 10 * x + (1 + x**2) * rng.normal(size=1200)})
    fit = cr.TabularRegressor(interval=0.8, n_members=2, random_state=0).fit(frame[:800], "y")
    new = frame[800:]
    low, high = fit.predict_interval(new).T
    inside = (new["y"] >= low) & (new["y"] <= high)
    assert 0.72 < inside.mean() < 0.88
    above = np.mean(new["y"] > fit.predict(new))
    assert 0.42 < above < 0.58
    assert (low <= fit.predict(new)).all()
    assert (fit.predict(new) <= high).all()
    wide, narrow = np.abs(new["x"]) > 1.5, np.abs(new["x"]) < 0.5
    assert (high - low)[wide].mean() > 1.5 * (high - low)[narrow].mean()
    assert fit.explain(new, row=2).answer == pytest.approx(fit.predict(new)[2])
    plain = cr.TabularRegressor(n_members=1, max_iter=8).fit(frame[:100], "y")
    with pytest.raises(ValueError, match="train it for an interval, as in chainrule train"):
        plain.predict_interval(new)


def test_one_row_is_explained_beside_the_average_training_row(
    flowers: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(flowers)
    for preset in ("simple", "strong"):
        fit = cr.TabularClassifier(preset=preset, **QUICK).fit(frame, "kind")
        path = fit.save(tmp_path / f"{preset}.safetensors")
        one, whole = frame.iloc[[3]], fit.explain(frame, row=3)
        for other in (fit.explain(one), cr.TabularClassifier.load(path).explain(one)):
            assert other.start == pytest.approx(whole.start)
            assert other.end == pytest.approx(whole.end)
            assert other.start != other.end
    with pytest.raises(ValueError, match=r"row is -1, but X has \d+ rows: count them from 0"):
        fit.explain(frame, row=-1)
    with pytest.raises(ValueError, match=r"strong.safetensors answers classes: load it by Tabular"):
        cr.TabularRegressor.load(path)
    with pytest.raises(ValueError, match=r"The 'interval' parameter of TabularRegressor must be"):
        cr.TabularRegressor(preset="simple", interval=1.0).fit(frame, "length")


def test_the_members_of_an_ensemble_are_one_network(flowers: Path) -> None:
    fit = cr.TabularClassifier(**QUICK).fit(flowers, "kind")
    net = fit.model_.net
    assert [type(layer).__name__ for layer in net.layers] == ["Average", "Temperature"]
    assert len(net.layers[0].branches) == 4
    account = fit.explain(flowers, row=1)
    picture = 'alt="the network" src="data:image/svg+xml;base64,'
    assert picture in fit._repr_html_()
    assert picture not in cr.TabularClassifier()._repr_html_()
    exact = [part.exact or 0.0 for part in account.parts.parts]
    assert account.start + sum(exact) == pytest.approx(account.end, rel=1e-9)


def test_a_column_that_is_y_or_has_the_name_of_the_weights_is_no_trap() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sample_weight": rng.normal(size=120), "x": rng.normal(size=120)})
    y = (3 * frame["sample_weight"]).rename("price")
    fit = cr.TabularRegressor(n_members=1, max_iter=30, random_state=0)
    assert fit.fit(frame, y, sample_weight=np.ones(120)).score(frame, y) > 0.9
    with pytest.raises(ValueError, match='X still holds the column "price" that y is: give y="'):
        fit.fit(frame.assign(price=y), y)
    other = frame.assign(price=rng.normal(size=120))
    assert list(fit.fit(other, y).feature_names_in_) == ["sample_weight", "x", "price"]


@pytest.mark.parametrize("activation", ["prelu", "gelu"])
def test_any_activation_serves_any_preset(flowers: Path, activation: str) -> None:
    for preset in ("simple", "strong"):
        fit = cr.TabularClassifier(preset=preset, activation=activation, max_iter=3)
        assert fit.fit(flowers, "kind").n_iter_ == 3


def test_a_second_fit_forgets_the_first() -> None:
    rng, days = np.random.default_rng(0), pd.date_range("2020-01-01", periods=150, freq="5D")
    x, fit = rng.normal(size=150), cr.TabularRegressor(n_members=1, max_iter=3, random_state=0)

    def table(form: str) -> pd.DataFrame:
        return pd.DataFrame({"day": days.strftime(form), "x": x, "y": x})

    fresh = cr.TabularRegressor(n_members=1, max_iter=3, random_state=0)
    again = fit.fit(table("%d/%m/%Y"), "y").fit(table("%m/%d/%Y"), "y")
    assert again.columns_ == fresh.fit(table("%m/%d/%Y"), "y").columns_
    assert "date" in again.columns_["day"]


def test_answers_keep_the_scale_of_the_target() -> None:
    x = np.random.default_rng(0).normal(size=200)
    fit = cr.TabularRegressor(n_members=1, max_iter=40, random_state=0)
    for far, size in ((1e8, 1.0), (0.0, 1e39), (0.0, 1e-60)):
        y = far + size * x
        assert fit.fit(x[:, None], y).score(x[:, None], y) > 0.9


@pytest.mark.parametrize("labels", [["None", "a"], ["1", "1.0"], [None, "b"], [" a", "a"]])
def test_labels_that_a_table_would_lose_are_refused(labels: list[Any]) -> None:
    y = np.array(labels, object)[np.arange(60) % 2]
    with pytest.raises(ValueError, match=r"y\[0\] is .*, which|y has labels that a table reads as"):
        cr.TabularClassifier(max_iter=2).fit(np.arange(60.0)[:, None], y)


def test_few_rows_of_weight_are_split_among_themselves() -> None:
    x, w = np.random.default_rng(0).normal(size=200), np.zeros(200)
    w[:12] = 1.0
    fit = cr.TabularRegressor(max_iter=5, random_state=0).fit(x[:, None], x, sample_weight=w)
    assert fit.model_.facts["rows"] == {"train": 10, "valid": 2, "test": 0}


def test_a_model_of_numbers_without_names_comes_back_whole(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(80, 3))
    X[:, 1] = 7.0
    fit = cr.TabularRegressor(n_members=1, max_iter=3, random_state=0).fit(X, X[:, 0])
    loaded = cr.TabularRegressor.load(fit.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(loaded.predict(X), fit.predict(X))
    assert loaded.n_features_in_ == 3


def test_columns_without_names_go_by_their_places() -> None:
    rng = np.random.default_rng(0)
    X, fit = rng.normal(size=(90, 3)), cr.TabularRegressor(n_members=1, max_iter=5, random_state=0)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    fit.fit(frame, X[:, 0])
    with pytest.warns(UserWarning, match="X does not have valid feature names, but Tabular"):
        np.testing.assert_array_equal(fit.predict(X), fit.predict(frame))
    fit.fit(X, X[:, 0])
    with pytest.warns(UserWarning, match="X has feature names, but TabularRegressor was fitted"):
        np.testing.assert_array_equal(fit.predict(frame), fit.predict(X))
    numbered = pd.DataFrame(X)
    fit.fit(numbered, X[:, 0])
    np.testing.assert_array_equal(fit.predict(numbered), fit.predict(X))


def test_what_only_tables_have(flowers: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=120), "town": rng.choice(["Ulm", "Graz"], 120)})
    frame["y"] = np.where((frame["x"] > 0) == (frame["town"] == "Ulm"), "yes", "no")
    fit = cr.TabularClassifier(**QUICK).fit(frame, "y")
    new = frame.drop(columns="y").assign(town="Linz")
    with pytest.warns(UserWarning, match='hold a value of "town" that no training row held: it'):
        answers = fit.predict_proba(new)
    assert np.isfinite(answers).all()
    with pytest.raises(ValueError, match="town"):
        fit.predict(frame[["x"]])
    with pytest.raises(ValueError, match='there is no column "z": columns are x, town, y'):
        cr.TabularClassifier().fit(frame, "z")
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        cr.TabularClassifier().fit(frame)
    with pytest.raises(NotFittedError):
        cr.TabularRegressor().predict(frame)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        cr.TabularRegressor().fit(csr_matrix(np.eye(5)), np.arange(5.0))
    with pytest.raises(ValueError, match=r"The 'preset' parameter"):
        cr.TabularClassifier(preset="best").fit(frame, "y")
