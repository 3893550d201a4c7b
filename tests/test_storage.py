"""What is saved comes back bit for bit, the same model makes the same bytes."""

import json
import os
import signal
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from support.modelfiles import joined, parts
from support.models import OWN, Scaled, Shift, networks, small_model, stirred
from support.processes import wait_until
from support.tables import LAYER_VARIANTS, LAYERS, LOSSES, SCHEDULES, UNTRAINABLE

from chainrule.core.activation_layers import Sigmoid
from chainrule.core.arrays import Array, Arrays
from chainrule.core.branch_layers import Residual
from chainrule.core.layers import Dense, Dropout, Layer
from chainrule.core.losses import Hinge, Loss, Pinball, Poisson, SoftmaxCrossEntropy, SquaredError
from chainrule.core.network import Network
from chainrule.core.schedules import Schedule
from chainrule.models.model import Model, TableModel, gives_probabilities
from chainrule.models.modelfile import ModelFileError, load, save

TARGETS = ("binary", "zero_one", "boolean", "multiclass", "words", "regression")
SOME = settings(max_examples=60)


def same_bits(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def assert_same_network(a: Network, b: Network) -> None:
    for name in ("theta", "buffers", "lr_factor", "decay_factor"):
        assert same_bits(getattr(a, name), getattr(b, name)), name
    assert (a.n_in, a.n_out, a.dtype, a.seed) == (b.n_in, b.n_out, b.dtype, b.seed)
    assert a.shapes == b.shapes
    X = np.random.default_rng(3).normal(size=(4, a.n_in))
    with np.errstate(over="ignore"):
        assert same_bits(a.predict(X), b.predict(X))


def without_functions(layers: tuple[Layer, ...]) -> list[Layer]:
    """The layers as a file keeps them: an initializer of one's own has done its work."""
    return [
        replace(layer, init="glorot_uniform")
        if isinstance(layer, Dense) and callable(layer.init)
        else layer
        for layer in layers
    ]


@SOME
@given(net=networks())
def test_any_network_comes_back(tmp_path_factory: pytest.TempPathFactory, net: Network) -> None:
    file = tmp_path_factory.mktemp("net") / "net.model"
    assert save(net, file) == file
    back = load(file, custom=OWN)
    assert type(back) is Network
    assert_same_network(net, back)
    assert list(back.layers) == without_functions(net.layers)
    first = file.read_bytes()
    save(net, file)
    assert file.read_bytes() == first
    save(back, file)
    if all(not callable(getattr(layer, "init", None)) for layer in net.layers):
        assert file.read_bytes() == first


@pytest.mark.parametrize("layer", [*LAYERS.values(), *LAYER_VARIANTS.values()], ids=repr)
def test_each_layer_comes_back(tmp_path: Path, layer: Layer) -> None:
    net = stirred(Network(3, [layer], rng=5), seed=1)
    save(net, tmp_path / "m")
    assert_same_network(net, load(tmp_path / "m"))
    assert load(tmp_path / "m").layers == (layer,)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=repr)
def test_each_schedule_comes_back(tmp_path: Path, schedule: Schedule) -> None:
    layer = Residual((Dropout(replace(schedule, value=0.25)),))
    save(Network(2, [layer], rng=0), tmp_path / "m")
    assert load(tmp_path / "m").layers == (layer,)


@pytest.mark.parametrize("name", [*LOSSES, *UNTRAINABLE])
def test_each_loss_comes_back(tmp_path: Path, name: str) -> None:
    case = (LOSSES | UNTRAINABLE)[name]
    model = Model(Network.mlp([2, case.outputs], rng=1), case.loss, facts={"a": 1})
    save(model, tmp_path / "m")
    back = load(tmp_path / "m")
    assert back.loss == case.loss
    assert (back.preparation, back.schema, back.facts) == (None, None, {"a": 1})
    X = np.random.default_rng(0).normal(size=(5, 2))
    assert same_bits(model.predict(X), back.predict(X))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_each_preparation_comes_back(tmp_path: Path, target: str, dtype: str) -> None:
    model, table = small_model(target, seed=4)
    model.net = model.net.astype(dtype)
    save(model, tmp_path / "m")
    back = load(tmp_path / "m")
    assert type(back) is TableModel
    assert_same_network(model.net, back.net)
    assert (back.preparation, back.schema) == (model.preparation, model.schema)
    assert (back.loss, back.facts) == (model.loss, model.facts)
    assert back.classes == model.classes
    assert [type(c) for c in back.classes or ()] == [type(c) for c in model.classes or ()]
    answers = model.predict(table), back.predict(table)
    assert answers[0].dtype == answers[1].dtype
    assert answers[0].tolist() == answers[1].tolist()
    assert same_bits(model.output(table), back.output(table))
    assert model.evaluate(table) == back.evaluate(table)
    save(back, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def jsonable() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    )


@SOME
@given(facts=st.dictionaries(st.text(), jsonable(), max_size=4))
def test_any_facts_come_back(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, Any]
) -> None:
    file = tmp_path_factory.mktemp("facts") / "m"
    save(Model(Network(1, [Dense(1)], rng=0), facts=facts), file)
    assert load(file).facts == facts
    assert repr(load(file).facts) == repr(facts)


def test_facts_take_numpy_and_lose_what_json_lacks(tmp_path: Path) -> None:
    facts = {"n": np.int64(3), "x": np.float32(0.5), "b": np.True_, "t": (1, 2), "no": np.nan}
    save(Model(Network(1, [Dense(1)], rng=0), facts=facts), tmp_path / "m")
    assert load(tmp_path / "m").facts == {"n": 3, "x": 0.5, "b": True, "t": [1, 2], "no": None}


def test_names_that_are_no_utf_8_come_back(tmp_path: Path) -> None:
    facts = {"source": os.fsdecode(b"/data/caf\xe9.csv")}
    save(Model(Network(1, [Dense(1)], rng=0), facts=facts), tmp_path / "m")
    assert load(tmp_path / "m").facts == facts


def test_numbers_are_read_by_any_program(tmp_path: Path) -> None:
    net = Network.mlp([2, 3, 1], rng=0, dtype="float32")
    save(net, tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as opened:
        assert set(opened.keys()) == set(net.shapes)
        assert same_bits(opened.get_tensor("0.W"), net["0.W"])


def test_own_classes_are_asked_for(tmp_path: Path) -> None:
    net = Network(2, [Residual((Scaled(2.0), Shift())), Dense(1)], rng=0)
    save(net, tmp_path / "m")
    with pytest.raises(ValueError, match=r"'Scaled', which this version does not know.*`custom`"):
        load(tmp_path / "m")
    assert load(tmp_path / "m", custom=OWN).layers[0] == net.layers[0]


@pytest.mark.parametrize("own", [[int], ["Scaled"], [Layer()], int, [Layer]], ids="abcde")
def test_own_must_be_classes_of_parts(tmp_path: Path, own: Any) -> None:
    save(Network(2, [Dense(1)], rng=0), tmp_path / "m")
    with pytest.raises(TypeError, match="custom lists"):
        load(tmp_path / "m", custom=own)


class Bare(Layer):
    """An own layer that is no dataclass."""


@dataclass(frozen=True)
class Named(Layer):
    """An own layer under a name that is taken, below."""

    setting: Any = None


def renamed() -> Layer:
    named: Layer = type("Tanh", (Named,), {})()
    return named


def net_of(layer: Layer) -> Network:
    return Network(1, [layer], rng=0)


def broken(number: float) -> Network:
    net = Network(1, [Dense(1)], rng=0)
    net.theta[0] = number
    return net


UNSAVABLE: dict[str, tuple[Any, str]] = {
    "no dataclass": (net_of(Bare()), "Bare cannot be saved: make it a frozen dataclass"),
    "taken name": (net_of(renamed()), "your own Tanh has the name of one of chainrule's"),
    "function": (net_of(Named(len)), r"layers\[0\].setting is a builtin_function_or_method"),
    "array": (net_of(Named(np.zeros(2))), r"layers\[0\].setting is a ndarray"),
    "infinite setting": (net_of(Named(np.inf)), r"layers\[0\].setting is inf"),
    "nan weight": (broken(np.nan), '"0.W" holds a number that is not finite'),
    "infinite weight": (broken(-np.inf), '"0.W" holds a number that is not finite'),
    "facts": (Model(broken(1), facts={"a": [object()]}), r"facts.a\[0\] is a object"),
    "keys": (Model(broken(1), facts={"a": {1: 2}}), "facts.a is a dict"),
    "many": (Network(1, [Sigmoid()] * 1001, rng=0), "has 1001 layers"),
    "many nested": (net_of(Residual((Sigmoid(),) * 1000)), "has 1001 layers"),
}


@pytest.mark.parametrize("case", UNSAVABLE)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, case: str) -> None:
    file = tmp_path / "m"
    save(Network(1, [Dense(1)], rng=7), file)
    before = file.read_bytes()
    thing, message = UNSAVABLE[case]
    with pytest.raises((ValueError, TypeError), match=message):
        save(thing, file)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


def deep(levels: int) -> Layer:
    layer: Layer = Sigmoid()
    for _ in range(levels):
        layer = Residual((layer,))
    return layer


def test_nesting_has_an_end_and_no_crash(tmp_path: Path) -> None:
    save(net_of(deep(40)), tmp_path / "m")
    assert load(tmp_path / "m").layers == (deep(40),)
    header, numbers = parts(tmp_path / "m")
    outer = json.loads(header)
    text = outer["__metadata__"]["chainrule"]
    inside = '{"type": "Sigmoid"}'
    for levels in (50, 100, 400, 5000):
        nested = '{"type": "Residual", "layers": [' * levels + inside + "]}" * levels
        start = text.index('{"type": "Residual"')
        stop = text.index("]}" * 40) + 80
        outer["__metadata__"]["chainrule"] = text[:start] + nested + text[stop:]
        (tmp_path / "deep").write_bytes(joined(json.dumps(outer).encode(), numbers))
        if levels > 300:
            with pytest.raises(ModelFileError, match="nested too deep"):
                load(tmp_path / "deep")
        else:
            assert load(tmp_path / "deep").predict(np.zeros((1, 1))).shape == (1, 1)


DISAGREEING: dict[str, tuple[str, dict[str, Any], str]] = {
    "loss of numbers": ("binary", {"loss": SquaredError()}, "gives no probabilities of 2 classes"),
    "no loss": ("multiclass", {"loss": None}, "gives no probabilities of 3 classes"),
    "hinge": ("zero_one", {"loss": Hinge()}, "gives no probabilities"),
    "poisson": ("boolean", {"loss": Poisson()}, "gives no probabilities"),
    "classes' loss": ("regression", {"loss": Hinge()}, "Hinge is for classes"),
    "inputs": ("binary", {"net": Network.mlp([3, 1], rng=0)}, r"makes \d+ features, but .* 3"),
    "schema alone": ("binary", {"preparation": None}, "there is a schema, but no preparation"),
    "other task": ("binary", {"schema": small_model("words")[0].schema}, "disagree about the task"),
    "other classes": (
        "words", {"schema": small_model("multiclass")[0].schema}, "disagree about the classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DISAGREEING)
def test_parts_must_agree(tmp_path: Path, case: str) -> None:
    target, changes, message = DISAGREEING[case]
    model, _ = small_model(target)
    with pytest.raises(ValueError, match=message):
        save(replace(model, **changes), tmp_path / "m")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("target", "outputs", "message"),
    [("binary", 3, "2 classes"), ("multiclass", 2, "3 classes"), ("regression", 2, "one output")],
)
def test_outputs_must_fit_the_task(tmp_path: Path, target: str, outputs: int, message: str) -> None:
    model, _ = small_model(target)
    net = Network.mlp([model.net.n_in, outputs], rng=0)
    loss = SquaredError() if target == "regression" else SoftmaxCrossEntropy()
    with pytest.raises(ValueError, match=f"{message}.* but the network has {outputs}"):
        save(replace(model, net=net, loss=loss), tmp_path / "m")


def test_two_classes_may_have_two_outputs(tmp_path: Path) -> None:
    model, table = small_model("binary")
    net = Network.mlp([model.net.n_in, 2], rng=0)
    save(replace(model, net=net, loss=SoftmaxCrossEntropy()), tmp_path / "m")
    assert set(load(tmp_path / "m").predict(table)) <= {"no", "yes"}


def test_quantiles_of_a_regression_may_have_several_outputs(tmp_path: Path) -> None:
    model, table = small_model("regression")
    net = Network.mlp([model.net.n_in, 3], rng=0)
    save(replace(model, net=net, loss=Pinball(quantile=(0.5, 0.1, 0.9))), tmp_path / "m")
    assert load(tmp_path / "m").predict(table).shape == (len(table),)


@pytest.mark.parametrize("name", [*LOSSES, *UNTRAINABLE])
def test_which_losses_give_probabilities(name: str) -> None:
    case = (LOSSES | UNTRAINABLE)[name]
    wanted = name.startswith("softmax") or name in ("binary_1", "binary_shares_sum")
    assert gives_probabilities(case.loss, case.outputs) == wanted
    assert not gives_probabilities(None, case.outputs)


def test_softmax_of_one_output_gives_no_probabilities() -> None:
    assert not gives_probabilities(LOSSES["softmax_3"].loss, 1)


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    assert save(Network(1, [Dense(1)], rng=0), tmp_path / "link") == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
    assert load(tmp_path / "link").n_in == 1


def save_for_ever(file: Path) -> None:
    """The life of a forked child: nothing of the parent's may run in it afterwards."""
    try:
        net = Network.mlp([100, 100, 10], init=0.0, rng=0)
        while True:
            net.theta[...] += 1
            save(net, file)
    finally:
        os._exit(1)


def test_killed_savers_leave_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "m"
    for round_number in range(20):
        file.unlink(missing_ok=True)
        child = os.fork() or save_for_ever(file)
        try:
            wait_until(file.exists, "nothing is saved")
            time.sleep(0.003 * round_number)  # another place in the work each time
        finally:
            os.kill(child, signal.SIGKILL)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        theta = load(file)["0.W"]
        assert (theta == theta[0, 0]).all()
    assert len(os.listdir(tmp_path)) <= 21


def test_own_loss_comes_back(tmp_path: Path) -> None:
    doubled: Loss = OWN[2](power=3, scale=0.5)
    model = Model(Network(1, [Dense(1)], rng=0), doubled)
    save(model, tmp_path / "m")
    back = load(tmp_path / "m", custom=OWN)
    assert back.loss == doubled
    assert same_bits(back.predict(np.ones((1, 1))), model.predict(np.ones((1, 1))))


@dataclass(frozen=True)
class Vague(Layer):
    """An own layer whose annotations name what is not there when it runs."""

    setting: "Nowhere" = 1  # type: ignore[name-defined]  # noqa: F821

    def forward(
        self, p: Arrays, X: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        return X * self.setting, {}


@dataclass(frozen=True)
class Settled(Layer):
    """An own layer with a setting of any kind."""

    setting: Any = 1

    def forward(
        self, p: Arrays, X: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, dict[str, Array]]:
        return X, {}


def test_annotations_that_cannot_be_read_check_nothing(tmp_path: Path) -> None:
    for layer in (Vague(3), Settled((1, "two", None))):
        save(net_of(layer), tmp_path / "m")
        assert load(tmp_path / "m", custom=[Vague, Settled]).layers == (layer,)
