"""The table of operations: what has a row runs compiled, what has none runs on the readable engine,
and a class that was only added to `core` changes nothing else.
"""

import inspect
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support.compiled_runs import python
from support.tables import LAYER_VARIANTS, LAYERS

import chainrule as cr
from chainrule.core import losses, optimizers
from chainrule.core.epoch import StepSettings

SRC = Path(__file__).parents[1] / "src"


def reason(layers: list[cr.Layer], loss: cr.Loss, optimizer: cr.Optimizer) -> str | None:
    """Why the compiled engine cannot train a network of these layers."""
    from chainrule.compiled import operations

    net = cr.Network(5, [cr.Dense(3), *layers], rng=0)
    return operations.unsupported(net, StepSettings(loss, optimizer, 0.1))


@pytest.mark.parametrize("name", LAYERS | LAYER_VARIANTS)
def test_every_layer_has_a_row(name: str) -> None:
    layer = (LAYERS | LAYER_VARIANTS)[name]
    assert reason([layer], cr.SquaredError(), cr.SGD()) is None


@pytest.mark.parametrize("name", [name for name in losses.LOSSES if name != "sum_of_errors"])
def test_every_loss_has_a_row(name: str) -> None:
    assert reason([], losses.LOSSES[name](), cr.SGD()) is None


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_has_a_row(name: str) -> None:
    assert reason([], cr.SquaredError(), optimizers.OPTIMIZERS[name]()) is None


def test_what_has_no_row_is_named_in_a_sentence() -> None:
    said = reason([], cr.SumOfErrors(), cr.SGD())
    assert said == "the loss SumOfErrors has no compiled kernel"


def test_each_class_has_one_row_and_its_settings() -> None:
    from chainrule.compiled.operations import LOSSES, NUMBERS, OPERATIONS

    assert len(NUMBERS) == len(OPERATIONS)
    forms = [(row.of, row.of_classes) for row in LOSSES]
    assert len(set(forms)) == len(forms)
    rows: list[tuple[Any, list[str]]] = [
        *[(row.of, [*row.settings, *filter(None, [row.whole])]) for row in OPERATIONS],
        *[(row.of, list(filter(None, [row.setting]))) for row in LOSSES],
    ]
    for of, settings in rows:
        if inspect.isclass(of):
            assert [name for name in settings if not hasattr(of(**needed(of)), name)] == []


def test_kernels_read_every_setting_of_the_optimizers() -> None:
    """But the weight decay, which a schedule may drive: each step gets its own."""
    from chainrule.compiled.operations import OPTIMIZER_SETTINGS, OPTIMIZERS

    names = {field.name for optimizer in OPTIMIZERS for field in fields(optimizer)}
    assert names - {"weight_decay"} == set(OPTIMIZER_SETTINGS)


def needed(of: type) -> dict[str, Any]:
    """Arguments for a class that cannot be made without any."""
    return {cr.Dense: {"n": 3}, cr.CategoryEmbedding: {"groups": ((0, 2),)}}.get(of, {})


# CONTRIBUTING.md's recipe for each kind: a class, its name.
ACTIVATION = '''
@dataclass(frozen=True)
class Squareplus(ElementwiseLayer):
    """A = (Z + √(Z² + 4)) / 2."""

    name, formula = "squareplus", "(z + sqrt(z**2 + 4)) / 2"
    slope_formula = "1 / 2 + z / (2 * sqrt(z**2 + 4))"

    def values(self, Z: Array) -> Array:
        return (Z + np.sqrt(Z * Z + 4.0)) / 2.0

    def slopes(self, Z: Array, A: Array) -> Array:
        return 0.5 + 0.5 * Z / np.sqrt(Z * Z + 4.0)


@dataclass(frozen=True)
class PReLU('''
LAYER = '''
@dataclass(frozen=True)
class Offset(Layer):
    """Y = X + c."""

    reach, linear = "unit", True

    def shapes(self, n_in: int) -> tuple[int, Shapes, Shapes]:
        return n_in, {"c": (n_in,)}, {}

    def initialize(self, p: Arrays, rng: np.random.Generator, X: Array | None = None) -> None:
        p["c"][...] = 0.5

    def forward(self, p, X, *, train=False, rng=None):
        return X + p["c"], {"X": X}

    def backward(self, p, cache, dY):
        return dY, {"c": dY.sum(axis=0)}

    def equations(self, n_in: int) -> tuple[Equation, ...]:
        return "Y[r,j] = X[r,j] + c[j]", "dX[r,j] = dY[r,j]", "dc[j] = sum_r(dY[r,j])"


def within('''
LOSS = '''
@dataclass(frozen=True)
class QuarticError(Loss):
    """l = (z - y)⁴."""

    formula, slope_formula = "(z - y)**4", "4 * (z - y)**3"

    def terms(self, Z: Array, Y: Array) -> Array:
        return (Z - Y) ** 4

    def slopes(self, Z: Array, Y: Array) -> Array:
        return 4 * (Z - Y) ** 3


def _ratio('''
OPTIMIZER = '''
@dataclass(frozen=True)
class SignDescent(Optimizer):
    """delta = -lr sign(g)."""

    stages = (("delta", "-lr * sign(g)"),)

    def update(self, grad, state, theta, lr, decay=None):
        return -lr * np.sign(grad)


OPTIMIZERS: '''
RECIPE = {
    "core/activation_layers.py": ("\n@dataclass(frozen=True)\nclass PReLU(", ACTIVATION),
    "core/layers.py": ("\ndef within(", LAYER),
    "core/losses.py": ("\ndef _ratio(", LOSS),
    "core/optimizers.py": ("\nOPTIMIZERS: ", OPTIMIZER),
    "__init__.py": (
        "_HOME = {name: home",
        "_HOMES['core.activation_layers'] += ['Squareplus']\n_HOMES['core.layers'] += ['Offset']\n"
        "_HOMES['core.losses'] += ['QuarticError']\n"
        "_HOMES['core.optimizers'] += ['SignDescent']\n_HOME = {name: home",
    ),
}
ADDED = """
import sys
import warnings
import numpy as np
import chainrule as cr
rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
def used(*layers, loss=cr.SquaredError(), optimizer=cr.Adam()):
    net = cr.Network(3, [cr.Dense(4), *layers, cr.Dense(1)], rng=0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        run = list(cr.train(net, loss, optimizer, X, X[:, 0], epochs=2, lr=0.01, rng=0,
                            engine="compiled"))
    step = cr.trace_step(net, loss, optimizer, X[:2], X[:2, 0], lr=0.1)
    proof, page = cr.verify(step), str(cr.explain(step, "0.W[0,0]"))
    cr.save(cr.Model(net, loss), sys.argv[1])
    same = np.array_equal(cr.load(sys.argv[1]).net.predict(X), net.predict(X))
    whole = bool(proof) and proof.unknown == () and "Backwards" in page and same
    print(run[-1].engine, whole, *[w.message for w in warned], sep="; ")
used(cr.Squareplus())
used(cr.Residual([cr.Dense(4), cr.ParametricActivation("squareplus")]))
used(cr.Offset())
used(cr.Tanh(), loss=cr.QuarticError())
used(cr.Tanh(), optimizer=cr.SignDescent())
used(cr.GELU(), cr.ParametricActivation("mish"))
"""


def test_what_is_added_by_the_recipe_runs_is_explained_proven_and_stored(tmp_path: Path) -> None:
    """It trains on the readable engine, with a warning; all others on the compiled one."""
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for file, (before, after) in RECIPE.items():
        path = tmp_path / "src" / "chainrule" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1
        path.write_text(text.replace(before, after), encoding="utf-8")
    # Uncompiled kernels: the copy's would be compiled for minutes.
    model = tmp_path / "model.safetensors"
    done = python(ADDED, model, PYTHONPATH=str(tmp_path / "src"), NUMBA_DISABLE_JIT="1")
    *own, last = done.stdout.splitlines()
    assert last == "compiled; True"
    kinds = [("layer", "Squareplus")] * 2
    kinds += [("layer", "Offset"), ("loss", "QuarticError"), ("optimizer", "SignDescent")]
    for line, (kind, name) in zip(own, kinds, strict=True):
        assert line.startswith("readable; True; ")
        assert f"the {kind} {name} has no compiled kernel: the readable engine runs" in line
