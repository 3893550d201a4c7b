"""The compiled engine beside its peers: the same work, first compared, then timed in turns.

$ python benchmarks/engine.py --data ../shared/data/mnist --json engine.json --picture engine.png

Prints microseconds a step for each row of work, the fastest peer's time over ours, and each goal
with met or missed. Without --data, MNIST is replaced by random rows of the same shape. `--growth`
adds how the cost grows with rows, width, depth and batch size, and peak memory. Every library gets
the same two cores and as many threads. Exits 1 where a goal was missed.
"""

# ruff: noqa: E402
import os

# Before any library counts the cores: everyone sees the same two.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "2"

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import engine_cold
import engine_growth
import engine_predict
import engine_train
from engine_growth import growth_picture
from engine_show import console, judge, picture, timing_table, validation_table
from engine_work import DATA, TRAINING, quick

PACKAGES = (
    "numpy", "scipy", "numba", "scikit-learn", "torch", "jax", "jaxlib", "onnxruntime",
)  # fmt: skip

Row = dict[str, Any]


def main() -> int:
    """Run what was asked for, show it, save it."""
    asked = parse()
    if asked.data:
        DATA.append(asked.data)
    screen, rows = console(), list[Row]()
    validated: dict[tuple[str, str], dict[str, float]] = {}
    for row in measure(asked, validated):
        rows.append(row)
        screen.print(f"{row['name']} done", style="dim")
    if validated:
        screen.print(validation_table(validated))
    if rows:
        screen.print(timing_table(rows))
    found = report(asked, rows, validated)
    if asked.growth:
        found["growth"] = engine_growth.measure(asked.rounds)
        found["memory"] = engine_growth.memory(min(asked.rounds, 3))
        screen.print(engine_growth.growth_table(found["growth"]))
        screen.print(engine_growth.memory_table(found["memory"]))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    if asked.picture:
        draw(found, asked.picture)
    return 0 if all(goal["met"] for row in rows for goal in row["goals"]) else 1


def draw(found: dict[str, Any], file: Path) -> None:
    """The picture of the table; with --growth a second one beside it, named …-growth."""
    if found["rows"]:
        picture(found["rows"], file)
    if "growth" in found:
        growth_picture(found["growth"], file.with_stem(f"{file.stem}-growth"))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--only", nargs="*", default=[""], metavar="NAME",
        help="rows whose name contains one of these; nothing after it for --growth alone",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="shorter runs, two rounds")
    parser.add_argument("--growth", action="store_true", help="also how the cost grows, memory")
    parser.add_argument("--data", type=Path, help="folder of MNIST's idx files")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds = 2
    return asked


def measure(
    asked: argparse.Namespace, validated: dict[tuple[str, str], dict[str, float]]
) -> Iterator[Row]:
    """Each row as it is done; what was compared goes into `validated`."""
    for work in TRAINING:
        if wanted(work.name, asked.only):
            for dtype in sorted({"float64", work.dtype}, reverse=True):
                validated[work.name, dtype] = engine_train.validate(work, dtype)
            chosen = quick(work) if asked.quick else work
            times = engine_train.timing(chosen, asked.rounds)
            yield row(work.name, "µs a step", 1, times, work.goals)
    for task in engine_predict.PREDICTION:
        if wanted(task.name, asked.only):
            differences, times = engine_predict.timing(task, asked.rounds)
            yield row(task.name, "µs", 1, times, task.goals) | {"differences": differences}
    if wanted(engine_cold.NAME, asked.only):
        said, times = engine_cold.timing(asked.rounds)
        yield row(engine_cold.NAME, "ms", 1000, times, engine_cold.GOALS) | {"said": said}


def wanted(name: str, only: list[str]) -> bool:
    """Whether the name contains one of these."""
    return any(part in name for part in only)


def row(name: str, unit: str, divide: float, times: Any, goals: Any) -> Row:
    """One row of the table; times are in microseconds, shown divided."""
    return {
        "name": name, "unit": unit, "divide": divide, "times": times, "goals": judge(times, goals),
    }  # fmt: skip


def report(
    asked: argparse.Namespace,
    rows: list[Row],
    validated: dict[tuple[str, str], dict[str, float]],
) -> dict[str, Any]:
    """Everything, for the JSON file."""
    return {
        "command": sys.argv[1:],
        "machine": {"processor": processor(), "system": platform.platform(), "threads": 2},
        "load": os.getloadavg(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "mnist": str(asked.data) if asked.data else "random rows of its shape",
        "rounds": asked.rounds,
        "validated": {f"{name}, {dtype}": found for (name, dtype), found in validated.items()},
        "rows": rows,
    }


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    raise SystemExit(main())
