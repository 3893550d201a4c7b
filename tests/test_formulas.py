"""The formulas that explanations show are those that the core computes: the textbook's form and the
stable one, for every activation, loss and optimizer.
"""

from dataclasses import fields

import numpy as np
import pytest
from support import tables

import chainrule as cr
from chainrule.core.activation_layers import ACTIVATION_LAYERS
from chainrule.core.losses import LOSSES as CORE_LOSSES
from chainrule.core.optimizers import OPTIMIZERS as CORE_OPTIMIZERS
from chainrule.formulas import ACTIVATIONS, LOSSES, OPTIMIZERS, Formula, evaluate

Z = np.array([[-31.0, -3.5, -2.0, -0.7, -1e-9, 0.0, 1e-9, 0.3, 1.0, 2.5, 4.0, 30.0]])
NEAR = {"rtol": 1e-13, "atol": 1e-300}


def both(formula: Formula) -> list[Formula]:
    return [formula, Formula(formula.show)]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    layer = getattr(cr, name)()
    p = {"alpha": np.full(Z.shape[1], 0.25)} if name == "PReLU" else {}
    A, cache = layer.forward(p, Z)
    slopes = layer.backward(p, cache, np.ones_like(Z))[0]
    alpha = 0.25 if name == "PReLU" else getattr(layer, "alpha", 0.0)
    for j, z in enumerate(Z[0].tolist()):
        names = {"z": z, "a": float(A[0, j]), "alpha": alpha}
        np.testing.assert_allclose(evaluate(ACTIVATIONS[name].value, names), A[0, j], **NEAR)
        np.testing.assert_allclose(evaluate(ACTIVATIONS[name].slope, names), slopes[0, j], **NEAR)
        for formula, exact in ((ACTIVATIONS[name].value, A), (ACTIVATIONS[name].slope, slopes)):
            shown = evaluate(Formula(formula.show), names)
            np.testing.assert_allclose(shown, exact[0, j], rtol=1e-6, atol=1e-12)


def test_every_activation_loss_and_optimizer_has_formulas() -> None:
    assert set(ACTIVATIONS) == {cls.__name__ for cls in ACTIVATION_LAYERS.values()}
    assert set(LOSSES) == {cls.__name__ for cls in CORE_LOSSES.values()}
    assert set(OPTIMIZERS) == {cls.__name__ for cls in CORE_OPTIMIZERS.values()}


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "SoftmaxCrossEntropy"])
def test_losses(name: str) -> None:
    loss, goal = getattr(cr, name)(), LOSSES[name]
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(20, 1)) * 2
    targets = {"BinaryCrossEntropy": rng.random(20), "Poisson": rng.integers(1, 5, 20),
               "Hinge": rng.integers(0, 2, 20) * 2 - 1}.get(name, rng.normal(size=20))  # fmt: skip
    Y = loss.targets(outputs, np.asarray(targets, float))
    slopes = None if name == "SumOfErrors" else loss.slopes(outputs, Y)
    unfused = None if name == "SumOfErrors" else loss.factors(outputs, np.asarray(targets, float))
    for i, z in enumerate(outputs[:, 0].tolist()):
        names = {"z": z, "y": float(Y[i, 0]), "p": float(loss.link(outputs)[i, 0]),
                 "delta": 1.0, "q": 0.5}  # fmt: skip
        pairs = [(goal.link, loss.link(outputs)), (goal.value, loss.terms(outputs, Y))]
        if slopes is not None and unfused is not None:
            pairs += [(goal.slope, slopes), (goal.outer, unfused["dl_dYhat"]),
                      (goal.inner, unfused["dYhat_dZ"])]  # fmt: skip
        for formula, exact in pairs:
            for form in both(formula):
                np.testing.assert_allclose(
                    evaluate(form, names), exact[i, 0], rtol=1e-12, atol=1e-14
                )


def test_softmax() -> None:
    loss, goal = cr.SoftmaxCrossEntropy(), LOSSES["SoftmaxCrossEntropy"]
    outputs = np.random.default_rng(0).normal(size=(4, 3))
    Y, P = loss.targets(outputs, np.array([0, 2, 1, 1])), loss.link(outputs)
    for i in range(4):
        terms = []
        for k in range(3):
            total = np.exp(outputs[i]).sum()
            names = {"z": outputs[i, k], "y": Y[i, k], "p": P[i, k], "total": total,
                     "level": np.log(total)}  # fmt: skip
            np.testing.assert_allclose(evaluate(goal.link, names), P[i, k], rtol=1e-14)
            for form in (goal.link, goal.value):
                shown = evaluate(Formula(form.show), names)
                assert shown == pytest.approx(evaluate(form, names), rel=1e-13)
            np.testing.assert_allclose(evaluate(goal.slope, names), loss.slopes(outputs, Y)[i, k])
            terms.append(evaluate(goal.value, names))
        np.testing.assert_allclose(sum(terms), loss.terms(outputs, Y)[i].sum(), rtol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    optimizer = next(o for o in tables.OPTIMIZERS.values() if type(o).__name__ == name)
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
            for stage in OPTIMIZERS[name]:
                names[stage.name] = evaluate(stage.value, names)
                if stage.name in state:
                    np.testing.assert_allclose(names[stage.name], state[stage.name][i], rtol=1e-15)
            np.testing.assert_allclose(names["delta"], delta[i], rtol=1e-14)
