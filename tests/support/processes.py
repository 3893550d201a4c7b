"""Processes that tests start: how long a test waits for them, and how they always end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

PATIENCE = 600.0
"""Seconds that only a program that hangs takes, also on a slow machine that is busy."""

_started: list["subprocess.Popen[Any]"] = []


def start(command: Sequence[str], **how: Any) -> "subprocess.Popen[Any]":
    """A process in a group of its own, which ends with the test at the latest (see conftest.py)."""
    process = subprocess.Popen(command, start_new_session=True, **how)
    _started.append(process)
    return process


def end(process: "subprocess.Popen[Any]") -> None:
    """Kill the process and all that it started, and close its pipes."""
    with suppress(ProcessLookupError, PermissionError):  # all of them have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    if process in _started:
        _started.remove(process)


def end_all() -> None:
    """End every process that a test has started and not ended."""
    while _started:
        end(_started[-1])


def completed(command: Sequence[str], **how: Any) -> "subprocess.CompletedProcess[str]":
    """The command after it has ended by itself: its exit code and what it wrote."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(command, text=True, **(pipes | how))
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        end(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Return once it holds; fail with `what` if only a program that hangs takes so long."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain: {what}"
        time.sleep(0.01)
