"""Explanations add up: factors to their product, paths and rows to the engine's gradient, terms to
the unit; and they are the texts' own factors.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from support.compiled_cases import Case, cases
from support.numeric import Array, Point
from support.paths import every_path
from support.tables import LAYER_VARIANTS, LAYERS
from support.traces import ROWS, alice, boolean_trace, some_trace

import chainrule as cr
from chainrule.chain.explain import MAX_LISTED, explain
from chainrule.chain.explanation import ALWAYS_LISTED, Explanation, Number, Sum
from chainrule.formulas.expression import evaluate
from chainrule.proof.arithmetic import steps
from chainrule.trace.step import Trace, trace_step

U = 2.0**-53
SLOW = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def adds_up(parts: list[float], value: float, size: float = 0.0) -> bool:
    """Whether the parts come to the value within what rounding may do to a sum of so many terms,
    or of terms of a larger size.
    """
    bound = steps(len(parts)) * U * max(size, sum(map(abs, parts)))
    return abs(math.fsum(parts) - value) <= bound


def check_formula(one: Number, value: float) -> None:
    """What the formula of a number comes to, if it has one."""
    if one.formula is not None:
        numbers = {letter: term.value for letter, term in one.names.items()}
        assert evaluate(one.formula, numbers) == pytest.approx(value, rel=1e-9, abs=1e-12)


def check_sum(found: Sum, whole: Sum, most: int = MAX_LISTED) -> None:
    """All parts, which `whole` lists, come to the value; the largest are listed, and `rest` is what
    the others come to.
    """
    for part in whole.parts:
        check_formula(part, part.value)
    every = sorted((part.value for part in whole.parts), key=abs, reverse=True)
    assert (len(every), whole.rest) == (found.count, 0.0)
    assert adds_up(every, found.value)
    check_largest([part.value for part in found.parts], found.rest, every, most)


def check_largest(
    listed: list[float], rest: float, every: list[float], most: int, size: float = 0.0
) -> None:
    """Whether all are listed or, if they are many, the largest, and `rest` is the others' sum."""
    if len(every) <= ALWAYS_LISTED:
        assert sorted(listed) == pytest.approx(sorted(every), rel=1e-13, abs=0.0)
        assert rest == 0.0
        return
    every = sorted(every, key=abs, reverse=True)
    assert list(map(abs, listed)) == pytest.approx(list(map(abs, every[:most])), rel=1e-13, abs=0.0)
    others = math.fsum([*every, *(-part for part in listed)])
    bound = steps(len(every)) * U * max(size, sum(map(abs, every)))
    assert abs(others - rest) <= bound


def check_paths(
    found: Explanation, start: str, first: Array, value: float, most: int = MAX_LISTED
) -> None:
    """Every path is counted, all of them come to the value, and the largest are listed."""
    check_products(found)
    assert found.row is not None
    every = every_path(found.trace, start, first, found.row)
    if every is None:
        return
    products = every.products.tolist()
    assert found.path_count == len(products)
    assert adds_up(products, value, every.size)
    listed = [path.product for path in found.paths]
    check_largest(listed, found.rest, products, most, every.size)


def all_parts(found: Explanation) -> Sum:
    """The sum of an explanation with every part listed."""
    whole = found.sum
    if whole is not None and len(whole.parts) < whole.count:
        whole = explain(found.trace, str(found.address), row=found.row, max_listed=10**6).sum
    assert whole is not None
    return whole


def slopes_of(trace: Trace, name: str, index: tuple[int, ...], row: int) -> tuple[str, Array]:
    """What a parameter's layer makes, and the derivative of each unit in a row by the parameter."""
    layer, _, own = name.rpartition(".")
    place = next(place for place in trace.places if place.name == layer)
    slopes, dY = [], np.zeros_like(trace[place.y])
    for v in range(dY.shape[1]):
        dY[...] = 0.0
        dY[row, v] = 1.0
        slopes.append(place.layer.backward(place.p, place.cache, dY)[1][own][index])
    return place.y, np.array(slopes)


def check_products(found: Explanation) -> None:
    for path in found.paths:
        product = math.prod(factor.value for factor in path.factors)
        rounded = 2 * (len(path.factors) - 1)  # multiplications, in one order and in the other
        assert abs(product - path.product) <= 1.01 * rounded * U * abs(product)


def test_every_name_of_a_trace_is_explained() -> None:
    """Statistics, masks, shares, norms and what was given: each with its value, most with more."""
    layers = [
        cr.Dense(3), cr.BatchNorm(), cr.PReLU(), cr.Dropout(0.5), cr.LayerNorm(),
        cr.Residual((cr.Dense(3), cr.Tanh())), cr.Dense(2),
    ]  # fmt: skip
    X = np.random.default_rng(0).normal(size=(4, 2))
    trace = trace_step(
        cr.Network(2, layers, rng=0), cr.SoftmaxCrossEntropy(), cr.AdamW(), X,
        np.array([0, 1, 1, 0]), lr=0.1, penalty=cr.Penalty(l2=0.1), clip=0.5, rng=1,
    )  # fmt: skip
    for name, value in trace.values.items():
        index = tuple(n - 1 for n in value.shape)
        found = explain(trace, f"{name}{list(index)}" if index else name)
        lines = found.to_text(cr.Notation(digits=6)).splitlines()
        assert len(lines) > 1, name
        for one in filter(None, (found.equation, *found.steps)):
            check_formula(one, one.value)
        if found.equation is not None and not found.is_slope:
            assert found.equation.value == float(value[index]), name
        if found.sum is not None:
            check_sum(found.sum, all_parts(found))


def test_a_gradient_of_zero_shows_the_factor_that_is_zero() -> None:
    net = cr.Network(2, [cr.Dense(2, init=-1.0), cr.ReLU(), cr.Dense(1, init=1.0)], rng=0)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), [[1.0, 0.0]], [2.0], lr=0.1)
    for address, zeros in (("0.W[0,1]", 1), ("0.W[1,1]", 2), ("dX[0,0]", 1)):
        found = explain(trace, address)
        assert found.value == found.path_count == 0
        assert found.paths == ()
        values = [factor.value for factor in found.factors]
        assert values.count(0.0) == zeros
        assert math.prod(values) == 0.0
        assert "a factor of every path from it to the loss is 0, as on this one" in str(found)


def test_a_prediction_says_what_each_input_added() -> None:
    net = cr.Network.mlp([3, 4, 3], "tanh", rng=0)
    X = [[0.5, -1.0, 2.0], [1.0, 0.0, 1.0]]
    trace = trace_step(net, cr.SoftmaxCrossEntropy(), cr.SGD(), X, np.array([0, 1]), lr=0.1)
    for address in ("row 1", "prediction row 1", "Yhat[1,0]"):
        found = explain(trace, address)
        assert found.inputs is not None
        assert (found.inputs.output, found.inputs.against) == (0, 2)
        assert found.inputs.end - found.inputs.start == pytest.approx(
            sum(part.exact or 0.0 for part in found.inputs.parts), rel=1e-12
        )
        assert found.inputs.end == pytest.approx(
            np.log(trace.values["Yhat"][1, 0] / trace.values["Yhat"][1, 2]), rel=1e-12
        )
        assert "What each input adds to the log-odds of 0 against 2" in str(found)


def test_what_cannot_be_unfused_says_so() -> None:
    net = cr.Network(1, [cr.Dense(1, init=800.0)], rng=0)
    trace = trace_step(net, cr.BinaryCrossEntropy(), cr.SGD(), [[1.0]], [0], lr=0.1)
    page = str(explain(trace, "0.W[0,0]"))
    assert "l[0,0] = softplus(z) - y · z = softplus(800) - 0 · 800 = 800" in page
    assert "∂l/∂ŷ is beyond the largest float: only so can it be computed" in page
    assert "∞" not in page
    net = cr.Network.mlp([2, 3], rng=0)
    trace = trace_step(net, cr.SoftmaxCrossEntropy(), cr.SGD(), [[1.0, 2.0]], np.array([1]), lr=0.1)
    lines = [line for line in str(explain(trace, "0.W[0,0]")).splitlines() if "the same" in line]
    assert len(lines) == 3
    assert all("= ∂l/∂ŷ · ∂ŷ/∂z = " in line for line in lines)


@SLOW
@given(case=cases(ROWS))
def test_a_parameters_paths_and_rows_come_to_its_gradient(case: Case) -> None:
    trace = some_trace(case)
    rng = np.random.default_rng(case.seed)
    for name, shape in trace.net.shapes.items():
        index = [int(rng.integers(0, n)) for n in shape]
        row = int(rng.integers(0, case.rows))
        found = explain(trace, f"{name}{index}", row=row)
        by_row = found.sum.parts[row].value if found.sum else found.value
        start, first = slopes_of(trace, name, tuple(index), row)
        check_paths(found, start, first, by_row)
        if found.sum is not None:
            check_sum(found.sum, all_parts(found))


@SLOW
@given(case=cases(ROWS))
def test_a_derivatives_paths_come_to_it(case: Case) -> None:
    trace = some_trace(case)
    rng = np.random.default_rng(case.seed)
    for name in ["X", *[place.y for place in trace.places]]:
        row, unit = (int(rng.integers(0, n)) for n in trace[name].shape)
        layer, dot, own = name.rpartition(".")
        found = explain(trace, f"{layer}{dot}d{own}[{row},{unit}]")
        check_paths(found, name, np.eye(trace[name].shape[1])[unit], found.value)


@pytest.mark.parametrize("layer", LAYERS | LAYER_VARIANTS)
def test_slopes_are_those_of_central_differences(layer: str) -> None:
    net = cr.Network(3, [cr.Dense(3), (LAYERS | LAYER_VARIANTS)[layer], cr.Dense(2)], rng=1)
    rng = np.random.default_rng(2)
    net.theta = net.theta + rng.uniform(-0.3, 0.3, net.theta.size)
    X, y, loss = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), cr.SquaredError()
    trace = trace_step(net, loss, cr.SGD(), X, y, lr=0.1, rng=Point.SEED)
    point, compared = Point(net, loss, X, y), []
    for name, vector in {**{name: net[name] for name in net.shapes}, "dX": X}.items():
        index = tuple(int(rng.integers(0, n)) for n in vector.shape)
        flat = int(np.ravel_multi_index(index, vector.shape))
        slope = explain(trace, f"{name}{list(index)}").value
        compared.append(point.agrees(vector.reshape(-1), flat, slope))
    assert sum(compared) > len(compared) / 2


@SLOW
@given(case=cases(ROWS))
def test_units_and_the_loss_come_to_their_terms(case: Case) -> None:
    trace = some_trace(case)
    found = explain(trace, "loss")
    assert found.sum is not None
    check_sum(found.sum, all_parts(found))
    values = trace.values
    every = [*(values["dL_dl"] * values["l"]).ravel().tolist(), float(values.get("penalty", 0.0))]
    assert sum(part.value for part in all_parts(found).parts) == pytest.approx(sum(every), rel=1e-9)
    rng = np.random.default_rng(case.seed)
    for place in trace.places:
        row, unit = (int(rng.integers(0, n)) for n in trace[place.y].shape)
        found = explain(trace, f"{place.y}[{row},{unit}]")
        if found.sum is not None:
            check_sum(found.sum, all_parts(found))
        elif found.equation is not None:
            check_formula(found.equation, float(trace[place.y][row, unit]))


@SLOW
@given(case=cases(ROWS))
def test_a_product_before_it_is_simplified_agrees(case: Case) -> None:
    assume(case.goal.loss.outer_formula)
    trace = some_trace(case)
    assume(np.isfinite(trace.values["dl_dYhat"]).all())
    name = next(iter(trace.net.shapes), None)
    assume(name is not None)
    proof = explain(trace, f"{name}{[0] * len(trace.net.shapes[str(name)])}", row=0).proof
    assert len(proof) == 2 * case.goal.outputs
    for fused, unfused in zip(proof[::2], proof[1::2], strict=True):
        assert abs(fused.value - unfused.value) <= 1e-13


def test_the_factors_of_text_003(texts: dict[str, Any]) -> None:
    printed = texts["003-alice-factors-of-w1"]
    found = explain(alice(), "0.W[0,0]")
    values = [factor.value for factor in found.factors]
    exact = [1.0, printed["dL_dyhat"]["exact"], printed["dyhat_dz"], 1.0, printed["dh1_dz"], -2.0]
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-12)
    assert abs(found.value - printed["dL_dw1"]["exact"]) < 1e-12
    symbols = [factor.symbol for factor in found.factors]
    assert symbols == [
        ("L", "l[0,0]"), ("l[0,0]", "3.A[0,0]"), ("3.A[0,0]", "2.Z[0,0]"), ("2.Z[0,0]", "1.A[0,0]"),
        ("1.A[0,0]", "0.Z[0,0]"), ("0.Z[0,0]", "0.W[0,0]"),
    ]  # fmt: skip
    after = texts["003-alice-step"]["w1"]
    assert abs(found.steps[-1].value - after) < 1e-12


@pytest.mark.parametrize("place", ["w1", "w2", "w5", "b1", "b3"])
def test_the_gradients_of_text_003(texts: dict[str, Any], place: str) -> None:
    address = {"w1": "0.W[0,0]", "w2": "0.W[1,0]", "w5": "2.W[0,0]", "b1": "0.b[0]", "b3": "2.b"}
    found = explain(alice(), address[place])
    assert abs(found.value - texts["003-alice-gradients"][place]) < 1e-12
    assert abs(found.steps[-1].value - texts["003-alice-step"][place]) < 1e-12


def test_the_numbers_of_text_001(texts: dict[str, Any]) -> None:
    trace, backward = boolean_trace(texts), texts["001-backward"]
    assert abs(explain(trace, "2.Z[0,0]").value - texts["001-forward"]["output_z"]["exact"]) < 1e-12
    assert abs(explain(trace, "prediction").value - texts["001-forward"]["output"]["exact"]) < 1e-12
    for i, expected in enumerate(backward["dW2"]):
        assert abs(explain(trace, f"2.W[{i},0]").value - expected) < 1e-12
    new = explain(trace, "2.W[0,0]").steps[-1].value
    assert abs(new - texts["001-step"]["w10"]["exact"]) < 1e-12


def test_too_many_paths_are_summed_up() -> None:
    net = cr.Network.mlp([5, 9, 9, 3], "tanh", rng=0)
    X = np.random.default_rng(0).normal(size=(70, 5))
    trace = trace_step(net, cr.SoftmaxCrossEntropy(), cr.SGD(), X, np.arange(70) % 3, lr=0.1)
    found = explain(trace, "0.W[1,2]", max_listed=5)
    assert (len(found.paths), found.path_count) == (27, 27)
    deep = cr.Network.mlp([5, 9, 9, 9, 3], "tanh", rng=0)
    trace = trace_step(deep, cr.SoftmaxCrossEntropy(), cr.SGD(), X, np.arange(70) % 3, lr=0.1)
    found = explain(trace, "0.W[1,2]", max_listed=5)
    assert (len(found.paths), found.path_count) == (5, 9 * 9 * 3)
    rows = found.sum
    assert rows is not None
    assert (len(rows.parts), rows.count) == (5, 70)
    check_sum(rows, all_parts(found), 5)
    by_row = (X[:, 1] * trace["0.dZ"][:, 2]).tolist()
    assert found.row is not None
    start, first = slopes_of(trace, "0.W", (1, 2), found.row)
    check_paths(found, start, first, by_row[found.row], 5)


def test_the_largest_paths_are_the_largest_of_all() -> None:
    net = cr.Network.mlp([2, 6, 6, 6, 2], "sigmoid", rng=3)
    trace = trace_step(net, cr.SquaredError(), cr.SGD(), [[0.3, -0.8]], [[1.0, 0.0]], lr=0.1)
    found = explain(trace, "0.b[4]", max_listed=7)
    v = trace.values
    slopes = {i: v[f"{i}.A"][0] * (1 - v[f"{i}.A"][0]) for i in (1, 3, 5)}
    every = [
        v["6.dZ"][0, k] * net["6.W"][c, k] * slopes[5][c] * net["4.W"][b, c] * slopes[3][b]
        * net["2.W"][4, b] * slopes[1][4]
        for b in range(6) for c in range(6) for k in range(2)
    ]  # fmt: skip
    largest = sorted(every, key=abs, reverse=True)[:7]
    np.testing.assert_allclose([path.product for path in found.paths], largest, rtol=1e-13)
    assert found.path_count == len(every)


def test_an_input_is_explained() -> None:
    found = explain(alice(), 'input "x1"')
    assert found.value == pytest.approx(-1.0 * alice().values["dX"][0, 1], rel=1e-15)
    assert 'What makes input "x1" row 0' in str(found)
    assert "X[0,1] · dX[0,1]" in str(found)


def test_an_input_of_a_table_shows_its_cell(tmp_path: Path) -> None:
    from chainrule.tables import Preparation, infer_schema, read_table

    rows = [f"{20 + i},{'red' if i % 3 else 'blue'},{i % 2}" for i in range(30)]
    (tmp_path / "t.csv").write_text("Age,Colour,y\n" + "\n".join(rows) + "\n")
    table = read_table(tmp_path / "t.csv")
    preparation = Preparation.fit(table, infer_schema(table, "y"))
    net = cr.Network(len(preparation.feature_names), [cr.Dense(1)], rng=0)
    trace = trace_step(
        net, cr.BinaryCrossEntropy(), cr.SGD(), table, lr=0.1, preparation=preparation
    )
    found = explain(trace, 'input "Age" row 3')
    assert "The cell 23 becomes Age: 23 → " in str(found)
    index = trace.columns["Age"][0]
    expected = trace.values["X"][3, index] * trace.values["dX"][3, index]
    assert found.value == pytest.approx(expected, rel=1e-15)
    assert len(trace.rows) == 30


def test_a_gradient_is_explained_like_its_parameter() -> None:
    found = explain(alice(), "0.dW[0,0]")
    assert found.value == explain(alice(), "0.W[0,0]").value
    assert "The update" in str(found)
    assert "0.W.g[0,0] = 0.dW[0,0] = 0.02147" in str(explain(alice(), "0.W.g[0,0]"))
    page = str(explain(alice(), "row 0"))
    assert "2.Z[0,0] = 1.A[0,0] · 2.W[0,0]" in page
    assert page.index("2.Z[0,0] =") < page.index("Yhat[0,0] =")
