"""A model's answers are those of its parts, worked out one after the other."""

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk
from support.models import small_model, small_table

import chainrule as cr
from chainrule import Dense, Model, Network
from chainrule.core.losses import (
    BinaryCrossEntropy,
    Pinball,
    Poisson,
    SoftmaxCrossEntropy,
    SquaredError,
)
from chainrule.core.showing import show
from chainrule.models.model import (
    TableModel,
    answer_of,
    covered,
    probabilities,
    scores,
    true_terms,
)
from chainrule.tables import Preparation, Table, infer_schema
from chainrule.tables.rows import labelled

CLASSES = ("binary", "zero_one", "boolean", "multiclass", "words")


def raw_output(model: Model, table: Table) -> Any:
    assert model.preparation is not None
    return model.net.predict(model.preparation.transform(table))


def probabilities_by_hand(Z: Any) -> Any:
    if Z.shape[1] == 1:
        p = 1 / (1 + np.exp(-Z[:, 0]))
        return np.column_stack([1 - p, p])
    return np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("target", CLASSES)
def test_probabilities_and_labels(target: str) -> None:
    model, table = small_model(target, seed=2)
    P = probabilities_by_hand(raw_output(model, table))
    np.testing.assert_allclose(model.predict_proba(table), P, rtol=1e-12)
    labels = np.unique(table.columns["y"])  # sorted
    assert model.classes == tuple(labels.tolist())
    assert model.predict(table).tolist() == labels[P.argmax(axis=1)].tolist()
    assert 1 < len(set(model.predict(table).tolist()))


def test_numbers_come_back_in_the_targets_unit() -> None:
    model, table = small_model("regression", seed=2)
    y = table.columns["y"]
    Z = raw_output(model, table)[:, 0]
    np.testing.assert_allclose(model.predict(table), Z * y.std() + y.mean(), rtol=1e-12)
    assert (model.task, model.classes) == ("regression", None)
    with pytest.raises(ValueError, match="answers numbers and has no probabilities"):
        model.predict_proba(table)


@pytest.mark.parametrize("loss", [None, SquaredError(), Poisson()])
def test_matrices_without_a_preparation(loss: Any) -> None:
    net = Network.mlp([3, 2], rng=0)
    model, X = Model(net, loss), np.random.default_rng(0).normal(size=(4, 3))
    Z = X @ net["0.W"] + net["0.b"]
    np.testing.assert_allclose(model.predict(X), np.exp(Z) if loss == Poisson() else Z, rtol=1e-12)
    assert (model.task, model.classes) == (None, None)
    with pytest.raises(ValueError, match="has no probabilities"):
        model.predict_proba(X)
    with pytest.raises(ValueError, match="trained on matrices"):
        model.evaluate(small_table())


@pytest.mark.parametrize(("loss", "k"), [(BinaryCrossEntropy(), 1), (SoftmaxCrossEntropy(), 3)])
def test_matrices_with_classes_have_probabilities(loss: Any, k: int) -> None:
    model, X = Model(Network.mlp([3, k], rng=0), loss), np.random.default_rng(0).normal(size=(4, 3))
    P = model.predict_proba(X)
    assert P.shape == (4, max(2, k))
    np.testing.assert_allclose(P, probabilities_by_hand(model.net.predict(X)), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", [*CLASSES, "regression"])
def test_evaluate_is_what_scikit_learn_says(target: str, weighted: bool) -> None:
    model, table = small_model(target, seed=2)
    weight = np.arange(len(table)) % 5 + 0.0
    if weighted:
        table = Table({**table.columns, "w": weight}, "weighted")
        schema = infer_schema(table, "y", weight="w", roles={"shade": "pixel", "two": "category"})
        model = replace(model, schema=schema)
    w, y = (weight if weighted else None), table.columns["y"]
    if target == "regression":
        guess = model.predict(table)
        wanted = {
            "r2": sk.r2_score(y, guess, sample_weight=w),
            "rmse": sk.root_mean_squared_error(y, guess, sample_weight=w),
            "mae": sk.mean_absolute_error(y, guess, sample_weight=w),
        }
    else:
        P = model.predict_proba(table)
        codes = np.searchsorted(np.unique(y), y)
        score = P[:, 1] if P.shape[1] == 2 else P
        one_each = np.eye(P.shape[1])[codes]
        wanted = {
            "accuracy": sk.accuracy_score(codes, P.argmax(axis=1), sample_weight=w),
            "log_loss": sk.log_loss(codes, P, sample_weight=w),
            "auc": sk.roc_auc_score(codes if score.ndim == 1 else one_each, score, sample_weight=w),
        }
    assert model.evaluate(table) == pytest.approx(wanted, rel=1e-9)


def test_evaluate_leaves_out_rows_without_target() -> None:
    model, table = small_model("regression", seed=2)
    y = table.columns["y"].copy()
    y[::4] = np.nan
    holes = Table({**table.columns, "y": y}, "holes")
    assert model.evaluate(holes) == model.evaluate(table.take(np.flatnonzero(~np.isnan(y))))


def test_confusion_counts_each_pair() -> None:
    model, table = small_model("multiclass", seed=2)
    wanted = sk.confusion_matrix(table.columns["y"], model.predict(table))
    assert model.confusion(table).tolist() == wanted.tolist()
    with pytest.raises(ValueError, match="answers numbers"):
        small_model("regression")[0].confusion(table)


def nothing(table: Table) -> Table:
    return table.without(["y"])


def empty(table: Table) -> Table:
    return Table({**table.columns, "y": np.array([None] * len(table), object)}, "t.csv")


def stranger(table: Table) -> Table:
    return Table({**table.columns, "y": np.array(["perhaps"] * len(table), object)}, "t.csv")


def fewer(table: Table) -> Table:
    return table.without(["age", "two"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nothing, 'has no column "y": scoring needs the true answers'),
        (empty, 'column "y" of t.csv is empty: nothing to score'),
        (stranger, 'holds "perhaps" in row 1, which is none of the classes no, yes'),
        (fewer, 'lacks the columns "age", "two"'),
    ],
)
def test_evaluate_says_what_is_missing(change: Any, message: str) -> None:
    model, table = small_model("binary")
    with pytest.raises(ValueError, match=message):
        model.evaluate(change(table))


def test_one_column_is_the_chance_of_the_second_class() -> None:
    output = np.array([[0.25], [1.0]])
    assert probabilities(output).tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert probabilities(np.eye(3)).tolist() == np.eye(3).tolist()


def test_each_answer_is_independent_of_the_rows_beside_it() -> None:
    model, table = small_model("multiclass", seed=2)
    P = model.predict_proba(table)
    for row in (0, 17, len(table) - 1):
        np.testing.assert_allclose(model.predict_proba(table.take([row]))[0], P[row], rtol=1e-12)


def test_labelled_gives_codes_and_weights() -> None:
    table = Table(
        {
            "a": np.arange(7.0),
            "y": np.array([*"baab", None, "a", "b"], object),
            "w": np.arange(7.0),
        },
        "t",
    )
    schema = infer_schema(table, "y", weight="w")
    known, codes, weight = labelled(Preparation.fit(table, schema), schema, table)
    assert known.columns["a"].tolist() == [1, 2, 3, 5, 6]
    assert codes.tolist() == [0, 0, 1, 0, 1]
    assert weight is not None
    assert weight.tolist() == [1, 2, 3, 5, 6]
    assert labelled(Preparation.fit(table, schema), schema, table.without(["w"]))[2] is None


def test_scores_of_perfect_answers() -> None:
    y = np.array([0, 2, 1, 1, 0])
    assert scores(y, np.eye(3)[y], None) == {"accuracy": 1.0, "log_loss": 0.0, "auc": 1.0}
    assert scores(y + 0.5, y + 0.5, None) == {"r2": 1.0, "rmse": 0.0, "mae": 0.0}
    weighed = scores(np.array([0.0, 2.0]), np.array([1.0, 2.0]), np.array([3.0, 1.0]))
    assert weighed == pytest.approx({"r2": 0.0, "rmse": np.sqrt(0.75), "mae": 0.75}, abs=1e-12)


def test_numbers_and_truth_are_in_the_targets_unit() -> None:
    model, table = small_model("regression", seed=2)
    assert isinstance(model, TableModel)
    y, X = table.columns["y"], model.preparation.transform(table)
    np.testing.assert_allclose(true_terms(model.preparation, model.preparation.target(table)), y)
    wanted = model.net.predict(X)[:, 0] * y.std() + y.mean()
    np.testing.assert_allclose(model.in_terms(X), wanted, rtol=1e-12)


def test_of_quantiles_the_middle_one_answers() -> None:
    model, table = with_quantiles()
    y, X = table.columns["y"], model.preparation.transform(table)
    wanted = model.net.predict(X)[:, 1] * y.std() + y.mean()
    np.testing.assert_allclose(model.in_terms(X), wanted, rtol=1e-12)
    assert (answer_of(Pinball((0.1, 0.5, 0.9))), answer_of(SquaredError())) == (1, 0)


def test_classes_and_truth_are_probabilities_and_codes() -> None:
    model, table = small_model("binary", seed=2)
    assert isinstance(model, TableModel)
    X, codes = model.preparation.transform(table), np.array([1, 0])
    P = probabilities_by_hand(model.net.predict(X))
    np.testing.assert_allclose(model.in_terms(X), P, rtol=1e-12)
    assert true_terms(model.preparation, codes) is codes


def test_a_model_with_preparation_and_schema_is_a_table_model() -> None:
    model, _ = small_model()
    assert type(model) is TableModel
    assert type(replace(model, facts={})) is type(copy.deepcopy(model)) is TableModel
    assert type(Model(model.net, model.loss, model.preparation)) is Model
    assert type(Model(model.net)) is Model
    again = pickle.loads(pickle.dumps(model))
    assert (type(again), again.schema) == (TableModel, model.schema)


def with_quantiles() -> tuple[TableModel, Table]:
    """Three quantiles, the outer ones the wrong way round for one of the rows."""
    model, table = small_model("regression")
    net = Network.mlp([model.net.n_in, 3], init=0.1, rng=0)
    net["0.b"] = [-1.0, 0.0, 1.0]
    loss = Pinball((0.1, 0.5, 0.9))
    assert isinstance(model, TableModel)
    return TableModel(net, loss, model.preparation, model.schema), table


def test_linked_and_interval_take_prepared_rows() -> None:
    model, table = with_quantiles()
    X = model.preparation.transform(table)
    np.testing.assert_array_equal(model.linked(X), model.output(table))
    np.testing.assert_array_equal(model.interval_of(X), model.predict_interval(table))
    ends = np.sort(model.net.predict(X), axis=1)[:, [0, 2]]
    y = table.columns["y"]
    np.testing.assert_allclose(model.interval_of(X), ends * y.std() + y.mean(), rtol=1e-12)
    assert model.output_names == ["y, 0.1 quantile", "y, 0.5 quantile", "y, 0.9 quantile"]
    with pytest.raises(ValueError, match="answers one number a row: train it for an interval"):
        small_model("regression")[0].interval_of(X)


def test_output_names_are_the_classes_or_the_target() -> None:
    assert small_model("regression")[0].output_names == ["y"]
    assert small_model("words")[0].output_names == ["b", "c d", "ä"]
    assert Model(Network.mlp([3, 2], rng=0)).output_names is None


def test_how_many_rows_lie_within_their_intervals() -> None:
    y = np.array([0.0, 1.0, 2.0, 9.0])
    ends = np.array([[-1.0, 0.0], [0.0, 3.0], [3.0, 4.0], [8.0, 9.0]])
    found = covered(ends, y, None, 0.8)
    assert found == pytest.approx({"share": 0.8, "coverage": 0.75, "error": 1 / 4, "width": 1.5})
    many = covered(np.tile(ends, (25, 1)), np.tile(y, 25), None, 0.8)
    assert many["error"] == pytest.approx(np.sqrt(0.75 * 0.25 / 100))
    assert covered(ends, ends[:, 0], None, 0.8)["error"] == 1 / 4  # all within: one row may not be
    w = np.array([1.0, 1.0, 2.0, 0.0])
    weighed = covered(ends, y, w, 0.8)
    assert (weighed["coverage"], weighed["width"]) == pytest.approx((0.5, 1.5))
    model, table = with_quantiles()
    assert model.coverage(table) == covered(
        model.predict_interval(table), table.columns["y"], None, 0.8
    )
    assert small_model("regression")[0].coverage(table) is None


def test_bare_network_of_one_layer_is_a_model() -> None:
    model = Model(Network(1, [Dense(1, init=2.0)], rng=0))
    assert model.predict(np.array([[3.0]])).tolist() == [[6.0]]


def test_the_old_module_of_model_files_answers_for_one_version_more() -> None:
    with pytest.warns(DeprecationWarning, match=r"chainrule.storage.load is chainrule.load now"):
        from chainrule.storage import load
    assert load is cr.load
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from chainrule.storage import nothing  # noqa: F401


def test_objects_show_themselves_in_notebooks() -> None:
    net = cr.Network.mlp([2, 3, 1], rng=0)
    assert net._repr_html_().startswith("<svg")
    step = cr.trace_step(net, cr.SquaredError(), cr.SGD(), [[1.0, 2.0]], [1.0], lr=0.1)
    explanation = cr.explain(step, "0.W[0,0]")
    assert "<math" in explanation._repr_html_()
    assert "$" in explanation._repr_markdown_()
    with pytest.raises(TypeError, match="no writer makes html of a int"):
        show(3, "html")
