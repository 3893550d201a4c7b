"""What a class that was added by the recipe must do, for a process that imports the copy: it trains
on both engines alike, its step is explained, proven and copied, its model is saved and loaded.
"""

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from support.compiled_cases import Case, apart
from support.tables import LossCase, numbers
from support.traces import address, printed, traced

cr: Any = chainrule  # the copy, which has more names
PLAIN = Case(
    3, (cr.Dense(4), cr.Tanh()), LossCase(cr.SquaredError(), 2, numbers(2)), cr.Adam(), 0.05,
    "float64", 23, 8, seed=3,
)  # fmt: skip
USES = {
    "ISRU": replace(PLAIN, layers=(
        cr.Dense(4), cr.ISRU(2.0), cr.Dense(3), cr.ParametricActivation("isru"),
    )),
    "Offset": replace(PLAIN, layers=(
        cr.Dense(4), cr.Offset(), cr.Residual((cr.Offset(0.2, 1.5), cr.Tanh())),
    )),
    "PseudoHuber": replace(PLAIN, goal=LossCase(cr.PseudoHuber(0.7), 2, numbers(2))),
    "Bounded": replace(PLAIN, optimizer=cr.Bounded(keep=0.6), clip=0.5),
    "Falling": replace(
        PLAIN, layers=(*PLAIN.layers, cr.Dropout(cr.Falling(0.4))), lr=cr.Falling(0.05)
    ),
}  # fmt: skip
SHOWN = {
    "ISRU": "z / √(1 + α · z²)",
    "Offset": "x + strength · c",
    "PseudoHuber": "√(width² + (z - y)²) - width",
    "Bounded": "keep · u_before + (1 - keep) · g",
    "Falling": "x · m",
}
"""A formula of the class in the page of the first weight."""


def check_engines(case: Case) -> None:
    """As test_compiled_parity.py compares them; and the numbers do move."""
    start, readable = case.net().theta, case.follow("readable", 10)
    assert np.abs(readable[-1][2 : 2 + start.size] - start).min() > 1e-4
    assert apart(case.follow("compiled", 1), case.follow("readable", 1)) <= 1e-12
    noise = max(apart(case.follow("readable", 10, seed), readable) for seed in range(3))
    assert noise < 1e-6
    assert apart(case.follow("compiled", 10), readable) <= max(100 * noise, 1e-12)
    net, X = case.net(), case.data()["X"]
    np.testing.assert_allclose(net.predict(X), net.forward(X)[0], rtol=1e-12, atol=1e-12)


def check_trace(case: Case, formula: str) -> None:
    """Every number of a step is explained and copied, and the step is proven."""
    step = traced(replace(case, rows=3))
    proof = cr.verify(step)
    assert proof, str(proof)
    assert proof.unknown == ()
    for name, value in step.values.items():
        place = address(name, tuple(n - 1 for n in value.shape))
        right = float(value.flat[-1])
        found = cr.explain(step, place)
        assert math.isclose(found.value, right, rel_tol=1e-12), place
        assert math.isclose(printed(cr.to_python(step, place)), right, rel_tol=1e-9), place
    page = str(cr.explain(step, "0.W[0,0]"))
    assert formula in page, page


def check_file(case: Case, file: Path) -> None:
    """The layers, the loss, the numbers and the predictions are those that were saved."""
    net, X = case.net(), case.data()["X"]
    cr.save(cr.Model(net, case.goal.loss), file)
    model = cr.load(file)
    assert model.net.layers == net.layers
    assert model.loss == case.goal.loss
    np.testing.assert_array_equal(model.net.numbers, net.numbers)
    np.testing.assert_array_equal(model.net.predict(X), net.predict(X))


def check(name: str, file: Path) -> None:
    """Everything, for one class."""
    try:
        check_engines(USES[name])
        check_trace(USES[name], SHOWN[name])
        check_file(USES[name], file)
    except Exception as error:
        error.add_note(f"with {name}")
        raise


def said(case: Case) -> str:
    """The engine that runs where the compiled one is asked for, and every warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        record = list(case.train(case.net(), case.data(), epochs=1, engine="compiled"))[-1]
    return "; ".join([record.engine, *(str(warning.message) for warning in caught)])


def main(what: str, file: str) -> None:
    """Say for each class which engine runs; before that "check" checks it."""
    for name, case in USES.items():
        if what == "check":
            check(name, Path(file))
        print(name, said(case), sep=": ")
