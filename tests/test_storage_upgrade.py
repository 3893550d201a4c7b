"""Files of older forms: what is turned into today's form, and what is refused.

The samples in tests/model_files show that whole files answer the same; here is each change alone.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.modelfiles import (
    SAMPLES,
    changed,
    header_of,
    outcome,
    places,
    sample,
    with_header,
    with_text,
)
from support.models import small_model

from chainrule import load, read_table, save
from chainrule.core.activation_layers import ParametricActivation, PReLU, Tanh
from chainrule.core.branch_layers import Average, Residual
from chainrule.core.embedding_layers import CategoryEmbedding, CosineEmbedding
from chainrule.core.layers import Dense, Dropout, Layer, Scale
from chainrule.core.network import Network
from chainrule.core.normalisation_layers import BatchNorm, LayerNorm
from chainrule.models.cosine_order import BY_COLUMN, group_cosines, order_then
from chainrule.models.modelfile import ModelFileError
from chainrule.models.spec import LAYERS


class Beside(CosineEmbedding):
    """CosineEmbedding as it was: each number beside its own cosines."""

    def forward(self, p: Any, X: Any, **how: Any) -> Any:
        Y, cache = super().forward(p, X, **how)
        T = Y[:, X.shape[1] :].reshape(*X.shape, -1)
        return np.concatenate([X[:, :, None], T], axis=2).reshape(len(X), -1), cache


THEN, NOW = Beside(2, 3, 0.7), CosineEmbedding(2, 3, 0.7)


def with_today(layers: Any) -> list[Any]:
    """The same layers with today's embedding in the place of `Beside`."""
    result = []
    for layer in layers:
        if layer.branches:
            layer = layer.with_branches([with_today(chain) for chain in layer.branches.values()])
        result.append(NOW if layer is THEN else layer)
    return result


def count(layers: Any) -> int:
    inside = [chain for layer in layers for chain in layer.branches.values()]
    return sum(layer in (THEN, NOW) for layer in layers) + sum(map(count, inside))


def then_and_now(layers: Any) -> tuple[Network, Network]:
    """Two networks of the same numbers, all of them different; 4 inputs."""
    nets = (Network(4, layers, rng=0), Network(4, with_today(layers), rng=0))
    rng = np.random.default_rng(5)
    numbers = 0.1 + 0.3 * rng.permutation(nets[0].numbers.size) / nets[0].numbers.size
    for net in nets:
        net.numbers[...] = numbers
    return nets


@dataclass(frozen=True)
class Twice(Layer):
    """Y = [X | X] + what a chain makes of X, where there is one; nothing in the package."""

    inside: tuple[Layer, ...] = ()

    def shapes(self, n_in: int) -> tuple[int, Any, Any]:
        return 2 * n_in, {}, {}

    def forward(self, p: Any, X: Any, **how: Any) -> Any:
        return np.hstack([X, X]), {}


EVERY_BY_COLUMN = [
    Scale(), LayerNorm(), BatchNorm(), Dropout(0.5), PReLU(), ParametricActivation("mish"), Tanh(),
]  # fmt: skip
CHAINS: dict[str, list[Layer]] = {
    "dense": [THEN, Dense(2)],
    "no bias": [THEN, Dense(2, bias=False)],
    "by column": [THEN, *EVERY_BY_COLUMN, Dense(2)],
    "not the first": [Dense(3), THEN, Dense(5), Tanh(), Dense(2)],
    "one into the other": [THEN, Scale(), THEN, Scale(), Dense(2)],
    "average": [Average(([THEN, Scale(), Dense(3)], [Dense(3)])), Scale(), Dense(2)],
    "before an average": [THEN, Average(([Scale(), Dense(2)], [Dense(2)]))],
    "average in an order": [Average(([THEN, Scale()], [Dense(12), PReLU()])), Dense(2)],
    "in a residual": [Residual((THEN, Tanh(), Dense(4))), Dense(2)],
    "before a residual": [THEN, Residual((Dense(5), Tanh(), Dense(12), PReLU())), Dense(2)],
    "residual by column": [THEN, Residual((Scale(), Tanh())), Dense(2)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_network_answers_as_it_did(name: str) -> None:
    then, now = then_and_now(CHAINS[name])
    X = np.random.default_rng(1).normal(size=(6, 4))
    before = now.predict(X)
    group_cosines(now, count(now.layers))
    assert_allclose(now.predict(X), then.predict(X), rtol=1e-12)
    assert not np.allclose(before, then.predict(X), rtol=1e-6)
    for vector in ("theta", "lr_factor", "decay_factor", "buffers"):
        assert_array_equal(np.sort(getattr(now, vector)), np.sort(getattr(then, vector)))


@pytest.mark.parametrize("name", CHAINS)
def test_the_factors_stay_with_their_numbers(name: str) -> None:
    _, now = then_and_now(CHAINS[name])
    now.lr_factor[...], now.decay_factor[...] = 2.0 * now.theta, 3.0 * now.theta
    group_cosines(now, count(now.layers))
    assert_array_equal(now.lr_factor, 2.0 * now.theta)
    assert_array_equal(now.decay_factor, 3.0 * now.theta)


def test_the_order_of_two_columns_by_hand() -> None:
    """Then x1 t1 t1' x2 t2 t2', now x1 x2 t1 t1' t2 t2'."""
    assert order_then(2, 3).tolist() == [0, 3, 1, 2, 4, 5]
    assert order_then(2, 2, np.array([1, 0])).tolist() == [2, 0, 3, 1]


def test_every_layer_of_the_package_is_moved_or_refused() -> None:
    moved = {*BY_COLUMN, Dense, CosineEmbedding, Average, Residual}
    assert moved | {CategoryEmbedding} <= set(LAYERS.values())  # later layers are in no such file
    assert {type(layer) for layer in EVERY_BY_COLUMN} <= BY_COLUMN


REFUSED: dict[str, tuple[list[Layer], str]] = {
    "end": ([NOW, Scale()], "the network ends before a Dense takes them"),
    "own layer": ([NOW, Twice(), Dense(1)], "Twice cannot take them in today's order"),
    "categories": (
        [NOW, CategoryEmbedding(((0, 2),)), Dense(1)],
        "CategoryEmbedding cannot take them in today's order",
    ),
    "residual": (
        [Residual((Dense(2), NOW, Dense(2), CosineEmbedding(1, 2), Tanh())), Dense(1)],
        "the branches of Residual differ in their order",
    ),
    "average": (
        [Average(([NOW], [Dense(6), CosineEmbedding(1, 2)])), Dense(1)],
        "the branches of Average differ in their order",
    ),
    "given by an own layer": (
        [Average(([NOW], [Dense(6), Twice()])), Dense(1)],
        "Twice cannot give its own in today's order",
    ),
    "hidden": ([Twice((NOW,)), Dense(1)], "inside a layer that does not name it as a branch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_moved_is_refused(case: str, tmp_path: Path) -> None:
    layers, message = REFUSED[case]
    file = save(Network(4, layers, rng=0), tmp_path / "m")
    old = with_header(file, older(header_of(file)))
    with pytest.raises(ModelFileError, match=message) as told:
        load(old, custom=[Twice])
    assert str(told.value).count(": ") == 2
    assert load(file, custom=[Twice]).layers == tuple(layers)


def older(header: Any, form: int = 2) -> Any:
    """The header without the columns of its embeddings, and of format 1 without readings."""
    header["format"] = form
    for path in list(places(header["layers"])):
        if path[-1] == "columns":
            header["layers"] = changed(header["layers"], path, None, remove=True)
    for part in ("preparation", "schema") if form == 1 else ():
        for column in header[part]["columns"]:
            column.pop("limit", None)
            del column["reading"]
    return header


def test_rows_and_factors_of_a_file_by_hand(tmp_path: Path) -> None:
    """Rows of W: then x1 t1 x2 t2, now x1 x2 t1 t2."""
    net = Network(2, [CosineEmbedding(1, 2), Dense(1)], rng=0)
    net.views(net.theta)["1.W"][:, 0] = [1, 2, 3, 4]
    net.views(net.lr_factor)["1.W"][:, 0] = [10, 20, 30, 40]
    file = save(net, tmp_path / "m")
    old = load(with_header(file, older(header_of(file))))
    assert old["1.W"][:, 0].tolist() == [1, 3, 2, 4]
    assert old.views(old.lr_factor)["1.W"][:, 0].tolist() == [10, 30, 20, 40]
    assert_array_equal(old.decay_factor, net.decay_factor)
    assert old.layers == net.layers
    assert_array_equal(load(file).theta, net.theta)  # today's file is left as it is
    assert load(save(old, tmp_path / "again"))["1.W"][:, 0].tolist() == [1, 3, 2, 4]


def test_only_the_older_forms_are_changed(tmp_path: Path) -> None:
    both = [CosineEmbedding(1, 2), Dense(2), CosineEmbedding(1, 2), Dense(1)]
    file = save(Network(2, both, rng=0), tmp_path / "m")
    assert "columns is missing" in (outcome(with_header(file, older(header_of(file), 3))) or "")
    some = changed(older(header_of(file)), ("layers", 0, "columns"), None)
    assert "layers[2].columns is missing" in (outcome(with_header(file, some)) or "")
    for form in (2, 3):
        table = save(small_model()[0], tmp_path / "table")
        header = older(header_of(table), 1) | {"format": form}
        for column in header["preparation"]["columns"]:
            column["limit"] = 0.0
        assert 'no "reading"' in (outcome(with_header(table, header)) or "")


@pytest.mark.parametrize("part", ["preparation", "schema"])
def test_a_reading_that_one_column_has_is_missing_in_the_others(tmp_path: Path, part: str) -> None:
    file = save(small_model()[0], tmp_path / "m")
    header = older(header_of(file), 1)
    assert outcome(with_header(file, header)) is None
    header[part]["columns"][0]["reading"] = "text"
    assert 'no "reading"' in (outcome(with_header(file, header)) or "")


def test_an_unknown_reading_is_decided_by_each_file(tmp_path: Path) -> None:
    """Dates with the day first and decimal commas, which no default by kind would read."""
    model = load(sample("1-d352808-binary.safetensors", tmp_path))
    assert model.schema.reading == {}
    assert {plan.reading for plan in model.preparation.columns} == {None}
    table = read_table(SAMPLES / "rows.csv", reading=model.schema.reading)
    assert table.reading["seen"] == "date 31/12/2026"
    assert table.reading["weight"] == "number 1.234,5"
    X = model.preparation.transform(table)
    assert len(np.unique(X[:, model.preparation.feature_names.index("weight")])) > 40
    known = replace(model.preparation.columns[0], reading="date 31.12.2026")
    with pytest.raises(ValueError, match="was read as"):
        replace(model.preparation, columns=(known,)).transform(table)
    save(model, tmp_path / "again")
    again = header_of(tmp_path / "again")
    assert [column["reading"] for column in again["schema"]["columns"]] == [None] * 15
    assert load(tmp_path / "again").preparation == model.preparation


WRONG: list[Any] = [None, [], {}, -1, 10**400, "x", True, [[]], {"type": []}]


@pytest.mark.parametrize(
    "name", ["1-5f1e22c-plain-columns", "1-ac8832b-cosines", "2-375578d-average"]
)
def test_a_damaged_header_gets_one_sentence(name: str, tmp_path: Path) -> None:
    file = sample(f"{name}.safetensors", tmp_path)
    header = header_of(file)
    assert outcome(file) is None
    for path in places(header):
        if "facts" in path or any(type(key) is int and key > 2 for key in path):
            continue
        outcome(with_header(file, changed(header, path, None, remove=True)))
        for value in WRONG:
            outcome(with_header(file, changed(header, path, value)))


def test_a_wide_claim_is_refused_before_it_is_built(tmp_path: Path) -> None:
    file = save(Network(2, [CosineEmbedding(1, 2), Dense(1)], rng=0), tmp_path / "m")
    for path, value in ((("n_in",), 10**6), (("layers", 0, "size"), 10**9)):
        told = outcome(with_header(file, changed(older(header_of(file)), path, value)))
        assert "promise" in (told or "")
    text = json.dumps(older(header_of(file)) | {"layers": "@"})
    for depth in (10, 300, 900, 100_000):
        deep = '{"type": "CosineEmbedding", "a": [' * depth + "]}" * depth
        assert outcome(with_text(file, text.replace('"@"', deep)))
