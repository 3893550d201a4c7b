"""`chainrule check-gradients`: whether the gradient in somebody's own file is right."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..writing.words import clean, count, number
from .errors import NO
from .json_output import AS_JSON, print_json
from .options import COUNT, nonempty, time_limit

STARTING, LONGEST, GRACE = 60.0, 86_400.0, 5.0
"""Seconds for Python to start, the longest time limit, and how long the check has to report it."""


@click.command(short_help="Check the gradient of your own code, and name its bug.")
@click.argument("file", metavar="FILE", callback=nonempty)
@click.option("--rows", type=COUNT, help="The number of rows the loss is over.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the points.")
@time_limit("How long your code may take in all.", 60.0, LONGEST)
@AS_JSON
def check_gradients(
    file: str, rows: int | None, seed: int, time_limit: float, as_json: bool
) -> int:
    """Say whether the gradient in FILE is right, and if not, name the cause.

    FILE is a Python file that defines two functions and where to start: loss(parameters) returns a
    number, gradient(parameters) its derivative in the layout of parameters, which is an array or a
    dict of arrays. It may define rows, the number of rows of its data. It runs in a process of its
    own, and what it prints is dropped. Exits 0 if the gradient is right, 1 if it is wrong.
    """
    if not Path(file).is_file():
        raise ValueError(f"{file}: no such file: give the Python file that holds your functions")
    if math.isnan(time_limit):
        raise ValueError("--time-limit is nan: give seconds, such as 60")
    settings = {"rows": rows, "seed": seed, "time_limit": time_limit}
    document = check_in_process(file, settings, time_limit)
    if "error" in document:
        raise ValueError(document["error"])
    (print_json if as_json else _show)(document)
    return 0 if document["ok"] else NO


def check_in_process(file: str, settings: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What check_gradients_process writes about a file, in a process of its own.

    Raises ValueError in one sentence where the process ends without a word or not in time.
    """
    with TemporaryDirectory(prefix="chainrule-") as folder:
        out, log = Path(folder) / "report.json", Path(folder) / "stderr.txt"
        module = f"{__package__}.check_gradients_process"
        command = [sys.executable, "-P", "-m", module, file, str(out), json.dumps(settings)]
        no_text = subprocess.DEVNULL
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, stdin=no_text, stdout=no_text, stderr=errors, start_new_session=True
            ) as process,
        ):
            try:
                if not _ends_in_time(process, Path(f"{out}.started"), seconds):
                    raise ValueError(
                        f"{file} did not end within {seconds:g} s: look for a loop that never "
                        f'ends, or put training under if __name__ == "__main__"'
                    )
            finally:
                _end(process)
        if not out.is_file():
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1] if lines else f"exit code {process.returncode}"
            raise ValueError(f"{file} ended the process it ran in ({clean(last)})")
        document = json.loads(out.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or not {"ok", "error"} & document.keys():
        raise ValueError(f"{file} changed how its report is written: leave json as it is")
    return document


def _ends_in_time(process: "subprocess.Popen[bytes]", started: Path, seconds: float) -> bool:
    """Whether the process ends in time: the file's, which begins once Python has started."""
    begun = time.monotonic()
    while process.poll() is None and not started.exists() and time.monotonic() < begun + STARTING:
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds + GRACE)  # the check itself stops at the limit, and says where it was
        return True
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and where the system has groups of processes those it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _show(document: dict[str, Any]) -> None:
    from rich.text import Text

    from .screen import screen

    console, ok = screen(), document["ok"]
    where = f" ({', '.join(document['where'])})" if document["where"] else ""
    cause = f"{document['file']}: {document['cause']}: {document['words']}{where}"
    console.print(Text(clean(cause), "bold green" if ok else "bold red"))
    for sentence in document["evidence"]:
        console.print(Text(f"  {clean(sentence)}"))
    console.show_notes(document["notes"])
    if document["blocks"]:
        console.print()
        numbers, rows = ("Compared", "Wrong", "Largest error"), []
        for block in document["blocks"]:
            shape = " × ".join(map(str, block["shape"])) or "number"
            counts = (count(block["compared"]), count(block["wrong"]), number(block["error"], 2))
            style = "red" if block["wrong"] else ""
            rows.append([Text(cell, style) for cell in (clean(block["name"]), shape, *counts)])
        console.show_table(("Parameter", "Shape", *numbers), rows, numbers)
        console.print(Text(clean(document["checked"]), "dim"))
