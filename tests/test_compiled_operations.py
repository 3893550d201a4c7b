"""The table of operations: what has a row runs compiled, what has none runs on the readable engine,
and a class that was only added to `core` changes nothing else.
"""

import inspect
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support.compiled_runs import python
from support.recipe import CLASSES, KERNELS, Addition, copied
from support.tables import LAYER_VARIANTS, LAYERS

import chainrule as cr
from chainrule.core import losses, optimizers
from chainrule.core.epoch import StepSettings


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


def followed(folder: Path, additions: Iterable[Addition], what: str, **variables: str) -> list[str]:
    """What the checks print for each class that is added to a copy of the sources."""
    paths = os.pathsep.join([str(copied(folder / "src", additions)), str(Path(__file__).parent)])
    done = python(
        "import sys; from support.recipe_checks import main; main(*sys.argv[1:])", what,
        folder / "model.safetensors", PYTHONPATH=paths, CHAINRULE_CACHE=str(folder / "kernels"),
        **variables,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_what_the_recipe_adds_runs_on_both_engines_is_explained_proven_and_stored(
    tmp_path: Path,
) -> None:
    """It compiles the kernels of the copy: most of a minute."""
    assert followed(tmp_path, [*CLASSES, *KERNELS], "check") == [
        "ISRU: compiled",
        "Offset: compiled",
        "PseudoHuber: compiled",
        "Bounded: compiled",
        "Falling: compiled",
    ]


def test_what_has_no_row_runs_on_the_readable_engine_with_the_reason(tmp_path: Path) -> None:
    """A schedule needs no kernel. The kernels run uncompiled, which saves a minute."""
    why = "has no compiled kernel: the readable engine runs instead"
    assert followed(tmp_path, CLASSES, "say", NUMBA_DISABLE_JIT="1") == [
        f"ISRU: readable; the layer ISRU {why}",
        f"Offset: readable; the layer Offset {why}",
        f"PseudoHuber: readable; the loss PseudoHuber {why}",
        f"Bounded: readable; the optimizer Bounded {why}",
        "Falling: compiled",
    ]
