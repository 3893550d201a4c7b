"""The table of operations: what has a row runs compiled, what has none runs on the readable engine,
and a class that was only added to `core` changes nothing else.
"""

import inspect
import shutil
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
    from chainrule.compiled.operations import LOSSES, NUMBERS, OPERATIONS, OPTIMIZERS

    assert len(NUMBERS) == len(OPERATIONS)
    forms = [(row.of, row.of_classes) for row in LOSSES]
    assert len(set(forms)) == len(forms)
    assert len({row.of for row in OPTIMIZERS}) == len(OPTIMIZERS)
    rows: list[tuple[Any, list[str]]] = [
        *[(row.of, [*row.settings, *filter(None, [row.whole])]) for row in OPERATIONS],
        *[(row.of, list(filter(None, [row.setting]))) for row in LOSSES],
        *[(row.of, list(row.settings)) for row in OPTIMIZERS],
    ]
    for of, settings in rows:
        if inspect.isclass(of):
            assert [name for name in settings if not hasattr(of(**needed(of)), name)] == []


def needed(of: type) -> dict[str, Any]:
    """Arguments for a class that cannot be made without any."""
    return {cr.Dense: {"n": 3}, cr.CategoryEmbedding: {"groups": ((0, 2),)}}.get(of, {})


# CONTRIBUTING.md's recipe for a new activation: a row, a class, its name.
ROW = """
    Activation(
        "squareplus",
        lambda Z, _: (Z + np.sqrt(Z * Z + 4.0)) / 2.0,
        lambda Z, A, _: 0.5 + 0.5 * Z / np.sqrt(Z * Z + 4.0),
        "(z + sqrt(z² + 4)) / 2",
        "1/2 + z / (2 sqrt(z² + 4))",
    ),
)

ACTIVATIONS: """
CLASS = '''
@dataclass(frozen=True)
class Squareplus(ElementwiseLayer):
    """A = (Z + √(Z² + 4)) / 2."""

    activation = ACTIVATIONS["squareplus"]


@dataclass(frozen=True)
class PReLU('''
ADDED = """
import warnings
import numpy as np
import chainrule as cr
from chainrule.core.activation_layers import Squareplus
rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
def trained(*layers):
    net = cr.Network(3, [cr.Dense(4), *layers, cr.Dense(1)], rng=0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        run = list(cr.train(net, cr.SquaredError(), cr.Adam(), X, X[:, 0], epochs=2, lr=0.01, rng=0,
                            engine="compiled"))
    net.predict(X)
    print(run[-1].engine, *[w.message for w in warned], sep="; ")
trained(Squareplus())
trained(cr.Residual([cr.Dense(4), cr.ParametricActivation("squareplus")]))
trained(cr.GELU(), cr.ParametricActivation("mish"))
"""


def test_an_activation_that_was_added_to_core_alone(tmp_path: Path) -> None:
    """Networks with it train on the readable engine, with a warning; all others on the compiled."""
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    core = tmp_path / "src" / "chainrule" / "core"
    for file, before, after in (
        ("activations.py", "\n)\n\nACTIVATIONS: ", ROW),
        ("activation_layers.py", "\n@dataclass(frozen=True)\nclass PReLU(", CLASS),
        (
            "activation_layers.py",
            "Softsign, HardSigmoid, HardTanh,",
            "Softsign, HardSigmoid, HardTanh, Squareplus,",
        ),
    ):
        text = (core / file).read_text(encoding="utf-8")
        assert text.count(before) == 1
        (core / file).write_text(text.replace(before, after), encoding="utf-8")
    # Uncompiled kernels: the copy's would be compiled for minutes.
    done = python(ADDED, PYTHONPATH=str(tmp_path / "src"), NUMBA_DISABLE_JIT="1")
    why = "the layer Squareplus has no compiled kernel: the readable engine runs instead"
    assert done.stdout.splitlines() == [f"readable; {why}", f"readable; {why}", "compiled"]
