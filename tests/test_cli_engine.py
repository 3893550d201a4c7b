"""Both engines on the command line: which one ran, what is shown meanwhile, what is told where the
compiled one cannot be had, and that its compilation is no training.
"""

import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from support.cli_tables import QUICK, document, environment, ok, process, write_flowers
from support.compiled_runs import toy
from support.processes import completed
from support.terminals import Terminal

import chainrule
from chainrule.cli import progress
from chainrule.training import engines
from chainrule.training.loop import Record

TRAIN = ["train", "flowers.csv", "--target", "kind", "--preset", "simple", "--hidden", "4"]
TRAIN += ["--no-compare", "--out", "m.st"]
MUCH = [*TRAIN, "--epochs", "100000", "--lr", "0.01"]
"""So many epochs that "auto" takes the compiled engine; after some hundred patience ends it."""
COMPILING = "Compiling the engine, once for this machine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("engine")
    write_flowers(place / "flowers.csv", n=200)
    return place


@pytest.fixture
def told_again(tmp_path: Path) -> dict[str, str]:
    """The variables for a cache of all kernels that no process has said yet to have compiled."""
    toy()
    from chainrule.compiled import cache

    shutil.copytree(cache.folder(), place := tmp_path / "cache" / cache.folder().name)
    place.chmod(0o700)
    for mark in place.glob("*/float64.ready"):
        mark.unlink()
    return {"CHAINRULE_CACHE": str(place.parent)}


@pytest.mark.parametrize(("seconds", "engine"), [(0.0, "compiled"), (1e9, "readable")])
def test_auto_and_what_is_told_of_it(
    seconds: float, engine: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "AUTO_SECONDS", seconds)
    table = chainrule.read_table(folder / "flowers.csv")
    run = chainrule.TableRun.read(table, "kind", "simple", epochs=3)
    assert run.engine is None
    assert [record.engine for record in run.train()] == [engine] * 3
    assert run.engine == engine
    model, report = tmp_path / "m.st", tmp_path / "r.html"
    train = ["train", folder / "flowers.csv", "--target", "kind", *QUICK, "--no-compare"]
    assert document(*train, "--out", model, "--report", report)["engine"] == engine
    assert document("info", model)["facts"]["engine"] == engine
    assert re.search(rf"^ +engine +{engine}$", ok("info", model), re.MULTILINE)
    page = re.sub(r"<[^>]*>\s*", " ", report.read_text(encoding="utf-8"))
    assert re.search(rf"\bengine +{engine}\b", page)


def test_compiling_is_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by an hour while the engine gets ready."""
    real, clock, hours = engines.start, time.perf_counter, [0]

    def start(*args: object, **settings: object) -> object:
        hours[0] += 1
        return real(*args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(engines, "start", start)
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 3600 * hours[0])
    told = document(*TRAIN, "--epochs", "2", cwd=folder)
    assert hours == [1]
    assert 0 < told["seconds"] < 3600
    assert chainrule.load(folder / "m.st").facts["seconds"] == told["seconds"]
    text = ok(*TRAIN, "--epochs", "2", cwd=folder)
    assert float(re.findall(r"Trained in ([0-9.]+) s", text)[0]) < 3600


LOSSES = "loss 0.250  held out 0.0833  best 0.0833 at"
PICTURES = [  # width of the terminal, epochs, those done, seconds of each, what is shown
    (120, 20, 1, 1.0, f"Epoch  1/20 {'━' * 30} {LOSSES} 1  ≤ 0:19 left"),
    (120, 20, 20, 1.0, f"Epoch 20/20 {'━' * 30} {LOSSES} 20  ≤ 0:00 left"),
    (120, 3601, 1, 1.0, f"Epoch     1/3,601 {'━' * 30} {LOSSES} 1  ≤ 1:00:00 left"),
    (95, 9999, 5000, 0.01, f"Epoch 5,000/9,999 {'━' * 12} {LOSSES} 5,000  ≤ 0:50 left"),
    (80, 9999, 5000, 0.01, f"Epoch 5,000/9,999 ━━━━ {LOSSES[12:]} 5,000  ≤ 0:50 left"),
    (60, 9999, 5000, 0.01, f"Epoch 5,000/9,999 ━━━━ {LOSSES[29:]} 5,000  ≤ 0:50 left"),
    (40, 9999, 5000, 0.01, "Epoch 5,000/9,999 ━━━━ ≤ 0:50 left"),
]


@pytest.mark.parametrize(("width", "epochs", "done", "seconds", "shown"), PICTURES)
def test_line_on_any_terminal(
    width: int, epochs: int, done: int, seconds: float, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time left counts from the first epoch on, not from what compiled the engine; nor is it
    shown any more if it was given up half-way.
    """
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run = shown_run(epochs)
    bar = progress.Bar(run, progress.Interrupt())
    bar.compiling(0.5)
    now[0] = 1000.0
    for epoch in range(done):
        now[0] += seconds
        bar(Record(epoch, 0.25, 0.0833 - 1e-9 * epoch, 0.1, seconds, "compiled"))
    assert line(bar, width) == shown


def shown_run(epochs: int, members: int = 1) -> Any:
    """What the bar reads of a run."""
    return SimpleNamespace(preset=SimpleNamespace(epochs=epochs), members=[None] * members)


def line(bar: progress.Bar, width: int) -> str:
    """The picture of the bar on a terminal of this width, without colours."""
    bar.console = Console(width=width, force_terminal=True, color_system="standard")
    with bar.console.capture() as captured:
        bar.console.print(bar.live.get_renderable())
    return re.sub("[╸╺]", "━", re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).rstrip())


def test_line_names_the_networks_and_the_best_epoch_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 0.0))
    bar = progress.Bar(shown_run(20, members=4), progress.Interrupt())
    assert re.fullmatch("Epoch  0/20 of 4 networks ━+ first epoch", line(bar, 120))
    for epoch, score in enumerate((0.5, 0.25, 0.375)):
        bar(Record(epoch, 0.75, score, 0.1, 1.0, "compiled"))
    told = "loss 0.750  held out 0.375  best 0.250 at 2  ≤ "
    assert re.fullmatch(f"Epoch  3/20 of 4 networks ━+ {told}[0-9:]+ left", line(bar, 120))


def test_line_after_ctrl_c() -> None:
    bar = progress.Bar(shown_run(20), asked := progress.Interrupt(armed=True))
    bar.compiling(0.25)
    assert line(bar, 80) == f"{COMPILING} {'━' * 30} 25 %"
    asked(signal.SIGINT)
    again = "Ctrl-C again saves nothing"
    assert line(bar, 80) == f"Compiling the engine ━━━━━━ stopping after this part; {again}"
    bar(Record(0, 0.5, None, 0.1, 1.0, "compiled"))
    assert line(bar, 80) == f"Epoch  1/20 ━━━━ stopping after this epoch; {again}"


def test_terminal_while_the_engine_is_compiled(folder: Path, told_again: dict[str, str]) -> None:
    terminal = Terminal(*MUCH, cwd=folder, both=True, **told_again)
    assert terminal.finish()[0] == 0, terminal.seen
    shares = [int(n) for n in re.findall(rf"{COMPILING} [^\r]* (\d+) %", terminal.seen)]
    assert len(set(shares)) > 5
    assert shares == sorted(shares)
    assert re.search(
        r"Epoch +[\d,]+/100,000 .* left", terminal.seen.partition(f"{shares[-1]} %")[2]
    )
    lines = terminal.screen()
    assert not re.search("Compiling|Epoch +[0-9]", "\n".join(lines))
    assert "Trained in" in "\n".join(lines)
    again = Terminal(*MUCH, cwd=folder, both=True, **told_again)
    assert again.finish()[0] == 0
    assert COMPILING not in again.seen


def messages(err: str) -> str:
    """Standard error without the lines that show how far a training of many seconds is."""
    return "".join(line for line in err.splitlines(True) if "epochs done: loss" not in line)


@pytest.mark.parametrize(
    ("options", "told"), [([], True), (["--json"], True), (["--quiet"], False)], ids=str
)
def test_pipe_while_the_engine_is_compiled(
    options: list[str], told: bool, folder: Path, told_again: dict[str, str]
) -> None:
    done = process(*MUCH, *options, cwd=folder, **told_again)
    line = "chainrule: compiling the engine, once for this machine (about 20 seconds)\n"
    assert (done.code, messages(done.err)) == (0, line * told)


STRUCK = """
import signal
from chainrule.compiled import kernels
real = kernels.address
def address(*arguments):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass
    return real(*arguments)
kernels.address = address
from chainrule.cli import main
main()
"""
"""The command line, with a Ctrl-C in each kernel that is compiled, where LLVM swallows it."""


def test_ctrl_c_while_the_engine_is_compiled(folder: Path, told_again: dict[str, str]) -> None:
    command = [sys.executable, "-c", STRUCK, *MUCH, "--quiet", "--out", "struck.st"]
    done = completed(command, cwd=folder, env=environment(**told_again))
    stopped = "chainrule: stopped; what was not finished is not written"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", stopped)
    assert not (folder / "struck.st").exists()


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """The variables of a process whose Numba fails; not before HOLD, if named, is gone."""
    text = "import os, time\nwhile os.path.exists(os.environ.get('HOLD', '')): time.sleep(0.01)\n"
    (tmp_path / "numba.py").write_text(text + "raise ImportError('it is broken')\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}


CANNOT = "chainrule: note: Numba cannot be loaded (it is broken): pip install "


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"]], ids=str)
def test_engine_that_cannot_be_had_is_one_note(
    options: list[str], folder: Path, broken: dict[str, str]
) -> None:
    done = process(*MUCH, *options, cwd=folder, **broken)
    assert done.code == 0
    note = messages(done.err)
    assert note.startswith(CANNOT)
    assert note.endswith("; until then the readable engine runs\n")
    assert note.count("\n") == 1
    assert "--json" not in options or json.loads(done.out)["engine"] == "readable"


def test_cache_that_cannot_be_written_is_one_note(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = process(*MUCH, cwd=folder, CHAINRULE_CACHE=str(tmp_path / "file" / "cache"))
    assert done.code == 0
    assert re.fullmatch(
        r"chainrule: note: kernels cannot be kept .*: set CHAINRULE_CACHE .*\n", messages(done.err)
    )


def test_note_stands_above_the_bar(folder: Path, broken: dict[str, str], tmp_path: Path) -> None:
    (hold := tmp_path / "hold").touch()
    terminal = Terminal(*MUCH, "--json", cwd=folder, **broken, HOLD=str(hold))
    terminal.wait_for("first epoch")
    hold.unlink()
    code, out = terminal.finish()
    assert (code, json.loads(out)["engine"]) == (0, "readable")
    assert "first epoch" in terminal.seen.partition("note")[0]
    assert "left" in terminal.seen.partition("note")[2]
    told = "".join(f"{line.strip()} " for line in terminal.screen() if line.strip())
    assert told.startswith(CANNOT)
    assert told.endswith("; until then the readable engine runs ")


def test_other_warnings_are_left_alone(folder: Path) -> None:
    """What does not point at our code is no note."""
    code = "import warnings; import chainrule.cli.train as t; real = t.run_from_options\n"
    code += "def built(*a):\n    warnings.warn('of others')\n    return real(*a)\n"
    code += "t.run_from_options = built\nfrom chainrule.cli import main\nmain()"
    command = [sys.executable, "-c", code, *TRAIN, "--epochs", "1"]
    done = completed(command, cwd=folder, env=environment())
    assert done.returncode == 0
    assert "<string>:3: UserWarning: of others" in done.stderr
    assert "note" not in done.stderr
