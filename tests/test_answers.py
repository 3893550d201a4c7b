"""Why a row gets its answer: from its cells through every layer to the sentence that says it."""

from typing import Any

import numpy as np
import pytest
from support.models import small_model
from support.table_runs import PRESETS, made_up, trained

import chainrule as cr
from chainrule.models.answers import explain_answer, forward_steps
from chainrule.models.model import Model
from chainrule.tables import Table
from chainrule.tables.table import cell_text
from chainrule.writing.words import number


def told(net: cr.Network, x: Any) -> list[tuple[str, str, int]]:
    return [(s.name, s.formula, len(s.values)) for s in forward_steps(net, np.array(x, float))]


def test_forward_steps_by_hand() -> None:
    net = cr.Network(2, [cr.Dense(2), cr.ReLU(), cr.Dense(1, bias=False)], rng=0)
    net["0.W"], net["0.b"], net["2.W"] = [[1.0, -1.0], [0.5, 2.0]], [0.25, -9.0], [[3.0], [5.0]]
    steps = forward_steps(net, np.array([1.0, 2.0]))
    assert [(s.name, s.formula, s.values.tolist()) for s in steps] == [
        ("0.Z", "X @ 0.W + 0.b", [2.25, -6.0]), ("1.A", "ReLU(0.Z)", [2.25, 0.0]),
        ("2.Z", "1.A @ 2.W", [6.75]),
    ]  # fmt: skip


def test_dropout_passes_its_input_through() -> None:
    net = cr.Network.mlp([1, 3, 1], dropout=0.5, rng=0)
    assert told(net, [0.5]) == [
        ("0.Z", "X @ 0.W + 0.b", 3), ("1.A", "ReLU(0.Z)", 3),
        ("2", "Dropout passes its input through", 0), ("3.Z", "1.A @ 3.W + 3.b", 1),
    ]  # fmt: skip


def test_layers_of_branches_are_one_step() -> None:
    nets = [cr.Network.mlp([2, 3, 2], rng=seed) for seed in range(3)]
    whole, x = cr.Network.average(nets, cr.Temperature(2.0)), np.array([0.3, -1.0])
    assert told(whole, x) == [
        ("0.Y", "mean of 3 networks of X", 2), ("1.Z", "0.Y / 1.T", 2),
    ]  # fmt: skip
    steps = forward_steps(whole, x)
    wanted = np.mean([net.predict(x[None])[0] for net in nets], axis=0)
    np.testing.assert_allclose(steps[0].values, wanted)
    np.testing.assert_allclose(steps[1].values, wanted / 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_last_step_is_what_the_network_answers(dtype: type) -> None:
    layers = [cr.BatchNorm(), cr.Dense(4), cr.SELU(), cr.Residual((cr.Dense(4),)), cr.Dense(2)]
    net = cr.Network(3, layers, rng=0, dtype=dtype)
    net.buffers = np.linspace(0.5, 2.0, net.buffers.size)
    for x in np.random.default_rng(0).normal(size=(5, 3)):
        steps = forward_steps(net, x)
        np.testing.assert_allclose(steps[-1].values, net.predict(x[None])[0], rtol=1e-5)
        assert len(steps) == 5


@pytest.mark.parametrize("row", [0, 7])
def test_the_sentence_leads_from_the_output_to_a_number(row: int) -> None:
    model, table = small_model("regression", seed=2)
    prepared = model.preparation
    assert prepared is not None
    explained = explain_answer(model, table, row)
    Z = model.net.predict(prepared.transform(table))[row]
    np.testing.assert_allclose(explained.forward[-1].values, Z, rtol=1e-9)
    y = Z[0] * prepared.target_scale + prepared.target_mean
    assert explained.answer == pytest.approx(y)
    parts = (number(v) for v in (Z[0], prepared.target_scale, prepared.target_mean, y))
    wanted = "{} × {} + {} = {} is y; the table says {}.".format(*parts, explained.true)
    assert explained.sentence == wanted
    assert explained.true is not None
    assert float(explained.true) == pytest.approx(table.columns["y"][row])


@pytest.mark.parametrize("row", [0, 7])
@pytest.mark.parametrize("target", ["binary", "words", "boolean"])
def test_the_sentence_leads_from_the_output_to_a_class(target: str, row: int) -> None:
    model, table = small_model(target, seed=2)
    explained = explain_answer(model, table, row)
    Z = model.net.predict(model.preparation.transform(table))[row]  # type: ignore[union-attr]
    np.testing.assert_allclose(explained.forward[-1].values, Z, rtol=1e-9)
    P = model.predict_proba(table)[row]
    link, code = ("sigmoid", 1) if len(Z) == 1 else ("softmax", int(P.argmax()))
    label = model.classes[code]  # type: ignore[index]
    assert explained.probability == pytest.approx(P.max())
    answer, in_table = cell_text(model.predict(table)[row]), cell_text(table.columns["y"][row])
    assert explained.sentence == (
        f"{link}(Z) = {number(P[code])} is the probability of y = {cell_text(label)}; "
        f"the answer is {answer}; the table says {in_table}."
    )


def test_quantiles_answer_by_the_middle_one() -> None:
    run = trained(made_up(), "z", interval=0.8)
    model, table = run.model(), made_up()
    found = explain_answer(model, table, 3)
    assert found.answer == pytest.approx(model.predict(table)[3])
    middle = found.forward[-1].values[1]
    assert found.sentence.startswith(f"{number(middle)} × ")
    assert found.end == pytest.approx(found.answer)


def test_what_the_table_does_not_say_is_not_claimed() -> None:
    model, table = small_model("binary")
    without = explain_answer(model, table.without(["y"]), 0)
    assert without.true is None
    assert "the table says" not in without.sentence
    assert without.sentence.endswith(".")
    y = table.columns["y"].astype(object)
    y[0] = None
    empty = explain_answer(model, Table({**table.columns, "y": y}, "t"), 0)
    assert empty.true is None
    assert "the table says" not in empty.sentence


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("target", ["y", "z"])
def test_contributions_lead_from_the_average_row_to_this_one(target: str, preset: str) -> None:
    run = trained(made_up(), target, preset)
    found = explain_answer(run.model(), made_up(), 5)
    whole = sum(p.integrated if p.exact is None else p.exact for p in found.parts.parts)
    assert found.start + found.scale * whole == pytest.approx(found.end, rel=1e-5, abs=1e-5)
    document = found.to_dict()
    assert document["row"] == 6
    true = made_up().columns[target][5]
    if target == "z":
        assert float(document["true"]) == pytest.approx(true)
    else:
        assert document["true"] == true
    assert document["prediction"] == run.model().predict(made_up())[5]


def test_rows_that_are_not_there_are_refused() -> None:
    model, table = small_model("binary")
    for row in (-1, len(table)):
        with pytest.raises(ValueError, match=f"there is no row {row + 1}: "):
            explain_answer(model, table, row)
    with pytest.raises(ValueError, match=r"trained on matrices: use contributions\(net, x\)"):
        explain_answer(Model(model.net), table, 0)
