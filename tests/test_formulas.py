"""The formulas that explanations show are those that the core computes: the textbook's form and the
stable one, for every activation, loss and optimizer.
"""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from support import tables

import chainrule as cr
from chainrule.core.activation_layers import ACTIVATION_LAYERS, ACTIVATIONS
from chainrule.core.losses import LOSSES
from chainrule.core.optimizers import OPTIMIZERS
from chainrule.formulas.expression import Formula, evaluate

Z = np.array([[-31.0, -3.5, -2.0, -0.7, -1e-9, 0.0, 1e-9, 0.3, 1.0, 2.5, 4.0, 30.0]])
NEAR = {"rtol": 1e-13, "atol": 1e-300}


def both(formula: Formula) -> list[Formula]:
    return [formula, Formula(formula.show)]


def settings_of(one: Any) -> dict[str, float]:
    """The numbers that a layer or loss is set to, by name."""
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return {name: value for name, value in values.items() if isinstance(value, float)}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    layer = ACTIVATIONS[name]()
    A, cache = layer.forward({}, Z)
    slopes = layer.backward({}, cache, np.ones_like(Z))[0]
    value, slope = Formula.of(layer.formula), Formula.of(layer.slope_formula)
    for j, z in enumerate(Z[0].tolist()):
        names = {"z": z, "a": float(A[0, j]), **settings_of(layer)}
        np.testing.assert_allclose(evaluate(value, names), A[0, j], **NEAR)
        np.testing.assert_allclose(evaluate(slope, names), slopes[0, j], **NEAR)
        for formula, exact in ((value, A), (slope, slopes)):
            shown = evaluate(Formula(formula.show), names)
            np.testing.assert_allclose(shown, exact[0, j], rtol=1e-6, atol=1e-12)


def test_every_activation_loss_and_optimizer_has_formulas() -> None:
    assert set(ACTIVATIONS) | {"prelu"} == set(ACTIVATION_LAYERS)
    assert all(layer.formula and layer.slope_formula for layer in ACTIVATIONS.values())
    assert all(loss.formula and loss.slope_formula for loss in LOSSES.values())
    assert all(optimizer.stages for optimizer in OPTIMIZERS.values())


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "softmax_cross_entropy"])
def test_losses(name: str) -> None:
    loss = LOSSES[name]()
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(20, 1)) * 2
    targets = {"binary_cross_entropy": rng.random(20), "poisson": rng.integers(1, 5, 20),
               "hinge": rng.integers(0, 2, 20) * 2 - 1}.get(name, rng.normal(size=20))  # fmt: skip
    Y = loss.targets(outputs, np.asarray(targets, float))
    slopes = None if name == "sum_of_errors" else loss.slopes(outputs, Y)
    unfused = None if name == "sum_of_errors" else loss.factors(outputs, np.asarray(targets, float))
    for i, z in enumerate(outputs[:, 0].tolist()):
        names = {"z": z, "y": float(Y[i, 0]), "p": float(loss.link(outputs)[i, 0])}
        names |= settings_of(loss)
        names |= {letter: names[name] for letter, name in loss.symbols.items()}
        pairs = [(loss.link_formula, loss.link(outputs)), (loss.formula, loss.terms(outputs, Y))]
        if slopes is not None and unfused is not None:
            outer = loss.outer_formula or loss.slope_formula
            pairs += [(loss.slope_formula, slopes), (outer, unfused["dl_dYhat"]),
                      (loss.inner_formula, unfused["dYhat_dZ"])]  # fmt: skip
        for formula, exact in pairs:
            for form in both(Formula.of(formula)):
                np.testing.assert_allclose(
                    evaluate(form, names), exact[i, 0], rtol=1e-12, atol=1e-14
                )


def test_softmax() -> None:
    loss = cr.SoftmaxCrossEntropy()
    link, value = Formula.of(loss.link_formula), Formula.of(loss.formula)
    outputs = np.random.default_rng(0).normal(size=(4, 3))
    Y, P = loss.targets(outputs, np.array([0, 2, 1, 1])), loss.link(outputs)
    for i in range(4):
        terms = []
        for k in range(3):
            total = np.exp(outputs[i]).sum()
            names = {"z": outputs[i, k], "y": Y[i, k], "p": P[i, k], "total": total,
                     "level": np.log(total)}  # fmt: skip
            np.testing.assert_allclose(evaluate(link, names), P[i, k], rtol=1e-14)
            for form in (link, value):
                shown = evaluate(Formula(form.show), names)
                assert shown == pytest.approx(evaluate(form, names), rel=1e-13)
            slope = evaluate(Formula.of(loss.slope_formula), names)
            np.testing.assert_allclose(slope, loss.slopes(outputs, Y)[i, k])
            terms.append(evaluate(value, names))
        np.testing.assert_allclose(sum(terms), loss.terms(outputs, Y)[i].sum(), rtol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    optimizer = next(o for o in tables.OPTIMIZERS.values() if type(o) is OPTIMIZERS[name])
    theta, g = np.array([0.5, -2.0]), np.array([0.3, -0.01])
    state = optimizer.init(theta)
    for _ in range(3):
        before = {f"{key}_before": value.copy() for key, value in state.items()}
        delta = optimizer.update(g, state, theta, 0.1, 0.02)
        for i in range(2):
            names = {f.name: getattr(optimizer, f.name) for f in fields(optimizer)}
            names |= {k: v[i] for k, v in before.items() if v.ndim}
            names |= {"t": int(state.get("t", 0)), "lr": 0.1, "decay": 0.02}
            names |= {"g": g[i], "theta": theta[i]}
            for stage, formula in optimizer.stages:
                names[stage] = evaluate(Formula(formula), names)
                if stage in state:
                    np.testing.assert_allclose(names[stage], state[stage][i], rtol=1e-15)
            np.testing.assert_allclose(names["delta"], delta[i], rtol=1e-14)
