"""The compiled engine beside its peers: the same work, first compared, then timed in turns.

$ python benchmarks/engine.py --data ../shared/data/mnist --markdown docs/engine.md

Prints microseconds a step for each row of work, the fastest peer's time over ours, and each goal
with met or missed; peak memory of whole processes; and how the cost grows with rows, width, depth
and batch size, which takes two or three minutes of the whole. Without --data, MNIST is replaced by
random rows of the same shape. Every library gets the same two cores and as many threads.
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
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import engine_cold
import engine_predict
import engine_train
from engine_picture import growth_picture, picture
from engine_show import TABLES, console, figures, on_screen, placed
from engine_timing import judge
from engine_work import BASE, COLD, DATA, IMAGES, LARGE, PREDICTION, TRAINING, Process, quick

from chainrule.files import check_writable, write_atomically

PACKAGES = (
    "numpy", "scipy", "numba", "scikit-learn", "torch", "jax", "jaxlib", "onnxruntime",
)  # fmt: skip

Found = dict[str, Any]


def main() -> None:
    """Measure what was asked for, show it, save it."""
    asked = parse()
    if asked.data:
        DATA.append(asked.data)
    screen, found = console(), about(asked)
    for part, keys in ((measure, ("validated", "rows", "memory")), (growth, ("growth",))):
        for name in part(asked, found):
            screen.print(f"{name} done", style="dim")
        for key in keys:
            if found[key]:
                screen.print(on_screen(TABLES[key](found[key])))
    save(asked, found)


def parse() -> argparse.Namespace:
    """The command line; what cannot be read or written is told before anything is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME",
        help="rows whose name contains one of these; growth is called growth",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="shorter runs, two rounds")
    parser.add_argument(
        "--no-growth", dest="growth", action="store_false", help="no growth, no peak memory"
    )
    parser.add_argument("--data", type=Path, help="folder of MNIST's idx files")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path, help="and a second one beside it, …-growth")
    parser.add_argument(
        "--markdown", type=Path, help="a page with the pair of comments between which tables go"
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds = 2
    try:
        for file in filter(None, (asked.json, asked.picture, asked.markdown)):
            check_writable(file)
        if asked.markdown:
            placed(asked.markdown, "")
        if asked.rounds < 1:
            raise ValueError(f"--rounds is {asked.rounds}: at least 1 is needed")
        if asked.data and not (asked.data / IMAGES).is_file():
            raise ValueError(f"--data {asked.data} holds no {IMAGES}: name the folder that does")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return asked


def wanted(name: str, only: list[str]) -> bool:
    """Whether the name contains one of these."""
    return any(part in name for part in only)


def measure(asked: argparse.Namespace, found: Found) -> Iterator[str]:
    """Add each row to `found` and say its name."""
    for work in TRAINING:
        if wanted(work.name, asked.only):
            found["validated"] += [
                engine_train.validate(work, dtype)
                for dtype in sorted({"float64", work.dtype}, reverse=True)
            ]
            times = engine_train.timing(quick(work) if asked.quick else work, asked.rounds)
            found["rows"].append(row(work.name, "µs a step", 1, times, work.goals))
            yield work.name
    for task in PREDICTION:
        if wanted(task.name, asked.only):
            differences, times = engine_predict.timing(task, asked.rounds)
            found["rows"].append(
                row(task.name, "µs", 1, times, task.goals) | {"differences": differences}
            )
            yield task.name
    for process, count in processes(asked):
        if wanted(process.name, asked.only):
            for name, times, said in engine_cold.timing(process, count):
                found["rows"].append(row(name, "ms", 1000, times, process.goals))
                if asked.growth:
                    found["memory"].append({"name": name, "said": said})
            yield process.name


def processes(asked: argparse.Namespace) -> Iterator[tuple[Process, int]]:
    """Each whole process and its rounds; the large one is there for its memory."""
    yield COLD, asked.rounds
    if asked.growth:
        large = replace(LARGE, work=quick(LARGE.work)) if asked.quick else LARGE
        yield large, few_rounds(asked)


def growth(asked: argparse.Namespace, found: Found) -> Iterator[str]:
    """Add each point of the growth to `found` and say where it stands."""
    if asked.growth and wanted("growth", asked.only):
        found["validated"].append(engine_train.validate(BASE, BASE.dtype))
        for point in engine_train.growth(few_rounds(asked), short=asked.quick):
            found["growth"].append(point)
            yield f"growth: {point['axis']} {point['value']:,}"


def few_rounds(asked: argparse.Namespace) -> int:
    """The rounds of what takes long and has no goal."""
    return min(asked.rounds, 3)


def row(name: str, unit: str, divide: float, times: Any, goals: Any) -> dict[str, Any]:
    """One row of the table; times are in microseconds, shown divided."""
    return {
        "name": name, "unit": unit, "divide": divide, "times": times, "goals": judge(times, goals),
    }  # fmt: skip


def about(asked: argparse.Namespace) -> Found:
    """Where and how this is measured, and room for what is found."""
    return {
        "command": sys.argv[1:],
        "processor": processor(),
        "system": platform.platform(),
        "load": os.getloadavg(),
        "versions": {"Python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "data": "the MNIST images" if asked.data else "random rows of the shape of MNIST",
        "rounds": asked.rounds,
        "few_rounds": few_rounds(asked),
        "validated": [], "rows": [], "memory": [], "growth": [],
    }  # fmt: skip


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")


def save(asked: argparse.Namespace, found: Found) -> None:
    """Everything as JSON, as tables on a page, as pictures: what was asked for."""
    if asked.json:
        write_atomically(asked.json, (json.dumps(found, indent=1) + "\n").encode())
    if asked.markdown:
        write_atomically(asked.markdown, placed(asked.markdown, figures(found)))
    if asked.picture and found["rows"]:
        picture(found["rows"], asked.picture)
    if asked.picture and found["growth"]:
        growth_picture(found["growth"], asked.picture.with_stem(f"{asked.picture.stem}-growth"))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
