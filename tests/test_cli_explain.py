"""`chainrule explain` and `chainrule verify`: what a person reads and what a program gets."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli_tables import QUICK, call, document, ok, write_flowers, write_slope

import chainrule as cr
from chainrule.models.answers import explain_answer
from chainrule.tables import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables and models: two classes, three classes, a number."""
    place = tmp_path_factory.mktemp("explain")
    write_flowers(place / "flowers.csv")
    write_slope(place / "slope.csv")
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{'abc'[int(3 * u)]}" for x, u in zip(*rng.random((2, 90)), strict=True)]
    (place / "three.csv").write_text("x,kind\n" + "\n".join(rows) + "\n")
    for table, target in (("flowers", "kind"), ("slope", "y"), ("three", "kind")):
        ok("train", f"{table}.csv", "--target", target, *QUICK, "--no-compare", cwd=place)
    return place


def account(folder: Path, table: str, row: int) -> dict[str, Any]:
    return document(
        "explain", f"{table}.safetensors", "--file", f"{table}.csv", "--row", row, cwd=folder
    )


@pytest.mark.parametrize("table", ["flowers", "slope", "three"])
def test_the_account_adds_up_to_the_models_answer(folder: Path, table: str) -> None:
    told = account(folder, table, 7)
    added = sum(part["exact"] for part in told["contributions"])
    assert told["start"] + added == pytest.approx(told["end"], abs=1e-9)
    model = cr.load(folder / f"{table}.safetensors")
    assert isinstance(model, cr.Model)
    assert model.schema is not None
    rows = read_table(folder / f"{table}.csv", reading=model.schema.reading)
    answer = model.predict(rows).tolist()[6]
    assert told["prediction"] == (pytest.approx(answer, rel=1e-12) if table == "slope" else answer)
    if table == "slope":
        assert told["end"] == pytest.approx(answer, rel=1e-9)
        assert told["probability"] is None
        assert told["unit"] == "y"
    else:
        P = model.predict_proba(rows)[6]
        assert told["probability"] == pytest.approx(P.max(), rel=1e-12)
    if table == "flowers":
        assert told["end"] == pytest.approx(np.log(P[1] / P[0]), rel=1e-9)
        assert told["unit"] == 'log-odds of "daisy"'
    names = {part["name"] for part in told["contributions"]}
    assert names == {step["name"] for step in told["inputs"]}


def test_the_page(folder: Path) -> None:
    page = ok("explain", "flowers.safetensors", "--file", "flowers.csv", "--row", 2, cwd=folder)
    for words in ("Row 2 of flowers.csv", "From the cells to the network", "the average row",
                  "So the model answers kind = ", "The contributions add up to the output (error",
                  'log-odds of "daisy"'):  # fmt: skip
        assert words in page


def test_a_number_of_a_step(folder: Path) -> None:
    where = ["explain", "flowers.safetensors", "--file", "flowers.csv", "--row", 3]
    text = ok(*where, "--number", "0.b[1]", cwd=folder)
    assert text.startswith("How the loss changes with 0.b[1]")
    assert "The update" in text
    assert "0.b.after[1]" in text
    assert ok(*where, "--number", "0.b[1]", "--format", "markdown", cwd=folder).startswith("## How")
    assert r"\frac{\partial" in ok(*where, "--number", "0.b[1]", "--format", "latex", cwd=folder)
    assert "<math" in ok(*where, "--number", "loss", "--format", "html", cwd=folder)
    told = document(*where, "--number", "0.b[1]", cwd=folder)
    assert told["address"] == "0.b[1]"
    assert told["steps"][-1]["symbol"] == "0.b.after[1]"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--row", 999], "there is no row 999: flowers.csv has 60 rows"),
        (["--row", 0], "Invalid value for '--row'"),
        (["--number", "9.W[0,0]"], "'9.W[0,0]' names nothing in this trace: write it like"),
        (["--number", "0.W[99,0]"], "every index starts at 0"),
    ],
)
def test_mistakes_are_one_sentence(folder: Path, more: list[object], words: str) -> None:
    result = call("explain", "flowers.safetensors", "--file", "flowers.csv", *more, cwd=folder)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_verify(folder: Path) -> None:
    where = ["verify", "flowers.safetensors", "--file", "flowers.csv"]
    page = ok(*where, "--rows", 3, cwd=folder)
    assert page.startswith("proven: ")
    assert page.endswith("made again: every bit the same\n")
    told = document(*where, "--number", "0.W[0,0]", cwd=folder)
    assert told["holds"]
    assert told["differences"] == told["parameters"]
    assert told["failures"] == told["other_bits"] == []


def test_verify_says_which_rows_have_no_target(folder: Path) -> None:
    lines = (folder / "slope.csv").read_text().splitlines()
    lines[2] = lines[2].rpartition(",")[0] + ","
    (folder / "gap.csv").write_text("\n".join(lines) + "\n")
    where = ["verify", "slope.safetensors", "--file", "gap.csv", "--rows", 4]
    page = ok(*where, cwd=folder)
    assert page.startswith("3 of 4 rows: the others have no target\nproven: ")
    assert document(*where, cwd=folder)["rows"] == 3


def test_verify_refuses_what_does_not_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that sums wrongly: the trace shows it, and the proof refuses it."""
    right = cr.Dense.backward

    def wrong(self: Any, p: Any, cache: Any, dZ: Any) -> Any:
        dX, grads = right(self, p, cache, dZ)
        return dX, grads | {"W": grads["W"] * 1.0000001}

    monkeypatch.setattr(cr.Dense, "backward", wrong)
    where = ["verify", "flowers.safetensors", "--file", "flowers.csv", "--rows", 9]
    result = call(*where, "--json", cwd=folder)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert not told["holds"]
    assert ".dW[" in told["failures"][0]


def test_a_model_of_matrices_is_told_what_to_use() -> None:
    model = cr.Model(cr.Network(2, [cr.Dense(1)], rng=0), cr.SquaredError())
    with pytest.raises(ValueError, match="trained on matrices: use contributions"):
        explain_answer(model, None, 0)  # type: ignore[arg-type]


def test_rows_of_weight_0_make_no_step(tmp_path: Path) -> None:
    rows = [f"{i * 7 % 20},{i % 20},{min(i, 1)}" for i in range(40)]
    (tmp_path / "w.csv").write_text("x,y,w\n" + "\n".join(rows) + "\n")
    ok("train", "w.csv", "--target", "y", "--task", "regression", "--weight", "w", *QUICK,
       "--no-compare", cwd=tmp_path)  # fmt: skip
    for verb in (["verify"], ["explain", "--number", "0.W[0,0]"]):
        done = call(*verb, "w.safetensors", "--file", "w.csv", cwd=tmp_path)
        assert done.exit_code == 2
        assert "row 1 has weight 0, so there is no step to make: choose another" in done.stderr
    ok("verify", "w.safetensors", "--file", "w.csv", "--row", 2, cwd=tmp_path)
