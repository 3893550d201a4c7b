"""Model files of every format written so far load, and answer as the code that wrote them did.

tests/model_files/README.md says what the samples are and when to write new ones.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.cli_tables import call, document
from support.modelfiles import SAMPLES, header_of, places, sample

import chainrule
from chainrule.models.header import FORMAT
from chainrule.models.model import Model
from chainrule.models.spec import CORE_TYPES, PARTS

TABLE = SAMPLES / "rows.csv"
ROWS = 60
ANSWERS: dict[str, dict[str, Any]] = json.loads((SAMPLES / "answers.json").read_text("utf-8"))
HEADERS = {file.stem: header_of(file) for file in sorted(SAMPLES.glob("*.safetensors.gz"))}
WRITE = (
    "run `python tests/model_files/write.py`, commit the files, and add them to the README there"
)

# What another machine may add to an answer: its libraries sum in another order, and their exp and
# cos differ in the last places. The float32 files stay within 1.5e-7 when the same numbers go
# through the network in float64, so 2e-6 leaves room; float64 has 1e-12 for its 2.2e-16. A column
# read without its limit moves the answers by 5e-3 and more. The bound is relative to the largest
# answer, because a small one may be a difference of large ones.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}


@pytest.fixture
def file(name: str, tmp_path: Path) -> Path:
    """The unpacked sample of a test."""
    return sample(name, tmp_path)


def having(key: str) -> list[str]:
    """The names of the samples that have such an answer."""
    return [name for name, told in ANSWERS.items() if key in told]


def close(name: str, found: Any, wanted: Any) -> None:
    """Assert that numbers are those of the sample's own code."""
    wanted = np.asarray(wanted, float)
    bound = TOLERANCE[HEADERS[name]["dtype"]]
    assert_allclose(found, wanted, rtol=bound, atol=bound * np.abs(wanted).max())


def same_scores(name: str, found: dict[str, float]) -> None:
    """Assert that scores are those of the sample's own code. Two rows may be as likely to 1e-6, and
    their order, which a rounding may turn, is one of some 800 pairs in the AUC.
    """
    wanted = ANSWERS[name]["scores"]
    assert list(found) == list(wanted)
    for score, value in wanted.items():
        if score == "auc":
            assert found[score] == pytest.approx(value, abs=2e-3)
        else:
            close(name, [found[score]], [value])


def alike(name: str, answer: str, found: Any) -> None:
    """Assert that the answers for the table's rows are those of the sample's own code: classes, or
    numbers. The first rows are kept; the scores tell of the others.
    """
    wanted = ANSWERS[name][answer]
    assert len(found) == ROWS
    if answer == "predictions" and HEADERS[name]["preparation"]["task"] != "regression":
        assert list(found)[: len(wanted)] == wanted
    else:
        close(name, found[: len(wanted)], wanted)


def inputs(columns: int) -> Any:
    """X (7, columns) of write.py for networks without a table."""
    return ((np.arange(1.0, 7 * columns + 1).reshape(7, columns) * 37) % 101 - 50.5) / 32


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sample_answers_as_its_own_code_did(name: str, file: Path, tmp_path: Path) -> None:
    model, told = chainrule.load(file), ANSWERS[name]
    chainrule.save(model, tmp_path / "again")
    for one in (model, chainrule.load(tmp_path / "again")):
        if "outputs" in told:
            net = one.net if isinstance(one, Model) else one
            close(name, one.predict(inputs(net.n_in)), told["outputs"])
            continue
        table = chainrule.read_table(TABLE, reading=one.schema.reading)
        alike(name, "predictions", one.predict(table).tolist())
        same_scores(name, one.evaluate(table))
        if "probabilities" in told:
            alike(name, "probabilities", one.predict_proba(table))
        if "intervals" in told:
            alike(name, "intervals", one.predict_interval(table))


@pytest.mark.parametrize("name", having("estimator"))
def test_an_estimator_comes_back(name: str, file: Path) -> None:
    told = ANSWERS[name]
    one = getattr(chainrule, told["estimator"]).load(file)
    alike(name, "predictions", one.predict(str(TABLE)).tolist())
    if "probabilities" in told:
        alike(name, "probabilities", one.predict_proba(str(TABLE)))
        assert one.classes_.tolist() == HEADERS[name]["preparation"]["classes"]
    if "intervals" in told:
        alike(name, "intervals", one.predict_interval(str(TABLE)))
    given = HEADERS[name]["facts"].get("estimator", {"parameters": {}})["parameters"]
    assert {key: one.get_params()[key] for key in given} == given


@pytest.mark.parametrize("name", ANSWERS)
def test_info(name: str, file: Path) -> None:
    found, header = document("info", file), HEADERS[name]
    assert found["facts"] == header["facts"]
    assert found["network"]["layers"][0] == header["n_in"]
    schema = header["schema"]
    assert found["kind"] == ("network" if schema is None else "model")
    names = [column["name"] for column in schema["columns"]] if schema else []
    assert [column["name"] for column in found["columns"]] == names


@pytest.mark.parametrize("name", having("predictions"))
def test_predict_evaluate_explain(name: str, file: Path) -> None:
    told = ANSWERS[name]
    proba = ["--proba"] if "probabilities" in told else []
    found = document("predict", file, TABLE, *proba)
    alike(name, "predictions", found["predictions"])
    if proba:
        alike(name, "probabilities", found["probabilities"])
    same_scores(name, document("evaluate", file, TABLE)["test"])
    row = document("explain", file, "--file", TABLE, "--row", "1")
    if proba:
        assert row["prediction"] == told["predictions"][0]
        close(name, [row["probability"]], [max(told["probabilities"][0])])
    else:
        largest = np.abs(told["predictions"]).max()  # row 1 alone may be a small number
        close(
            name, [row["prediction"], row["end"], largest], [told["predictions"][0]] * 2 + [largest]
        )


@pytest.mark.parametrize("name", having("outputs"))
def test_predict_refuses_what_is_of_no_table(name: str, file: Path) -> None:
    result = call("predict", file, TABLE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "without a table's preparation" in result.stderr


def test_each_sample_has_its_answers_and_a_line_of_the_readme() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(ANSWERS) == sorted(HEADERS)
    for name, header in HEADERS.items():
        told = ANSWERS[name]
        assert name.startswith(f"{header['format']}-{told['commit']}-")
        assert f"`{name.removesuffix('.safetensors')}`" in readme, f"{name} is not in the README"


def test_every_format_has_a_sample() -> None:
    formats = {header["format"] for header in HEADERS.values()}
    for number in range(1, FORMAT + 1):
        assert number in formats, f"no model file of format {number} in {SAMPLES}: {WRITE}"


def types(header: Any) -> set[str]:
    """The layers, losses and schedules in a header."""
    parts = {"layers": header["layers"], "loss": header["loss"]}
    return {path_value(parts, path) for path in places(parts) if path[-1] == "type"}


def path_value(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def test_every_layer_loss_and_schedule_is_in_a_sample() -> None:
    """A new field of one of them then fails here unless old files are still read."""
    found = set().union(*map(types, HEADERS.values()))
    missing = sorted(set(CORE_TYPES) - found)
    assert not missing, f"no model file holds {', '.join(missing)}: {WRITE}"


def test_every_public_layer_loss_and_schedule_may_be_in_a_file() -> None:
    """The table of types is made from the modules of `core`, and misses none."""
    public = {name: getattr(chainrule, name) for name in chainrule.__all__}
    parts = {
        name
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, PARTS) and value not in PARTS
    }
    assert set(CORE_TYPES) == parts
