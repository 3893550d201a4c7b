"""The benchmark's own code: what it judges, shows and writes, without the peers it measures."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(BENCHMARKS)
    import accuracy
    import engine_cold
    import engine_ours
    import engine_process
    import engine_show
    import engine_timing
    from engine_picture import growth_picture, picture
    from engine_work import (
        AXES,
        BASE,
        COLD,
        LARGE,
        PEERS,
        PREDICTION,
        TRAINING,
        Work,
        data,
        few,
        quick,
        work_at,
    )


def times(**best: float) -> dict[str, dict[str, float]]:
    """Canned times: of everyone the median is twice the best, of ours four times."""
    return {who: {"best": t, "median": t * (4 if who == "ours" else 2)} for who, t in best.items()}


TIMES = times(ours=10.0, sklearn=3000.0, torch=40.0, jax=15.0, floor=9.0)
GOALS = ((PEERS, 1.5), (("sklearn", "torch"), 4.1), (("floor",), 0.85))
ROWS = [
    {
        "name": "net", "unit": "µs a step", "divide": 1, "times": TIMES,
        "goals": engine_timing.judge(TIMES, GOALS),
    },
    {
        "name": "predict", "unit": "ms", "divide": 1000,
        "times": times(ours=2.5e6, sklearn=5e6, torch=5e6, jax=5e6, onnxruntime=2.499e6),
        "goals": [],
    },
]  # fmt: skip
GROWTH = [
    {"axis": axis, "value": value, "times": times(ours=value, sklearn=9e4, torch=5e4, jax=3e4)}
    for axis, values in AXES.items()
    for value in values[:2]
]
SAID = {"megabytes": 123.4, "loss": 0.05, "engine": "readable"}
MEMORY = [{"name": "cold", "said": dict.fromkeys(("ours", *PEERS), SAID)}]
FOUND = {
    "rows": ROWS, "growth": GROWTH[:1], "memory": MEMORY, "processor": "abacus", "system": "clay",
    "versions": {"Python": "3", "numpy": "2"}, "rounds": 7, "few_rounds": 3, "data": "images",
    "command": ["--data", "a folder"],
}  # fmt: skip


def test_goals_are_judged_by_the_best_times_of_the_fastest_peer() -> None:
    every, slow, floor = engine_timing.judge(TIMES, GOALS)
    assert every == {
        "peers": list(PEERS), "factor": 1.5, "best": 1.5, "median": 0.75, "met": True,
    }  # fmt: skip
    assert (slow["best"], slow["median"], slow["met"]) == (4.0, 2.0, False)
    assert (floor["best"], floor["met"]) == (0.9, True)


def test_rounds_take_turns_after_one_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_timing, "LEAST", 0.0)
    monkeypatch.setattr(engine_timing, "SETTLE", 0.0)
    turns: list[str] = []

    def run(who: str) -> float:
        turns.append(who)
        return float(len(turns))

    found = engine_timing.rounds({"a": lambda: run("a"), "b": lambda: run("b")}, 3)
    assert "".join(turns) == "ab" + "ab" * 3
    assert found == {"a": [3, 5, 7], "b": [4, 6, 8]}
    assert engine_timing.summary({"a": [3, 5, 10]}, 2) == {"a": {"best": 1.5e6, "median": 2.5e6}}


def test_page_holds_each_table_and_how_it_was_measured() -> None:
    assert engine_show.figures(FOUND).splitlines() == [
        "Best times of the rounds; in parentheses the ratio of the medians:",
        "",
        "| work | chainrule | scikit-learn | PyTorch | JAX | onnxruntime | floor "
        "| best peer / chainrule | goals |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: | :-- |",
        "| net, µs a step | 10.0 | 3,000 | 40.0 | 15.0 | – | 9.00 | 1.50 (0.750) "
        "| ≥ 1.5 × every peer: 1.50 met<br>≥ 4.1 × scikit-learn and PyTorch: 4.00 missed"
        "<br>≥ 0.85 × floor: 0.900 met |",
        "| predict, ms | 2,500 | 5,000 | 5,000 | 5,000 | 2,499 | – | 1.00 (0.500) |  |",
        "",
        "Growth: ns a row and epoch of 32-128-128-10, 8,192 rows, batch 128, with one thing "
        "changed; in parentheses the ratio of the medians:",
        "",
        "| changed | to | chainrule | scikit-learn | PyTorch | JAX | best peer / chainrule |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
        "| rows | 128 | 128 | 90,000 | 50,000 | 30,000 | 234 (117) |",
        "",
        "Whole processes: peak memory and last loss:",
        "",
        "| work | chainrule | scikit-learn | PyTorch | JAX |",
        "| :-- | --: | --: | --: | --: |",
        "| cold, MB | 123 | 123 | 123 | 123 |",
        "| cold, loss | 0.0500 | 0.0500 | 0.0500 | 0.0500 |",
        "",
        "Measured on abacus, 2 threads, clay, with Python 3, numpy 2; 7 rounds, 3 for growth and "
        "the largest process; the data of 784 inputs are images; "
        "`python benchmarks/engine.py --data 'a folder'`.",
    ]


def test_terminal_shows_the_same_text_and_colours_only_the_verdict() -> None:
    shown = engine_show.timing_table(ROWS)
    table = engine_show.on_screen(shown)
    cells = [list(column.cells) for column in table.columns]
    assert [[text.plain for text in row] for row in zip(*cells, strict=True)] == shown.rows
    goals = cells[-1][0]
    coloured = [(goals.plain[span.start : span.end], span.style) for span in goals.spans]
    assert sorted(coloured) == [("met", "green"), ("met", "green"), ("missed", "red")]
    assert [column.justify for column in table.columns] == ["left", *["right"] * 7, "left"]


def test_validation_shows_a_dash_where_a_peer_cannot_do_the_work() -> None:
    off = {"ours": 4e-16, "torch": 1e-10, "jax": 0.004}
    found = engine_show.validation_table([{"name": "net", "dtype": "float32", "off": off}])
    assert found.rows == [["net", "float32", "4e-16", "–", "1e-10", "4e-03"]]


def test_figures_change_nothing_outside_their_pair_of_comments(tmp_path: Path) -> None:
    before, after = "# Page\r\n\nten × two\n", "\n\nThe rest.  \n<!-- figures: end -->"
    page = tmp_path / "page.md"
    page.write_bytes(f"{before}{engine_show.BEGIN}\nold\n{engine_show.END}{after}".encode())
    wanted = f"{before}{engine_show.BEGIN}\nnew\n{engine_show.END}{after}".encode()
    assert engine_show.placed(page, "new") == wanted
    page.write_bytes(wanted)
    assert engine_show.placed(page, "new") == wanted


def test_a_new_page_can_be_written_twice_and_one_without_the_pair_never(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_bytes(engine_show.placed(page, "first"))
    page.write_bytes(engine_show.placed(page, "second"))
    assert page.read_text() == f"{engine_show.BEGIN}\nsecond\n{engine_show.END}\n"
    for text in ("My notes.\n", f"{engine_show.BEGIN}\n", f"{engine_show.END}{engine_show.BEGIN}"):
        page.write_text(text)
        with pytest.raises(ValueError, match="page.md has no .*add the pair"):
            engine_show.placed(page, "figures")


def test_pictures_are_written(tmp_path: Path) -> None:
    for draw, found in ((picture, ROWS), (growth_picture, GROWTH)):
        draw(found, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
        (tmp_path / "picture.png").unlink()


def test_names_are_unique_and_goals_name_known_peers() -> None:
    works = [*TRAINING, *PREDICTION, COLD, LARGE]
    assert len({work.name for work in works}) == len(works)
    known = {work.name: {*PEERS} for work in works}
    for work in TRAINING:
        known[work.name] |= {"floor"} if work.dtype == "float32" else set()
    for task in PREDICTION:
        known[task.name] |= {"onnxruntime"}
    for work in works:
        for peers, factor in work.goals:
            assert {*peers} <= known[work.name], work.name
            assert factor > 0
    for task in (COLD, LARGE):  # the process reads the sizes off the name
        assert task.work.name == "-".join(map(str, task.work.sizes))


def test_growth_changes_one_thing_and_passes_through_the_base() -> None:
    for axis, values in AXES.items():
        points = [work_at(axis, value) for value in values]
        assert BASE in points, axis
        assert len({(point.sizes, point.rows, point.batch) for point in points}) == len(values)
        for point in points:
            changed = {
                f.name for f in fields(Work) if getattr(point, f.name) != getattr(BASE, f.name)
            }
            assert len(changed - {"epochs"}) <= 1, (axis, changed)


@pytest.mark.parametrize("work", TRAINING, ids=lambda work: work.name)
def test_quick_and_few_are_shorter_and_else_the_same(work: Work) -> None:
    short, compared = quick(work), few(work)
    assert 0 < short.steps <= work.steps / 2
    assert compared.rows <= 21 * work.batch
    if not work.full_batch and work.rows > 20 * work.batch:
        assert compared.rows % work.batch, "the last batch is to be a short one"
    for other in (short, compared):
        assert replace(other, rows=work.rows, epochs=work.epochs) == work


@pytest.mark.parametrize("work", TRAINING, ids=lambda work: work.name)
def test_both_engines_of_ours_have_the_same_losses(work: Work) -> None:
    rows = min(work.rows, 2 * work.batch + work.batch // 2)
    work = replace(work, dtype="float64", rows=rows, epochs=3)
    X, y = data(work)
    assert (X.shape, X.dtype, len(y)) == ((work.rows, work.sizes[0]), np.float64, work.rows)
    losses = [engine_ours.training(work, X, y, engine)()[1] for engine in ("readable", "compiled")]
    assert len(losses[0]) == work.epochs == 3
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9, atol=0)
    assert losses[0][-1] < losses[0][0]


def test_an_engine_that_did_not_run_is_not_timed() -> None:
    work = replace(few(TRAINING[0]), epochs=1)
    with pytest.raises(SystemExit, match="2-2-1 ran on the readable engine, not auto"):
        engine_ours.training(work, *data(work), "auto")()


@pytest.mark.parametrize(("asked", "ran"), [("auto", "readable"), ("compiled", "compiled")])
def test_a_process_says_which_engine_ran(
    asked: str, ran: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", X=np.eye(8, 4, dtype=np.float32), y=np.arange(8) % 2)
    engine_process.main(asked, str(tmp_path / "data.npz"), "4-3-2", "2", "4")
    said = json.loads(capsys.readouterr().out)
    assert said["engine"] == ran
    assert 0 < said["loss"] < 2
    assert said["megabytes"] > 10


def canned_process(who: str, file: Path, work: Work) -> tuple[float, dict[str, Any]]:
    """Ours in 1 or 2 seconds, any peer in 3."""
    assert file.exists()
    seconds = {"auto": 1.0, "compiled": 2.0}.get(who, 3.0)
    return seconds, SAID | {"engine": {"auto": "readable", "compiled": "compiled"}.get(who, "")}


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark's program with canned figures in the place of everything that is measured."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "2")  # as it does itself: so they are put back
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None, raising=False)
    train = SimpleNamespace(
        validate=lambda work, dtype: {"name": work.name, "dtype": dtype, "off": {}},
        timing=lambda work, count: TIMES,
        growth=lambda count, short: iter(GROWTH),
    )
    slow = times(ours=9.0, onnxruntime=1.0, sklearn=1.0)
    predict = SimpleNamespace(timing=lambda task, count: ({}, slow))
    monkeypatch.setitem(sys.modules, "engine_train", train)
    monkeypatch.setitem(sys.modules, "engine_predict", predict)
    monkeypatch.setattr(engine_cold, "process", canned_process)
    monkeypatch.setattr(engine_cold, "data", lambda work: (np.zeros((1, 1)), np.zeros(1)))
    monkeypatch.setattr(engine_timing, "LEAST", 0.0)
    monkeypatch.setattr(engine_timing, "SETTLE", 0.0)
    monkeypatch.syspath_prepend(BENCHMARKS)
    import engine

    monkeypatch.setattr(engine, "version", lambda package: "1.0")
    yield engine
    del sys.modules["engine"]  # a new one finds what the next test puts in its peers' place


def run(program: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["engine.py", *map(str, arguments)])
    program.main()


def test_everything_is_measured_shown_and_saved_also_where_goals_are_missed(
    program: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = tmp_path / "a.json", tmp_path / "a.md", tmp_path / "a.png"
    run(program, monkeypatch, "--json", files[0], "--markdown", files[1], "--picture", files[2])
    found = json.loads(files[0].read_text())
    digits, large = f"{COLD.name}, ", f"{LARGE.name}, "
    cold = [f"{digits}auto → readable", f"{digits}compiled", f"{large}auto → readable"]
    named = [work.name for work in TRAINING] + [task.name for task in PREDICTION]
    assert [row["name"] for row in found["rows"]] == named + cold
    assert [row["name"] for row in found["memory"]] == cold
    assert [row["times"]["ours"]["best"] for row in found["rows"][-3:]] == [1e6, 2e6, 1e6]
    assert [len(row["goals"]) for row in found["rows"][-3:]] == [2, 2, 0]
    assert found["growth"] == GROWTH
    assert found["rounds"] == 7
    shown = capsys.readouterr().out
    for text in ("Validated", "Best times", "Whole processes", "Growth: ns", "missed", "met"):
        assert text in shown
    assert engine_show.figures(found) in files[1].read_text()
    assert {file.name for file in tmp_path.iterdir()} == {
        "a.json", "a.md", "a.png", "a-growth.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "rows", "has_growth", "has_memory"),
    [
        (["--no-growth"], 17, False, False),
        (["--only", "2-2-1"], 2, False, False),
        (["--only", "growth"], 0, True, False),
        (["--only", "cold process", "--quick"], 3, False, True),
    ],
)
def test_parts_can_be_left_out(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    arguments: list[str], rows: int, has_growth: bool, has_memory: bool,
) -> None:  # fmt: skip
    run(program, monkeypatch, *arguments, "--json", tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert len(found["rows"]) == rows
    assert (bool(found["growth"]), bool(found["memory"])) == (has_growth, has_memory)
    assert found["rounds"] == (2 if "--quick" in arguments else 7)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rounds", "0"], "--rounds is 0"),
        (["--data", "nowhere"], "--data nowhere holds no train-images"),
        (["--json", "nowhere/a.json"], "nowhere is no folder"),
        (["--markdown", str(ROOT / "LICENSE")], "has no <!-- figures: begin -->"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_measured(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], told: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(program, "measure", lambda *_: pytest.fail("something was measured"))
    with pytest.raises(SystemExit) as ended:
        run(program, monkeypatch, *arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_log_loss_takes_each_class_from_its_own_column() -> None:
    P = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    model = SimpleNamespace(classes_=np.array(["b", "a", "c"]), predict_proba=lambda X: P)
    found = accuracy.log_loss(model, None, ["b", "c"])
    assert found == pytest.approx((np.log(2) + 15 * np.log(10)) / 2)
    numbers = SimpleNamespace(classes_=np.array([2, 10, 11]), predict_proba=lambda X: P)
    assert accuracy.log_loss(numbers, None, [10, 10]) == pytest.approx(np.log(4) / 2)


def accuracies(**means: float) -> dict[str, Any]:
    """Canned errors and log losses of two seeds, and times, by model."""
    found = {name: [mean, mean] for name, mean in means.items()}
    return {"rows": 9, "errors": found, "log_losses": found, "seconds": dict.fromkeys(means, 1.0)}


def test_claims_compare_geometric_means_of_the_models_that_every_table_has() -> None:
    same = {"sklearn MLP": 0.4, "HistGB": 0.4}
    results = {"a": accuracies(**same, strong=0.2), "b": accuracies(**same, strong=0.4, CatBoost=1)}
    assert accuracy.models(results, "errors") == ["sklearn MLP", "HistGB", "strong"]
    assert accuracy.claims(results, "strong", "log_losses") == (
        "strong, log loss: worse than scikit-learn's MLP on no table; "
        "-29.3 % of HistGB's log loss, better on 1, worse on 0"
    )
    table = accuracy.shown(results, "strong", "errors")
    assert list(table.columns[-2].cells)[2:4] == ["0.2828", "1.50"]


def test_coverage_comes_with_its_standard_error_over_the_splits() -> None:
    found = {"coverage": [0.7, 0.8, 0.9], "width": [1.0, 2.0, 3.0]}
    assert accuracy.summary(found) == pytest.approx((0.8, 0.1 / np.sqrt(3), 2.0))
    table = accuracy.intervals_shown(
        {name: {"rows": 9, "intervals": {"strong": {"0.8": found, "0.9": found}}} for name in "ab"}
    )
    assert [list(column.cells) for column in table.columns][2] == [
        "0.800 ± 0.058; 2.00", "0.800 ± 0.058; 2.00", "0.800 ± 0.041; 2.00",
    ]  # fmt: skip
