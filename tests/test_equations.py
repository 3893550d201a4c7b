"""Equations that classes state: one's own are explained, proven and copied like ours; false and
unreadable ones are found.
"""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.equations import EquationText
from chainrule.core.optimizers import State

X, Y = np.array([[0.3, -1.2], [0.8, 0.5], [-0.4, 0.9]]), np.array([[0.2], [-0.7], [1.1]])


@dataclass(frozen=True)
class Square(cr.Layer):
    """A = factor * Z², one factor for each unit."""

    slope: str = "2 * factor[j] * Z[r,j]"
    reach, takes = "unit", "Z"

    def shapes(self, n_in: int) -> Any:
        return n_in, {"factor": (n_in,)}, {}

    def initialize(self, p: Any, rng: Any, X: Any = None) -> None:
        p["factor"][...] = 0.5

    def forward(self, p: Any, Z: Any, *, train: bool = False, rng: Any = None) -> Any:
        A = p["factor"] * Z * Z
        return A, {"Z": Z, "A": A}

    def backward(self, p: Any, cache: Any, dA: Any) -> Any:
        Z = cache["Z"]
        return dA * 2 * p["factor"] * Z, {"factor": (dA * Z * Z).sum(axis=0)}

    def equations(self, n_in: int) -> tuple[EquationText, ...]:
        return (
            "A[r,j] = factor[j] * Z[r,j]**2",
            f"dZ[r,j] = dA[r,j] * ({self.slope})",
            "dfactor[j] = sum_r(dA[r,j] * Z[r,j]**2)",
        )


@dataclass(frozen=True)
class Quartic(cr.Loss):
    """l = (z - y)⁴."""

    formula, slope_formula = "(z - y)**4", "4 * (z - y)**3"

    def terms(self, Z: Any, Y: Any) -> Any:
        return (Z - Y) ** 4

    def slopes(self, Z: Any, Y: Any) -> Any:
        return 4 * (Z - Y) ** 3


@dataclass(frozen=True, kw_only=True)
class Halved(cr.Optimizer):
    """s ← (s + g) / 2,  delta = -lr s."""

    stages = (("s", "(s_before + g) / 2"), ("delta", "-lr * s"))

    def init(self, theta: Any) -> State:
        return {"s": np.zeros_like(theta)}

    def update(self, grad: Any, state: Any, theta: Any, lr: Any, decay: Any = None) -> Any:
        state["s"][...] = (state["s"] + grad) / 2
        return -lr * state["s"]


def trace(
    layer: cr.Layer, loss: cr.Loss | None = None, optimizer: cr.Optimizer | None = None
) -> cr.Trace:
    net = cr.Network(2, [cr.Dense(3), layer, cr.Dense(1)], rng=0)
    return cr.trace_step(net, loss or Quartic(), optimizer or Halved(), X, Y, lr=0.1)


def test_own_classes_are_proven_whole() -> None:
    proof = cr.verify(trace(Square()))
    assert proof
    assert proof.unknown == ()
    names = {check.address.partition("[")[0] for check in proof.checks}
    assert {"1.A", "0.dZ", "1.dfactor", "l", "dl_dZ", "0.W.s", "0.W.delta"} <= names
    assert len(proof.differences) == proof.parameters


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("1.A[0,0]", "factor · z²"), ("0.dZ[0,0]", "2 · factor · z"), ("1.factor[0]", "z²"),
        ("l[0,0]", "(z - y)^4"), ("0.W.s[0,0]", "(s_before + g) / 2"),
    ],
)  # fmt: skip
def test_own_classes_are_explained(address: str, shown: str) -> None:
    assert shown in str(cr.explain(trace(Square()), address, row=0))


@pytest.mark.parametrize("address", ["1.A[2,1]", "0.dZ[1,0]", "1.dfactor[2]", "0.W.after[1,2]"])
def test_own_classes_are_copied_as_python(address: str) -> None:
    step = trace(Square())
    name, index = step.find(address)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(cr.to_python(step, address), {})  # noqa: S102
    assert float(printed.getvalue()) == pytest.approx(step.values[name][index], rel=1e-12)


def test_a_false_equation_is_refused_at_its_place() -> None:
    proof = cr.verify(trace(Square(slope="factor[j] * Z[r,j]")))
    assert not proof
    assert {check.address.partition("[")[0] for check in proof.failures} == {"0.dZ"}


@pytest.mark.parametrize("slope", ["2 * factr[j]", "2 * setting", "2 *", "2 * factor[r,j]"])
def test_an_equation_that_cannot_be_read_is_named(slope: str) -> None:
    with pytest.raises(ValueError, match="Square states .* which cannot be read"):
        cr.verify(trace(Square(slope=slope)))


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"formula": "margin * (z - y)**4"}, "'Wrong' object has no attribute 'margin'"),
        ({"slope_formula": "4 * (z - y)**"}, "invalid syntax"),
        ({"link_formula": "z * total", "symbols": {"total": "sum_k(Z[r,k] * margin)"}}, "'margin'"),
        ({"link_formula": "z * W[r,k]"}, "W"),
    ],
    ids=["a name", "syntax", "a symbol", "an array"],
)
def test_a_formula_of_a_loss_that_cannot_be_read_is_named(stated: Any, reason: str) -> None:
    wrong = type("Wrong", (Quartic,), stated)()
    with pytest.raises(ValueError, match="Wrong states .* which cannot be read: ") as refused:
        cr.verify(trace(Square(), loss=wrong))
    assert reason in str(refused.value)
    assert repr(next(iter(stated.values()))) in str(refused.value)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("-lr * s * momentum", "'Wrong' object has no attribute 'momentum'"),
        ("-lr * s_befor", "'Wrong' object has no attribute 's_befor'"),
        ("-lr * (s", "was never closed"),
    ],
)
def test_a_stage_of_an_optimizer_that_cannot_be_read_is_named(formula: str, reason: str) -> None:
    stages = (*Halved.stages[:-1], ("delta", formula))
    wrong = type("Wrong", (Halved,), {"stages": stages})()
    with pytest.raises(ValueError, match="Wrong states .* which cannot be read: ") as refused:
        cr.explain(trace(Square(), optimizer=wrong), "0.W[0,0]")
    assert reason in str(refused.value)
    assert repr(formula) in str(refused.value)


def test_a_formula_may_name_an_attribute_of_its_class() -> None:
    """As an equation of a layer may."""
    gentle = type("Gentle", (Halved,), {"half": 0.5, "stages": (
        ("s", "(s_before + g) * half"), Halved.stages[-1],
    )})()  # fmt: skip
    proof = cr.verify(trace(Square(), optimizer=gentle))
    assert proof
    assert proof.unknown == ()


def test_a_layer_that_states_nothing_is_left_out_of_the_proof() -> None:
    class Silent(Square):
        def equations(self, n_in: int) -> tuple[EquationText, ...]:
            return ()

    proof = cr.verify(trace(Silent()))
    assert set(proof.unknown) == {"1.A", "0.dZ", "1.dfactor"}
    assert proof


class Doubled(cr.Dense):
    """Z = 2 X W, which inherits from a layer that states something else."""

    def forward(self, p: Any, X: Any, *, train: bool = False, rng: Any = None) -> Any:
        Z = 2 * (X @ p["W"])
        return Z, {"X": X, "Z": Z}

    def backward(self, p: Any, cache: Any, dZ: Any) -> Any:
        return 2 * dZ @ p["W"].T, {"W": 2 * cache["X"].T @ dZ}


class Softplus(cr.SquaredError):
    """ŷ = ln(1 + e^z) under a squared error of it."""

    def link(self, Z: Any) -> Any:
        return np.logaddexp(0, Z)

    def terms(self, Z: Any, Y: Any) -> Any:
        return (self.link(Z) - Y) ** 2

    def slopes(self, Z: Any, Y: Any) -> Any:
        return 2 * (self.link(Z) - Y) / (1 + np.exp(-Z))


class Slower(cr.Adam):
    """Half of Adam's step."""

    def update(self, grad: Any, state: Any, theta: Any, lr: Any, decay: Any = None) -> Any:
        return super().update(grad, state, theta, lr) / 2


def test_what_overrides_a_method_inherits_no_equation_about_it() -> None:
    net = cr.Network(2, [Doubled(3, bias=False), cr.Tanh(), cr.Dense(1)], rng=0)
    step = cr.trace_step(net, Softplus(), Slower(), X, Y, lr=0.1)
    proof = cr.verify(step)
    assert proof
    assert {"0.Z", "0.dW", "Yhat", "l", "dl_dZ", "0.W.delta"} <= set(proof.unknown)
    value = step.values["0.Z"][0, 0]
    assert cr.to_python(step, "0.Z[0,0]") == f"print({float(value)!r})\n"


class Steeper(cr.Tanh):
    """tanh with twice its slope."""

    def slopes(self, Z: Any, A: Any) -> Any:
        return 2 * super().slopes(Z, A)


def test_an_activation_that_overrides_its_slope_keeps_the_formula_of_its_value_alone() -> None:
    net = cr.Network(2, [cr.Dense(3), Steeper(), cr.Dense(1)], rng=0)
    step = cr.trace_step(net, Quartic(), Halved(), X, Y, lr=0.1)
    proof = cr.verify(step)
    assert "0.dZ" in proof.unknown
    assert "1.A" not in proof.unknown
    assert "0.W[0,0]" in str(cr.why(step, "0.W[0,0]", 0.5))
    value = step.values["0.dZ"][0, 0]
    assert cr.to_python(step, "0.dZ[0,0]") == f"print({float(value)!r})\n"


def test_every_layer_of_ours_states_its_equations() -> None:
    from support.tables import LAYER_VARIANTS, LAYERS

    for name, layer in (LAYERS | LAYER_VARIANTS).items():
        net = cr.Network(3, [layer, cr.Dense(1)], rng=1)
        rows = np.random.default_rng(0).normal(size=(4, 3))
        step = cr.trace_step(net, cr.SquaredError(), cr.SGD(), rows, rows[:, :1], lr=0.1, rng=0)
        assert cr.verify(step).unknown == (), name


@dataclass(frozen=True)
class Cubic(cr.Penalty):
    """P = l2 Σ f|θ|³."""

    formula = "f * l2 * abs(theta)**3"
    slope_formula = "f * l2 * 3 * theta * abs(theta)"

    def value(self, theta: Any, factor: Any) -> float:
        return float(self.l2 * np.sum(factor * np.abs(theta) ** 3))

    def grad(self, theta: Any, factor: Any) -> Any:
        return factor * self.l2 * 3 * theta * np.abs(theta)


@dataclass(frozen=True)
class Silent(Cubic):
    """The same, with methods of its own and so without formulas."""

    def value(self, theta: Any, factor: Any) -> float:
        return super().value(theta, factor)

    def grad(self, theta: Any, factor: Any) -> Any:
        return super().grad(theta, factor)


def penalised(penalty: cr.Penalty) -> cr.Trace:
    net = cr.Network(2, [cr.Dense(1)], rng=0)
    return cr.trace_step(net, cr.SquaredError(), cr.Adam(), X, Y, lr=0.1, penalty=penalty)


@pytest.mark.parametrize("per_row", [False, True])
def test_a_penalty_of_your_own_is_explained_and_proven(per_row: bool) -> None:
    trace = penalised(Cubic(l2=0.3, per_row=per_row))
    proof = cr.verify(trace)
    assert proof
    assert proof.differences
    assert not proof.unknown
    first = cr.explain(trace, "0.W[1,0]").steps[0]
    theta = trace.net["0.W"][1, 0]
    assert first.formula is not None
    assert first.formula.show == Cubic.slope_formula
    assert first.value == pytest.approx(0.9 * theta * abs(theta) / (3 if per_row else 1))


def test_a_penalty_with_methods_of_its_own_inherits_no_formula() -> None:
    proof = cr.verify(penalised(Silent(l2=0.3)))
    assert proof
    assert set(proof.unknown) == {"penalty", "0.W.penalty", "0.b.penalty"}
    assert cr.Penalty.formula
    assert not Silent.formula
    assert not Silent.slope_formula


def test_a_penalty_that_names_something_unknown_ends_in_a_sentence() -> None:
    @dataclass(frozen=True)
    class Wrong(cr.Penalty):
        slope_formula = "f * strength * theta"

    with pytest.raises(ValueError, match="Wrong states .*strength.*cannot be read"):
        cr.verify(penalised(Wrong(l2=0.3)))


@pytest.mark.parametrize(
    ("penalty", "note"),
    [
        (cr.Penalty(l2=0.3), "Σ f (l1 |θ| + l2 θ² / 2) of all parameters"),
        (Cubic(l2=0.3), f"the sum of {Cubic.formula} over all parameters"),
        (Silent(l2=0.3), "given"),
    ],
)
def test_the_page_of_a_penalty_says_what_it_is_the_sum_of(penalty: cr.Penalty, note: str) -> None:
    page = cr.explain(penalised(penalty), "penalty")
    assert page.equation is not None
    assert page.equation.note == note
