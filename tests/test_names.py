"""One word for one thing, in Python, on the command line and in JSON; old names work, and warn."""

import json
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.cli import main
from chainrule.renamed import RenamedAttribute, renamed_arguments

# What only the command line has, and the options that are singular because they are repeated.
COMMAND_ONLY = {"file", "out", "report", "json", "quiet", "verbose", "no_compare", "table"}
PLURAL = {"role": "roles"}


def named_in_python() -> set[str]:
    """The names of everything that Python lets you choose about a training on a table."""
    presets = {field.name for kind in (cr.Strong, cr.Simple) for field in fields(kind)}
    return presets | {*signature(cr.TableData.read).parameters, *signature(cr.TableRun).parameters}


@pytest.mark.parametrize("verb", ["train", "diagnose"])
def test_an_option_has_the_name_that_python_has(verb: str) -> None:
    options = {
        option.lstrip("-").replace("-", "_").lower()
        for parameter in main.get_command(click.Context(main), verb).params
        for option in parameter.opts
    }
    named = {PLURAL.get(option, option) for option in options - COMMAND_ONLY}
    assert named - named_in_python() == set()


def test_the_settings_in_json_have_the_names_that_python_has(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rows = [f"{i},{i % 7},{i * 3}" for i in range(40)]
    table.write_text("\n".join(["a,b,y", *rows]), encoding="utf-8")
    options = ["--preset", "simple", "--epochs", "2", "--no-compare", "--json"]
    arguments = ["train", str(table), "--target", "y", "--out", str(tmp_path / "m"), *options]
    document = json.loads(CliRunner().invoke(main, arguments).stdout)
    settings = {field.name for field in fields(cr.Simple)} - {"name"}
    assert settings - {*document["training"]} == set()
    assert {"seed", "valid_loss", "loss", "threads", "class_weight"} <= {*document["training"]}


@pytest.fixture(scope="module")
def step() -> cr.Trace:
    rng = np.random.default_rng(0)
    net = cr.Network.mlp([3, 4, 2], "tanh", rng=0)
    X, y = rng.normal(size=(5, 3)), rng.integers(0, 2, 5)
    return cr.trace_step(net, cr.SoftmaxCrossEntropy(), cr.SGD(), X, y, lr=0.1)


def old_and_new(step: cr.Trace, folder: Path) -> dict[str, tuple[Any, Any]]:
    """By old name: a function that uses it, and one that uses the new name."""
    net, loss = step.net, step.settings.loss
    X, y = step.batch.X, step.batch.y
    page, proof, health = cr.explain(step, "0.Z[1,2]"), cr.verify(step), cr.Health(net, loss, X, y)
    file = cr.save(net, folder / "net.st")
    session = cr.Session(net, loss, cr.SGD(), X, y, lr=0.1, epochs=2, batch_size=2)
    session.step(3)
    return {
        "explain(most=)": (
            lambda: len(cr.explain(step, "0.W[0,0]", most=1).paths),
            lambda: len(cr.explain(step, "0.W[0,0]", max_listed=1).paths),
        ),
        "Explanation.made": (lambda: page.made, lambda: page.equation),
        "Explanation.count": (lambda: page.count, lambda: page.path_count),
        "Verification.count": (lambda: proof.count, lambda: proof.numbers),
        "Health.look": (lambda: health.look(0).layers, lambda: health.measure(0).layers),
        "load(own=)": (
            lambda: cr.load(file, own=[]).theta.tolist(),
            lambda: cr.load(file, custom=[]).theta.tolist(),
        ),
        "explain(sample=)": (
            lambda: session.explain("0.W[0,0]", sample=1).row,
            lambda: session.explain("0.W[0,0]", row=1).row,
        ),
    }


OLD = [
    "explain(most=)", "Explanation.made", "Explanation.count", "Verification.count", "Health.look",
    "load(own=)", "explain(sample=)",
]  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_an_old_name_still_works_and_warns(name: str, step: cr.Trace, tmp_path: Path) -> None:
    old, new = old_and_new(step, tmp_path)[name]
    with pytest.warns(DeprecationWarning, match="is .* now; the old name") as caught:
        answer = old()
    assert name in str(caught[0].message)
    assert Path(caught[0].filename) == Path(__file__)
    assert answer == new()


OLD_ATTRIBUTES = [
    (cls, attribute)
    for cls in map(cr.__getattr__, cr.__all__)
    if isinstance(cls, type)
    for attribute in vars(cls).values()
    if isinstance(attribute, RenamedAttribute)
]


@pytest.mark.parametrize(("cls", "attribute"), OLD_ATTRIBUTES, ids=lambda v: str(v)[:40])
def test_an_old_attribute_names_one_that_exists(cls: type, attribute: RenamedAttribute) -> None:
    assert attribute.new in {*dir(cls), *getattr(cls, "__dataclass_fields__", ())}
    changes = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"`{attribute.old}`" in changes or f"`{cls.__name__}.{attribute.old}`" in changes


def test_a_renamed_argument_cannot_be_given_twice() -> None:
    @renamed_arguments(old="new")
    def function(*, new: int) -> int:
        return new

    with pytest.raises(TypeError, match="old= and new="):
        function(old=1, new=2)  # type: ignore[call-arg]


def test_a_renamed_attribute_reads_the_new_one() -> None:
    class Thing:
        new = 3
        old = RenamedAttribute("new")

    with pytest.warns(DeprecationWarning, match=r"Thing.old is Thing.new now"):
        assert Thing().old == 3
