"""`chainrule check-gradients`: the verdict, its exit code, and files that fail."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import pytest
from support.cli_tables import COMMAND, call, document, environment, process
from support.processes import PATIENCE, start, wait_until

from chainrule.cli import check_gradients

LINE = """
import numpy as np
from shared import X, y
parameters = {"w": np.zeros((2, 1)), "b": 0.5}
rows = len(X)
print("hello " * 1000)

def error(p):
    print("again")
    return X @ p["w"] + p["b"] - y

def loss(p):
    return np.mean(error(p) ** 2) / 2

def gradient(p):
    e = error(p)
    return {"dw": X.T @ e / 4, "db": np.sum(e) / 4}

if __name__ == "__main__":
    raise SystemExit("training")
"""
SHARED = "import numpy as np\nX, y = np.eye(4)[:, :2], np.ones((4, 1))\n"
PLAIN = "parameters = [1.0]\ndef loss(p): return p[0] ** 2\ndef gradient(p): return [2 * p[0]]\n"


def write(folder: Path, text: str, name: str = "net.py") -> Path:
    (folder / "shared.py").write_text(SHARED, encoding="utf-8")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_right_gradient(tmp_path: Path) -> None:
    result = call("check-gradients", write(tmp_path, LINE).name, cwd=tmp_path)
    assert result.exit_code == 0, result.output
    assert "net.py: correct: the gradient is right" in result.stdout
    assert "hello" not in result.output
    assert re.search(r"w +2 × 1 +2 +0", result.stdout)
    assert "3 entries compared at 3 points" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_wrong_gradient_exits_1(tmp_path: Path) -> None:
    wrong = write(tmp_path, LINE.replace("X.T @ e / 4, ", "X.T @ e, ").replace("(e) / 4", "(e)"))
    result = call("check-gradients", wrong.name, cwd=tmp_path)
    assert result.exit_code == 1, result.output
    assert "scale: a constant factor is wrong (w, b)" in result.stdout
    assert "1/m is missing (m = 4 rows)" in result.stdout
    told = call("check-gradients", wrong, "--rows", 2, "--seed", 3)
    assert "1/m is missing (m = 2 rows), and there is a 2 too many" in told.stdout


def test_json_is_one_document(tmp_path: Path) -> None:
    found = document("check-gradients", write(tmp_path, LINE))
    assert (found["ok"], found["cause"], found["rows"]) == (True, "correct", 4)
    assert [block["name"] for block in found["blocks"]] == ["w", "b"]
    result = call("check-gradients", write(tmp_path, PLAIN.replace("2 *", "-2 *")), "--json")
    assert result.exit_code == 1
    assert '"cause": "sign"' in result.stdout


MISTAKES: dict[str, tuple[str, list[str], str]] = {
    "no loss": ("def gradient(p): ...\nparameters = 1.0", [], "net.py defines no loss: it needs"),
    "no parameters": (PLAIN.replace("parameters", "start", 1), [], "net.py defines no parameters"),
    "no Python": ("def loss(p:\n", [], "net.py, line 1: "),
    "fails at once": ("import numpy\n1 / 0\n", [], "net.py, line 2: raised ZeroDivisionError"),
    "missing import": ("import nowhere_at_all\n", [], "raised ModuleNotFoundError: No module"),
    "leaves": ("raise SystemExit(5)\n", [], "raised SystemExit: 5"),
    "kills itself": ("import os\nos._exit(7)\n", [], "ended the process it ran in (exit code 7)"),
    "log": (PLAIN.replace("p[0] ** 2", "log(p[0])"), [], "raised NameError: name 'log' is not"),
    "nan": (PLAIN.replace("p[0] ** 2", "float('nan')"), [], "your value function returned nan"),
    "rows": (PLAIN + "rows = 'four'\n", [], "rows is 'four' in"),
    "never ends": (
        PLAIN + "def loss(p):\n    while True: pass\n", ["--time-limit", "0.5"],
        "your value function did not come back within time_limit = 0.5 s"),
    "wrong shape": (PLAIN.replace("[2 *", "[1, 2 *"), [], "a list of 2, but there are 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_file_that_fails_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_gradients, "GRACE", PATIENCE)
    text, options, words = MISTAKES[name]
    result = call("check-gradients", write(tmp_path, text), *options)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.startswith("chainrule: ")
    assert result.stderr.count("\n") == 1


def test_no_such_file(tmp_path: Path) -> None:
    result = call("check-gradients", "nowhere.py", cwd=tmp_path)
    assert result.exit_code == 2
    assert "nowhere.py: no such file" in result.stderr


def test_a_file_whose_own_lines_never_end(tmp_path: Path) -> None:
    file = write(tmp_path, "while True: pass\n")
    result = call("check-gradients", file, "--time-limit", "0.1")
    assert result.exit_code == 2
    assert "did not end within 0.1 s: look for a loop that never ends" in result.stderr


ALIVE = {
    "a process": "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(9e4)'])\n",
    "a thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(9e4,)).start()\n",
    "at exit": "import atexit, time\natexit.register(time.sleep, 9e4)\n",
}
"""What lasts longer than the longest time limit."""


@pytest.mark.parametrize("what", ALIVE)
def test_the_answer_does_not_wait_for_what_the_file_left_running(what: str, tmp_path: Path) -> None:
    result = call("check-gradients", write(tmp_path, ALIVE[what] + PLAIN))
    assert result.exit_code == 0, result.output


def test_a_file_that_changes_json_and_odd_limits(tmp_path: Path) -> None:
    file = write(tmp_path, "import json\njson.dumps = lambda *a, **k: '{}'\n" + PLAIN)
    assert document("check-gradients", file)["ok"]
    for limit in ("nan", "inf", "1e300", "0", "-1"):
        result = call("check-gradients", file, "--time-limit", limit)
        assert result.exit_code == 2, limit
        assert "Traceback" not in result.output


def test_a_loop_in_c_is_ended_too(tmp_path: Path) -> None:
    text = PLAIN + "def loss(p): return sum(iter(int, 1))\n"
    result = call("check-gradients", write(tmp_path, text), "--time-limit", "0.5")
    assert result.exit_code == 2


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    text = "import os, time\nopen('new', 'w').write(str(os.getpid()))\nos.rename('new', 'pid')\n"
    write(tmp_path, text + "time.sleep(1e9)\n")
    command = [*COMMAND, "check-gradients", "net.py", "--time-limit", "86400"]
    pipes = {"stdout": PIPE, "stderr": PIPE, "text": True}
    running = start(command, cwd=tmp_path, env=environment(), **pipes)
    pid = tmp_path / "pid"
    wait_until(pid.is_file, "the file does not run")
    child = int(pid.read_text())
    try:
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=PATIENCE)
        assert running.returncode == 130, told
        assert "Traceback" not in told
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def test_as_a_process_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, LINE)
    done = process("check-gradients", "net.py", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("net.py: correct")
