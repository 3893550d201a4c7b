"""The command line as processes: Ctrl-C, terminals and pipes, divergence half-way, the demo."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from cli_tables import COMMAND, QUICK, document, environment, ok, process, write_flowers

import chainrule

PATIENCE = 60.0
"""Seconds to wait for something to appear on a terminal; only a hanging program takes so long."""


class Terminal:
    """A process whose standard error, and output if asked, is a terminal."""

    def __init__(self, *args: object, cwd: Path, both: bool = False, **variables: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=slave if both else subprocess.PIPE,
            stderr=slave, env=environment(TERM="xterm-256color", **variables),
        )  # fmt: skip
        os.close(slave)
        self.seen = ""

    def read(self) -> bool:
        """Take in what is there; False once the other side is closed."""
        if not select.select([self.master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            assert self.read(), f"{words} never came:\n{self.seen}"
            assert time.monotonic() < end, f"{words} did not come:\n{self.seen}"

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> tuple[int, str]:
        """The exit code and what came on standard output, if that is no terminal."""
        while self.read():
            pass
        out = self.process.stdout.read().decode() if self.process.stdout else ""
        code = self.process.wait(PATIENCE)
        os.close(self.master)
        if self.process.stdout:
            self.process.stdout.close()
        return code, out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("processes")
    write_flowers(place / "flowers.csv", n=600)
    return place


ENDLESS = ["train", "flowers.csv", "--target", "kind", "--epochs", "1000000", "--lr", "1e-9"]
ENDLESS += ["--optimizer", "sgd", "--json"]
SLOW = [*ENDLESS, "--hidden", "1500,1500", "--batch-size", "4"]
"""An epoch of ninety steps of 0.05 seconds or more."""


def test_ctrl_c_keeps_the_best_epoch(folder: Path) -> None:
    terminal = Terminal(*ENDLESS, "--hidden", "4", "--out", "kept.safetensors", cwd=folder)
    terminal.wait_for("best")
    terminal.interrupt()
    code, out = terminal.finish()
    assert code == 0, terminal.seen
    told = json.loads(out)
    assert told["training"]["stopped"] == "interrupted"
    assert told["training"]["told"].startswith("Stopped by you at epoch ")
    assert f"kept epoch {told['training']['best_epoch']}" in told["training"]["told"]
    model = chainrule.load(folder / "kept.safetensors")
    assert model.facts["best_epoch"] == told["training"]["best_epoch"]
    assert told["test"] == model.facts["test"]["network"]


def test_ctrl_c_in_the_first_epoch_writes_nothing(folder: Path) -> None:
    terminal = Terminal(*SLOW, "--out", "first.safetensors", cwd=folder)
    terminal.wait_for("first epoch")
    terminal.interrupt()
    code, out = terminal.finish()
    assert (code, out) == (130, "")
    assert "Traceback" not in terminal.seen
    assert not (folder / "first.safetensors").exists()


def test_second_ctrl_c_leaves_at_once(folder: Path) -> None:
    old = folder / "old.safetensors"
    old.write_bytes(b"an older model")
    slow = [*ENDLESS, "--hidden", "1500,1500", "--batch-size", "256"]
    terminal = Terminal(*slow, "--out", old, cwd=folder)
    terminal.wait_for("best")
    terminal.interrupt()
    terminal.wait_for("Ctrl-C again leaves at once")
    terminal.interrupt()
    code, out = terminal.finish()
    assert (code, out) == (130, "")
    assert "stopped" in terminal.seen
    assert old.read_bytes() == b"an older model"


def test_ctrl_c_leaves_out_the_linear_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(1500, 150)).round(3), rng.integers(20, size=1500)
    lines = [",".join([*map(str, x), f"class {k}"]) for x, k in zip(X, labels, strict=True)]
    head = ",".join([*(f"x{j}" for j in range(150)), "y"])
    (tmp_path / "noise.csv").write_text("\n".join([head, *lines]), encoding="utf-8")
    arguments = ["train", "noise.csv", "--target", "y", "--hidden", "2", "--epochs", "2", "--json"]
    terminal = Terminal(*arguments, cwd=tmp_path)
    terminal.wait_for("Fitting a linear model")
    terminal.interrupt()
    code, out = terminal.finish()
    assert code == 0, terminal.seen
    assert "The linear model is left out" in terminal.seen
    told = json.loads(out)
    assert told["baselines"]["linear"] is None
    assert told["baselines"]["constant"]["accuracy"] > 0
    assert told["training"]["stopped"] == "epochs"
    assert (tmp_path / "noise.safetensors").exists()


def test_divergence_after_an_epoch_keeps_the_best(tmp_path: Path) -> None:
    """The validation rows are so large that their squared error overflows once |w| nears 0.9."""
    rng = np.random.default_rng(0)
    x = np.where(np.arange(100) % 2, 1.0, -1.0)
    x[60:80] *= 1.5e154
    lines = [f"{a!r},{np.sign(a) + rng.normal(scale=0.01)},{i}" for i, a in enumerate(x.tolist())]
    (tmp_path / "edge.csv").write_text("\n".join(["x,y,day", *lines]), encoding="utf-8")
    done = process(
        "train", "edge.csv", "--target", "y", "--time", "day", "--hidden", "none", "--seed", SMALL,
        "--optimizer", "sgd", "--lr", "0.02", "--json", cwd=tmp_path,
    )  # fmt: skip
    told = json.loads(done.out)
    assert (done.code, told["training"]["stopped"]) == (1, "diverged")
    assert "validation loss became inf" in told["training"]["told"]
    assert told["training"]["epochs"] > 0
    model = chainrule.load(tmp_path / "edge.safetensors")
    assert model.facts["test"]["network"] == told["test"]


SMALL = 1
"""A seed whose first weight lies well below 0.9."""


def test_terminal_has_colours_and_a_bar(folder: Path) -> None:
    arguments = ["train", "flowers.csv", "--target", "kind", *QUICK, "--out", "t.safetensors"]
    terminal = Terminal(*arguments, cwd=folder, both=True)
    assert terminal.finish()[0] == 0
    assert "\x1b[" in terminal.seen
    assert re.search(r"Epoch.*loss .*valid .*best .* left", terminal.seen)
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
    line = f"{' '.join(COMMAND)} {command.format(name)} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert (folder / f"{name}.safetensors").exists() == ("{}" in command)


def test_demo(tmp_path: Path) -> None:
    done = process("demo", cwd=tmp_path)
    assert done.code == 0, done.err
    for words in (
        "569 rows, 31 columns", 'always "benign"', "linear model", "113 test rows", "Tanh(0.Z)",
        "sigmoid(Z) = ", "chainrule-demo/report.html",
    ):  # fmt: skip
        assert words in done.out
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
    told = document("train", data / name, "--target", target, *options, cwd=tmp_path)
    assert told["test"][metric] >= least
    model = f"{Path(name).stem}.safetensors"
    answers = ok("predict", model, data / name, cwd=tmp_path)
    assert answers.count("\n") == told["rows"]["table"] + 1
    assert answers.startswith(f"row,{target}\n")
    assert document("evaluate", model, data / name, cwd=tmp_path)["stored"] == told["test"]
    assert f"predicts {target}" in ok("info", model, cwd=tmp_path)
