"""Whole processes: from `python` to a trained model, and the memory they take."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from engine_timing import Times, rounds, summary
from engine_work import PEERS, Process, Work, data

SCRIPT = Path(__file__).with_name("engine_process.py")


def process(who: str, file: Path, work: Work) -> tuple[float, dict[str, Any]]:
    """(seconds of the whole process, what it said)."""
    command = [
        sys.executable, str(SCRIPT), who, str(file), work.name, str(work.epochs), str(work.batch),
    ]  # fmt: skip
    started = perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return perf_counter() - started, json.loads(done.stdout)


def saved(work: Work, folder: str) -> Path:
    """The work's data as an .npz file."""
    X, y = data(work)
    file = Path(folder) / f"{work.name}.npz"
    np.savez(file, X=X, y=y)
    return file


def whole(who: str, file: Path, work: Work, said: dict[str, Any]) -> Callable[[], float]:
    """A run of a whole process; what it said goes into `said`."""

    def run() -> float:
        seconds, said[who] = process(who, file, work)
        return seconds

    return run


def timing(task: Process, count: int) -> Iterator[tuple[str, Times, dict[str, Any]]]:
    """(name, microseconds, what was said) for each engine of ours, beside the same peers' runs."""
    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = saved(task.work, folder)
        runs = {who: whole(who, file, task.work, said) for who in (*task.engines, *PEERS)}
        times = summary(rounds(runs, count), 1)
    for asked in task.engines:
        ran = said[asked]["engine"]
        name = f"{task.name}, {ran if ran == asked else f'{asked} → {ran}'}"
        yield name, _beside_peers(times, asked), _beside_peers(said, asked)


def _beside_peers(found: dict[str, Any], engine: str) -> dict[str, Any]:
    return {"ours": found[engine]} | {peer: found[peer] for peer in PEERS}
