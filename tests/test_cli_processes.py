"""The command line as processes: Ctrl-C, terminals and pipes, divergence half-way, the demo."""

import json
import os
import re
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from support.cli_tables import (
    COMMAND,
    QUICK,
    Done,
    document,
    environment,
    ok,
    process,
    write_flowers,
)
from support.processes import completed
from support.terminals import Terminal

import chainrule


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("processes")
    write_flowers(place / "flowers.csv", n=600)
    return place


ENDLESS = ["train", "flowers.csv", "--target", "kind", "--epochs", "1000000", "--lr", "1e-9"]
ENDLESS += ["--optimizer", "sgd", "--preset", "simple", "--no-compare", "--json"]
HELD = """
import sys, time
from chainrule.cli.signals import received
from chainrule.compiled import engine
first, real, calls = int(sys.argv.pop(1)), engine.train, []
def train(*arguments):
    stopped = real(*arguments)
    calls.append(stopped)
    if len(calls) >= first:
        print(f"call {len(calls)} is held", file=sys.stderr, flush=True)
    while len(calls) >= first and len(received) < first:
        time.sleep(0.1)
    return stopped
engine.train = train
from chainrule.cli import main
main()
"""
"""The command line; from the given call of the kernel on, epochs last until as many signals came.

The kernel is at work on a thread, which no signal reaches.
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_signal_keeps_the_best_epoch(number: int, code: int, folder: Path) -> None:
    terminal = Terminal(*ENDLESS, "--hidden", "4", "--out", "kept.safetensors", cwd=folder)
    terminal.wait_for("best")
    terminal.interrupt(number)
    ended, out = terminal.finish()
    assert ended == code, terminal.seen
    told = json.loads(out)
    assert told["training"]["stopped"] == "interrupted"
    assert told["training"]["ending"].startswith("Stopped by you after ")
    assert told["training"]["ending"].endswith(f"epoch {told['training']['best_epoch'] + 1}")
    model = chainrule.load(folder / "kept.safetensors")
    assert model.facts["best_epoch"] == told["training"]["best_epoch"]
    assert told["test"] == model.facts["test"]["network"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_in_the_first_epoch_writes_nothing(number: int, folder: Path) -> None:
    arguments = [1, *ENDLESS, "--hidden", "4", "--out", "first.safetensors"]
    terminal = Terminal(*arguments, cwd=folder, script=HELD)
    terminal.wait_for("call 1 is held")
    terminal.wait_for("first epoch")
    terminal.interrupt(number)
    code, out = terminal.finish()
    assert (code, out) == (128 + number, "")
    assert "Traceback" not in terminal.seen
    assert not (folder / "first.safetensors").exists()


def test_second_ctrl_c_leaves_at_once(folder: Path) -> None:
    old = folder / "old.safetensors"
    old.write_bytes(b"an older model")
    terminal = Terminal(2, *ENDLESS, "--hidden", "4", "--out", old, cwd=folder, script=HELD)
    terminal.wait_for("call 2 is held")
    terminal.wait_for("best")
    terminal.interrupt()
    terminal.wait_for("Ctrl-C again saves nothing")
    terminal.interrupt()
    code, out = terminal.finish()
    assert (code, out) == (130, "")
    assert "stopped" in terminal.seen
    assert old.read_bytes() == b"an older model"


HELD_LINEAR = """
import sys, time
from chainrule.tabular import run
run.COMPARE_SECONDS = 600.0
def minimize(*arguments, **how):
    print("the linear model is held", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.1)
    yield
run.compare.__globals__["minimize"] = minimize
from chainrule.cli import main
main()
"""
"""The command line, whose linear model takes until a signal ends it."""


def test_ctrl_c_leaves_out_the_linear_model(folder: Path, tmp_path: Path) -> None:
    arguments = ["train", folder / "flowers.csv", "--target", "kind", "--out", "m.safetensors"]
    arguments += ["--preset", "simple", "--hidden", "2", "--epochs", "2", "--json"]
    terminal = Terminal(*arguments, cwd=tmp_path, script=HELD_LINEAR)
    terminal.wait_for("Training a linear model to compare with (Ctrl-C leaves it out)")
    terminal.wait_for("the linear model is held")
    terminal.interrupt()
    code, out = terminal.finish()
    assert code == 0, terminal.seen
    told = json.loads(out)
    assert told["warnings"] == ["linear model left out: stopped by you"]
    assert told["baselines"]["boosting"]["accuracy"] > 0.8
    assert told["baselines"]["linear"] is None
    assert told["baselines"]["constant"]["accuracy"] > 0
    assert told["training"]["stopped"] == "epochs"
    assert (tmp_path / "m.safetensors").exists()


def test_divergence_after_an_epoch_keeps_the_best(tmp_path: Path) -> None:
    """A rate so high that the one step of an epoch ends with finite numbers, and a few more do."""
    done = process(
        "train", write_flowers(tmp_path / "few.csv"), "--target", "kind", "--optimizer", "sgd",
        "--lr", "1e30", "--activation", "identity", "--no-compare", "--json", "--out", "m.st",
        cwd=tmp_path,
    )  # fmt: skip
    told = json.loads(done.out)
    assert (done.code, told["training"]["stopped"]) == (1, "diverged")
    assert told["training"]["ending"].startswith("Diverged after ")
    assert "lower the learning rate" in told["warnings"][0]
    assert told["training"]["epochs"] > 0
    model = chainrule.load(tmp_path / "m.st")
    assert model.facts["test"]["network"] == told["test"]


STRUCK = """
import os, signal, sys
where, number, *sys.argv[1:] = sys.argv[1:]
strike = lambda: os.kill(os.getpid(), int(number))
class Finder:
    def find_spec(name, path, target=None):
        if name == where:
            strike()
sys.meta_path.insert(0, Finder)
real, seen = os.fsync, []
def fsync(descriptor):
    real(descriptor)
    seen.append(descriptor)
    if where == f"fsync {len(seen)}":
        strike()
os.fsync = fsync
from chainrule.cli import main
main()
"""
"""The command line, which gets a signal when a module is imported or a file is written."""
LOST = "the model is saved in m.st, but not the report r.html"
STRIKES = [
    ("click", signal.SIGINT, "", []),
    ("chainrule.cli.train", signal.SIGINT, "", []),
    ("chainrule.cli.train", signal.SIGTERM, "", []),
    ("duckdb", signal.SIGINT, "what was not finished is not written", []),
    ("duckdb", signal.SIGTERM, "what was not finished is not written", []),
    ("fsync 1", signal.SIGINT, LOST, ["m.st"]),
    ("fsync 1", signal.SIGTERM, LOST, ["m.st"]),
    ("matplotlib", signal.SIGINT, LOST, ["m.st"]),
    ("fsync 2", signal.SIGTERM, LOST, ["m.st"]),
]


@pytest.mark.parametrize(("where", "number", "words", "left"), STRIKES)
def test_signal_at_any_moment(
    where: str, number: int, words: str, left: list[str], folder: Path, tmp_path: Path
) -> None:
    """No traceback, no half-written file, and a network that is trained is not lost."""
    arguments = [folder / "flowers.csv", "--target", "kind", *QUICK, "--no-compare"]
    arguments += ["--out", "m.st"]
    command = [sys.executable, "-c", STRUCK, where, str(int(number)), "train"]
    command += [*map(str, arguments), "--report", "r.html", "--quiet"]
    done = completed(command, cwd=tmp_path, env=environment())
    assert done.returncode == 128 + number, done.stderr
    told = f"chainrule: stopped; {words}" if words else ""
    assert done.stderr.strip() == told
    assert sorted(os.listdir(tmp_path)) == left
    for name in left:
        assert chainrule.load(tmp_path / name).facts["test"]["network"]["accuracy"] > 0.8


def shell(line: str, cwd: Path) -> Done:
    """The line in bash, `chainrule` in it being the command; a pipe's failure counts."""
    line = line.replace("chainrule", " ".join(COMMAND), 1)
    done = completed(["bash", "-o", "pipefail", "-c", line], cwd=cwd, env=environment())
    return Done(done.returncode, done.stdout, done.stderr)


def test_failing_report_leaves_the_model(folder: Path, tmp_path: Path) -> None:
    """A disk that takes the model but not the report, which is larger than 64 kB."""
    line = f"ulimit -f 64; chainrule train {folder / 'flowers.csv'} --target kind"
    line += " --hidden 4 --epochs 3 --out m.st --report r.html --json"
    done = shell(line, tmp_path)
    assert done.code == 2, done.err
    assert json.loads(done.out)["error"].startswith(LOST)
    assert "File too large" in done.err
    assert os.listdir(tmp_path) == ["m.st"]
    assert chainrule.load(tmp_path / "m.st").task == "binary"


GONE = "nosuch does not exist"
FULL = "No space left on device"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("chainrule info nosuch --json > /dev/full", 2, GONE),
        ("chainrule info nosuch --json 2> /dev/full > /dev/full", 2, None),
        ("chainrule info nosuch --json | true", 2, GONE),
        ("chainrule info nosuch --json 2>&1 | true", 2, None),
        ("chainrule lesson > /dev/full", 2, FULL),
        ("chainrule --help > /dev/full", 2, FULL),
        ("chainrule train --help | true", 0, None),
    ],
)
def test_output_that_nobody_takes(line: str, code: int, words: str | None, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.count("\n") == (words is not None)
    assert (words or "") in done.err


def test_terminal_has_colours_and_a_bar(folder: Path) -> None:
    arguments = ["train", "flowers.csv", "--target", "kind", *QUICK, "--no-compare"]
    arguments += ["--out", "t.safetensors"]
    terminal = Terminal(*arguments, cwd=folder, both=True)
    assert terminal.finish()[0] == 0
    assert "\x1b[" in terminal.seen
    assert re.search(r"Epoch.*loss .*held out .*best .* left", terminal.seen)
    plain = Terminal(*arguments, cwd=folder, both=True, NO_COLOR="1")
    assert plain.finish()[0] == 0
    assert "\x1b" not in plain.seen
    assert "Epoch" not in plain.seen
    assert "test rows" in plain.seen
    piped = process(*arguments, cwd=folder)
    assert (piped.code, piped.err) == (0, "")
    assert "\x1b" not in piped.out


@pytest.mark.parametrize(
    "command",
    [
        "train flowers.csv --target kind --hidden 2 --epochs 3 --out {}.safetensors",
        "info flowers.csv",
        "lesson alice",
    ],
)
def test_reader_that_leaves_early(command: str, folder: Path) -> None:
    name = "left" + str(len(command))
    done = shell(f"chainrule {command.format(name)} | head -1", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    assert (folder / f"{name}.safetensors").exists() == ("{}" in command)


def test_next_commands_name_what_was_used(tmp_path: Path) -> None:
    """A number is a share even beside a file of that name; a database's table is named again."""
    write_flowers(tmp_path / "0.2")
    head, *rows = (
        line.split(",") for line in write_flowers(tmp_path / "f.csv").read_text().split()
    )
    for name in ("first", "second"):
        with sqlite3.connect(tmp_path / "f.db") as con:
            con.execute(f"create table {name} ({', '.join(head)})")
            con.executemany(f"insert into {name} values (?, ?, ?, ?, ?)", rows)
        con.close()
    told = ok("train", "f.csv", "--target", "kind", *QUICK, "--test", "0.2", cwd=tmp_path)
    assert "predict f.safetensors f.csv\n" in told
    told = ok("train", "f.db", "--table", "second", "--target", "kind", *QUICK, cwd=tmp_path)
    assert "evaluate f.safetensors f.db --table second\n" in told


def test_demo(tmp_path: Path) -> None:
    done = process("demo", cwd=tmp_path)
    assert done.code == 0, done.err
    for words in (
        "569 rows, 31 columns", 'always "benign"', "linear model", "113 test rows", "Tanh(0.Z)",
        "gradient boosting", "--preset strong",
        "sigmoid(Z) = ", "chainrule-demo/report.html", "30 columns, mean radius … worst fractal",
        "the probability of diagnosis = malignant; the answer is", "; the table says",
    ):  # fmt: skip
        assert words in " ".join(done.out.split())
    assert "Missing" not in done.out
    made = sorted(path.name for path in (tmp_path / "chainrule-demo").iterdir())
    assert made == ["breast-cancer.csv", "model.safetensors", "report.html"]
    model = chainrule.load(tmp_path / "chainrule-demo" / "model.safetensors")
    assert model.facts["test"]["network"]["accuracy"] > 0.9


ROUNDS = [
    ("titanic.csv", "Survived", [], "accuracy", 0.74),
    ("penguins.csv", "species", [], "accuracy", 0.95),
    ("auto-mpg.csv", "mpg", [], "r2", 0.8),
    ("winequality-red.csv", "quality", ["--epochs", "10"], "accuracy", 0.5),
    ("winequality-white.csv", "quality", ["--task", "regression", "--epochs", "10"], "r2", 0.2),
]


@pytest.mark.parametrize(("name", "target", "options", "metric", "least"), ROUNDS)
def test_real_table_there_and_back(
    name: str, target: str, options: list[str], metric: str, least: float,
    data: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """Train, predict, evaluate and look: four commands on the file as it is."""
    told = document(
        "train", data / name, "--target", target, *options, "--no-compare", cwd=tmp_path
    )
    assert told["test"][metric] >= least
    model = f"{Path(name).stem}.safetensors"
    answers = ok("predict", model, data / name, cwd=tmp_path)
    assert answers.count("\n") == told["rows"]["table"] + 1
    assert answers.startswith(f"row,{target}\n")
    assert document("evaluate", model, data / name, cwd=tmp_path)["model_test"] == told["test"]
    assert f"predicts {target}" in ok("info", model, cwd=tmp_path)
