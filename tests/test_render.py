"""Pages of explanations: the same numbers in every format, at every rounding, in every notation."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from support.compiled_cases import Case, cases
from support.traces import ROWS, alice, boolean_trace, some_trace

import chainrule as cr
from chainrule.core.activation_layers import ACTIVATIONS
from chainrule.core.losses import LOSSES
from chainrule.formulas.expression import Formula
from chainrule.writing.blocks import Equation, Heading, Prose, Table
from chainrule.writing.formats import Format, Html, LatexBody, Markdown, Text
from chainrule.writing.mathematics import Notation, Writer, fill, parse
from chainrule.writing.typeset import Latex, MathML

SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
EXACT = cr.Notation(digits=None)


def test_alices_page_has_the_printed_numbers(texts: dict[str, Any]) -> None:
    trace = alice()
    page = cr.explain(trace, "0.W[0,0]").to_text(cr.Notation(labels=cr.text_labels(trace)))
    for line in (
        "z_h1 = x₁ · w₁ + x₂ · w₂ + b₁ = (-2) · 1 + (-1) · 1 + 0 = -3", "h₁ = ", "= 0.04743",
        "∂l/∂ŷ₁ = 2 · (z - y) = 2 · (0.5237 - 1) = -0.9526", "∂z_h1/∂w₁ = x₁ = -2",
        "∂L/∂w₁ = 1 · (-0.9526) · 0.2494 · 1 · 0.04518 · (-2) = 0.02147",
        "Δw₁ = -η · g = -0.1 · 0.02147 = -0.002147", "new w₁ = ", "How the loss changes with w₁",
    ):  # fmt: skip
        assert line in page
    exact = cr.explain(trace, "0.W[0,0]").to_text(EXACT)
    assert repr(float(trace.values["0.dW"][0, 0])) in exact
    printed = texts["003-alice-factors-of-w1"]["dL_dw1"]["printed"]
    assert round(cr.explain(trace, "0.W[0,0]").value, 4) == printed


def test_round_like_text_001(texts: dict[str, Any]) -> None:
    trace, printed = boolean_trace(texts), texts["001-forward"]
    paper = cr.Paper(trace, digits=4, decimals={"A": 2, "Z": 3, "3.A": 4})
    assert paper.at("2.Z[0,0]") == printed["output_z"]["printed"] == 1.213
    assert paper.at("3.A[0,0]") == 0.7708
    page = cr.explain(trace, "2.W[0,0]").to_text(paper=paper)
    assert "= 0.73 · 0.3 + 0.71 · 0.5 + 0.71 · 0.9 = 1.213   (exactly 1.21465)" in page
    exact = cr.explain(trace, "2.Z[0,0]").to_text(EXACT)
    assert str(printed["output_z"]["exact"]) in exact
    assert str(printed["output"]["exact"]) in cr.explain(trace, "3.A[0,0]").to_text(EXACT)
    coarse = cr.Paper(trace, digits=2)
    assert coarse.at("0.W.after[0,0]") == pytest.approx(0.9, abs=0.005)


@SLOW
@given(case=cases(ROWS))
def test_every_page_can_be_written(case: Case) -> None:
    trace = some_trace(case)
    rng = np.random.default_rng(case.seed)
    names = [*trace.net.shapes, *[place.y for place in trace.places], "L", "Yhat", "l", "dX"]
    for name in names[:: max(1, len(names) // 6)]:
        index = [int(rng.integers(0, n)) for n in trace[name].shape]
        found = cr.explain(trace, f"{name}{index}" if index else name)
        text, markdown, latex = found.to_text(), found.to_markdown(), found.to_latex()
        assert str(found) == text
        bare = re.sub(r"\\[{}]|\\leftarrow", "", latex)
        for opened, closed in (("{", "}"), (r"\left", r"\right"), (r"\[", r"\]")):
            assert bare.count(opened) == bare.count(closed)
        assert markdown.count("$") % 2 == 0
        ElementTree.fromstring(f"<body>{found.to_html()}</body>")
        document = json.loads(json.dumps(found.to_json()))
        assert document["value"] == found.value
        assert len(document["paths"]) == len(found.paths)


def test_brackets() -> None:
    page = cr.explain(alice(), "2.W[1,0]").to_text(cr.Notation(brackets=True))
    assert page.startswith("How the loss changes with W[2][1,0]")
    assert "∂Z[2][0,0]/∂W[2][1,0] = A[1][0,1] = 0.04743" in page
    assert "W[2].after[1,0]" in page


def test_half_squares_on_paper_lose_what_half_squares_lose(texts: dict[str, Any]) -> None:
    trace = boolean_trace(texts)
    page = cr.explain(trace, "2.W[0,0]").to_text(cr.Notation(half_squares=True), cr.Paper(trace, 2))
    assert "l[0,0] = (z - y)² / 2 = (0.77 - 0)² / 2 = 0.295   (exactly 0.2973)" in page
    assert "(z - y) = " not in page


def test_paper_takes_every_path() -> None:
    net = cr.Network.mlp([5, 9, 9, 9, 3], "tanh", rng=0)
    X = np.random.default_rng(0).normal(size=(1, 5))
    trace = cr.trace_step(net, cr.SoftmaxCrossEntropy(), cr.SGD(), X, [1], lr=0.01)
    exact = float(trace.values["0.dW"][1, 2])
    assert cr.Paper(trace, 17).at("0.dW[1,2]") == pytest.approx(exact, rel=1e-12)
    wide = cr.Network.mlp([2, 80, 80, 80, 1], "tanh", rng=0)
    step = cr.trace_step(wide, cr.SquaredError(), cr.SGD(), [[1.0, 2.0]], [0.5], lr=0.1)
    assert cr.explain(step, "2.W[0,0]").path_count == 80
    with pytest.raises(ValueError, match="0.W.0,0. has 6400 paths: rounding at every step is for"):
        cr.Paper(step, 4).at("0.dW[0,0]")


def test_half_squares(texts: dict[str, Any]) -> None:
    """Text 001 writes ½ (t - o)² and its slope o - t, text 003 (y - ŷ)² and -2 (y - ŷ)."""
    page = cr.explain(boolean_trace(texts), "2.W[0,0]").to_text(cr.Notation(half_squares=True))
    assert "∂L/∂l[0,0] = 1 " in page
    assert "∂l[0,0]/∂3.A[0,0] = z - y = 0.7711 - 0 = 0.7711" in page
    assert "l[0,0] = (z - y)² / 2 = (0.7711 - 0)² / 2 = 0.2973" in page
    assert "∂L/∂2.W[0,0] = 1 · 0.7711 · 0.1765 · 0.7311 = 0.0995" in page
    squares = cr.explain(boolean_trace(texts), "2.W[0,0]").to_text()
    assert "∂L/∂l[0,0] = 0.5" in squares
    assert "∂l[0,0]/∂3.A[0,0] = 2 · (z - y) = 2 · (0.7711 - 0) = 1.542" in squares


def test_samples_as_columns() -> None:
    page = cr.explain(alice(), "0.W[1,0]").to_text(cr.Notation(columns=True))
    assert "0.Z[0,0] = X[0,0] · 0.W[0,0] + X[1,0] · 0.W[0,1] + 0.b[0]" in page
    assert "How the loss changes with 0.W[0,1]" in page


FORMULAS = [
    *[Formula.of(activation.formula) for activation in ACTIVATIONS.values()],
    *[Formula.of(activation.slope_formula) for activation in ACTIVATIONS.values()],
    *[
        Formula.of(getattr(loss, name))
        for loss in LOSSES.values()
        for name in dir(loss)
        if name.endswith("formula") and getattr(loss, name)
    ],
]


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.show)
def test_every_formula_can_be_set(formula: Formula) -> None:
    notation = Notation()
    for writer in (Writer(notation), Latex(notation), MathML(notation)):
        shown = writer(parse(formula))
        assert shown
        assert "**" not in shown
    ElementTree.fromstring(f"<math>{MathML(notation)(parse(formula))}</math>")


@pytest.mark.parametrize(
    ("expression", "plain", "latex"),
    [
        ("-lr * m_hat / (sqrt(v_hat) + epsilon)", "-η · m̂ / (√(v̂) + ε)",
         r"\frac{-\eta \cdot \hat m}{\sqrt{\hat v} + \varepsilon}"),
        ("(z - y)**2", "(z - y)²", r"\left(z - y\right)^{2}"),
        ("z - (a - g)", "z - (a - g)", r"z - \left(a - g\right)"),
        ("z - a - g", "z - a - g", "z - a - g"),
        ("a / (z * y)", "a / (z · y)", r"\frac{a}{z \cdot y}"),
        ("max(z, 0)", "max(z, 0)", r"\max\left(z, 0\right)"),
        ("beta1**t", "β₁^t", r"\beta_1^{t}"),
    ],
)  # fmt: skip
def test_parentheses(expression: str, plain: str, latex: str) -> None:
    formula = Formula(expression)
    assert Writer(Notation())(parse(formula)) == plain
    assert Latex(Notation())(parse(formula)) == latex


def test_numbers_take_the_place_of_letters() -> None:
    write = Writer(Notation())
    assert write(fill(parse(Formula("z if z > 0 else alpha * z")), {"z": -2.0, "alpha": 0.1})) == (
        "0.1 · (-2)"
    )
    assert write(fill(parse(Formula("z - y")), {"z": 1.0, "y": -0.25})) == "1 - (-0.25)"
    assert re.fullmatch(r"1\.235e-09", write(fill(parse(Formula("z")), {"z": 1.23456e-9})))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cr.Notation(digits=0), "digits is 0: use 1 to 17, or None"),
        (lambda: cr.Notation(digits=2.5), "digits is 2.5"),
        (lambda: cr.Paper(alice(), digits=-1), "digits is -1: round to 1 to 17"),
        (lambda: cr.Paper(alice(), decimals={"Q": 2}), 'decimals names "Q", which is no value'),
        (lambda: cr.Paper(alice(), decimals={"A": 2.5}), 'decimals of "A" is 2.5'),
    ],
)
def test_odd_settings(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


TABLE = Table("", ("name", "value"), [("a_b", -0.5), ("c", None)], frozenset({1}))
TABLES = {
    Text: "  name  value\n  a_b    -0.5\n  c",
    Markdown: "| name | value |\n| --- | ---: |\n| a_b | $-0.5$ |\n| c |  |\n",
    LatexBody: "\\begin{tabular}{lr}\nname & value \\\\\na\\_b & $-0.5$ \\\\\nc & \n"
    "\\end{tabular}\n",
    Html: "<table><thead><tr><th>name</th><th>value</th></tr></thead><tbody>"
    "<tr><td>a_b</td><td><math><mrow><mo>(</mo><mrow><mo>-</mo><mn>0.5</mn></mrow><mo>)</mo></mrow>"
    "</math></td></tr><tr><td>c</td><td></td></tr></tbody></table>\n",
}


@pytest.mark.parametrize("form", TABLES, ids=lambda form: form.__name__)
def test_a_table_in_every_format(form: type[Format]) -> None:
    assert form().write([TABLE]) == TABLES[form]


def test_a_page_in_every_format() -> None:
    blocks = [Heading("A", level=2), Prose("b & c"), Equation((parse(Formula("z")),), "so"),
              Heading("How", "0.W[0,0]")]  # fmt: skip
    assert Text().write(blocks) == "A\n  b & c\n  z   (so)\n\nHow 0.W[0,0]"
    assert Markdown().write(blocks) == "## A\n\nb & c\n\n$z$ (so)\n\n### How 0.W[0,0]\n"
    latex = LatexBody().write(blocks).splitlines()
    assert latex[:2] == [r"\paragraph{A}", r"b \& c"]
    assert latex[2:] == [r"\[ z\quad\text{(so)} \]", r"\paragraph{How 0.W[0,0]}"]
    html = Html().write(blocks).splitlines()
    assert html[:2] == ["<h2>A</h2>", "<p>b &amp; c</p>"]
    assert html[3] == "<h3>How 0.W[0,0]</h3>"


def test_labels_need_an_order() -> None:
    with pytest.raises(ValueError, match="by is 'x': number the weights by 'unit' or by 'input'"):
        cr.text_labels(alice(), by="x")
