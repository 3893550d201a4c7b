"""Whole processes: from `python` to a trained model, and the memory they take."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from engine_timing import rounds, summary
from engine_work import TRAINING, Goals, Work, data

EPOCHS = 20
NAME = f"cold process, digits, {EPOCHS} epochs"
GOALS: Goals = ((("sklearn",), 1.5), (("torch",), 2.0))
WHO = ("ours", "sklearn", "torch", "jax")
SCRIPT = Path(__file__).with_name("engine_process.py")


def process(who: str, file: Path, work: Work, epochs: int) -> tuple[float, dict[str, Any]]:
    """(seconds of the whole process, what it said)."""
    command = [sys.executable, str(SCRIPT), who, str(file), work.name, str(epochs), str(work.batch)]
    started = perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return perf_counter() - started, json.loads(done.stdout)


def saved(work: Work, folder: str) -> Path:
    """The work's data as an .npz file."""
    X, y = data(work)
    file = Path(folder) / f"{work.name}.npz"
    np.savez(file, X=X, y=y)
    return file


def whole(
    who: str, file: Path, work: Work, epochs: int, said: dict[str, Any]
) -> Callable[[], float]:
    """A run of a whole process; what it said goes into `said`."""

    def run() -> float:
        seconds, said[who] = process(who, file, work, epochs)
        return seconds

    return run


def timing(count: int) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """(what each said, microseconds of each whole process), both by name."""
    work = next(work for work in TRAINING if work.data == "digits")
    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = saved(work, folder)
        found = rounds({who: whole(who, file, work, EPOCHS, said) for who in WHO}, count)
    return said, summary(found, 1)
