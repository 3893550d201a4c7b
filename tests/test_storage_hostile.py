"""A header that is damaged or lies gets one clear sentence; a file that is accepted works."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.modelfiles import (
    changed,
    edit,
    header_of,
    outcome,
    parts,
    places,
    with_header,
    with_text,
)
from support.models import small_model

from chainrule.core.activation_layers import LeakyReLU
from chainrule.core.branch_layers import Residual
from chainrule.core.layers import Dense, Dropout
from chainrule.core.losses import Huber, Pinball
from chainrule.core.network import Network
from chainrule.core.normalisation_layers import BatchNorm
from chainrule.core.schedules import WarmUp
from chainrule.models.model import Model
from chainrule.models.modelfile import ModelFileError, load, save

WRONG: list[Any] = [None, [], {}, -1, 0, 10**400, 1e308, "x", True, [[]], {"type": []}]


def net_model() -> Model:
    """A model on matrices with settings of every type in its header."""
    layers = [
        Dense(4, init="normal"),
        BatchNorm(),
        LeakyReLU(0.1),
        Dropout(WarmUp(0.3, warm=2)),
        Residual((Dense(4, init=0.5), Residual((Dropout(0.1),)))),
        Dense(3),
    ]
    net = Network(2, layers, rng=3)
    net.lr_factor[0] = 2.0
    return Model(net, Pinball(quantile=(0.1, 0.5, 0.9)), facts={"a": [1]})


MODELS: dict[str, Callable[[], Model]] = {
    "network": net_model,
    "binary": lambda: small_model("binary")[0],
    "multiclass": lambda: small_model("multiclass")[0],
    "regression": lambda: small_model("regression")[0],
}


@pytest.fixture(params=MODELS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file of a good model of each kind."""
    make: Callable[[], Model] = MODELS[request.param]
    return save(make(), tmp_path / "good")


def test_good_file_is_accepted(saved: Path) -> None:
    assert outcome(saved) is None
    assert outcome(with_header(saved, header_of(saved))) is None


def test_files_of_format_1_are_read(saved: Path) -> None:
    header = header_of(saved)
    header["format"] = 1
    for column in (header["preparation"] or {}).get("columns", []):
        del column["limit"]
    old, new = load(with_header(saved, header)), load(saved)
    nets = [one.net if isinstance(one, Model) else one for one in (old, new)]
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)
    if isinstance(old, Model) and isinstance(new, Model):
        assert old.preparation == new.preparation
    for columns in ("x", [1], None):
        if header["preparation"] is not None:
            header["preparation"]["columns"] = columns
            assert outcome(with_header(saved, header)) is not None


# Fields whose every value of the right type is as good as another.
FREE = {"facts", "versions", "seed", "why", "missing", "distinct", "notes"}


@pytest.mark.parametrize("saved", ["network", "multiclass"], indirect=True)
def test_every_field_is_checked(saved: Path) -> None:
    header = header_of(saved)
    for path in places(header):
        if path[:2] == ("schema", "columns") and path[2:3] > (0,):
            continue  # its columns are alike
        free = any(key in FREE for key in path)
        file = with_header(saved, changed(header, path, None, remove=True))
        told = outcome(file)
        if not free and isinstance(path[-1], str):
            assert told is not None, f"{path} may be missing"
        for value in WRONG:
            outcome(with_header(saved, changed(header, path, value)))
        if not free:
            for value in ({}, {"type": []}, [[[]]]):
                told = outcome(with_header(saved, changed(header, path, value)))
                assert told is not None, f"{path} may be {value}"


NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "1" * 5000)


@pytest.mark.parametrize("word", NUMBERS, ids=lambda word: word[:9])
def test_words_that_are_no_numbers(saved: Path, word: str) -> None:
    header = header_of(saved)
    for path in places(header):
        text = json.dumps(changed(header, path, "@@@")).replace('"@@@"', word)
        assert outcome(with_text(saved, text)) is not None, path
    assert outcome(with_text(saved, word))


def test_every_unknown_field_is_refused(saved: Path) -> None:
    header = header_of(saved)
    assert "unknown" in (outcome(with_header(saved, header | {"more": 1})) or "")
    layer = changed(header, ("layers", 0, "more"), 1)
    assert "layers[0].more is no field" in (outcome(with_header(saved, layer)) or "")


def test_truncated_anywhere(saved: Path) -> None:
    data = saved.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    rng = np.random.default_rng(0)
    cut = saved.with_name("cut")
    ends = [0, 1, 7, 8, 9, 8 + length - 1, 8 + length, 8 + length + 1, len(data) - 1]
    for end in [*ends, *rng.integers(0, len(data), 100)]:
        cut.write_bytes(data[: int(end)])
        assert outcome(cut), end
    cut.write_bytes(data + b"\0")
    assert outcome(cut)


def test_random_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size in [0, 1, 7, 8, 9, 100, 10_000] * 10:
        (tmp_path / "m").write_bytes(rng.bytes(size))
        assert outcome(tmp_path / "m")


def test_changed_bytes_are_refused_or_work(saved: Path) -> None:
    data = np.frombuffer(saved.read_bytes(), np.uint8)
    length = len(parts(saved)[0]) + 8
    rng = np.random.default_rng(0)
    accepted = 0
    for round_number in range(500):
        end = length if round_number % 2 else len(data)
        altered = data.copy()
        for place in rng.integers(0, end, rng.integers(1, 4)):
            kind = rng.integers(3)
            altered[place] = rng.integers(256) if kind else altered[place] ^ (1 << rng.integers(8))
        other = saved.with_name("other")
        other.write_bytes(altered.tobytes())
        accepted += outcome(other) is None
    assert 10 < accepted < 490


def test_swapped_pieces_of_the_header_are_refused_or_work(saved: Path) -> None:
    """Each value in the place of each of some others: the right types in the wrong places."""
    header = header_of(saved)
    rng = np.random.default_rng(0)
    paths = list(places(header))

    def at(path: tuple[Any, ...]) -> Any:
        value = header
        for key in path:
            value = value[key]
        return value

    for _ in range(500):
        to, source = rng.choice(len(paths), 2)
        outcome(with_header(saved, changed(header, paths[to], at(paths[source]))))


def layer(value: Any) -> Callable[[Any], Any]:
    return edit("layers.0", value)


DENSE = {"type": "Dense", "n": 5, "bias": True, "init": "he_uniform"}
MULTICLASS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "other version": (edit("format", 4), "is of format 4, this version reads formats 1 to 3"),
    "version 0": (edit("format", 0), "is of format 0"),
    "huge version": (edit("format", 10**300), "is of format 1000"),
    "text version": (edit("format", "1"), "no format number"),
    "kind": (edit("kind", "pickle"), "kind is 'pickle'"),
    "network with more": (edit("kind", "network"), "bare network, but holds more"),
    "wide layer": (layer(DENSE | {"n": 10**12}), "disagree|promise"),
    "wide input": (edit("n_in", 10**12), "holds up to 1,000,000 columns"),
    "wider input": (edit("n_in", 10**6), "promise|disagree"),
    "no units": (layer(DENSE | {"n": 0}), "at least 1"),
    "half a unit": (layer(DENSE | {"n": 5.0}), "n is 5.0"),
    "no bias": (layer(DENSE | {"bias": False}), 'disagree about "0.b"'),
    "bias by number": (layer(DENSE | {"bias": 1}), "bias is 1"),
    "import": (layer({"type": "__import__", "name": "os"}), "'__import__', which this version"),
    "base layer": (layer({"type": "Layer"}), "'Layer', which this version does not know"),
    "base loss": (edit("loss", {"type": "Loss", "scale": 1.0}), "'Loss', which this version"),
    "loss for layer": (layer({"type": "Huber", "delta": 1.0}), "Huber, which does not belong"),
    "layer for loss": (edit("loss", DENSE), "Dense, which does not belong"),
    "layer for schedule": (layer({"type": "Dropout", "rate": DENSE}), "rate is {'type'"),
    "unknown init": (layer(DENSE | {"init": "os.system"}), "no initializer"),
    "dtype": (edit("dtype", "float32"), "promise"),
    "object dtype": (edit("dtype", "O"), "dtype is 'O'"),
    "rate": (edit("layers.2.rate", 1.0), "it must be at least 0 and below 1"),
    "loss of numbers": (edit("loss", None), "gives no probabilities of 3 classes"),
    "smoothing": (edit("loss.label_smoothing", 2), "label_smoothing is 2"),
    "fewer classes": (edit("preparation.classes", [2, 3]), "classes"),
    "classes of the schema": (edit("schema.classes", [2, 3, 5]), "disagree about the classes"),
    "no classes": (edit("schema.classes", None), "classes"),
    "target": (edit("preparation.target_name", "z"), "disagree about the target"),
    "no such target": (edit("schema.target", "z"), 'no column "z"'),
    "task": (edit("schema.task", "regression"), "classes"),
    "no schema but its part": (edit("preparation", None), "a schema, but no preparation"),
    "feature away": (edit("schema.columns.0.role", "left out"), "disagree about the feature"),
    "feature renamed": (edit("preparation.columns.0.name", "weight"), "disagree about the feature"),
    "level away": (edit("preparation.columns.3.levels", ["red"]), "lists of different lengths"),
    "day": (edit("preparation.columns.2.fill", "yesterday"), "fill or levels that do not fit"),
    "facts": (edit("facts", [1]), "facts is no object"),
    "versions": (edit("versions", {"numpy": 2}), "versions is no list"),
}


@pytest.mark.parametrize("case", MULTICLASS)
def test_contradictions(tmp_path: Path, case: str) -> None:
    change, message = MULTICLASS[case]
    file = save(small_model("multiclass")[0], tmp_path / "good")
    with pytest.raises(ModelFileError, match=message):
        load(with_header(file, change(header_of(file))))


@pytest.mark.parametrize(
    ("target", "path", "value"),
    [
        ("regression", "loss", {"type": "BinaryCrossEntropy", "scale": 1.0, "reduction": "mean"}),
        ("binary", "loss", {"type": "SquaredError", "scale": 1.0, "reduction": "mean"}),
        ("binary", "loss.reduction", "most"),
        ("regression", "preparation.target_scale", 0.0),
        ("regression", "preparation.columns.0.scale", [0.0, 1.0]),
        ("regression", "loss.scale", -1),
    ],
)
def test_wrong_settings(tmp_path: Path, target: str, path: str, value: Any) -> None:
    file = save(small_model(target)[0], tmp_path / "good")
    assert outcome(with_header(file, edit(path, value)(header_of(file))))


def test_names_given_twice(tmp_path: Path) -> None:
    file = save(Model(Network(1, [Dense(1)], rng=0), Huber()), tmp_path / "good")
    text = json.dumps(header_of(file))
    twins = [text.replace('"n": 1', '"n": 2, "n": 1'), text.replace("{", '{"seed": 1, ', 1)]
    for twin in twins:
        assert "twice" in (outcome(with_text(file, twin)) or "")


@pytest.mark.parametrize(
    "facts",
    [
        {"rows": {"train": -1}},
        {"rows": {"train": 1.5}},
        {"rows": []},
        {"seed": "0"},
        {"lr": None},
        {"test": {"network": {"accuracy": []}}},
        {"test": {"network": [1.0]}},
        {"source": 3},
    ],
    ids=str,
)
def test_facts_of_the_wrong_kind(tmp_path: Path, facts: dict[str, Any]) -> None:
    model, _ = small_model()
    model.facts |= facts
    with pytest.raises(ValueError, match="of facts"):
        save(model, tmp_path / "m")
